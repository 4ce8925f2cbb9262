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

    Its contractor and the contractor's deputy are that whether they were called or not; the contractor of other
    machines is not this one's, whatever it is to the site. Where nobody named the machine, nobody can know.
    """
    called = incident.called.get(who)
    somebody = site.people.get(who) or site.parties.get(who)
    own = set(somebody.roles) if somebody else set()
    if who in site.parties:
        card = site.card(incident.equipment)
        by_card = {role for role in (duty.CONTRACTOR, duty.DEPUTY) if who in duty.party_of(site, role, card)}
        own = (own - {duty.CONTRACTOR, duty.DEPUTY} if incident.equipment else own) | by_card
    return own | {*(called.roles if called else ())}


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


def there(incident: Incident) -> dict[str, int]:
    """Return who is at the place, each with when he came: not who has finished and left."""
    return {who: at for who, at in incident.arrived.items() if who not in incident.finished}


def gone(incident: Incident, plan: Plan) -> frozenset[str]:
    """Return who has finished though nobody said that the people are free: he counts no more, and others are called.

    That the alarm is over proves nothing: a bell is let go, and readings end with the main switch.
    """
    if not incident.finished or not incident.life or incident.drill or incident.claims.false_ms is not None:
        return frozenset()
    until = steps.step_of(plan, plan.life_clock.until) if plan.life_clock else None
    free = until is None or steps.done(incident, until.id) or steps.needed(incident, plan, until) is False
    return frozenset() if free else frozenset(incident.finished)


def coming(incident: Incident, plan: Plan, site: Site, step: Step) -> int:
    """Return how many of those that an arrival step asks for are there or on the way."""
    left = gone(incident, plan)
    people = {**incident.accepted, **incident.arrived}
    return strength(incident, site, step, {who: at for who, at in people.items() if who not in left})


def awaited(incident: Incident, plan: Plan, site: Site) -> list[Step]:
    """Return the arrival steps for which too few have accepted or arrived; not what is not needed.

    Where an incident began anew, who came the first time counts no more, though the step was signed then. Leaving an
    arrival out ends the calling below life; where a life is at stake nobody is less needed for that.
    """
    lacking = (s for s in plan.steps if s.arrival and coming(incident, plan, site, s) < s.persons)
    left_out = {"skipped"} if incident.life else set()
    return [s for s in lacking if steps.state(incident, plan, s) in {"open", "waiting", "done"} | left_out]
