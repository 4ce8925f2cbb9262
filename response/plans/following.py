"""What follows at once, in the same commit, from a step that was done or skipped and a gate that was set aside."""

from collections.abc import Iterable

from facility import records
from facility.plan import Plan
from facility.records import Record
from facility.site import Site
from facility.text import Text
from response.fold import tell
from response.incident import Incident
from response.paging import above
from response.paging.requests import tell_beside
from response.plans import outofservice, reporting
from response.plans.plan import step_of


def all_of(incident: Incident, plan: Plan | None, site: Site, said: Iterable[Record]) -> list[Record]:
    """Return these records of an incident, and behind them what follows from each."""
    out = list(said)
    then: list[Record] = []
    for record in out:
        incident = tell(incident, record)
        if plan is not None:
            then += _after(incident, plan, site, record)
    return [*out, *then]


def _after(incident: Incident, plan: Plan, site: Site, record: Record) -> list[Record]:
    at = record.at_ms
    match record.data:
        case records.StepDone(step=id, complete=True):
            request = f"{record.request or f'{incident.id}/{id}@{at}'}/held"
            return [
                *outofservice.holding(incident, plan, site, id, at, record.actor, request),
                *_reported(incident, plan, site, record, id),
            ]
        case records.StepSkipped(step=id, reason=reason):
            step = step_of(plan, id)
            if step is None or not step.mandatory:
                return []
            ends = plan.life_clock is not None and plan.life_clock.until == id
            request = f"{record.request or f'{incident.id}/{id}@{at}'}/held"
            held = outofservice.holding(incident, plan, site, id, at, record.actor, request) if ends else []
            said = Text(
                f"必做步骤被跳过：{step.text.zh}。原因：{reason}",
                f"Mandatory step skipped: {step.text.en}. Reason: {reason}",
            )
            told = above.supervisors(site, incident, at)
            return [*held, *tell_beside(incident, plan, site, at, told, said, f"skipped/{id}")]
        case records.CloseOverridden(reason=reason, checks=checks):
            names = [plan.close[n].text for n in checks if n < len(plan.close)]
            said = Text(
                f"遥测条件被放行：{'、'.join(n.zh for n in names)}。原因：{reason}",
                f"Set aside though telemetry does not show it: {', '.join(n.en for n in names)}. Reason: {reason}",
            )
            return tell_beside(
                incident, plan, site, at, above.supervisors(site, incident, at), said, f"overridden@{at}"
            )
    return []


def _reported(incident: Incident, plan: Plan, site: Site, record: Record, id: str) -> list[Record]:
    """Return the pages of a report whose step somebody pressed."""
    step = step_of(plan, id)
    if step is None or step.report is None or not step.report.role or record.actor == "system":
        return []
    people = above.everyone(site, incident, record.at_ms, (step.report.role,))
    said = reporting.text(incident, plan, site, step.report)
    return tell_beside(incident, plan, site, record.at_ms, people, said, f"report/{id}")
