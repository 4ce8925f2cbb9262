"""The days ahead as figures of the monitoring computer: one alarm for all, and another one for what comes new."""

from pathlib import Path

from building import Building, demo_site
from night_shift import moment

from dutyroom import selfwatch
from dutyroom.outlook import Outlook
from facility.commands import AcknowledgeAlarm
from facility.records import Kind
from facility.text import NOTHING
from response.duty import HOLE, UNTESTED, Ahead


class Still:
    """A clock that stands."""

    def now(self) -> int:
        return moment("12:00")


def warning(id: str, what: str = HOLE) -> Ahead:
    return Ahead(id, what, 0, NOTHING)


def test_what_stands_is_counted_and_what_is_put_right_is_gone() -> None:
    outlook = Outlook(lambda: None, Still())  # type: ignore[arg-type, return-value]
    assert outlook.figures() == {}  # not zero: nothing was looked at
    outlook.take([warning("a"), warning("b"), warning("c", UNTESTED)])
    assert (outlook.figures()["roster_holes"], outlook.figures()["people_untested"]) == (2, 1)
    outlook.take([])
    assert set(outlook.figures().values()) == {0}


def test_a_new_hole_beside_an_old_one_lets_the_figure_drop_once() -> None:
    outlook = Outlook(lambda: None, Still())  # type: ignore[arg-type, return-value]
    outlook.take([warning("a")])
    assert outlook.figures()["roster_holes"] == 1
    outlook.take([warning("a"), warning("b")])
    assert [outlook.figures()["roster_holes"] for _ in range(3)] == [0, 2, 2]
    outlook.take([warning("b")])  # one less is no news
    assert outlook.figures()["roster_holes"] == 1


def test_the_first_of_its_kind_needs_no_drop() -> None:
    outlook = Outlook(lambda: None, Still())  # type: ignore[arg-type, return-value]
    outlook.take([warning("a", UNTESTED)])
    outlook.figures()
    outlook.take([warning("a", UNTESTED), warning("b")])
    assert outlook.figures()["roster_holes"] == 1


def test_what_a_demo_was_planted_with_raises_nothing_and_what_comes_then_does() -> None:
    outlook = Outlook(lambda: None, Still(), demo=True)  # type: ignore[arg-type, return-value]
    outlook.take([warning("planted")])
    assert outlook.figures()["roster_holes"] == 0
    assert outlook.ahead()
    outlook.take([warning("planted"), warning("a leave")])
    outlook.figures()
    assert outlook.figures()["roster_holes"] == 1


async def test_a_hole_is_an_alarm_that_somebody_must_see_and_ends_by_itself(tmp_path: Path) -> None:
    site = selfwatch.with_host(demo_site())
    night = await Building.open(tmp_path, "09:00", site)
    subject = "alarm:host/host-roster-hole"
    outlook = Outlook(lambda: night.site, night.clock)

    async def look(*found: Ahead) -> str:
        outlook.take(found)
        for _ in range(2):
            night.clock.time += selfwatch.INTERVAL_MS
            await night.reads("host", **outlook.figures())
        alarm = night.desk.standing.alarms.get(subject)
        return alarm.state.value if alarm else "normal"

    assert await look() == "normal"
    assert await look(warning("a")) == "unacknowledged"
    await night.ask(AcknowledgeAlarm, "user:op", alarm=subject)
    assert await look(warning("a")) == "acknowledged"
    assert await look(warning("a"), warning("b")) == "unacknowledged"  # another hole: somebody must look again
    raised = [r for r in night.records(Kind.ALARM_RAISED) if r.subject == subject]
    assert len(raised) == 2
    await night.ask(AcknowledgeAlarm, "user:op", alarm=subject)
    assert await look() == "normal"
    await night.close()
