"""The site as adopted: machines, points, rules, plans, words."""

import asyncio

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.gate import LOOPBACK
from api.rights import Right
from api.shapes.site import DemoUser, SiteShape
from api.station import Station
from api.views.site import site_shape
from api.who import StationHere, find_caller

router = APIRouter(prefix="/api/v1", tags=["site"])


@router.get("/site", response_model=SiteShape)
async def site(request: Request, station: StationHere) -> Response:
    """Give the site; whoever is not logged in gets its name, its words and, in the demo, its users."""
    caller = await find_caller(request)
    inside = caller is not None and caller.may(Right.SEE_SITE) is not None
    kept: dict[tuple[str, bool], bytes] = request.app.state.sites
    key = (station.site.hash, inside)
    if key not in kept:
        # 10,000 points take a while to write down: once per version of the site, and not in the loop.
        kept[key] = await asyncio.to_thread(_written, station, inside)
    return Response(kept[key], media_type="application/json")


def _written(station: Station, inside: bool) -> bytes:  # noqa: FBT001 - to_thread passes by place
    shape = site_shape(station, inside=inside)
    return shape.model_copy(update={"demo_users": demo_users(station)}).model_dump_json().encode()


def demo_users(station: Station) -> list[DemoUser]:
    """Return the users that log-in buttons may be offered for: in the demo, and on loopback, only."""
    settings = station.settings
    if not settings.demo or settings.host not in LOOPBACK:
        return []
    known = {user.id: user for user in station.accounts.users()}
    return [
        DemoUser(id=user, name=known[user].name, role=known[user].role) for user in settings.demo_users if user in known
    ]
