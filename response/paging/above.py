"""Who stands above a role, for what is told upward: a step skipped, a promise broken, the life clock."""

from collections.abc import Iterable

from facility.plan import LIFE_CLOCK, Call, Plan
from facility.rule import Priority
from facility.site import Site
from facility.text import Text
from response import duty
from response.incident import Incident
from response.plans.plan import promise_of

SUPERVISOR, MANAGER, LEADER, COMPANY = "engineering-supervisor", "project-manager", "leader-on-duty", "company-leader"

_ABOVE = {
    "operator": (LEADER, MANAGER),
    "guard": (LEADER, MANAGER),
    "customer-service": (MANAGER, LEADER),
    SUPERVISOR: (MANAGER, LEADER),
    MANAGER: (LEADER, COMPANY),
    LEADER: (COMPANY, MANAGER),
}
_OTHERWISE = (SUPERVISOR, LEADER, MANAGER)

OVER_LIFE = (LEADER, MANAGER)
"""Who is told of the life clock; both, at once."""

People = list[tuple[str, str]]
"""Persons, each with the role in which they are told."""


def supervisors(site: Site, incident: Incident, at: int) -> People:
    """Return who is told of a step that was skipped, or of a gate that was set aside: the first who can be reached.

    Where a life is at stake the leader on duty is told as well: one phone may be dead.
    """
    found = dict(_first(site, incident, at, _OTHERWISE))
    for who, role in _first(site, incident, at, (LEADER, MANAGER)) if incident.life else []:
        found.setdefault(who, role)
    return list(found.items())


def over(site: Site, incident: Incident, at: int, plan: Plan, promise: str) -> tuple[People, Text] | None:
    """Return who is told that a promise was broken, and in which words; None when it only stands on the screen.

    Of a mandatory step of something urgent it is whoever stands above its role, unless that person is called to come
    already; of the life clock the leader on duty and the manager.
    """
    if promise == LIFE_CLOCK:
        return everyone(site, incident, at, OVER_LIFE), Text(
            "困人时限已到，人员仍未救出：属特种设备事故，立即上报并请求 119。",
            "The time people may be held has run out and they are not free: an accident in law. Report it, call 119.",
        )
    if incident.priority > Priority.HIGH:  # its calls wait for the day; a late step stands on the screen
        return None
    step = next((s for s in plan.steps if promise_of(s) == promise and s.mandatory and not s.arrival), None)
    if step is None:
        return None
    called = {person for person, c in incident.called.items() if c.responder}  # their phones ring for it anyhow
    people = [(p, role) for p, role in _first(site, incident, at, _ABOVE.get(step.role, _OTHERWISE)) if p not in called]
    return people, Text(f"步骤超时未完成：{step.text.zh}", f"Step not done in time: {step.text.en}")


def everyone(site: Site, incident: Incident, at: int, roles: Iterable[str]) -> People:
    """Return one person of each role that can be reached, nobody twice."""
    found: dict[str, str] = {}
    for role in roles:
        for person in _of(site, incident, at, role):
            found.setdefault(person, role)
    return list(found.items())


def _first(site: Site, incident: Incident, at: int, roles: Iterable[str]) -> People:
    return next(([(p, role) for p in found] for role in roles if (found := _of(site, incident, at, role))), [])


def _of(site: Site, incident: Incident, at: int, role: str) -> list[str]:
    choice = duty.choose(site, Call(role), at, (), site.card(incident.equipment))
    return [person for person, _ in choice.people]
