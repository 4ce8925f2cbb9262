"""How an incident changes with each of its records. Nothing here decides; `tell` only believes what is written."""

from msgspec.structs import replace

from facility.plan import LIFE_CLOCK
from facility.records import (
    AcceptanceExpired,
    AlarmCleared,
    BellAnswered,
    CloseOverridden,
    CloseSaid,
    DrillAttended,
    DutyUnfilled,
    FalseAlarmSaid,
    IncidentClosed,
    IncidentConfirmed,
    IncidentJoined,
    IncidentNormal,
    IncidentNoted,
    IncidentOpened,
    LevelReached,
    LifeClockSet,
    LifeClockWarned,
    PageAcknowledged,
    PageDeclined,
    PageDelivered,
    PageFailed,
    PageOpened,
    PageRefused,
    PageRequested,
    PageSent,
    PagesReleased,
    PlanStarted,
    PromiseBegan,
    PromiseBroken,
    PromiseKept,
    ProofLost,
    ProofShown,
    Record,
    ResponderArrived,
    ResponderFinished,
    ShiftChanged,
    StepDone,
    StepSkipped,
    SweepCleared,
    SweepListed,
    WorkTaken,
)
from facility.rule import Priority
from response.claims import asked_anew
from response.claims import tell as claimed
from response.incident import CLOSED, CONFIRMED, DESK, Incident, Note, PromiseState, Signature, StepState, Swept
from response.paging import pagefold
from response.paging.page import ACKNOWLEDGED, REQUESTED
from response.phone.handset import HEARS
from response.phone.handset import tell as told_by_phone
from response.plans.promise import arrivals_from, clock_from, is_settled, is_step, promised

RANG_AGAIN = "rang-again"
"""Why a bell joins when everybody has finished: the desk is asked anew."""

DESK_MS = 60_000
"""How long the desk has to answer a bell in an incident that no bell opened."""


def opened(id: str, record: Record, data: IncidentOpened, *, active: bool) -> Incident:
    """Return the incident that a record opens; `active` says whether its alarm still holds."""
    at = record.at_ms
    alarms = (data.alarm,) if data.alarm else ()
    return Incident(
        id=id,
        plan=data.plan,
        equipment=data.equipment,
        priority=data.priority,
        opened_ms=at,
        stage=data.stage,
        place=data.place,
        caller=data.caller,
        opened_by=record.actor,
        opened_by_alarm=data.alarm,
        permit=data.permit,
        holder=data.holder,
        ringing=data.alarm if data.stage == DESK else "",
        alarms=alarms,
        active_alarms=frozenset(alarms) if active else frozenset(),
        joined_ms=dict.fromkeys(alarms, at),
        clock_ms=at,
        ring_ms=at,
        confirm_by_ms=data.confirm_by_ms,
        confirmed_ms=at if data.stage == CONFIRMED else None,
        notes=(Note(record.actor, at, data.note),) if data.note else (),
        requests=frozenset({record.request}) if record.request and record.actor != "system" else frozenset(),
        last_ms=at,
        drill=data.drill,
        expected=data.expected,
        invited=data.invited,
    )


def tell(incident: Incident, record: Record, *, active: bool = True) -> Incident:
    """Return the incident after one more record; `active` says of a joining alarm whether it still holds."""
    told = _tell(incident, record, active=active)
    if isinstance(record.data, HEARS):
        told = replace(told, handset=told_by_phone(told.handset, record.at_ms, record.data))
    if record.kind.startswith("alarm."):
        return told
    if record.request and record.actor != "system":
        told = replace(told, requests=told.requests | {record.request})
    return told if record.at_ms <= told.last_ms else replace(told, last_ms=record.at_ms)


def _tell(i: Incident, record: Record, *, active: bool) -> Incident:  # noqa: C901, PLR0911, PLR0912 - one case per kind
    at = record.at_ms
    match record.data:
        case AlarmCleared():
            return replace(i, active_alarms=i.active_alarms - {record.subject}, cleared_ms=max(i.cleared_ms or 0, at))
        case IncidentJoined() as data:
            return _joined(i, at, data, active=active)
        case IncidentConfirmed():
            i = replace(i, stage=CONFIRMED, confirmed_ms=at)
            return i if i.clock_ms is not None else clock_from(i, at)
        case IncidentNormal():
            return replace(i, normal_ms=at)
        case BellAnswered(trapped=trapped, certain=certain):
            i = replace(i, answered=trapped)
            return i if trapped or not certain else _nobody_trapped(i)
        case FalseAlarmSaid(enough=enough) as data:
            settles = enough and i.claims.false_ms is None and i.stage == DESK and i.answered is False
            i = replace(i, claims=claimed(i.claims, at, record.actor, data))
            return _nobody_trapped(i) if settles else i
        case CloseSaid() | CloseOverridden() | LifeClockWarned() | ProofShown() | ProofLost() as data:
            return replace(i, claims=claimed(i.claims, at, record.actor, data))
        case LifeClockSet(by_ms=by_ms) as data:
            promises = {**i.promises, LIFE_CLOCK: PromiseState(by_ms)}
            return replace(i, claims=claimed(i.claims, at, record.actor, data), promises=promises)
        case PromiseBegan(promise=name, by_ms=by_ms):
            return replace(i, promises={**i.promises, name: PromiseState(by_ms)})
        case PlanStarted(version=version, promises=spans, later=later):
            return clock_from(replace(i, plan_version=version, spans=spans, later=later), i.clock_ms)
        case StepDone() as data:
            return _step_done(i, at, record.actor, data)
        case StepSkipped(step=step, reason=reason):
            return replace(i, steps={**i.steps, step: StepState(step, "skipped", record.actor, at, reason)})
        case LevelReached(why="again") as data:
            return _begun_again(i, at, data)
        case LevelReached() as data:
            return _reached(i, at, data)
        case DutyUnfilled(role=role, level=level):
            return replace(i, unfilled=i.unfilled | {(level, role)}, to_replace={})
        case PageRequested() as data:
            return pagefold.requested(i, at, data)
        case PageSent() | PageRefused() as data:
            return pagefold.reported(i, at, data)
        case PageDelivered() | PageFailed() as data:
            return pagefold.received(i, at, data)
        case PagesReleased(send=False, keys=keys):
            return replace(i, pages={k: pagefold.overtaken(p, at) if k in keys else p for k, p in i.pages.items()})
        case PageOpened() as data:
            return pagefold.opened(i, at, data)
        case PageAcknowledged(person=person, responder=responder):
            i = replace(
                i, pages=pagefold.answered(i, person, ACKNOWLEDGED, at), declined=pagefold.without(i.declined, person)
            )
            if not responder:
                return replace(i, seen={**i.seen, person: at})
            expired = pagefold.without(i.expired, person)
            i = _back(i, person)
            return replace(i, accepted={**i.accepted, person: at}, expired=expired, to_replace={})
        case PageDeclined(person=person):
            return pagefold.declined(i, at, person)
        case WorkTaken(of=who):
            return replace(i, accepted=pagefold.without(i.accepted, who), arrived=pagefold.without(i.arrived, who))
        case AcceptanceExpired(person=person):
            return replace(i, accepted=pagefold.without(i.accepted, person), expired={**i.expired, person: at})
        case ResponderArrived(person=person):
            i = _back(i, person)
            return replace(i, arrived={**i.arrived, person: at}, pages=pagefold.answered(i, person, ACKNOWLEDGED, at))
        case ResponderFinished(person=person):
            return replace(i, finished={**i.finished, person: at})
        case PromiseKept(promise=name, by_ms=by_ms):
            return replace(i, promises={**i.promises, name: PromiseState(by_ms, kept_ms=at)})
        case PromiseBroken(promise=name, by_ms=by_ms):
            return replace(i, promises={**i.promises, name: PromiseState(by_ms, broken_ms=at)})
        case IncidentNoted(note=note):
            return replace(i, notes=(*i.notes, Note(record.actor, at, note)))
        case SweepListed(lift=lift, why=why):
            return replace(i, sweep={**i.sweep, lift: Swept(at, why)})
        case SweepCleared(lift=lift) as data if lift in i.sweep:
            said = replace(i.sweep[lift], cleared_ms=at, how=data.how, by=data.by, note=data.note)
            return replace(i, sweep={**i.sweep, lift: said})
        case DrillAttended(person=person, present=present):
            others = pagefold.without(i.present, person)
            return replace(i, present={**others, person: at} if present else others)
        case ShiftChanged():
            return replace(i, turned_ms=at)
        case IncidentClosed(cause=cause, result=result, into=into, false_alarm=false):
            pages = {k: pagefold.overtaken(p, at) for k, p in i.pages.items()}
            i = replace(i, stage=CLOSED, closed_ms=at, cause=cause, result=result, into=into, pages=pages)
            return replace(i, false_alarm=false)
    return i


def _joined(i: Incident, at: int, data: IncidentJoined, *, active: bool) -> Incident:
    alarms = i.alarms if data.alarm in i.joined_ms else (*i.alarms, data.alarm)
    joined_ms = dict(i.joined_ms)  # a copy as it lies, and one more: a flood's incident has thousands
    joined_ms[data.alarm] = at
    pages = i.pages
    if data.priority == Priority.LIFE and not i.life:  # what waited for the day, or for others, waits no more
        pages = {k: replace(p, not_before_ms=at) if p.state == REQUESTED else p for k, p in pages.items()}
    i = replace(
        i,
        pages=pages,
        alarms=alarms,
        active_alarms=i.active_alarms | {data.alarm} if active else i.active_alarms,
        joined_ms=joined_ms,
        normal_ms=None,
        priority=min(i.priority, data.priority or i.priority),
    )
    if i.stage == CONFIRMED and 0 < data.priority <= i.priority and f":{i.equipment}/" in data.alarm:
        i = replace(i, claims=asked_anew(i.claims))
    if data.why == RANG_AGAIN:
        window = i.confirm_by_ms - i.ring_ms if i.confirm_by_ms else DESK_MS
        i = replace(
            i, stage=DESK, rang_again=True, ringing=data.alarm, answered=None, ring_ms=at, confirm_by_ms=at + window,
            claims=asked_anew(i.claims),
        )  # fmt: skip
        return arrivals_from(i, at)
    if i.stage == DESK and data.alarm == i.opened_by_alarm and i.answered is not None:
        # The bell rings again after it was answered: a new question, with the same time to answer it.
        window = i.confirm_by_ms - i.ring_ms
        i = replace(i, answered=None, ring_ms=at, confirm_by_ms=at + window, claims=asked_anew(i.claims))
        return clock_from(i, at)
    return i


def _reached(i: Incident, at: int, data: LevelReached) -> Incident:
    # A repeat on the same level leaves the time to the next level running.
    fresh = data.level != i.level or data.why in {"late", "worse"}
    heard = any(c.responder and c.last == (i.level, i.round) for c in i.called.values())
    start = max(at, data.from_ms)
    return replace(
        i,
        promises=promised(i, at, data),
        level=data.level,
        round=data.round,
        top_round=max(i.top_round, data.round),
        rang=0 if fresh else i.rang + (heard and data.why == "unanswered"),
        level_ms=start if fresh else i.level_ms,
        round_ms=start,
        to_replace={},
    )


def _begun_again(i: Incident, at: int, data: LevelReached) -> Incident:
    """Return the incident as it is when everybody had finished and all are called anew."""
    i = replace(
        i,
        level=data.level,
        round=data.round,
        top_round=max(i.top_round, data.round),
        first_round=data.round,
        rang=0,
        level_ms=max(at, data.from_ms),
        round_ms=max(at, data.from_ms),
        pages={k: pagefold.overtaken(p, at) for k, p in i.pages.items()},
        unfilled=frozenset(),
        to_replace={},
        accepted={p: t for p, t in i.accepted.items() if p not in i.finished},
        arrived={p: t for p, t in i.arrived.items() if p not in i.finished},
        finished={},
        seen={},
        declined={},
        expired={},
    )
    # After a bell the promises already count from the bell.
    return replace(i, rang_again=False) if i.rang_again else arrivals_from(i, at)


def _back(i: Incident, person: str) -> Incident:
    """Return the incident when somebody who had finished comes again."""
    if person not in i.finished:
        return i
    out = pagefold.without
    return replace(
        i, accepted=out(i.accepted, person), arrived=out(i.arrived, person), finished=out(i.finished, person)
    )


def _nobody_trapped(i: Incident) -> Incident:
    """Return the incident when it is certain that the bell was a mistake."""
    if i.rang_again:  # what was confirmed before stays so, and all its steps with it
        running = {n: p for n, p in i.promises.items() if is_step(n) or is_settled(p)}
        return replace(i, stage=CONFIRMED, rang_again=False, promises=running)
    return clock_from(i, None)


def _step_done(i: Incident, at: int, actor: str, data: StepDone) -> Incident:
    before = i.steps.get(data.step)
    signatures = (*(before.signatures if before else ()), Signature(data.by, at, data.note, actor, data.heard_by))
    by = "+".join(s.by for s in signatures)
    state = StepState(data.step, "done" if data.complete else "open", by, at, data.note, signatures, data.answer)
    return replace(i, steps={**i.steps, data.step: state})
