"""The log book, for reading. Nothing here writes."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from api.rights import Reach, Right
from api.shapes.record import RecordShape
from api.station import Station
from api.views.record import RECORDS, record_shape
from api.who import Caller, StationHere, allowed
from facility.ports import Written
from facility.records import Kind

router = APIRouter(prefix="/api/v1/records", tags=["records"])

_SEQ = 2**53
_KINDS = frozenset(k.value for k in Kind)


@router.get("", response_model=list[RecordShape])
async def records(
    station: StationHere,
    caller: Annotated[Caller, Depends(allowed(Right.SEE_AUDIT))],
    after: Annotated[int | None, Query(ge=0, le=_SEQ, description="Records after this number, oldest first.")] = None,
    before: Annotated[int | None, Query(ge=1, le=_SEQ, description="Records before this number.")] = None,
    subject: Annotated[str, Query(max_length=200)] = "",
    about: Annotated[str, Query(max_length=200, description="A machine's or a person's id.")] = "",
    kind: Annotated[list[str] | None, Query(max_length=50)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    """Give records newest first, or with `after` oldest first.

    Alarms and incidents are shown as far as a user may see them anyway; the rest (configuration, service, clock) is
    the audit log, which managers and administrators read and others see their own part of.
    """
    kinds = [Kind(k) for k in kind if k in _KINDS] if kind else None

    machines = caller.machines(station.site)

    def read() -> bytes:
        found = _read(station, after, before, subject, about, kinds, limit)
        return RECORDS.dump_json([record_shape(w) for w in found if _may_see(caller, machines, w)])

    return Response(await asyncio.to_thread(read), media_type="application/json")


def _read(
    station: Station,
    after: int | None,
    before: int | None,
    subject: str,
    about: str,
    kinds: list[Kind] | None,
    limit: int,
) -> list[Written]:
    if after is None:
        return list(station.book.find(subject or None, about or None, kinds, limit=limit, before_seq=before))
    found = station.book.tail(after, limit)
    return [
        w
        for w in found
        if (not subject or w.record.subject == subject)
        and (not about or about in w.record.about)
        and (kinds is None or w.record.kind in kinds)
    ]


def _may_see(caller: Caller, machines: frozenset[str] | None, written: Written) -> bool:
    """Default deny: a line is shown for its subject, or because it is about this user, and not otherwise."""
    record = written.record
    if caller.may(Right.SEE_AUDIT) is Reach.SITE:
        return True
    if record.actor in {caller.actor, f"person:{caller.person}"} or (caller.person and caller.person in record.about):
        return True
    if record.subject.startswith("alarm:"):
        return machines is None or not machines.isdisjoint(record.about)
    return record.subject.startswith("incident:") and caller.may(Right.SEE_INCIDENTS) is Reach.SITE
