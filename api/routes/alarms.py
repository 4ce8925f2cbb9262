"""The alarm list, acknowledging, shelving, resetting, and everything that is out of sight."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field
from starlette.responses import Response

from alarms.life import Alarm
from alarms.shelf import DEFAULT_MINUTES, MOST_MINUTES
from api.asking import Body, Id, IdOrNothing, Note, Press, Said, StrictRoute, pressed
from api.problems import not_found, refused
from api.rights import Right, own_machines
from api.rows import rows_of
from api.shapes.alarm import AlarmShape, HiddenShape
from api.shapes.record import DoneShape
from api.station import Station, View
from api.views.alarm import HIDDEN, hidden_shape, joined, open_alarms
from api.who import Caller, StationHere, allowed, forbidden
from facility.commands import AcknowledgeAlarm, Refused, ResetAlarm, ShelveAlarm, UnshelveAlarm
from facility.text import Text

router = APIRouter(prefix="/api/v1/alarms", tags=["alarms"], route_class=StrictRoute)

THREAD_FROM = 300
"""A list longer than this is written down in a thread: the loop belongs to the desk."""


class AcknowledgeBody(Body):
    """Which alarm was seen."""

    alarm: Id
    comment: Note = ""


class ShelveBody(Body):
    """Which alarm is put away, why, and for how long; with `until_clear` until it clears, 8 hours at most."""

    alarm: Id
    reason: Said
    minutes: Annotated[int, Field(ge=1, le=MOST_MINUTES)] = DEFAULT_MINUTES
    until_clear: bool = False


class UnshelveBody(Body):
    """Which alarm is taken off the shelf."""

    alarm: Id


class ResetBody(Body):
    """Which latched alarm is reset, by whom (empty: by whoever asks)."""

    alarm: Id
    person: IdOrNothing = ""
    comment: Note = ""


def shown(station: Station, view: View, caller: Caller) -> list[tuple[Alarm, str | None]]:
    """Return the open alarms within a caller's reach (own machines, and what belongs to an own incident), with theirs.

    The most urgent comes first, then what nobody acknowledged, then the newest.
    """
    machines, incidents = caller.machines(station.site), joined(view)
    own = {incident.id for incident in view.incidents.values() if caller.sees(incident)}
    found = [
        (alarm, incidents.get(subject))
        for subject, alarm in open_alarms(view).items()
        if machines is None or alarm.owner in machines or incidents.get(subject) in own
    ]
    return sorted(found, key=lambda row: (row[0].priority, row[0].acknowledged, -row[0].raised_ms))


@router.get("", response_model=list[AlarmShape])
async def alarms(station: StationHere, caller: Annotated[Caller, Depends(allowed(Right.SEE_LIVE))]) -> Response:
    """List what is active or not yet acknowledged, most urgent first, then newest."""
    view = station.view()

    def written() -> bytes:
        rows = rows_of(station)
        rows.kept(len(view.alarms))
        return b"[" + b",".join(rows.of(alarm, incident) for alarm, incident in shown(station, view, caller)) + b"]"

    small = len(view.alarms) < THREAD_FROM
    return Response(written() if small else await asyncio.to_thread(written), media_type="application/json")


@router.post("/acknowledge", response_model=DoneShape)
async def acknowledge(body: AcknowledgeBody, press: Annotated[Press, Depends(pressed(Right.ACKNOWLEDGE))]) -> Response:
    """Say that an alarm was seen: stops sound and blinking, nothing else."""
    view = press.station.view()
    if press.own:
        incident = view.incidents.get(joined(view).get(body.alarm, ""))
        if incident is None or not press.caller.responds_to(incident):
            raise forbidden() if body.alarm in view.alarms else not_found(Text("这条报警", "such alarm"))
    return await press.asks(body, AcknowledgeAlarm, body.alarm, body.comment)


@router.get("/hiding", response_model=list[HiddenShape])
async def hiding(station: StationHere, caller: Annotated[Caller, Depends(allowed(Right.SEE_LIVE))]) -> Response:
    """List what every shelf, suppression, permit and damping keeps from disturbing anybody now: active first."""
    return Response(HIDDEN.dump_json(hidden_from(station, caller)), media_type="application/json")


def hidden_from(station: Station, caller: Caller) -> list[HiddenShape]:
    """Return what is out of sight within a caller's reach."""
    machines = caller.machines(station.site)
    return [hidden_shape(station, h) for h in station.hiding() if machines is None or h.owner in machines]


@router.post("/shelve", response_model=DoneShape)
async def shelve(body: ShelveBody, press: Annotated[Press, Depends(pressed(Right.SHELVE))]) -> Response:
    """Put an alarm away for a time, with a reason; life-safety alarms are refused."""
    return await press.asks(body, _shelving, body)


@router.post("/shelve/preview", response_model=list[HiddenShape])
async def preview(
    body: ShelveBody, station: StationHere, caller: Annotated[Caller, Depends(allowed(Right.SHELVE))]
) -> Response:
    """Say what shelving would keep out of sight; nothing is changed."""
    found = station.preview(_shelving(caller.actor, "", body))
    if isinstance(found, Refused):
        raise refused(found)
    return Response(HIDDEN.dump_json([hidden_shape(station, h) for h in found]), media_type="application/json")


@router.post("/unshelve", response_model=DoneShape)
async def unshelve(body: UnshelveBody, press: Annotated[Press, Depends(pressed(Right.SHELVE))]) -> Response:
    """Take an alarm off the shelf; whoever does has seen it."""
    return await press.asks(body, UnshelveAlarm, body.alarm)


@router.post("/reset", response_model=DoneShape)
async def reset(body: ResetBody, press: Annotated[Press, Depends(pressed(Right.RESET))]) -> Response:
    """Reset a latched alarm; the machine's card names the roles that may."""
    station, caller = press.station, press.caller
    owner = body.alarm.removeprefix("alarm:").rpartition("/")[0]
    if press.own:
        if owner not in own_machines(station.site, caller.person):
            raise not_found(Text("这条报警", "such alarm"))
        if body.person not in {"", caller.person}:
            raise forbidden()
    person = body.person or caller.person
    return await press.asks(body, ResetAlarm, body.alarm, person, body.comment)


def _shelving(actor: str, request: str, body: ShelveBody) -> ShelveAlarm:
    return ShelveAlarm(actor, request, body.alarm, body.reason, body.minutes, body.until_clear)
