"""The life of one alarm (ISA-18.2 / IEC 62682): active or not, acknowledged or not, latched, and out of sight or not.

Its subject is its key, so a rule has exactly one alarm on a machine. `TABLE` is the whole life, as data: the docs print
it and the tests walk it both ways. What a record means may depend on what the alarm is beneath (`event_of`).
"""

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from facility import records
from facility.records import Kind, Record


class State(StrEnum):
    """Where an alarm stands."""

    NORMAL = "normal"  # over; no longer open
    UNACKNOWLEDGED = "unacknowledged"  # active, nobody has seen it
    ACKNOWLEDGED = "acknowledged"  # active, seen
    RETURNED = "returned"  # no longer active, and nobody has seen it: stays until somebody does
    LATCHED = "latched"  # no longer active, and its rule wants a reset by somebody who may
    SHELVED = "shelved"  # put away by an operator, for a time
    SUPPRESSED = "suppressed"  # means nothing now, by design
    OUT_OF_SERVICE = "out-of-service"  # somebody works on its machine


class Event(StrEnum):
    """What can happen to an alarm: a kind of record, and in brackets what else decides."""

    RAISED = "alarm.raised"
    RAISED_SHELVED = "alarm.raised (shelved)"
    RAISED_SUPPRESSED = "alarm.raised (suppressed)"
    RAISED_OUT = "alarm.raised (out-of-service)"
    CLEARED = "alarm.cleared"
    CLEARED_LATCHING = "alarm.cleared (latching)"
    ACKNOWLEDGED = "alarm.acknowledged"
    GRAVER = "alarm.graded (graver)"
    GRADED = "alarm.graded"
    RESET = "alarm.reset"
    SHELVED = "alarm.shelved"
    UNSHELVED_ACTIVE = "alarm.unshelved (by itself, active)"
    UNSHELVED_BY_HAND = "alarm.unshelved (by hand, active)"
    UNSHELVED_LATCHED = "alarm.unshelved (latched)"
    UNSHELVED_OVER = "alarm.unshelved (over)"
    UNSHELVED_SUPPRESSED = "alarm.unshelved (suppressed)"
    UNSHELVED_OUT = "alarm.unshelved (out-of-service)"
    HIDDEN_SUPPRESSED = "alarm.hidden (suppressed)"
    HIDDEN_OUT = "alarm.hidden (out-of-service)"
    SHOWN_ACTIVE = "alarm.shown (active)"
    SHOWN_LATCHED = "alarm.shown (latched)"
    SHOWN_OVER = "alarm.shown (over)"
    CHATTERING = "alarm.chattering"
    SETTLED = "alarm.settled"


_N, _U, _A, _R, _L = State.NORMAL, State.UNACKNOWLEDGED, State.ACKNOWLEDGED, State.RETURNED, State.LATCHED
_SH, _SU, _O = State.SHELVED, State.SUPPRESSED, State.OUT_OF_SERVICE

TABLE: Mapping[tuple[State, Event], State] = {
    (_N, Event.RAISED): _U,
    (_N, Event.RAISED_SUPPRESSED): _SU,
    (_N, Event.RAISED_OUT): _O,
    (_N, Event.SHELVED): _SH,
    (_U, Event.CLEARED): _R,
    (_U, Event.CLEARED_LATCHING): _L,
    (_U, Event.ACKNOWLEDGED): _A,
    (_U, Event.GRAVER): _U,
    (_U, Event.GRADED): _U,
    (_U, Event.SHELVED): _SH,
    (_U, Event.HIDDEN_SUPPRESSED): _SU,
    (_U, Event.HIDDEN_OUT): _O,
    (_U, Event.CHATTERING): _U,
    (_U, Event.SETTLED): _U,
    (_A, Event.CLEARED): _N,
    (_A, Event.CLEARED_LATCHING): _L,
    (_A, Event.GRAVER): _U,
    (_A, Event.GRADED): _A,
    (_A, Event.SHELVED): _SH,
    (_A, Event.HIDDEN_SUPPRESSED): _SU,
    (_A, Event.HIDDEN_OUT): _O,
    (_A, Event.CHATTERING): _A,
    (_A, Event.SETTLED): _A,
    (_R, Event.RAISED): _U,
    (_R, Event.RAISED_SUPPRESSED): _SU,
    (_R, Event.RAISED_OUT): _O,
    (_R, Event.ACKNOWLEDGED): _N,
    (_R, Event.SHELVED): _SH,
    (_L, Event.RAISED): _U,
    (_L, Event.RAISED_SUPPRESSED): _SU,
    (_L, Event.RAISED_OUT): _O,
    (_L, Event.ACKNOWLEDGED): _L,
    (_L, Event.RESET): _N,
    (_L, Event.SHELVED): _SH,
    (_L, Event.HIDDEN_SUPPRESSED): _SU,
    (_L, Event.HIDDEN_OUT): _O,
    (_SH, Event.RAISED_SHELVED): _SH,
    (_SH, Event.CLEARED): _SH,
    (_SH, Event.CLEARED_LATCHING): _SH,
    (_SH, Event.GRAVER): _SH,
    (_SH, Event.GRADED): _SH,
    (_SH, Event.RESET): _SH,
    (_SH, Event.SHELVED): _SH,
    (_SH, Event.UNSHELVED_ACTIVE): _U,
    (_SH, Event.UNSHELVED_BY_HAND): _A,
    (_SH, Event.UNSHELVED_LATCHED): _L,
    (_SH, Event.UNSHELVED_OVER): _N,
    (_SH, Event.UNSHELVED_SUPPRESSED): _SU,
    (_SH, Event.UNSHELVED_OUT): _O,
    (_SH, Event.HIDDEN_SUPPRESSED): _SH,
    (_SH, Event.HIDDEN_OUT): _SH,
    (_SH, Event.SHOWN_ACTIVE): _SH,
    (_SH, Event.SHOWN_LATCHED): _SH,
    (_SH, Event.SHOWN_OVER): _SH,
    (_SH, Event.CHATTERING): _SH,
    (_SH, Event.SETTLED): _SH,
    (_SU, Event.RAISED_SUPPRESSED): _SU,
    (_SU, Event.RAISED_OUT): _O,
    (_SU, Event.CLEARED): _N,
    (_SU, Event.CLEARED_LATCHING): _SU,
    (_SU, Event.GRAVER): _SU,
    (_SU, Event.GRADED): _SU,
    (_SU, Event.RESET): _N,
    (_SU, Event.SHELVED): _SH,
    (_SU, Event.HIDDEN_SUPPRESSED): _SU,
    (_SU, Event.HIDDEN_OUT): _O,
    (_SU, Event.SHOWN_ACTIVE): _U,
    (_SU, Event.SHOWN_LATCHED): _L,
    (_SU, Event.SHOWN_OVER): _N,
    (_SU, Event.CHATTERING): _SU,
    (_SU, Event.SETTLED): _SU,
    (_O, Event.RAISED_SUPPRESSED): _SU,
    (_O, Event.RAISED_OUT): _O,
    (_O, Event.CLEARED): _N,
    (_O, Event.CLEARED_LATCHING): _O,
    (_O, Event.GRAVER): _O,
    (_O, Event.GRADED): _O,
    (_O, Event.RESET): _N,
    (_O, Event.SHELVED): _SH,
    (_O, Event.HIDDEN_SUPPRESSED): _SU,
    (_O, Event.HIDDEN_OUT): _O,
    (_O, Event.SHOWN_ACTIVE): _U,
    (_O, Event.SHOWN_LATCHED): _L,
    (_O, Event.SHOWN_OVER): _N,
    (_O, Event.CHATTERING): _O,
    (_O, Event.SETTLED): _O,
}
"""State and event -> next state. A pair that is not here changes nothing."""

HIDDEN = frozenset({State.SHELVED, State.SUPPRESSED, State.OUT_OF_SERVICE})
"""States in which an alarm disturbs nobody; what it is beneath goes on."""

_SEEN = frozenset({State.ACKNOWLEDGED, State.NORMAL}) | HIDDEN
_HIDES = {"shelved": Event.RAISED_SHELVED, "suppressed": Event.RAISED_SUPPRESSED, "out-of-service": Event.RAISED_OUT}
_HOWS = {"suppressed": Event.HIDDEN_SUPPRESSED, "out-of-service": Event.HIDDEN_OUT}
_SIMPLE = {
    Kind.ALARM_ACKNOWLEDGED: Event.ACKNOWLEDGED,
    Kind.ALARM_RESET: Event.RESET,
    Kind.ALARM_SHELVED: Event.SHELVED,
    Kind.ALARM_CHATTERING: Event.CHATTERING,
    Kind.ALARM_SETTLED: Event.SETTLED,
}


class Shelf(Struct, frozen=True):
    """Who put an alarm away, until when (UTC milliseconds) or until it clears if that is sooner, and why."""

    by: str
    at_ms: int
    until_ms: int
    reason: str
    until_clear: bool = False


class Hide(Struct, frozen=True):
    """What keeps an alarm out of sight by design or with its machine (`how`, `by` as in AlarmHidden), since when."""

    how: str
    by: str
    since_ms: int


class Alarm(Struct, frozen=True):
    """One rule on one machine, from its first raise (or shelving) until it is over, seen and in sight.

    `raised_ms`, `cleared_ms` and `value` are of the newest raise; `count` says how often it was raised in this life.
    `acknowledged` is whether it waits for nobody; `acknowledged_by` the actor, None until somebody has seen it.
    Times are UTC milliseconds.
    """

    subject: str
    owner: str
    rule: str
    priority: int
    class_: str
    active: bool
    acknowledged: bool
    raised_ms: int
    cleared_ms: int | None = None
    acknowledged_by: str | None = None
    acknowledged_ms: int | None = None
    value: float | None = None
    count: int = 1
    state: State = State.UNACKNOWLEDGED
    request: str | None = None  # of the acknowledgement: the same press again is no conflict
    point: str = ""  # what `value` is a reading of; empty where the rule looks at no point
    rungs: tuple[int, ...] = (0,)  # of the rule's ladder, as last told
    latched: bool = False  # cleared since it was latched or not: it wants a reset
    shelf: Shelf | None = None
    hide: Hide | None = None
    chattering: int = 0  # comes and goes too fast to be told each time: so many raises so far
    last_ms: int = 0  # of its newest record


def tell(alarm: Alarm | None, record: Record) -> Alarm | None:
    """Return the alarm after one more record; None while it was never raised or shelved.

    An alarm that is over comes back in state normal, so that the desk sees which subject to close. A record that does
    not fit the state, or is not of an alarm's life, changes nothing.
    """
    event = event_of(alarm, record)
    before = alarm.state if alarm else State.NORMAL
    state = TABLE.get((before, event)) if event else None
    if state is None:
        return alarm
    data = record.data
    if isinstance(data, records.AlarmRaised):
        return _raised(alarm if is_open(alarm) else None, record, data, state)
    if isinstance(data, records.AlarmShelved):
        shelf = Shelf(record.actor, record.at_ms, data.until_ms, data.reason, data.until_clear)
        if alarm is None or not is_open(alarm):
            return _shelved_unraised(record, data, shelf)
        return replace(alarm, state=state, shelf=shelf, acknowledged=True, last_ms=record.at_ms)
    return None if alarm is None else _after(alarm, record, state)


def event_of(alarm: Alarm | None, record: Record) -> Event | None:  # noqa: PLR0911 - one case per kind
    """Return what a record means to an alarm as it is; None when it is not of an alarm's life."""
    match record.data:
        case records.AlarmRaised(hidden=hidden):
            return _HIDES.get(hidden, Event.RAISED)
        case records.AlarmCleared(latched=latched):
            return Event.CLEARED_LATCHING if latched else Event.CLEARED
        case records.AlarmGraded(priority=priority):
            return Event.GRAVER if alarm and priority < alarm.priority else Event.GRADED
        case records.AlarmHidden(how=how):
            return _HOWS.get(how)
        case records.AlarmUnshelved(why=why):
            return _unshelved(alarm, why)
        case records.AlarmShown():
            ends = (Event.SHOWN_ACTIVE, Event.SHOWN_LATCHED, Event.SHOWN_OVER)
            return ends[0] if alarm and alarm.active else ends[1 if alarm and alarm.latched else 2]
    return _SIMPLE.get(record.kind)


def is_open(alarm: Alarm | None) -> bool:
    """Say whether the alarm still asks for something: active, not yet seen, latched, or on a shelf."""
    return alarm is not None and alarm.state is not State.NORMAL


def is_hidden(alarm: Alarm) -> bool:
    """Say whether the alarm is out of sight: it sounds nowhere and stands in a list of its own."""
    return alarm.state in HIDDEN


def _unshelved(alarm: Alarm | None, why: str) -> Event:
    if alarm is None or not (alarm.active or alarm.latched):
        return Event.UNSHELVED_OVER
    if alarm.hide is not None:
        return Event.UNSHELVED_SUPPRESSED if alarm.hide.how == State.SUPPRESSED else Event.UNSHELVED_OUT
    if not alarm.active:
        return Event.UNSHELVED_LATCHED
    return Event.UNSHELVED_BY_HAND if why == "by-hand" else Event.UNSHELVED_ACTIVE


def _after(alarm: Alarm, record: Record, state: State) -> Alarm:  # noqa: PLR0911 - one case per kind
    """Return an alarm after a record that fits it, of any kind but those that begin a life."""
    at, seen = record.at_ms, _seen(alarm, state)
    now = replace(alarm, state=state, acknowledged=seen, last_ms=max(at, alarm.last_ms))
    match record.data:
        case records.AlarmCleared(latched=latched):
            # What hides it by design hides what is active or latched; a shelf stands until its end.
            hide = now.hide if latched else None
            return replace(now, active=False, latched=latched, cleared_ms=at, hide=hide, chattering=0)
        case records.AlarmAcknowledged():
            return replace(
                now, acknowledged=True, acknowledged_by=record.actor, acknowledged_ms=at, request=record.request
            )
        case records.AlarmGraded() as data:
            return replace(now, priority=data.priority, rungs=tuple(data.rungs), value=data.value, point=data.point)
        case records.AlarmReset():
            return replace(now, latched=False, hide=None, acknowledged_by=record.actor, acknowledged_ms=at)
        case records.AlarmUnshelved(why=why):
            if state is State.ACKNOWLEDGED and why == "by-hand":
                now = replace(now, acknowledged_by=record.actor, acknowledged_ms=at, request=record.request)
            return replace(now, shelf=None, hide=None if state is State.NORMAL else now.hide)
        case records.AlarmHidden(how=how, by=by):
            return replace(now, hide=Hide(how, by, at))
        case records.AlarmShown():
            return replace(now, hide=None)
        case records.AlarmChattering(count=count):
            return replace(now, chattering=count)
        case _:  # settled
            return replace(now, chattering=0)


def _seen(alarm: Alarm, state: State) -> bool:
    """Say whether an alarm in that state waits for nobody's acknowledgement; a latched one may, or may not."""
    return alarm.acknowledged if state is State.LATCHED else state in _SEEN


def _raised(alarm: Alarm | None, record: Record, data: records.AlarmRaised, state: State) -> Alarm:
    at = record.at_ms
    hide = Hide(data.hidden, data.by, at) if data.hidden in _HOWS else None
    return Alarm(
        record.subject,
        data.owner,
        data.rule,
        data.priority,
        data.class_,
        active=True,
        acknowledged=state in _SEEN,
        raised_ms=at,
        value=data.value,
        count=alarm.count + 1 if alarm else 1,
        state=state,
        point=data.point,
        rungs=tuple(data.rungs),
        latched=alarm.latched if alarm else False,
        shelf=alarm.shelf if alarm else None,
        hide=hide,
        last_ms=at,
    )


def _shelved_unraised(record: Record, data: records.AlarmShelved, shelf: Shelf) -> Alarm:
    return Alarm(
        record.subject,
        data.owner,
        data.rule,
        data.priority,
        data.class_,
        active=False,
        acknowledged=True,
        raised_ms=0,
        count=0,
        state=State.SHELVED,
        shelf=shelf,
        last_ms=record.at_ms,
    )
