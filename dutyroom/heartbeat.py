"""The sign of life that leaves the house every half minute, so that somebody outside notices when it stops.

What is told is progress, not life: how far the log book is, its head, and what the service finds wrong with itself.
Sent to `heartbeat_url`; a second small `dutyroom watch` elsewhere listens there (docs/engineers/watch.md).
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import structlog

from facility.ports import Clock, PageRefusedError
from response.pagers.exchange import Exchange
from response.pagers.webhook import SIGNATURE_HEADER, signature

log = structlog.get_logger(__name__)

EVERY_MS = 30_000
FAILED_AFTER = 3
"""So many signs in a row that did not arrive are said on every screen."""


@dataclass(frozen=True, slots=True)
class Sign:
    """One sign of life. `seq` and `head` are the log book's newest record and hash; `status` is ok, degraded, failing.

    The head kept elsewhere also proves that the book was not rewritten since.
    """

    site: str
    at_ms: int
    seq: int
    head: str
    status: str
    reasons: Sequence[str] = ()

    def body(self) -> bytes:
        """Return it as it is sent."""
        return json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":")).encode()


class Heart:
    """Sends the signs; `failures` counts those in a row that did not arrive, `why` says the last reason."""

    def __init__(self, url: str, secret: str, sign: Callable[[], Sign], clock: Clock, timeout_s: float = 5.0) -> None:
        """Take where to, the secret that signs (as the other side has it), and who knows how we are."""
        self._url, self._secret, self._sign, self._clock = url, secret.encode(), sign, clock
        self._exchange = Exchange(timeout_s)
        self.failures = 0
        self.why = ""

    async def run(self, beat: Callable[[], None]) -> None:
        """Send for ever, one each half minute; one that fails is not repeated, the next one says more."""
        try:
            while True:
                beat()
                began = self._clock.now()
                await self.send()
                await self._clock.until(began + EVERY_MS)
        finally:
            await self._exchange.close()

    async def send(self) -> None:
        """Send one sign."""
        body = self._sign().body()
        headers = {"Content-Type": "application/json"}
        if self._secret:
            headers[SIGNATURE_HEADER] = signature(self._secret, body)
        try:
            answer = await self._exchange.post(self._url, body, headers)
            self.why = "" if answer.success else answer.words
        except PageRefusedError as error:
            self.why = str(error)
        if self.why:
            self.failures += 1
            if self.failures == FAILED_AFTER:
                log.warning("signs of life do not arrive; nobody outside would notice that we stop", why=self.why)
        else:
            self.failures = 0
