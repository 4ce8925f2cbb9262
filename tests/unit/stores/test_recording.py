"""What was judged comes back scan by scan, in the order in which it came, whatever became of the files meanwhile."""

import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from hands import Hands

from facility.ports import Layout
from facility.scan import Reason, Scan, missed
from stores.telemetry import upkeep
from stores.telemetry.archive import Archive
from stores.telemetry.recording import Recording
from stores.telemetry.segments import ARRIVAL, Folder
from stores.telemetry.spool import Spool
from stores.telemetry.thinning import Policy

DAY_MS = 86_400_000
START = 20_780 * DAY_MS - 7 * 3_600_000  # so that midnight lies within
POINTS = {"a": ("A/x", "B/x", "A/y"), "b/1": ("A/z",), "c": ("C/x", "C/y")}


def told(scans: Sequence[Scan]) -> list[tuple]:
    """What a rule can see of scans; NaN equals itself."""
    return [(s.device, s.at_ms, s.received_ms, str(s.values), s.reasons) for s in scans]


def lived(seed: int, folder: Path, policy: Policy | None = None) -> list[Scan]:
    """Nine hours of three devices: late words, repeats, clocks set back, silences, marks of gaps, restarts."""
    roll = random.Random(seed)
    clock = Hands(START)
    clock.ms = START
    spool = Spool(folder / "spool.db", clock)
    for device, points in POINTS.items():
        spool.layout(device, points, "v1")
    archive = Archive(folder / "archive", spool, policy)
    said: list[Scan] = []
    while clock.ms < START + 9 * 3_600_000:
        batch = []
        for _ in range(roll.randrange(1, 12)):
            clock.ms += roll.choice((1, 1, 900, 120_000))
            device = roll.choice(list(POINTS))
            width = len(POINTS[device])
            at = clock.ms - roll.choice((0, 0, 0, 250, 1_000, 30_000, 4 * 3_600_000, 9 * DAY_MS)) // roll.choice(
                (1, 1, 3)
            )
            at = at // 1_000 * 1_000 if device == "c" else at  # a clock that knows no milliseconds
            some = (roll.random(),) if device == "c" else (0.0, 1.0, 20.5, roll.random(), float("nan"))
            values = tuple(roll.choice(some) for _ in range(width))
            reasons = bytes(roll.choice((0, 0, 0, Reason.SENTINEL, Reason.CLOCK)) for _ in range(width))
            scan = Scan(device, at, clock.ms, values, reasons)
            old = roll.choice(said[-20:]) if said else Scan(device, at, at, values, reasons)
            if old.device != "c" and said and roll.random() < 0.1:
                scan = Scan(old.device, old.at_ms, clock.ms, old.values, old.reasons)
            elif roll.random() < 0.1:
                scan = missed(device, at, width, roll.choice((Reason.NO_ANSWER, Reason.LOST)))
                scan.received_ms = clock.ms
            batch.append(scan)
        spool.commit(batch)
        said += batch
        if roll.random() < 0.3:
            while archive.compact(spool, clock.ms):
                pass
            spool.checkpoint(spool.last_row, b"")
            spool.trim(clock.ms)
        if roll.random() < 0.05:
            archive.close()
            archive = Archive(folder / "archive", spool, policy)
    spool.close()
    return said


@pytest.mark.parametrize("seed", range(4))
def test_every_scan_comes_back_as_it_came_and_when(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(upkeep.CLOSED_ROWS, ARRIVAL, 300)
    said = lived(seed, tmp_path)
    recording = Recording(tmp_path / "archive", tmp_path / "spool.db")
    assert recording.begin_ms() == said[0].received_ms
    assert told(list(recording.scans(POINTS, START, said[-1].received_ms + 1))) == told(said)
    first, last = said[len(said) // 3].received_ms, said[len(said) // 2].received_ms
    some = [s for s in said if first <= s.received_ms < last]
    assert told(list(recording.scans(POINTS, first, last))) == told(some)
    assert len({s.day for s in Folder(tmp_path / "archive").manifest().segments if s.kind == ARRIVAL}) == 2


def test_readings_that_were_left_out_are_those_that_were_kept_before(tmp_path: Path) -> None:
    clock = Hands(START)
    spool = Spool(tmp_path / "spool.db", clock)
    spool.layout("a", POINTS["a"], "v1")
    archive = Archive(tmp_path / "archive", spool, Policy(600_000, {"A/x": 0.5, "B/x": 0.0}.get))
    said = [
        Scan("a", clock.ms + i * 10_000, clock.ms + i * 10_000 + 5, (20 + i / 100, float(i > 40), i / 7), bytes(3))
        for i in range(100)
    ]
    spool.commit(said)
    while archive.compact(spool, clock.ms + 2_000_000):
        pass
    again = list(Recording(tmp_path / "archive", tmp_path / "spool.db").scans(POINTS, START, START + DAY_MS))
    assert [(s.at_ms, s.received_ms) for s in again] == [(s.at_ms, s.received_ms) for s in said]
    assert all(abs(b.values[0] - a.values[0]) <= 0.5 for a, b in zip(said, again, strict=True))
    assert [s.values[1:] for s in again] == [s.values[1:] for s in said]
    assert not any(any(s.reasons) for s in again)


def test_a_device_with_other_points_by_now_gives_what_it_still_has(tmp_path: Path) -> None:
    said = lived(1, tmp_path)
    points = {"a": ("A/y", "A/new", "A/x")}
    recording = Recording(tmp_path / "archive", tmp_path / "spool.db")
    again = list(recording.scans(points, START, said[-1].received_ms + 1))
    mine = [s for s in said if s.device == "a"]
    assert len(again) == len(mine)
    known = {(s.at_ms, s.received_ms): s for s in mine}
    plain = [s for s in again if s.reasons[1] == Reason.NOT_GIVEN]
    assert len(plain) > len(again) / 3  # the others were held whole, in the order of then
    for s in plain:
        was = known[s.at_ms, s.received_ms]
        assert str(s.values) == str((was.values[2], float("nan"), was.values[0]))


def test_a_folder_without_arrivals_says_so(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db", Hands(START))
    archive = Archive(tmp_path / "archive", spool)
    archive.write([Scan("a", START, START, (1.0, 2.0, 3.0), bytes(3))], {"a": Layout(1, "a", POINTS["a"], "v1")})
    assert Recording(tmp_path / "archive", tmp_path / "spool.db").begin_ms() is None


def test_the_marks_of_a_gap_are_told_from_words_of_a_device() -> None:
    lost, deaf = missed("a", START, 3, Reason.LOST), missed("a", START, 3, Reason.NOT_CONNECTED)
    assert lost.afterwards
    assert not deaf.afterwards
    deaf.received_ms += 1
    assert deaf.afterwards
    assert not Scan("a", START, START, (1.0, 2.0), bytes([Reason.LOST, 0])).afterwards
