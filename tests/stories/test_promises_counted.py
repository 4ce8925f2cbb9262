"""Broken promises are counted as they were broken: in the book, in a drill's verdict, and on the page afterwards."""

from typing import Any

from night_shift import Night, ms

from api.report import promises
from api.report.content import content
from facility.records import Kind


def page(night: Night, language: str = "en") -> dict[str, Any]:
    return content(night.site, night.incident, night.log, [], language, night.now)


def told(night: Night) -> list[tuple[str, str]]:
    return [(one.name, one.state) for one in promises.told(night.incident, night.log)]


def counted(night: Night) -> str:
    return dict(page(night)["facts"])["Promises"]


def known() -> Night:
    """The intercom is answered at once, nobody stands at the door in 3 min, the technician comes after 14, frees at 31."""
    night = Night().at("02:00").alarm("lift-1a", "lift-trapped")
    night.at("02:00:30").records("intercom")
    night.at("02:01").accepts("zhao").at("02:09").accepts("zhao")
    night.at("02:14").arrives("zhao").arrives("qian").ticks("isolate", "zhao")
    night.at("02:31").ticks("freed", "zhao").ticks("freed", "qian")
    return night


def test_a_night_with_known_broken_promises_is_counted_right_everywhere() -> None:
    night = known()
    assert sorted(told(night)) == [
        ("lift_arrival", "kept"),
        ("somebody_at_place", "broken"),
        ("step/freed", "broken"),
        ("step/intercom", "kept"),
    ]
    assert sorted(r.data.promise for r in night.told(Kind.PROMISE_BROKEN)) == ["somebody_at_place", "step/freed"]
    assert counted(night) == "kept 2 · broken 2"
    rows = [(row["limit"], row["took"], row["state"]) for row in page(night)["promises"]]
    assert rows == [
        ("3:00", "", "broken"),
        ("30:00", "", "broken"),
        ("1:00", "0:30", "kept"),
        ("15:00", "14:00", "kept"),
    ]


def test_a_promise_that_was_broken_and_began_anew_stays_broken() -> None:
    night = Night().at("02:13").alarm("lift-1a", "lift-bell").at("02:13:20").answers_bell(trapped=True)
    night.at("02:29").accepts("zhao").arrives("zhao").clears("lift-1a", "lift-bell").at("02:40").finishes("zhao")
    night.at("05:30").alarm("lift-1a", "lift-bell").answers_bell(trapped=True)
    assert night.incident.promises["lift_arrival"].by_ms == night.now + ms("15 min"), "it counts anew"
    night.at("05:36").accepts("zhao").arrives("zhao")
    states = [state for name, state in told(night) if name == "lift_arrival"]
    assert states == ["broken", "kept"]
    broken = [r.data.promise for r in night.told(Kind.PROMISE_BROKEN)]
    assert [name for name, state in told(night) if state == "broken"].count("lift_arrival") == broken.count(
        "lift_arrival"
    )


def test_what_ran_when_the_incident_closed_is_neither() -> None:
    night = Night().at("02:00").alarm("ch-1", "chiller-fault").at("02:01").skips("code", "no time")
    assert "kept 0 · broken 0" in counted(night)
    assert {state for _, state in told(night)} == {"pending"}
