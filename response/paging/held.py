"""Pages of incidents that came out of a backup: they wait for a person, who alone knows what happened since.

Unless something grave happens there anew: what is known now waits for nobody.
"""

from collections.abc import Mapping

from facility.commands import Refused, ReleasePages
from facility.records import (
    IncidentClosed,
    IncidentJoined,
    Kind,
    PagesReleased,
    Record,
    ServiceRestored,
    incident_subject,
)
from facility.rule import Priority
from facility.text import Text
from response.incident import Incident
from response.paging.page import UNSENT

NOT_HELD = Text(
    "该事件的呼叫没有被暂停（可能已有人决定）。未作任何更改。",
    "Pages of this incident are not held; somebody may have decided already. Nothing was changed.",
)


class Held:
    """Which incidents wait, as the records tell; the same records always say the same."""

    def __init__(self) -> None:
        self._restores: dict[str, dict[str, int]] = {}  # subject of a restore -> incidents that wait, and since when

    def __bool__(self) -> bool:
        return bool(self._restores)

    def incidents(self) -> frozenset[str]:
        """Return the incidents whose pages go to nobody for now."""
        return frozenset().union(*self._restores.values()) if self._restores else frozenset()

    def holds(self, incident: str) -> bool:
        """Say whether the pages of an incident wait for a person."""
        return any(incident in waiting for waiting in self._restores.values())

    def tell(self, record: Record) -> None:
        """Believe one more record."""
        match record.data:
            case ServiceRestored(held=held):
                self._restores[record.subject] = dict.fromkeys(held, record.at_ms)
            case PagesReleased(incident=incident):
                self._release(incident)
            case IncidentJoined(priority=priority) if 0 < priority <= Priority.HIGH:
                self._release(record.subject.removeprefix("incident:"), record.at_ms)
            case IncidentClosed():
                self._release(record.subject.removeprefix("incident:"))

    def ask(self, command: ReleasePages, incidents: Mapping[str, Incident], now: int) -> list[Record] | Refused:
        """Return the record of a decision, or why not."""
        found = incidents.get(command.incident)
        if found is None or not self.holds(command.incident):
            return Refused("conflict", NOT_HELD)
        waiting = [page for page in found.pages.values() if page.state in UNSENT]
        data = PagesReleased(command.incident, command.send, tuple(page.key for page in waiting))
        people = tuple(dict.fromkeys(page.person for page in waiting))
        subject = incident_subject(command.incident)
        return [Record(now, Kind.PAGES_RELEASED, subject, data, command.actor, command.request, people)]

    def drop_over(self, incidents: Mapping[str, Incident]) -> list[str]:
        """Forget the restores that hold nothing any more (an incident may have been closed since); return them."""
        over = [subject for subject, held in self._restores.items() if not held.keys() & incidents.keys()]
        for subject in over:
            del self._restores[subject]
        return over

    def _release(self, incident: str, at_ms: int | None = None) -> None:
        for waiting in self._restores.values():
            if at_ms is None or at_ms > waiting.get(incident, at_ms):
                waiting.pop(incident, None)
