"""A plan that asks, branches, locks and proves; what is left out is told, and the machine waits for its test run."""

from dataclasses import replace

import pytest
from night_shift import ENTRAPMENT, PEOPLE, Night, moment, ms, person, site, text

from facility import commands as ask
from facility.commands import Refused
from facility.plan import (
    LIFE_CLOCK,
    Answer,
    Branch,
    CloseCheck,
    FalseAlarm,
    Hold,
    LifeClock,
    Plan,
    Proof,
    Report,
    Step,
)
from facility.records import Kind, Record, held_subject
from facility.rule import Compare, Condition
from facility.text import Text
from response import fold
from response.plans import lifeclock
from response.plans import plan as steps
from response.plans.outofservice import OutOfService
from response.plans.signing import standing

INSIDE = (Branch("judge", ("inside",)),)
STEPS = (
    Step("judge", "operator", text("ask"), ms("1 min"), asks=text("inside?"),
         answers=(Answer("inside", text("yes")), Answer("empty", text("no")))),
    Step("arrived", "lift-technician", text("on site"), contract="lift_arrival", arrival=True,
         certificates=("lift-technician",)),
    Step("isolate", "lift-technician", text("switch off"), after=("arrived",), certificates=("lift-technician",), crew=2),
    Step("freed", "lift-technician", text("everybody out"), after=("isolate",), persons=2, when=INSIDE),
    Step("doctor", "operator", text("call the doctor"), ms("5 min"), when=INSIDE),
    Step("calm", "operator", text("stays so"), ms("30 min"), after=("freed",), since="freed", stable_ms=ms("15 min"),
         proof=(Proof("door_zone", Compare.IS, 1),)),
    Step("inform", "operator", text("tell upward"), mandatory=False,
         report=Report(text("owner"), Text("{site}：{answer:judge}，{people}", "{site}: {answer:judge}, {people}"), "project-manager")),
    Step("regulator", "leader-on-duty", text("report the accident"), ms("1 h"), since=LIFE_CLOCK),
)  # fmt: skip
PLAN = replace(
    ENTRAPMENT,
    steps=STEPS,
    stable_ms=0,
    close=(CloseCheck(text("doors open"), (Proof("doors_closed", Compare.IS, 0),)),),
    life_clock=LifeClock(Condition("running", Compare.IS, 1), ms("2 h"), "freed", (ms("30 min"),)),
    hold=Hold("freed", text("signed test run")),
)
SUPERVISOR = person("sup", "engineering-supervisor", channels="demo")
CHIEF = person("chief", "company-leader", channels="demo")


def nights(plan: Plan = PLAN, start: str = "02:00") -> Night:
    return Night(site(people=(*PEOPLE, SUPERVISOR, CHIEF), plans=(plan,)), start)


@pytest.fixture
def night() -> Night:
    return nights().at("02:00").alarm("lift-1a", "lift-trapped")


def state(night: Night, step: str) -> str:
    plan = night.context().plan(night.incident)
    assert plan is not None
    found = steps.step_of(plan, step)
    assert found is not None
    return standing(night.incident, plan, found, night.site, night.now)[0]


def no(night: Night, command: ask.Command) -> str:
    said = night.does(command)
    assert isinstance(said, Refused), said
    return said.why.en


def tick(night: Night, step: str, who: str = "", actor: str = "user:op", **more) -> ask.TickStep:
    return ask.TickStep(actor, night.request(), night.incident.id, step, who, **more)


def test_a_step_waits_for_the_answer_and_is_not_needed_after_the_other(night: Night) -> None:
    assert state(night, "doctor") == "waiting"
    assert "Answer one of" in no(night, tick(night, "judge", answer="perhaps"))
    night.records("judge", answer="empty")
    assert (state(night, "doctor"), state(night, "freed")) == ("not-needed", "not-needed")
    assert "call the doctor" not in night.missing()
    assert "not needed" in no(night, tick(night, "doctor"))
    night.at("02:20").within("1 min").does_not_record("promise.began")


def test_an_answer_that_was_wrong_is_given_anew_and_the_promise_counts_from_there(night: Night) -> None:
    night.records("judge", answer="empty").at("02:10").records("judge", answer="inside")
    assert state(night, "doctor") == "open"
    night.within("6 min")
    (broken,) = [r for r in night.told(Kind.PROMISE_BROKEN) if r.data.promise == "step/doctor"]
    assert broken.at_ms - night.log[0].at_ms == ms("15 min")
    assert night.told_of("broken/step/doctor") == ["li"]


def test_what_hangs_on_a_skipped_question_is_needed(night: Night) -> None:
    night.skips("judge", "no time")
    assert state(night, "doctor") == "open"
    assert "call the doctor" in night.missing()


def test_work_is_locked_until_enough_certified_people_have_arrived(night: Night) -> None:
    night.at("02:01").accepts("zhao").at("02:05").arrives("zhao")
    assert state(night, "isolate") == "locked"
    assert "2 with a valid certificate (lift-technician) must have arrived; 1 have" in no(
        night, tick(night, "isolate", "zhao")
    )
    night.arrives("qian")
    assert state(night, "isolate") == "open"
    night.ticks("isolate", "zhao")


def test_a_contractor_who_has_arrived_is_a_crew(night: Night) -> None:
    night.at("02:01").accepts("lift-co").at("02:05").arrives("lift-co")
    assert state(night, "isolate") == "open"


def test_who_arrived_without_a_certificate_unlocks_nothing() -> None:
    night = nights(replace(PLAN, steps=tuple(replace(s, crew=1) if s.id == "isolate" else s for s in STEPS)))
    night.at("02:00").alarm("lift-1a", "lift-trapped").arrives("wu")
    assert state(night, "arrived") == "open"
    night.skips("arrived", "somebody is there")
    assert state(night, "isolate") == "locked"


def freed(night: Night) -> Night:
    night.records("judge", answer="inside").records("doctor")
    night.arrives("zhao").arrives("qian").ticks("isolate", "zhao")
    return night.ticks("freed", "zhao").ticks("freed", "qian")


def test_one_login_cannot_sign_for_two(night: Night) -> None:
    night.records("judge", answer="inside").arrives("zhao").arrives("qian").ticks("isolate", "zhao")
    assert not isinstance(night.does(tick(night, "freed", "zhao")), Refused)
    assert "One login cannot sign for two" in no(night, tick(night, "freed", "qian"))
    assert not isinstance(night.does(tick(night, "freed", "qian", heard=True)), Refused)
    assert night.incident.steps["freed"].signatures[-1].heard_by == "op"


def test_a_promise_counts_from_another_step_and_its_proof_must_hold(night: Night) -> None:
    freed(night.at("02:20"))
    assert night.incident.promises["step/calm"].by_ms == night.now + ms("30 min")
    night.at("02:21").reads("lift-1a/door_zone", 1).at("02:30").reads("lift-1a/door_zone", 0)
    night.at("02:31").reads("lift-1a/door_zone", 1).at("02:45").reads("lift-1a/door_zone", 1)
    assert state(night, "calm") == "open"
    night.at("02:46").reads("lift-1a/door_zone", 1)
    assert state(night, "calm") == "done"


def calm_for_ten_minutes(night: Night) -> Night:
    freed(night.at("02:20")).reads("lift-1a/door_zone", 1)
    for minute in range(21, 31):
        night.at(f"02:{minute}").reads("lift-1a/door_zone", 1)
    return night


def test_what_must_last_is_not_counted_anew_after_a_restart(night: Night) -> None:
    calm_for_ten_minutes(night)
    before = dict(night.readings)
    night.readings.clear()
    night.restart().at("02:30:30")
    assert state(night, "calm") == "open"  # nothing was heard yet, and nothing is lost
    night.readings.update(before)
    night.at("02:34").reads("lift-1a/door_zone", 1)
    assert state(night, "calm") == "open"
    night.at("02:35").reads("lift-1a/door_zone", 1)
    assert state(night, "calm") == "done"
    assert night.told(Kind.PROOF_LOST) == []


def test_what_nobody_saw_for_longer_than_a_minute_counts_anew(night: Night) -> None:
    calm_for_ten_minutes(night)
    night.restart(seen_ms=night.now - ms("61 s")).at("02:35").reads("lift-1a/door_zone", 1)
    assert state(night, "calm") == "open"
    assert [r.data.what for r in night.told(Kind.PROOF_LOST)] == ["calm"]
    night.restart().at("02:46").reads("lift-1a/door_zone", 1)
    assert state(night, "calm") == "done"


def test_what_the_first_reading_after_a_restart_denies_counts_anew(night: Night) -> None:
    calm_for_ten_minutes(night)
    night.restart().reads("lift-1a/door_zone", 0).at("02:31").reads("lift-1a/door_zone", 1)
    night.at("02:45").reads("lift-1a/door_zone", 1)
    assert state(night, "calm") == "open"
    night.at("02:46").reads("lift-1a/door_zone", 1)
    assert state(night, "calm") == "done"


def test_a_proof_that_flickers_fills_no_book(night: Night) -> None:
    freed(night.at("02:20"))
    for second in range(60):
        night.at(f"02:20:{second:02}").reads("lift-1a/door_zone", second % 2)
    assert night.told(Kind.PROOF_SHOWN) == []


def test_a_skipped_mandatory_step_tells_the_supervisor_and_calls_nobody(night: Night) -> None:
    night.accepts("zhao").skips("judge", "nobody answers")
    assert night.told_of("skipped/judge") == ["sup", "li"], "the supervisor, and the leader: one phone may be dead"
    assert "Reason: nobody answers" in night.told(Kind.PAGE_REQUESTED)[-1].data.text
    assert list(night.incident.accepted) == ["zhao"]
    night.skips("inform", "later")
    assert night.told_of("skipped/inform") == []


def test_a_report_goes_to_its_role_and_what_nobody_knows_reads_unknown(night: Night) -> None:
    night.accepts("zhao").records("inform")
    assert night.told_of("report/inform") == ["zhou"]
    said = night.told(Kind.PAGE_REQUESTED)[-1].data.text
    assert "test site: unknown, 0 there, 1 on the way" in said
    assert "不详，0 人到场、1 人在途" in said


def test_the_gate_names_what_telemetry_does_not_show(night: Night) -> None:
    freed(night.at("02:20")).skips("calm", "test").clears("lift-1a", "lift-trapped")
    night.reads("lift-1a/doors_closed", 1)
    assert night.missing() == "Telemetry does not show it: doors open"
    confirm = ask.ConfirmClose("user:op", night.request(), night.incident.id, 0, "zhao")
    assert "Telemetry is alive" in no(night, confirm)
    night.reads("lift-1a/doors_closed", 0).at("02:22").closes()


def test_where_telemetry_is_dead_two_named_people_say_it(night: Night) -> None:
    freed(night.at("02:20")).skips("calm", "test").clears("lift-1a", "lift-trapped").at("02:22")
    assert night.missing() == "Telemetry is dead: 2 more named persons must say: doors open"

    def says(who: str) -> ask.ConfirmClose:
        return ask.ConfirmClose("user:op", night.request(), night.incident.id, 0, who)

    assert "was called or has arrived" in no(night, says("chu"))  # in bed, and of no part in it
    night.does(says("zhao"))
    assert "another person" in no(night, says("zhao"))
    night.does(says("qian"))
    night.closes()


def test_where_telemetry_is_dead_one_of_the_two_is_at_the_place(night: Night) -> None:
    night.at("02:20").skips("arrived", "x").skips("isolate", "x").skips("freed", "x").skips("calm", "x")

    def says(who: str) -> ask.ConfirmClose:
        return ask.ConfirmClose("user:op", night.request(), night.incident.id, 0, who)

    night.does(says("li"))
    assert "Record the arrival first" in no(night, says("zhou"))
    night.arrives("zhao").does(says("zhao"))
    assert len(night.incident.claims.closing[0]) == 2


def test_setting_the_gate_aside_needs_a_reason_and_tells_the_supervisor(night: Night) -> None:
    night.at("02:20").reads("lift-1a/doors_closed", 1)
    aside = ask.OverrideClose("user:boss", night.request(), night.incident.id, "contact is broken")
    assert "First the mandatory steps" in no(night, aside)
    freed(night).skips("calm", "test").clears("lift-1a", "lift-trapped").at("02:22")
    night.does(ask.OverrideClose("user:boss", night.request(), night.incident.id, "contact is broken"))
    assert night.told_of("overridden") == ["sup", "li"]
    night.closes()


def test_the_life_clock_counts_from_the_last_movement_and_stops_with_the_two() -> None:
    night = nights(start="01:30").at("01:40").reads("lift-1a/running", 1).at("01:50").reads("lift-1a/running", 0)
    night.at("02:00").alarm("lift-1a", "lift-trapped")
    assert night.incident.claims.held_from_ms == night.now - ms("10 min")
    assert night.incident.promises[LIFE_CLOCK].by_ms == night.now + ms("110 min")
    night.at("02:20").within("1 s")
    assert set(night.told_of("life-clock")) == {"li", "zhou"}
    freed(night)
    assert night.incident.promises[LIFE_CLOCK].kept_ms == night.now
    assert state(night, "regulator") == "not-needed"


def test_a_car_that_moves_sets_the_life_clock_anew(night: Night) -> None:
    night.at("02:10").reads("lift-1a/running", 1).reads("lift-1a/running", 0)
    assert night.incident.claims.held_from_ms == night.now
    night.at("02:20").reads("lift-1a/running", 0, reason=128).at("02:25").reads("lift-1a/running", 0)
    assert night.incident.claims.held_from_ms == night.now - ms("15 min")


def test_two_hours_in_the_car_open_the_report_and_tell_the_leader(night: Night) -> None:
    night.accepts("zhao").arrives("zhao").records("judge", answer="inside")
    assert state(night, "regulator") == "waiting"
    night.at("04:01")
    assert set(night.told_of(f"broken/{LIFE_CLOCK}")) == {"li", "zhou"}
    assert state(night, "regulator") == "open"
    promise = night.incident.promises["step/regulator"]
    assert promise.by_ms == night.incident.promises[LIFE_CLOCK].by_ms + ms("1 h")
    night.at("05:02")
    assert night.told_of("broken/step/regulator") == ["chief"]


def test_a_skipped_milestone_is_no_rescue_and_the_life_clock_warns_on(night: Night) -> None:
    night.accepts("zhao").arrives("zhao").records("judge", answer="inside").skips("freed", "the paper says so")
    night.at("02:30").within("1 s")
    assert set(night.told_of("life-clock")) == {"li", "zhou"}
    night.at("02:40").reads("lift-1a/running", 1)
    assert night.incident.claims.held_from_ms == night.now  # the car moves: they may still be in it
    night.at("04:41")
    assert set(night.told_of(f"broken/{LIFE_CLOCK}")) == {"li", "zhou"}
    assert state(night, "regulator") == "open"


def test_what_was_skipped_may_still_be_done_and_then_they_are_free(night: Night) -> None:
    night.records("judge", answer="inside").skips("freed", "the paper says so")
    assert "First comes" in no(night, tick(night, "freed", "zhao"))  # a skip opens no lock
    night.arrives("zhao").arrives("qian").ticks("isolate", "zhao").at("02:20")
    night.ticks("freed", "zhao")
    assert night.incident.promises[LIFE_CLOCK].kept_ms is None
    night.ticks("freed", "qian")
    assert night.incident.promises[LIFE_CLOCK].kept_ms == night.now
    assert state(night, "freed") == "done"


def test_a_life_clock_that_nobody_stopped_ends_with_its_incident_and_is_not_called_kept(night: Night) -> None:
    night.records("judge", answer="inside").accepts("zhao")
    for step in ("arrived", "isolate", "freed", "doctor", "calm"):
        night.skips(step, "done on paper")
    assert lifeclock.ended_ms(night.incident) is None
    night.clears("lift-1a", "lift-trapped").reads("lift-1a/doors_closed", 0)
    running = night.incident
    night.at("02:10").skips("regulator", "they went home").closes()
    told = running
    for record in night.told(Kind.INCIDENT_CLOSED):
        told = fold.tell(told, record)
    assert lifeclock.ended_ms(told) == night.now
    assert LIFE_CLOCK not in [r.data.promise for r in night.told(Kind.PROMISE_KEPT)]
    night.at("05:00")
    assert night.told_of(f"broken/{LIFE_CLOCK}") == []


def test_the_machine_stays_out_of_service_until_the_contractor_signs(night: Night) -> None:
    freed(night.at("02:20"))
    out = OutOfService()
    (held,) = night.told(Kind.EQUIPMENT_HELD)
    out.tell(held)

    def release(who: str, note: str = "ran ten times") -> list[Record] | Refused:
        asked = ask.ReleaseEquipment("user:op", night.request(), "lift-1a", who, note)
        return out.ask(night.context(), asked, night.incidents.open())

    said = release("lift-co")
    assert isinstance(said, Refused)
    assert "alarm is still active" in said.why.en
    night.clears("lift-1a", "lift-trapped")
    assert isinstance(release("zhao"), Refused)
    assert isinstance(release("lift-co", ""), Refused)
    said = release("lift-co")
    assert isinstance(said, list)
    out.tell(said[0])
    assert not out.open()
    assert out.drop_closed() == [held_subject("lift-1a")]


def test_no_test_run_is_signed_while_people_may_be_inside() -> None:
    early = replace(PLAN, hold=Hold("isolate", text("signed test run")))
    night = nights(early).at("02:00").alarm("lift-1a", "lift-trapped").records("judge", answer="inside")
    night.at("02:10").arrives("zhao").arrives("qian").ticks("isolate", "zhao").clears("lift-1a", "lift-trapped")
    out = OutOfService()
    out.tell(night.told(Kind.EQUIPMENT_HELD)[0])
    asked = ask.ReleaseEquipment("user:op", night.request(), "lift-1a", "lift-co", "ran ten times")
    said = out.ask(night.context(), asked, night.incidents.open())
    assert isinstance(said, Refused)
    assert "the people are free" in said.why.en


def test_no_test_run_is_signed_while_others_are_held_in_it(night: Night) -> None:
    freed(night.at("02:20")).clears("lift-1a", "lift-trapped")
    out = OutOfService()
    out.tell(night.told(Kind.EQUIPMENT_HELD)[0])
    night.at("02:50").alarm("lift-1a", "lift-trapped").clears("lift-1a", "lift-trapped")
    asked = ask.ReleaseEquipment("user:op", night.request(), "lift-1a", "lift-co", "ran ten times")
    assert isinstance(out.ask(night.context(), asked, night.incidents.open()), Refused)


def test_where_the_switch_was_left_out_the_machine_is_held_when_the_people_are_free() -> None:
    early = replace(PLAN, hold=Hold("isolate", text("signed test run")))
    night = nights(early).at("02:00").alarm("lift-1a", "lift-trapped").records("judge", answer="inside")
    night.at("02:10").arrives("zhao").arrives("qian").skips("isolate", "the switch is out of reach")
    assert not night.told(Kind.EQUIPMENT_HELD)
    night.ticks("freed", "zhao").ticks("freed", "qian")
    (held,) = night.told(Kind.EQUIPMENT_HELD)
    assert held.about == ("lift-1a",)


def test_a_restart_leaves_plan_and_clocks_as_they_were(night: Night) -> None:
    freed(night.at("02:20"))
    before = night.incident
    assert night.restart().incident == before


DOUBTED = replace(PLAN, false_alarm=FalseAlarm(2, ("voice", "camera", "on-site"), (Proof("door_zone", Compare.IS, 1),)))


def test_nobody_inside_is_one_word_and_people_come_all_the_same() -> None:
    night = nights(DOUBTED).at("02:00").alarm("lift-1a", "lift-bell").at("02:00:20").answers_bell(trapped=False)
    assert "each by somebody else, and has 1" in night.missing()
    night.confirms_false("camera")  # the same pair of eyes and ears
    night.within("20 s").pages_nobody()
    night.within("30 s").pages("zhao", "lift-co", "li", "zhou")
    assert night.incident.stage == "confirmed"


def test_nobody_inside_and_doors_open_at_a_floor_are_two() -> None:
    night = nights(DOUBTED).at("02:00").alarm("lift-1a", "lift-bell").at("02:00:20").answers_bell(trapped=False)
    night.at("02:00:40").reads("lift-1a/door_zone", 1).at("02:00:51").reads("lift-1a/door_zone", 1)
    night.within("1 h").pages_nobody()
    night.clears("lift-1a", "lift-bell").closes("a child")
    assert night.told(Kind.INCIDENT_CLOSED)[-1].data.false_alarm


def test_a_sensor_that_flickers_is_no_second_confirmation_and_one_that_changed_its_mind_no_longer() -> None:
    night = nights(DOUBTED).at("02:00").alarm("lift-1a", "lift-bell").at("02:00:20").answers_bell(trapped=False)
    for moment_, zone in (("02:00:30", 1), ("02:00:31", 0), ("02:00:40", 1), ("02:00:49", 1)):
        night.at(moment_).reads("lift-1a/door_zone", zone)
    assert "has 1" in night.missing()
    night.at("02:00:50").reads("lift-1a/door_zone", 1).clears("lift-1a", "lift-bell")
    assert night.missing() == ""
    night = nights(DOUBTED).at("02:00").alarm("lift-1a", "lift-trapped").confirms_false("camera")
    for moment_ in ("02:00:10", "02:00:20"):
        night.at(moment_).reads("lift-1a/door_zone", 1)
    night.at("02:00:30").reads("lift-1a/door_zone", 0).clears("lift-1a", "lift-trapped")
    close = ask.CloseIncident("user:op", night.request(), night.incident.id, "sensor", "", false_alarm=True)
    assert "no longer shows an empty car" in no(night, close)


def test_who_is_held_after_others_were_freed_is_a_matter_of_its_own(night: Night) -> None:
    """With its own clock, calls and words: nothing that was said of the first counts for it."""
    first = night.incident.id
    night.records("judge", answer="inside").at("02:10").arrives("zhao").arrives("qian").ticks("isolate", "zhao")
    night.ticks("freed", "zhao").ticks("freed", "qian").clears("lift-1a", "lift-trapped")
    night.at("02:50").alarm("lift-1a", "lift-trapped").within("0 s").pages("zhao", "lift-co", "li", "zhou")
    assert night.incident.id != first
    assert night.incident.promises["lift_arrival"].by_ms == moment("03:05")
    assert night.incident.promises["life-clock"].by_ms == moment("04:50")
    assert "everybody out" in night.missing()
    night.at("02:50:01").within("3 min").pages("zhao", "lift-co", "lift-co-2", "wu")
    assert night.incidents.open()[first].active_alarms == frozenset()


def test_who_is_held_after_it_was_called_false_is_a_matter_of_its_own() -> None:
    night = nights(DOUBTED).at("02:00").alarm("lift-1a", "lift-trapped").at("02:03").arrives("wu")
    night.confirms_false("camera").confirms_false("on-site", "wu").clears("lift-1a", "lift-trapped")
    first = night.incident.id
    night.at("02:25:30").alarm("lift-1a", "lift-trapped").within("0 s").pages("zhao", "lift-co", "li", "zhou")
    assert night.incident.id != first
    close = ask.CloseIncident("user:op", night.request(), night.incident.id, "sensor", "", false_alarm=True)
    assert "each by somebody else, and has 0" in no(night, close)


def left_inside(clears: bool) -> Night:
    night = nights().at("02:00").alarm("lift-1a", "lift-trapped").records("judge", answer="inside")
    night.at("02:05").arrives("zhao").at("02:10").finishes("zhao")
    return night.clears("lift-1a", "lift-trapped") if clears else night


@pytest.mark.parametrize("clears", [False, True], ids=["the alarm holds", "the readings ended with the switch"])
def test_who_leaves_before_the_people_are_free_is_not_there_and_others_are_called(clears: bool) -> None:
    night = left_inside(clears).at("02:10:01")
    night.within("3 min")
    assert {"lift-co", "lift-co-2", "wu"} <= set(night.paged(night.mark))
    night.at("02:14").accepts("lift-co").at("02:20").arrives("lift-co").within("1 h").pages_nobody()


def test_where_nobody_else_is_left_he_is_asked_again() -> None:
    night = left_inside(clears=False)
    for who in ("qian", "lift-co", "lift-co-2", "wu", "zhou", "sun"):
        if who in night.incident.called:
            night.declines(who)
    night.at("02:15").within("10 min")
    assert "zhao" in night.paged(night.mark)


def test_in_a_drill_whoever_is_done_is_done() -> None:
    night = nights()
    night.does(ask.StartDrill("user:op", night.request(), PLAN.id, "lift-1a"))
    night.accepts("zhao").arrives("zhao").finishes("zhao").at("02:00:01").within("2 h").pages_nobody()


def test_one_person_s_word_said_twice_is_one_word() -> None:
    night = nights(DOUBTED).at("02:00").alarm("lift-1a", "lift-trapped").at("02:03").arrives("wu")
    night.confirms_false("voice", "wu").confirms_false("on-site", "wu")
    assert night.incident.claims.false_ms is None
    night.confirms_false("camera", "zhao")
    assert night.incident.claims.false_ms == night.now


def test_who_has_arrived_may_confirm_on_site_what_the_camera_showed() -> None:
    night = nights(DOUBTED).at("02:00").alarm("lift-1a", "lift-trapped").at("02:03").confirms_false("camera")
    on_site = ask.ConfirmFalse("user:op", night.request(), night.incident.id, "on-site", "wu")
    assert "has arrived" in no(night, on_site)
    night.arrives("wu").confirms_false("on-site", "wu").clears("lift-1a", "lift-trapped")
    close = ask.CloseIncident("user:op", night.request(), night.incident.id, "sensor", "", false_alarm=True)
    assert not isinstance(night.does(close), Refused)


def test_the_bell_rings_again_and_the_old_words_count_no_more() -> None:
    night = nights(DOUBTED).at("02:00").alarm("lift-1a", "lift-bell").at("02:00:20").answers_bell(trapped=False)
    night.at("02:00:40").reads("lift-1a/door_zone", 1).at("02:00:50").reads("lift-1a/door_zone", 1)
    night.clears("lift-1a", "lift-bell").at("02:30").alarm("lift-1a", "lift-bell")
    assert night.incident.answered is None
    assert not night.incident.claims.false
    night.within("61 s").pages("zhao", "lift-co", "li", "zhou")


def test_an_edited_plan_changes_nothing_for_what_runs(night: Night) -> None:
    edited = replace(PLAN, version="v2", steps=(Step("other", "operator", text("other")),))
    night.site = site(plans=(edited,))
    assert "Mandatory step not done: other" in night.missing()  # no older version is at hand
    night.plans = {(PLAN.id, PLAN.version): PLAN}
    assert "other" not in night.missing()
    assert "switch off" in night.missing()
    night.restart()
    assert "switch off" in night.missing()
