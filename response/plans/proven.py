"""Whether the steps that a record calls done were done by those they were for: what a drill is judged by."""

from collections.abc import Iterator, Mapping

from facility.plan import Plan, Step
from facility.site import Site
from response.incident import TELEMETRY, Incident
from response.plans import crew
from response.plans import plan as steps
from response.plans.signing import OPERATOR


def unproven(incident: Incident, plan: Plan, site: Site) -> Iterator[str]:
    """Yield, in words, what is not done though it must be, and what was signed by the wrong people or too few."""
    for step in plan.steps:
        said = incident.steps.get(step.id)
        if said is not None and said.state == "done":
            why = _wrong(incident, step, site, {signature.by: signature.at_ms for signature in said.signatures})
        else:
            why = "not done" if step.mandatory and steps.state(incident, plan, step) != steps.NOT_NEEDED else ""
        if why:
            yield f"{step.id}: {why}"


def _wrong(incident: Incident, step: Step, site: Site, signed: Mapping[str, int]) -> str:
    if TELEMETRY in signed:
        return "" if step.proof else "telemetry signed what it cannot see"
    if step.role == OPERATOR and step.persons == 1:
        return ""
    if unknown := [who for who in signed if who not in site.people and who not in site.parties]:
        return f"signed by {', '.join(unknown)}, which is nobody's name"
    if step.arrival or step.certificates:
        return "" if crew.strength(incident, site, step, signed) >= step.persons else "too few of its crew signed"
    theirs = any(crew.stands_for(incident, site, step, who, at) for who, at in signed.items())
    return "" if theirs and len(signed) >= step.persons else f"signed by {', '.join(signed)}: too few, or not its role"
