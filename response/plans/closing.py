"""What still forbids closing an incident: steps, the source, lifts nobody looked into, what telemetry must show."""

from collections.abc import Iterator

from facility import records
from facility.commands import CloseIncident, ConfirmClose, Refused
from facility.plan import CloseCheck, Plan
from facility.records import Payload
from facility.site import Site
from facility.text import Text
from response.context import Context
from response.incident import DESK, Incident
from response.paging.page import REQUESTED
from response.plans import falsealarm, showing
from response.plans.plan import owner_rule, state

Said = list[tuple[Payload, str]]

NAMED = 5
"""So many machines are named in a sentence; of more only the number is said."""

TELLING_MS = 30_000
"""So long closing waits for a provider to take what somebody is told."""

BY_NAME = 2
"""So many named persons say what dead telemetry cannot."""


def missing(incident: Incident, context: Context, *, false_alarm: bool = False) -> list[Text]:
    """Return what still forbids closing an incident, each with what to do; empty when it may be closed."""
    plan = context.plan(incident)
    if incident.stage == DESK:
        found = []
        if incident.answered is None:
            found.append(
                Text("警铃尚未应答：先通话确认是否有人被困。", "The bell is not answered: speak with the car first.")
            )
        elif plan is not None and falsealarm.unsettled(incident, plan):
            found += falsealarm.lacking(incident, plan)
        if found and not incident.rang_again:
            return found
        if not incident.rang_again:
            return list(_active(incident, context.site))
        return [*found, *_unfinished(incident, plan, context)]
    if false_alarm:
        rest = (*_active(incident, context.site), *_unswept(incident, context.site), *_untold(incident, context.now))
        withdrawn = falsealarm.withdrawn(incident, plan, context.site, context.read)
        return [*falsealarm.lacking(incident, plan), *withdrawn, *rest]
    return list(_unfinished(incident, plan, context))


def _unfinished(incident: Incident, plan: Plan | None, context: Context) -> Iterator[Text]:
    for step in plan.steps if plan else ():
        if plan and step.mandatory and state(incident, plan, step) in {"open", "waiting"}:
            yield Text(f"必做步骤未完成：{step.text.zh}", f"Mandatory step not done: {step.text.en}")
    yield from _active(incident, context.site)
    yield from _unswept(incident, context.site)
    yield from _untold(incident, context.now)
    if plan and incident.normal_ms is not None and incident.normal_ms + plan.stable_ms > context.now:
        left = -((context.now - incident.normal_ms - plan.stable_ms) // 60_000)
        yield Text(
            f"恢复正常后须稳定，还差 {left} 分钟。", f"It must stay normal for another {left} min before closing."
        )
    for at, check in enumerate(plan.close if plan else ()):
        if plan and (said := _unshown(incident, plan, at, check, context)) is not None:
            yield said


def unmet(incident: Incident, plan: Plan, context: Context) -> tuple[int, ...]:
    """Return the checks of the close gate (counted from 0) that are not met."""
    return tuple(n for n, check in enumerate(plan.close) if _unshown(incident, plan, n, check, context) is not None)


def blind(incident: Incident, plan: Plan, at: int, context: Context) -> bool:
    """Say whether telemetry cannot say whether a check is met, so that two named persons may."""
    return showing.blind(context.site, incident.equipment, plan.close[at].proof, context.read)


def said_by(incident: Incident, at: int) -> tuple[str, ...]:
    """Return who said that a check is met, each once."""
    return tuple(dict.fromkeys(claim.by for claim in incident.claims.closing.get(at, ())))


def name_of(at: int) -> str:
    """Return the name under which it is kept since when a check was shown."""
    return f"close/{at}"


def _unshown(incident: Incident, plan: Plan, at: int, check: CloseCheck, context: Context) -> Text | None:
    """Return why a check of the close gate is not met; None when it is."""
    if incident.claims.overridden is not None:
        return None
    seen = showing.shown(context.site, incident.equipment, check.proof, context.read)
    if seen is not None:
        since = context.shown_since(incident.id, name_of(at)) if plan.stable_ms else seen[0]
        left = plan.stable_ms - (seen[0] - (seen[0] if since is None else since)) if plan.stable_ms else 0
        if left <= 0:
            return None
        minutes = -(-left // 60_000)
        return Text(
            f"{check.text.zh}：须稳定，还差 {minutes} 分钟。",
            f"{check.text.en}: it must stay so for another {minutes} min.",
        )
    if not blind(incident, plan, at, context):
        return Text(f"遥测尚未显示：{check.text.zh}", f"Telemetry does not show it: {check.text.en}")
    left = BY_NAME - len(said_by(incident, at))
    if left <= 0:
        return None
    return Text(
        f"遥测中断，须由 {left} 名具名人员确认：{check.text.zh}",
        f"Telemetry is dead: {left} more named {'person' if left == 1 else 'persons'} must say: {check.text.en}",
    )


def confirm(incident: Incident, plan: Plan | None, context: Context, command: ConfirmClose) -> Said | Refused:
    """Return what a named person's word on a check of the close gate makes, or why it does not count."""
    if plan is None or not 0 <= command.check < len(plan.close):
        return Refused("not-found", Text("预案中没有这一项关闭条件。", "The plan has no such check."))
    if command.person not in context.site.people and command.person not in context.site.parties:
        return Refused("not-found", Text("人员名册中没有此人。", "The site knows nobody by this id."))
    if command.actor.startswith("person:") and command.actor != f"person:{command.person}":
        return Refused(
            "forbidden", Text("此链接属于另一人，请用自己的链接。", "This link is another person's; use your own.")
        )
    if no := _may_say(incident, command):
        return no
    if not blind(incident, plan, command.check, context):
        return Refused(
            "conflict",
            Text(
                "这一项遥测正常，以遥测为准。遥测有误时请说明原因并由有权人员放行。",
                "Telemetry is alive here and decides. Where it is wrong, somebody with the right sets it aside.",
            ),
        )
    return [(records.CloseSaid(command.check, command.person, command.note.strip()), command.person)]


def _may_say(incident: Incident, command: ConfirmClose) -> Refused | None:
    """Return why somebody's word does not count: he said so already, has no part in it, or neither is at the place."""
    said = said_by(incident, command.check)
    if command.person in said:
        return Refused("conflict", Text("须由另一人确认。", "It takes another person's word."))
    if command.person not in incident.arrived.keys() | incident.called.keys():
        return Refused(
            "forbidden",
            Text(
                "只有本事件被呼叫的人或到场的人可以确认。请先登记到场。",
                "Only somebody who was called or has arrived can say so. Record the arrival first.",
            ),
        )
    if len(said) + 1 >= BY_NAME and not {command.person, *said} & incident.arrived.keys():
        return Refused(
            "conflict",
            Text(
                "两人中至少一人须已到场。请先登记到场，再确认。",
                "At least one of the two must be at the place. Record the arrival first, then confirm.",
            ),
        )
    return None


def close(incident: Incident, context: Context, command: CloseIncident) -> Said | Refused:
    """Return what closing makes, or everything that forbids it."""
    lacking = missing(incident, context, false_alarm=command.false_alarm)
    if not command.cause.strip():
        lacking.append(Text("未填写原因。", "No cause is given."))
    if lacking:
        return Refused(
            "conflict",
            Text(
                "还不能关闭：" + "".join(t.zh if t.zh.endswith("。") else f"{t.zh}；" for t in lacking),
                "It cannot be closed yet: " + " ".join(t.en if t.en.endswith(".") else f"{t.en};" for t in lacking),
            ),
        )
    false = command.false_alarm or incident.claims.false_ms is not None
    return [(records.IncidentClosed(command.cause.strip(), command.result, false_alarm=false), "")]


def _untold(incident: Incident, now: int) -> Iterator[Text]:
    """Say that somebody is just being told of what was skipped or set aside; closing would call that back."""
    telling = (p for p in incident.pages.values() if p.why and p.state == REQUESTED)
    if any(now < page.requested_ms + TELLING_MS for page in telling):
        yield Text("正在通知主管，请稍候再关闭。", "The supervisor is being told; close it in a moment.")


def _unswept(incident: Incident, site: Site) -> Iterator[Text]:
    names = [site.owner_name(lift) for lift, swept in incident.sweep.items() if swept.cleared_ms is None]
    if names:
        zh, en = "、".join(n.zh for n in names[:NAMED]), ", ".join(n.en for n in names[:NAMED])
        more = "…" if len(names) > NAMED else ""
        yield Text(
            f"{len(names)} 台电梯按有人处理、尚未排查：{zh}{more}",
            f"{len(names)} lifts presumed occupied are not swept: {en}{more}",
        )


def _active(incident: Incident, site: Site) -> Iterator[Text]:
    for subject in incident.alarms:
        if subject in incident.active_alarms:
            owner, rule = owner_rule(subject)
            name = site.rules[rule].name if rule in site.rules else Text(rule, rule)
            machine = site.owner_name(owner)
            yield Text(f"报警未恢复：{machine.zh} {name.zh}", f"Alarm still active: {machine.en}, {name.en}")


def override(incident: Incident, plan: Plan | None, context: Context, reason: str) -> tuple[int, ...] | Refused:
    """Return the checks that setting the gate aside concerns, or why it cannot be."""
    checks = unmet(incident, plan, context) if plan else ()
    if not reason.strip():
        return Refused("invalid", Text("请填写放行原因。", "The reason is missing."))
    if not checks:
        return Refused("conflict", Text("没有未满足的遥测条件。", "There is nothing that telemetry does not show."))
    if plan and any(s.mandatory and state(incident, plan, s) in {"open", "waiting"} for s in plan.steps):
        return Refused(
            "conflict",
            Text("先完成必做步骤，再放行遥测条件。", "First the mandatory steps; then the gate may be set aside."),
        )
    return checks
