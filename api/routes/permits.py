"""Planned work: permits (工作票), power cuts, genset tests, machines out of use, inspection days."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import Field
from starlette.responses import Response

from api import planned
from api.asking import Body, Id, IdOrNothing, Note, Press, Said, StrictRoute, pressed
from api.problems import not_found
from api.rights import Right
from api.shapes.permit import PERMITS, PermitPreview, PermitShape
from api.shapes.record import DoneShape
from api.station import Station
from api.views.permit import expected_shapes, lift_shapes, permit_shape, sees_permit
from api.views.value import reading
from api.who import Caller, StationHere, allowed
from facility.commands import CheckEquipment, EndPermit, ExtendPermit, IssuePermit, Refused
from facility.records import Kind, permit_subject
from facility.text import Text
from response.permits import outage
from response.permits.permit import POWER_CUT, Permit

router = APIRouter(prefix="/api/v1/permits", tags=["permits"], route_class=StrictRoute)

_PERMIT = Text("这张工作票", "such permit")
PAST = 30

Moment = Annotated[int, Field(ge=0, le=8_640_000_000_000)]
Reader = Annotated[Caller, Depends(allowed(Right.SEE_WORKS))]
Issuer = Annotated[Press, Depends(pressed(Right.ISSUE_PERMITS))]
Checker = Annotated[Press, Depends(pressed(Right.CHECK_MACHINES))]


class IssueBody(Body):
    """What is planned, on which machines, who answers for it, from when to when (UTC milliseconds)."""

    work: Id
    equipment: Annotated[list[Id], Field(max_length=500)]
    holder: IdOrNothing
    people: Annotated[list[Id], Field(max_length=100, default_factory=list)]
    from_ms: Moment
    until_ms: Moment
    task: Said
    number: Note = ""


class ExtendBody(Body):
    """Until when, and why."""

    until_ms: Moment
    reason: Said


class EndBody(Body):
    """The work is finished, or is cancelled before it begins."""

    why: Annotated[str, Field(pattern="^(finished|cancelled)$")] = "finished"
    note: Note = ""


class CheckBody(Body):
    """Whether a machine works after the work (before a power cut: whether a lift is empty), and who says so."""

    equipment: Id
    works: bool
    person: IdOrNothing = ""
    note: Note = ""


@router.get("", response_model=list[PermitShape])
async def permits(
    station: StationHere,
    caller: Reader,
    open: Annotated[bool, Query(description="Only what is not over.")] = False,  # noqa: FBT002 - the wire's word
) -> Response:
    """List what is not over, the soonest end first; then, unless `open=1`, what was issued last and is over."""
    current = dict(station.view().permits)
    listed = sorted(current.values(), key=lambda p: (p.ended_ms is not None, p.until_ms))
    if not open:
        past = (await planned.past(station, Kind.PERMIT_ISSUED, PAST)).permits()
        listed += sorted((p for id, p in past.items() if id not in current), key=lambda p: -p.issued_ms)
    shown = [permit_shape(station, p) for p in listed if sees_permit(caller, station.site, p)]
    return Response(PERMITS.dump_json(shown), media_type="application/json")


@router.get("/{id}", response_model=PermitShape)
async def permit(id: str, station: StationHere, caller: Reader) -> Response:
    """Give one permit, running or over."""
    found = await _find(station, id)
    if found is None or not sees_permit(caller, station.site, found):
        raise not_found(_PERMIT)
    return Response(permit_shape(station, found).model_dump_json(), media_type="application/json")


@router.post("", response_model=DoneShape)
async def issue(body: IssueBody, press: Issuer) -> Response:
    """Announce planned work; it begins and hides by itself, and its holder is paged when nobody ends it in time."""
    return await press.asks(body, _issuing, body)


@router.post("/preview", response_model=PermitPreview)
async def preview(
    body: IssueBody, station: StationHere, caller: Annotated[Caller, Depends(allowed(Right.ISSUE_PERMITS))]
) -> Response:
    """Say what a permit would do if it began now; nothing is changed."""
    site, read = station.site, reading(station)
    machines = [m for m in body.equipment if m in site.equipment]
    cut = body.work == POWER_CUT
    stands = outage.position(site, lambda point: outage.value(read, point))
    lifts = outage.lifts(site, machines, stands) if cut else ()
    found = station.preview(_issuing(caller.actor, "preview", body))
    hidden = [] if isinstance(found, Refused) else [h.subject for h in found]
    shape = PermitPreview(
        expected=expected_shapes(site, hidden if cut else ()),
        lifts=lift_shapes(site, lifts, read, lambda _lift: None),
        hides=len(hidden),
    )
    return Response(shape.model_dump_json(), media_type="application/json")


@router.post("/{id}/extend", response_model=DoneShape)
async def extend(id: Id, body: ExtendBody, press: Issuer) -> Response:
    """Give it longer, with a reason."""
    _within(press, id)
    return await press.asks(body, ExtendPermit, id, body.until_ms, body.reason)


@router.post("/{id}/end", response_model=DoneShape)
async def end(id: Id, body: EndBody, press: Issuer) -> Response:
    """End the work, or cancel it before it begins; each machine then waits for its check."""
    _within(press, id)
    return await press.asks(body, EndPermit, id, body.why, body.note)


@router.post("/{id}/check", response_model=DoneShape)
async def check(id: Id, body: CheckBody, press: Checker) -> Response:
    """Say whether a machine works after the work; before a power cut, whether a lift stands empty."""
    _within(press, id)
    person = press.speaks_for(body.person)
    return await press.asks(body, CheckEquipment, id, body.equipment, body.works, person, body.note)


def _issuing(actor: str, request: str, body: IssueBody) -> IssuePermit:
    return IssuePermit(
        actor,
        request,
        body.work,
        tuple(body.equipment),
        body.holder,
        body.from_ms,
        body.until_ms,
        body.task,
        tuple(body.people),
        body.number,
    )


async def _find(station: Station, id: str) -> Permit | None:
    found = station.view().permits.get(id)
    return found or (await planned.one(station, permit_subject(id))).permits().get(id)


def _within(press: Press, id: str) -> None:
    """Refuse a permit beyond the caller's reach as if it were not there; what is over is left to the desk."""
    found = press.station.view().permits.get(id)
    if found is not None and not sees_permit(press.caller, press.station.site, found):
        raise not_found(_PERMIT)
