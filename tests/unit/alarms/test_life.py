"""The life of an alarm: the table both ways, the fold, and the page that prints it."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alarms.life import HIDDEN, TABLE, Alarm, Event, State, event_of, is_hidden, is_open, tell
from facility import records
from facility.records import IncidentNoted, Kind, Record

RULE, OWNER = "pump-trip", "pump-1"
SUBJECT = f"alarm:{OWNER}/{RULE}"
NAMES = (RULE, OWNER)


def line(kind, data, at=1000, actor="system", request=None):
    return Record(at, kind, SUBJECT, data, actor, request)


def raised(at=1000, value=1.0, hidden="", by=""):
    data = records.AlarmRaised(RULE, OWNER, 3, "equipment", value, "pump-1/trip", hidden=hidden, by=by)
    return line(Kind.ALARM_RAISED, data, at)


def cleared(at=2000, *, latched=False):
    return line(Kind.ALARM_CLEARED, records.AlarmCleared(RULE, OWNER, latched=latched), at)


def seen(at=1500, who="user:wang", request="press-1"):
    return line(Kind.ALARM_ACKNOWLEDGED, records.AlarmAcknowledged(), at, who, request)


def graded(priority, at=1600):
    return line(Kind.ALARM_GRADED, records.AlarmGraded(RULE, OWNER, priority, "equipment", (0, 1), 9.0), at)


def reset(at=3000):
    return line(Kind.ALARM_RESET, records.AlarmReset(), at, "person:he-jun")


def shelved(at=1700):
    return line(
        Kind.ALARM_SHELVED, records.AlarmShelved(*NAMES, at + 900_000, "noise", False, 3, "equipment"), at, "user:li"
    )


def unshelved(why="expired", at=4000):
    return line(Kind.ALARM_UNSHELVED, records.AlarmUnshelved(*NAMES, why, True, 3, "equipment"), at, "user:li")


def hidden(how, at=1800):
    return line(Kind.ALARM_HIDDEN, records.AlarmHidden(*NAMES, how, "permit:1"), at)


def shown(at=4500):
    return line(Kind.ALARM_SHOWN, records.AlarmShown(*NAMES, "permit:1", True, 3, "equipment"), at)


def chattering(at=1900):
    return line(Kind.ALARM_CHATTERING, records.AlarmChattering(*NAMES, 3), at)


def settled(at=5000):
    return line(Kind.ALARM_SETTLED, records.AlarmSettled(*NAMES, 7, active=True), at)


LINES = [
    raised(), raised(hidden="shelved"), raised(hidden="suppressed", by="season"),
    raised(hidden="out-of-service", by="permit:1"), cleared(), cleared(latched=True), seen(), graded(1), graded(3),
    reset(), shelved(), unshelved(), unshelved("by-hand"), unshelved("cleared"), hidden("suppressed"),
    hidden("out-of-service"), shown(), chattering(), settled(),
]  # fmt: skip

WAYS = {
    State.NORMAL: [[], [raised(), seen(), cleared()]],
    State.UNACKNOWLEDGED: [[raised()]],
    State.ACKNOWLEDGED: [[raised(), seen()]],
    State.RETURNED: [[raised(), cleared()]],
    State.LATCHED: [[raised(), cleared(latched=True)], [raised(), seen(), cleared(latched=True)]],
    State.SHELVED: [
        [shelved()],
        [raised(), shelved()],
        [raised(), shelved(), cleared(latched=True)],
        [raised(), hidden("suppressed"), shelved()],
        [raised(), hidden("out-of-service"), shelved()],
    ],
    State.SUPPRESSED: [[raised(), hidden("suppressed")], [raised(), hidden("suppressed"), cleared(latched=True)]],
    State.OUT_OF_SERVICE: [[raised(hidden="out-of-service")], [raised(), cleared(latched=True), hidden("out-of-service")]],
}  # fmt: skip
UNREACHED = {(State.SUPPRESSED, Event.SHOWN_OVER), (State.OUT_OF_SERVICE, Event.SHOWN_OVER)}
"""Nothing makes these: what is neither active nor latched is no longer hidden. They are there so that none is lost."""


def told(*lines):
    alarm = None
    for record in lines:
        alarm = tell(alarm, record)
    return alarm


def test_every_line_does_in_every_state_what_the_table_says_and_the_table_says_nothing_else() -> None:
    walked = set()
    for state, ways in WAYS.items():
        for way in ways:
            before = told(*way)
            assert (before.state if before else State.NORMAL) is state
            for record in LINES:
                event, after = event_of(before, record), tell(before, record)
                if (state, event) in TABLE:
                    assert after.state is TABLE[state, event]
                    walked.add((state, event))
                else:
                    assert after == before
    assert set(TABLE) - walked == UNREACHED


def test_every_state_is_reached_and_left_and_every_event_does_something() -> None:
    assert {s for s, _ in TABLE} == set(TABLE.values()) == set(State)
    assert {e for _, e in TABLE} == set(Event)


@pytest.mark.parametrize("state", [s for s in State if s is not State.NORMAL])
def test_whatever_is_not_over_is_open_and_what_is_hidden_waits_for_nobody(state) -> None:
    for way in WAYS[state]:
        alarm = told(*way)
        assert is_open(alarm)
        assert is_hidden(alarm) is (state in HIDDEN)
        assert alarm.acknowledged or state in {State.UNACKNOWLEDGED, State.RETURNED, State.LATCHED}


def test_a_raise_says_all_the_console_shows() -> None:
    assert told(raised(1000)) == Alarm(
        SUBJECT, OWNER, RULE, 3, "equipment", active=True, acknowledged=False, raised_ms=1000, value=1.0,
        point="pump-1/trip", last_ms=1000,
    )  # fmt: skip


def test_seen_and_then_over_is_over() -> None:
    alarm = told(raised(), seen(), cleared())
    assert alarm.state is State.NORMAL
    assert not is_open(alarm)
    assert (alarm.acknowledged_by, alarm.acknowledged_ms, alarm.cleared_ms) == ("user:wang", 1500, 2000)


def test_coming_back_unseen_counts_up_and_wants_to_be_seen_again() -> None:
    alarm = told(raised(1000), cleared(2000), raised(3000), cleared(4000), raised(5000, 7.0))
    assert (alarm.state, alarm.count, alarm.raised_ms, alarm.value) == (State.UNACKNOWLEDGED, 3, 5000, 7.0)
    assert alarm.acknowledged_by is None
    assert alarm.cleared_ms is None


def test_a_new_life_counts_from_one() -> None:
    alarm = told(raised(1000), seen(), cleared(2000), raised(3000))
    assert (alarm.state, alarm.count, alarm.acknowledged) == (State.UNACKNOWLEDGED, 1, False)


def test_a_shelf_that_ends_by_itself_wants_to_be_seen_and_one_that_is_taken_back_was_seen_by_that() -> None:
    assert told(raised(), shelved(), unshelved()).state is State.UNACKNOWLEDGED
    alarm = told(raised(), shelved(), unshelved("by-hand"))
    assert (alarm.state, alarm.acknowledged_by, alarm.shelf) == (State.ACKNOWLEDGED, "user:li", None)
    assert told(raised(), shelved(), cleared(), unshelved()).state is State.NORMAL


def test_a_latched_alarm_stays_seen_or_not_until_it_is_reset() -> None:
    assert told(raised(), cleared(latched=True)).acknowledged is False
    assert told(raised(), seen(), cleared(latched=True)).acknowledged is True
    assert told(raised(), cleared(latched=True), seen(2500)).state is State.LATCHED
    assert told(raised(), cleared(latched=True), reset()).state is State.NORMAL


def test_a_graver_rung_wants_to_be_seen_again_and_a_lesser_one_does_not() -> None:
    assert told(raised(), seen(), graded(1)).state is State.UNACKNOWLEDGED
    assert told(raised(), seen(), graded(1), seen(1700), graded(3)).state is State.ACKNOWLEDGED
    assert told(raised(), graded(1)).priority == 1


def test_what_is_under_a_shelf_by_design_stays_hidden_when_the_shelf_ends() -> None:
    alarm = told(raised(), hidden("out-of-service"), shelved(), unshelved("by-hand"))
    assert (alarm.state, alarm.hide.by) == (State.OUT_OF_SERVICE, "permit:1")


def test_other_records_change_nothing() -> None:
    alarm = told(raised())
    assert tell(alarm, Record(1, Kind.INCIDENT_NOTED, "incident:1", IncidentNoted("x"))) == alarm
    assert tell(None, cleared()) is None
    assert tell(None, seen()) is None
    assert not is_open(None)


@settings(deadline=None)
@given(st.lists(st.sampled_from(LINES), max_size=30))
def test_any_sequence_told_step_by_step_is_the_fold_of_the_open_ones_records(lines) -> None:
    """The desk drops what is over and refolds only open subjects after a restart: both must agree."""
    alarm, open_records = None, []
    for record in lines:
        after = tell(alarm, record)
        if after != alarm:
            open_records.append(record)
        alarm = after
        if not is_open(alarm):
            alarm, open_records = None, []
        assert told(*open_records) == alarm


@pytest.mark.parametrize("page", ["alarm-states.md", "alarm-states.zh-CN.md"])
def test_the_operators_page_prints_this_table(page) -> None:
    text = (Path(__file__).parents[3] / "docs" / "operators" / page).read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z-]+)` \| `(alarm\.[^`]+)` \| `([a-z-]+)` \|$", text, re.MULTILINE)
    assert {(State(a), Event(b)): State(c) for a, b, c in rows} == TABLE
    assert len(rows) == len(TABLE)
    named = re.findall(r"^\| `([a-z-]+)`[^|]* \|[^|]*\|[^|]*\|[^|]*\|$", text, re.MULTILINE)
    assert {State(n) for n in named} == set(State)
