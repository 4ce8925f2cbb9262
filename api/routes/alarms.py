"""The alarm list, and acknowledging."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from api import shapes
from api.asking import Body, Id, IdempotencyKey, Note, StrictRoute, carry_out, request_id
from api.problems import not_found
from api.rights import Reach, Right
from api.station import Station, View
from api.views import ALARMS, alarm_shape, joined, open_alarms
from api.who import Caller, StationHere, allowed, forbidden
from facility.commands import AcknowledgeAlarm
from facility.text import Text

router = APIRouter(prefix="/api/v1/alarms", tags=["alarms"], route_class=StrictRoute)

THREAD_FROM = 300
"""A list longer than this is written down in a thread: the loop belongs to the desk."""


class AcknowledgeBody(Body):
    """Which alarm was seen."""

    alarm: Id
    comment: Note = ""


def shown(station: Station, view: View, caller: Caller) -> list[shapes.AlarmShape]:
    """Return the open alarms within a caller's reach: own machines, and whatever belongs to an own incident."""
    machines, incidents = caller.machines(station.site), joined(view)
    own = {incident.id for incident in view.incidents.values() if caller.sees(incident)}
    return [
        alarm_shape(station.site, alarm, incidents.get(subject))
        for subject, alarm in open_alarms(view).items()
        if machines is None or alarm.owner in machines or incidents.get(subject) in own
    ]


@router.get("", response_model=list[shapes.AlarmShape])
async def alarms(station: StationHere, caller: Annotated[Caller, Depends(allowed(Right.SEE_LIVE))]) -> Response:
    """List what is active or not yet acknowledged, most urgent first, then newest."""
    view = station.view()

    def written() -> bytes:
        rows = shown(station, view, caller)
        rows.sort(key=lambda a: (a.priority, a.acknowledged, -a.raised_ms))
        return ALARMS.dump_json(rows)

    small = len(view.alarms) < THREAD_FROM
    return Response(written() if small else await asyncio.to_thread(written), media_type="application/json")


@router.post("/acknowledge", response_model=shapes.DoneShape)
async def acknowledge(
    body: AcknowledgeBody,
    request: Request,
    station: StationHere,
    caller: Annotated[Caller, Depends(allowed(Right.ACKNOWLEDGE))],
    key: IdempotencyKey = "",
) -> Response:
    """Say that an alarm was seen: stops sound and blinking, nothing else."""
    view = station.view()
    if caller.may(Right.ACKNOWLEDGE) is Reach.OWN:
        incident = view.incidents.get(joined(view).get(body.alarm, ""))
        if incident is None or not caller.responds_to(incident):
            raise forbidden() if body.alarm in view.alarms else not_found(Text("这条报警", "such alarm"))
    command = AcknowledgeAlarm(caller.actor, request_id(caller.actor, key, body.request), body.alarm, body.comment)
    return await carry_out(request, command)
