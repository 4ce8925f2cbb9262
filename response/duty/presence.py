"""Who is there: layers turning through their cycles, by the calendar, with changes and leaves on top."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from facility.duty import Layer, Shift
from facility.site import Site

ALWAYS = "always"
OFF = "off"
EVERY_DAY = "all"
WORKDAYS = "workdays"


@dataclass(frozen=True, slots=True)
class Span:
    """The same people for one role from `from_ms` to `to_ms`."""

    role: str
    from_ms: int
    to_ms: int
    people: tuple[str, ...]


def local_day(site: Site, at_ms: int) -> date:
    """Return the site's own calendar day at a moment (UTC milliseconds)."""
    return datetime.fromtimestamp(at_ms / 1000, ZoneInfo(site.timezone)).date()


def on_duty(site: Site, role: str, now_ms: int) -> list[str]:
    """Return the person ids on duty for a role at a moment, substitutes in the place of those on leave."""
    people: list[str] = []
    for layer in site.roster.layers:
        if layer.role == role:
            people += [p for p in in_layer(site, layer, now_ms) if p not in people]
    return people


def roles(site: Site) -> list[str]:
    """Return the roles that the roster covers, in its order."""
    return list(dict.fromkeys(layer.role for layer in site.roster.layers))


def spans(site: Site, role: str, from_ms: int, to_ms: int) -> list[Span]:
    """Return who is on duty for a role all through [from_ms, to_ms), one span for as long as they are the same."""
    moments = sorted({from_ms, *turns(site, role, from_ms, to_ms)})
    found: list[Span] = []
    for start, end in zip(moments, [*moments[1:], to_ms], strict=True):
        people = tuple(on_duty(site, role, start))
        if found and found[-1].people == people:
            found[-1] = Span(role, found[-1].from_ms, end, people)
        else:
            found.append(Span(role, start, end, people))
    return found


def now_and_next(site: Site, role: str, now_ms: int, horizon_ms: int = 8 * 86_400_000) -> tuple[Span, Span | None]:
    """Return who is on duty for a role now and who follows; None when nothing changes within the horizon."""
    end = now_ms + horizon_ms
    moments = sorted(m for m in turns(site, role, now_ms, end) if m > now_ms)
    now_people = tuple(on_duty(site, role, now_ms))
    turn = next((m for m in moments if tuple(on_duty(site, role, m)) != now_people), None)
    if turn is None:
        return Span(role, now_ms, end, now_people), None
    then = tuple(on_duty(site, role, turn))
    after = next((m for m in moments if m > turn and tuple(on_duty(site, role, m)) != then), end)
    return Span(role, now_ms, turn, now_people), Span(role, turn, after, then)


def turns(site: Site, role: str, from_ms: int, to_ms: int) -> set[int]:
    """Return every moment in [from_ms, to_ms) at which the people on duty for a role may change."""
    return {m for layer in site.roster.layers if layer.role == role for m in changes(site, layer, from_ms, to_ms)}


def in_layer(site: Site, layer: Layer, now_ms: int) -> list[str]:
    """Return who of a layer is there at a moment: its teams, and whoever came in beside or in the place of somebody."""
    shifts = {shift.id: shift for shift in site.roster.shifts}
    people: list[str] = []
    for day in _days(site, now_ms):
        for team, offset in zip(layer.teams, layer.offsets, strict=True):
            span = _shift_on(site, layer, offset, day, shifts)
            if span and span[0] <= now_ms < span[1]:
                people += team
    people += [
        c.into for c in site.roster.covers if not c.out and c.role == layer.role and c.from_ms <= now_ms < c.to_ms
    ]
    return list(dict.fromkeys(here for person in people if (here := _really(site, layer.role, person, now_ms))))


def called_for(site: Site, layer: Layer, now_ms: int) -> bool:
    """Say whether a layer must have somebody at a moment: always, or while a shift of its own kind of day runs."""
    if layer.days == EVERY_DAY:
        return True
    shifts = {shift.id: shift for shift in site.roster.shifts}
    found = (
        _moments_of(site, works, day, shifts) if _worked(site, layer, day) else None
        for works in layer.cycle
        for day in _days(site, now_ms)
    )
    return any(span and span[0] <= now_ms < span[1] for span in found)


def changes(site: Site, layer: Layer, from_ms: int, to_ms: int) -> Iterator[int]:
    """Yield every moment in the span at which a layer's people or their certificates may change."""
    shifts = {shift.id: shift for shift in site.roster.shifts}
    day, last = local_day(site, from_ms) - timedelta(days=1), local_day(site, to_ms)
    zone = ZoneInfo(site.timezone)
    while day <= last:
        moments = [_moment(day, 0, zone)] if layer.certificates else []
        if day == layer.since:
            moments.append(_moment(day, 0, zone))
        for offset in layer.offsets:
            moments += _shift_on(site, layer, offset, day, shifts) or ()
        if layer.days != EVERY_DAY and _worked(site, layer, day):  # somebody may be missing then, if nobody works
            for works in set(layer.cycle):
                moments += _moments_of(site, works, day, shifts) or ()
        yield from (m for m in moments if from_ms <= m < to_ms)
        day += timedelta(days=1)
    for leave in site.roster.leaves:
        yield from (m for m in (leave.from_ms, leave.to_ms) if from_ms <= m < to_ms)
    for cover in site.roster.covers:
        if cover.role == layer.role:
            yield from (m for m in (cover.from_ms, cover.to_ms) if from_ms <= m < to_ms)


def _days(site: Site, now_ms: int) -> tuple[date, date]:
    today = local_day(site, now_ms)
    return today - timedelta(days=1), today  # yesterday's night shift runs into today


def _worked(site: Site, layer: Layer, day: date) -> bool:
    return layer.days == EVERY_DAY or site.roster.calendar.workday(day) == (layer.days == WORKDAYS)


def _shift_on(site: Site, layer: Layer, offset: int, day: date, shifts: Mapping[str, Shift]) -> tuple[int, int] | None:
    """Return begin and end of what a team works on a day, or None when it is off."""
    if day < layer.since or not layer.cycle or not _worked(site, layer, day):
        return None
    return _moments_of(site, layer.cycle[(offset + (day - layer.since).days) % len(layer.cycle)], day, shifts)


def _moments_of(site: Site, works: str, day: date, shifts: Mapping[str, Shift]) -> tuple[int, int] | None:
    shift = shifts.get(works) or (Shift(ALWAYS, 0, 0) if works == ALWAYS else None)
    if works == OFF or shift is None:
        return None
    zone = ZoneInfo(site.timezone)
    last = day if shift.end > shift.start else day + timedelta(days=1)
    return _moment(day, shift.start, zone), _moment(last, shift.end, zone)


def _moment(day: date, minutes: int, zone: ZoneInfo) -> int:
    # Wall-clock arithmetic first, zone last: a shift begins at 08:00 on the wall, whatever the clocks did at night.
    wall = datetime.combine(day, time(), tzinfo=None) + timedelta(minutes=minutes)
    return int(wall.replace(tzinfo=zone).astimezone(UTC).timestamp() * 1000)


def _really(site: Site, role: str, person: str, now_ms: int) -> str:
    """Return who is there for somebody whom the roster names: changes first, then leaves; empty for nobody."""
    before = _covered(site, role, person, now_ms)
    here = _stand_in(site, before, now_ms)
    return here if here in {before, ""} else _covered(site, role, here, now_ms)


def _covered(site: Site, role: str, person: str, now_ms: int) -> str:
    for cover in site.roster.covers:
        if cover.out == person and cover.role == role and cover.from_ms <= now_ms < cover.to_ms:
            person = cover.into
    return person


def _stand_in(site: Site, person: str, now_ms: int) -> str:
    away = {leave.person: leave for leave in site.roster.leaves if leave.from_ms <= now_ms < leave.to_ms}
    if person not in away:
        return person
    substitute = away[person].substitute
    return substitute if substitute and substitute not in away else ""
