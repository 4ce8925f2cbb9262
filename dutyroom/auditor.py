"""Once a minute: is what the desk believes of its incidents what the book says, and was everything due done?"""

import asyncio
from collections.abc import Sequence

import structlog

from dutyroom.desk import Desk
from dutyroom.standing import Standing
from facility.ports import Beat, Clock, LogBook
from facility.records import AuditFound, Kind, Record, incident_subject
from response import audit
from response.context import Context
from response.incident import Incident
from response.incidents import Incidents

log = structlog.get_logger(__name__)

EVERY_MS = 60_000
SOON_MS = 1_000
"""Where something was decided and is on its way to the book, the look is put off for so long."""


class Auditor:
    """Looks, writes down what it found, and puts it right by what the book says."""

    def __init__(self, clock: Clock, book: LogBook, desk: Desk) -> None:
        """Take the book to read and the desk to judge."""
        self._clock, self._book, self._desk = clock, book, desk

    async def run(self, beat: Beat) -> None:
        """Look once a minute, for ever."""
        wait = EVERY_MS
        while True:
            beat()
            await self._clock.until(self._clock.now() + wait)
            wait = EVERY_MS if await self.look() is not None else SOON_MS

    async def look(self) -> Sequence[audit.Found] | None:
        """Look once; None where belief and book cannot be compared now, since one was ahead of the other.

        What was decided and not committed is believed already and not in the book: a page, or a roster by which
        other people are due. To put that right by the book would undo it.
        """
        if self._desk.unwritten().records:
            return None
        standing, context = self._desk.standing, self._desk.context()
        found, refolded = await asyncio.to_thread(self._compare, standing, context)
        if found and (self._desk.standing is not standing or self._desk.unwritten().records):
            return None  # what differed then may be right by now; where nothing did, nothing has to be put right
        for one in found:
            log.error("the audit found a difference", incident=one.incident, what=one.what, said=one.said)
            data = AuditFound(one.incident, one.what, one.said[:500])
            subject = incident_subject(one.incident)
            self._desk.report(Record(self._clock.now(), Kind.AUDIT_FOUND, subject, data))
        for id in dict.fromkeys(one.incident for one in found):
            self._desk.matters.incidents.mend(refolded[id])
        return found

    def _compare(self, standing: Standing, context: Context) -> tuple[list[audit.Found], dict[str, Incident]]:
        fresh, asked = Incidents(), list[Record]()
        for written in self._book.open_records():
            if written.seq > standing.seq:
                break
            fresh.tell(written.record)
            if written.record.kind is Kind.PAGE_REQUESTED:
                asked.append(written.record)
        refolded = dict(fresh.open())
        return audit.check(asked, refolded, standing.incidents, context), refolded
