"""Labels for the machines: a sheet to print, and what reading one of them shows."""

import asyncio
import io
import secrets
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import HTMLResponse, Response

from api.labels import NOT_A_SAFETY_FUNCTION
from api.phone.card import public_card
from api.phone.links import Link, LinkError, good_link, guard, language_of
from api.phone.page import state_of
from api.phone.paper import word_page, write
from api.phone.pocket import Pocket
from api.phone.sentences import SENTENCES
from api.rights import Right
from api.station import Station
from api.who import Caller, StationHere, allowed
from facility.equipment import Equipment
from response.incident import Incident
from response.phone import label
from response.plans.plan import owner_rule

router = APIRouter(tags=["phone"], include_in_schema=True)


@dataclass(frozen=True, slots=True)
class Sticker:
    """One label: the QR code as SVG, the letters, and what is written beside them."""

    svg: str
    code: str
    name: str
    place: str
    number: str


@router.get("/api/v1/labels", response_class=HTMLResponse)
async def sheet(
    request: Request, station: StationHere, caller: Annotated[Caller, Depends(allowed(Right.LEAD))]
) -> Response:
    """Give a page to print with a label for every machine: who reads one of them on the spot has arrived."""
    del caller
    language = language_of(request, request.query_params.get("lang", ""))
    stickers = await asyncio.to_thread(_stickers, station, language)
    html = write(
        "labels.html",
        language,
        stickers=stickers,
        site=station.site.name.en if language == "en" else station.site.name.zh,
        base_url=station.settings.base_url,
        local="//127." in station.settings.base_url or "//localhost" in station.settings.base_url,
    )
    return HTMLResponse(html)


@router.get("/e/{equipment}/{signature}", response_class=HTMLResponse)
async def read(equipment: str, signature: str, request: Request, station: StationHere) -> Response:
    """Show what a machine's label leads to: to whom it called, a press that says “I am here”; to others its card.

    Reading it records nothing.
    """
    language = language_of(request, request.query_params.get("lang", ""))
    try:
        machine = _machine(equipment, signature, request, station, language)
    except LinkError as no:
        return word_page(no)
    link = await _who_reads(request, station, equipment, language)
    name, place, rows, never = public_card(station.site, machine, language)
    html = write(
        "label.html",
        language,
        name=name,
        place=place,
        rows=rows,
        never=never,
        token=link.token if link else "",
        there=link is not None and state_of(link.incident, link.person) in {"arrived", "finished"},
        code=label.code(station.settings.secret, equipment),
        request_id=secrets.token_hex(8),
        statement=NOT_A_SAFETY_FUNCTION.en if language == "en" else NOT_A_SAFETY_FUNCTION.zh,
    )
    return HTMLResponse(html)


def machines_of(incident: Incident) -> frozenset[str]:
    """Return the machines at which somebody has arrived for an incident: its own, and those with its alarms."""
    return frozenset({incident.equipment, *(owner_rule(alarm)[0] for alarm in incident.alarms), *incident.sweep})


def _machine(equipment: str, signature: str, request: Request, station: Station, language: str) -> Equipment:
    """Return the machine of a label; raise the page of words where it is none of ours."""
    machine = station.site.equipment.get(equipment)
    good = machine is not None and label.is_signed(station.settings.secret, equipment, signature[:64])
    guard(request, station, f"label:{equipment}" if good else "", language)
    if machine is None or not good:
        raise LinkError(404, "unknown_title", SENTENCES["unknown_label"], language)
    return machine


async def _who_reads(request: Request, station: Station, equipment: str, language: str) -> Link | None:
    """Return the newest of this browser's links whose incident is open and about this machine."""
    for token in Pocket(request, station.settings.base_url).links():
        try:
            link = await good_link(token, station, language)
        except LinkError:
            continue
        if link.incident.closed_ms is None and equipment in machines_of(link.incident):
            return link
    return None


def _stickers(station: Station, language: str) -> list[Sticker]:
    return [_sticker(station, machine, language) for machine in station.site.equipment.values()]


def _sticker(station: Station, machine: Equipment, language: str) -> Sticker:
    import segno

    secret = station.settings.secret
    address = f"{station.settings.base_url}/e/{machine.id}/{label.signature(secret, machine.id)}"
    out = io.BytesIO()
    code = segno.make(address, error="m", micro=False)
    code.save(out, kind="svg", xmldecl=False, svgns=False, omitsize=True, border=4)
    name, place = (machine.name.en, machine.place.en) if language == "en" else (machine.name.zh, machine.place.zh)
    return Sticker(out.getvalue().decode(), label.code(secret, machine.id), name, place, machine.card.registration)
