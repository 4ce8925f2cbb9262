"""What begins because somebody says so: a plan started by hand, a drill, and the entrapment that a guard found."""

from facility import records
from facility.commands import AnswerBell, ClearLift, Refused, StartDrill, StartPlan
from facility.plan import Plan
from facility.records import Record
from facility.site import Site
from facility.text import Text
from response import commands, sweep
from response.context import Context
from response.incident import DESK
from response.opening import open_by_hand
from response.plans import drill
from response.running import Running

_NO_PLAN = Refused("not-found", Text("没有这个预案。", "There is no such plan."))


def start(id: str, running: Running, context: Context, command: StartPlan) -> list[Record] | Refused:
    """Return what begins when somebody starts a plan; `id` is for an incident that opens."""
    site, place_words = context.site, command.place.strip()
    plan = site.plans.get(command.plan)
    if plan is None:
        return _NO_PLAN
    if no := _wrong_place(site, plan, command.equipment, place_words):
        return no
    twin = commands.running(running, plan.id, command.equipment, place_words)
    if twin is not None and twin.stage == DESK:
        # Somebody calls about the very bell that rings: that is its answer.
        note = " ".join(part for part in (place_words, command.note) if part)
        bell = AnswerBell(command.actor, command.request, twin.id, trapped=True, note=note)
        return commands.ask(twin, context, bell)
    if twin is not None:
        return Refused(
            "conflict",
            Text(
                f"该预案已在运行：事件 {twin.id}。请在其中继续。",
                f"This plan is already running: incident {twin.id}. Go on there.",
            ),
        )
    data = records.IncidentOpened(
        plan=plan.id,
        equipment=command.equipment,
        priority=plan.priority,
        place=place_words,
        caller=command.caller,
        note=command.note,
    )
    return open_by_hand(id, context.now, plan, site, data, command.actor, command.request)


def start_drill(id: str, running: Running, context: Context, command: StartDrill) -> list[Record] | Refused:
    """Return what begins when somebody starts a drill on paper."""
    site, plan = context.site, context.site.plans.get(command.plan)
    if plan is None:
        return _NO_PLAN
    no = _wrong_place(site, plan, command.equipment, command.place.strip())
    no = no or drill.refused(command, site, running)
    if no:
        return no
    data = drill.opened(command, plan)
    return open_by_hand(id, context.now, plan, site, data, command.actor, command.request)


def entrapped(id: str, running: Running, context: Context, command: ClearLift) -> list[Record]:
    """Return what begins when somebody is found in a lift; nothing where its own incident runs already."""
    plan = sweep.plan_for(context.site, command.lift)
    if plan is None or commands.running(running, plan.id, command.lift, "") is not None:
        return []
    data = records.IncidentOpened(plan.id, command.lift, plan.priority, note=command.note.strip())
    return open_by_hand(id, context.now, plan, context.site, data, command.actor, f"{command.request}/trapped")


def _wrong_place(site: Site, plan: Plan, equipment: str, words: str) -> Refused | None:
    machine = site.equipment.get(equipment)
    if equipment and machine is None:
        return Refused("not-found", Text("没有这台设备。", "There is no such machine."))
    if machine is None and not words:
        return Refused("invalid", Text("请选设备或写明地点。", "Choose the machine or say the place."))
    if machine and plan.kinds and machine.kind not in plan.kinds:
        return Refused(
            "invalid",
            Text(f"预案“{plan.name.zh}”不适用于该设备。", f"The plan {plan.name.en} is not for this machine."),
        )
    return None
