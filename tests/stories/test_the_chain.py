"""From a register to "I am here": the whole chain at the demo site, and what a crash does to it."""

from building import Building, without_delays

from facility.commands import Accept, AcknowledgeAlarm, Arrive, CloseIncident, Finish, Refused, SkipStep, TickStep
from facility.records import Kind
from facility.scan import Reason

TRAPPED = {
    "doors_closed": 1,
    "occupied": 1,
    "running": 0,
    "door_zone": 0,
    "service_mode": 1,
    "fault_code": 71,
    "floor": 8,
}
FREE = {"doors_closed": 0, "occupied": 0, "running": 0, "door_zone": 1, "service_mode": 1, "fault_code": 0, "bell": 0}


async def test_an_entrapment_from_the_lift_s_word_to_the_closed_incident(tmp_path) -> None:
    night = await Building.open(tmp_path, "02:13")
    await night.reads("lift-1b", **FREE)
    await night.reads("lift-1b", **TRAPPED)
    await night.until("02:13:05")
    assert {r.data.plan for r in night.records(Kind.INCIDENT_OPENED)} == {"lift-entrapment"}
    responders = {p.person for p in night.incident.pages.values() if p.responder}
    told = {p.person for p in night.incident.pages.values()}
    assert "he-jun" in responders or "guo-liang" in responders or "luo-bin" in responders
    assert "lift-company" in responders
    assert night.site.people["liang-hui"].id in told
    assert {m.person for m in night.pages()} == told

    first = next(p for p in responders if p in night.site.people)
    incident = night.incident.id
    await night.ask(AcknowledgeAlarm, "user:operator", alarm="alarm:lift-1b/lift-trapped-code")
    await night.until("02:13:40")
    await night.ask(Accept, f"person:{first}", incident=incident, person=first)
    await night.until("02:20")
    await night.ask(Arrive, f"person:{first}", incident=incident, person=first)
    kept = {r.data.promise for r in night.records(Kind.PROMISE_KEPT)}
    assert "lift_arrival" in kept
    await night.reads("lift-1b", **FREE)
    await night.until("02:30")

    plan = night.site.plans["lift-entrapment"]
    people = [first, *(p for p in told if p in night.site.people and p != first)]
    for step in plan.steps:
        answer = step.answers[0].id if step.answers else ""
        for person in people[: step.persons]:
            said = await night.ask(
                TickStep, f"person:{person}", incident=incident, step=step.id, person=person, answer=answer
            )
            if isinstance(said, Refused) and said.code == "forbidden":
                await night.ask(SkipStep, "user:operator", incident=incident, step=step.id, reason="not needed")
    await night.ask(Finish, f"person:{first}", incident=incident, person=first, result="freed")
    closed = await night.ask(CloseIncident, "user:operator", incident=incident, cause="door drive", result="freed")
    assert not isinstance(closed, Refused), closed
    await night.until("03:30")
    pages = len(night.pages())
    await night.until("06:00")
    assert len(night.pages()) == pages
    assert night.desk.standing.incidents == {}
    assert night.book.verify().ok
    await night.close()


async def test_a_crash_between_the_book_and_the_pager_sends_the_page_again_under_its_old_key(tmp_path) -> None:
    night = await Building.open(tmp_path, "02:13")

    def dies(_message) -> None:
        raise KeyboardInterrupt

    night.phones.refuse = dies
    night.desk._act = lambda _now: None  # the process is gone before anything is sent
    await night.reads("lift-1b", **TRAPPED)
    requested = {r.data.key for r in night.records(Kind.PAGE_REQUESTED)}
    assert requested
    assert night.pages() == []

    night = night.again()
    night.phones.refuse = lambda _m: None
    await night.turn()
    assert {m.key for m in night.pages()} == requested
    await night.close()


async def test_a_crash_between_spool_and_book_raises_the_alarm_once_with_the_scan_s_time(tmp_path) -> None:
    night = await Building.open(tmp_path, "02:13")
    await night.reads("lift-1b", **FREE)
    began = night.clock.now()
    night.clock.time += 1_000

    def gone(*_a) -> None:
        raise KeyboardInterrupt

    append = night.book.append
    night.book.append = gone
    try:
        await night.reads("lift-1b", **TRAPPED)
    except KeyboardInterrupt:
        night.book.append = append
    night.clock.time += 4_000
    night = night.again()
    assert night.desk.replayed > 0
    await night.turn()
    raised = [r for r in night.records(Kind.ALARM_RAISED) if r.data.owner == "lift-1b"]
    assert {r.at_ms for r in raised} == {began + 1_000}
    assert len({r.subject for r in raised}) == len(raised)
    night = night.again()
    await night.turn()
    assert [r for r in night.records(Kind.ALARM_RAISED) if r.data.owner == "lift-1b"] == raised
    await night.close()


async def test_a_delay_that_runs_when_the_process_dies_still_ends_on_time(tmp_path) -> None:
    night = await Building.open(tmp_path, "02:13")
    await night.reads("pump-room-1", flood=0)
    await night.reads("chiller-1", alarm=1, run_enabled=0, evap_flow=0, fault_code=41)
    await night.until("02:13:01")
    night = night.again()
    await night.until("02:20")
    delay = night.site.rules["chiller-trip"].on_delay_ms
    (raised,) = [r for r in night.records(Kind.ALARM_RAISED) if r.data.rule == "chiller-trip"]
    assert raised.at_ms - raised.data.scan_ms in {0, delay}
    await night.close()


async def test_communication_loss_is_its_own_alarm_and_moves_no_other(tmp_path) -> None:
    night = await Building.open(tmp_path, "02:13")
    await night.reads("tx-1", temp_a=60, temp_b=61, temp_c=60)
    for second in range(1, 40):
        night.clock.time += 1_000 * (second > 1)
        await night.silent("temp-tx1")
    raised = night.records(Kind.ALARM_RAISED)
    assert {(r.data.owner, r.data.rule) for r in raised} == {("temp-tx1", "communication-lost")}
    seen = night.live.read("tx-1/temp_a")
    assert seen.reason == Reason.NO_ANSWER
    assert seen.last_good == 60
    await night.reads("tx-1", temp_a=60, temp_b=61, temp_c=60)
    await night.until("02:15")
    assert [r.data.rule for r in night.records(Kind.ALARM_CLEARED)] == ["communication-lost"]
    await night.close()


async def test_a_thousand_pulses_are_a_thousand_alarms(tmp_path) -> None:
    site = without_delays(Building.__init__.__globals__["demo_site"](), "lift-bell")
    night = await Building.open(tmp_path, "02:13", site)
    for _ in range(1_000):
        await night.reads("lift-1b", turn=False, bell=1)
        night.clock.time += 400
        await night.reads("lift-1b", turn=False, bell=0)
        night.clock.time += 600
    await night.turn()
    bells = [r for r in night.records(Kind.ALARM_RAISED) if r.data.rule == "lift-bell"]
    assert len(bells) == 1_000
    assert len({r.at_ms for r in bells}) == 1_000
    await night.close()


async def test_a_repeated_request_changes_nothing_twice(tmp_path) -> None:
    night = await Building.open(tmp_path, "02:13")
    await night.reads("lift-1b", **TRAPPED)
    await night.turn()
    (person, *_) = [p.person for p in night.incident.pages.values() if p.responder and p.person in night.site.people]
    for _ in range(3):
        await night.ask(Accept, f"person:{person}", incident=night.incident.id, person=person, request="same")
    assert len(night.records(Kind.PAGE_ACKNOWLEDGED)) == 1
    night = night.again()
    await night.ask(Accept, f"person:{person}", incident=night.incident.id, person=person, request="same")
    assert len(night.records(Kind.PAGE_ACKNOWLEDGED)) == 1
    await night.close()


async def test_a_refused_page_is_written_down_and_tried_again_under_its_key(tmp_path) -> None:
    night = await Building.open(tmp_path, "02:13")
    night.phones.refuse = lambda m: "sign not match" if m.person == "lift-company" else None
    await night.reads("lift-1b", **TRAPPED)
    await night.turn()
    refused = night.records(Kind.PAGE_REFUSED)
    assert {r.data.said for r in refused} == {"sign not match"}
    night.phones.refuse = lambda _m: None
    await night.until("02:13:20")
    assert {r.data.key for r in refused} <= {r.data.key for r in night.records(Kind.PAGE_SENT)}
    await night.close()
