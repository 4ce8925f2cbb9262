"""What the plan documents promise, clause by clause, as nights at the demo site.

The numbers in the names are the rows of the table that sets each clause beside the feature that carries it. The rows
of the request desk (4, 16 to 18, 21 to 23), of takeover and defects (24, 28 to 30), of inspections and statistics (6, 12,
13, 25, 27) are not alarm, plan, duty or page.
"""

import dataclasses
import itertools
from datetime import date

import pytest
from building import Building, demo_site, ms, without_delays

from facility.commands import Accept, Arrive, HandOver, IssueTicket, Refused, SignOperation, StartDrill, TickStep
from facility.records import Kind
from facility.rule import Priority
from response import duty
from response.plans.practice import Register

TRAPPED = {"doors_closed": 1, "occupied": 1, "running": 0, "door_zone": 0, "service_mode": 1, "fault_code": 71}
FREE = {"doors_closed": 0, "occupied": 0, "running": 0, "door_zone": 1, "service_mode": 1, "fault_code": 0, "bell": 0}
DAY = 86_400_000


async def trapped(folder, clock: str) -> Building:
    night = await Building.open(folder, clock)
    await night.reads("lift-1b", **FREE)
    await night.reads("lift-1b", **TRAPPED)
    return night


async def test_1_the_monitoring_room_records_everything_at_once_and_in_time(tmp_path) -> None:
    """中央监控室，要实施24小时安全监控并记录及时."""
    night = await Building.open(tmp_path, "03:20", without_delays(demo_site(), "fire-signal"))
    await night.reads("fire-panel-1", fire=1)
    assert night.desk.standing.alarms["alarm:fire-panel-1/fire-signal"].active
    await night.reads("fire-panel-1", fire=0)
    raised, cleared = night.records(Kind.ALARM_RAISED, Kind.ALARM_CLEARED)
    assert raised.kind is Kind.ALARM_RAISED
    assert cleared.kind is Kind.ALARM_CLEARED
    assert raised.at_ms == cleared.at_ms == ms("03:20")
    assert night.book.verify().ok
    after = night.again()  # as after a power cut: nothing was said, and nothing is lost
    assert after.records(Kind.ALARM_RAISED, Kind.ALARM_CLEARED) == [raised, cleared]
    await after.close()


@pytest.mark.parametrize("role", ["operator", "leader-on-duty"])
def test_2_and_3_every_minute_of_the_next_month_somebody_is_on_duty(role) -> None:
    """专人24小时值班；坚持企业领导、项目经理带班制度."""
    site, now = demo_site(), ms("00:00")
    spans = duty.spans(site, role, now, now + 30 * DAY)
    assert spans[0].from_ms <= now
    assert all(one.to_ms == next_.from_ms for one, next_ in itertools.pairwise(spans))
    assert all(span.people for span in spans)
    assert all(site.people[who].channels for span in spans for who in span.people), "and each of them can be reached"
    assert not [hole for hole in duty.holes(site, now, now + 30 * DAY) if hole.role == role]


def test_2_a_gap_is_seen_a_day_before_it_begins() -> None:
    """专人24小时值班，确保通讯畅通."""
    site, now = demo_site(), ms("00:00")
    layers = tuple(layer for layer in site.roster.layers if layer.role != "leader-on-duty")
    gone = dataclasses.replace(site, roster=dataclasses.replace(site.roster, layers=layers))
    assert "leader-on-duty" not in duty.roles(gone)
    (leader,) = [layer for layer in site.roster.layers if layer.role == "leader-on-duty"][:1]
    fewer = dataclasses.replace(leader, minimum=2)
    thin = dataclasses.replace(site, roster=dataclasses.replace(site.roster, layers=(*layers, fewer)))
    hole = next(h for h in duty.holes(thin, now + DAY, now + 2 * DAY) if h.role == "leader-on-duty")
    assert hole.need == 2
    assert "带班" in hole.text.zh


async def test_5_who_must_be_told_is_told_and_late_reports_are_written_down(tmp_path) -> None:
    """问题严重的报告相关领导及有关部门."""
    night = await trapped(tmp_path, "03:00")
    plan = night.site.plans["lift-entrapment"]
    report = next(step for step in plan.steps if step.id == "report-up")
    assert (report.role, report.contract) == ("leader-on-duty", "report_up")
    due = night.site.contract["report_up"]
    await night.until("03:29:59")
    assert "step/report-up" not in {r.data.promise for r in night.records(Kind.PROMISE_BROKEN)}
    await night.until("03:31")
    broken = {r.data.promise: r.data.by_ms for r in night.records(Kind.PROMISE_BROKEN)}
    assert broken["step/report-up"] == ms("03:00") + due
    await night.close()


@pytest.mark.parametrize(
    ("machine", "points", "plan"),
    [
        ("lift-1b", TRAPPED, "lift-entrapment"),
        ("fire-panel-1", {"fire": 1}, "fire-signal"),
        ("pit-1", {"water_high": 1}, "lift-flood"),
        ("hv-room-1", {"arc": 1}, "busbar-fire"),
        ("plant-room-1", {"refrigerant_high": 1}, "refrigerant-leak"),
    ],
)
async def test_8_the_plan_runs_within_two_seconds_of_the_alarm_with_nobody_s_help(
    tmp_path, machine, points, plan
) -> None:
    """发生重大问题、事故时，应立即启动应急预案."""
    night = await Building.open(tmp_path, "04:00")
    await night.reads(machine, **dict.fromkeys(points, 0))
    await night.reads(machine, **points)
    await night.until("04:00:30")
    started = next(r for r in night.records(Kind.PLAN_STARTED) if r.data.plan == plan)
    alarm = min(r.at_ms for r in night.records(Kind.ALARM_RAISED) if machine in r.subject)
    assert started.at_ms - alarm <= 2_000
    assert started.actor == "system"
    mine = [r for r in night.records(Kind.PAGE_REQUESTED) if r.subject == started.subject]
    assert min(r.at_ms for r in mine) - alarm <= 2_000
    assert {m.person for m in night.pages()} >= {r.data.person for r in mine if r.data.level == 0 and r.data.round == 0}
    assert not [r for r in night.records() if r.actor.startswith(("user:", "person:"))], "nobody pressed anything"
    await night.close()


async def test_9_leader_and_project_manager_are_called_with_the_technician_and_their_coming_is_timed(tmp_path) -> None:
    """企业和项目经理要在第一时间赶到现场，做好协调工作，并及时将情况上报."""
    night = await trapped(tmp_path, "03:00")
    first = {r.data.role: r.at_ms for r in night.records(Kind.PAGE_REQUESTED)}
    assert {"lift-technician", "leader-on-duty", "project-manager"} <= first.keys()
    assert set(first.values()) == {ms("03:00")}
    manager = next(p.person for p in night.incident.pages.values() if p.role == "project-manager")
    incident = night.incident.id
    await night.until("03:12")
    await night.ask(Arrive, f"person:{manager}", incident=incident, person=manager)
    assert night.incident.arrived[manager] == ms("03:12")
    await night.until("03:16")
    reached = {r.data.level: r.at_ms for r in reversed(night.records(Kind.LEVEL_REACHED))}
    assert reached == {0: ms("03:00"), 1: ms("03:02"), 2: ms("03:04")}, "the technician did not come, and it escalated"
    broken = {r.data.promise: r.at_ms for r in night.records(Kind.PROMISE_BROKEN)}
    assert broken["lift_arrival"] == ms("03:15")
    assert broken["step/coordinate"] == ms("03:15"), "he came, and has not yet said whether 119 is needed"
    told = {r.data.why.partition("@")[0] for r in night.records(Kind.PAGE_REQUESTED) if r.data.why}
    assert "broken/step/landing" in told
    await night.close()


def test_10_every_step_of_every_plan_has_an_owner_whom_the_site_can_reach() -> None:
    """各部门、人员要持联动状态…避免因内部衔接问题."""
    site = demo_site()
    known = {role for person in site.people.values() for role in person.roles}
    known |= {role for party in site.parties.values() for role in party.roles}
    known |= {"contractor", "deputy", "holder"}  # by the machine's card, or the permit
    for plan in site.plans.values():
        assert {step.role for step in plan.steps} <= known, plan.id


async def test_19_what_endangers_people_wakes_everybody_at_three_in_the_morning(tmp_path) -> None:
    """有危及客户安全的大维修也能得到紧急处理."""
    night = await trapped(tmp_path, "03:00")
    assert {p.requested_ms for p in night.incident.pages.values()} == {ms("03:00")}
    assert night.incident.priority == Priority.LIFE
    technician = next(p.person for p in night.incident.pages.values() if p.role == "lift-technician")
    assert technician in duty.on_duty(night.site, "lift-technician", ms("03:00"))
    await night.close()


async def test_31_an_expired_certificate_answers_for_nothing_but_help_is_called_all_the_same(tmp_path) -> None:
    """电梯技工…持特种设备操作证(电梯)."""
    site = demo_site()
    lapsed = {
        id: dataclasses.replace(
            person,
            certificates=tuple(
                dataclasses.replace(c, until=date(2026, 11, 22)) if c.kind == "lift-technician" else c
                for c in person.certificates
            ),
        )
        for id, person in site.people.items()
    }
    night = await Building.open(tmp_path, "03:00", dataclasses.replace(site, people=lapsed))
    await night.reads("lift-1b", **FREE)
    await night.reads("lift-1b", **TRAPPED)
    (unfilled, *_) = night.records(Kind.DUTY_UNFILLED)
    assert unfilled.data.role == "lift-technician"
    assert set(unfilled.data.tried.values()) & {"certificate-expired:lift-technician"}
    called = {p.role for p in night.incident.pages.values()}
    assert {"contractor", "guard", "leader-on-duty"} <= called
    assert all("不要动设备" in p.text for p in night.incident.pages.values() if p.role == "guard")
    technicians = {p.id for p in site.people.values() if "lift-technician" in p.roles}
    assert not technicians & {p.person for p in night.incident.pages.values()}, "nobody is asked for work he may not do"

    incident, firm = night.incident.id, site.equipment["lift-1b"].card.contractor
    who = next(iter(technicians))
    await night.ask(Arrive, "user:op", incident=incident, person=who)
    assert isinstance(await night.ask(TickStep, "user:op", incident=incident, step="isolate", person=who), Refused)
    await night.ask(Arrive, "user:op", incident=incident, person=firm)
    assert not isinstance(await night.ask(TickStep, "user:op", incident=incident, step="isolate", person=firm), Refused)
    await night.close()


async def test_32_hv_work_calls_two_who_are_certified_that_day(tmp_path) -> None:
    """10kv高压环网柜倒闸操作；高压运行维护技工2人."""
    night = await Building.open(tmp_path, "05:00", without_delays(demo_site(), "hv-trip"))
    rule = night.site.rules["hv-trip"]
    condition = rule.when[0]
    await night.reads("hv-f2", **{condition.point: 0})
    await night.reads("hv-f2", **{condition.point: condition.limit})
    called = {p.person for p in night.incident.pages.values() if p.role == "electrician" and p.responder}
    day = duty.local_day(night.site, ms("05:00"))
    assert len(called) == 2
    assert all(duty.certified(night.site.people[p], ("hv-electrician",), day) for p in called)
    two = next(step for step in night.site.plans["hv-trip"].steps if step.id == "isolate")
    assert (two.persons, two.certificates) == (2, ("hv-electrician",))
    one, other = sorted(called)
    await night.ask(Accept, f"person:{one}", incident=night.incident.id, person=one)
    night.phones.got.clear()
    await night.until("05:02")
    assert other in {m.person for m in night.pages()}, "one who comes is not two"
    assert one not in {m.person for m in night.pages()}
    await night.close()


async def test_8_a_life_hurries_a_plan_that_is_written_for_less(tmp_path) -> None:
    """有危及客户安全的大维修也能得到紧急处理."""
    night = await Building.open(tmp_path, "04:00", without_delays(demo_site(), "pump-room-flood"))
    assert night.site.plans["pipe-burst"].levels[0].within_ms == 300_000
    await night.reads("pump-room-1", flood=0)
    await night.reads("pump-room-1", flood=1)
    await night.until("04:01:59")
    flood = next(i for i in night.desk.standing.incidents.values() if i.plan == "pipe-burst")
    assert (flood.life, flood.level, flood.round) == (True, 0, 1)
    await night.until("04:02:01")
    assert night.desk.standing.incidents[flood.id].level == 1
    await night.close()


async def test_7_who_knows_which_plan_is_on_record_and_what_is_overdue_is_listed(tmp_path) -> None:
    """每一位工作人员要掌握应急预案的流程."""
    day = await Building.open(tmp_path, "10:00")
    (guard,) = duty.on_duty(day.site, "guard", ms("10:00"))[:1]
    await day.ask(StartDrill, "user:boss", plan="fire-signal", equipment="fire-panel-1", expected=(guard,))
    drill = day.incident
    assert drill.drill
    assert all(m.text.startswith("【演练】") for m in day.pages())
    await day.ask(Accept, f"person:{guard}", incident=drill.id, person=guard)
    await day.ask(Arrive, f"person:{guard}", incident=drill.id, person=guard)
    register = Register()
    for record in day.records():
        register.tell(record)
    cells = {(c.person, c.plan): c.state for c in register.matrix(day.site, ms("10:30"))}
    assert cells[guard, "fire-signal"] == "done"
    assert {(p, plan) for (p, plan), state in cells.items() if state == "never"} == cells.keys() - {
        (guard, "fire-signal")
    }
    later = {(c.person, c.plan): c.state for c in register.matrix(day.site, ms("10:30") + 200 * DAY)}
    assert later[guard, "fire-signal"] == "overdue"
    await day.close()


async def test_10_work_passes_on_only_to_who_accepts_it(tmp_path) -> None:
    """各部门、人员要持联动状态…避免因内部衔接问题."""
    night = await trapped(tmp_path, "03:00")
    incident = night.incident.id
    first = next(p.person for p in night.incident.pages.values() if p.role == "lift-technician")
    second = next(p for p in night.site.people.values() if "lift-technician" in p.roles and p.id != first).id
    await night.ask(Accept, f"person:{first}", incident=incident, person=first)
    await night.ask(HandOver, f"person:{first}", incident=incident, person=first, to=second)
    assert first in night.incident.accepted, "asking is not yet having handed over"
    assert any(second == m.person for m in night.pages())
    await night.ask(Accept, f"person:{second}", incident=incident, person=second)
    assert second in night.incident.accepted
    assert first not in night.incident.accepted
    await night.close()


async def test_14_an_operation_is_ordered_and_done_by_two_people_and_read_back(tmp_path) -> None:
    """按照岗位职责、工作标准…严格遵守操作规程."""
    day = await Building.open(tmp_path, "09:00")
    await day.reads("hv-f1", breaker_closed=1)
    pair = ("wang-jianguo", "li-zhiqiang")
    steps = (("hv-f1", "breaker_closed", 0.0, "分 AH3 断路器 103"),)
    alone = await day.ask(
        IssueTicket, "user:op", task="1号变压器停电", steps=steps, operator=pair[0], supervisor=pair[0]
    )
    assert isinstance(alone, Refused)
    await day.ask(IssueTicket, "user:op", task="1号变压器停电", steps=steps, operator=pair[0], supervisor=pair[1])
    (ticket,) = day.desk.standing.tickets
    unordered = await day.ask(SignOperation, "user:op", ticket=ticket, step=0, person=pair[0])
    assert isinstance(unordered, Refused)
    await day.ask(SignOperation, "user:op", ticket=ticket, step=0, person=pair[1])
    await day.ask(SignOperation, "user:op", ticket=ticket, step=0, person=pair[0])
    (open_,) = day.desk.standing.tickets.values()
    assert open_.id == ticket, "nobody has seen the breaker open"
    assert open_.current == 0
    await day.reads("hv-f1", breaker_closed=0)
    await day.until("09:01")
    (ended,) = day.records(Kind.TICKET_ENDED)
    assert ended.data.why == "finished"
    await day.close()


def unmanned(site) -> list[tuple[int, str]]:
    """The hours of a day at which nobody would be called of a role that some plan calls first."""
    first = {call for plan in site.plans.values() for call in plan.levels[0].calls if call.responder}
    card = next(m.card for m in site.equipment.values() if m.card.contractor)
    return [
        (hour, call.role)
        for hour in range(24)
        for call in first
        if not duty.choose(site, call, ms("00:00") + hour * 3_600_000, (), card, "wang-jianguo").people
    ]


def test_20_at_any_hour_somebody_stands_by_for_every_trade_that_a_plan_calls_first() -> None:
    """无专人值班的时间段…随时待命."""
    site = demo_site()
    assert unmanned(site) == []
    people = {
        id: dataclasses.replace(p, channels=()) if "hvac-technician" in p.roles else p for id, p in site.people.items()
    }
    assert {role for _, role in unmanned(dataclasses.replace(site, people=people))} == {"hvac-technician"}


async def test_11_whoever_is_called_comes_within_the_time_of_the_contract_and_no_other(tmp_path) -> None:
    """急修报修按照合同约定时间到达现场."""
    site = demo_site()
    for span in (site.contract["lift_arrival"], 600_000):
        contract = {**site.contract, "lift_arrival": span}
        night = await Building.open(tmp_path / str(span), "03:00", dataclasses.replace(site, contract=contract))
        await night.reads("lift-1b", **FREE)
        await night.reads("lift-1b", **TRAPPED)
        assert night.incident.promises["lift_arrival"].by_ms == ms("03:00") + span
        await night.until("03:09")
        technician = next(p.person for p in night.incident.pages.values() if p.role == "lift-technician")
        await night.ask(Arrive, f"person:{technician}", incident=night.incident.id, person=technician)
        kept = {r.data.promise: r.data.took_ms for r in night.records(Kind.PROMISE_KEPT)}
        assert kept["lift_arrival"] == 9 * 60_000
        await night.close()


@pytest.mark.parametrize("comes_at", ["03:02:30", ""])
async def test_15_somebody_stands_there_within_three_minutes_or_it_is_said(tmp_path, comes_at) -> None:
    """三分钟服务承诺…这一过程不能超过三分钟."""
    night = await trapped(tmp_path, "03:00")
    guard = next(p.person for p in night.incident.pages.values() if p.role == "guard")
    if comes_at:
        await night.until(comes_at)
        await night.ask(Arrive, f"person:{guard}", incident=night.incident.id, person=guard)
    await night.until("03:04")
    kept = {r.data.promise: r.data.took_ms for r in night.records(Kind.PROMISE_KEPT)}
    broken = {r.data.promise: r.at_ms for r in night.records(Kind.PROMISE_BROKEN)}
    if comes_at:
        assert (kept["somebody_at_place"], "somebody_at_place" in broken) == (150_000, False)
    else:
        assert (broken["somebody_at_place"], "somebody_at_place" in kept) == (ms("03:03"), False)
    await night.close()


async def test_26_who_is_responsible_for_a_machine_is_called_to_it_and_nobody_else_s_firm(tmp_path) -> None:
    """明晰物业管理范围（水电热气…与物业服务的界限）."""
    night = await trapped(tmp_path, "03:00")
    site, card = night.site, night.site.equipment["lift-1b"].card
    assert card.responsible
    await night.until("03:05")
    firms = {p.person for p in night.incident.pages.values()} & site.parties.keys()
    assert card.contractor in firms
    others = {m.card.contractor for m in site.equipment.values()} - {card.contractor, card.deputy, ""}
    assert others
    assert not firms & others
    await night.close()
