"""The one-page report of an incident or drill."""

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from api import past
from api.problems import ProblemError, not_found
from api.report import paper
from api.report.content import BUCKETS, Shown, content, points_of, span_of
from api.rights import Right
from api.routes.incidents import find
from api.station import Station
from api.who import Caller, StationHere, allowed
from facility.text import Text
from response.incident import Incident
from stores.errors import StoreError

router = APIRouter(prefix="/api/v1/incidents", tags=["incidents"])

_UNSET = Text(
    "报告没有生成：{0}。记录不受影响，请把这句话告诉管理员。",
    "The report was not made: {0}. The records are not affected; tell whoever runs this service.",
)


@router.get("/{id}/report.pdf", response_class=Response, responses={200: {"content": {"application/pdf": {}}}})
async def report(
    id: str,
    station: StationHere,
    caller: Annotated[Caller, Depends(allowed(Right.SEE_INCIDENTS))],
    lang: Annotated[Literal["zh", "en"], Query(description="In which language.")] = "zh",
) -> Response:
    """Give the report: timeline, promises kept and broken, who came when, what telemetry showed; as a PDF."""
    incident = await find(station, id)
    if incident is None or not caller.sees(incident):
        raise not_found(Text("这个事件", "such incident"))
    try:
        made = await asyncio.to_thread(_made, station, incident, lang)
    except paper.SettingError as error:
        raise ProblemError(500, "report-failed", Text(_UNSET.zh.format(error), _UNSET.en.format(error))) from error
    name = f"{'drill' if incident.drill else 'incident'}-{incident.id}-{lang}.pdf"
    headers = {"content-disposition": f'inline; filename="{name}"', "cache-control": "no-store"}
    return Response(made, media_type="application/pdf", headers=headers)


def _made(station: Station, incident: Incident, language: str) -> bytes:
    site, now = station.site, station.clock.now()
    records = [written.record for written in reversed(past.records_of(station, incident.id))]
    from_ms, to_ms = span_of(incident, now)
    shown = []
    for point in points_of(site, incident, site.plans.get(incident.plan)):
        try:
            shown.append(Shown(point, station.telemetry.history(point, from_ms, to_ms, BUCKETS)))
        except StoreError:  # the archive is away: the report says what people did, and nothing of telemetry
            break
    return paper.pdf(content(site, incident, records, shown, language, now))
