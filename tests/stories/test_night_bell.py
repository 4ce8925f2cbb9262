"""A lift's bell rings: at the desk first, and at everybody when the desk cannot be sure."""

from night_shift import Night, moment

from facility.commands import Refused, StartPlan
from facility.records import Kind


def bell() -> Night:
    return Night().at("02:13").alarm("lift-1a", "lift-bell")


def test_a_bell_alone_rings_at_the_desk_only() -> None:
    night = bell()
    night.within("59 s").pages_nobody()
    assert night.incident.stage == "desk"
    assert night.incident.confirm_by_ms == moment("02:14")
    assert night.told(Kind.PLAN_STARTED)


def test_unanswered_for_a_minute_it_calls_everybody() -> None:
    night = bell().at("02:13:59").within("1 s").pages("zhao", "lift-co", "li", "zhou")
    assert [(str(r.kind), r.at_ms) for r in night.told(Kind.INCIDENT_CONFIRMED)] == [
        ("incident.confirmed", moment("02:14"))
    ]
    assert night.told(Kind.INCIDENT_CONFIRMED)[0].data.why == "unanswered"
    assert "bell_answer" in [r.data.promise for r in night.told(Kind.PROMISE_BROKEN)]


def test_a_voice_from_the_car_calls_everybody_at_once() -> None:
    night = bell().at("02:13:20").answers_bell(trapped=True).within("0 s").pages("zhao", "lift-co", "li", "zhou")
    assert night.told(Kind.INCIDENT_CONFIRMED)[0].data.why == "voice"
    assert night.told(Kind.PROMISE_KEPT)[0].data.took_ms == 20_000
    assert night.incident.promises["lift_arrival"].by_ms == moment("02:28")  # from the bell, not from the answer


def test_what_the_lift_itself_says_calls_everybody_at_once() -> None:
    for alarm in ("lift-trapped", "lift-fault-stop"):
        night = bell().at("02:13:20").alarm("lift-1a", alarm).within("0 s").pages("zhao", "lift-co", "li", "zhou")
        assert night.told(Kind.INCIDENT_CONFIRMED)[0].data.why == "telemetry"
        assert len(night.incidents.open()) == 1


def test_a_bell_in_a_lift_that_already_stands_between_floors_needs_no_answer() -> None:
    night = Night().at("02:13").alarm("lift-1a", "lift-fault-stop").at("02:13:30").alarm("lift-1a", "lift-bell")
    night.within("0 s").pages("zhao", "lift-co", "li", "zhou")


def test_children_played_with_it() -> None:
    night = bell().at("02:13:20").answers_bell(trapped=False).within("2 h").pages_nobody()
    assert "still active" in night.missing()
    night.clears("lift-1a", "lift-bell").closes("children").within("1 d").pages_nobody()
    broken = [r.data.promise for r in night.told(Kind.PROMISE_BROKEN)]
    assert broken == []


def test_it_rings_again_after_it_was_answered() -> None:
    night = bell().at("02:13:20").answers_bell(trapped=False).clears("lift-1a", "lift-bell")
    night.at("02:20").alarm("lift-1a", "lift-bell").within("59 s").pages_nobody()
    night.at("02:20:59").restart().within("1 s").pages("zhao", "lift-co", "li", "zhou")
    assert night.incident.promises["lift_arrival"].by_ms == moment("02:35")


def rescued() -> Night:
    night = bell().at("02:13:20").answers_bell(trapped=True).at("02:14").accepts("zhao").at("02:20").arrives("zhao")
    return night.clears("lift-1a", "lift-bell").at("02:40").finishes("zhao")


def test_a_bell_after_the_rescue_runs_its_minute_again() -> None:
    night = rescued().at("05:30").alarm("lift-1a", "lift-bell").within("59 s").pages_nobody()
    assert night.incident.stage == "desk"
    assert night.incident.confirm_by_ms == moment("05:31")
    assert "speak with the car first" in night.missing()
    assert "everybody out" in night.missing()
    night.at("05:30:59").restart().within("1 s").pages("zhao", "lift-co", "li", "zhou")
    assert night.levels()[-1][0::3] == ("05:31:00", "again")
    assert night.incident.promises["lift_arrival"].by_ms == moment("05:45")
    night.at("05:31:20").accepts("zhao").at("05:36").arrives("zhao").within("2 h").pages_nobody()


def test_a_bell_after_the_rescue_that_was_a_mistake_calls_nobody_and_forgives_no_step() -> None:
    night = rescued().at("05:30").alarm("lift-1a", "lift-bell").at("05:30:20").answers_bell(trapped=False)
    night.within("2 h").pages_nobody()
    assert night.incident.stage == "confirmed"
    night.clears("lift-1a", "lift-bell")
    assert "everybody out" in night.missing()
    night.at("07:40").alarm("lift-1a", "lift-bell").at("07:40:59").within("1 s").pages("zhao", "lift-co", "li", "zhou")


def test_a_bell_after_the_rescue_that_somebody_answers_or_the_lift_confirms_rings_at_once() -> None:
    for happens in (lambda n: n.answers_bell(trapped=True), lambda n: n.alarm("lift-1a", "lift-fault-stop")):
        night = rescued().at("05:30").alarm("lift-1a", "lift-bell").at("05:30:20")
        happens(night).within("0 s").pages("zhao", "lift-co", "li", "zhou")


def test_answered_no_and_then_the_lift_says_yes() -> None:
    night = bell().at("02:13:20").answers_bell(trapped=False).at("02:30").alarm("lift-1a", "lift-trapped")
    night.within("0 s").pages("zhao", "lift-co", "li", "zhou")
    assert night.incident.promises["lift_arrival"].by_ms == moment("02:45")


def test_the_phone_call_about_the_ringing_bell_is_its_answer() -> None:
    night = (
        bell().at("02:13:20").starts("lift-entrapment", "lift-1a").within("0 s").pages("zhao", "lift-co", "li", "zhou")
    )
    assert len(night.incidents.open()) == 1


def test_an_unanswered_bell_cannot_be_closed_away() -> None:
    assert "speak with the car first" in bell().missing()


def test_the_bell_of_another_lift_is_another_bell() -> None:
    night = bell().alarm("lift-1b", "lift-bell")
    assert len(night.incidents.open()) == 2


def test_a_running_entrapment_swallows_the_bell() -> None:
    night = (
        Night().at("02:13").alarm("lift-1a", "lift-trapped").accepts("zhao").at("02:14").alarm("lift-1a", "lift-bell")
    )
    night.within("5 min").pages_nobody()
    assert len(night.incidents.open()) == 1


def test_started_twice_by_hand_names_the_running_one() -> None:
    night = Night().at("02:13").starts("lift-entrapment", "lift-1a")
    again = night.does(StartPlan("user:op", "again", "lift-entrapment", "lift-1a"))
    assert isinstance(again, Refused)
    assert again.code == "conflict"
    assert "261122-1" in again.why.zh


def test_a_bell_that_counts_its_rings_asks_again_at_each() -> None:
    night = bell().at("02:13:20").answers_bell(trapped=False).at("02:20").alarm("lift-1a", "lift-bell")
    night.at("02:20:59").within("1 s").pages("zhao", "lift-co", "li", "zhou")
