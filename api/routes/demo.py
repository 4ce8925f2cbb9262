"""The demo phone: what the pages looked like to those who got them. Exists in the demo only."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request

from api.gate import LOOPBACK
from api.problems import not_found
from api.rights import Right
from api.shapes.duty import MessageShape
from api.views.words import person_name
from api.who import StationHere, find_caller
from facility.text import Text

router = APIRouter(prefix="/api/v1/demo", tags=["demo"])


@router.get("/phone")
async def phone(
    request: Request,
    station: StationHere,
    person: Annotated[str, Query(max_length=80, description="One person's phone; all of them when left out.")] = "",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> list[MessageShape]:
    """List the messages on the demo phones, newest first.

    The links in them are as good as the phone itself, so beyond loopback only who sees incidents anyway gets them.
    """
    settings = station.settings
    if not settings.demo:
        raise not_found(Text("演示手机", "demo phone"))
    if settings.host not in LOOPBACK:
        caller = await find_caller(request)
        if caller is None or caller.may(Right.LEAD) is None:
            raise not_found(Text("演示手机", "demo phone"))
    received = await asyncio.to_thread(station.phones)  # they are lines in a file
    got = [m for m in received if person in {"", m.message.person}]
    return [
        MessageShape(
            key=m.message.key,
            at_ms=m.at_ms,
            person=m.message.person,
            name=person_name(station.site, m.message.person),
            incident=m.message.incident,
            title=m.message.title,
            text=m.message.text,
            link=m.message.link,
            priority=m.message.priority,
        )
        for m in reversed(got[-limit:])
    ]
