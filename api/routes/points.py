"""The newest word about every point."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from api.problems import not_found
from api.rights import Right
from api.shapes.value import ValueShape
from api.views.value import VALUES, value_shape
from api.who import Caller, StationHere, allowed
from facility.equipment import split_point
from facility.text import Text

router = APIRouter(prefix="/api/v1/points", tags=["points"])

THREAD_FROM = 500


@router.get("", response_model=list[ValueShape])
async def points(
    station: StationHere,
    caller: Annotated[Caller, Depends(allowed(Right.SEE_LIVE))],
    equipment: Annotated[str, Query(max_length=200, description="One machine; all of them when left out.")] = "",
) -> Response:
    """Give value, quality and reason of a machine's points; beside a bad value stands the last good one."""
    machines = caller.machines(station.site)
    if equipment and (equipment not in station.site.equipment or not (machines is None or equipment in machines)):
        raise not_found(Text("这台设备", "such machine"))
    wanted = [
        point
        for point in station.site.device_of
        if (owner := split_point(point)[0]) == (equipment or owner) and (machines is None or owner in machines)
    ]

    def written() -> bytes:
        return VALUES.dump_json([value_shape(point, station.live.read(point)) for point in wanted])

    small = len(wanted) < THREAD_FROM
    return Response(written() if small else await asyncio.to_thread(written), media_type="application/json")
