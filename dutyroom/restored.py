"""What the first start on a restored backup must say, and where its numbers go on."""

import json
from collections.abc import Iterable

from facility.records import Kind, Record, ServiceRestored, restore_subject
from facility.site import Site
from response.naming import day_of
from stores.reading import BookReader
from stores.restore import RESTORED

NUMBERS = 100
"""How far incident numbers of the day leap: the life after the backup gave out some, and pages carry them as keys."""


def record_of(book: BookReader, open_incidents: Iterable[str], now: int) -> Record | None:
    """Return the record that is owed for a restore: None when there was none, or when it stands in the book."""
    told = book.setting(RESTORED)
    if not told:
        return None
    said = json.loads(told)
    request = f"service.restored/{said['id']}"
    if book.has(request):
        return None
    data = ServiceRestored(said["made_ms"], said["seq"], said["head"], tuple(sorted(open_incidents)))
    return Record(now, Kind.SERVICE_RESTORED, restore_subject(said["id"]), data, request=request)


def newest_incident(book: BookReader, site: Site, now: int) -> str:
    """Return the id of the newest incident, or, on the day of a restore, a number beyond what may have been given."""
    newest = book.last(Kind.INCIDENT_OPENED)
    last = newest.record.subject.removeprefix("incident:") if newest else ""
    restored = book.last(Kind.SERVICE_RESTORED)
    if restored is not None:
        at, seq = restored.record.at_ms, restored.seq
    elif book.setting(RESTORED):
        at, seq = now, book.head()[0] + 1
    else:
        return last
    if newest is not None and newest.seq > seq:
        return last
    today = day_of(site, at)
    day, _, number = last.partition("-")
    return f"{today}-{(int(number) if day == today and number.isdigit() else 0) + NUMBERS}"
