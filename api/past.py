"""Incidents that are over: folded again from the log book, which is the only truth about them. Called in threads."""

from alarms.figures import consoles
from api.station import Station
from facility.ports import Written
from facility.records import Kind, incident_subject
from response.incident import Incident
from response.incidents import Incidents
from response.plans.tally import KINDS, Tallied, tally

RECORDS_LIMIT = 2000
"""Records of one incident that are folded; a long power loss has some hundreds."""
SHOWN_LIMIT = 300
"""Records of one incident that a screen gets; the rest is in /records."""
OPENED_BEFORE_MS = 31 * 86_400_000
"""Promises are counted of incidents that were opened no longer before the span than this."""
PAGE = 1000


def records_of(station: Station, id: str, limit: int = RECORDS_LIMIT) -> list[Written]:
    """Return an incident's records, newest first."""
    return list(station.book.find(subject=incident_subject(id), limit=limit))


def refold(station: Station, id: str) -> Incident | None:
    """Return an incident as its records leave it, or None when the book knows nothing of it."""
    told = Incidents()
    for written in reversed(records_of(station, id)):
        told.tell(written.record)
    return told.open().get(id)


def closed_ids(station: Station, limit: int) -> list[str]:
    """Return the ids of the incidents closed last, newest first."""
    found = station.book.find(kinds=[Kind.INCIDENT_CLOSED], limit=limit)
    return list(dict.fromkeys(w.record.subject.removeprefix("incident:") for w in found))


def promises(station: Station, from_ms: int, to_ms: int, console: str = "") -> list[Tallied]:
    """Return how often each promise was kept and broken in [from_ms, to_ms): of one system's machines, or of all."""
    found: list[Written] = []
    before: int | None = None
    while True:
        page = station.book.find(
            kinds=KINDS, from_ms=from_ms - OPENED_BEFORE_MS, to_ms=to_ms, limit=PAGE, before_seq=before
        )
        found += page
        if len(page) < PAGE:
            break
        before = page[-1].seq
    system = consoles(station.site)
    records = (written.record for written in reversed(found))
    return tally(records, from_ms, lambda machine: not console or system.get(machine, "system") == console)
