"""Who is on duty, who follows, day by day; where the roster has holes; and how it is changed."""

import asyncio
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import Field
from starlette.responses import Response

from api.asking import Body, Id, IdOrNothing, Press, Said, StrictRoute, pressed
from api.problems import ProblemError
from api.rights import Reach, Right
from api.routes.history import LATEST_MS
from api.shapes.duty import ChangePreview, ChangeShape, GridShape, ShiftsShape
from api.shapes.record import DoneShape
from api.station import Station
from api.views import duty as views
from api.who import Caller, StationHere, allowed, forbidden
from facility.commands import AgreeSwap, ChangeRoster, RevokeChange
from facility.records import RosterChanged
from facility.text import Text
from response.duty import exchange
from response.duty.change import SWAP

router = APIRouter(prefix="/api/v1/shifts", tags=["shifts"], route_class=StrictRoute)

LONGEST_DAYS = 35

_NO_PERSON = Text(
    "您的账号没有对应的人员，不能换自己的班。请让主管登记。",
    "Your account belongs to nobody on the roster, so it has no shift to exchange. Have a supervisor enter it.",
)

Moment = Annotated[int, Field(ge=0, le=LATEST_MS)]
Reader = Annotated[Caller, Depends(allowed(Right.SEE_SHIFTS))]
Changer = Annotated[Press, Depends(pressed(Right.CHANGE_ROSTER))]


class ChangeBody(Body):
    """What changes (cover, extra, swap, leave), for whom, from when to when (UTC milliseconds), and why.

    `other` is whose shift is covered, who exchanges (then with the other shift's times), or who stands in.
    """

    what: Annotated[str, Field(pattern="^(cover|extra|swap|leave)$")]
    person: Id
    role: IdOrNothing = ""
    from_ms: Moment
    to_ms: Moment
    reason: Said
    other: IdOrNothing = ""
    other_from_ms: Moment = 0
    other_to_ms: Moment = 0


class AgreeBody(Body):
    """Nothing but the press."""


class RevokeBody(Body):
    """Why it is taken back, or declined."""

    reason: Said


@router.get("", response_model=ShiftsShape)
async def shifts(
    station: StationHere,
    _: Reader,
    at: Annotated[int | None, Query(ge=0, le=LATEST_MS, description="UTC milliseconds; now when left out.")] = None,
) -> Response:
    """Give the duty of a moment: per role who is there and who follows, and everything to be put right ahead."""
    at_ms = station.clock.now() if at is None else at
    shape = await asyncio.to_thread(views.shifts_shape, station, at_ms)
    return Response(shape.model_dump_json(), media_type="application/json")


@router.get("/grid", response_model=GridShape)
async def grid(
    station: StationHere,
    _: Reader,
    at: Annotated[int | None, Query(ge=0, le=LATEST_MS, description="In the first day; today when left out.")] = None,
    days: Annotated[int, Query(ge=1, le=LONGEST_DAYS)] = 7,
) -> Response:
    """Give who is on duty day by day, by role, with the kind of each day and how it is known."""
    at_ms = station.clock.now() if at is None else at
    shape = await asyncio.to_thread(views.grid_shape, station, at_ms, timedelta(days=days))
    return Response(shape.model_dump_json(), media_type="application/json")


@router.get("/changes", response_model=list[ChangeShape])
async def changes(station: StationHere, _: Reader) -> Response:
    """List the changes to the roster that are not long over, the soonest first."""
    found = await asyncio.to_thread(views.change_shapes, station)
    return Response(views.CHANGES.dump_json(found), media_type="application/json")


@router.post("/changes", response_model=DoneShape)
async def change(body: ChangeBody, press: Changer) -> Response:
    """Change the roster for a while; a swap of the own shift waits for the other's word."""
    own = _own(press)
    if own and (body.what != SWAP or body.person != own):
        raise forbidden()
    return await press.asks(
        body,
        ChangeRoster,
        body.what,
        body.person,
        body.role,
        body.from_ms,
        body.to_ms,
        body.reason,
        body.other,
        body.other_from_ms,
        body.other_to_ms,
        own=own,
    )


@router.post("/changes/preview", response_model=ChangePreview)
async def preview(
    body: ChangeBody, station: StationHere, _: Annotated[Caller, Depends(allowed(Right.CHANGE_ROSTER))]
) -> Response:
    """Say whether a change would be refused, and which holes it would leave; nothing is changed."""
    shape = await asyncio.to_thread(_preview, station, body)
    return Response(shape.model_dump_json(), media_type="application/json")


@router.post("/changes/{id}/agree", response_model=DoneShape)
async def agree(id: Id, body: AgreeBody, press: Changer) -> Response:
    """Agree to an exchange of shifts; a supervisor may for somebody else."""
    return await press.asks(body, AgreeSwap, id, own=_own(press))


@router.post("/changes/{id}/revoke", response_model=DoneShape)
async def revoke(id: Id, body: RevokeBody, press: Changer) -> Response:
    """Take a change back; or decline, or withdraw, a swap that waits."""
    return await press.asks(body, RevokeChange, id, body.reason, own=_own(press))


def _own(press: Press) -> str:
    if press.caller.may(press.right) is not Reach.OWN:
        return ""
    if not press.caller.person:
        raise ProblemError(403, "no-person", _NO_PERSON)
    return press.caller.person


def _preview(station: Station, body: ChangeBody) -> ChangePreview:
    site, now = station.view().site(station.site), station.clock.now()
    said = RosterChanged(
        body.what,
        body.person,
        body.role,
        max(body.from_ms, now),
        body.to_ms,
        body.reason,
        body.other,
        body.other_from_ms,
        body.other_to_ms,
    )
    no = exchange.against(site, said, now)
    if no is not None:
        return ChangePreview(refused=views.words(no.why), opens=[])
    opens = exchange.opened_by(site, said)
    return ChangePreview(refused=views.NO_WORDS, opens=[views.words(h.text) for h in opens])
