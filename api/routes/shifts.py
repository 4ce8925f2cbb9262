"""Who is on duty, who follows, and where the roster has holes."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from api.rights import Right
from api.routes.history import LATEST_MS
from api.shapes.duty import ExpiringShape, HoleShape, OnDuty, ShiftsShape
from api.shapes.site import PersonName
from api.station import Station
from api.views.words import certificate_name, person_name, role_name, words
from api.who import Caller, StationHere, allowed
from response import duty

router = APIRouter(prefix="/api/v1/shifts", tags=["shifts"])

AHEAD_MS = 7 * 86_400_000
EXPIRING_DAYS = 30


@router.get("", response_model=ShiftsShape)
async def shifts(
    station: StationHere,
    _: Annotated[Caller, Depends(allowed(Right.SEE_SHIFTS))],
    at: Annotated[int | None, Query(ge=0, le=LATEST_MS, description="UTC milliseconds; now when left out.")] = None,
) -> Response:
    """Give the duty of a moment: per role who is there and who follows, holes of the next 7 days, certificates."""
    at_ms = station.clock.now() if at is None else at
    shape = await asyncio.to_thread(_shifts, station, at_ms)
    return Response(shape.model_dump_json(), media_type="application/json")


def _shifts(station: Station, at_ms: int) -> ShiftsShape:
    site = station.site
    on: list[OnDuty] = []
    for role in duty.roles(site):
        now, after = duty.now_and_next(site, role, at_ms)
        minimum = max((layer.minimum for layer in site.roster.layers if layer.role == role), default=0)
        on.append(
            OnDuty(
                role=role,
                role_name=words(role_name(site, role)),
                minimum=minimum,
                now=[_person(station, who) for who in now.people],
                next=[_person(station, who) for who in (after.people if after else ())],
                changes_ms=after.from_ms if after else None,
            )
        )
    return ShiftsShape(
        at_ms=at_ms,
        duty=on,
        holes=[
            HoleShape(
                role=h.role,
                from_ms=h.from_ms,
                to_ms=h.to_ms,
                have=h.have,
                need=h.need,
                certificate=h.certificate,
                text=words(h.text),
            )
            for h in duty.holes(site, at_ms, at_ms + AHEAD_MS)
        ],
        expiring=[
            ExpiringShape(
                person=e.person,
                name=person_name(site, e.person),
                certificate=e.certificate,
                certificate_name=words(certificate_name(site, e.certificate)),
                until=e.until.isoformat(),
                days=e.days,
            )
            for e in duty.expiring(site, at_ms, EXPIRING_DAYS)
        ],
    )


def _person(station: Station, id: str) -> PersonName:
    known = station.site.people.get(id)
    return PersonName(id=id, name=person_name(station.site, id), roles=list(known.roles) if known else [])
