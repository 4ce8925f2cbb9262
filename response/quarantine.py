"""What cannot be worked on is set aside after a few tries, so that all else goes on: one poison row stops nobody."""

from facility.records import ItemQuarantined, Kind, Record, incident_subject

TRIES = 3
"""So often something may fail before it is set aside; what ends it before is started again by the supervisor."""

INCIDENT, ALARM, CONSEQUENCE, LETTER, PAGE = "incident", "alarm", "consequence", "letter", "page"
"""What can be set aside; `which` is the incident, or the subject of the alarm."""


class Quarantine:
    """Things of one kind that cannot be decided. Forgotten at a restart: they are tried again then."""

    def __init__(self, what: str = INCIDENT, tries: int = TRIES) -> None:
        self._what, self._limit = what, tries
        self._tries: dict[str, int] = {}

    def __contains__(self, which: str) -> bool:
        return self._tries.get(which, 0) >= self._limit

    def failed(self, which: str, error: Exception, now: int) -> list[Record]:
        """Take note of an incident's failure; return the record that sets it aside, or raise the error again.

        A person can still work on it, but nobody is called by itself any more: the leader on duty is told.
        """
        said = self.noted(which, error, now)
        if which not in self:
            raise error
        return said

    def noted(self, which: str, error: Exception, now: int, subject: str = "") -> list[Record]:
        """Take note of a failure; return the record that sets it aside, once: when it failed so often."""
        tries = self._tries[which] = self._tries.get(which, 0) + 1
        return [quarantined(self._what, which, error, now, tries, subject)] if tries == self._limit else []

    def forget(self, which: str) -> None:
        """Let something be as if it had never failed: it worked, or it is over."""
        if self._tries:
            self._tries.pop(which, None)

    def worked(self, which: str) -> None:
        """Forget failures of what could be decided; an incident that is set aside stays so."""
        if self._tries and which not in self:
            self._tries.pop(which, None)


def quarantined(what: str, which: str, error: Exception, now: int, tries: int = 1, subject: str = "") -> Record:
    """Return the record that something is set aside; its subject is the incident if no other is given."""
    data = ItemQuarantined(what, which, f"{type(error).__name__}: {error}"[:500], tries)
    about = (which,) if subject else ()
    return Record(now, Kind.ITEM_QUARANTINED, subject or incident_subject(which), data, about=about)
