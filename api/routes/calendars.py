"""Duty calendars for calendar programs: links that need no account, read nothing else, and can be revoked."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field, TypeAdapter
from starlette.responses import Response

from api import ical
from api.asking import Body, Press, StrictRoute, pressed
from api.problems import not_found
from api.rights import Reach, Right
from api.shapes.duty import LinkShape
from api.shapes.record import DoneShape
from api.station import Station
from api.views.words import words
from api.who import Caller, StationHere, allowed, forbidden
from facility.commands import RevokeCalendar
from facility.text import Text
from response import duty
from response.phone.token import calendar_token, read_calendar_token

router = APIRouter(prefix="/api/v1/shifts/calendar", tags=["shifts"], route_class=StrictRoute)

LINKS = TypeAdapter(list[LinkShape])
TOKEN_LIMIT = 300

_CALENDAR = Text("这个值班日历（链接可能已作废）", "such duty calendar; its link may have been revoked")


class WhoseBody(Body):
    """Whose calendar: "person:<id>" or "role:<id>"."""

    whose: Annotated[str, Field(max_length=100, pattern=r"^(person|role):[A-Za-z0-9_-]+$")]


@router.get("", response_model=list[LinkShape])
async def links(station: StationHere, caller: Annotated[Caller, Depends(allowed(Right.SEE_SHIFTS))]) -> Response:
    """List the calendars the caller may hand out: the own one, one per role, and for a supervisor everybody's."""
    view = station.view()
    shown = [_link(station, whose, view.calendars.get(whose, 0)) for whose in _mine(station, caller)]
    return Response(LINKS.dump_json(shown), media_type="application/json")


@router.post("/revoke", response_model=DoneShape)
async def revoke(body: WhoseBody, press: Annotated[Press, Depends(pressed(Right.CHANGE_ROSTER))]) -> Response:
    """Make every link to a calendar that was given out worthless; a new one stands in the list."""
    if not ical.exists(press.station.site, body.whose):
        raise not_found(_CALENDAR)
    if press.own and body.whose != f"person:{press.caller.person}":
        raise forbidden()
    return await press.asks(body, RevokeCalendar, body.whose)


@router.get("/{token}.ics")
async def calendar(token: str, station: StationHere) -> Response:
    """Give a calendar to whoever holds its link; what is wrong or revoked is not there."""
    read = read_calendar_token(station.settings.secret, token) if len(token) <= TOKEN_LIMIT else None
    view = station.view()
    if read is None or read[1] != view.calendars.get(read[0], 0) or not ical.exists(station.site, read[0]):
        raise not_found(_CALENDAR)
    site = view.site(station.site)
    body = await asyncio.to_thread(ical.calendar, site, read[0], station.clock.now())
    return Response(body, media_type="text/calendar; charset=utf-8")


def _mine(station: Station, caller: Caller) -> list[str]:
    site = station.site
    roles = [f"{ical.ROLE}:{role}" for role in duty.roles(site)]
    if caller.may(Right.CHANGE_ROSTER) is Reach.SITE:
        return [*roles, *(f"{ical.PERSON}:{id}" for id in site.people)]
    own = [f"{ical.PERSON}:{caller.person}"] if caller.person in site.people else []
    return [*own, *roles]


def _link(station: Station, whose: str, generation: int) -> LinkShape:
    token = calendar_token(station.settings.secret, whose, generation)
    return LinkShape(
        whose=whose, name=words(ical.name_of(station.site, whose)), path=f"/api/v1/shifts/calendar/{token}.ics"
    )
