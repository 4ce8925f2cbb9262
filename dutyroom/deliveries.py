"""What providers say of pages that they took: receipts on their way to the desk."""

from collections.abc import Iterable, Mapping

import structlog

from dutyroom.desk import Desk
from facility.ports import Clock, Receipt
from facility.records import Kind, PageDelivered, PageFailed, PageOpened, Payload, Record, incident_subject
from response.incident import Incident
from response.paging.page import PageState

log = structlog.get_logger(__name__)


class Deliveries:
    """Turns receipts into records; a receipt that comes twice is one record."""

    def __init__(self, clock: Clock, desk: Desk) -> None:
        self._clock, self._desk = clock, desk

    def take(self, receipt: Receipt) -> None:
        """Hand over a receipt; one about no page of an open incident is only logged."""
        pages = pages_of(receipt, self._desk.standing.incidents)
        if not pages:
            log.info("a receipt for no page of an open incident", state=receipt.state, number=receipt.number)
        for page in pages:
            for record in record_of(receipt, page, self._clock.now()):
                self._desk.report(record)


def pages_of(receipt: Receipt, incidents: Mapping[str, Incident]) -> list[PageState]:
    """Return the pages that a receipt is about; several where they left in one message."""
    pages = (page for incident in incidents.values() for page in incident.pages.values())
    return [page for page in pages if _about(receipt, page)]


def _about(receipt: Receipt, page: PageState) -> bool:
    if receipt.key:
        return receipt.key == page.key or f"[{receipt.key}]" in page.said
    return bool(receipt.number) and receipt.number in page.said


def record_of(receipt: Receipt, page: PageState, now: int) -> Iterable[Record]:
    """Return the record of a receipt about a page; nothing for a word that no receipt has."""
    kind: Kind
    data: Payload
    said = f"{page.said} · {receipt.said}" if receipt.said and receipt.said != page.said else page.said
    match receipt.state:
        case "delivered":
            kind, data = Kind.PAGE_DELIVERED, PageDelivered(page.key, said)
        case "opened":
            kind, data = Kind.PAGE_OPENED, PageOpened(page.person, page.channel, page.key)
        case "failed":
            kind, data = Kind.PAGE_FAILED, PageFailed(page.key, said)
        case _:
            log.warning("a receipt with an unknown state", state=receipt.state)
            return
    request = f"{page.key}/{receipt.state}"
    yield Record(now, kind, incident_subject(page.incident), data, request=request, about=(page.person,))
