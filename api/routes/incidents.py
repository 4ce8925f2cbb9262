"""Incidents: what is being done about it, by whom, by when; and the operator's hand in it."""

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import Field
from starlette.responses import Response

from api import past
from api.asking import Body, Id, IdOrNothing, Note, Press, Said, StrictRoute, pressed
from api.problems import ProblemError, not_found
from api.rights import Reach, Right
from api.shapes.incident import IncidentShape, IncidentSummary
from api.shapes.record import DoneShape
from api.station import Station
from api.views.incident import INCIDENTS, incident_shape, incident_summary
from api.views.value import reading
from api.who import Caller, StationHere, allowed, forbidden
from facility.commands import (
    Accept,
    AddNote,
    AnswerBell,
    Arrive,
    ClearLift,
    CloseIncident,
    ConfirmClose,
    ConfirmFalse,
    Decline,
    Finish,
    OverrideClose,
    ReleasePages,
    SkipStep,
    StartPlan,
    TickStep,
)
from facility.text import Text
from response.incident import Incident

router = APIRouter(prefix="/api/v1/incidents", tags=["incidents"], route_class=StrictRoute)

_INCIDENT = Text("这个事件", "such incident")
_NO_RESULT = Text(
    "技工尚未给出处理结果，值班员还不能关闭事件。请等“处理完毕”，或请经理、带班领导关闭。",
    "No responder has given a result yet, so an operator cannot close it. Wait for it, or ask a manager to close it.",
)

Reader = Annotated[Caller, Depends(allowed(Right.SEE_INCIDENTS))]
Responder = Annotated[Press, Depends(pressed(Right.RESPOND))]
Lead = Annotated[Press, Depends(pressed(Right.LEAD))]


class StartBody(Body):
    """Which plan, where, and who called; a machine or a place in words."""

    plan: Id
    equipment: IdOrNothing = ""
    place: Note = ""
    caller: Note = ""
    note: Note = ""


class AnswerBody(Body):
    """What the car said."""

    trapped: bool
    note: Note = ""


class ReleaseBody(Body):
    """Whether the pages of an incident from a backup go on (`send`), or those that wait are dropped."""

    send: bool


class AcceptBody(Body):
    """Who comes; a technician leaves it out and means himself. `heard_by` is written by us, whatever is sent."""

    person: IdOrNothing = ""
    heard_by: Note = ""


class DeclineBody(Body):
    """Who cannot come, and why."""

    person: IdOrNothing = ""
    why: Note = ""


class PersonBody(Body):
    """Who it is."""

    person: IdOrNothing = ""


class TickBody(Body):
    """Which step is done, by whom, and what was answered; `heard`: whoever is named said so by voice."""

    step: Id
    person: IdOrNothing = ""
    note: Note = ""
    answer: IdOrNothing = ""
    heard: bool = False


class SkipBody(Body):
    """Which step is left out, and why."""

    step: Id
    reason: Said


class SweepBody(Body):
    """Which lift was found empty or not, how, and by whom; without a person, whoever asks."""

    lift: Id
    how: Literal["intercom", "guard", "trapped"]
    person: IdOrNothing = ""
    note: Note = ""


class FinishBody(Body):
    """Whose work is done, with which result."""

    person: IdOrNothing = ""
    result: Note = ""


class NoteBody(Body):
    """Something worth writing down."""

    note: Said


class CloseBody(Body):
    """What it was, and how it ended."""

    cause: Said
    result: Note = ""
    false_alarm: bool = False


class FalseBody(Body):
    """How one knows that the alarm was false, and who says so."""

    how: Literal["voice", "camera", "on-site"]
    person: IdOrNothing = ""
    note: Note = ""


class ConfirmBody(Body):
    """Which check of the close gate (counted from 0) is met, and who says so."""

    check: Annotated[int, Field(ge=0, le=99)]
    person: IdOrNothing = ""
    note: Note = ""


class OverrideBody(Body):
    """Why what telemetry does not show is set aside."""

    reason: Said


@router.get("", response_model=list[IncidentSummary])
async def incidents(
    station: StationHere,
    caller: Reader,
    open: Annotated[bool, Query(description="Only what is not closed.")] = False,  # noqa: FBT002 - the wire's word
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> Response:
    """List the open incidents, most urgent first; then, unless `open=1`, the ones closed last."""
    view = station.view()
    listed = sorted(view.incidents.values(), key=urgency)
    if not open:
        listed += await asyncio.to_thread(_closed, station, limit)
    shown = [incident_summary(view, station.site, i) for i in listed if caller.sees(i)]
    return Response(INCIDENTS.dump_json(shown), media_type="application/json")


def urgency(incident: Incident) -> tuple[bool, int, int]:
    """Order incidents: whatever is real before any drill, then the most urgent, then the newest."""
    return bool(incident.drill), incident.priority, -incident.opened_ms


def _closed(station: Station, limit: int) -> list[Incident]:
    found = (past.refold(station, closed) for closed in past.closed_ids(station, limit))
    return [incident for incident in found if incident is not None and incident.closed_ms is not None]


@router.get("/{id}", response_model=IncidentShape)
async def incident(id: str, station: StationHere, caller: Reader) -> Response:
    """Give one incident whole: steps, pages, people, promises, what still forbids closing, and its records."""
    found = await find(station, id)
    if found is None or not caller.sees(found):
        raise not_found(_INCIDENT)
    shape = await whole(station, found)
    return Response(shape.model_dump_json(), media_type="application/json")


async def find(station: Station, id: str) -> Incident | None:
    """Return an incident, open or over; the book is asked in a thread."""
    found = station.view().incidents.get(id)
    return found if found is not None else await asyncio.to_thread(past.refold, station, id)


async def whole(station: Station, incident: Incident) -> IncidentShape:
    """Return an incident with its records, read in a thread."""
    records = await asyncio.to_thread(past.records_of, station, incident.id, past.SHOWN_LIMIT)
    missing = station.missing(incident.id) if incident.closed_ms is None else ()
    return incident_shape(station.view(), station.site, incident, missing, records, reading(station))


@router.post("", response_model=DoneShape)
async def start(body: StartBody, press: Annotated[Press, Depends(pressed(Right.START_PLAN))]) -> Response:
    """Start a plan by hand: most incidents begin with a phone call."""
    return await press.asks(body, StartPlan, body.plan, body.equipment, body.place, body.caller, body.note)


@router.post("/{id}/answer", response_model=DoneShape)
async def answer(id: Id, body: AnswerBody, press: Lead) -> Response:
    """Write down what the car said."""
    _within(press, id)
    return await press.asks(body, AnswerBell, id, body.trapped, body.note)


@router.post("/{id}/accept", response_model=DoneShape)
async def accept(id: Id, body: AcceptBody, press: Responder) -> Response:
    """Take it: for oneself, or, by the operator, for somebody who said so by voice."""
    person = _who(press, id, body.person)
    heard_by = "" if person == press.caller.person else press.caller.id
    return await press.asks(body, Accept, id, person, heard_by)


@router.post("/{id}/decline", response_model=DoneShape)
async def decline(id: Id, body: DeclineBody, press: Responder) -> Response:
    """Cannot come: the next one is paged at once."""
    person = _who(press, id, body.person)
    return await press.asks(body, Decline, id, person, body.why)


@router.post("/{id}/arrive", response_model=DoneShape)
async def arrive(id: Id, body: PersonBody, press: Responder) -> Response:
    """Stand at the place."""
    person = _who(press, id, body.person)
    return await press.asks(body, Arrive, id, person)


@router.post("/{id}/tick", response_model=DoneShape)
async def tick(id: Id, body: TickBody, press: Responder) -> Response:
    """Mark a step done."""
    _within(press, id)
    person = _who(press, id, body.person) if body.person or press.own else press.caller.person
    return await press.asks(body, TickStep, id, body.step, person, body.note, body.answer, body.heard)


@router.post("/{id}/skip", response_model=DoneShape)
async def skip(id: Id, body: SkipBody, press: Lead) -> Response:
    """Leave a step out, with a reason."""
    _within(press, id)
    return await press.asks(body, SkipStep, id, body.step, body.reason)


@router.post("/{id}/sweep", response_model=DoneShape)
async def clear_lift(id: Id, body: SweepBody, press: Lead) -> Response:
    """Say of a lift that was presumed occupied that it is empty; or that somebody is in it, which calls for help."""
    _within(press, id)
    return await press.asks(body, ClearLift, id, body.lift, body.how, body.person, body.note)


@router.post("/{id}/release", response_model=DoneShape)
async def release(id: Id, body: ReleaseBody, press: Lead) -> Response:
    """Decide about the pages of an incident that came out of a backup: nobody is paged before."""
    _within(press, id)
    return await press.asks(body, ReleasePages, id, body.send)


@router.post("/{id}/finish", response_model=DoneShape)
async def finish(id: Id, body: FinishBody, press: Responder) -> Response:
    """Say that a responder's work is done, with the result."""
    person = _who(press, id, body.person)
    return await press.asks(body, Finish, id, person, body.result)


@router.post("/{id}/note", response_model=DoneShape)
async def note(id: Id, body: NoteBody, press: Annotated[Press, Depends(pressed(Right.COMMENT))]) -> Response:
    """Write something down."""
    _within(press, id)
    return await press.asks(body, AddNote, id, body.note)


@router.post("/{id}/close", response_model=DoneShape)
async def close(id: Id, body: CloseBody, press: Annotated[Press, Depends(pressed(Right.CLOSE))]) -> Response:
    """Close it: what it was and how it ended. An operator can once a responder has given a result."""
    now = _within(press, id)
    paged = now is not None and any(page.responder for page in now.pages.values())
    false = body.false_alarm and now is not None and now.claims.false_ms is not None
    if now is not None and press.caller.may(Right.CLOSE) is Reach.RESULT and paged and not (now.finished or false):
        raise ProblemError(403, "no-result", _NO_RESULT)
    return await press.asks(body, CloseIncident, id, body.cause, body.result, body.false_alarm)


@router.post("/{id}/false-alarm", response_model=DoneShape)
async def confirm_false(id: Id, body: FalseBody, press: Responder) -> Response:
    """Say that the alarm was false, and how one knows; the plan says how many independent confirmations it takes."""
    person = _who(press, id, body.person) if body.person or press.own else press.caller.person
    return await press.asks(body, ConfirmFalse, id, body.how, person, body.note)


@router.post("/{id}/confirm-close", response_model=DoneShape)
async def confirm_close(id: Id, body: ConfirmBody, press: Responder) -> Response:
    """Say by name what dead telemetry cannot: that one check of the close gate is met."""
    return await press.asks(body, ConfirmClose, id, body.check, _who(press, id, body.person), body.note)


@router.post("/{id}/override-close", response_model=DoneShape)
async def override_close(
    id: Id, body: OverrideBody, press: Annotated[Press, Depends(pressed(Right.CLOSE))]
) -> Response:
    """Set the close gate's telemetry aside, with a reason; the supervisor is told. Not an operator's right."""
    _within(press, id)
    if press.caller.may(Right.CLOSE) is not Reach.SITE:
        raise forbidden()
    return await press.asks(body, OverrideClose, id, body.reason)


def _within(press: Press, id: str) -> Incident | None:
    """Return the open incident; refuse one beyond the caller's reach as if it were not there.

    None is left to the desk, which knows whether a repeated request was about an incident that is closed by now.
    """
    found = press.station.view().incidents.get(id)
    if press.own and (found is None or not press.caller.responds_to(found)):
        raise not_found(_INCIDENT)
    return found


def _who(press: Press, id: str, person: str) -> str:
    """Return whom a command speaks of: a technician speaks for himself only, a lead for whom he names, or himself."""
    _within(press, id)
    return press.speaks_for(person)
