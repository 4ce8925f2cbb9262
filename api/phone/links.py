"""Whose link it is, about what, and whether it still holds."""

from dataclasses import dataclass

from starlette.requests import Request

from api.phone.sentences import SENTENCES
from api.routes.incidents import find
from api.station import Station
from facility.text import Text
from response.incident import Incident
from response.phone.token import read_token
from stores.bucket import Buckets

VALID_AFTER_CLOSE_MS = 4 * 3_600_000
"""A link is good until so long after its incident was closed."""

VALID_MS = 24 * 3_600_000
"""While it runs, a link is good until so long after the last page to its person, or the last answer of theirs.

Who works on an incident keeps the link, and each page renews it; one that lay in a chat for a day opens nothing.
"""

LONGEST = 512
"""Letters of a token; ours are shorter."""


class Guards:
    """How often a link may be used, and how often an address may guess at one."""

    def __init__(self) -> None:
        self.link = Buckets(burst=40, each_ms=1000)
        self.guess = Buckets(burst=10, each_ms=10_000)


@dataclass(frozen=True, slots=True)
class Link:
    """A link that is good: whose, about what."""

    token: str
    incident: Incident
    person: str
    language: str


class LinkError(Exception):
    """Nothing was done, and a page of words says why; `title` is the id of a sentence."""

    def __init__(self, status: int, title: str, words: Text, language: str, *, back: str = "") -> None:
        super().__init__(title)
        self.status, self.title, self.words, self.language, self.back = status, title, words, language, back


def language_of(request: Request, asked: str) -> str:
    """Return zh or en: what was asked for, or what the browser prefers."""
    if asked in {"zh", "en"}:
        return asked
    wanted = request.headers.get("accept-language", "").lower()
    zh, en = wanted.find("zh"), wanted.find("en")
    return "en" if en >= 0 and (zh < 0 or en < zh) else "zh"


def guard(request: Request, station: Station, good: str, language: str) -> None:
    """Slow down whoever hammers one address that is `good`, and whoever guesses (`good` is empty).

    Raises:
        LinkError: too often.
    """
    guards: Guards = request.app.state.guards
    address = request.client.host if request.client else ""
    now = station.clock.now()
    bucket, key = (guards.link, good) if good else (guards.guess, address)
    wait = bucket.wait_ms(key, now)
    bucket.take(key, now)
    if wait:
        raise LinkError(429, "often_title", SENTENCES["often"], language)


async def opened_link(token: str, request: Request, station: Station, asked: str) -> Link:
    """Return what a request's link is about.

    Raises:
        LinkError: it is not good, or used too often.
    """
    language = language_of(request, asked)
    good = len(token) <= LONGEST and read_token(station.settings.secret, token) is not None
    guard(request, station, token if good else "", language)
    return await good_link(token, station, language)


async def good_link(token: str, station: Station, language: str) -> Link:
    """Return what a token is about.

    Raises:
        LinkError: it is none of ours, was revoked, or its time is over.
    """
    read = read_token(station.settings.secret, token) if len(token) <= LONGEST else None
    incident = await find(station, read[0]) if read else None
    if read is None or incident is None:
        raise LinkError(404, "unknown_title", SENTENCES["unknown_link"], language)
    _, person, generation = read
    if generation < incident.handset.generations.get(person, 0):
        raise LinkError(410, "revoked_title", SENTENCES["revoked"], language)
    if incident.closed_ms is not None and station.clock.now() > incident.closed_ms + VALID_AFTER_CLOSE_MS:
        raise LinkError(410, "gone_title", SENTENCES["gone"], language)
    if incident.closed_ms is None and station.clock.now() > _heard_of(incident, person) + VALID_MS:
        raise LinkError(410, "gone_title", SENTENCES["expired"], language)
    return Link(token, incident, person, language)


def _heard_of(incident: Incident, person: str) -> int:
    """Return when somebody was last paged, or last answered, as far as the incident knows."""
    answers = (incident.seen, incident.accepted, incident.declined, incident.arrived, incident.finished)
    pages = (max(p.requested_ms, p.at_ms, p.not_before_ms) for p in incident.pages.values() if p.person == person)
    steps = (s.at_ms for step in incident.steps.values() for s in step.signatures if s.by == person)
    return max([incident.opened_ms, *(a[person] for a in answers if person in a), *pages, *steps])
