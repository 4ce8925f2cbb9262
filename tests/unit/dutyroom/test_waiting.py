"""What waits is given away once, in the order in which it came, whole or by device."""

from hypothesis import given
from hypothesis import strategies as st

from dutyroom.waiting import Waiting
from facility.scan import Scan


def scan(device: str, at_ms: int) -> Scan:
    return Scan(device, at_ms, at_ms, (1.0,), b"\0")


@given(st.lists(st.sampled_from(["a", "b", "c", "d", ("a",), ("b", "d"), ("e",), ()]), max_size=40))
def test_it_gives_away_what_a_list_would(steps: list[str | tuple[str, ...]]) -> None:
    batch, plain, told = Waiting(), list[Scan](), list[int]()

    def given_away(devices: tuple[str, ...]) -> None:
        scans, dones = batch.take_of(devices)
        wanted = [one for one in plain if one.device in devices]
        assert scans == wanted
        for done in dones:
            done()
        assert told == [one.at_ms for one in wanted if one.at_ms % 2]
        plain[:] = [one for one in plain if one.device not in devices]
        told.clear()

    for at, step in enumerate(steps):
        if isinstance(step, tuple):
            given_away(step)
        else:
            one = scan(step, at)
            batch.add(one, (lambda at=at: told.append(at)) if at % 2 else None)  # type: ignore[misc]
            plain.append(one)
        assert len(batch) == len(plain)
    scans, dones = batch.take()
    assert scans == plain
    assert len(dones) == sum(one.at_ms % 2 for one in plain)
    assert len(batch) == 0
    assert batch.take() == ([], [])
