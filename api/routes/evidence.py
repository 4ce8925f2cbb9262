"""Photos of an incident, and the links of its people: what the phone page brings to the desk."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response

from api.asking import Body, Id, Press, Said, StrictRoute, pressed
from api.problems import not_found
from api.rights import Right
from api.routes.incidents import find
from api.shapes.record import DoneShape
from api.who import Caller, StationHere, allowed
from facility.commands import ErasePhoto, RevokeLinks
from facility.text import Text
from response.incident import Incident
from stores.errors import StoreDamagedError
from stores.files import media_type

router = APIRouter(prefix="/api/v1/incidents", tags=["incidents"], route_class=StrictRoute)

_INCIDENT = Text("这个事件", "such incident")
_PHOTO = Text("这张照片，可能已删除", "such photo, or not any more")
_PERSON = Text("此人的链接", "link of this person")


class RevokeBody(Body):
    """Whose links to the incident stop working."""

    person: Id


class EraseBody(Body):
    """Why a photo is erased."""

    reason: Said


@router.get("/{id}/photos/{photo}", response_class=Response)
async def photo(
    id: str, photo: str, station: StationHere, caller: Annotated[Caller, Depends(allowed(Right.SEE_INCIDENTS))]
) -> Response:
    """Give a photo that was taken for an incident."""
    found = await find(station, id)
    if found is None or not caller.sees(found) or photo not in _kept(found):
        raise not_found(_PHOTO)
    try:
        data = await asyncio.to_thread(station.files.get, photo)
    except (KeyError, StoreDamagedError) as error:
        raise not_found(_PHOTO) from error
    headers = {"cache-control": "private, max-age=3600", "content-disposition": "inline"}
    return Response(data, headers=headers, media_type=media_type(data))


@router.post("/{id}/photos/{photo}/erase", response_model=DoneShape)
async def erase(
    id: Id, photo: Id, body: EraseBody, press: Annotated[Press, Depends(pressed(Right.ERASE_PHOTOS))]
) -> Response:
    """Erase a photo for good, of an incident open or over; the book keeps that there was one, and why it went."""
    found = await find(press.station, id)
    if found is None or photo not in {p.photo for p in found.handset.photos}:
        raise not_found(_PHOTO)
    answer = await press.asks(body, ErasePhoto, id, photo, body.reason)
    await asyncio.to_thread(press.station.files.erase, photo)
    return answer


@router.post("/{id}/revoke-links", response_model=DoneShape)
async def revoke(id: Id, body: RevokeBody, press: Annotated[Press, Depends(pressed(Right.LEAD))]) -> Response:
    """Let all links of a person to an incident stop working; whoever is still needed gets a new one at once."""
    found = await find(press.station, id)
    if found is None:
        raise not_found(_INCIDENT)
    if body.person not in found.called and body.person not in found.handset.devices:
        raise not_found(_PERSON)
    holds = found.handset.generations.get(body.person, 0)
    return await press.asks(body, RevokeLinks, id, body.person, holds)


def _kept(incident: Incident) -> frozenset[str]:
    return frozenset(photo.photo for photo in incident.handset.photos if not photo.erased)
