"""The roster as it is written down; who is on duty at a moment is computed in response/duty.py."""

from dataclasses import dataclass
from datetime import date


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


@dataclass(frozen=True, slots=True)
class Leave:
    """Somebody is away in [from_ms, to_ms); `substitute` stands in, or nobody does."""

    person: str
    from_ms: int
    to_ms: int
    substitute: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Roster:
    """All of it."""

    shifts: tuple[Shift, ...]
    layers: tuple[Layer, ...]
    leaves: tuple[Leave, ...] = ()
