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

REPEAT_S = 2
TRAPPED = {"doors_closed": 1, "occupied": 1, "running": 0, "door_zone": 0, "fault_code": 71}
FOLLOW = "import dutyroom.chores as c; c.CLOCK_MS = 300"


@pytest.mark.skipif(not LIBRARY, reason="libfaketime is not installed")
def test_a_running_escalation_does_not_notice_an_hour_back_and_a_day_ahead(tmp_path) -> None:
    """Fault 50, whole process: rounds every two seconds, seen from outside on the monotonic clock."""
    with placed(tmp_path, repeat=f"{REPEAT_S} s", code=FOLLOW) as place:
        plain = place.service
        service = place.service = Shifted(plain.site, plain.data, log=plain.log, code=FOLLOW)
        service.set("+0")
        service.start()
        service.reading("l0")
        place.contact.closed = 1
        eventually(lambda: len(place.keys()) >= 2, 15)
        began = time.monotonic()
        eventually(lambda: len(place.keys()) >= 4, 10)
        service.set("-1h")
        eventually(lambda: len(service.records(Kind.CLOCK_STEPPED)) == 1, 10)
        eventually(lambda: time.monotonic() > began + 4, 10)
        service.set("+1d")
        eventually(lambda: len(service.records(Kind.CLOCK_STEPPED)) == 2, 10)
        eventually(lambda: time.monotonic() > began + 8, 10)
        took = time.monotonic() - began
        pages = service.records(Kind.PAGE_REQUESTED)
        steps = [round(r.data.by_ms / 3_600_000) for r in service.records(Kind.CLOCK_STEPPED)]
        assert steps == [-1, 25]
        rounds = Counter((r.data.person, r.data.round) for r in pages)
        assert set(rounds.values()) == {1}, "none doubled"
        mine = sorted(r.at_ms for r in pages if r.data.person == "lift-hand")
        spans = [after - before for before, after in itertools.pairwise(mine)]
        assert all(abs(span - REPEAT_S * 1000) <= 2_000 for span in spans), f"to two seconds: {spans}"
        assert abs(len(mine) - 1 - took / REPEAT_S) <= 2, "none missed"
        every = [r.at_ms for r in service.records()]
        assert all(after > before - 2_000 for before, after in itertools.pairwise(every)), "an hour is never read twice"


@pytest.mark.parametrize(
    "jump_s", [-3600, 86_400, 1, -1], ids=["an hour back", "a day ahead", "leap second", "its undoing"]
)
async def test_each_step_comes_once_and_at_its_time_whatever_the_wall_clock_does(tmp_path, monkeypatch, jump_s) -> None:
    """Fault 50 on the virtual clock: the product's own clock, with the wall pulled from under it at 02:14:30."""

    class Times:
        mono, shift = 0.0, 0.0

        def monotonic(self) -> float:
            return self.mono

        def time(self) -> float:
            return began / 1000 + self.mono + self.shift

    night = await Building.open(tmp_path, "02:13")
    began, times = night.clock.now(), Times()
    monkeypatch.setattr(clock_file, "time", times)
    ours = SystemClock()
    night.clock.now = ours.now
    await night.reads("lift-1b", **TRAPPED)
    while times.mono < 420:
        if times.mono == 90:
            times.shift = jump_s
        ours.lead_in()
        times.mono += 1
        await night.turn()
    pages = night.records(Kind.PAGE_REQUESTED)
    seen = Counter((r.data.person, r.data.channel, r.data.level, r.data.round, r.data.text) for r in pages)
    assert set(seen.values()) == {1}
    levels = sorted({r.data.level: r.at_ms for r in reversed(night.records(Kind.LEVEL_REACHED))}.values())
    rounds = sorted({r.at_ms for r in pages})
    assert max(after - before for before, after in itertools.pairwise(rounds)) <= 62_000, "a round each minute"
    assert len(levels) >= 2
    await night.close()


def test_a_rota_abroad_is_read_in_local_time_over_both_changes_of_the_clocks() -> None:
    """Fault 50: shifts that change at 08:00 and 20:00 in Berlin do so by the wall, however long the night was."""
    place, zone = made(timezone="Europe/Berlin"), ZoneInfo("Europe/Berlin")
    for day in (date(2026, 3, 29), date(2026, 10, 25)):
        for hour, who in ((7, "zhao"), (8, "qian"), (19, "qian"), (20, "zhao")):
            at = int(datetime(day.year, day.month, day.day, hour, 0, 1, tzinfo=zone).timestamp() * 1000)
            assert duty.on_duty(place, "lift-technician", at) == [who], (day, hour)
