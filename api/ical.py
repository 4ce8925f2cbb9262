"""A duty calendar as calendar programs read it (RFC 5545). The one file that imports icalendar.

Names and roles and times; no phone number leaves this way, for whoever holds the link has no account.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from facility.site import Site
from facility.text import Text
from response import duty
from response.duty import Span

BACK_DAYS, FORWARD_DAYS = 14, 56
"""What a calendar holds around now: programs fetch it again and again."""
PERSON, ROLE = "person", "role"


def exists(site: Site, whose: str) -> bool:
    """Say whether the site has somebody on the roster by "person:<id>", or a role by "role:<id>"."""
    family, _, id = whose.partition(":")
    return (family == PERSON and id in site.people) or (family == ROLE and id in duty.roles(site))


def name_of(site: Site, whose: str) -> Text:
    """Return what a calendar is called."""
    family, _, id = whose.partition(":")
    if family == PERSON:
        name = site.people[id].name if id in site.people else id
        return Text(f"{name} 值班", f"Duty of {name}")
    role = site.roles.get(id) or Text(id, id)
    return Text(f"{role.zh} 值班", f"On duty: {role.en}")


def calendar(site: Site, whose: str, now: int) -> bytes:
    """Return the calendar of a person or a role, from two weeks ago to eight weeks ahead. For a thread."""
    from icalendar import Calendar, Event

    family, _, id = whose.partition(":")
    title = name_of(site, whose)
    out = Calendar()
    out.add("prodid", "-//Dutyroom//duty calendar//ZH")
    out.add("version", "2.0")
    out.add("method", "PUBLISH")
    out.add("x-wr-calname", f"{site.name.zh} · {title.zh} / {title.en}")
    out.add("refresh-interval", timedelta(hours=1), parameters={"VALUE": "DURATION"})
    out.add("x-published-ttl", "PT1H")
    for span in _of_person(site, id, now) if family == PERSON else _of_role(site, id, now):
        event = Event()
        role = site.roles.get(span.role) or Text(span.role, span.role)
        names = "、".join(site.people[who].name for who in span.people if who in site.people)
        who = f"值班：{role.zh} / On duty: {role.en}" if family == PERSON else f"{role.zh}：{names} / {role.en}"
        event.add("uid", f"{hashlib.sha256(f'{whose}|{span.role}|{span.from_ms}'.encode()).hexdigest()[:24]}@{site.id}")
        event.add("summary", who)
        event.add("location", site.name.zh)
        event.add("dtstart", _moment(span.from_ms))
        event.add("dtend", _moment(span.to_ms))
        event.add("dtstamp", _moment(now))
        event.add("transp", "OPAQUE")
        out.add_component(event)
    return bytes(out.to_ical())


def _of_role(site: Site, role: str, now: int) -> Iterator[Span]:
    yield from (span for span in _spans(site, role, now) if span.people)


def _spans(site: Site, role: str, now: int) -> list[Span]:
    """Return a role's shifts, from a midnight on, so that an entry keeps its name from one fetch to the next.

    The one that was running then is left out, unless it still runs.
    """
    zone, today = ZoneInfo(site.timezone), duty.local_day(site, now)
    begin, end = (
        round(datetime.combine(today + timedelta(days=days), time(), tzinfo=zone).timestamp() * 1000)
        for days in (-BACK_DAYS, FORWARD_DAYS)
    )
    return [span for span in duty.spans(site, role, begin, end) if span.from_ms > begin or span.to_ms > now]


def _of_person(site: Site, person: str, now: int) -> Iterator[Span]:
    """Yield somebody's own shifts, those that touch as one, though others beside them change."""
    for role in duty.roles(site):
        mine: Span | None = None
        for span in _spans(site, role, now) if _may_be_in(site, role, person) else ():
            if person not in span.people:
                continue
            if mine and mine.to_ms == span.from_ms:
                mine = replace(mine, to_ms=span.to_ms)
                continue
            if mine:
                yield mine
            mine = replace(span, people=(person,))
        if mine:
            yield mine


def _may_be_in(site: Site, role: str, person: str) -> bool:
    roster = site.roster
    named = any(person in team for layer in roster.layers if layer.role == role for team in layer.teams)
    changed = any(cover.into == person and cover.role == role for cover in roster.covers)
    return named or changed or any(leave.substitute == person for leave in roster.leaves)


def _moment(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms // 1000, UTC)
