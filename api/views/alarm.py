"""Alarms as they leave: open ones, and those out of sight."""

from collections.abc import Mapping

from pydantic import TypeAdapter

from alarms.hidden import Hidden
from alarms.life import Alarm, is_hidden, is_open
from api import labels
from api.shapes.alarm import AlarmShape, HiddenShape
from api.shapes.base import Words
from api.station import Station, View
from api.views.words import NO_WORDS, number, person_name, words
from facility.equipment import point_id
from facility.site import Site
from facility.text import Text


def joined(view: View) -> dict[str, str]:
    """Return the open incident of every alarm that belongs to one."""
    return {subject: incident.id for incident in view.incidents.values() for subject in incident.alarms}


def alarm_shape(site: Site, alarm: Alarm, incident: str | None) -> AlarmShape:
    """Return an alarm as it leaves."""
    rule, machine = site.rules.get(alarm.rule), site.equipment.get(alarm.owner)
    point = alarm.point or (point_id(alarm.owner, rule.when[0].point) if rule and rule.when else "")
    known = site.point(point) if point else None
    return AlarmShape(
        subject=alarm.subject,
        owner=alarm.owner,
        rule=alarm.rule,
        name=words(rule.name) if rule else Words(zh=alarm.rule, en=alarm.rule),
        owner_name=words(site.owner_name(alarm.owner)),
        place=words(machine.place) if machine else NO_WORDS,
        priority=alarm.priority,
        class_=alarm.class_,
        state=alarm.state.value,
        active=alarm.active,
        acknowledged=alarm.acknowledged,
        raised_ms=alarm.raised_ms,
        cleared_ms=alarm.cleared_ms,
        acknowledged_by=alarm.acknowledged_by or "",
        acknowledged_ms=alarm.acknowledged_ms,
        value=number(alarm.value),
        unit=known.unit if known else "",
        point=point if known else "",
        count=alarm.count,
        incident=incident,
        latched=alarm.latched,
        chattering=alarm.chattering,
    )


def hidden_shape(station: Station, hidden: Hidden) -> HiddenShape:
    """Return an alarm that disturbs nobody, and why, as it leaves."""
    site = station.site
    rule, machine = site.rules.get(hidden.rule), site.equipment.get(hidden.owner)
    return HiddenShape(
        subject=hidden.subject,
        owner=hidden.owner,
        rule=hidden.rule,
        name=words(rule.name) if rule else Words(zh=hidden.rule, en=hidden.rule),
        owner_name=words(site.owner_name(hidden.owner)),
        place=words(machine.place) if machine else NO_WORDS,
        priority=hidden.priority,
        class_=hidden.class_,
        how=hidden.how,
        by=hidden.by,
        by_name=words(_hider(site, hidden)),
        since_ms=hidden.since_ms,
        until_ms=hidden.until_ms,
        reason=hidden.reason,
        active=hidden.active,
        count=hidden.count,
    )


def _hider(site: Site, hidden: Hidden) -> Text:
    """Return in words who or what keeps an alarm out of sight."""
    what, _, id = hidden.by.partition(":")
    if what == "rule" and id in site.rules:
        return site.rules[id].name
    if what == "permit":
        return Text(f"工作票 {id}", f"permit {id}")
    if what in {"user", "person"}:
        return Text(person_name(site, id), person_name(site, id))
    return labels.HIDDEN_BY.get(hidden.by) or Text(hidden.by, hidden.by)


def open_alarms(view: View) -> Mapping[str, Alarm]:
    """Return the alarms that a list shows: whatever is active, not yet acknowledged or latched, and in sight."""
    return {subject: alarm for subject, alarm in view.alarms.items() if is_open(alarm) and not is_hidden(alarm)}


HIDDEN = TypeAdapter(list[HiddenShape])
