"""One change to the roster as its records tell it, and what it does to the roster while it holds."""

from dataclasses import dataclass, replace

from facility.duty import Cover, Leave
from facility.records import Record, RosterAgreed, RosterChanged, RosterRevoked

COVER = "cover"
EXTRA = "extra"
SWAP = "swap"
LEAVE = "leave"
WHATS = (COVER, EXTRA, SWAP, LEAVE)

PROPOSED = "proposed"  # waits for the other's word
LAPSED = "lapsed"  # nobody agreed before its first shift began
PLANNED = "planned"
RUNNING = "running"
OVER = "over"
REVOKED = "revoked"
HOLDS = frozenset({PLANNED, RUNNING, OVER})


@dataclass(frozen=True, slots=True)
class Change:
    """A change to the roster; fields as in `facility.records.RosterChanged`, times are UTC milliseconds."""

    id: str
    said: RosterChanged
    by: str  # actor
    at_ms: int
    agreed_ms: int | None
    revoked_ms: int | None = None
    requests: frozenset[str] = frozenset()  # of people's commands: a repeat changes nothing

    @property
    def begins_ms(self) -> int:
        """Return when it first changes who is on duty."""
        return min(self.said.from_ms, self.said.other_from_ms or self.said.from_ms)

    @property
    def ends_ms(self) -> int:
        """Return when it has changed all that it will."""
        return max(self.said.to_ms, self.said.other_to_ms)

    def state(self, now: int) -> str:
        """Return proposed, lapsed, planned, running, over or revoked."""
        if self.revoked_ms is not None:
            return REVOKED
        if self.agreed_ms is None:
            return PROPOSED if now < self.begins_ms else LAPSED
        if now >= self.ends_ms:
            return OVER
        return PLANNED if now < self.begins_ms else RUNNING

    @property
    def covers(self) -> tuple[Cover, ...]:
        """Return who is on duty in whose place because of it; nothing while it does not hold."""
        said = self.said
        if self.agreed_ms is None or self.revoked_ms is not None or said.what == LEAVE:
            return ()
        if said.what == SWAP:
            return (
                Cover(said.role, said.from_ms, said.to_ms, said.person, said.other),
                Cover(said.role, said.other_from_ms, said.other_to_ms, said.other, said.person),
            )
        return (Cover(said.role, said.from_ms, said.to_ms, said.other if said.what == COVER else "", said.person),)

    @property
    def leave(self) -> Leave | None:
        """Return who is away because of it; None while it does not hold, or is no leave."""
        said = self.said
        if self.revoked_ms is not None or said.what != LEAVE:
            return None
        return Leave(said.person, said.from_ms, said.to_ms, said.other, said.reason)


def changed(id: str, record: Record, said: RosterChanged) -> Change:
    """Return the change that a record announces."""
    agreed = record.at_ms if said.agreed else None
    return Change(id, said, record.actor, record.at_ms, agreed, requests=_requests(record))


def tell(change: Change, record: Record) -> Change:
    """Return the change after one more record."""
    change = replace(change, requests=change.requests | _requests(record))
    match record.data:
        case RosterAgreed():
            return replace(change, agreed_ms=record.at_ms)
        case RosterRevoked():
            return replace(change, revoked_ms=record.at_ms)
    return change


def _requests(record: Record) -> frozenset[str]:
    return frozenset({record.request} if record.request and record.actor != "system" else ())
