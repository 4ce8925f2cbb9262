"""How an incident changes with each of its records. Nothing here decides; `tell` only believes what is written."""

from collections.abc import Mapping

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
from response.handset import HEARS
from response.handset import tell as told_by_phone
from response.incident import (
    CLOSED,
    CONFIRMED,
    DESK,
    Incident,
    Note,
    PromiseState,
    Signature,
    StepState,
    Swept,
)
from response.page import (
    ACKNOWLEDGED,
    DECLINED,
    FAILED,
    LONGEST_BACK_OFF_MS,
    OVERTAKEN,
    REFUSED,
    REQUESTED,
    SENT,
    UNHEARD,
    UNSENT,
    Called,
    PageState,
)

RANG_AGAIN = "rang-again"
"""Why a bell joins when everybody has finished: the desk is asked anew."""

DESK_MS = 60_000
"""How long the desk has to answer a bell in an incident that no bell opened."""

PAGES_KEPT = 150
"""An incident that nobody answers rings for days; the book has all its pages, the state the newest."""


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
            return i if i.clock_ms is not None else _clock_from(i, at)
        case IncidentNormal():
            return replace(i, normal_ms=at)
        case BellAnswered(trapped=trapped, certain=certain):
            i = replace(i, answered=trapped)
            return i if trapped or not certain else _nobody_trapped(i)
        case FalseAlarmSaid(enough=enough) as data:
            settles = enough and i.claims.false_ms is None and i.stage == DESK and i.answered is False
            i = replace(i, claims=claimed(i.claims, at, record.actor, data))
            return _nobody_trapped(i) if settles else i
        case CloseSaid() | CloseOverridden() | LifeClockWarned() as data:
            return replace(i, claims=claimed(i.claims, at, record.actor, data))
        case LifeClockSet(by_ms=by_ms) as data:
            promises = {**i.promises, LIFE_CLOCK: PromiseState(by_ms)}
            return replace(i, claims=claimed(i.claims, at, record.actor, data), promises=promises)
        case PromiseBegan(promise=name, by_ms=by_ms):
            return replace(i, promises={**i.promises, name: PromiseState(by_ms)})
        case PlanStarted(version=version, promises=spans, later=later):
            return _clock_from(replace(i, plan_version=version, spans=spans, later=later), i.clock_ms)
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
            return _requested(i, at, data)
        case PageSent() | PageRefused() as data:
            return _reported(i, at, data)
        case PageDelivered() | PageFailed() as data:
            return _received(i, at, data)
        case PagesReleased(send=False, keys=keys):
            return replace(i, pages={k: _overtaken(p, at) if k in keys else p for k, p in i.pages.items()})
        case PageOpened() as data:
            return _opened(i, at, data)
        case PageAcknowledged(person=person, responder=responder):
            i = replace(i, pages=_answered(i, person, ACKNOWLEDGED, at), declined=_without(i.declined, person))
            if not responder:
                return replace(i, seen={**i.seen, person: at})
            expired = _without(i.expired, person)
            return replace(i, accepted={**i.accepted, person: at}, expired=expired, to_replace={})
        case PageDeclined(person=person):
            return _declined(i, at, person)
        case WorkTaken(of=who):
            return replace(i, accepted=_without(i.accepted, who), arrived=_without(i.arrived, who))
        case AcceptanceExpired(person=person):
            return replace(i, accepted=_without(i.accepted, person), expired={**i.expired, person: at})
        case ResponderArrived(person=person):
            return replace(i, arrived={**i.arrived, person: at}, pages=_answered(i, person, ACKNOWLEDGED, at))
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
            others = _without(i.present, person)
            return replace(i, present={**others, person: at} if present else others)
        case ShiftChanged():
            return replace(i, turned_ms=at)
        case IncidentClosed(cause=cause, result=result, into=into, false_alarm=false):
            pages = {k: _overtaken(p, at) for k, p in i.pages.items()}
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
    if data.why == RANG_AGAIN:
        window = i.confirm_by_ms - i.ring_ms if i.confirm_by_ms else DESK_MS
        i = replace(
            i, stage=DESK, rang_again=True, ringing=data.alarm, answered=None, ring_ms=at, confirm_by_ms=at + window,
            claims=asked_anew(i.claims),
        )  # fmt: skip
        return _arrivals_from(i, at)
    if i.stage == DESK and data.alarm == i.opened_by_alarm and i.answered is not None:
        # The bell rings again after it was answered: a new question, with the same time to answer it.
        window = i.confirm_by_ms - i.ring_ms
        i = replace(i, answered=None, ring_ms=at, confirm_by_ms=at + window, claims=asked_anew(i.claims))
        return _clock_from(i, at)
    return i


def _reached(i: Incident, at: int, data: LevelReached) -> Incident:
    # A repeat on the same level leaves the time to the next level running.
    fresh = data.level != i.level or data.why in {"late", "worse"}
    heard = any(c.responder and c.last == (i.level, i.round) for c in i.called.values())
    start = max(at, data.from_ms)
    return replace(
        i,
        promises=_promised(i, at, data),
        level=data.level,
        round=data.round,
        top_round=max(i.top_round, data.round),
        rang=0 if fresh else i.rang + (heard and data.why == "unanswered"),
        level_ms=start if fresh else i.level_ms,
        round_ms=start,
        to_replace={},
    )


def _promised(i: Incident, at: int, data: LevelReached) -> Mapping[str, PromiseState]:
    """Return the promises: nobody is expected while the pages wait for the day; when it grows worse, soon."""
    arrivals = {n: p for n, p in i.promises.items() if not _is_step(n) and not _is_settled(p) and n in i.spans}
    if data.why == "start" and data.from_ms > at:
        return {**i.promises, **{n: PromiseState(p.by_ms + data.from_ms - at) for n, p in arrivals.items()}}
    if data.why == "worse" and not data.from_ms:
        return {**i.promises, **{n: PromiseState(min(p.by_ms, at + i.spans[n])) for n, p in arrivals.items()}}
    return i.promises


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
        pages={k: _overtaken(p, at) for k, p in i.pages.items()},
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
    return replace(i, rang_again=False) if i.rang_again else _arrivals_from(i, at)


def _arrivals_from(i: Incident, at: int) -> Incident:
    """Promise once more that somebody comes; a promise that still runs from before is not put off."""
    anew = {
        n: PromiseState(at + span)
        for n, span in i.spans.items()
        if not _is_step(n) and (n not in i.promises or _is_settled(i.promises[n]))
    }
    return replace(i, clock_ms=at, promises={**i.promises, **anew})


def _is_settled(promise: PromiseState) -> bool:
    return promise.kept_ms is not None or promise.broken_ms is not None


def _is_step(promise: str) -> bool:
    return promise.startswith("step/")


def _nobody_trapped(i: Incident) -> Incident:
    """Return the incident when it is certain that the bell was a mistake."""
    if i.rang_again:  # what was confirmed before stays so, and all its steps with it
        running = {n: p for n, p in i.promises.items() if _is_step(n) or _is_settled(p)}
        return replace(i, stage=CONFIRMED, rang_again=False, promises=running)
    return _clock_from(i, None)


def _clock_from(i: Incident, at: int | None) -> Incident:
    """Let the promises count from this moment; None stops those that run."""
    settled = {n: p for n, p in i.promises.items() if p.kept_ms is not None or p.broken_ms is not None}
    running = {} if at is None else {n: PromiseState(at + span) for n, span in i.spans.items() if n not in settled}
    return replace(i, clock_ms=at, promises={**running, **settled})


def _step_done(i: Incident, at: int, actor: str, data: StepDone) -> Incident:
    before = i.steps.get(data.step)
    signatures = (*(before.signatures if before else ()), Signature(data.by, at, data.note, actor, data.heard_by))
    by = "+".join(s.by for s in signatures)
    state = StepState(data.step, "done" if data.complete else "open", by, at, data.note, signatures, data.answer)
    return replace(i, steps={**i.steps, data.step: state})


def _requested(i: Incident, at: int, data: PageRequested) -> Incident:
    # What was not sent in an earlier round is not sent beside the newer one: one ring, not two.
    # What is told beside the escalation stands by itself, but of broken promises the newest tells enough.
    of = "broken/" if data.why.startswith("broken/") else data.why
    pages = {
        k: _overtaken(p, at)
        if (p.person, p.channel) == (data.person, data.channel) and (p.why.startswith(of) if of else not p.why)
        else p
        for k, p in i.pages.items()
    }
    before = i.called.get(data.person, Called((), responder=False, rounds=0, last=(-1, -1)))
    this_round = (data.level, data.round)
    called = Called(
        roles=before.roles if data.role in before.roles else (*before.roles, data.role),
        responder=before.responder or data.responder,
        rounds=before.rounds + (before.last != this_round),
        last=this_round,
    )
    if data.why:
        called = replace(called, rounds=before.rounds, last=before.last)
    if len(pages) > PAGES_KEPT * 4 // 3:
        # A page that still waits needs its siblings: they say which channels were tried beside it.
        held = {p.ring for p in pages.values() if p.state in UNSENT}
        over = [k for k, p in pages.items() if p.ring not in held]
        old = frozenset(over[:-PAGES_KEPT])
        pages = {k: p for k, p in pages.items() if k not in old}
    pages[data.key] = PageState(
        data.key, data.incident, data.person, data.channel, data.level, data.round, data.responder, data.role,
        data.text, requested_ms=at, not_before_ms=max(at, data.not_before_ms), at_ms=at, why=data.why,
    )  # fmt: skip
    return replace(
        i,
        pages=pages,
        called={**i.called, data.person: called},
        to_replace=i.to_replace if data.why or before.last == this_round else {},
    )


def _reported(i: Incident, at: int, data: PageSent | PageRefused) -> Incident:
    page = i.pages.get(data.key)
    if page is None:
        return i
    if isinstance(data, PageRefused):
        wait = min(2000 * 2 ** min(data.attempt - 1, 10), LONGEST_BACK_OFF_MS)
        attempt = replace(page, attempts=data.attempt, said=data.said, at_ms=at, not_before_ms=at + wait)
        return replace(
            i, pages={**i.pages, data.key: replace(attempt, state=REFUSED if page.state in UNSENT else page.state)}
        )
    answered = page.person in i.accepted or page.person in i.seen or page.person in i.arrived
    sent = replace(page, state=ACKNOWLEDGED if answered else SENT, said=data.said, at_ms=at)
    pages = {**i.pages, data.key: sent}
    if not i.life:  # one channel was enough; for life all of them ring
        pages = {k: _overtaken(p, at) if p.ring == page.ring else p for k, p in pages.items()}
    return replace(i, pages=pages)


def _received(i: Incident, at: int, data: PageDelivered | PageFailed) -> Incident:
    page = i.pages.get(data.key)
    if page is None:
        return i
    if isinstance(data, PageDelivered):
        delivered = page.delivered_ms or at
        state = SENT if page.state in UNHEARD else page.state  # the receipt came though the answer was lost
        page = replace(page, state=state, delivered_ms=delivered, said=data.said or page.said, at_ms=at)
    elif page.state == SENT and page.delivered_ms is None and page.opened_ms is None:
        page = replace(page, state=FAILED, said=data.said, at_ms=at)
    return replace(i, pages={**i.pages, data.key: page})


def _opened(i: Incident, at: int, data: PageOpened) -> Incident:
    def looked_at(page: PageState) -> bool:
        mine = page.key == data.key if data.key else page.person == data.person
        return mine and page.opened_ms is None and page.state in UNHEARD | {SENT}

    pages = {k: replace(p, opened_ms=at, at_ms=at) if looked_at(p) else p for k, p in i.pages.items()}
    return replace(i, pages=pages)


def _declined(i: Incident, at: int, person: str) -> Incident:
    turned_back = person in i.accepted
    accepted = _without(i.accepted, person)
    asked = person in i.called and i.called[person].responder
    i = replace(
        i,
        pages=_answered(i, person, DECLINED, at),
        accepted=accepted,
        declined={**i.declined, person: at},
        to_replace={**i.to_replace, person: at} if asked and not accepted else i.to_replace,
    )
    # Escalation stood still while this person was on the way: its times begin anew.
    return replace(i, level_ms=at, round_ms=at) if turned_back else i


def _answered(i: Incident, person: str, state: str, at: int) -> dict[str, PageState]:
    return {
        k: p if p.person != person else (replace(p, state=state, at_ms=at) if p.state == SENT else _overtaken(p, at))
        for k, p in i.pages.items()
    }


def _overtaken(page: PageState, at: int) -> PageState:
    return replace(page, state=OVERTAKEN, at_ms=at) if page.state in UNSENT else page


def _without(mapping: Mapping[str, int], key: str) -> Mapping[str, int]:
    return {k: v for k, v in mapping.items() if k != key}
