"""Who is called, when, and again: levels, rounds, channels, acceptances and promises, as a function of the incident.

`agenda` says what comes when; `carry_out` says which records that makes. Both look at nothing but their arguments,
so that an incident read back from the book goes on exactly as if nothing had happened.
"""

import hashlib
from collections.abc import Collection, Iterator
from typing import NamedTuple

from facility import records
from facility.equipment import Card
from facility.plan import LIFE_CLOCK, Call, Plan
from facility.records import Payload, Record
from facility.site import Site
from response import above, daytime, drill, duty, lifeclock, words
from response import falsealarm as false
from response.fold import CONFIRMED, DESK, REQUESTED, UNHEARD, Incident, PageState, tell
from response.pace import pace
from response.plan import BELL, counts, promise_of

CHANNEL_WAIT_MS = 30_000
"""A page that no provider took for so long goes out on the person's next channel."""

REPEATS = 3
"""Below life, nobody is asked more often than this on one level; for a life it is rung until somebody comes."""


class Due(NamedTuple):
    """Something that comes at a moment; at the same moment the lower rank comes first."""

    at_ms: int
    rank: int
    what: str
    which: str = ""


class _Passed(NamedTuple):
    """What was done on the levels passed at the same moment."""

    paged: frozenset[str]
    unfilled: frozenset[tuple[int, str]]


class Target(NamedTuple):
    """Somebody to be paged, and as what."""

    person: str
    role: str
    responder: bool


def write(
    incident: Incident, at_ms: int, data: Payload, *people: str, request: str | None = None, actor: str = "system"
) -> Record:
    """Return a record of an incident, found under its machine and the people it tells of."""
    kind = _KIND_OF[type(data)]
    about = tuple(who for who in (incident.equipment, *people) if who)
    return Record(at_ms, kind, records.incident_subject(incident.id), data, actor, request, about)


_KIND_OF = {payload: kind for kind, payload in records.PAYLOADS.items()}


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


def is_responder(incident: Incident, plan: Plan | None, site: Site, person: str) -> bool:
    """Say whether somebody's coming counts: paged as a responder, or of a role that the plan calls as one."""
    if (person in incident.called and incident.called[person].responder) or person == incident.holder:
        return True
    calls = [c for level in plan.levels for c in level.calls if c.responder] if plan else []
    if person in site.people:
        return any(call.role in site.people[person].roles for call in calls)
    return any(person in duty.party_of(site, call.role, _card(incident, site)) for call in calls)


def stopped(incident: Incident, plan: Plan, site: Site) -> bool:
    """Say whether nobody further needs to be called: a responder is on the way or there."""
    return bool(incident.accepted) or any(is_responder(incident, plan, site, p) for p in incident.arrived)


def at_work(incident: Incident, plan: Plan, site: Site) -> set[str]:
    """Return the responders who are on the way or there and have not finished."""
    there = {p for p in incident.arrived if is_responder(incident, plan, site, p)}
    return {*incident.accepted, *there} - incident.finished.keys()


def over(incident: Incident, plan: Plan, site: Site) -> bool:
    """Say whether responders came and all of them have finished: nobody is called, and nobody is there."""
    return stopped(incident, plan, site) and not at_work(incident, plan, site)


def given_up(incident: Incident, plan: Plan, site: Site) -> bool:
    """Say whether below life everybody was asked as often as it is done, and nobody comes: it is the desk's turn."""
    last = incident.level == len(plan.levels) - 1 and incident.stage == CONFIRMED and not incident.life
    return last and incident.rang >= REPEATS and not stopped(incident, plan, site)


# -- what comes when ----------------------------------------------------------------------------------------


def agenda(incident: Incident, plan: Plan, site: Site) -> Iterator[Due]:
    """Yield everything that time alone will bring about, unless somebody does something first."""
    for name, promise in incident.promises.items():
        if promise.kept_ms is None and promise.broken_ms is None and _runs(incident, plan, name):
            yield Due(promise.by_ms, 2, "promise", name)
    if incident.stage == DESK:
        if incident.answered is None or false.unsettled(incident, plan):
            yield Due(incident.confirm_by_ms, 0, "unanswered")
        return
    if incident.stage != CONFIRMED or not plan.levels:
        return
    yield from (Due(at, 2, "warn", str(after)) for at, after in lifeclock.warnings(incident, plan))
    if incident.level < 0:
        yield Due(incident.confirmed_ms or incident.opened_ms, 1, "start")
    elif incident.rang_again:
        yield Due(incident.confirmed_ms or incident.opened_ms, 1, "again")
    else:
        yield from _escalation(incident, plan, site)


def _escalation(incident: Incident, plan: Plan, site: Site) -> Iterator[Due]:
    """Yield what is to come once the first people were called."""
    level = min(incident.level, len(plan.levels) - 1)
    times = pace(incident, plan, level)
    for person, at in incident.accepted.items():
        if person not in incident.arrived:
            yield Due(at + times.expiry_ms, 3, "expiry", person)
    halted = stopped(incident, plan, site)
    yield from _channels_due(incident, site, halted=halted)
    if halted:
        return
    if incident.to_replace:
        yield Due(min(incident.to_replace.values()), 4, "declined")
    if level + 1 < len(plan.levels):
        yield Due(incident.level_ms + times.level_ms, 5, "level")
    if times.repeat_ms > 0 and (incident.life or incident.rang < REPEATS):
        yield Due(incident.round_ms + times.repeat_ms, 6, "repeat")


def _runs(incident: Incident, plan: Plan, promise: str) -> bool:
    """Say whether a promise counts yet: nobody is expected at the place while the desk still asks the car."""
    if incident.stage == CONFIRMED:
        return counts(incident, plan, promise)
    return incident.stage == DESK and any(promise == promise_of(s) and not s.arrival for s in plan.steps)


def _channels_due(incident: Incident, site: Site, *, halted: bool) -> Iterator[Due]:
    """Yield the pages whose channel did not take them, while the person has another one and is still needed."""
    for page in incident.pages.values():
        if page.state in UNHEARD and not (halted and page.responder) and _next_channel(incident, site, page):
            due = max(page.requested_ms, page.not_before_ms) + CHANNEL_WAIT_MS
            at = due if page.state == REQUESTED else page.at_ms
            yield Due(at, 7, "channel", page.key)


def _next_channel(incident: Incident, site: Site, page: PageState) -> str | None:
    group = [p for p in incident.pages.values() if p.ring == page.ring]
    if page.key != group[-1].key:
        return None  # the next one is already on its way
    tried = {p.channel for p in group}
    return next((c for c in channels(site, page.person) if c not in tried), None)


# -- what it makes ------------------------------------------------------------------------------------------


def carry_out(due: Due, incident: Incident, plan: Plan, site: Site) -> list[Record]:  # noqa: C901, PLR0911 - one per kind
    """Return the records that a due moment makes, at that moment, however late we woke."""
    at = max(due.at_ms, incident.last_ms)
    match due.what:
        case "unanswered":
            if incident.answered is not None:
                return [write(incident, at, records.IncidentConfirmed("unconfirmed"))]
            broken = records.PromiseBroken(BELL, incident.confirm_by_ms)
            return [
                write(incident, at, broken, request=f"{incident.id}/broken/{BELL}@{incident.confirm_by_ms}"),
                write(incident, at, records.IncidentConfirmed("unanswered")),
            ]
        case "start" | "again":
            return reach(incident, plan, site, at, 0, due.what)
        case "promise":
            return _broken(incident, plan, site, at, due.which)
        case "warn":
            return _warned(incident, plan, site, at, int(due.which))
        case "expiry":
            expired = write(incident, at, records.AcceptanceExpired(due.which), due.which)
            then = tell(incident, expired)
            return (
                [expired] if stopped(then, plan, site) else [expired, *reach(then, plan, site, at, then.level, "late")]
            )
        case "declined":
            return _in_their_place(incident, plan, site, at)
        case "level":
            return reach(incident, plan, site, at, incident.level + 1, "unanswered")
        case "repeat":
            return reach(incident, plan, site, at, incident.level, "unanswered")
        case "channel":
            page = incident.pages[due.which]
            channel = _next_channel(incident, site, page) or page.channel
            target = Target(page.person, page.role, page.responder)
            return [_request(incident, site, at, (page.level, page.round), target, channel, page.text, page.why)]
    raise AssertionError(due.what)


def reach(
    incident: Incident, plan: Plan, site: Site, at: int, level: int, why: str, passed: _Passed | None = None
) -> list[Record]:
    """Return what reaching a level (or ringing again on it) makes: the level, who is missing, and the pages.

    A level with nobody to respond is passed at once; `passed` is what happened on those below at this very moment.
    """
    level = min(level, len(plan.levels) - 1)
    again = level == incident.level and why != "again"
    turn = incident.round + 1 if again else incident.first_round
    if why == "again":  # no round of any level comes twice: its pages would have keys of old
        turn = incident.top_round + 1
    # What may wait for the day is for those who are on duty then.
    when = daytime.rings_ms(site, incident.priority, at)
    said = records.LevelReached(level, turn, why, when if when > at else 0)
    out = [write(incident, at, said, request=f"{incident.id}/level/{level}/{turn}")]
    if why == "again":
        incident = tell(incident, out[0])
    passed = passed or _Passed(frozenset(), incident.unfilled)
    targets, lacking = _targets(incident, plan, site, when, level, why)
    out += [
        write(incident, at, records.DutyUnfilled(role, level, tried))
        for role, tried in lacking.items()
        if (level, role) not in incident.unfilled
    ]
    unfilled = passed.unfilled | {(level, role) for role in lacking}
    fresh = [t for t in targets if t.person not in passed.paged]
    for target in fresh:
        out += _pages(incident, plan, site, at, level, turn, target, secure=_secure(plan, unfilled))
    wanted = any(call.responder for call in plan.levels[level].calls)
    if not again and wanted and not any(t.responder for t in targets) and level + 1 < len(plan.levels):
        below = _Passed(passed.paged | {t.person for t in fresh}, unfilled)
        out += reach(incident, plan, site, at, level + 1, "unfilled", below)
    return out


def tell_also(incident: Incident, plan: Plan, site: Site, at: int, people: Collection[str], role: str) -> list[Record]:
    """Return the pages that tell people of it at once, each once, beside whoever the plan calls and when."""
    out: list[Record] = []
    for person in people:
        if person not in incident.called:
            target = Target(person, role, responder=False)
            out += _pages(incident, plan, site, at, incident.level, incident.round, target, secure=False)
    return out


def _targets(
    incident: Incident, plan: Plan, site: Site, at: int, level: int, why: str
) -> tuple[list[Target], dict[str, dict[str, str]]]:
    """Return whom to page, each once, and for the roles that were not filled who was passed over and why."""
    again = level == incident.level and why != "again"
    everybody = why in {"worse", "inform"}  # all who know of it must know that
    here = plan.levels[level].calls
    below = [call for lower in plan.levels[:level] for call in lower.calls if call.responder or everybody]
    if everybody:
        calls = [*below, *here]
    elif again:
        calls = [*below, *(call for call in here if call.responder)]
    else:
        calls = [*below, *here] if why == "unanswered" else list(here)
    card = _card(incident, site)
    answered = set() if everybody else {*incident.accepted, *incident.arrived}
    found: dict[str, Target] = {}
    lacking: dict[str, dict[str, str]] = {}
    for call in calls:
        choice = duty.choose(site, call, at, incident.declined, card, incident.holder)
        if again and not choice.people and level == len(plan.levels) - 1:
            # Everybody said no and nobody is left above: asking again is better than silence.
            choice = duty.choose(site, call, at, (), card, incident.holder)
        if len(choice.people) < call.count and call in here:
            lacking[call.role] = dict(choice.passed_over)
        for person, _ in choice.people:
            if person not in answered and not drill.spared(incident, site, person):
                before = found.get(person, Target(person, call.role, responder=False))
                found[person] = before._replace(responder=before.responder or call.responder)
    if why == "inform":
        for person in sorted(at_work(incident, plan, site) & incident.called.keys()):
            found.setdefault(person, Target(person, incident.called[person].roles[0], responder=False))
        return [target._replace(responder=False) for target in found.values()], {}
    return list(found.values()), lacking


def _in_their_place(incident: Incident, plan: Plan, site: Site, at: int) -> list[Record]:
    """Return whom to page instead of those who cannot come; with nobody left, the next level at once."""
    level, turn = incident.level, incident.round
    rung = {p for p, called in incident.called.items() if called.last == (level, turn) and called.responder}
    card = _card(incident, site)
    out: list[Record] = []
    lacking: dict[str, dict[str, str]] = {}
    asked: set[str] = set()
    for call in _calls_of(incident, plan, incident.to_replace):
        choice = duty.choose(site, call, at, incident.declined, card, incident.holder)
        asked |= {person for person, _ in choice.people if drill.spared(incident, site, person)}
        fresh = [person for person, _ in choice.people if person not in rung | asked]
        if not choice.people:
            lacking[call.role] = dict(choice.passed_over)
        for person in fresh:
            asked.add(person)
            target = Target(person, call.role, call.responder)
            secure = _secure(plan, incident.unfilled)
            out += _pages(incident, plan, site, at, level, turn, target, secure=secure)
    if out:
        return out
    here = {call.role for call in plan.levels[min(level, len(plan.levels) - 1)].calls if call.responder}
    asked_here = {person for person, c in incident.called.items() if c.responder and here & {*c.roles}}
    if asked_here <= incident.declined.keys() and level + 1 < len(plan.levels):
        return reach(incident, plan, site, at, level + 1, "declined")
    tried = dict.fromkeys(incident.to_replace, "declined")
    roles = lacking or {incident.called[next(iter(incident.to_replace))].roles[0]: tried}
    return [write(incident, at, records.DutyUnfilled(role, level, {**tried, **who})) for role, who in roles.items()]


def _calls_of(incident: Incident, plan: Plan, people: Collection[str]) -> list[Call]:
    """Return the calls under which these people were paged."""
    roles = {role for person in people if person in incident.called for role in incident.called[person].roles}
    calls = [c for level in plan.levels[: incident.level + 1] for c in level.calls if c.responder and c.role in roles]
    return list(dict.fromkeys(calls))


def _warned(incident: Incident, plan: Plan, site: Site, at: int, after_ms: int) -> list[Record]:
    people = above.everyone(site, incident, at, above.OVER_LIFE)
    targets = [Target(person, role, responder=False) for person, role in people]
    text = words.told_text(incident, plan, site, lifeclock.warning(plan, after_ms))
    why = f"life-clock/{after_ms}@{incident.claims.held_from_ms}"
    warned = write(incident, at, records.LifeClockWarned(after_ms))
    return [warned, *tell_beside(incident, site, at, targets, text, why)]


def _broken(incident: Incident, plan: Plan, site: Site, at: int, name: str) -> list[Record]:
    by = incident.promises[name].by_ms
    out = [write(incident, at, records.PromiseBroken(name, by), request=f"{incident.id}/broken/{name}@{by}")]
    climbs = name == plan.arrival and 0 <= incident.level < len(plan.levels) - 1
    if climbs:
        return out + reach(incident, plan, site, at, incident.level + 1, "late")
    found = above.over(site, incident, at, plan, name)
    if found is None:
        return out
    people, said = found
    targets = [Target(person, role, responder=False) for person, role in people]
    text = words.told_text(incident, plan, site, said)
    return out + tell_beside(incident, site, at, targets, text, f"broken/{name}@{by}")


def kept(incident: Incident, names: Collection[str], at: int) -> list[Payload]:
    """Return that these promises were kept, for those of them that still run."""
    found: list[Payload] = []
    for name in dict.fromkeys(names):
        promise = incident.promises.get(name)
        if promise and promise.kept_ms is None and promise.broken_ms is None and incident.clock_ms is not None:
            since = incident.claims.held_from_ms if name == LIFE_CLOCK else incident.clock_ms
            found.append(records.PromiseKept(name, promise.by_ms, at - (since or incident.clock_ms)))
    return found


def _secure(plan: Plan, unfilled: Collection[tuple[int, str]]) -> bool:
    """Say whether certified people are missing for work that needs them: who comes must not touch."""
    return any(
        call.certificates and (level, call.role) in unfilled
        for level, rung in enumerate(plan.levels)
        for call in rung.calls
    )


def _pages(
    incident: Incident, plan: Plan, site: Site, at: int, level: int, turn: int, target: Target, *, secure: bool
) -> list[Record]:
    """Return the page requests for one person: for life on every channel at once, otherwise on the first."""
    earlier = incident.called[target.person].rounds if target.person in incident.called else 0
    text = words.page_text(incident, plan, site, responder=target.responder, repeat=earlier + 1, secure=secure)
    ways = channels(site, target.person)
    ways = ways if incident.life else ways[:1]
    return [_request(incident, site, at, (level, turn), target, way, text) for way in ways]


def tell_beside(
    incident: Incident, site: Site, at: int, people: Collection[Target], text: str, why: str
) -> list[Record]:
    """Return the pages that tell people something beside the escalation; the same `why` never tells them twice."""
    turn = (incident.level, incident.round)
    told = [target for target in people if not drill.spared(incident, site, target.person)]
    ways = [(target, way) for target in told for way in channels(site, target.person)[: None if incident.life else 1]]
    return [
        _request(incident, site, at, turn, target, way, text, why)
        for target, way in ways
        if page_key(incident.id, *turn, target.person, way, why) not in incident.pages
    ]


def _request(
    incident: Incident,
    site: Site,
    at: int,
    level_round: tuple[int, int],
    target: Target,
    channel: str,
    text: str,
    why: str = "",
) -> Record:
    when = daytime.rings_ms(site, incident.priority, at)
    key = page_key(incident.id, *level_round, target.person, channel, why)
    data = records.PageRequested(
        key, incident.id, target.person, channel, *level_round, target.responder, text, target.role,
        not_before_ms=when if when > at else 0, priority=incident.priority, why=why,
    )  # fmt: skip
    return write(incident, at, data, target.person, request=key)


def _card(incident: Incident, site: Site) -> Card:
    machine = site.equipment.get(incident.equipment)
    return machine.card if machine else Card()


def first(incident: Incident, plan: Plan, site: Site, now: int) -> Due | None:
    """Return what comes first. Rounds that were slept through are rung once, at the newest of their moments."""
    level = max(0, min(incident.level, len(plan.levels) - 1))
    every = pace(incident, plan, level).repeat_ms if plan.levels else 0
    dues = [_newest_round(due, every, now) if due.what == "repeat" else due for due in agenda(incident, plan, site)]
    return min(dues, default=None)


def _newest_round(due: Due, every_ms: int, now: int) -> Due:
    return due._replace(at_ms=due.at_ms + max(0, (now - due.at_ms) // every_ms) * every_ms)
