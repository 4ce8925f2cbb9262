"""What a supervisor enters on the Duty screen decides who is called that night, and outlives a restart."""

from pathlib import Path

from building import Building, ms

from facility.commands import ChangeRoster, Refused, RevokeChange, StartPlan
from facility.records import Kind
from response import duty

ROLE = "lift-technician"


async def change(night: Building, what: str, person: str, other: str = "", **more: object) -> None:
    said = await night.ask(
        ChangeRoster, "user:boss", what=what, person=person, other=other, role="" if what == "leave" else ROLE,
        from_ms=ms("02:00"), to_ms=ms("06:00"), reason="调休", **more,
    )  # fmt: skip
    assert not isinstance(said, Refused), said.why.en


def crew(night: Building) -> tuple[str, str]:
    """Whoever is the lift technician on duty at 03:00, and somebody who is not."""
    (there,) = duty.on_duty(night.site, ROLE, ms("03:00"))
    other = next(p.id for p in night.site.people.values() if ROLE in p.roles and p.id != there)
    return there, other


async def called_for_a_trapped_passenger(night: Building) -> set[str]:
    said = await night.ask(StartPlan, "user:op", plan="lift-entrapment", equipment="lift-1b", request="bell")
    assert not isinstance(said, Refused), said.why.en
    return {p.person for p in night.incident.pages.values() if p.role == ROLE}


async def test_whoever_covers_is_called_after_a_restart_too(tmp_path: Path) -> None:
    night = await Building.open(tmp_path, "01:50")
    there, other = crew(night)
    await change(night, "cover", other, there)
    night = night.again()
    await night.until("03:00")
    assert {c.said.person for c in night.desk.standing.changes.values()} == {other}
    assert other in await called_for_a_trapped_passenger(night)
    assert there not in {p.person for p in night.incident.pages.values() if p.round == 0}
    await night.close()


async def test_what_is_taken_back_calls_the_old_one_again(tmp_path: Path) -> None:
    night = await Building.open(tmp_path, "01:50")
    there, other = crew(night)
    await change(night, "cover", other, there)
    (id,) = night.desk.standing.changes
    said = await night.ask(RevokeChange, "user:boss", change=id, reason="不换了")
    assert not isinstance(said, Refused)
    await night.until("03:00")
    assert there in await called_for_a_trapped_passenger(night)
    await night.close()


async def test_a_leave_without_substitute_leaves_a_hole_that_is_recorded_and_the_call_climbs(tmp_path: Path) -> None:
    night = await Building.open(tmp_path, "01:50")
    there, _ = crew(night)
    await change(night, "leave", there)
    (entered,) = night.records(Kind.ROSTER_CHANGED)
    assert entered.data.opens == 1  # type: ignore[attr-defined]
    assert entered.actor == "user:boss"
    await night.until("03:00")
    called = await called_for_a_trapped_passenger(night)
    assert there not in called
    assert night.incident.pages  # somebody hears of it all the same
    await night.close()


async def test_a_change_is_closed_a_day_after_its_end_and_costs_no_restart_anything(tmp_path: Path) -> None:
    night = await Building.open(tmp_path, "01:50")
    there, other = crew(night)
    await change(night, "cover", other, there)
    night.clock.time = ms("06:00") + 86_400_000
    await night.ask(StartPlan, "user:op", plan="equipment-fault", place="roof")  # the next commit lets it go
    assert not night.desk.standing.changes
    assert not [w for w in night.book.open_records() if w.record.subject.startswith("roster:")]
    await night.close()
