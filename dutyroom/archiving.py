"""Keeps the archivist at work: its process, its turns, and what the spool may forget after them."""

import asyncio
from collections.abc import Callable

import structlog

from dutyroom.settings import Settings
from facility.ports import Beat, Clock
from facility.records import HistoryForgotten
from facility.site import Site
from stores.errors import HistoryAwayError, StoreError
from stores.reserve import FOR_RECORDS, disk_state
from stores.telemetry.archivist.archivist import Archivist
from stores.telemetry.archivist.words import Begin, Turned
from stores.telemetry.source import CURSOR
from stores.telemetry.spool import Spool

log = structlog.get_logger(__name__)

LAST_TURN_S = 3.0
"""How long a stop waits for the turn that is going on; one that is cut off is done again after the next start."""
_IDLE_MS = 2_000
_TROUBLE_MS = 12_000
_RETAIN_MS = 3_600_000


class ArchivistEndedError(Exception):
    """The process is gone, or says nothing any more (`code` None); a negative exit code is a signal."""

    def __init__(self, code: int | None) -> None:
        super().__init__(f"the archive's process {'does not answer' if code is None else f'ended (exit code {code})'}")


class Archiving:
    """The archive of a site: `archivist` answers about its past, `trouble` says why it takes no readings now."""

    def __init__(
        self, settings: Settings, site: Site, spool: Spool, clock: Clock, forgotten: Callable[[HistoryForgotten], None]
    ) -> None:
        """Start nothing yet; `forgotten` hears what was let go of because of its age."""
        self.archivist = Archivist()
        self.trouble = ""
        self._settings, self._site, self._spool, self._clock = settings, site, spool, clock
        self._forgotten = forgotten
        self._retain_at = 0
        self._ending = self._anew = False

    def adopt(self, site: Site) -> None:
        """Leave out readings as this site says; the process is begun anew, where that is not what it was told."""
        before = self._site.thinning.heartbeat_ms, self._bands()
        self._site = site
        self._anew = self._anew or (site.thinning.heartbeat_ms, self._bands()) != before

    async def run(self, beat: Beat) -> None:
        """Start the process and keep it at work; ends with an error when the process ends."""
        self._anew = True
        while True:
            beat()
            if self._anew:
                self._anew = False
                await asyncio.to_thread(self._start)
            now, moved = self._clock.now(), 0
            try:
                moved = await self._turned(now)
                self.trouble = ""
            except HistoryAwayError:
                if self._ending:
                    await asyncio.Event().wait()
                raise ArchivistEndedError(self.archivist.exit_code) from None
            except StoreError as error:
                self.trouble = str(error)
                log.error("the archive does not take readings; they stay in the spool", why=str(error))
            if not moved:
                await self._clock.until(now + (_TROUBLE_MS if self.trouble else _IDLE_MS))

    async def finish(self) -> None:
        """Let the turn that is going on end, for a while, and then the process."""
        self._ending = True
        await asyncio.to_thread(self.archivist.finish, LAST_TURN_S)

    def close(self) -> None:
        """End the process, if it still lives."""
        self._ending = True
        self.archivist.kill()

    async def _turned(self, now: int) -> int:
        if now >= self._retain_at:
            self._retain_at = now + _RETAIN_MS
            days = self._settings.raw_days, self._settings.rollup_days
            if gone := await asyncio.to_thread(self.archivist.retain, now, *days):
                self._forgotten(gone)
        if disk_state(self._settings.data).free < FOR_RECORDS:
            return 0
        turned = await asyncio.to_thread(self.archivist.turn, now)
        await asyncio.to_thread(self._adopt, turned)
        return turned.moved

    def _start(self) -> None:
        if self._ending:
            return
        data, heartbeat = self._settings.data, self._site.thinning.heartbeat_ms
        begin = Begin(str(data / "archive"), str(data / "spool.db"), heartbeat, self._bands())
        self.archivist.start(begin)

    def _bands(self) -> dict[str, float]:
        """Return how far a left-out reading may lie off, by point; who is not named is kept whole."""
        if not self._site.thinning.heartbeat_ms:
            return {}
        points = (point for device in self._site.devices.values() for point in device.points)
        bands = ((point, self._site.deadband(point)) for point in points)
        return {point: band for point, band in bands if band is not None}

    def _adopt(self, turned: Turned) -> None:
        """Do to the spool what the turn calls for: only this process writes it."""
        for row in turned.damaged:
            self._spool.batches(row - 1, 1)  # which sets it aside
        if self._spool.cursor(CURSOR) < turned.row:
            self._spool.advance(CURSOR, turned.row)
