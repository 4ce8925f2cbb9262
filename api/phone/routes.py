"""The phone link's routes: GET shows and changes nothing, POST acts and sends the browser back to GET."""

import asyncio
import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import parse_qs, quote

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api.asking import Flights
from api.figures import Figures
from api.phone.links import Guards, Link, LinkError, opened_link
from api.phone.page import build
from api.phone.paper import TYPES, files, word_page, write
from api.phone.pocket import Pocket
from api.phone.sentences import SENTENCES
from api.phone.stickers import machines_of
from api.phone.tryout import tried
from api.phone.upload import UploadError, Uploads
from api.problems import refused
from api.station import Station
from api.views.value import reading
from api.who import StationHere
from facility.commands import (
    Accept,
    AddPhoto,
    Arrive,
    Command,
    Decline,
    Finish,
    HandOver,
    OpenPage,
    Refused,
    TickStep,
    UseLink,
)
from facility.equipment import point_id
from facility.ports import Written
from response.context import Context
from response.phone import label
from stores.errors import StoreError
from stores.files import FileRefusedError
from stores.photo import PHOTOS, cleaned

__all__ = ["Guards", "Uploads", "router"]

router = APIRouter(tags=["phone"], include_in_schema=True)

_PREVIEWERS = (
    "bot",
    "preview",
    "spider",
    "crawler",
    "safelinks",
    "facebookexternalhit",
    "whatsapp",
    "telegram",
    "curl",
)

REQUEST_LENGTH = 80

_OF_ACTION: Mapping[str, tuple[str, ...]] = {"step": ("step", "answer"), "over": ("to",)}
"""What tells one press of an action from another on the same page."""

ETAS = (5, 15, 30)
"""In so many minutes somebody may say to be there; it binds nobody, and moves no promise."""


@router.get("/phone/{name}", include_in_schema=False)
async def file(name: str) -> Response:
    """Give the page's own style or script."""
    body = files().get(name)
    if body is None:
        return Response(status_code=404)
    headers = {"cache-control": "public, max-age=31536000, immutable"}
    return Response(body, headers=headers, media_type=TYPES[Path(name).suffix])


@router.head("/p/{token}", include_in_schema=False)
@router.get("/p/{token}", response_class=HTMLResponse)
async def show(token: str, request: Request, station: StationHere) -> Response:
    """Show the incident to the person the link was made for. This changes nothing; a browser's script says it opened.

    What a previewer fetches is counted apart.
    """
    if (test := await tried(token, request, station, answers=False)) is not None:
        return test
    try:
        link = await opened_link(token, request, station, request.query_params.get("lang", ""))
    except LinkError as no:
        return word_page(no)
    figures: Figures = request.app.state.figures
    figures.count("phone_previews_total" if _is_preview(request) else "phone_opened_total")
    incident = link.incident
    floor = station.live.read(point_id(incident.equipment, "floor")) if incident.equipment else None
    page = build(_context(station), incident, link.person, link.language, floor)
    html = write(
        "incident.html",
        link.language,
        token=token,
        page=page,
        request_id=secrets.token_hex(8),
        saved=request.query_params.get("saved") == "1",
        etas=ETAS,
    )
    return HTMLResponse(html)


@router.post("/p/{token}/opened", include_in_schema=False)
async def opened(token: str, request: Request, station: StationHere) -> Response:
    """Note that a real browser shows the page: its script says so, which no previewer runs. It answers for nobody."""
    try:
        link = await opened_link(token, request, station, "")
    except LinkError as no:
        return word_page(no)
    if link.incident.closed_ms is None and not _is_preview(request):
        actor = f"person:{link.person}"
        unique = f"{actor}/{link.incident.id}/opened/{secrets.token_hex(8)}"
        await _ask(request, station, OpenPage(actor, unique, link.incident.id, link.person))
    return Response(status_code=204)


@router.post("/p/{token}/photo", response_class=HTMLResponse)
async def photo(token: str, request: Request, station: StationHere) -> Response:
    """Keep a photo: only the picture, without place, time or phone, under its SHA-256 and outside the book."""
    uploads: Uploads = request.app.state.uploads
    try:
        link = await opened_link(token, request, station, request.query_params.get("lang", ""))
        back = _back(link)
        try:
            sent = await uploads.read(request)
            picture = await asyncio.to_thread(cleaned, sent.photo)
            known = await asyncio.to_thread(station.files.has, hashlib.sha256(picture).hexdigest())
            id = await asyncio.to_thread(station.files.put, picture, PHOTOS)
        except UploadError as no:
            raise LinkError(no.status, "refused", no.words, link.language, back=back) from no
        except StoreError as no:
            status = 415 if isinstance(no, FileRefusedError) else 503
            raise LinkError(status, "refused", no.text, link.language, back=back) from no
        actor, request_id = _request_id(link, "photo", sent.fields)
        step = sent.fields.get("step", "")[:200]
        added = AddPhoto(
            actor, request_id, link.incident.id, link.person, id, len(picture), step, pressed_ms=_pressed(sent.fields)
        )
        answer = await _act(link, request, station, added)
    except LinkError as no:
        return word_page(no)
    if answer.status_code != 303 and not known:  # noqa: PLR2004 - see other
        await asyncio.to_thread(station.files.erase, id)
    return answer


@router.post("/p/{token}/{action}", response_class=HTMLResponse)
async def act(token: str, action: str, request: Request, station: StationHere) -> Response:
    """Act for the person of the link: accept, cannot, arrived, step, hand-over or done; then back to the page."""
    if (test := await tried(token, request, station, answers=True)) is not None:
        return test
    try:
        form = await _form(request)
        link = await opened_link(token, request, station, form.get("lang", ""))
        return await _act(link, request, station, _command(link, station, action, form))
    except LinkError as no:
        return word_page(no)


async def _act(link: Link, request: Request, station: Station, command: Command) -> Response:
    """Carry out a press, and write down the device it came from where it is a new one."""
    pocket = Pocket(request, station.settings.base_url)
    if link.incident.closed_ms is None and pocket.device not in link.incident.handset.devices.get(link.person, ()):
        unique = f"{command.actor}/{link.incident.id}/device/{pocket.device}"
        used = UseLink(command.actor, unique, link.incident.id, link.person, pocket.device, pocket.app)
        await _ask(request, station, used)
    said = await _ask(request, station, command)
    answer: Response = RedirectResponse(f"{_back(link)}&saved=1", 303)
    if isinstance(said, Refused):
        answer = word_page(LinkError(refused(said).status, "refused", said.why, link.language, back=_back(link)))
    pocket.keep(link.token, answer)
    return answer


async def _ask(request: Request, station: Station, command: Command) -> Sequence[Written] | Refused:
    flights: Flights = request.app.state.flights
    return await flights.ask(station, command)


def _command(link: Link, station: Station, action: str, form: Mapping[str, str]) -> Command:
    incident, person, step = link.incident.id, link.person, form.get("step", "")[:200]
    makers: Mapping[str, Callable[[str, str, int], Command]] = {
        "accept": lambda a, r, at: Accept(a, r, incident, person, eta_min=_eta(form), pressed_ms=at),
        "cannot": lambda a, r, at: Decline(a, r, incident, person, form.get("why", "")[:2000], pressed_ms=at),
        "arrived": lambda a, r, at: Arrive(a, r, incident, person, _how(link, station, form), pressed_ms=at),
        "step": lambda a, r, at: TickStep(
            a, r, incident, step, person, form.get("note", "")[:2000], form.get("answer", "")[:80], pressed_ms=at
        ),
        "over": lambda a, r, at: HandOver(a, r, incident, person, form.get("to", "")[:200], pressed_ms=at),
        "done": lambda a, r, at: Finish(a, r, incident, person, form.get("result", "")[:2000], pressed_ms=at),
    }
    actor, request = _request_id(link, action, form)
    if action not in makers or (action == "step" and not step):
        raise LinkError(404, "refused", SENTENCES["form"], link.language, back=_back(link))
    return makers[action](actor, request, _pressed(form))


def _request_id(link: Link, action: str, form: Mapping[str, str]) -> tuple[str, str]:
    """Return the actor and the id of a press: one page carries one id; what is pressed on it makes it its own."""
    given, actor = form.get("request", ""), f"person:{link.person}"
    if not given or len(given) > REQUEST_LENGTH or not given.isascii() or not given.isprintable():
        raise LinkError(422, "refused", SENTENCES["form"], link.language, back=_back(link))
    which = [form.get(name, "")[:200] for name in _OF_ACTION.get(action, ())]
    return actor, "/".join(part for part in (actor, link.incident.id, given, action, *which) if part)


def _how(link: Link, station: Station, form: Mapping[str, str]) -> str:
    """Return how somebody shows to be at the place: by the label of a machine there, or by a second press."""
    typed = form.get("code", "").strip()
    if typed:
        if any(label.is_code(station.settings.secret, m, typed[:20]) for m in machines_of(link.incident) if m):
            return "qr"
        raise LinkError(422, "refused", SENTENCES["wrong_code"], link.language, back=_back(link))
    if form.get("confirm") != "hand":  # a link, opened or pressed by whatever follows links, is never an arrival
        raise LinkError(422, "refused", SENTENCES["form"], link.language, back=_back(link))
    return "hand"


def _eta(form: Mapping[str, str]) -> int:
    given = form.get("eta", "")
    return int(given) if given in {str(minutes) for minutes in ETAS} else 0


def _pressed(form: Mapping[str, str]) -> int:
    given = form.get("pressed", "")
    return int(given) if given.isascii() and given.isdecimal() and len(given) < 15 else 0  # noqa: PLR2004 - milliseconds


async def _form(request: Request) -> dict[str, str]:
    """Return the fields of a plain form; anything else is an empty one."""
    try:
        text = (await request.body()).decode("ascii")
        fields = parse_qs(text, keep_blank_values=True, max_num_fields=12, encoding="utf-8", errors="strict")
    except ValueError:
        return {}
    return {name: values[-1] for name, values in fields.items()}


def _back(link: Link) -> str:
    return f"/p/{quote(link.token)}?lang={link.language}"


def _context(station: Station) -> Context:
    view = station.view()
    return Context(view.site(station.site), station.clock.now(), reading(station), plans=view.plans)


def _is_preview(request: Request) -> bool:
    agent = request.headers.get("user-agent", "").lower()
    purpose = request.headers.get("sec-purpose", "") + request.headers.get("purpose", "")
    return request.method == "HEAD" or "pre" in purpose or any(name in agent for name in _PREVIEWERS)
