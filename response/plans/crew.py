"""Who stands for a step of a plan, and how many of those that it asks for are coming or there."""

from collections.abc import Mapping

from facility.person import Person
from facility.plan import Plan, Step
from facility.site import Site
from response import duty
from response.incident import Incident
from response.plans import plan as steps


def roles(incident: Incident, site: Site, who: str) -> set[str]:
    """Return what somebody is in an incident: as what he was called, his own roles, and what the machine's card says.

    Its contractor and the contractor's deputy are that whether they were called or not.
    """
    called = incident.called.get(who)
    somebody = site.people.get(who) or site.parties.get(who)
    found = {*(called.roles if called else ()), *(somebody.roles if somebody else ())}
    if who in site.parties:
        card = site.card(incident.equipment)
        found |= {role for role in (duty.CONTRACTOR, duty.DEPUTY) if who in duty.party_of(site, role, card)}
    return found


def stands_for(incident: Incident, site: Site, step: Step, who: str, at: int) -> bool:
    """Say whether a step is somebody's: by his role; where it asks for certificates, by them or as the contractor."""
    mine = roles(incident, site, who)
    if mine & {step.role, *step.also}:
        return True
    if who in site.parties:
        return bool(step.certificates) and bool(mine & {duty.CONTRACTOR, duty.DEPUTY})
    return bool(step.certificates) and certified(site, step, who, at)


def certified(site: Site, step: Step, who: str, at: int) -> bool:
    """Say whether somebody holds what a step asks for, valid that day; a contractor's licences are the contractor's."""
    person = site.people.get(who)
    if person is None:
        return who in site.parties or not step.certificates
    return not step.certificates or duty.certified(person, step.certificates, duty.local_day(site, at))


def strength(incident: Incident, site: Site, step: Step, people: Mapping[str, int]) -> int:
    """Return how many of these count for a step, each at his moment; a party that does is a whole crew."""
    count = 0
    for who, at in people.items():
        if stands_for(incident, site, step, who, at) and certified(site, step, who, at):
            count += 1 if isinstance(site.people.get(who), Person) else max(step.persons, step.crew)
    return count


def coming(incident: Incident, site: Site, step: Step) -> int:
    """Return how many of those that an arrival step asks for are there or on the way."""
    return strength(incident, site, step, {**incident.accepted, **incident.arrived})


def awaited(incident: Incident, plan: Plan, site: Site) -> list[Step]:
    """Return the arrival steps for which too few have accepted or arrived; not what was left out or is not needed.

    Where an incident began anew, who came the first time counts no more, though the step was signed then.
    """
    lacking = (s for s in plan.steps if s.arrival and coming(incident, site, s) < s.persons)
    return [step for step in lacking if steps.state(incident, plan, step) in {"open", "waiting", "done"}]
