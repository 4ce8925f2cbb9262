"""What people may and may not do to an incident."""

import pytest
from night_shift import Night, moment

from facility import commands as ask
from facility.commands import Refused
from facility.records import Kind


@pytest.fixture
def night() -> Night:
    return Night().at("02:13").alarm("lift-1a", "lift-trapped").at("02:14:30")


def no(night: Night, command: ask.Command) -> tuple[str, str]:
    said = night.does(command)
    assert isinstance(said, Refused)
    assert said.why.zh
    return said.code, said.why.en


def tick(night: Night, step: str, who: str) -> ask.TickStep:
    return ask.TickStep(f"person:{who}", night.request(), night.incident.id, step)


def test_a_step_waits_for_those_before_it(night: Night) -> None:
    assert no(night, tick(night, "isolate", "zhao")) == ("conflict", "First comes: on site")


def test_work_needs_its_certificate(night: Night) -> None:
    night.arrives("zhao")
    code, why = no(night, tick(night, "isolate", "wu"))
    assert code == "forbidden"
    assert "lift-technician" in why
    assert no(night, ask.TickStep("user:op", "r", night.incident.id, "isolate"))[0] == "forbidden"
    night.ticks("isolate", "zhao")


def test_the_contractors_people_hold_their_own_certificates(night: Night) -> None:
    night.arrives("lift-co").ticks("isolate", "lift-co")


def test_two_persons_means_two_persons(night: Night) -> None:
    night.arrives("zhao").ticks("isolate", "zhao").ticks("freed", "zhao")
    assert no(night, tick(night, "freed", "zhao"))[0] == "conflict"
    assert night.incident.steps["freed"].state == "open"
    assert no(night, tick(night, "freed", "wu"))[0] == "forbidden"  # from an armchair
    night.arrives("wu").ticks("freed", "wu")
    assert (night.incident.steps["freed"].state, night.incident.steps["freed"].by) == ("done", "zhao+wu")


def test_nobody_signs_by_phone_for_another_role_from_afar_or_in_anothers_name(night: Night) -> None:
    night.arrives("zhao").ticks("isolate", "zhao")
    assert no(night, tick(night, "freed", "li")) == (
        "forbidden",
        "This step is for the role lift-technician. Let somebody of that role tick it, or tell the desk.",
    )
    assert "I am here" in no(night, tick(night, "freed", "qian"))[1]
    named = ask.TickStep("person:zhao", "r", night.incident.id, "freed", "qian")
    assert no(night, named)[0] == "forbidden"
    assert no(night, tick(night, "intercom", "zhao"))[0] == "forbidden"


def test_the_desk_records_two_named_people_of_whom_one_is_there() -> None:
    night = Night().at("02:13").alarm("lift-1a", "lift-trapped").at("02:14").accepts("zhao")
    night.skips("arrived", "by the stairs").skips("isolate", "the car is level").records("freed", "zhao")

    def second(who: str) -> ask.TickStep:
        return ask.TickStep("user:op", night.request(), night.incident.id, "freed", who, heard=True)

    assert no(night, second(""))[0] == "invalid"  # whose word is it?
    assert no(night, second("chen"))[0] == "forbidden"  # neither called nor of the role
    assert no(night, second("zhao"))[0] == "conflict"
    assert "Record the arrival first" in no(night, second("lift-co"))[1]
    night.arrives("zhao").records("freed", "lift-co")
    assert night.incident.steps["freed"].by == "zhao+lift-co"


def test_an_arrival_that_needs_two_certified_people_is_done_by_the_second() -> None:
    night = Night().at("03:00").alarm("f1", "hv-trip").arrives("zheng")
    assert night.incident.steps["pair"].state == "open"
    night.arrives("wang")
    assert night.incident.steps["pair"].state == "done"


def test_ticking_an_arrival_is_arriving(night: Night) -> None:
    night.ticks("arrived", "zhao")
    assert "zhao" in night.incident.arrived
    assert night.incident.steps["arrived"].state == "done"


def test_the_guards_arrival_is_somebody_at_the_place_but_no_technician() -> None:
    night = Night().at("02:13").alarm("lift-1a", "lift-trapped").at("02:14").arrives("li")
    kept = [r.data.promise for r in night.told(Kind.PROMISE_KEPT)]
    assert kept == ["somebody_at_place"]
    assert "arrived" not in night.incident.steps
    night.at("02:14:30").within("30 s").pages("zhao", "lift-co", "lift-co-2", "wu")


def test_a_promise_kept_says_how_long_it_took(night: Night) -> None:
    night.arrives("zhao")
    arrival = next(r.data for r in night.told(Kind.PROMISE_KEPT) if r.data.promise == "lift_arrival")
    assert (arrival.by_ms, arrival.took_ms) == (moment("02:28"), 90_000)


def test_a_step_in_time_keeps_its_promise_and_a_late_one_breaks_it() -> None:
    night = Night().at("02:13").alarm("lift-1a", "lift-trapped").at("02:13:30").records("intercom")
    assert night.incident.promises["step/intercom"].kept_ms == moment("02:13:30")
    night.at("02:43")
    assert night.incident.promises["step/freed"].broken_ms == moment("02:43")


def test_skipping_needs_a_reason(night: Night) -> None:
    assert no(night, ask.SkipStep("user:op", "r", night.incident.id, "care", " "))[0] == "invalid"
    night.skips("care", "nobody wanted it")
    assert night.incident.steps["care"].note == "nobody wanted it"


def test_what_is_already_so_changes_nothing(night: Night) -> None:
    night.records("intercom").accepts("zhao").arrives("zhao")
    length = len(night.log)
    night.records("intercom").accepts("zhao").arrives("zhao").skips("intercom", "late")
    assert len(night.log) == length


def test_only_whoever_took_it_can_finish_it(night: Night) -> None:
    assert no(night, ask.Finish("person:zhao", "r", night.incident.id, "zhao"))[0] == "conflict"
    night.accepts("zhao").finishes("zhao")


def test_nobody_can_answer_what_does_not_exist(night: Night) -> None:
    assert no(night, ask.Accept("person:zhao", "r", "990101-1", "zhao"))[0] == "not-found"
    assert no(night, ask.TickStep("user:op", "r", night.incident.id, "no-such-step"))[0] == "not-found"
    assert no(night, ask.Arrive("user:op", "r", night.incident.id, "nobody"))[0] == "not-found"


def test_who_is_there_cannot_decline(night: Night) -> None:
    night.arrives("zhao")
    assert no(night, ask.Decline("person:zhao", "r", night.incident.id, "zhao"))[0] == "conflict"


def test_a_plan_is_started_where_it_can_be(night: Night) -> None:
    assert no(night, ask.StartPlan("user:op", "r", "no-such-plan", "lift-1a"))[0] == "not-found"
    assert no(night, ask.StartPlan("user:op", "r", "lift-entrapment", "no-such-machine"))[0] == "not-found"
    assert no(night, ask.StartPlan("user:op", "r", "lift-entrapment", "ch-1"))[0] == "invalid"
    assert no(night, ask.StartPlan("user:op", "r", "lift-entrapment"))[0] == "invalid"


def test_a_plan_started_by_hand_calls_at_once_and_names_who_pressed() -> None:
    night = Night().at("02:13").starts("lift-entrapment", place="tower 2", caller="a mother")
    night.within("0 s").pages("zhao", "li", "zhou")  # no machine, no contractor of its card
    opened = night.told(Kind.INCIDENT_OPENED)[0]
    assert (opened.actor, opened.request, opened.data.place) == ("user:op", "r1", "tower 2")
    assert night.told(Kind.PLAN_STARTED)[0].request == "r1/2"


def test_a_note_is_kept_with_its_writer(night: Night) -> None:
    night.does(ask.AddNote("user:op", "n1", night.incident.id, "two people, calm"))
    assert [(n.by, n.text) for n in night.incident.notes] == [("user:op", "two people, calm")]
    assert no(night, ask.AddNote("user:op", "n2", night.incident.id, ""))[0] == "invalid"


def test_records_can_be_found_by_machine_and_by_person(night: Night) -> None:
    night.accepts("zhao")
    assert night.log[-1].about == ("lift-1a", "zhao")


def test_a_proof_counts_only_when_the_step_is_open_and_the_reading_is_good(night: Night) -> None:
    night.reads("lift-1a/door_zone", 1).reads("lift-1a/speed", 0)
    assert "level" not in night.incident.steps
    night.arrives("zhao").ticks("isolate", "zhao").ticks("freed", "zhao").reads("lift-1a/speed", 0, reason=65)
    night.arrives("wu").ticks("freed", "wu")
    assert "level" not in night.incident.steps
    assert night.incidents.watched() == {"lift-1a/door_zone", "lift-1a/speed"}
    night.reads("lift-1a/speed", 0)
    assert night.incident.steps["level"].by == "telemetry"
    assert night.incident.steps["level"].note == "door_zone=1, speed=0"
    assert night.incidents.watched() == frozenset()
