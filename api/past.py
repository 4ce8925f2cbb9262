"""Incidents that are over: folded again from the log book, which is the only truth about them. Called in threads."""

from api.station import Station
from facility.ports import Written
from facility.records import Kind, incident_subject
from response.incident import Incident
from response.incidents import Incidents

RECORDS_LIMIT = 2000
"""Records of one incident that are folded; a long power loss has some hundreds."""
SHOWN_LIMIT = 300
"""Records of one incident that a screen gets; the rest is in /records."""


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
