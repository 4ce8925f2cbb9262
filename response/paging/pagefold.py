"""What a record about a page changes in its incident: the page, who was called, who accepted or cannot come."""

from collections.abc import Mapping

from msgspec.structs import replace

from facility.records import PageDelivered, PageFailed, PageOpened, PageRefused, PageRequested, PageSent
from response.incident import Incident
from response.paging.page import (
    ACKNOWLEDGED,
    DECLINED,
    FAILED,
    LONGEST_BACK_OFF_FOR_LIFE_MS,
    LONGEST_BACK_OFF_MS,
    OVERTAKEN,
    REFUSED,
    SENT,
    UNHEARD,
    UNSENT,
    Called,
    PageState,
)

PAGES_KEPT = 150
"""An incident that nobody answers rings for days; the book has all its pages, the state the newest."""


def requested(i: Incident, at: int, data: PageRequested) -> Incident:
    """Return the incident with one more page, and what that one overtakes."""
    # What was not sent in an earlier round is not sent beside the newer one: one ring, not two.
    # What is told beside the escalation stands by itself, but of broken promises the newest tells enough.
    of = "broken/" if data.why.startswith("broken/") else data.why
    pages = {
        k: overtaken(p, at)
        if (p.person, p.channel) == (data.person, data.channel) and (p.why.startswith(of) if of else not p.why)
        else p
        for k, p in i.pages.items()
    }
    before = i.called.get(data.person, Called((), responder=False, rounds=0, last=(-1, -1)))
    this_round = (data.level, data.round)
    called = Called(
        roles=before.roles if data.role in before.roles else (*before.roles, data.role),
        responder=before.responder or data.responder,
        rounds=before.rounds + (before.last != this_round),
        last=this_round,
    )
    if data.why:
        called = replace(called, rounds=before.rounds, last=before.last)
    if len(pages) > PAGES_KEPT * 4 // 3:
        # A page that still waits needs its siblings: they say which channels were tried beside it.
        held = {p.ring for p in pages.values() if p.state in UNSENT}
        over = [k for k, p in pages.items() if p.ring not in held]
        old = frozenset(over[:-PAGES_KEPT])
        pages = {k: p for k, p in pages.items() if k not in old}
    pages[data.key] = PageState(
        data.key, data.incident, data.person, data.channel, data.level, data.round, data.responder, data.role,
        data.text, requested_ms=at, not_before_ms=max(at, data.not_before_ms), at_ms=at, why=data.why,
    )  # fmt: skip
    return replace(
        i,
        pages=pages,
        called={**i.called, data.person: called},
        to_replace=i.to_replace if data.why or before.last == this_round else {},
    )


def reported(i: Incident, at: int, data: PageSent | PageRefused) -> Incident:
    """Return the incident after a provider took a page, or did not."""
    page = i.pages.get(data.key)
    if page is None:
        return i
    if isinstance(data, PageRefused):
        longest = LONGEST_BACK_OFF_FOR_LIFE_MS if i.life else LONGEST_BACK_OFF_MS
        wait = min(2000 * 2 ** min(data.attempt - 1, 10), longest)
        attempt = replace(page, attempts=data.attempt, said=data.said, at_ms=at, not_before_ms=at + wait)
        return replace(
            i, pages={**i.pages, data.key: replace(attempt, state=REFUSED if page.state in UNSENT else page.state)}
        )
    answered = page.person in i.accepted or page.person in i.seen or page.person in i.arrived
    sent = replace(page, state=ACKNOWLEDGED if answered else SENT, said=data.said, at_ms=at)
    pages = {**i.pages, data.key: sent}
    if not i.life:  # one channel was enough; for life all of them ring
        pages = {k: overtaken(p, at) if p.ring == page.ring else p for k, p in pages.items()}
    return replace(i, pages=pages)


def received(i: Incident, at: int, data: PageDelivered | PageFailed) -> Incident:
    """Return the incident after the receipt for a page that was sent."""
    page = i.pages.get(data.key)
    if page is None:
        return i
    if isinstance(data, PageDelivered):
        delivered = page.delivered_ms or at
        state = SENT if page.state in UNHEARD else page.state  # the receipt came though the answer was lost
        page = replace(page, state=state, delivered_ms=delivered, said=data.said or page.said, at_ms=at)
    elif page.state == SENT and page.delivered_ms is None and page.opened_ms is None:
        page = replace(page, state=FAILED, said=data.said, at_ms=at)
    return replace(i, pages={**i.pages, data.key: page})


def opened(i: Incident, at: int, data: PageOpened) -> Incident:
    """Return the incident after somebody looked at his pages."""

    def looked_at(page: PageState) -> bool:
        mine = page.key == data.key if data.key else page.person == data.person
        return mine and page.opened_ms is None and page.state in UNHEARD | {SENT}

    pages = {k: replace(p, opened_ms=at, at_ms=at) if looked_at(p) else p for k, p in i.pages.items()}
    return replace(i, pages=pages)


def declined(i: Incident, at: int, person: str) -> Incident:
    """Return the incident after somebody cannot come; another is asked in his place, if he was asked to come."""
    turned_back = person in i.accepted
    accepted = without(i.accepted, person)
    asked = person in i.called and i.called[person].responder
    i = replace(
        i,
        pages=answered(i, person, DECLINED, at),
        accepted=accepted,
        declined={**i.declined, person: at},
        to_replace={**i.to_replace, person: at} if asked and not accepted else i.to_replace,
    )
    # Escalation stood still while this person was on the way: its times begin anew.
    return replace(i, level_ms=at, round_ms=at) if turned_back else i


def answered(i: Incident, person: str, state: str, at: int) -> dict[str, PageState]:
    """Return the pages after somebody answered: what was sent to him has that state, what was not is not sent."""
    return {
        k: p if p.person != person else (replace(p, state=state, at_ms=at) if p.state == SENT else overtaken(p, at))
        for k, p in i.pages.items()
    }


def overtaken(page: PageState, at: int) -> PageState:
    """Return a page that is no longer worth sending; one that has left stays as it is."""
    return replace(page, state=OVERTAKEN, at_ms=at) if page.state in UNSENT else page


def without(mapping: Mapping[str, int], key: str) -> Mapping[str, int]:
    """Return who did it when, but for one of them."""
    return {k: v for k, v in mapping.items() if k != key}
