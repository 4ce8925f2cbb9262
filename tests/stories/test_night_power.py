"""The 10 kV feeder trips: one incident for the cause, and one more for every life in danger."""

from night_shift import Night

from facility.records import Kind


def trip() -> Night:
    night = Night().at("03:00")
    night.without_power = "f1"
    return night.alarm("f1", "hv-trip")


def test_two_certified_electricians_are_called() -> None:
    trip().within("0 s").pages("zheng", "wang", "li")


def test_what_lost_its_power_joins_and_calls_nobody() -> None:
    night = trip().at("03:00:05").alarm("ch-1", "chiller-fault").alarm("lift-1a", "lift-power-lost")
    night.alarm("gw-1a", "communication-lost").within("10 s").pages_nobody()
    joined = night.told(Kind.INCIDENT_JOINED)
    assert [r.data.why for r in joined] == ["supply", "supply", "supply"]
    assert len(night.incidents.open()) == 1


def test_people_in_a_lift_are_their_own_incident_whatever_the_cause() -> None:
    night = trip().at("03:00:05").alarm("lift-1a", "lift-trapped").within("0 s").pages("zhao", "lift-co", "li", "zhou")
    assert len(night.incidents.open()) == 2


def test_in_one_scan_the_cause_is_seen_before_its_consequences() -> None:
    night = Night().at("03:00")
    night.without_power = "f1"
    settle, night.settle = night.settle, lambda: None  # type: ignore[method-assign]
    night.alarm("ch-1", "chiller-fault").alarm("lift-1a", "lift-power-lost").alarm("f1", "hv-trip")
    night.settle = settle  # type: ignore[method-assign]
    night.settle()
    assert [i.plan for i in night.incidents.open().values()] == ["hv-trip"]


def test_without_a_cause_every_machine_is_a_matter_of_its_own() -> None:
    night = Night().at("03:00").alarm("ch-1", "chiller-fault").alarm("lift-1a", "lift-power-lost")
    assert len(night.incidents.open()) == 2


def test_a_note_for_the_console_calls_nobody() -> None:
    night = Night().at("03:00").alarm("lift-1a", "lift-dirty").within("8 h").pages_nobody()
    assert not night.incidents.open()


def test_a_note_for_the_console_joins_what_runs_on_the_machine_but_not_what_comes_later() -> None:
    night = Night().at("03:00").alarm("lift-1b", "lift-dirty").at("03:10")
    night.alarm("lift-1b", "lift-trapped").alarm("lift-1a", "lift-trapped").alarm("lift-1a", "lift-dirty")
    assert "alarm:lift-1a/lift-dirty" in night.of("lift-1a").alarms
    assert "alarm:lift-1b/lift-dirty" not in night.of("lift-1b").alarms
    assert "alarm:lift-1b/lift-dirty" not in night.restart().of("lift-1b").alarms


def test_the_lesser_alarm_of_the_same_lift_is_no_second_incident() -> None:
    night = Night().at("03:00").alarm("lift-1a", "lift-trapped").accepts("zhao")
    night.at("03:01").alarm("lift-1a", "lift-fault-stop").within("0 s").pages_nobody()
    assert len(night.incidents.open()) == 1


def test_a_worse_alarm_calls_again_everybody_who_was_called_to_something_smaller() -> None:
    night = Night().at("03:00").alarm("ch-1", "chiller-fault").at("03:01").accepts("chen")
    night.at("03:02").alarm("ch-1", "chiller-fire").within("0 s").pages("chen")
    assert night.incident.priority == 1
    assert night.levels()[-1] == ("03:02:00", 0, 1, "worse")
    assert "chiller-fire" in night.told(Kind.PAGE_REQUESTED)[-1].data.text


def test_a_call_comes_first_and_the_alarm_joins_it() -> None:
    night = Night().at("03:00").starts("chiller-trip", place="（plant room）", caller="a neighbour")
    night.at("03:01").alarm("ch-1", "chiller-fault").within("0 s").pages_nobody()
    assert night.told(Kind.INCIDENT_JOINED)[0].data.why == "plan"


def test_a_call_from_the_hall_does_not_hide_the_second_lift() -> None:
    night = Night().at("03:00").starts("lift-entrapment", place="tower 1 hall").accepts("zhao")
    night.at("03:01").alarm("lift-1b", "lift-trapped").within("0 s").pages("zhao", "lift-co", "li", "zhou")


def test_who_is_named_by_the_caller_joins() -> None:
    night = Night().at("03:00").starts("lift-entrapment", place="lift 1B").at("03:01").alarm("lift-1b", "lift-trapped")
    assert len(night.incidents.open()) == 1
    assert "a neighbour" not in night.told(Kind.PAGE_REQUESTED)[0].data.text


def test_who_called_is_in_the_book_but_not_in_the_pages() -> None:
    night = Night().at("03:00").starts("chiller-trip", equipment="ch-1", caller="a neighbour")
    assert night.told(Kind.INCIDENT_OPENED)[0].data.caller == "a neighbour"
    assert not any("neighbour" in r.data.text for r in night.told(Kind.PAGE_REQUESTED))


def test_a_silent_gateway_is_found_under_its_machine() -> None:
    night = Night().at("03:00").starts("communication-loss", "lift-1a").alarm("gw-1a", "communication-lost")
    assert night.told(Kind.INCIDENT_JOINED)[0].data.why == "same-equipment"
