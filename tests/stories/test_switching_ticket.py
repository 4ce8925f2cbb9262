"""Switching tickets at the demo site: the order, the two people, and the position that telemetry shows, or does not."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from pathlib import Path

from building import Building, demo_site, ms

from facility.commands import IssueTicket, Refused, SignOperation, StopTicket
from facility.person import Certificate
from facility.records import Kind

OPERATOR, SUPERVISOR = "wang-jianguo", "li-zhiqiang"
OPEN_F1 = ("hv-f1", "breaker_closed", 0.0, "分 AH3 断路器 103")
EARTH_RMU = ("rmu-1", "earth_closed", 1.0, "合环网柜接地刀闸")
OPEN_RMU = ("rmu-1", "switch_closed", 0.0, "分环网柜负荷开关")
CLOSE_RMU = ("rmu-1", "switch_closed", 1.0, "合环网柜负荷开关")


async def begun(folder: Path, at: str = "09:00") -> Building:
    night = await Building.open(folder, at)
    await night.reads("utility-1", live=1)
    await night.reads("rmu-1", switch_closed=1, earth_closed=0)
    for bay in ("hv-incomer", "hv-f1", "hv-f2"):
        await night.reads(bay, breaker_closed=1)
    return night


async def issue(night: Building, *steps: tuple[str, str, float, str], **more: object) -> "Iterable[object] | Refused":
    said = {"task": "1号变压器停电", "steps": steps, "operator": OPERATOR, "supervisor": SUPERVISOR}
    return await night.ask(IssueTicket, "user:op", **{**said, **more})


async def sign(night: Building, person: str, step: int = 0, reason: str = "") -> "Iterable[object] | Refused":
    (ticket,) = night.desk.standing.tickets
    return await night.ask(SignOperation, "user:op", ticket=ticket, step=step, person=person, reason=reason)


def code(said: "Iterable[object] | Refused") -> str:
    return said.code if isinstance(said, Refused) else "done"


def state(night: Building, step: int = 0) -> str:
    (ticket,) = night.desk.standing.tickets.values()
    return ticket.state(step)


async def test_each_operation_is_ordered_done_and_read_back_before_the_next(tmp_path: Path) -> None:
    night = await begun(tmp_path)
    assert code(await issue(night, OPEN_F1, OPEN_RMU)) == "done"
    assert [state(night, 0), state(night, 1)] == ["next", "waiting"]
    assert code(await sign(night, SUPERVISOR, 1)) == "conflict"  # not its turn
    assert code(await sign(night, OPERATOR)) == "conflict"  # the supervisor orders it
    assert code(await sign(night, "zhang-wei")) == "forbidden"  # certified, and not of this ticket
    assert code(await sign(night, SUPERVISOR)) == "done"
    assert code(await sign(night, SUPERVISOR)) == "conflict"  # one person signs once
    await night.until("09:01")
    await night.reads("hv-f1", breaker_closed=0)
    assert code(await sign(night, OPERATOR)) == "done"
    assert [state(night, 0), state(night, 1)] == ["seen", "next"]
    (seen,) = night.records(Kind.TICKET_STEP_SEEN)
    assert (seen.at_ms, seen.data.right) == (ms("09:01"), True)  # type: ignore[attr-defined]
    # The breaker opened by order: no alarm, nobody is called; one that nobody ordered is real.
    await night.until("09:03")
    assert night.pages() == []
    assert night.desk.standing.alarms["alarm:hv-f1/hv-breaker-opened"].state.value == "suppressed"
    await night.reads("hv-f2", breaker_closed=0)
    await night.until("09:04")
    assert night.incident.plan == "hv-trip"
    await night.close()


async def test_a_position_that_does_not_come_blocks_until_it_is_seen_or_both_stand_for_it(tmp_path: Path) -> None:
    night = await begun(tmp_path)
    await issue(night, OPEN_F1, OPEN_RMU)
    await sign(night, SUPERVISOR)
    await sign(night, OPERATOR)  # and the breaker stays where it is
    assert state(night) == "done"
    assert code(await sign(night, SUPERVISOR, 1)) == "conflict"
    await night.until("09:02")
    assert state(night) == "wrong"
    (missed,) = night.records(Kind.TICKET_STEP_SEEN)
    assert (missed.at_ms, missed.data.right, missed.data.value) == (ms("09:01"), False, 1.0)  # type: ignore[attr-defined]
    assert code(await sign(night, OPERATOR)) == "conflict"  # a reason is missing

    pressed, night = night._requests, night.again()  # restarted in the midst
    night._requests = pressed
    assert state(night) == "wrong"
    await night.reads("hv-f1", breaker_closed=0)
    assert state(night) == "seen"

    await sign(night, SUPERVISOR, 1)
    await sign(night, OPERATOR, 1)
    await night.until("09:10")
    assert state(night, 1) == "wrong"
    assert code(await sign(night, OPERATOR, 1, "辅助触点卡住，现场核对已分闸")) == "done"
    assert code(await sign(night, OPERATOR, 1, "再说一遍")) == "conflict"
    assert code(await sign(night, SUPERVISOR, 1, "现场核对已分闸")) == "done"
    assert night.desk.standing.tickets == {}
    (ended,) = night.records(Kind.TICKET_ENDED)
    assert ended.data.why == "finished"  # type: ignore[attr-defined]
    await night.close()


async def test_an_unknown_position_counts_as_missed_not_as_seen(tmp_path: Path) -> None:
    night = await begun(tmp_path)
    await issue(night, OPEN_F1)
    await sign(night, SUPERVISOR)
    await night.silent("relay-f1")
    await sign(night, OPERATOR)
    await night.until("09:02")
    (missed,) = night.records(Kind.TICKET_STEP_SEEN)
    assert (missed.data.right, missed.data.value) == (False, None)  # type: ignore[attr-defined]
    await night.close()


async def test_obvious_mistakes_are_refused_before_anybody_goes_to_the_room(tmp_path: Path) -> None:
    night = await begun(tmp_path)
    assert code(await issue(night, EARTH_RMU)) == "conflict"  # the switch is closed
    assert code(await issue(night, ("hv-f1", "truck_in", 0.0, ""))) == "conflict"  # under load
    assert code(await issue(night, OPEN_RMU, EARTH_RMU, CLOSE_RMU)) == "conflict"  # onto an earth
    assert code(await issue(night, ("hv-f1", "breaker_closed", 7.0, ""))) == "conflict"  # no such position
    assert code(await issue(night, ("hv-f1", "i_a", 1.0, ""))) == "conflict"  # no position at all
    assert code(await issue(night)) == "invalid"
    assert code(await issue(night, OPEN_F1, supervisor=OPERATOR)) == "invalid"
    assert code(await issue(night, OPEN_F1, supervisor="chen-yu")) == "forbidden"  # no certificate
    assert code(await issue(night, OPEN_RMU, EARTH_RMU)) == "done"
    assert code(await issue(night, CLOSE_RMU)) == "conflict"  # another ticket is about it
    await night.close()


async def test_what_was_right_when_the_ticket_was_written_is_looked_at_again_at_the_order(tmp_path: Path) -> None:
    night = await begun(tmp_path)
    await night.reads("rmu-1", switch_closed=0)
    assert code(await issue(night, EARTH_RMU)) == "done"
    await night.reads("rmu-1", switch_closed=1)  # somebody closed it meanwhile
    assert code(await sign(night, SUPERVISOR)) == "conflict"
    (ticket,) = night.desk.standing.tickets
    assert code(await night.ask(StopTicket, "user:op", ticket=ticket, note="")) == "invalid"
    assert code(await night.ask(StopTicket, "user:op", ticket=ticket, note="环网柜已合")) == "done"
    assert night.desk.standing.tickets == {}
    await night.close()


async def test_a_certificate_that_ran_out_over_night_signs_nothing(tmp_path: Path) -> None:
    site = demo_site()
    paper = Certificate("hv-electrician", "n", date(2026, 11, 22))
    person = replace(site.people[SUPERVISOR], certificates=(paper,))
    site = replace(site, people={**site.people, SUPERVISOR: person})
    night = await Building.open(tmp_path, "09:00", site)
    assert code(await issue(night, OPEN_F1)) == "forbidden"
    await night.close()
