"""The words of a report, filled from an incident; what nobody knows reads unknown."""

from datetime import datetime
from zoneinfo import ZoneInfo

from facility.gaps import answer_to, filled
from facility.plan import Plan, Report
from facility.site import Site
from facility.text import Text
from response.incident import Incident
from response.paging import words
from response.plans.plan import step_of


def text(incident: Incident, plan: Plan, site: Site, report: Report) -> Text:
    """Return the report's words with every gap filled."""
    here, machine = words.where(incident, site), site.equipment.get(incident.equipment)
    opened = datetime.fromtimestamp(incident.opened_ms / 1000, ZoneInfo(site.timezone)).strftime("%Y-%m-%d %H:%M")
    place = machine.place if machine and machine.place else here
    known = {
        "site": site.name,
        "place": place,
        "equipment": machine.name if machine else here,
        "opened": Text(opened, opened),
        "people": _people(incident),
        "plan": plan.name,
    }

    def of(gap: str) -> Text | None:
        step = answer_to(gap)
        return known.get(gap) if step is None else _said(incident, plan, step)

    def zh(gap: str) -> str:
        found = of(gap)
        return found.zh if found else ""

    def en(gap: str) -> str:
        found = of(gap)
        return found.en if found else ""

    return Text(filled(report.text.zh, zh, "不详"), filled(report.text.en, en, "unknown"))


def _people(incident: Incident) -> Text:
    """Return how many people are there or on the way; never who, for a report may stay in the book."""
    there = len(incident.arrived)
    coming = len(incident.accepted.keys() - incident.arrived.keys())
    if not there + coming:
        return Text("尚无人", "nobody yet")
    return Text(f"{there} 人到场、{coming} 人在途", f"{there} there, {coming} on the way")


def _said(incident: Incident, plan: Plan, id: str) -> Text | None:
    """Return what was answered in a step, or noted when it was done."""
    step, said = step_of(plan, id), incident.steps.get(id)
    if step is None or said is None:
        return None
    answer = next((a.text for a in step.answers if a.id == said.answer), None)
    return answer or (Text(said.note, said.note) if said.note else None)
