"""Alarm performance as of now: the tally follows the log book, page by page, in threads.

There is one way to the figures, at a start as in service: read what the book has got since. So nothing is counted that
was not committed, a restart needs nothing but the book, and the loop has no part in it.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from threading import Lock
from typing import Protocol
from zoneinfo import ZoneInfo

from alarms.figures import Report, configured, consoles, report
from alarms.life import Alarm
from alarms.limits import limits_of
from alarms.tally import Tally
from facility.ports import Beat, Clock, Written
from facility.records import Record
from facility.site import Site

KEPT_DAYS = 31
"""Thirty days, and the one before them, in which a flood or a stale alarm may have begun."""
PAGE = 500
"""Records read in one go: some milliseconds of a thread's time, and then others have theirs."""
AFTER_MS = 2_000
"""First come the lines, their first scans, and whoever waits for an answer."""
EVERY_MS = 30_000


class AlarmBook(Protocol):
    """The log book, for reading; called from threads."""

    def told(self, family: str, after_seq: int, limit: int) -> Sequence[tuple[int, Record]]:
        """Return records of a family after a number, with their numbers, oldest first."""

    def tail(self, after_seq: int, limit: int) -> Sequence[Written]:
        """Return records after a number, oldest first."""

    def number_at(self, at_ms: int) -> int:
        """Return the number of the first record from a moment on."""


class Performance:
    """Keeps the tally of the last days. `standing` gives the alarms that are open, as committed."""

    def __init__(self, site: Site, clock: Clock, book: AlarmBook, standing: Callable[[], Mapping[str, Alarm]]) -> None:
        self.site, self._clock, self._book, self._standing = site, clock, book, standing
        self._consoles = consoles(site)
        self._configured = configured(site)
        self._limits = limits_of(site.performance)
        self._lock = Lock()
        self._tally: Tally | None = None
        self._seq = 0  # of the last record that was counted
        self._begun_ms = 0

    async def run(self, beat: Beat) -> None:
        """Follow the book for ever, so that whoever asks waits for the last half minute only."""
        await self._clock.until(self._clock.now() + AFTER_MS)
        while True:
            beat()
            if not await asyncio.to_thread(self._next_page):
                await self._clock.until(self._clock.now() + EVERY_MS)

    def report(self, last: date, days: int, console: str = "") -> Report:
        """Return the figures of `days` local days up to `last`, as of now, of one system or of all. For a thread.

        Raises:
            StoreError: the book cannot be read.
        """
        while self._next_page():
            pass
        with self._lock:
            assert self._tally is not None
            span = (last - timedelta(days - 1), last)
            can = self._configured[console] if console else sum(self._configured.values())
            return report(self._tally, span, self._clock.now(), self._begun_ms, self._limits, can, console)

    def _next_page(self) -> bool:
        """Count some records more; say whether there may be others."""
        with self._lock:
            tally = self._tally or self._begin()
            found = self._book.told("alarm", self._seq, PAGE)
            for seq, record in found:
                tally.tell(record)
                self._seq = seq
            tally.settle(self._clock.now())
            self._tally = tally
        return len(found) == PAGE

    def _begin(self) -> Tally:
        zone = ZoneInfo(self.site.timezone)
        tally = Tally(zone, 0, self._console_of, KEPT_DAYS)
        today = tally.days.of(self._clock.now())
        tally = Tally(zone, tally.days.start(today - timedelta(KEPT_DAYS - 1)), self._console_of, KEPT_DAYS)
        tally.stand(self._standing().values())
        first = self._book.tail(0, 1)
        self._begun_ms = first[0].record.at_ms if first else self._clock.now()
        self._seq = self._book.number_at(tally.from_ms) - 1
        return tally

    def _console_of(self, owner: str) -> str:
        return self._consoles.get(owner, "system")
