"""How well the alarms serve the people who watch them."""

import asyncio
from datetime import date, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from api import past
from api.performance import PerformanceShape, consoles_of, performance_shape
from api.problems import ProblemError, not_found
from api.rights import Right
from api.who import Caller, StationHere, allowed
from facility.text import Text
from response.duty import local_day
from stores.errors import StoreError

router = APIRouter(prefix="/api/v1/performance", tags=["performance"])

KEPT_DAYS = 30
"""How far back figures are kept; what is older is in the records."""


@router.get("", response_model=PerformanceShape)
async def performance(
    station: StationHere,
    _: Annotated[Caller, Depends(allowed(Right.SEE_FIGURES))],
    day: Annotated[
        date | None, Query(description="The last day of the span, local to the site; today when left out.")
    ] = None,
    days: Annotated[int, Query(ge=1, le=KEPT_DAYS, description="How many days up to it.")] = 1,
    console: Annotated[str, Query(max_length=20, description="A system's id; empty: the whole site.")] = "",
) -> Response:
    """Give alarm performance by the figures of ISA-18.2 / IEC 62682, each with its limit, and the promises kept."""
    now = station.clock.now()
    today = local_day(station.site, now)
    last = day or today
    if not today - timedelta(KEPT_DAYS - days) <= last <= today:
        raise ProblemError(
            422,
            "invalid",
            Text(
                f"只能统计最近 {KEPT_DAYS} 天（含今天）。更早的请查值班日志。",
                f"Figures reach back {KEPT_DAYS} days, today included. What is older is in the log book.",
            ),
        )
    if console not in {c.id for c in consoles_of(station.site)}:
        raise not_found(Text("这个系统", "such system"))

    hiding = station.hiding()

    def written() -> str:
        told = station.performance(last, days, console)
        promises = past.promises(station, told.from_ms, told.to_ms, console)
        return performance_shape(station.site, told, promises, hiding, console, now).model_dump_json()

    try:
        answer = await asyncio.to_thread(written)
    except StoreError as error:
        raise ProblemError(503, "book-away", error.text) from error
    return Response(answer, media_type="application/json")
