"""Drills: begin one on paper, and write down who was there."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field
from starlette.responses import Response

from api.asking import Body, Id, IdOrNothing, Note, Press, StrictRoute, pressed
from api.rights import Right
from api.shapes.record import DoneShape
from facility.commands import AttendDrill, StartDrill

router = APIRouter(prefix="/api/v1/drills", tags=["drills"], route_class=StrictRoute)

Starter = Annotated[Press, Depends(pressed(Right.DRILL))]


class DrillBody(Body):
    """Which plan, where, who is to take part; `invited`: parties outside the house are called, too."""

    plan: Id
    equipment: IdOrNothing = ""
    place: Note = ""
    note: Note = ""
    expected: Annotated[list[Id], Field(max_length=200, default_factory=list)]
    invited: bool = False


class AttendBody(Body):
    """Who was there, or was not."""

    person: Id
    present: bool = True


@router.post("", response_model=DoneShape)
async def start(body: DrillBody, press: Starter) -> Response:
    """Begin a drill: people are paged, and every word of it says that it is a drill."""
    expected = tuple(dict.fromkeys(body.expected))
    return await press.asks(
        body, StartDrill, body.plan, body.equipment, body.place, body.note, expected, invited=body.invited
    )


@router.post("/{id}/attend", response_model=DoneShape)
async def attend(id: Id, body: AttendBody, press: Starter) -> Response:
    """Tick somebody present at a drill, or take it back."""
    return await press.asks(body, AttendDrill, id, body.person, present=body.present)
