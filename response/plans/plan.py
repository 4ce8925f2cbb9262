"""The steps of a running plan: which are needed and open, what proves them, and what was promised."""

from collections.abc import Iterator, Mapping

from facility.plan import LIFE_CLOCK, Plan, Step
from facility.rule import Priority
from facility.site import Site
from response.incident import Incident, PromiseState
from response.plans import showing

AT_PLACE = "somebody_at_place"
"""The contract's promise that somebody stands at the place, whoever it is."""

BELL = "bell_answer"
"""The contract's promise that the desk answers a lift's bell."""

NOT_NEEDED = "not-needed"
LOCKED = "locked"


def settled(incident: Incident, step: str) -> bool:
    """Say whether a step is done or skipped."""
    state = incident.steps.get(step)
    return state is not None and state.state in {"done", "skipped"}


def done(incident: Incident, step: str) -> bool:
    """Say whether a step is done; one that was skipped is settled, and not done."""
    state = incident.steps.get(step)
    return state is not None and state.state == "done"


def step_of(plan: Plan, id: str) -> Step | None:
    """Return a plan's step by its id."""
    return next((step for step in plan.steps if step.id == id), None)


def needed(incident: Incident, plan: Plan, step: Step) -> bool | None:
    """Say whether a step is needed, by the answers given and the life clock; None while nobody can know.

    Where a question was skipped, what hangs on it is needed: skipping asks for a reason, step by step.
    """
    found: bool | None = _counted(incident, plan) if step.since == LIFE_CLOCK else True
    for branch in step.when:
        asked = step_of(plan, branch.step)
        said = incident.steps.get(branch.step)
        if asked is not None and said is not None and said.state == "done":
            if said.answer not in branch.answers:
                return False
        elif asked is not None and not settled(incident, branch.step):
            if needed(incident, plan, asked) is False:
                return False
            found = None if found is not False else False
    return found


def state(incident: Incident, plan: Plan, step: Step) -> str:
    """Return waiting (for steps before it, or an answer), open, done, skipped or not-needed."""
    if settled(incident, step.id):
        return incident.steps[step.id].state
    wanted = needed(incident, plan, step)
    if wanted is False:
        return NOT_NEEDED
    return "open" if wanted and not list(waits_for(incident, plan, step)) else "waiting"


def waits_for(incident: Incident, plan: Plan, step: Step) -> Iterator[Step]:
    """Yield the steps that must be settled before this one, and are not: those before it, and questions."""
    for before in plan.steps:
        asked = before.id in {branch.step for branch in step.when}
        first = (asked or before.id in step.after) and not settled(incident, before.id)
        if first and needed(incident, plan, before) is not False:
            yield before


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
        span = _span(step, contract)
        if span is not None and not _later(step):
            found.setdefault(promise_of(step), span)
    return found


def later(plan: Plan, contract: Mapping[str, int]) -> dict[str, int]:
    """Return the response times that begin in the course of a plan, in milliseconds by name."""
    now = spans(plan, contract)
    return {
        name: span
        for step in plan.steps
        if _later(step) and (span := _span(step, contract)) is not None and (name := promise_of(step)) not in now
    }


def beginning(incident: Incident, plan: Plan) -> Iterator[tuple[str, int, int]]:
    """Yield the promises that begin now: name, since when, by when."""
    if incident.clock_ms is None:
        return
    for step in plan.steps:
        name = promise_of(step)
        span = incident.later.get(name)
        if span is None or name in incident.promises or settled(incident, step.id):
            continue
        since = _counts_from(incident, plan, step) if needed(incident, plan, step) else None
        if since is not None:
            yield name, since, since + span


def counts(incident: Incident, plan: Plan, promise: str) -> bool:
    """Say whether a promise that runs can still be broken: not of a step that was skipped or is not needed."""
    mine = [step for step in plan.steps if promise_of(step) == promise]
    return not mine or any(state(incident, plan, step) in {"open", "waiting"} for step in mine)


def running(incident: Incident, plan: Plan | None) -> Mapping[str, PromiseState]:
    """Return the promises that were kept, were broken, or still count."""
    if plan is None:
        return incident.promises
    return {
        name: promise
        for name, promise in incident.promises.items()
        if promise.kept_ms is not None or promise.broken_ms is not None or counts(incident, plan, name)
    }


def watched(incident: Incident, plan: Plan, site: Site) -> Iterator[str]:
    """Yield the site point ids whose readings may prove a step, open the close gate, or show the car moving."""
    machine = incident.equipment
    for step in plan.steps:
        if not settled(incident, step.id):
            yield from showing.points(site, machine, step.proof)
    for check in plan.close:
        yield from showing.points(site, machine, check.proof)
    if plan.false_alarm and incident.claims.false and incident.claims.false_ms is None:
        yield from showing.points(site, machine, plan.false_alarm.proof)
    if plan.life_clock and machine:
        yield f"{machine}/{plan.life_clock.moves.point}"


def _counted(incident: Incident, plan: Plan) -> bool | None:
    """Say whether the life clock ran out; None while it runs, or may begin to."""
    promise = incident.promises.get(LIFE_CLOCK)
    if promise is not None and promise.broken_ms is not None:
        return True
    until = step_of(plan, plan.life_clock.until) if plan.life_clock else None
    if until is None or (promise is not None and promise.kept_ms is not None):
        return False
    if settled(incident, until.id) or needed(incident, plan, until) is False:
        return False
    return None


def _span(step: Step, contract: Mapping[str, int]) -> int | None:
    return contract.get(step.contract) if step.contract else step.promise_ms


def _later(step: Step) -> bool:
    return bool(step.since or step.when)


def _counts_from(incident: Incident, plan: Plan, step: Step) -> int | None:
    """Return since when a needed step's promise counts; None while what it counts from is still to come."""
    asked = [incident.steps[b.step].at_ms for b in step.when if b.step in incident.steps]
    since = max([incident.clock_ms or 0, *asked])
    if step.since == LIFE_CLOCK:
        return incident.promises[LIFE_CLOCK].broken_ms
    if not step.since:
        return since
    first = step_of(plan, step.since)
    if first is not None and settled(incident, first.id):
        return max(since, incident.steps[first.id].at_ms)
    return since if first is None or needed(incident, plan, first) is False else None


def owner_rule(subject: str) -> tuple[str, str]:
    """Return owner and rule of an alarm's subject."""
    owner, _, rule = subject.removeprefix("alarm:").rpartition("/")
    return owner, rule
