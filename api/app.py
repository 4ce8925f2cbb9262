"""The web application: every route, put together around one station."""

from fastapi import FastAPI

from api import problems, stream
from api.asking import Flights
from api.figures import Figures
from api.gate import Gate
from api.phone import routes as phone
from api.phone import stickers
from api.routes import (
    alarms,
    calendars,
    console,
    demo,
    docs,
    drills,
    evidence,
    health,
    held,
    history,
    incidents,
    people,
    performance,
    permits,
    points,
    records,
    reload,
    reports,
    session,
    shifts,
    tickets,
)
from api.routes import site as site_routes
from api.station import Station

DESCRIPTION = (
    "Views out, commands in. Times are UTC milliseconds, texts come as {zh, en}, what is no number is null. "
    "Log in at /api/v1/login; the session is a cookie. Every POST that changes something carries a request id "
    "(header Idempotency-Key, or `request` in the body): the same one twice changes nothing twice. "
    "Problems are RFC 9457 application/problem+json. The live stream is the WebSocket /api/v1/live."
)


def create(station: Station) -> FastAPI:
    """Return the application for a station; it holds nothing that a restart would miss, and needs no lifespan."""
    settings = station.settings
    app = FastAPI(title="Dutyroom", description=DESCRIPTION, version="1", docs_url=None, redoc_url=None)
    furnish(app, station)
    app.add_middleware(Gate, base_url=settings.base_url, host=settings.host, demo=settings.demo)
    problems.install(app)
    for part in (
        health,
        session,
        site_routes,
        reload,
        alarms,
        incidents,
        reports,
        evidence,
        drills,
        points,
        history,
        performance,
        records,
        calendars,
        shifts,
        people,
        permits,
        tickets,
        held,
        demo,
    ):
        app.include_router(part.router)
    app.include_router(stream.router)
    app.include_router(phone.router)
    app.include_router(stickers.router)
    app.include_router(docs.router)
    console.install(app)
    return app


def furnish(app: FastAPI, station: Station) -> None:
    """Give an application its station, and everything it remembers anew; all of it may be forgotten."""
    app.state.station = station
    app.state.flights = Flights()
    app.state.figures = Figures()
    app.state.guards = phone.Guards()
    app.state.uploads = phone.Uploads()
    app.state.door = session.Door()
    app.state.sites = {}
