"""Drills (演练): the same plan and the same people, marked everywhere, and apart from everything real.

On paper, on the running service: people tick what telemetry would prove, no alarm ever belongs to it, and nobody
outside the house is called unless invited. On simulators, in a service of its own whose every device is simulated and
whose every page is played: what happens there is a drill from its first record on.
"""

from collections.abc import Mapping
from dataclasses import replace

from facility import records
from facility.commands import AttendDrill, Refused, StartDrill
from facility.plan import Plan
from facility.records import Record
from facility.site import Site
from facility.text import Text
from response.incident import TELEMETRY, Incident

PAPER = "paper"
SIMULATORS = "simulators"
MARK = Text("【演练】", "[DRILL] ")


def marked(incident: Incident, text: Text) -> Text:
    """Return words about an incident, with the mark of a drill before them where it is one."""
    return Text(MARK.zh + text.zh, MARK.en + text.en) if incident.drill else text


def on_paper(plan: Plan) -> Plan:
    """Return a plan as it is played on paper: what telemetry would prove is ticked, no machine is held."""
    steps = tuple(replace(step, proof=(), stable_ms=0) for step in plan.steps)
    sure = replace(plan.false_alarm, proof=()) if plan.false_alarm else None
    return replace(plan, steps=steps, stable_ms=0, close=(), false_alarm=sure, life_clock=None, hold=None)


def spared(incident: Incident, site: Site, who: str) -> bool:
    """Say whether somebody is never called for this incident: a party outside the house that nobody invited."""
    return bool(incident.drill) and not incident.invited and who in site.parties


def opened(command: StartDrill, plan: Plan) -> records.IncidentOpened:
    """Return how a drill begins."""
    return records.IncidentOpened(
        plan=plan.id,
        equipment=command.equipment,
        priority=plan.priority,
        place=command.place.strip(),
        note=command.note.strip(),
        drill=PAPER,
        expected=command.expected,
        invited=command.invited,
    )


def rehearsed(record: Record) -> Record:
    """Return a record of a service whose every device is simulated: whatever it opens is a drill."""
    data = record.data
    if not isinstance(data, records.IncidentOpened) or data.drill:
        return record
    return replace(record, data=replace(data, drill=SIMULATORS, invited=True))


def refused(command: StartDrill, site: Site, running: Mapping[str, Incident]) -> Refused | None:
    """Return why a drill cannot begin beside what runs; None when it can."""
    unknown = [who for who in command.expected if who not in site.people]
    if unknown:
        who = ", ".join(unknown)
        return Refused("not-found", Text(f"人员名册中没有：{who}。", f"The site knows nobody by: {who}."))
    twin = next((i for i in running.values() if i.drill and i.plan == command.plan and i.closed_ms is None), None)
    if twin is not None:
        zh = f"该预案正在演练：事件 {twin.id}。请先结束它。"
        return Refused("conflict", Text(zh, f"This plan is being drilled: incident {twin.id}. End it first."))
    return None


def attend(incident: Incident, site: Site, command: AttendDrill) -> list[tuple[records.Payload, str]] | Refused:
    """Return what ticking somebody present (or not) at a drill makes."""
    if not incident.drill:
        return Refused("conflict", Text("这不是演练。", "This is not a drill."))
    if command.person not in site.people:
        return Refused("not-found", Text("人员名册中没有此人。", "The site knows nobody by this id."))
    if (command.person in incident.present) is command.present:
        return []
    return [(records.DrillAttended(command.person, command.present), command.person)]


def took_part(incident: Incident) -> dict[str, int]:
    """Return who took part in an incident or drill, with when first: came, did a step, or was ticked present."""
    found = dict(incident.present)
    for who, at in incident.arrived.items():
        found[who] = min(at, found.get(who, at))
    for step in incident.steps.values():
        for signed in (s for s in step.signatures if s.by != TELEMETRY):
            found[signed.by] = min(signed.at_ms, found.get(signed.by, signed.at_ms))
    return found
