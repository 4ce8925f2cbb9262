"""The audit finds every seeded difference between book and belief, and nothing where there is none."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from night_shift import Night

from facility import commands as ask
from response import audit


def looked(night: Night, believed=None) -> list[audit.Found]:
    true = Night(night.site)
    true.log, true.now = night.log, night.now
    true.restart()
    open_ = dict(night.incidents.open()) if believed is None else believed
    return audit.check(night.log, dict(true.incidents.open()), open_, night.context())


def paged() -> Night:
    return Night().at("02:00").alarm("lift-1a", "lift-trapped").at("02:05:01")


@settings(max_examples=10, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 200_000), st.sampled_from(["accept", "arrive", "alarm", "hang"])), max_size=8))
def test_a_sound_night_has_no_findings(events) -> None:
    night = paged()
    for wait, what in events:
        night.play(night.now + wait)
        if what == "hang":
            night.channels["demo"] = lambda _at: "…"
        elif what == "alarm":
            night.alarm("ch-1", "chiller-fault")
        else:
            command = ask.Accept if what == "accept" else ask.Arrive
            night.does(command("person:zhao", night.request(), night.of("lift-1a").id, "zhao"))
    assert looked(night) == []


@pytest.mark.parametrize(
    "seed",
    [
        {"level": 0},
        {"round": 0},
        {"stage": "desk"},
        {"accepted": {"zhao": 1}},
        {"arrived": {"zhao": 1}},
        {"priority": 3},
        {"pages": {}},
    ],
)
def test_a_belief_that_differs_is_found(seed) -> None:
    night = paged()
    believed = {night.incident.id: replace(night.incident, **seed)}
    assert {f.what for f in looked(night, believed)} == {"state"}


def test_a_page_that_is_believed_sent_and_is_not_is_found() -> None:
    night = paged()
    incident = night.incident
    key, page = next(iter(incident.pages.items()))
    believed = {incident.id: replace(incident, pages={**incident.pages, key: replace(page, state="refused")})}
    (found,) = looked(night, believed)
    assert key in found.said


def test_an_incident_that_the_engine_forgot_is_found() -> None:
    assert [f.what for f in looked(paged(), {})] == ["unknown"]


def test_a_level_that_was_due_and_is_missing_is_found_after_the_grace() -> None:
    night = Night().at("02:00").alarm("lift-1a", "lift-trapped")
    night.now += 65_000  # nobody decided for so long
    assert looked(night) == []
    night.now += 10_000
    assert [f.what for f in looked(night)] == ["missing"]
