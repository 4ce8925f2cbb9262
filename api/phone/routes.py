"""The phone link's routes: GET shows and changes nothing, POST acts and sends the browser back to GET."""

import hashlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote

from fastapi import APIRouter, Request
from starlette.background import BackgroundTask
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api.asking import Flights
from api.figures import Figures
from api.labels import NOT_A_SAFETY_FUNCTION
from api.phone.page import VALID_AFTER_CLOSE_MS, build
from api.phone.sentences import SENTENCES, sentence
from api.problems import refused
from api.routes.incidents import find
from api.station import Station
from api.who import StationHere
from facility.commands import Accept, AnswerTest, Arrive, Command, Decline, Finish, OpenPage, Refused, TickStep
from facility.equipment import point_id
from facility.records import test_subject
from facility.text import Text
from response.incident import Incident
from response.token import read_token
from stores.bucket import Buckets

if TYPE_CHECKING:
    from jinja2 import Environment

router = APIRouter(tags=["phone"], include_in_schema=True)

_HERE = Path(__file__).parent
_TYPES = {".css": "text/css", ".js": "text/javascript"}
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

TEST = test_subject("")


class Guards:
    """How often a link may be used, and how often an address may guess at one."""

    def __init__(self) -> None:
        self.link = Buckets(burst=40, each_ms=1000)
        self.guess = Buckets(burst=10, each_ms=10_000)


@dataclass(frozen=True, slots=True)
class _Link:
    """A link that is good: whose, about what."""

    token: str
    incident: Incident
    person: str
    language: str


class _PageError(Exception):
    """The answer is a page of words."""

    def __init__(self, status: int, title: str, words: Text, *, back: str = "", language: str = "zh") -> None:
        super().__init__(title)
        self.status, self.title, self.words, self.back, self.language = status, title, words, back, language


@cache
def _templates() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _files() -> Mapping[str, bytes]:
    return {file.name: file.read_bytes() for file in (_HERE / "files").iterdir() if file.suffix in _TYPES}


@cache
def version() -> str:
    """Return what stands behind the file names, so that browsers may keep them for ever."""
    return hashlib.sha256(b"".join(_files()[name] for name in sorted(_files()))).hexdigest()[:8]


def write(template: str, language: str, **values: Any) -> str:
    """Return a page in a language."""
    return (
        _templates()
        .get_template(template)
        .render(language=language, version=version(), say=lambda key: sentence(key, language), **values)
    )


@router.get("/phone/{name}", include_in_schema=False)
async def file(name: str) -> Response:
    """Give the page's own style or script."""
    body = _files().get(name)
    if body is None:
        return Response(status_code=404)
    headers = {"cache-control": "public, max-age=31536000, immutable"}
    return Response(body, headers=headers, media_type=_TYPES[Path(name).suffix])


async def _tried(token: str, request: Request, station: Station, *, answers: bool) -> Response | None:
    """Answer the link of a test page: GET shows one button, POST says that it was received; None: another link."""
    read = read_token(station.settings.secret, token) if len(token) <= 512 else None  # noqa: PLR2004
    if read is None or not read[0].startswith(TEST):
        return None
    key, person, language = read[0].removeprefix(TEST), read[1], _language(request, "")
    title = sentence("test_title", language)
    test = next((t for t in station.view().tryouts.values() if t.key == key and t.person == person), None)
    if test is not None and answers:
        actor = f"person:{person}"
        await station.ask(AnswerTest(actor, f"{actor}/{key}/answered", key, person))
        return RedirectResponse(f"/p/{quote(token)}", 303)
    if test is None:
        return _words(_PageError(410, title, SENTENCES["test_over"], language=language))
    done = test.state == "answered"
    html = write("test.html", language, title=title, done=done, token=token, statement=_statement(language))
    return HTMLResponse(html)


@router.head("/p/{token}", include_in_schema=False)
@router.get("/p/{token}", response_class=HTMLResponse)
async def show(token: str, request: Request, station: StationHere) -> Response:
    """Show the incident to the person the link was made for. Opening it acknowledges nothing.

    That a browser, not a previewer, fetched it is noted after the answer, once per page.
    """
    if (tried := await _tried(token, request, station, answers=False)) is not None:
        return tried
    try:
        link = await _link(token, request, station, request.query_params.get("lang", ""))
    except _PageError as page:
        return _words(page)
    figures: Figures = request.app.state.figures
    preview = _is_preview(request)
    figures.count("phone_previews_total" if preview else "phone_opened_total")
    saved = request.query_params.get("saved") == "1"
    now = station.clock.now()
    floor = station.live.read(point_id(link.incident.equipment, "floor")) if link.incident.equipment else None
    html = write(
        "incident.html",
        link.language,
        token=token,
        page=build(station.view().site(station.site), link.incident, link.person, now, link.language, floor),
        request_id=secrets.token_hex(8),
        saved=saved,
    )
    seen = None if preview or link.incident.closed_ms is not None else BackgroundTask(_opened, request, station, link)
    return HTMLResponse(html, background=seen)


async def _opened(request: Request, station: Station, link: _Link) -> None:
    actor, flights = f"person:{link.person}", request.app.state.flights
    unique = f"{actor}/{link.incident.id}/opened/{secrets.token_hex(8)}"
    await flights.ask(station, OpenPage(actor, unique, link.incident.id, link.person))


@router.post("/p/{token}/{action}", response_class=HTMLResponse)
async def act(token: str, action: str, request: Request, station: StationHere) -> Response:
    """Act for the person of the link: accept, cannot, arrived, step or done; then back to the page."""
    if (tried := await _tried(token, request, station, answers=True)) is not None:
        return tried
    try:
        form = await _form(request)
        link = await _link(token, request, station, form.get("lang", ""))
        command = _command(link, action, form)
        flights: Flights = request.app.state.flights
        said = await flights.ask(station, command)
        back = f"/p/{quote(token)}?lang={link.language}"
    except _PageError as page:
        return _words(page)
    if isinstance(said, Refused):
        title = sentence("refused", link.language)
        return _words(_PageError(refused(said).status, title, said.why, back=back, language=link.language))
    return RedirectResponse(f"{back}&saved=1", 303)


def _command(link: _Link, action: str, form: Mapping[str, str]) -> Command:
    given = form.get("request", "")
    if not given or len(given) > REQUEST_LENGTH or not given.isascii() or not given.isprintable():
        raise _PageError(422, sentence("refused", link.language), SENTENCES["form"], language=link.language)
    actor, incident, person = f"person:{link.person}", link.incident.id, link.person
    step = form.get("step", "")[:200]
    # One page carries one id; what is pressed on it makes it an id of its own.
    request = "/".join(part for part in (actor, incident, given, action, step if action == "step" else "") if part)
    makers: Mapping[str, Callable[[], Command]] = {
        "accept": lambda: Accept(actor, request, incident, person),
        "cannot": lambda: Decline(actor, request, incident, person, form.get("why", "")[:2000]),
        "arrived": lambda: Arrive(actor, request, incident, person),
        "step": lambda: TickStep(actor, request, incident, step, person, form.get("note", "")[:2000]),
        "done": lambda: Finish(actor, request, incident, person, form.get("result", "")[:2000]),
    }
    if action not in makers or (action == "step" and not step):
        raise _PageError(404, sentence("refused", link.language), SENTENCES["form"], language=link.language)
    return makers[action]()


async def _form(request: Request) -> dict[str, str]:
    """Return the fields of a plain form; anything else is an empty one."""
    try:
        text = (await request.body()).decode("ascii")
        fields = parse_qs(text, keep_blank_values=True, max_num_fields=12, encoding="utf-8", errors="strict")
    except ValueError:
        return {}
    return {name: values[-1] for name, values in fields.items()}


async def _link(token: str, request: Request, station: Station, asked: str) -> _Link:
    """Return what a link is about; raise the page of words that says why it is not good."""
    language = _language(request, asked)
    guards: Guards = request.app.state.guards
    now = station.clock.now()
    read = read_token(station.settings.secret, token) if len(token) <= 512 else None  # noqa: PLR2004 - ours are shorter
    address = request.client.host if request.client else ""
    bucket, key = (guards.link, token) if read else (guards.guess, address)
    wait = bucket.wait_ms(key, now)
    bucket.take(key, now)
    if wait:
        raise _PageError(429, sentence("often_title", language), SENTENCES["often"], language=language)
    incident = None
    if read is not None:
        about, person, generation = read
        if generation >= station.generation(about, person):
            incident = await find(station, about)
    if read is None or incident is None:
        title = sentence("unknown_title", language)
        raise _PageError(404, title, SENTENCES["unknown_link"], language=language)
    if incident.closed_ms is not None and now > incident.closed_ms + VALID_AFTER_CLOSE_MS:
        raise _PageError(410, sentence("gone_title", language), SENTENCES["gone"], language=language)
    return _Link(token, incident, read[1], language)


def _statement(language: str) -> str:
    return NOT_A_SAFETY_FUNCTION.en if language == "en" else NOT_A_SAFETY_FUNCTION.zh


def _words(page: _PageError) -> Response:
    first, other = (page.words.en, page.words.zh) if page.language == "en" else (page.words.zh, page.words.en)
    statement = _statement(page.language)
    html = write(
        "word.html", page.language, title=page.title, words=first, other=other, back=page.back, statement=statement
    )
    headers = {"retry-after": "5"} if page.status == 429 else {}  # noqa: PLR2004
    return HTMLResponse(html, page.status, headers)


def _language(request: Request, asked: str) -> str:
    if asked in {"zh", "en"}:
        return asked
    wanted = request.headers.get("accept-language", "").lower()
    zh, en = wanted.find("zh"), wanted.find("en")
    return "en" if en >= 0 and (zh < 0 or en < zh) else "zh"


def _is_preview(request: Request) -> bool:
    agent = request.headers.get("user-agent", "").lower()
    purpose = request.headers.get("sec-purpose", "") + request.headers.get("purpose", "")
    return request.method == "HEAD" or "pre" in purpose or any(name in agent for name in _PREVIEWERS)
