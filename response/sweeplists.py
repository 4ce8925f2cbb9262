"""Which incidents may lack a lift on their sweep list, or hold one too many; what a list is, says `sweep`."""

from facility.records import Record
from response import sweep
from response.context import Context
from response.incident import Incident
from response.running import Running

LOOK_MS = 1_000
"""Whether a lift on a sweep list has proved itself empty is looked at so often, not at every scan of every lift."""


class SweepLists:
    """The incidents with lifts that are presumed occupied, and those to be looked at for some."""

    def __init__(self) -> None:
        self._held: dict[str, None] = {}  # incidents with lifts on their list
        self._doubted: dict[str, None] = {}  # those whose list may not be right
        self._telling: dict[str, dict[str, None]] = {}  # incident -> those of its alarms that tell of lost lifts
        self._look_ms = 0  # when readings are looked at next

    def put(self, incident: Incident) -> None:
        """Take an incident whose list changed, or that was closed."""
        if incident.sweep and incident.closed_ms is None and sweep.left(incident):
            self._held[incident.id] = None
        else:
            self._held.pop(incident.id, None)

    def tells(self, incident: str, alarm: str) -> None:
        """Take note of an alarm that tells of lost lifts."""
        self._telling.setdefault(incident, {})[alarm] = self._doubted[incident] = None

    def look(self) -> list[str]:
        """Have every list looked at; return their incidents."""
        self._doubted.update(self._held)
        return list(self._held)

    def look_by(self, now: int) -> list[str]:
        """Have every list looked at if it is time to read the lifts again; return their incidents."""
        if not self._held or now < self._look_ms:
            return []
        self._look_ms = now + LOOK_MS
        return self.look()

    def decide(self, incident: Incident, running: Running, context: Context) -> list[Record]:
        """Return the records of lifts that belong on an incident's list, or on it no more."""
        if incident.id not in self._doubted:
            return []
        alarms = self._telling.get(incident.id, ())
        out = sweep.listed(incident, alarms, context) or sweep.cleared(incident, running, context)
        if not out:
            del self._doubted[incident.id]
        return out

    def due(self) -> int | None:
        """Return when the lifts are read again; None when no list holds any."""
        return self._look_ms if self._held else None

    def forget(self, incident: str) -> None:
        """Let go of a closed incident."""
        self._doubted.pop(incident, None)
        self._telling.pop(incident, None)
