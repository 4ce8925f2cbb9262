"""The levels of a plan: whom reaching one calls, who is missing there, and who stands in for whom."""

from collections.abc import Collection
from typing import NamedTuple

from facility import records
from facility.plan import Call, Plan
from facility.records import Record
from facility.site import Site
from response import duty
from response.fold import tell
from response.incident import Incident
from response.lines import write
from response.paging import daytime, silence
from response.paging.requests import Target, pages
from response.paging.responders import at_work
from response.plans import crew, drill


class _Passed(NamedTuple):
    """What was done on the levels passed at the same moment."""

    paged: frozenset[str]
    unfilled: frozenset[tuple[int, str]]


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
        out += pages(incident, plan, site, at, level, turn, target, secure=_secure(plan, unfilled))
    wanted = any(call.responder for call in plan.levels[level].calls)
    empty = not any(t.responder for t in targets) if wanted else not targets
    if again or why == "inform" or not empty:
        return out
    if level + 1 < len(plan.levels):
        below = _Passed(passed.paged | {t.person for t in fresh}, unfilled)
        return out + reach(incident, plan, site, at, level + 1, "unfilled", below)
    return out + silence.told(incident, plan, site, at, level)


def tell_also(incident: Incident, plan: Plan, site: Site, at: int, people: Collection[str], role: str) -> list[Record]:
    """Return the pages that tell people of it at once, each once, beside whoever the plan calls and when."""
    out: list[Record] = []
    for person in people:
        if person not in incident.called:
            target = Target(person, role, responder=False)
            out += pages(incident, plan, site, at, incident.level, incident.round, target, secure=False)
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
    card = site.card(incident.equipment)
    left = crew.gone(incident, plan)
    answered = set() if everybody else {*incident.accepted, *incident.arrived} - left
    away = {*incident.declined, *left}
    found: dict[str, Target] = {}
    lacking: dict[str, dict[str, str]] = {}
    for call in calls:
        choice = duty.choose(site, call, at, away, card, incident.holder)
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


def in_their_place(incident: Incident, plan: Plan, site: Site, at: int) -> list[Record]:
    """Return whom to page instead of those who cannot come; with nobody left, the next level at once."""
    level, turn = incident.level, incident.round
    rung = {p for p, called in incident.called.items() if called.last == (level, turn) and called.responder}
    card = site.card(incident.equipment)
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
            out += pages(incident, plan, site, at, level, turn, target, secure=secure)
    if out:
        return out
    here = {call.role for call in plan.levels[min(level, len(plan.levels) - 1)].calls if call.responder}
    asked_here = {person for person, c in incident.called.items() if c.responder and here & {*c.roles}}
    if asked_here <= incident.declined.keys() and level + 1 < len(plan.levels):
        return reach(incident, plan, site, at, level + 1, "declined")
    tried = dict.fromkeys(incident.to_replace, "declined")
    roles = lacking or {incident.called[next(iter(incident.to_replace))].roles[0]: tried}
    out = [write(incident, at, records.DutyUnfilled(role, level, {**tried, **who})) for role, who in roles.items()]
    left = any(c.responder and person not in incident.declined for person, c in incident.called.items())
    return out if left else [*out, *silence.told(incident, plan, site, at, level)]


def _calls_of(incident: Incident, plan: Plan, people: Collection[str]) -> list[Call]:
    """Return the calls under which these people were paged."""
    roles = {role for person in people if person in incident.called for role in incident.called[person].roles}
    calls = [c for level in plan.levels[: incident.level + 1] for c in level.calls if c.responder and c.role in roles]
    return list(dict.fromkeys(calls))


def _secure(plan: Plan, unfilled: Collection[tuple[int, str]]) -> bool:
    """Say whether certified people are missing for work that needs them: who comes must not touch."""
    return any(
        call.certificates and (level, call.role) in unfilled
        for level, rung in enumerate(plan.levels)
        for call in rung.calls
    )
