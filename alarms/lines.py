"""What is written of an alarm: each line as the board decided it.

The same decision gives the same line with the same request id, always; a transition's line has the transition's own.
"""

from collections.abc import Iterable

from alarms.chatter import Chatter
from alarms.life import Alarm
from alarms.transition import Transition
from facility import records
from facility.records import Kind, Payload, Record, alarm_subject
from facility.rule import Rule

Sight = tuple[str, str]
"""How and by what an alarm is kept out of sight."""


def request_of(move: Transition) -> str:
    """Return the request id of a transition's record; the same transition gives the same one, always."""
    said = "raised" if move.raised else "cleared"
    rung = f".{move.rung}" if move.rung else ""
    return f"{move.rule}/{move.owner}/{said}{rung}@{move.at_ms}"


def priority_of(rule: Rule, rungs: Iterable[int]) -> int:
    """Return the priority of the gravest rung; 0 is the rule itself, and a rung that is no more counts as it."""
    ladder = rule.ladder
    return min((int(ladder[r - 1].priority if 0 < r <= len(ladder) else rule.priority) for r in rungs),
               default=int(rule.priority))  # fmt: skip


def raised(rule: Rule, rungs: Iterable[int], move: Transition, sight: Sight | None) -> Record:
    """Return the line of an alarm that comes; `sight` keeps it from people ("shelved" by nobody but its shelf)."""
    how, by = sight or ("", "")
    data = records.AlarmRaised(
        rule.id,
        move.owner,
        priority_of(rule, rungs),
        rule.class_.value,
        move.value,
        move.point,
        move.device,
        move.scan_ms,
        tuple(sorted(rungs)),
        how,
        by,
    )
    return _moved(move, Kind.ALARM_RAISED, data)


def cleared(rule: Rule, move: Transition) -> Record:
    """Return the line of an alarm whose last rung no longer holds."""
    data = records.AlarmCleared(rule.id, move.owner, move.value, move.device, move.scan_ms, latched=rule.latching)
    return _moved(move, Kind.ALARM_CLEARED, data)


def graded(rule: Rule, rungs: Iterable[int], move: Transition) -> Record:
    """Return the line of an alarm that stands on other rungs than before."""
    data = records.AlarmGraded(
        rule.id,
        move.owner,
        priority_of(rule, rungs),
        rule.class_.value,
        tuple(sorted(rungs)),
        move.value,
        move.point,
        move.device,
        move.scan_ms,
    )
    return _moved(move, Kind.ALARM_GRADED, data)


def regraded(alarm: Alarm, rule: Rule, rungs: Iterable[int], at_ms: int, name: str) -> Record:
    """Return the line of other rungs that no transition told."""
    data = records.AlarmGraded(
        rule.id,
        alarm.owner,
        priority_of(rule, rungs),
        rule.class_.value,
        tuple(sorted(rungs)),
        alarm.value,
        alarm.point,
    )
    return line(at_ms, Kind.ALARM_GRADED, alarm.owner, rule.id, data, name)


def hidden(owner: str, rule: str, sight: Sight, at_ms: int) -> Record:
    """Return the line that keeps an alarm out of sight."""
    return line(at_ms, Kind.ALARM_HIDDEN, owner, rule, records.AlarmHidden(rule, owner, *sight), sight[1])


def shown(alarm: Alarm, at_ms: int) -> Record:
    """Return the line that brings an alarm back in sight, as far as no shelf keeps it."""
    by = alarm.hide.by if alarm.hide else ""
    data = records.AlarmShown(
        alarm.rule, alarm.owner, by, alarm.active and not alarm.shelf, alarm.priority, alarm.class_
    )
    return line(at_ms, Kind.ALARM_SHOWN, alarm.owner, alarm.rule, data, by)


def unshelved(alarm: Alarm, at_ms: int, why: str, *, priority: int | None = None, active: bool | None = None) -> Record:
    """Return the line that takes an alarm off its shelf; priority and active as it stands, unless told otherwise."""
    data = records.AlarmUnshelved(
        alarm.rule,
        alarm.owner,
        why,
        alarm.active and alarm.hide is None if active is None else active,
        alarm.priority if priority is None else priority,
        alarm.class_,
    )
    return line(at_ms, Kind.ALARM_UNSHELVED, alarm.owner, alarm.rule, data)


def off_the_shelf(alarm: Alarm, at_ms: int, why: str) -> list[Record]:
    """Return what ends a shelf "until it clears"; nothing where there is none."""
    if alarm.shelf is None or not alarm.shelf.until_clear:
        return []
    return [unshelved(alarm, at_ms, why, active=False)]


def chattering(rule: Rule, owner: str, count: int, at_ms: int) -> Record:
    """Return the line from which on an alarm's coming and going is counted, and no longer told."""
    return line(at_ms, Kind.ALARM_CHATTERING, owner, rule.id, records.AlarmChattering(rule.id, owner, count))


def settled(alarm: Alarm, rule: Rule | None, chatter: Chatter, at_ms: int) -> list[Record]:
    """Return what ends chattering; where the rule no longer holds, the alarm is over with it."""
    owner, rule_id, holds = alarm.owner, alarm.rule, bool(chatter.rungs)
    told = records.AlarmSettled(rule_id, owner, chatter.untold, holds)
    out = [line(at_ms, Kind.ALARM_SETTLED, owner, rule_id, told)]
    if not holds:
        over = records.AlarmCleared(rule_id, owner, why="settled", latched=bool(rule and rule.latching))
        out.append(line(at_ms, Kind.ALARM_CLEARED, owner, rule_id, over, "settled"))
        out += off_the_shelf(alarm, at_ms, "cleared")
    elif rule is not None and chatter.rungs != frozenset(alarm.rungs):
        out.append(regraded(alarm, rule, chatter.rungs, at_ms, "settled"))
    return out


def withdrawn(alarm: Alarm, now_ms: int, why: str = "rule-withdrawn") -> list[Record]:
    """Return the lines that end an alarm whose rule, machine or reading ("removed") the site no longer has."""
    out: list[Record] = []
    if alarm.active:
        data = records.AlarmCleared(alarm.rule, alarm.owner, why=why)
        out.append(line(now_ms, Kind.ALARM_CLEARED, alarm.owner, alarm.rule, data))
    if alarm.shelf is not None:
        out.append(unshelved(alarm, now_ms, why, active=False))
    if alarm.latched:
        out.append(line(now_ms, Kind.ALARM_RESET, alarm.owner, alarm.rule, records.AlarmReset("")))
    return out


def line(at_ms: int, kind: Kind, owner: str, rule: str, data: Payload, name: str = "") -> Record:
    """Return a line that no transition told; `name` tells two of one kind and moment apart."""
    said = f"{kind.removeprefix('alarm.')}:{name}" if name else kind.removeprefix("alarm.")
    request = f"{rule}/{owner}/{said}@{at_ms}"
    return Record(at_ms, kind, alarm_subject(owner, rule), data, request=request, about=(owner,))


def _moved(move: Transition, kind: Kind, data: Payload) -> Record:
    subject = alarm_subject(move.owner, move.rule)
    return Record(move.at_ms, kind, subject, data, request=request_of(move), about=(move.owner,))
