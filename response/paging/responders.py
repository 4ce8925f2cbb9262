"""Who of those that know of an incident responds to it: whose coming counts, and who is at work."""

from facility.plan import Plan
from facility.site import Site
from response import duty
from response.incident import CONFIRMED, Incident
from response.paging.pace import REPEATS
from response.plans import crew


def is_responder(incident: Incident, plan: Plan | None, site: Site, person: str) -> bool:
    """Say whether somebody's coming counts: paged as a responder, or of a role that the plan calls as one."""
    if (person in incident.called and incident.called[person].responder) or person == incident.holder:
        return True
    calls = [c for level in plan.levels for c in level.calls if c.responder] if plan else []
    if person in site.people:
        return any(call.role in site.people[person].roles for call in calls)
    return any(person in duty.party_of(site, call.role, site.card(incident.equipment)) for call in calls)


def stopped(incident: Incident, plan: Plan, site: Site) -> bool:
    """Say whether nobody further needs to be called: as many as the plan's arrivals ask for are on the way or there.

    A plan that awaits nobody in particular needs one responder. Below life, calling also ends with whoever was called
    above the first level and comes: a supervisor takes it in hand, and people are no longer rung over his head.
    """
    if not responding(incident, plan, site):
        return False
    return not crew.awaited(incident, plan, site) or (not incident.life and _in_hand(incident, plan, site))


def responding(incident: Incident, plan: Plan, site: Site) -> bool:
    """Say whether any responder is on the way or there."""
    left = crew.gone(incident, plan)
    there = incident.arrived.keys() - left
    return bool(incident.accepted.keys() - left) or any(is_responder(incident, plan, site, p) for p in there)


def _in_hand(incident: Incident, plan: Plan, site: Site) -> bool:
    first = {call.role for call in plan.levels[0].calls} if plan.levels else set()
    above = {call.role for level in plan.levels[1:] for call in level.calls if call.responder} - first
    return any(above & crew.roles(incident, site, who) for who in {*incident.accepted, *incident.arrived})


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
