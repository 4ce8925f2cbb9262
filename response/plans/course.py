"""What an incident's course makes known by itself: proofs, promises that begin, the life clock, false alarms."""

from collections.abc import Iterator, Sequence

from facility import records
from facility.plan import Plan, Proof, Step
from facility.records import Record
from response.context import Context
from response.incident import TELEMETRY, Incident
from response.lines import write
from response.plans import closing, falsealarm, following, lifeclock, promise, showing, signing
from response.plans import plan as steps
from response.plans.steady import Steady


def shown(
    incident: Incident, plan: Plan, context: Context, steady: Steady, before_ms: int | None = None
) -> list[Record]:
    """Return the records of what became known next, if it came before what is due at a moment."""
    for step, seen, words in _proven(incident, plan, context, steady):
        at = max(incident.last_ms, min(seen, context.now))
        if before_ms is None or at < before_ms:
            done = records.StepDone(step.id, TELEMETRY, words)
            kept = promise.kept(incident, signing.promises_of(plan, step), at)
            out = [write(incident, at, payload) for payload in (done, *kept)]
            return following.all_of(incident, plan, context.site, out)
    news = _news(incident, plan, context, steady) or _lasting(incident, context, steady)
    return [r for r in news if before_ms is None or r.at_ms < before_ms]


def _proven(incident: Incident, plan: Plan, context: Context, steady: Steady) -> Iterator[tuple[Step, int, str]]:
    """Yield each open step that telemetry shows to be done, and for long enough, with when and what it showed.

    What must be shown for a while is noted in `steady`, the close gate's checks too.
    """
    site, read, machine = context.site, context.read, incident.equipment
    if plan.false_alarm is not None and falsealarm.asked(incident, plan):
        _look(incident, plan.false_alarm.proof, falsealarm.PROOF, context, steady)
    elif plan.false_alarm is not None and steady.since(incident.id, falsealarm.PROOF) is not None:
        steady.look(incident, falsealarm.PROOF, None, context.now, heard=True)  # asked anew, it counts from then
    for at, check in enumerate(plan.close if plan.stable_ms else ()):
        _look(incident, check.proof, closing.name_of(at), context, steady)
    for step in plan.steps:
        if not step.proof or steps.settled(incident, step.id):
            continue
        seen = showing.shown(site, machine, step.proof, read)
        if step.stable_ms:
            _look(incident, step.proof, step.id, context, steady)
        since = steady.since(incident.id, step.id) if step.stable_ms else None
        if seen is None or steps.state(incident, plan, step) != "open":
            continue
        if not step.stable_ms or (since is not None and seen[0] - since >= step.stable_ms):
            yield step, *seen


def _look(incident: Incident, proof: Sequence[Proof], what: str, context: Context, steady: Steady) -> None:
    """Note whether telemetry shows something now that it must show for a while."""
    site, machine = context.site, incident.equipment
    seen = showing.shown(site, machine, proof, context.read)
    steady.look(incident, what, seen, context.now, heard=showing.heard(site, machine, proof, context.read))


def _lasting(incident: Incident, context: Context, steady: Steady) -> list[Record]:
    """Return what is written down of what must be shown for a while: it lasts, or it ended."""
    news = steady.news(incident, context.now)
    return [] if news is None else [write(incident, max(incident.last_ms, context.now), news)]


def _news(incident: Incident, plan: Plan, context: Context, steady: Steady) -> list[Record]:
    """Return the record of what became known next: a promise that begins, the life clock, a false alarm confirmed."""
    at = max(incident.last_ms, incident.opened_ms)
    for name, since, by in steps.beginning(incident, plan):
        begun = records.PromiseBegan(name, by)
        return [write(incident, max(at, since), begun, request=f"{incident.id}/began/{name}@{by}")]
    if (clock := lifeclock.news(incident, plan, context)) is not None:
        return [write(incident, max(at, min(context.now, clock.from_ms)), clock)]
    proven = steady.since(incident.id, falsealarm.PROOF)
    seen = falsealarm.seen(incident, plan, context.site, context.read, proven)
    if seen is not None:
        said = falsealarm.said(incident, plan, TELEMETRY, TELEMETRY, seen[1])
        return [write(incident, max(at, min(seen[0], context.now)), said)]
    return []
