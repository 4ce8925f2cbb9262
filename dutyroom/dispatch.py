"""Where a page leaves the house: a task per page, its outcome a record on its way back to the desk."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import structlog

from dutyroom.ledger import Counts
from facility.ports import Clock, Message, Pager, PageRefusedError
from facility.records import Kind, PageRefused, PageSent, Payload, Record, incident_subject
from facility.site import Site
from facility.text import Text
from response import drill
from response.incident import Incident, PageState

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Addressee:
    """Where a page goes."""

    address: str
    link: str


Address = Callable[[str, str, str], Addressee | None]
"""(person, channel, incident) to where it goes; None when that person cannot be reached so."""


class Dispatch:
    """Hands requested pages to their channels.

    A key is under way from its hand-over until its outcome has been believed (`told`), not just until the channel
    answered: between the two the incident still shows the page as unsent.
    """

    def __init__(
        self,
        site: Site,
        clock: Clock,
        pagers: Mapping[str, Pager],
        address: Address,
        report: Callable[[Record], None],
        counts: Counts,
    ) -> None:
        self._site, self._clock, self._pagers, self._address = site, clock, pagers, address
        self._report, self._counts = report, counts
        self._under_way: dict[str, asyncio.Task[None]] = {}

    def idle(self, key: str) -> bool:
        """Whether nobody is sending this page."""
        return key not in self._under_way

    def sending(self) -> bool:
        """Whether a channel still owes an answer."""
        return any(not task.done() for task in self._under_way.values())

    def send(self, incident: Incident, page: PageState) -> None:
        """Begin to send a page."""
        self._under_way[page.key] = asyncio.create_task(self._send(incident, page), name=f"page:{page.key}")

    def told(self, records: Iterable[Record]) -> None:
        """Hear what the desk now believes: pages with an outcome are no longer under way."""
        for record in records:
            if isinstance(record.data, PageSent | PageRefused):
                self._under_way.pop(record.data.key, None)

    async def stop(self) -> None:
        """Break off what is under way; it is sent again at the next start, under its key."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _send(self, incident: Incident, page: PageState) -> None:
        kind, data, request = await self._outcome(incident, page)
        subject = incident_subject(incident.id)
        self._report(Record(self._clock.now(), kind, subject, data, request=request, about=(page.person,)))

    async def _outcome(self, incident: Incident, page: PageState) -> tuple[Kind, Payload, str]:
        try:
            said = await self._page(incident, page)
        except Exception as error:  # a pager's own fault is a refusal that people see, too
            if not isinstance(error, PageRefusedError):
                log.error("pager failed", channel=page.channel, why=repr(error), exc_info=error)
            why = str(error) if isinstance(error, PageRefusedError) else f"{type(error).__name__}: {error}"
            attempt = page.attempts + 1
            self._counts.pages_refused += 1
            return Kind.PAGE_REFUSED, PageRefused(page.key, why, attempt), f"{page.key}/refused/{attempt}"
        self._counts.pages_sent += 1
        return Kind.PAGE_SENT, PageSent(page.key, said), f"{page.key}/sent"

    async def _page(self, incident: Incident, page: PageState) -> str:
        pager = self._pagers.get(page.channel)
        where = self._address(page.person, page.channel, incident.id)
        if pager is None or where is None:
            raise PageRefusedError(f"no way to reach {page.person} by {page.channel}")
        plan = self._site.plans.get(incident.plan)
        return await pager.page(
            Message(
                key=page.key,
                address=where.address,
                person=page.person,
                incident=incident.id,
                title=drill.marked(incident, plan.name if plan else Text(incident.plan, incident.plan)).zh,
                text=page.text,
                link=where.link,
                priority=incident.priority,
            )
        )
