"""Duty as the console has it: a moment, a week, the changes, and what is to be put right."""

from collections.abc import Iterable
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter

from api import labels
from api.shapes.duty import (
    AheadShape,
    CalendarShape,
    ChangeShape,
    DayShape,
    ExpiringShape,
    GridShape,
    HoleShape,
    OnDuty,
    RowShape,
    ShiftsShape,
    SpanShape,
)
from api.shapes.site import PersonName
from api.station import Station
from api.views.words import NO_WORDS, certificate_name, person_name, role_name, words
from facility.site import Site
from facility.text import Text
from response import duty
from response.duty import exchange
from response.duty.change import HOLDS, OVER, Change

__all__ = ["CHANGES", "NO_WORDS", "change_shapes", "grid_shape", "shifts_shape", "words"]

AHEAD_MS = 7 * 86_400_000
EXPIRING_DAYS = 90

CHANGES = TypeAdapter(list[ChangeShape])


def shifts_shape(station: Station, at_ms: int) -> ShiftsShape:
    """Return the duty of a moment, by the roster as changed; for a thread."""
    site = station.view().site(station.site)
    calendar = site.roster.calendar
    known = calendar.known_until
    return ShiftsShape(
        at_ms=at_ms,
        duty=[_on_duty(site, role, at_ms) for role in duty.roles(site)],
        holes=[_hole(h) for h in duty.holes(site, at_ms, at_ms + AHEAD_MS)],
        expiring=[
            ExpiringShape(
                person=e.person,
                name=person_name(site, e.person),
                certificate=e.certificate,
                certificate_name=words(certificate_name(site, e.certificate)),
                until=e.until.isoformat(),
                days=e.days,
            )
            for e in duty.expiring(site, at_ms, EXPIRING_DAYS)
        ],
        calendar=CalendarShape(
            known_until=known.isoformat() if known else None,
            workday=calendar.workday(duty.local_day(site, at_ms)),
            text=words(duty.calendar_text(site, at_ms)),
        ),
        ahead=[AheadShape(id=a.id, what=a.what, at_ms=a.at_ms, text=words(a.text)) for a in station.ahead()],
    )


def grid_shape(station: Station, at_ms: int, length: timedelta) -> GridShape:
    """Return who is on duty day by day from the day of a moment on; for a thread."""
    site = station.view().site(station.site)
    zone, first = ZoneInfo(site.timezone), duty.local_day(site, at_ms)
    days = [first + timedelta(days=n) for n in range(length.days + 1)]
    begins = [round(datetime.combine(day, time(), tzinfo=zone).timestamp() * 1000) for day in days]
    calendar = site.roster.calendar
    lacking = duty.holes(site, begins[0], begins[-1])
    return GridShape(
        days=[
            DayShape(day=day.isoformat(), from_ms=begin, workday=calendar.workday(day), known=calendar.knows(day))
            for day, begin in zip(days[:-1], begins[:-1], strict=True)
        ],
        rows=[_row(site, role, begins[0], begins[-1], lacking) for role in duty.roles(site)],
    )


def change_shapes(station: Station) -> list[ChangeShape]:
    """Return the changes to the roster, the soonest first; for a thread."""
    view, now = station.view(), station.clock.now()
    site = view.site(station.site)
    ordered = sorted(view.changes.values(), key=lambda c: (c.state(now) != "running", c.begins_ms, c.id))
    return [_change(station, site, one, now) for one in ordered]


def _on_duty(site: Site, role: str, at_ms: int) -> OnDuty:
    now, after = duty.now_and_next(site, role, at_ms)
    called = [
        layer.minimum for layer in site.roster.layers if layer.role == role and duty.called_for(site, layer, at_ms)
    ]
    return OnDuty(
        role=role,
        role_name=words(role_name(site, role)),
        minimum=max(called, default=0),
        now=_people(site, now.people),
        next=_people(site, after.people if after else ()),
        changes_ms=after.from_ms if after else None,
    )


def _people(site: Site, ids: Iterable[str]) -> list[PersonName]:
    return [
        PersonName(id=id, name=person_name(site, id), roles=list(site.people[id].roles) if id in site.people else [])
        for id in ids
    ]


def _hole(hole: duty.Hole) -> HoleShape:
    return HoleShape(
        role=hole.role,
        from_ms=hole.from_ms,
        to_ms=hole.to_ms,
        have=hole.have,
        need=hole.need,
        certificate=hole.certificate,
        text=words(hole.text),
    )


def _row(site: Site, role: str, from_ms: int, to_ms: int, lacking: Iterable[duty.Hole]) -> RowShape:
    holes = [hole for hole in lacking if hole.role == role]
    spans = [
        SpanShape(
            from_ms=span.from_ms,
            to_ms=span.to_ms,
            people=_people(site, span.people),
            missing=any(hole.from_ms < span.to_ms and span.from_ms < hole.to_ms for hole in holes),
        )
        for span in duty.spans(site, role, from_ms, to_ms)
    ]
    return RowShape(role=role, role_name=words(role_name(site, role)), spans=spans)


def _change(station: Station, site: Site, one: Change, now: int) -> ChangeShape:
    said, state = one.said, one.state(now)
    user = one.by.removeprefix("user:")
    known = station.accounts.user(user)
    left: list[duty.Hole] = []
    if state in HOLDS - {OVER}:
        covered = {said.role, *(site.people[said.person].roles if said.person in site.people else ())}
        ends = min(one.ends_ms, now + exchange.LOOKED_AT_MS)
        left = duty.holes(site, max(one.begins_ms, now), max(ends, now + 1), covered)
    return ChangeShape(
        id=one.id,
        what=said.what,
        what_name=words(labels.ROSTER_WHAT.get(said.what, Text(said.what, said.what))),
        state=state,
        state_name=words(labels.ROSTER_STATE[state]),
        role=said.role,
        role_name=words(role_name(site, said.role)) if said.role else NO_WORDS,
        person=said.person,
        name=person_name(site, said.person),
        other=said.other,
        other_name=person_name(site, said.other) if said.other else "",
        from_ms=said.from_ms,
        to_ms=said.to_ms,
        other_from_ms=said.other_from_ms,
        other_to_ms=said.other_to_ms,
        reason=said.reason,
        by=known.name if known else user,
        at_ms=one.at_ms,
        opens=[words(hole.text) for hole in duty.plainly(left)],
    )
