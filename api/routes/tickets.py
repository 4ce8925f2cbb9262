"""Switching tickets (操作票): rehearse, issue, order and sign each operation, stop. Nothing is switched from here."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import Field
from starlette.responses import Response

from api import planned
from api.asking import Body, Id, IdOrNothing, Note, Press, Said, StrictRoute, pressed
from api.problems import not_found
from api.rights import Right
from api.shapes.record import DoneShape
from api.shapes.ticket import REMARKS, TICKETS, RemarkShape, TicketShape
from api.views.ticket import sees_ticket, ticket_shape
from api.views.value import reading
from api.views.words import words
from api.who import Caller, StationHere, allowed
from facility.commands import IssueTicket, SignOperation, StopTicket
from facility.records import Kind, SwitchStep, ticket_subject
from facility.text import Text
from response.permits import outage, switching

router = APIRouter(prefix="/api/v1/tickets", tags=["tickets"], route_class=StrictRoute)

_TICKET = Text("这张操作票", "such ticket")
PAST = 20

Reader = Annotated[Caller, Depends(allowed(Right.SEE_WORKS))]
Issuer = Annotated[Press, Depends(pressed(Right.ISSUE_TICKETS))]
Signer = Annotated[Press, Depends(pressed(Right.SIGN_OPERATIONS))]


class StepBody(Body):
    """One operation, and the position that must be read back after it."""

    equipment: Id
    point: Id
    value: Annotated[float, Field(allow_inf_nan=False)]
    text: Note = ""


class TicketBody(Body):
    """One task, its operations in their order, and its two people."""

    task: Said
    steps: Annotated[list[StepBody], Field(max_length=60)]
    operator: IdOrNothing
    supervisor: IdOrNothing


class StepsBody(Body):
    """Operations to be played through."""

    steps: Annotated[list[StepBody], Field(max_length=60)]


class SignBody(Body):
    """Which operation (from 0), who signs, and a reason where telemetry does not show the position."""

    step: Annotated[int, Field(ge=0, le=1000)]
    person: IdOrNothing = ""
    reason: Note = ""


class StopBody(Body):
    """Why it is not carried on."""

    note: Said


@router.get("", response_model=list[TicketShape])
async def tickets(
    station: StationHere,
    caller: Reader,
    open: Annotated[bool, Query(description="Only what is not over.")] = False,  # noqa: FBT002 - the wire's word
) -> Response:
    """List the tickets that are not over; then, unless `open=1`, those issued last that are."""
    current = dict(station.view().tickets)
    listed = list(current.values())
    if not open:
        past = (await planned.past(station, Kind.TICKET_ISSUED, PAST)).tickets()
        listed += sorted((t for id, t in past.items() if id not in current), key=lambda t: -t.issued_ms)
    shown = [ticket_shape(station, t) for t in listed if sees_ticket(caller, station.site, t)]
    return Response(TICKETS.dump_json(shown), media_type="application/json")


@router.get("/{id}", response_model=TicketShape)
async def ticket(id: str, station: StationHere, caller: Reader) -> Response:
    """Give one ticket, with the positions as telemetry shows them now."""
    found = station.view().tickets.get(id)
    found = found or (await planned.one(station, ticket_subject(id))).tickets().get(id)
    if found is None or not sees_ticket(caller, station.site, found):
        raise not_found(_TICKET)
    return Response(ticket_shape(station, found).model_dump_json(), media_type="application/json")


@router.post("/rehearse", response_model=list[RemarkShape])
async def rehearse(
    body: StepsBody, station: StationHere, _: Annotated[Caller, Depends(allowed(Right.ISSUE_TICKETS))]
) -> Response:
    """Play operations through from the present positions; nothing is changed."""
    read = reading(station)
    steps = [SwitchStep(s.equipment, s.point, s.value, s.text) for s in body.steps]
    remarks = switching.rehearse(station.site, steps, lambda point: outage.value(read, point))
    shown = [RemarkShape(step=r.step, grave=r.grave, text=words(r.text)) for r in remarks]
    return Response(REMARKS.dump_json(shown), media_type="application/json")


@router.post("", response_model=DoneShape)
async def issue(body: TicketBody, press: Issuer) -> Response:
    """Write a ticket: both people certified today, and no operation that the order of switching forbids."""
    steps = tuple((s.equipment, s.point, s.value, s.text) for s in body.steps)
    return await press.asks(body, IssueTicket, body.task, steps, body.operator, body.supervisor)


@router.post("/{id}/sign", response_model=DoneShape)
async def sign(id: Id, body: SignBody, press: Signer) -> Response:
    """Order the operation at hand (supervisor), say that it is done (operator), or stand for its position (both)."""
    _within(press, id)
    person = press.speaks_for(body.person)
    return await press.asks(body, SignOperation, id, body.step, person, body.reason)


@router.post("/{id}/stop", response_model=DoneShape)
async def stop(id: Id, body: StopBody, press: Issuer) -> Response:
    """Do not carry it on, and say why."""
    _within(press, id)
    return await press.asks(body, StopTicket, id, body.note)


def _within(press: Press, id: str) -> None:
    found = press.station.view().tickets.get(id)
    if found is not None and not sees_ticket(press.caller, press.station.site, found):
        raise not_found(_TICKET)
