"""The list of what disturbs nobody now: shelved, suppressed, out of service, chattering; and what would."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from alarms import life
from alarms.chatter import QUIET_MS, Chatter
from alarms.hiding import ONLY_WHILE, Hiding
from alarms.life import Alarm
from facility.site import Site


@dataclass(frozen=True, slots=True)
class Hidden:
    """One alarm that disturbs nobody now (or would not), and why.

    `how` is shelved, suppressed, out-of-service or chattering; `by` an actor, "permit:<id>", "rule:<id>", "season",
    "hours" or "only-while". `until_ms` is None where nobody can say.
    """

    subject: str
    owner: str
    rule: str
    priority: int
    class_: str
    how: str
    by: str
    since_ms: int
    until_ms: int | None
    reason: str
    active: bool
    count: int = 0  # chattering: raises so far


class Why(NamedTuple):
    """How and by what an alarm is kept from people, from when to when (UTC milliseconds), and the reason in words."""

    how: str
    by: str
    since_ms: int
    until_ms: int | None
    reason: str


def listed(
    site: Site, alarms: Iterable[Alarm], hiding: Hiding, chatters: Mapping[str, Chatter], now_ms: int
) -> list[Hidden]:
    """Return everything that disturbs nobody now, the gravest first; an alarm may stand there for several reasons.

    A rule that means nothing but while its machine is out of use keeps nothing from anybody: it is not listed.
    """
    found = [
        _row(alarm, why)
        for alarm in alarms
        if life.is_open(alarm)
        for why in _reasons(site, alarm, hiding, chatters, now_ms)
        if why.by != ONLY_WHILE
    ]
    return sorted(found, key=lambda h: (not h.active, h.priority, h.subject))


def would_be(site: Site, subject: str, alarm: Alarm | None, why: Why) -> Hidden:
    """Return an alarm as it would be listed; `alarm` is None while it is not open."""
    if alarm is not None:
        return _row(alarm, why)
    owner, rule_id = subject.removeprefix("alarm:").rpartition("/")[::2]
    rule = site.rules[rule_id]
    return Hidden(subject, owner, rule_id, int(rule.priority), rule.class_.value, *why, active=False)


def _reasons(site: Site, alarm: Alarm, hiding: Hiding, chatters: Mapping[str, Chatter], now_ms: int) -> Iterator[Why]:
    if (put := alarm.shelf) is not None:
        yield Why("shelved", put.by, put.at_ms, put.until_ms, put.reason)
    if (hide := alarm.hide) is not None:
        until, reason = hiding.until(site.rules.get(alarm.rule), hide.by, now_ms)
        yield Why(hide.how, hide.by, hide.since_ms, until, reason)
    if (chatter := chatters.get(alarm.subject)) is not None:
        yield Why("chattering", "", alarm.raised_ms, chatter.changed_ms + QUIET_MS, "")


def _row(alarm: Alarm, why: Why) -> Hidden:
    return Hidden(
        alarm.subject, alarm.owner, alarm.rule, alarm.priority, alarm.class_, *why, alarm.active, alarm.chattering
    )
