"""What cannot be worked on is set aside after a few tries, so that all else goes on: one poison row stops nobody."""

from facility.records import ItemQuarantined, Kind, Record, incident_subject

TRIES = 3
"""So often something may fail before it is set aside; what ends it before is started again by the supervisor."""


class Quarantine:
    """Incidents that cannot be decided. Forgotten at a restart: they are tried again then."""

    def __init__(self) -> None:
        self._tries: dict[str, int] = {}

    def __contains__(self, incident: str) -> bool:
        return self._tries.get(incident, 0) >= TRIES

    def failed(self, incident: str, error: Exception, now: int) -> list[Record]:
        """Take note of a failure; return the record that sets the incident aside, or raise the error again.

        A person can still work on it, but nobody is called by itself any more: the leader on duty is told.
        """
        tries = self._tries[incident] = self._tries.get(incident, 0) + 1
        if tries < TRIES:
            raise error
        data = ItemQuarantined("incident", incident, f"{type(error).__name__}: {error}"[:500], tries)
        return [Record(now, Kind.ITEM_QUARANTINED, incident_subject(incident), data)]

    def worked(self, incident: str) -> None:
        """Forget failures of an incident that could be decided; one that is set aside stays so."""
        if self._tries and incident not in self:
            self._tries.pop(incident, None)
