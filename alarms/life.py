"""The life of one alarm: active or not, acknowledged or not (ISA-18.2 / IEC 62682).

Its subject is its key, so a rule has exactly one alarm on a machine. `TABLE` is the whole life, as data: the docs print
it and the tests walk it both ways. Shelving, latching and the like are further states and events of this table.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from alarms.rules import Transition
from facility.commands import AcknowledgeAlarm, Refused
from facility.records import AlarmAcknowledged, AlarmCleared, AlarmRaised, Kind, Record, alarm_subject
from facility.site import Site
from facility.text import Text


class State(StrEnum):
    """Where an alarm stands."""

    NORMAL = "normal"  # over; no longer open
    UNACKNOWLEDGED = "unacknowledged"  # active, nobody has seen it
    ACKNOWLEDGED = "acknowledged"  # active, seen
    RETURNED = "returned"  # no longer active, and nobody has seen it: stays until somebody does


TABLE: Mapping[tuple[State, Kind], State] = {
    (State.NORMAL, Kind.ALARM_RAISED): State.UNACKNOWLEDGED,
    (State.UNACKNOWLEDGED, Kind.ALARM_ACKNOWLEDGED): State.ACKNOWLEDGED,
    (State.UNACKNOWLEDGED, Kind.ALARM_CLEARED): State.RETURNED,
    (State.ACKNOWLEDGED, Kind.ALARM_CLEARED): State.NORMAL,
    (State.RETURNED, Kind.ALARM_RAISED): State.UNACKNOWLEDGED,
    (State.RETURNED, Kind.ALARM_ACKNOWLEDGED): State.NORMAL,
}
"""State and record -> next state. A pair that is not here changes nothing."""

ACTIVE = frozenset({State.UNACKNOWLEDGED, State.ACKNOWLEDGED})
"""States in which the rule holds."""

SEEN = frozenset({State.ACKNOWLEDGED, State.NORMAL})
"""States that wait for nobody's acknowledgement."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """One rule on one machine, from its first raise until it is both over and seen.

    `raised_ms`, `cleared_ms` and `value` are of the newest raise; `count` says how often it was raised in this life.
    `acknowledged_by` is the actor, None until somebody has seen the newest raise. Times are UTC milliseconds.
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


def record_of(transition: Transition, site: Site) -> Record:
    """Return the log book's line for a transition; the same transition gives the same request id, always."""
    t = transition
    said = "raised" if t.raised else "cleared"
    data: AlarmRaised | AlarmCleared
    if t.raised:
        rule = site.rules[t.rule]
        data = AlarmRaised(
            t.rule, t.owner, int(rule.priority), rule.class_.value, t.value, t.point, t.device, t.scan_ms
        )
    else:
        data = AlarmCleared(t.rule, t.owner, t.value, t.device, t.scan_ms)
    return Record(
        t.at_ms,
        Kind.ALARM_RAISED if t.raised else Kind.ALARM_CLEARED,
        alarm_subject(t.owner, t.rule),
        data,
        request=f"{t.rule}/{t.owner}/{said}@{t.at_ms}",
        about=(t.owner,),
    )


def withdraw(alarm: Alarm, now_ms: int) -> Record:
    """Return the line that ends an active alarm whose rule, machine or reading the site no longer has."""
    return Record(
        now_ms,
        Kind.ALARM_CLEARED,
        alarm.subject,
        AlarmCleared(alarm.rule, alarm.owner, why="rule-withdrawn"),
        request=f"{alarm.rule}/{alarm.owner}/cleared@{now_ms}",
        about=(alarm.owner,),
    )


def tell(alarm: Alarm | None, record: Record) -> Alarm | None:
    """Return the alarm after one more record; None while it was never raised.

    An alarm that is over comes back in state normal, so that the desk sees which subject to close. A record that does
    not fit the state, or is not of an alarm's life, changes nothing.
    """
    state = alarm.state if alarm else State.NORMAL
    then = TABLE.get((state, record.kind))
    if then is None:
        return alarm
    if isinstance(record.data, AlarmRaised):
        return _raised(alarm if is_open(alarm) else None, record, record.data)
    if alarm is None:
        return None
    now = replace(alarm, state=then, active=then in ACTIVE, acknowledged=then in SEEN)
    if record.kind is Kind.ALARM_CLEARED:
        return replace(now, cleared_ms=record.at_ms)
    return replace(now, acknowledged_by=record.actor, acknowledged_ms=record.at_ms, request=record.request)


def is_open(alarm: Alarm | None) -> bool:
    """Say whether the alarm still asks for something: active, or not yet seen."""
    return alarm is not None and alarm.state is not State.NORMAL


def acknowledge(alarms: Mapping[str, Alarm], command: AcknowledgeAlarm, now_ms: int) -> list[Record] | Refused:
    """Decide on a press of Acknowledge; `alarms` are the open ones by subject.

    Returns:
        The record to be written; nothing when this very press was written before; or why not.
    """
    alarm = alarms.get(command.alarm)
    if alarm is None or not is_open(alarm):
        return Refused(
            "not-found",
            Text(
                "没有这条未结束的报警:可能已恢复正常并已被确认。请刷新报警列表。",
                "There is no such open alarm: it may be back to normal and already acknowledged. Refresh the list.",
            ),
        )
    if alarm.acknowledged:
        if alarm.request == command.request:
            return []
        first = (alarm.acknowledged_by or "").rpartition(":")[2]
        return Refused(
            "conflict",
            Text(
                f"这条报警已由 {first} 先行确认,您的确认未重复记录。无需再次确认,如有补充请写入事件备注。",
                f"{first} has already acknowledged this alarm; yours was not recorded again. "
                "Nothing more is needed; write what you want to add as a note on the incident.",
            ),
        )
    return [
        Record(
            now_ms,
            Kind.ALARM_ACKNOWLEDGED,
            alarm.subject,
            AlarmAcknowledged(command.comment),
            command.actor,
            command.request,
            about=(alarm.owner,),
        )
    ]


def _raised(open_alarm: Alarm | None, record: Record, data: AlarmRaised) -> Alarm:
    return Alarm(
        record.subject,
        data.owner,
        data.rule,
        data.priority,
        data.class_,
        active=True,
        acknowledged=False,
        raised_ms=record.at_ms,
        value=data.value,
        count=open_alarm.count + 1 if open_alarm else 1,
        point=data.point,
    )
