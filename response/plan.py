"""The steps of a running plan: which are open, what proves them, what was promised, and what still forbids closing."""

from collections.abc import Iterator, Mapping

from facility.equipment import point_id
from facility.plan import Plan, Step
from facility.rule import Compare, Condition, Priority
from facility.scan import Reason
from facility.site import Site
from facility.text import Text
from response.context import Context, Read
from response.fold import DESK, Incident

AT_PLACE = "somebody_at_place"
"""The contract's promise that somebody stands at the place, whoever it is."""

NAMED = 5
"""So many machines are named in a sentence; of more only the number is said."""

BELL = "bell_answer"
"""The contract's promise that the desk answers a lift's bell."""


def settled(incident: Incident, step: str) -> bool:
    """Say whether a step is done or skipped."""
    state = incident.steps.get(step)
    return state is not None and state.state in {"done", "skipped"}


def state(incident: Incident, step: Step) -> str:
    """Return waiting (for steps before it), open, done or skipped."""
    if settled(incident, step.id):
        return incident.steps[step.id].state
    return "open" if all(settled(incident, before) for before in step.after) else "waiting"


def step_of(plan: Plan, id: str) -> Step | None:
    """Return a plan's step by its id."""
    return next((step for step in plan.steps if step.id == id), None)


def promise_of(step: Step) -> str:
    """Return the name under which a step's response time is kept; an arrival keeps the contract's own."""
    return step.contract if step.arrival and step.contract else f"step/{step.id}"


def spans(plan: Plan, contract: Mapping[str, int]) -> dict[str, int]:
    """Return every response time that a plan promises at its start, in milliseconds by name."""
    found: dict[str, int] = {}
    if plan.arrival in contract:
        found[plan.arrival] = contract[plan.arrival]
    if AT_PLACE in contract and plan.priority <= Priority.HIGH:
        found[AT_PLACE] = contract[AT_PLACE]
    for step in plan.steps:
        span = contract.get(step.contract) if step.contract else step.promise_ms
        if span is not None:
            found.setdefault(promise_of(step), span)
    return found


def proven(incident: Incident, plan: Plan, read: Read) -> Iterator[tuple[Step, int, str]]:
    """Yield each open step that telemetry shows to be done, with when and what it showed."""
    for step in plan.steps:
        if step.proof and state(incident, step) == "open":
            shown = [_shown(incident.equipment, condition, read) for condition in step.proof]
            seen = [s for s in shown if s is not None]
            if len(seen) == len(shown):
                yield step, max(at for at, _ in seen), ", ".join(words for _, words in seen)


def watched(incident: Incident, plan: Plan) -> Iterator[str]:
    """Yield the site point ids whose readings may prove a step that is not yet settled."""
    for step in plan.steps:
        if not settled(incident, step.id):
            yield from (point_id(incident.equipment, condition.point) for condition in step.proof)


def missing(incident: Incident, context: Context) -> list[Text]:
    """Return what still forbids closing an incident, each with what to do; empty when it may be closed."""
    found: list[Text] = []
    if incident.stage == DESK:
        if incident.answered is None:
            found.append(
                Text("警铃尚未应答：先通话确认是否有人被困。", "The bell is not answered: speak with the car first.")
            )
        if found and not incident.rang_again:
            return found
        if not incident.rang_again:
            return list(_active(incident, context.site))
    plan = context.plan(incident)
    found += [
        Text(f"必做步骤未完成：{step.text.zh}", f"Mandatory step not done: {step.text.en}")
        for step in (plan.steps if plan else ())
        if step.mandatory and not settled(incident, step.id)
    ]
    found += _active(incident, context.site)
    found += _unswept(incident, context.site)
    if plan and incident.normal_ms is not None and incident.normal_ms + plan.stable_ms > context.now:
        left = -((context.now - incident.normal_ms - plan.stable_ms) // 60_000)
        found.append(
            Text(f"恢复正常后须稳定，还差 {left} 分钟。", f"It must stay normal for another {left} min before closing.")
        )
    return found


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


def owner_rule(subject: str) -> tuple[str, str]:
    """Return owner and rule of an alarm's subject."""
    owner, _, rule = subject.removeprefix("alarm:").rpartition("/")
    return owner, rule


def _shown(equipment: str, condition: Condition, read: Read) -> tuple[int, str] | None:
    """Return when a good reading showed that a condition holds, and its words; None when it does not."""
    reading = read(point_id(equipment, condition.point))
    if reading is None or reading[1] != Reason.GOOD:
        return None
    value, _, at = reading
    return (at, f"{condition.point}={value:g}") if _holds(condition, value) else None


def _holds(condition: Condition, value: float) -> bool:
    match condition.compare:
        case Compare.ABOVE:
            return value > condition.limit
        case Compare.BELOW:
            return value < condition.limit
        case Compare.IS:
            return value == condition.limit
        case Compare.IS_NOT:
            return value != condition.limit
        case _:  # what needs a history cannot be proven by one reading
            return False
