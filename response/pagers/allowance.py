"""How often a provider may be asked: so many times in a minute, an hour, a day; kept per robot or per number called.

A provider that is asked too often stops listening, for minutes or the whole day: a page would be lost and look sent.
So it is not asked, the page is refused with the moment from which it may go, and the person's next channel is tried.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from facility.ports import Message, PageRefusedError
from facility.rule import Priority

NOT_ASKED = "not asked"
"""How a refusal begins that is ours and not the provider's."""

KEPT_FOR_LIFE = 0.25
"""Share of every limit that only pages about a life in danger may use."""


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `count` pages within `span_ms`."""

    count: int
    span_ms: int


class Allowance:
    """Counts what was asked of one provider, by whom or what its limits are for."""

    def __init__(self, limits: Sequence[Limit]) -> None:
        self._limits = limits
        self._longest_ms = max((limit.span_ms for limit in limits), default=0)
        self._asked: dict[str, deque[int]] = {}

    def spent(self, what: str, at_ms: int) -> None:
        """Count a page that was handed over earlier; to be told in the order of time."""
        self._asked.setdefault(what, deque()).append(at_ms)

    def take(self, what: str, message: Message, now_ms: int) -> None:
        """Count one more page to a robot or number.

        Raises:
            PageRefusedError: it would be one too many; nothing was counted.
        """
        asked = self._asked.setdefault(what, deque())
        while asked and asked[0] <= now_ms - self._longest_ms:
            asked.popleft()
        life = message.priority <= Priority.LIFE
        for limit in self._limits:
            most = limit.count if life else max(1, int(limit.count * (1 - KEPT_FOR_LIFE)))
            within = [at for at in asked if at > now_ms - limit.span_ms]
            if len(within) >= most:
                wait_s = -(-(within[-most] + limit.span_ms - now_ms) // 1000)
                raise PageRefusedError(
                    f"{NOT_ASKED}: {most} pages in {limit.span_ms // 1000} s are its limit; again in {wait_s} s"
                )
        asked.append(now_ms)
