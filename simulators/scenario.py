"""A staged night as data: what happens to which machine, and when.

[[event]]
at = "20 s"
stage = "lift-entrapment"      # or restore = "…"
equipment = "lift-1b"
"""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sitefolder import duration


@dataclass(frozen=True, slots=True)
class Event:
    """At so many milliseconds after the start, stage or restore a fault on a machine."""

    at_ms: int
    fault: str
    equipment: str
    restore: bool = False


def read(path: Path) -> list[Event]:
    """Return the events of a scenario file in order of time; raises ValueError naming the entry that is wrong."""
    events = []
    for number, entry in enumerate(tomllib.loads(path.read_text(encoding="utf-8")).get("event", []), 1):
        staged, restored = entry.get("stage"), entry.get("restore")
        if (staged is None) == (restored is None) or "at" not in entry or "equipment" not in entry:
            raise ValueError(f"{path.name}: event {number} needs at, equipment, and one of stage or restore")
        events.append(
            Event(duration.parse(entry["at"]), staged or restored, entry["equipment"], restore=restored is not None)
        )
    return sorted(events, key=lambda e: e.at_ms)


class Player:
    """Plays the events as the simulated time passes."""

    def __init__(self, events: list[Event], play: Callable[[Event], None]) -> None:
        self._events, self._play = list(events), play

    def advance(self, elapsed_ms: float) -> None:
        """Play everything that is due."""
        while self._events and self._events[0].at_ms <= elapsed_ms:
            self._play(self._events.pop(0))
