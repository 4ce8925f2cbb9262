"""The past of one point: min, mean and max per bucket, gaps as gaps."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from api import labels
from api.problems import ProblemError, not_found
from api.rights import Right
from api.shapes.value import GapShape, GapsShape, HistoryShape
from api.views.value import bucket_shape
from api.who import Caller, StationHere, allowed
from facility.equipment import split_point
from facility.text import Text
from stores.errors import StoreError

router = APIRouter(prefix="/api/v1/history", tags=["history"])

LONGEST_MS = 400 * 86_400_000
"""One answer spans a year and a little; a longer one is asked in parts."""
LATEST_MS = 4_102_444_800_000  # the year 2100


@router.get("/gaps", response_model=GapsShape)
async def gaps(
    station: StationHere,
    caller: Annotated[Caller, Depends(allowed(Right.SEE_LIVE))],
    device: Annotated[str, Query(min_length=1, max_length=200)],
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    """Give the newest recorded gaps of a device: when its words were missed, and how many."""
    machines, known = caller.machines(station.site), station.site.devices.get(device)
    if known is None or not (machines is None or any(split_point(p)[0] in machines for p in known.points)):
        raise not_found(Text("这台装置", "such device"))

    def written() -> str:
        rows = [
            GapShape(
                why=labels.reason_id(found.gap.why),
                from_ms=found.gap.from_ms,
                to_ms=found.gap.to_ms,
                missing=found.gap.missing or None,
                filled=found.filled,
            )
            for found in station.gaps(device, limit)
        ]
        return GapsShape(device=device, gaps=rows).model_dump_json()

    try:
        answer = await asyncio.to_thread(written)
    except StoreError as error:
        raise ProblemError(503, "history-away", error.text) from error
    return Response(answer, media_type="application/json")


@router.get("", response_model=HistoryShape)
async def history(
    station: StationHere,
    caller: Annotated[Caller, Depends(allowed(Right.SEE_LIVE))],
    point: Annotated[str, Query(min_length=1, max_length=200)],
    from_ms: Annotated[int, Query(alias="from", ge=0, le=LATEST_MS, description="UTC milliseconds")],
    to_ms: Annotated[int, Query(alias="to", ge=0, le=LATEST_MS, description="UTC milliseconds, not included")],
    buckets: Annotated[int, Query(ge=1, le=2000)] = 300,
) -> Response:
    """Give a point's history in at most `buckets` spans of equal length."""
    machines = caller.machines(station.site)
    if point not in station.site.device_of or not (machines is None or split_point(point)[0] in machines):
        raise not_found(Text("这个点位", "such point"))
    if not from_ms < to_ms <= from_ms + LONGEST_MS:
        raise ProblemError(
            422,
            "invalid",
            Text(
                "时间范围不对：结束须晚于开始，且跨度不超过 400 天。",
                "That span cannot be given: `to` must be later than `from`, by no more than 400 days.",
            ),
        )

    def written() -> str:
        found = station.telemetry.history(point, from_ms, to_ms, buckets)
        rows = [bucket_shape(b) for b in found]
        return HistoryShape(point=point, from_ms=from_ms, to_ms=to_ms, buckets=rows).model_dump_json()

    try:
        answer = await asyncio.to_thread(written)
    except StoreError as error:
        raise ProblemError(503, "history-away", error.text) from error
    return Response(answer, media_type="application/json")
