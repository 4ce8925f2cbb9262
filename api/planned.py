"""Planned work: how much of it there is, and permits and tickets as the log book tells of them."""

import asyncio
from collections.abc import Iterable

from api.shapes.base import Shape
from api.station import Station, View
from facility.records import Kind
from response.permits.planned import Planned

RECORDS_LIMIT = 1000


class PlannedCount(Shape):
    """How much planned work there is: running permits (overdue ones too), those overdue, unchecked; open tickets."""

    running: int
    overdue: int
    unchecked: int
    tickets: int


def counts(view: View) -> PlannedCount:
    """Return how much planned work there is."""
    states = [p.state for p in view.permits.values()]
    return PlannedCount(
        running=sum(p.runs for p in view.permits.values()),
        overdue=states.count("overdue"),
        unchecked=states.count("checking"),
        tickets=len(view.tickets),
    )


async def past(station: Station, kind: Kind, limit: int) -> Planned:
    """Return the permits or tickets issued last, folded again from the book; over or not."""
    return await asyncio.to_thread(_past, station, kind, limit)


async def one(station: Station, subject: str) -> Planned:
    """Return one permit or ticket, folded again from the book."""
    return await asyncio.to_thread(_told, station, [subject])


def _past(station: Station, kind: Kind, limit: int) -> Planned:
    return _told(station, [w.record.subject for w in station.book.find(kinds=[kind], limit=limit)])


def _told(station: Station, subjects: Iterable[str]) -> Planned:
    told = Planned()
    for subject in subjects:
        for written in reversed(station.book.find(subject=subject, limit=RECORDS_LIMIT)):
            told.tell(written.record)
    return told
