"""Asks providers what became of pages that they took: delivered, read, or not after all.

Needs no address that is open to outside. What is asked follows from the open incidents alone, so that a restart goes
on where it was. Only the newest page to a person on a channel is followed: who was rung again is not reached by the
older one either.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Protocol, runtime_checkable

import structlog

from dutyroom.deliveries import Deliveries
from dutyroom.desk import Desk
from dutyroom.dispatch import Address
from facility.ports import Beat, Clock, Pager, PageRefusedError, Receipt
from response.incident import Incident
from response.paging.page import SENT, PageState

log = structlog.get_logger(__name__)

LOOK_MS = 1_000
SOONEST_MS, LATEST_MS, LONG_MS = 3_000, 15_000, 60_000
"""How often one page is asked for: soon after it left, then every 15 s, after ten minutes once a minute."""
OLD_MS = 600_000
GIVEN_UP_MS = 3_600_000
AT_ONCE = 8


@runtime_checkable
class Followed(Protocol):
    """A pager whose provider can be asked later."""

    async def follow(self, address: str, said: str, sent_ms: int) -> Receipt | None:
        """Return what became of a page by now; None while nobody knows. `said` are the words that took it.

        Raises:
            PageRefusedError: the provider does not say.
        """


class Following:
    """Follows the pages of open incidents."""

    def __init__(
        self, clock: Clock, desk: Desk, ways: Mapping[str, Pager], address: Address, deliveries: Deliveries
    ) -> None:
        self._clock, self._desk, self._address, self._deliveries = clock, desk, address, deliveries
        self._ways = {kind: pager for kind, pager in ways.items() if isinstance(pager, Followed)}
        self._next: dict[str, int] = {}
        self._few = asyncio.Semaphore(AT_ONCE)

    @property
    def kinds(self) -> frozenset[str]:
        """The channels that can be asked."""
        return frozenset(self._ways)

    async def run(self, beat: Beat) -> None:
        """Ask for ever."""
        while True:
            beat()
            await self.turn()
            await self._clock.until(self._clock.now() + LOOK_MS)

    async def turn(self) -> None:
        """Ask for what is due now."""
        now = self._clock.now()
        pages = {page.key: page for page in open_ends(self._desk.standing.incidents.values(), self.kinds, now)}
        self._next = {key: at for key, at in self._next.items() if key in pages}
        due = [page for key, page in pages.items() if self._next.get(key, 0) <= now]
        await asyncio.gather(*map(self._ask, due))

    async def _ask(self, page: PageState) -> None:
        async with self._few:
            where = self._address(page.person, page.channel, page.incident)
            if where is not None:
                try:
                    receipt = await self._ways[page.channel].follow(where.address, page.said, page.requested_ms)
                except PageRefusedError as error:
                    log.info("a provider does not say what became of a page", channel=page.channel, why=str(error))
                else:
                    if receipt is not None and receipt.state != page.furthest:
                        self._deliveries.take(receipt)
            now = self._clock.now()
            self._next[page.key] = now + pause(now - page.requested_ms)


def open_ends(incidents: Iterable[Incident], kinds: Iterable[str], now: int) -> Iterable[PageState]:
    """Yield the pages of which more may become known: the newest to a person on a channel, if it was sent lately."""
    kinds = frozenset(kinds)
    for incident in incidents:
        newest: dict[tuple[str, str], PageState] = {}
        for page in incident.pages.values():
            if page.channel in kinds and page.state == SENT:
                newest[page.person, page.channel] = page
        for page in newest.values():
            if page.opened_ms is None and now - page.requested_ms < GIVEN_UP_MS:
                yield page


def pause(age_ms: int) -> int:
    """Return how long to wait before asking again for a page of that age."""
    return LONG_MS if age_ms > OLD_MS else min(LATEST_MS, max(SOONEST_MS, age_ms // 4))
