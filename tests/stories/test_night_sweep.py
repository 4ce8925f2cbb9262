"""The supply is gone: every lift behind it may have somebody in it, until something or somebody says otherwise."""

from night_shift import Night, moment

from facility import commands as ask
from facility.commands import Refused
from facility.records import Kind
from response import consequence, sweep


def trip() -> Night:
    night = Night().at("03:00")
    night.without_power = "f1"
    return night.alarm("f1", "hv-trip")


def clear(night: Night, lift: str, how: str, person: str = "wu", note: str = "") -> object:
    incident = night.of("f1").id
    said = night.incidents.ask(
        night.context(), ask.ClearLift("user:op", f"{lift}-{how}", incident, lift, how, person, note)
    )
    if not isinstance(said, Refused):
        night.write(*said)
        night.settle()
    return said


def says_empty(night: Night, lift: str) -> None:
    for point, value in (("occupied", 0), ("doors_closed", 0), ("running", 0), ("door_zone", 1), ("power_source", 0)):
        night.readings[f"{lift}/{point}"] = (value, 0, night.now)


def left(night: Night) -> list[str]:
    return sorted(sweep.left(night.of("f1")))


def test_every_dark_lift_is_listed_at_the_trip_before_it_falls_silent() -> None:
    night = trip()
    assert left(night) == ["lift-1a", "lift-1b"]
    assert {r.data.why for r in night.told(Kind.SWEEP_LISTED)} == {"supply"}
    assert {r.at_ms for r in night.told(Kind.SWEEP_LISTED)} == {moment("03:00")}


def test_the_list_is_made_once_and_survives_a_restart() -> None:
    night = trip().at("03:05").restart().at("03:06")
    assert left(night) == ["lift-1a", "lift-1b"]
    assert len(night.told(Kind.SWEEP_LISTED)) == 2


def test_a_guard_who_looked_and_an_intercom_that_answered_clear_by_name() -> None:
    night = trip().at("03:04")
    clear(night, "lift-1a", "guard", "wu", "门开，无人")
    clear(night, "lift-1b", "intercom", "")
    assert left(night) == []
    swept = night.of("f1").sweep
    assert (swept["lift-1a"].how, swept["lift-1a"].by, swept["lift-1a"].note) == ("guard", "wu", "门开，无人")
    assert swept["lift-1b"].by == "op"
    assert isinstance(clear(night, "lift-1b", "guard"), Refused)


def test_readings_prove_it_empty_only_all_together_newer_and_with_power() -> None:
    night = trip().at("03:01")
    says_empty(night, "lift-1a")
    night.at("03:02")
    assert "lift-1a" in left(night), "it has no power: what it says is nothing"
    night.without_power = None
    night.at("03:03")
    assert left(night) == ["lift-1b"]
    assert night.of("f1").sweep["lift-1a"].how == "telemetry"
    says_empty(night, "lift-1b")
    night.readings["lift-1b/running"] = (1, 0, night.now)
    night.at("03:04")
    assert left(night) == ["lift-1b"]
    says_empty(night, "lift-1b")
    night.readings["lift-1b/doors_closed"] = (0, 2, night.now)
    night.at("03:05")
    assert left(night) == ["lift-1b"], "an uncertain reading proves nothing"


def test_what_was_read_before_the_trip_proves_nothing() -> None:
    night = Night().at("02:59")
    says_empty(night, "lift-1a")
    night.at("03:00")
    night.without_power = "f1"
    night.alarm("f1", "hv-trip").at("03:01")
    night.without_power = None
    night.at("03:02")
    assert "lift-1a" in left(night)


def test_somebody_found_in_a_lift_is_a_matter_of_its_own_at_once() -> None:
    night = trip().at("03:04")
    clear(night, "lift-1b", "trapped", "wu", "两人，平安")
    assert night.of("lift-1b").plan == "lift-entrapment"
    assert "zhao" in night.paged(night.now)
    assert left(night) == ["lift-1a"]
    assert isinstance(clear(night, "lift-1b", "guard"), Refused)


def test_an_entrapment_that_its_lift_tells_of_answers_the_question_too() -> None:
    night = trip().at("03:00:20").alarm("lift-1a", "lift-trapped")
    assert left(night) == ["lift-1b"]
    assert night.of("f1").sweep["lift-1a"].note == night.of("lift-1a").id


def test_an_incident_is_not_closed_over_a_lift_that_nobody_looked_into() -> None:
    night = trip().at("03:30")
    night.without_power = None
    night.clears("f1", "hv-trip").at("04:30")
    said = [m.en for m in night.incidents.missing(night.of("f1"), night.context())]
    assert any("2 lifts presumed occupied are not swept" in words for words in said)


def test_a_lift_that_fell_silent_is_listed_and_listed_anew_when_it_does_so_again() -> None:
    night = Night().at("03:00").starts("communication-loss", "lift-1a").alarm("gw-1a", "communication-lost").at("03:01")
    assert sweep.left(night.incident) == ["lift-1a"]
    assert night.incident.sweep["lift-1a"].why == "silent"
    night.clears("gw-1a", "communication-lost")
    says_empty(night, "lift-1a")
    night.at("03:02")
    assert sweep.left(night.incident) == []
    night.at("03:03").alarm("gw-1a", "communication-lost").at("03:04")
    assert sweep.left(night.incident) == ["lift-1a"]


def test_the_cause_is_named_with_its_counted_consequences() -> None:
    night = trip().at("03:00:05").alarm("ch-1", "chiller-fault").alarm("lift-1a", "lift-power-lost")
    said = consequence.sentence(night.site, night.of("f1"))
    assert said is not None
    assert said.en.startswith("feeder 1")
    assert "2 × lift" in said.en
    assert said.en.endswith("3 alarms")
    assert said.zh.endswith("共 3 条报警")


def test_a_symptom_that_came_first_moves_to_its_cause_when_that_is_known() -> None:
    night = Night().at("03:00").alarm("ch-1", "chiller-fault").at("03:00:20")
    symptom = night.incident.id
    night.without_power = "f1"
    night.alarm("f1", "hv-trip").at("03:00:21")
    assert [i.equipment for i in night.incidents.open().values() if i.closed_ms is None] == ["f1"]
    closed = night.told(Kind.INCIDENT_CLOSED)[-1]
    assert closed.subject == f"incident:{symptom}"
    assert closed.data.into == night.of("f1").id
    assert "alarm:ch-1/chiller-fault" in night.of("f1").active_alarms


def test_what_stood_before_has_a_cause_of_its_own() -> None:
    night = Night().at("03:00").alarm("ch-1", "chiller-fault").at("03:02")
    night.without_power = "f1"
    night.alarm("f1", "hv-trip").at("03:03")
    assert not night.told(Kind.INCIDENT_CLOSED)


def test_whoever_is_on_the_way_to_a_symptom_is_not_called_back() -> None:
    night = Night().at("03:00").alarm("ch-1", "chiller-fault").at("03:00:10").accepts("chen")
    night.without_power = "f1"
    night.at("03:00:20").alarm("f1", "hv-trip").at("03:01")
    assert not night.told(Kind.INCIDENT_CLOSED)


def test_people_in_a_lift_are_never_moved_into_a_cause() -> None:
    night = Night().at("03:00").alarm("lift-1a", "lift-trapped").at("03:00:10")
    night.without_power = "f1"
    night.alarm("f1", "hv-trip").at("03:01")
    assert not night.told(Kind.INCIDENT_CLOSED)
    assert night.of("lift-1a").plan == "lift-entrapment"
