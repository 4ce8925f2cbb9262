"""The roster as it is written down; who is on duty at a moment is computed in response/duty."""

from dataclasses import dataclass
from datetime import date
from typing import Literal

_SATURDAY = 5

Days = Literal["all", "workdays", "rest-days"]
"""On which days a layer works: all of them, or only what the calendar calls a workday (or not)."""


@dataclass(frozen=True, slots=True)
class Shift:
    """A daily span in the site's own time, in minutes after midnight; `end` <= `start` runs over midnight."""

    id: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Layer:
    """Who covers one role.

    Every team runs through `cycle` (shift ids or "off", one per day), each starting at its own offset on `since`.
    A layer with one shift "always" and one team is somebody who is always there.
    """

    role: str
    since: date
    cycle: tuple[str, ...]
    teams: tuple[tuple[str, ...], ...]  # person ids per team
    offsets: tuple[int, ...]  # position in the cycle on `since`, per team
    minimum: int = 1  # people on every shift; fewer is a hole
    certificates: tuple[tuple[str, int], ...] = ()  # (certificate, how many of the shift must hold it)
    days: Days = "all"  # on other days nobody of it is there, and nobody is missing


@dataclass(frozen=True, slots=True)
class Leave:
    """Somebody is away in [from_ms, to_ms); `substitute` stands in, or nobody does."""

    person: str
    from_ms: int
    to_ms: int
    substitute: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Cover:
    """In [from_ms, to_ms) `into` is on duty for a role in the place of `out`; without `out`, beside whoever is."""

    role: str
    from_ms: int
    to_ms: int
    out: str
    into: str


@dataclass(frozen=True, slots=True)
class Calendar:
    """Which days are worked: public holidays, make-up workdays, and what the site says itself.

    After `known_until` (None: from the first day on) nobody has said yet; such days count as plain weekdays.
    """

    known_until: date | None = None
    rest: frozenset[date] = frozenset()  # weekdays off
    work: frozenset[date] = frozenset()  # weekend days worked

    def workday(self, day: date) -> bool:
        """Say whether a day is worked."""
        return day in self.work or (day not in self.rest and day.weekday() < _SATURDAY)

    def knows(self, day: date) -> bool:
        """Say whether the day's kind was announced, or is only guessed from its weekday."""
        return day in self.work or day in self.rest or (self.known_until is not None and day <= self.known_until)


@dataclass(frozen=True, slots=True)
class Roster:
    """All of it; `covers` are changes at run time, in the order in which they were made."""

    shifts: tuple[Shift, ...]
    layers: tuple[Layer, ...]
    leaves: tuple[Leave, ...] = ()
    covers: tuple[Cover, ...] = ()
    calendar: Calendar = Calendar()
