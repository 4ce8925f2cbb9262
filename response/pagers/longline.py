"""A long connection to a provider: we open it, so that answers come back without an address that is open to outside.

It is opened anew whenever it ends, soon at first and then once a minute. While it is down pages still leave; only
buttons, written answers and read receipts wait at the provider, or are lost there.
"""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import structlog

from facility.ports import Beat, Clock, PageRefusedError
from response.pagers.answer import Heard

if TYPE_CHECKING:
    from websockets.asyncio.client import connect

log = structlog.get_logger(__name__)

BACK_OFF_S = (1, 2, 4, 8, 16, 32, 60)
STEADY_MS = 30_000
"""A connection that held so long was a good one: after it the first wait is the shortest again."""
WAIT_S = 20.0
"""So long somebody listens before showing that they still do."""
OPEN_S = 10.0
MESSAGE_BYTES = 1 << 20
WORDS_LIMIT = 200


class Talk(Protocol):
    """One provider's long connection."""

    @property
    def name(self) -> str:
        """The channel whose answers come over it."""

    async def talk(self, heard: Heard, up: Callable[[], None], beat: Beat) -> None:
        """Connect, say so with `up`, and hand over what comes; return when the provider wants a new connection."""


@dataclass(slots=True)
class LongLine:
    """Keeps one connection open; `why` is the provider's or the network's last word while it is down."""

    over: Talk
    clock: Clock
    connected: bool = False
    since_ms: int = 0
    why: str = ""
    failures: int = 0

    @property
    def name(self) -> str:
        """The channel whose answers come over it."""
        return self.over.name

    async def run(self, heard: Heard, beat: Beat) -> None:
        """Keep it open, for ever."""
        from websockets.exceptions import WebSocketException

        while True:
            beat()
            try:
                await self.over.talk(heard, self._up, beat)
                why = "the provider asked for a new connection"
            except (PageRefusedError, WebSocketException, OSError, ValueError) as error:
                why = (
                    str(error) if isinstance(error, PageRefusedError) else f"{type(error).__name__}: {error}"
                ).strip()
            self._down(why[:WORDS_LIMIT])
            wait_s = BACK_OFF_S[min(self.failures, len(BACK_OFF_S)) - 1]
            log.warning("a long connection ended; it is opened again", line=self.name, why=self.why, in_s=wait_s)
            await self.clock.until(self.clock.now() + wait_s * 1000)

    def _up(self) -> None:
        self.connected, self.since_ms, self.why = True, self.clock.now(), ""

    def _down(self, why: str) -> None:
        now = self.clock.now()
        good = self.connected and now - self.since_ms >= STEADY_MS
        self.failures = 1 if good else self.failures + 1
        if self.connected or not self.since_ms:
            self.since_ms = now
        self.connected, self.why = False, why


def opened(url: str, base: str, trust: ssl.SSLContext | None = None) -> "connect":
    """Return a WebSocket to an address that a provider named; no proxy of the environment, its name verified.

    It pings by itself every 20 s and ends when no pong comes.

    Raises:
        ValueError: the address is not encrypted although the provider's own is.
    """
    from websockets.asyncio.client import connect

    secure = url.startswith("wss://")
    if not secure and (base.startswith("https://") or not url.startswith("ws://")):
        raise ValueError(f"not an encrypted address: {url.partition('?')[0][:80]}")
    return connect(
        url, proxy=None, open_timeout=OPEN_S, max_size=MESSAGE_BYTES, ssl=trust if secure else None, close_timeout=1
    )
