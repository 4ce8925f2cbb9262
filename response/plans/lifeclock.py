"""How long people may have been held: from the last movement of the car until they are free.

Leaving out the step that says so is no rescue: the clock runs on, and warns, until the step is done or the incident
is closed.
"""

from facility import records
from facility.equipment import point_id
from facility.plan import LIFE_CLOCK, LifeClock, Plan
from facility.scan import Reason
from facility.text import Text
from response.context import Context
from response.incident import CONFIRMED, Incident
from response.plans import showing
from response.plans.plan import done, needed, step_of

STEP_MS = 60_000
"""A car that moves sets the clock anew at most so often; what is left out makes it run out earlier, not later."""


def news(incident: Incident, plan: Plan, context: Context) -> records.LifeClockSet | None:
    """Return the record that sets the clock, or sets it anew because the car moved; None when it stands right."""
    clock = plan.life_clock
    if clock is None or incident.stage != CONFIRMED or _stopped(incident, plan, clock):
        return None
    promise = incident.promises.get(LIFE_CLOCK)
    if promise is None:
        since, why = _first(incident, clock, context)
        return records.LifeClockSet(since, since + clock.span_ms, why)
    moving = showing.holds(clock.moves, point_id(incident.equipment, clock.moves.point), context.read)
    before = incident.claims.held_from_ms or incident.opened_ms
    if promise.broken_ms is None and moving is not None and before + STEP_MS <= moving[0] <= context.now:
        return records.LifeClockSet(moving[0], moving[0] + clock.span_ms, "moved")
    return None


def warnings(incident: Incident, plan: Plan) -> list[tuple[int, int]]:
    """Return the warnings still to come: when, and how much of the clock will have run."""
    promise = incident.promises.get(LIFE_CLOCK)
    since = incident.claims.held_from_ms
    if plan.life_clock is None or since is None or promise is None:
        return []
    if promise.kept_ms is not None or promise.broken_ms is not None:
        return []
    return [(since + after, after) for after in plan.life_clock.warn_ms if after not in incident.claims.warned]


def warning(plan: Plan, after_ms: int) -> Text:
    """Return the words of a warning."""
    span = plan.life_clock.span_ms if plan.life_clock else 0
    gone, left = after_ms // 60_000, (span - after_ms) // 60_000
    return Text(
        f"自轿厢最后一次运行已 {gone} 分钟，人员尚未救出；距上报时限还有 {left} 分钟。",
        f"The car last moved {gone} min ago and the people are not free; {left} min are left to the reporting limit.",
    )


def _stopped(incident: Incident, plan: Plan, clock: LifeClock) -> bool:
    until = step_of(plan, clock.until)
    promise = incident.promises.get(LIFE_CLOCK)
    kept = promise is not None and promise.kept_ms is not None
    return kept or until is None or done(incident, until.id) or needed(incident, plan, until) is False


def ended_ms(incident: Incident) -> int | None:
    """Return when the clock stopped though nobody said that the people are free: with the incident; None otherwise."""
    promise = incident.promises.get(LIFE_CLOCK)
    running = promise is not None and promise.kept_ms is None and promise.broken_ms is None
    return incident.closed_ms if running else None


def _first(incident: Incident, clock: LifeClock, context: Context) -> tuple[int, str]:
    """Return since when people may be held, and how that is known.

    A car that had stood for longer than the span before the alarm was idle and held nobody; one whose telemetry came
    back after the alarm may not have moved since. Both count from the alarm.
    """
    point = point_id(incident.equipment, clock.moves.point)
    reading, changed = context.read(point), context.changed(point)
    alarm = incident.ring_ms or incident.opened_ms
    known = reading is not None and reading[1] == Reason.GOOD and changed is not None
    if not known or changed is None or not alarm - clock.span_ms < changed < alarm:
        return alarm, "alarm"
    return changed, "telemetry"
