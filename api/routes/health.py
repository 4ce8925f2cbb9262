"""How the service is: health for watchdogs, figures for Prometheus. Both tell figures only, and need no log-in."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.figures import Figures, render
from api.gate import LOOPBACK
from api.shapes.health import HeadShape, HealthShape, LineShape, SpoolShape, StoreShape, TaskShape
from api.station import Status
from api.views.words import words
from api.who import StationHere, find_caller

router = APIRouter(tags=["health"])


@router.get("/api/v1/health", response_model=HealthShape, responses={503: {"model": HealthShape}})
async def health(request: Request, station: StationHere) -> Response:
    """Say who made progress when: 200 while it works (ok or degraded), 503 when a task stands still.

    Lines and reasons name places of the site: beyond loopback they are for whoever is logged in.
    """
    now = station.health()
    inside = station.settings.host in LOOPBACK or await find_caller(request) is not None
    shape = HealthShape(
        status=now.status.value,
        at_ms=now.at_ms,
        tasks=[TaskShape(name=t.name, age_ms=t.age_ms, limit_ms=t.limit_ms) for t in now.tasks],
        spool=SpoolShape(
            rows=now.spool.rows,
            oldest_ms=now.spool.oldest_ms,
            bytes=now.spool.bytes,
            budget=now.spool.budget,
            stores=[
                StoreShape(id=lag.reader, rows=lag.rows, oldest_ms=lag.oldest_ms, trouble=lag.trouble if inside else "")
                for lag in now.spool.stores
            ],
        ),
        book=HeadShape(seq=now.book_seq, head=now.book_head),
        lines=[
            LineShape(
                id=line.line,
                connected=line.connected,
                last_good_ms=line.last_good_ms,
                reads=line.reads,
                failures=dict(line.failures),
                dead_letters=line.dead_letters,
            )
            for line in (station.lines() if inside else ())
        ],
        reasons=[words(text) for text in (now.reasons if inside else ())],
        instance=now.instance,
    )
    status = 503 if now.status is Status.FAILING else 200
    return Response(shape.model_dump_json(), status, media_type="application/json")


@router.get("/metrics")
async def metrics(request: Request, station: StationHere) -> Response:
    """Give the figures in Prometheus' text format."""
    from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

    figures: Figures = request.app.state.figures
    process = CollectorRegistry()
    ProcessCollector(registry=process)
    body = render({**station.metrics(), **figures.read()}).encode() + generate_latest(process)
    return Response(body, media_type="text/plain; version=0.0.4; charset=utf-8")
