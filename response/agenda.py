"""What comes when in an incident, unless somebody does something first."""

from collections.abc import Iterator
from typing import NamedTuple

from facility.plan import Plan
from facility.site import Site
from response.incident import CONFIRMED, DESK, Incident
from response.paging.pace import REPEATS, pace
from response.paging.page import REQUESTED, UNHEARD
from response.paging.requests import CHANNEL_WAIT_MS, next_channel
from response.paging.responders import stopped
from response.plans import falsealarm as false
from response.plans import lifeclock
from response.plans.plan import counts, promise_of
from response.plans.promise import is_settled


class Due(NamedTuple):
    """Something that comes at a moment; at the same moment the lower rank comes first."""

    at_ms: int
    rank: int
    what: str
    which: str = ""


def agenda(incident: Incident, plan: Plan, site: Site) -> Iterator[Due]:
    """Yield everything that time alone will bring about, unless somebody does something first."""
    for name, promise in incident.promises.items():
        if not is_settled(promise) and _runs(incident, plan, name):
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
        if page.state in UNHEARD and not (halted and page.responder) and next_channel(incident, site, page):
            due = max(page.requested_ms, page.not_before_ms) + CHANNEL_WAIT_MS
            at = due if page.state == REQUESTED else page.at_ms
            yield Due(at, 7, "channel", page.key)


def first(incident: Incident, plan: Plan, site: Site, now: int) -> Due | None:
    """Return what comes first. Rounds that were slept through are rung once, at the newest of their moments."""
    level = max(0, min(incident.level, len(plan.levels) - 1))
    every = pace(incident, plan, level).repeat_ms if plan.levels else 0
    dues = [_newest_round(due, every, now) if due.what == "repeat" else due for due in agenda(incident, plan, site)]
    return min(dues, default=None)


def _newest_round(due: Due, every_ms: int, now: int) -> Due:
    return due._replace(at_ms=due.at_ms + max(0, (now - due.at_ms) // every_ms) * every_ms)
