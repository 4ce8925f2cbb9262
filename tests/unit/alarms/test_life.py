"""The life of an alarm: the table both ways, who acknowledged first, and the fold."""

import re
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_site import is_, rule, site

from alarms.life import ACTIVE, SEEN, TABLE, Alarm, State, acknowledge, is_open, record_of, tell, withdraw
from alarms.rules import Transition
from facility.commands import AcknowledgeAlarm, Refused
from facility.records import AlarmAcknowledged, AlarmCleared, AlarmRaised, IncidentNoted, Kind, Record
from facility.rule import AlarmClass, Priority

RULE = rule("lift-trapped", "lift", is_("occupied", 1), class_=AlarmClass.LIFE_SAFETY, priority=Priority.LIFE)
SITE = site({"lift-1a": "lift"}, {"gw": ["lift-1a/occupied"]}, RULE)
SUBJECT = "alarm:lift-1a/lift-trapped"


def raised(at=1000, value=1.0):
    return record_of(Transition("lift-1a", "lift-trapped", True, at, value, "lift-1a/occupied", "gw", at), SITE)


def cleared(at=2000):
    return record_of(Transition("lift-1a", "lift-trapped", False, at, 0.0, "lift-1a/occupied", "gw", at), SITE)


def seen(at=1500, who="user:wang", request="press-1"):
    return Record(at, Kind.ALARM_ACKNOWLEDGED, SUBJECT, AlarmAcknowledged(), who, request)


EVENTS = {Kind.ALARM_RAISED: raised, Kind.ALARM_CLEARED: cleared, Kind.ALARM_ACKNOWLEDGED: seen}
WAYS = {
    State.NORMAL: [],
    State.UNACKNOWLEDGED: [raised()],
    State.ACKNOWLEDGED: [raised(), seen()],
    State.RETURNED: [raised(), cleared()],
}


def told(*records):
    alarm = None
    for record in records:
        alarm = tell(alarm, record)
    return alarm


@pytest.mark.parametrize(("state", "kind"), list(product(State, EVENTS)))
def test_every_pair_does_what_the_table_says_and_no_other_does_anything(state, kind):
    before = told(*WAYS[state])
    after = tell(before, EVENTS[kind](9000))
    if (state, kind) in TABLE:
        assert after.state is TABLE[state, kind]
    else:
        assert after == before


def test_every_state_is_reached_and_left():
    assert {s for s, _ in TABLE} == set(TABLE.values()) == set(State)


@pytest.mark.parametrize("state", [s for s in State if s is not State.NORMAL])
def test_active_and_acknowledged_follow_the_state(state):
    alarm = told(*WAYS[state])
    assert (alarm.active, alarm.acknowledged) == (state in ACTIVE, state in SEEN)
    assert is_open(alarm)


def test_a_raise_says_all_the_console_shows():
    assert told(raised(1000)) == Alarm(
        SUBJECT,
        "lift-1a",
        "lift-trapped",
        1,
        "life-safety",
        True,
        False,
        1000,
        value=1.0,
        count=1,
        point="lift-1a/occupied",
    )


def test_seen_and_then_over_is_over():
    alarm = told(raised(), seen(), cleared())
    assert alarm.state is State.NORMAL
    assert not is_open(alarm)
    assert (alarm.acknowledged_by, alarm.acknowledged_ms, alarm.cleared_ms) == ("user:wang", 1500, 2000)


def test_over_before_anybody_saw_it_stays_until_somebody_does():
    assert told(raised(), cleared()).state is State.RETURNED
    assert told(raised(), cleared(), seen(3000)).state is State.NORMAL


def test_coming_back_unseen_counts_up_and_wants_to_be_seen_again():
    alarm = told(raised(1000), cleared(2000), raised(3000), cleared(4000), raised(5000, 7.0))
    assert (alarm.state, alarm.count, alarm.raised_ms, alarm.value) == (State.UNACKNOWLEDGED, 3, 5000, 7.0)
    assert alarm.acknowledged_by is None
    assert alarm.cleared_ms is None


def test_a_new_life_counts_from_one():
    alarm = told(raised(1000), seen(), cleared(2000), raised(3000))
    assert (alarm.state, alarm.count, alarm.acknowledged) == (State.UNACKNOWLEDGED, 1, False)


def test_other_records_change_nothing():
    alarm = told(raised())
    assert tell(alarm, Record(1, Kind.INCIDENT_NOTED, "incident:1", IncidentNoted("x"))) == alarm
    assert tell(None, cleared()) is None
    assert tell(None, seen()) is None
    assert not is_open(None)


def test_a_transition_has_one_name_for_ever():
    record = raised(1234)
    assert record.request == "lift-trapped/lift-1a/raised@1234"
    assert (record.at_ms, record.kind, record.subject, record.about) == (1234, Kind.ALARM_RAISED, SUBJECT, ("lift-1a",))
    assert record.data == AlarmRaised("lift-trapped", "lift-1a", 1, "life-safety", 1.0, "lift-1a/occupied", "gw", 1234)
    assert cleared(2000).request == "lift-trapped/lift-1a/cleared@2000"
    assert cleared(2000).data == AlarmCleared("lift-trapped", "lift-1a", 0.0, "gw", 2000)


def test_a_rule_the_site_gave_up_ends_its_alarm():
    record = withdraw(told(raised()), 7000)
    assert record.data.why == "rule-withdrawn"
    assert told(raised(), record).state is State.RETURNED


class TestAcknowledging:
    def press(self, *before, who="user:li", request="press-2"):
        alarm = told(*before)
        alarms = {SUBJECT: alarm} if alarm else {}
        return acknowledge(alarms, AcknowledgeAlarm(who, request, SUBJECT, "on it"), 5000)

    def test_the_first_press_is_written(self):
        said = self.press(raised())
        assert said == [
            Record(
                5000,
                Kind.ALARM_ACKNOWLEDGED,
                SUBJECT,
                AlarmAcknowledged("on it"),
                "user:li",
                "press-2",
                about=("lift-1a",),
            )
        ]

    def test_of_what_is_over_but_unseen_ends_it(self):
        (record,) = self.press(raised(), cleared())
        assert told(raised(), cleared(), record).state is State.NORMAL

    def test_the_second_is_told_who_was_first(self):
        said = self.press(raised(), seen(who="user:wang"))
        assert isinstance(said, Refused)
        assert said.code == "conflict"
        assert "wang" in said.why.zh
        assert "wang" in said.why.en

    def test_the_same_press_again_is_harmless(self):
        assert self.press(raised(), seen(request="press-2")) == []

    @pytest.mark.parametrize("before", [(), (raised(), seen(), cleared())], ids=["never raised", "over"])
    def test_of_what_is_not_there(self, before):
        said = self.press(*before)
        assert isinstance(said, Refused)
        assert said.code == "not-found"
        assert said.why.zh
        assert said.why.en


@settings(deadline=None)
@given(st.lists(st.sampled_from(list(EVENTS)), max_size=30))
def test_any_sequence_told_step_by_step_is_the_fold_of_the_open_ones_records(kinds):
    """The desk drops what is over and refolds only open subjects after a restart: both must agree."""
    alarm, open_records = None, []
    for n, kind in enumerate(kinds):
        record = EVENTS[kind](1000 * (n + 1))
        after = tell(alarm, record)
        if after != alarm:
            open_records.append(record)
        alarm = after
        assert (alarm is None) or (alarm.active, alarm.acknowledged) == (alarm.state in ACTIVE, alarm.state in SEEN)
        if not is_open(alarm):
            alarm, open_records = None, []
        assert told(*open_records) == alarm


@pytest.mark.parametrize("page", ["alarm-states.md", "alarm-states.zh-CN.md"])
def test_the_operators_page_prints_this_table(page):
    text = (Path(__file__).parents[3] / "docs" / "operators" / page).read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\S+)` \| `(alarm\.\S+)` \| `(\S+)` \|$", text, re.MULTILINE)
    assert {(State(a), Kind(b)): State(c) for a, b, c in rows} == TABLE
    assert len(rows) == len(TABLE)
