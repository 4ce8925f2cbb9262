"""A page: one attempt to reach one person on one channel in one round, and whom such attempts called."""

from msgspec import Struct

REQUESTED = "requested"
SENT = "sent"
REFUSED = "refused"
FAILED = "failed"  # taken by the provider, and then not delivered
OVERTAKEN = "overtaken"  # never sent, and no longer worth sending: closed, answered, or a newer round rings
ACKNOWLEDGED = "acknowledged"
DECLINED = "declined"
UNSENT = frozenset({REQUESTED, REFUSED})
UNHEARD = frozenset({REQUESTED, REFUSED, FAILED})
"""Nobody can have heard these, as far as the providers know."""
LONGEST_BACK_OFF_MS = 60_000
LONGEST_BACK_OFF_FOR_LIFE_MS = 15_000


class PageState(Struct, frozen=True):
    """One attempt to reach one person on one channel in one round, and how it went.

    `state` is requested, sent, refused (will be tried again from `not_before_ms`), failed, overtaken, acknowledged or
    declined; what its provider and the phone said beside that never changes who is called.
    """

    key: str
    incident: str
    person: str
    channel: str
    level: int
    round: int
    responder: bool
    role: str
    text: str
    requested_ms: int
    not_before_ms: int
    at_ms: int  # of its newest word
    state: str = REQUESTED
    attempts: int = 0  # refused so often
    said: str = ""
    why: str = ""  # told beside the escalation; see PageRequested
    delivered_ms: int | None = None  # by the provider's receipt
    opened_ms: int | None = None  # the person has looked at it; that is no answer

    @property
    def ring(self) -> tuple[str, int, int, str]:
        """Return what one ring of somebody's phones has in common: person, level, round, and why beside the levels."""
        return self.person, self.level, self.round, self.why

    @property
    def furthest(self) -> str:
        """Return the furthest state: waiting, requested, refused, failed, sent, delivered, opened, or the answer."""
        if self.state not in UNHEARD | {SENT}:
            return self.state
        if self.opened_ms is not None:
            return "opened"
        if self.state == SENT and self.delivered_ms is not None:
            return "delivered"
        waits = self.state == REQUESTED and self.not_before_ms > self.requested_ms
        return "waiting" if waits else self.state


class Called(Struct, frozen=True):
    """Somebody who was called for this incident: as what, whether as a responder, and in how many rounds."""

    roles: tuple[str, ...]
    responder: bool
    rounds: int
    last: tuple[int, int]  # level and round
