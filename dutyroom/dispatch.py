"""Where a page leaves the house: a task per page, its outcome a record on its way back to the desk."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import structlog

from dutyroom.ledger import Counts
from facility.ports import Clock, Message, Pager, PageRefusedError
from facility.records import (
    Kind,
    PageRefused,
    PageSent,
    PageTestRefused,
    PageTestSent,
    Payload,
    Record,
    incident_subject,
    test_subject,
)
from facility.rule import Priority
from facility.site import Site
from facility.text import Text
from response.incident import Incident
from response.paging.bundling import Letter
from response.paging.page import PageState
from response.paging.tryout import Tryout
from response.plans import drill

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
        self.site, self._clock, self._pagers, self._address = site, clock, pagers, address
        self._report, self._counts = report, counts
        self._under_way: dict[str, asyncio.Task[None]] = {}

    def idle(self, letter: Letter) -> bool:
        """Whether nobody is sending any of it."""
        return not any(page.key in self._under_way for page in letter.pages)

    def sending(self) -> bool:
        """Whether a channel still owes an answer."""
        return any(not task.done() for task in self._under_way.values())

    def send(self, incident: Incident, letter: Letter) -> None:
        """Begin to send a page, or several in one message; the link in it is about this incident."""
        task = asyncio.create_task(self._send(incident, letter), name=f"page:{letter.key}")
        self._under_way.update((page.key, task) for page in letter.pages)

    def free(self, key: str) -> bool:
        """Whether nobody is sending what has this key."""
        return key not in self._under_way

    def try_out(self, test: Tryout) -> None:
        """Begin to send a test page; its link leads to a page with one button."""
        self._under_way[test.key] = asyncio.create_task(self._try_out(test), name=f"page-test:{test.key}")

    async def _try_out(self, test: Tryout) -> None:
        subject, attempt = test_subject(test.key), test.attempts + 1
        data: PageTestSent | PageTestRefused
        try:
            data = PageTestSent(test.key, await self._hand_over(test))
        except Exception as error:  # a pager's own fault is a refusal that people see, too
            if not isinstance(error, PageRefusedError):
                log.error("pager failed", channel=test.channel, why=repr(error), exc_info=error)
            data = PageTestRefused(test.key, str(error) or type(error).__name__, attempt)
        taken = isinstance(data, PageTestSent)
        kind = Kind.PAGE_TEST_SENT if taken else Kind.PAGE_TEST_REFUSED
        request = f"{test.key}/sent" if taken else f"{test.key}/refused/{attempt}"
        self._report(Record(self._clock.now(), kind, subject, data, request=request, about=(test.person,)))

    async def _hand_over(self, test: Tryout) -> str:
        subject = test_subject(test.key)
        pager, where = self._pagers.get(test.channel), self._address(test.person, test.channel, subject)
        if pager is None or where is None:
            raise PageRefusedError(f"no way to reach {test.person} by {test.channel}")
        title = "测试呼叫 Test page"
        message = Message(
            test.key, where.address, test.person, subject, title, test.text, where.link, Priority.LOW
        )  # fmt: skip
        return await pager.page(message)

    def told(self, records: Iterable[Record]) -> None:
        """Hear what the desk now believes: pages with an outcome are no longer under way."""
        for record in records:
            if isinstance(record.data, PageSent | PageRefused | PageTestSent | PageTestRefused):
                self._under_way.pop(record.data.key, None)

    async def stop(self) -> None:
        """Break off what is under way; it is sent again at the next start, under its key."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _send(self, incident: Incident, letter: Letter) -> None:
        taken, said = await self._outcome(incident, letter)
        now = self._clock.now()
        if letter.key != letter.pages[0].key:
            said = f"[{letter.key}] {said}"  # the outcome of the message is that of each page in it
        for page in letter.pages:
            kind, data, request = _sent(page, said) if taken else _refused(page, said)
            subject = incident_subject(page.incident)
            self._report(Record(now, kind, subject, data, request=request, about=(page.person,)))

    async def _outcome(self, incident: Incident, letter: Letter) -> tuple[bool, str]:
        """Return whether the channel took it, and what it said."""
        channel = letter.pages[0].channel
        try:
            said = await self._page(incident, letter)
        except Exception as error:  # a pager's own fault is a refusal that people see, too
            if not isinstance(error, PageRefusedError):
                log.error("pager failed", channel=channel, why=repr(error), exc_info=error)
            why = str(error) if isinstance(error, PageRefusedError) else f"{type(error).__name__}: {error}"
            self._counts.pages_refused += 1
            return False, why
        self._counts.pages_sent += 1
        return True, said

    async def _page(self, incident: Incident, letter: Letter) -> str:
        page = letter.pages[0]
        pager = self._pagers.get(page.channel)
        where = self._address(page.person, page.channel, incident.id)
        if pager is None or where is None:
            raise PageRefusedError(f"no way to reach {page.person} by {page.channel}")
        plan = self.site.plans.get(incident.plan)
        return await pager.page(
            Message(
                key=letter.key,
                address=where.address,
                person=page.person,
                incident=incident.id,
                title=drill.marked(incident, plan.name if plan else Text(incident.plan, incident.plan)).zh,
                text=letter.text,
                link=where.link,
                priority=incident.priority,
            )
        )


def _sent(page: PageState, said: str) -> tuple[Kind, Payload, str]:
    return Kind.PAGE_SENT, PageSent(page.key, said), f"{page.key}/sent"


def _refused(page: PageState, said: str) -> tuple[Kind, Payload, str]:
    attempt = page.attempts + 1
    return Kind.PAGE_REFUSED, PageRefused(page.key, said, attempt), f"{page.key}/refused/{attempt}"
