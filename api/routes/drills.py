"""Drills: begin one on paper, and write down who was there."""

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import Field
from starlette.responses import Response

from api.asking import Body, Id, IdOrNothing, Note, Press, StrictRoute, pressed
from api.rights import Right
from api.shapes.practice import PracticeShape
from api.shapes.record import DoneShape
from api.station import Station
from api.views.practice import practice_csv, practice_shape
from api.who import Caller, StationHere, allowed
from facility.commands import AttendDrill, StartDrill
from facility.ports import Written
from response.plans import practice
from response.plans.practice import Cell, Register

router = APIRouter(prefix="/api/v1/drills", tags=["drills"], route_class=StrictRoute)

Reader = Annotated[Caller, Depends(allowed(Right.SEE_SHIFTS))]
Starter = Annotated[Press, Depends(pressed(Right.DRILL))]


PAGE = 1_000
"""Records read in one go."""


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


@router.get("/matrix", response_model=PracticeShape)
async def matrix(station: StationHere, caller: Reader) -> Response:
    """Say who has practised which plan, when, in a drill or for real, and what is overdue."""
    del caller
    now = station.clock.now()
    cells = await asyncio.to_thread(_cells, station, now)
    shape = practice_shape(station.site, cells, now)
    return Response(shape.model_dump_json(), media_type="application/json")


@router.get("/matrix.csv", response_class=Response, responses={200: {"content": {"text/csv": {}}}})
async def matrix_csv(
    station: StationHere,
    caller: Reader,
    lang: Annotated[Literal["zh", "en"], Query(description="In which language.")] = "zh",
) -> Response:
    """Give the same as a table for spreadsheets."""
    del caller
    cells = await asyncio.to_thread(_cells, station, station.clock.now())
    table = practice_csv(station.site, cells, lang)
    headers = {"content-disposition": 'attachment; filename="drills.csv"', "cache-control": "no-store"}
    return Response(table, media_type="text/csv; charset=utf-8", headers=headers)


def _cells(station: Station, now_ms: int) -> list[Cell]:
    """Read the records that matter, newest page first, and believe them in their order; for a thread."""
    found: list[Written] = []
    from_ms, before = now_ms - practice.longest(station.site), None
    while True:
        page = station.book.find(kinds=practice.KINDS, from_ms=from_ms, limit=PAGE, before_seq=before)
        found += page
        if len(page) < PAGE:
            break
        before = page[-1].seq
    register = Register()
    for written in reversed(found):
        register.tell(written.record)
    return register.matrix(station.site, now_ms)
