"""What is written of an incident: a line of the log book, found under its machine and the people it tells of."""

from facility import records
from facility.records import Payload, Record
from response.incident import Incident


def write(
    incident: Incident, at_ms: int, data: Payload, *people: str, request: str | None = None, actor: str = "system"
) -> Record:
    """Return a record of an incident, found under its machine and the people it tells of."""
    kind = _KIND_OF[type(data)]
    about = tuple(who for who in (incident.equipment, *people) if who)
    return Record(at_ms, kind, records.incident_subject(incident.id), data, actor, request, about)


_KIND_OF = {payload: kind for kind, payload in records.PAYLOADS.items()}
