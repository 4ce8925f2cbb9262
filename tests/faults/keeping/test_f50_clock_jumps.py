"""Fault 50: the wall clock jumps by -1 h and +1 day while an escalation runs. No step of it is missed, none doubled."""

import itertools
import time
from collections import Counter
from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest
from building import Building
from night_shift import site as made
from serving import eventually
from shifted import LIBRARY, Shifted
from small import placed

from dutyroom import clock as clock_file
from dutyroom.clock import SystemClock
from facility.records import Kind
from response import duty

REPEAT_S, LEVEL_S = 2, 4
PEOPLE = ("lift-hand", "second-hand")
TRAPPED = {"doors_closed": 1, "occupied": 1, "running": 0, "door_zone": 0, "fault_code": 71}
FOLLOW = "import dutyroom.chores as c; c.CLOCK_MS = 300"


@pytest.mark.skipif(not LIBRARY, reason="libfaketime is not installed")
def test_a_running_escalation_does_not_notice_an_hour_back_and_a_day_ahead(tmp_path) -> None:
    """Fault 50, whole process: two levels, a round every two seconds, judged by the receiver, whose clock stands still."""
    with placed(tmp_path, repeat=f"{REPEAT_S} s", level=f"{LEVEL_S} s", code=FOLLOW) as place:
        plain = place.service
        service = place.service = Shifted(plain.site, plain.data, log=plain.log, code=FOLLOW)
        service.set("+0")
        service.start()
        service.reading("l0")
        place.contact.closed = 1
        begun = eventually(lambda: place.told.posts, 15)[0].at
        eventually(lambda: time.time() > begun + 3, 10)  # between two rounds
        service.set("-1h")
        eventually(lambda: len(service.records(Kind.CLOCK_STEPPED)) == 1, 10)
        eventually(lambda: time.time() > begun + 7, 10)
        service.set("+1d")
        eventually(lambda: len(service.records(Kind.CLOCK_STEPPED)) == 2, 10)
        eventually(lambda: time.time() > begun + 11, 10)
        heard = {turn: times for turn, times in place.heard().items() if times[0] < 11_000}
        moments = {(0, n): REPEAT_S * n for n in range(LEVEL_S // REPEAT_S)}
        moments |= {(1, n): LEVEL_S + REPEAT_S * n for n in range(4)}
        who = {0: PEOPLE[:1], 1: (PEOPLE[0], "third-hand")}
        asked = {(person, *turn) for turn in moments for person in who[turn[0]]}
        asked.add((PEOPLE[1], 0, 0))  # who is only told is told once
        assert heard.keys() == asked, "none missed, none too many"
        assert all(len(times) == 1 for times in heard.values()), "none doubled"
        late = {turn: times[0] - 1000 * moments[turn[1:]] for turn, times in heard.items() if turn[1:] > (0, 0)}
        assert all(abs(ms) < 1000 * REPEAT_S / 2 for ms in late.values()), f"each at its own moment: {late}"
        assert all(0 <= heard[p, 0, 0][0] <= 2000 for p in PEOPLE), "the first, from a process that has only just begun"
        steps = [round(r.data.by_ms / 3_600_000) for r in service.records(Kind.CLOCK_STEPPED)]
        assert steps == [-1, 25]
        every = [r.at_ms for r in service.records()]
        assert all(after > before - 2_000 for before, after in itertools.pairwise(every)), "an hour is never read twice"


@pytest.mark.parametrize(
    "jump_s", [-3600, 86_400, 1, -1], ids=["an hour back", "a day ahead", "leap second", "its undoing"]
)
async def test_each_step_comes_once_and_at_its_time_whatever_the_wall_clock_does(tmp_path, monkeypatch, jump_s) -> None:
    """Fault 50 on the virtual clock: the product's own clock, with the wall pulled from under it at 02:14:30."""
    still = await pages_by_second(tmp_path / "still", monkeypatch, 0)
    assert max(Counter(page for _, page in still).values()) == 1
    assert {page[:2] for _, page in still} >= {(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)}
    jumped = await pages_by_second(tmp_path / "jumped", monkeypatch, jump_s)
    assert [page for _, page in jumped] == [page for _, page in still], "none missed, none doubled, none out of turn"
    late = [at - due for (at, _), (due, _) in zip(jumped, still, strict=True)]
    assert max(map(abs, late)) <= 2, "the clock is led in so slowly that no step moves by more than two seconds"


async def pages_by_second(folder, monkeypatch, jump_s: int) -> list[tuple[float, tuple]]:
    """Almost seven minutes of an entrapment; what was asked for, to whom, and in which second of them."""

    class Times:
        mono, shift = 0.0, 0.0

        def monotonic(self) -> float:
            return self.mono

        def time(self) -> float:
            return began / 1000 + self.mono + self.shift

    night = await Building.open(folder, "02:13")
    began, times = night.clock.now(), Times()
    monkeypatch.setattr(clock_file, "time", times)
    ours = SystemClock()
    night.clock.now = ours.now
    await night.reads("lift-1b", **TRAPPED)
    out = []
    while times.mono < 410:
        if times.mono == 90:
            times.shift = jump_s
        ours.lead_in()
        times.mono += 1
        await night.turn()
        pages = [r.data for r in night.records(Kind.PAGE_REQUESTED)]
        out += [(times.mono, (p.level, p.round, p.person, p.channel, p.text)) for p in pages[len(out) :]]
    await night.close()
    return out


def test_a_rota_abroad_is_read_in_local_time_over_both_changes_of_the_clocks() -> None:
    """Fault 50: shifts that change at 08:00 and 20:00 in Berlin do so by the wall, however long the night was."""
    place, zone = made(timezone="Europe/Berlin"), ZoneInfo("Europe/Berlin")
    for day in (date(2026, 3, 29), date(2026, 10, 25)):
        for hour, who in ((7, "zhao"), (8, "qian"), (19, "qian"), (20, "zhao")):
            at = int(datetime(day.year, day.month, day.day, hour, 0, 1, tzinfo=zone).timestamp() * 1000)
            assert duty.on_duty(place, "lift-technician", at) == [who], (day, hour)
