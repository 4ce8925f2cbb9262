"""When a shift changes, and who comes on duty then."""

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from facility.site import Site
from response.duty.presence import local_day, on_duty, turns

_DAYS_AHEAD = 3
"""A roster that brings nobody for so long changes no shift."""


class Turn(NamedTuple):
    """A moment at which people (id, role) come on duty who were not a moment before."""

    at_ms: int
    people: tuple[tuple[str, str], ...]


def next_turn(site: Site, roles: Iterable[str], after_ms: int) -> Turn | None:
    """Return the first change of shift of these roles after a moment; None when none comes within three days."""
    wanted, today = tuple(sorted(set(roles))), local_day(site, after_ms)
    for ahead in range(_DAYS_AHEAD):
        for turn in _of_day(site, wanted, today + timedelta(days=ahead)):
            if turn.at_ms > after_ms:
                return turn
    return None


def _of_day(site: Site, roles: tuple[str, ...], day: date) -> tuple[Turn, ...]:
    """Return a day's turns; remembered, since every open incident asks again and again."""
    found: tuple[Turn, ...] | None = site.of_roster.get((roles, day))
    if found is None:
        zone = ZoneInfo(site.timezone)
        begin, end = (
            int(datetime.combine(d, time(), tzinfo=zone).timestamp() * 1000) for d in (day, day + timedelta(days=1))
        )
        moments = sorted({m for role in roles for m in turns(site, role, begin, end)})
        every = (Turn(m, _incoming(site, roles, m)) for m in moments)
        found = site.of_roster[roles, day] = tuple(turn for turn in every if turn.people)
    return found


def _incoming(site: Site, roles: tuple[str, ...], at_ms: int) -> tuple[tuple[str, str], ...]:
    there = {who for role in roles for who in on_duty(site, role, at_ms - 1)}
    come: dict[str, str] = {}
    for role in roles:
        for who in on_duty(site, role, at_ms):
            if who not in there:
                come.setdefault(who, role)
    return tuple(come.items())
