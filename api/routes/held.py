"""Machines out of service beyond their incident, until the contractor's test run is signed."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import TypeAdapter
from starlette.responses import Response

from api.asking import Body, Id, IdOrNothing, Press, Said, StrictRoute, pressed
from api.problems import ProblemError
from api.rights import Right
from api.shapes.incident import HoldShape
from api.shapes.record import DoneShape
from api.views.gate import hold_shape
from api.who import Caller, StationHere, allowed, forbidden
from facility.commands import ReleaseEquipment
from facility.text import Text

router = APIRouter(prefix="/api/v1/held", tags=["held"], route_class=StrictRoute)

HOLDS = TypeAdapter(list[HoldShape])
_NOBODY = Text("请说明由谁签字（person）；未作任何更改。", "Say who signs (person); nothing was changed.")

Reader = Annotated[Caller, Depends(allowed(Right.SEE_WORKS))]
Signer = Annotated[Press, Depends(pressed(Right.CHECK_MACHINES))]


class SignBody(Body):
    """Who signs the test run (a person or the contractor's party), and what it showed."""

    person: IdOrNothing = ""
    note: Said


@router.get("", response_model=list[HoldShape])
async def held(station: StationHere, _caller: Reader) -> Response:
    """List the machines that are held, the longest first."""
    holds = sorted(station.view().out_of_service.values(), key=lambda hold: hold.since_ms)
    shown = [hold_shape(station.site, hold) for hold in holds]
    return Response(HOLDS.dump_json(shown), media_type="application/json")


@router.post("/{id}/release", response_model=DoneShape)
async def release(id: Id, body: SignBody, press: Signer) -> Response:
    """Sign the test run: the machine may run again. Only its contractor, or a role that may reset it."""
    if press.own and body.person not in {"", press.caller.person}:
        raise forbidden()
    person = body.person or press.caller.person
    if not person:
        raise ProblemError(422, "invalid", _NOBODY)
    return await press.asks(body, ReleaseEquipment, id, person, body.note)
