"""Page requests of an incident: their keys, the channels that each takes, and what each says."""

import hashlib
from typing import NamedTuple

from facility import records
from facility.plan import Plan
from facility.records import Record
from facility.site import Site
from facility.text import Text
from response.incident import Incident
from response.lines import write
from response.paging import above, daytime, words
from response.paging.page import PageState
from response.plans import drill

CHANNEL_WAIT_MS = 30_000
"""A page that no provider took for so long goes out on the person's next channel."""


class Target(NamedTuple):
    """Somebody to be paged, and as what."""

    person: str
    role: str
    responder: bool


def page_key(incident: str, level: int, round: int, person: str, channel: str, why: str = "") -> str:
    """Return a page's key: the same on every retry and after every restart, another in every round.

    What is told beside the escalation has the same key on every level and in every round.
    """
    turn = why or f"level-{level}|{round}"
    words_ = f"{incident}|{turn}|{person}|{channel}"
    return hashlib.sha256(words_.encode()).hexdigest()[:24]


def channels(site: Site, id: str) -> list[str]:
    """Return the kinds of channel somebody can be reached on, in their order."""
    somebody = site.people.get(id) or site.parties.get(id)
    return list(dict.fromkeys(c.kind for c in somebody.channels)) if somebody else []


def next_channel(incident: Incident, site: Site, page: PageState) -> str | None:
    """Return the channel that a page goes to when its own did not take it; None where it has gone there, or none is."""
    # Rounds differ most: an incident that nobody answers has hundreds of pages, and this is asked of each unheard one.
    group = [p for p in incident.pages.values() if p.round == page.round and p.ring == page.ring]
    if page.key != group[-1].key:
        return None  # the next one is already on its way
    tried = {p.channel for p in group}
    return next((c for c in channels(site, page.person) if c not in tried), None)


def pages(
    incident: Incident, plan: Plan, site: Site, at: int, level: int, turn: int, target: Target, *, secure: bool
) -> list[Record]:
    """Return the page requests for one person: for life on every channel at once, otherwise on the first."""
    earlier = incident.called[target.person].rounds if target.person in incident.called else 0
    text = words.page_text(incident, plan, site, responder=target.responder, repeat=earlier + 1, secure=secure)
    ways = channels(site, target.person)
    ways = ways if incident.life else ways[:1]
    return [request(incident, site, at, (level, turn), target, way, text) for way in ways]


def tell_beside(
    incident: Incident, plan: Plan, site: Site, at: int, people: above.People, said: Text, why: str
) -> list[Record]:
    """Return the pages that tell people something beside the escalation; the same `why` never tells them twice."""
    text = words.told_text(incident, plan, site, said)
    turn = (incident.level, incident.round)
    told = [Target(who, role, responder=False) for who, role in people if not drill.spared(incident, site, who)]
    ways = [(target, way) for target in told for way in channels(site, target.person)[: None if incident.life else 1]]
    return [
        request(incident, site, at, turn, target, way, text, why)
        for target, way in ways
        if page_key(incident.id, *turn, target.person, way, why) not in incident.pages
    ]


def request(
    incident: Incident,
    site: Site,
    at: int,
    level_round: tuple[int, int],
    target: Target,
    channel: str,
    text: str,
    why: str = "",
) -> Record:
    """Return the request of one page, for its moment: what is not for life may wait for the day."""
    when = daytime.rings_ms(site, incident.priority, at)
    key = page_key(incident.id, *level_round, target.person, channel, why)
    data = records.PageRequested(
        key, incident.id, target.person, channel, *level_round, target.responder, text, target.role,
        not_before_ms=when if when > at else 0, priority=incident.priority, why=why,
    )  # fmt: skip
    return write(incident, at, data, target.person, request=key)
