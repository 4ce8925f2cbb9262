"""What stands at an incident's end: false alarm, close gate, life clock, and machines held beyond it."""

from collections.abc import Mapping

from api.shapes.incident import CheckShape, ConfirmationShape, FalseAlarmShape, HoldShape, LifeClockShape
from api.views.words import person_name, words
from facility.plan import LIFE_CLOCK, Plan
from facility.site import Site
from response.context import Read
from response.incident import Incident
from response.plans import closing, falsealarm, lifeclock, outofservice, showing
from response.plans.outofservice import Hold


def false_alarm_shape(incident: Incident, plan: Plan | None) -> FalseAlarmShape | None:
    """Return how an incident may be closed as a false alarm; None where its plan does not say."""
    if plan is None or plan.false_alarm is None:
        return None
    lacking = next(falsealarm.lacking(incident, plan), None)
    return FalseAlarmShape(
        needs=plan.false_alarm.needs,
        kinds=list(plan.false_alarm.kinds),
        said=[ConfirmationShape(how=c.how, by=c.by, at_ms=c.at_ms, note=c.note) for c in incident.claims.false],
        lacking=words(lacking) if lacking else None,
    )


def life_clock_shape(incident: Incident) -> LifeClockShape | None:
    """Return how long people may be held; None while no such clock runs."""
    promise, since = incident.promises.get(LIFE_CLOCK), incident.claims.held_from_ms
    if promise is None or since is None:
        return None
    return LifeClockShape(
        from_ms=since,
        by_ms=promise.by_ms,
        kept_ms=promise.kept_ms,
        broken_ms=promise.broken_ms,
        ended_ms=lifeclock.ended_ms(incident),
    )


def check_shapes(site: Site, incident: Incident, plan: Plan | None, read: Read) -> list[CheckShape]:
    """Return the close gate's checks as telemetry shows them now."""
    found = []
    for at, check in enumerate(plan.close if plan else ()):
        state = "not-shown"
        if showing.shown(site, incident.equipment, check.proof, read) is not None:
            state = "shown"
        elif showing.blind(site, incident.equipment, check.proof, read):
            state = "dead"
        said = [person_name(site, who) for who in closing.said_by(incident, at)]
        found.append(CheckShape(text=words(check.text), state=state, said=said))
    return found


def hold_shape(site: Site, hold: Hold) -> HoldShape:
    """Return a machine that is held."""
    return HoldShape(
        equipment=hold.equipment,
        name=words(site.owner_name(hold.equipment)),
        incident=hold.incident,
        since_ms=hold.since_ms,
        until=words(hold.until),
        signatories=[words(text) for text in outofservice.signatories(site, hold.equipment)],
    )


def held_for(site: Site, incident: Incident, holds: Mapping[str, Hold]) -> HoldShape | None:
    """Return the hold of an incident's machine."""
    hold = holds.get(incident.equipment)
    return hold_shape(site, hold) if hold is not None else None
