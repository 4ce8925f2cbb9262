"""One incident as its records tell it. Nothing here decides; `tell` only believes what is written.

What is believed stands in msgspec's structs: a flood makes each of them anew tens of times, and a dataclass of as many
fields takes sixty times as long for it.
"""

from collections.abc import Mapping

from msgspec import Struct, field
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
from response.claims import NONE, Claims, asked_anew
from response.claims import tell as claimed
from response.handset import HEARS, NEW, Handset
from response.handset import tell as told_by_phone

DESK = "desk"
CONFIRMED = "confirmed"
CLOSED = "closed"

REQUESTED = "requested"
SENT = "sent"
REFUSED = "refused"
FAILED = "failed"  # taken by the provider, and then not delivered
OVERTAKEN = "overtaken"  # never sent, and no longer worth sending: closed, answered, or a newer round rings
ACKNOWLEDGED = "acknowledged"
DECLINED = "declined"
UNSENT = frozenset({REQUESTED, REFUSED})
UNHEARD = frozenset({REQUESTED, REFUSED, FAILED})
"""Nobody can have heard these, as far as the providers know."""

TELEMETRY = "telemetry"
LONGEST_BACK_OFF_MS = 60_000

RANG_AGAIN = "rang-again"
"""Why a bell joins when everybody has finished: the desk is asked anew."""

DESK_MS = 60_000
"""How long the desk has to answer a bell in an incident that no bell opened."""

PAGES_KEPT = 150
"""An incident that nobody answers rings for days; the book has all its pages, the state the newest."""


class PageState(Struct, frozen=True):
    """One attempt to reach one person on one channel in one round, and how it went.

    `state` is requested, sent, refused (will be tried again from `not_before_ms`), failed, overtaken, acknowledged or
    declined; what its provider and the phone said beside that never changes who is called.
    """

    key: str
    incident: str
    person: str
    channel: str
    level: int
    round: int
    responder: bool
    role: str
    text: str
    requested_ms: int
    not_before_ms: int
    at_ms: int  # of its newest word
    state: str = REQUESTED
    attempts: int = 0  # refused so often
    said: str = ""
    why: str = ""  # told beside the escalation; see PageRequested
    delivered_ms: int | None = None  # by the provider's receipt
    opened_ms: int | None = None  # the person has looked at it; that is no answer

    @property
    def ring(self) -> tuple[str, int, int, str]:
        """Return what one ring of somebody's phones has in common: person, level, round, and why beside the levels."""
        return self.person, self.level, self.round, self.why

    @property
    def furthest(self) -> str:
        """Return the furthest state: waiting, requested, refused, failed, sent, delivered, opened, or the answer."""
        if self.state not in UNHEARD | {SENT}:
            return self.state
        if self.opened_ms is not None:
            return "opened"
        if self.state == SENT and self.delivered_ms is not None:
            return "delivered"
        waits = self.state == REQUESTED and self.not_before_ms > self.requested_ms
        return "waiting" if waits else self.state


class Called(Struct, frozen=True):
    """Somebody who was called for this incident: as what, whether as a responder, and in how many rounds."""

    roles: tuple[str, ...]
    responder: bool
    rounds: int
    last: tuple[int, int]  # level and round


class Signature(Struct, frozen=True):
    """Somebody, or telemetry, says that a step is done."""

    by: str
    at_ms: int
    note: str = ""
    actor: str = ""  # who pressed it
    heard_by: str = ""  # given by voice, to whom


class StepState(Struct, frozen=True):
    """What was said about a step: done, skipped (`note` is the reason), or open with one of two signatures.

    A step that nobody touched has no state here; whether it is open or waits for others is the plan's word.
    """

    id: str
    state: str
    by: str  # ids of everybody who signed, joined by "+"
    at_ms: int
    note: str = ""
    signatures: tuple[Signature, ...] = ()
    answer: str = ""


class PromiseState(Struct, frozen=True):
    """A response time: by when, and whether it was kept or broken; neither while it runs."""

    by_ms: int
    kept_ms: int | None = None
    broken_ms: int | None = None


class Note(Struct, frozen=True):
    """Something that somebody wrote down."""

    by: str
    at_ms: int
    text: str


class Swept(Struct, frozen=True):
    """A lift that is presumed occupied, since when and why; and how it became known that it is not, or is."""

    since_ms: int
    why: str
    cleared_ms: int | None = None
    how: str = ""
    by: str = ""
    note: str = ""


class Incident(Struct, frozen=True):
    """An incident as its records tell it. Times are UTC milliseconds."""

    id: str
    plan: str
    equipment: str
    priority: int
    opened_ms: int
    stage: str = CONFIRMED  # desk, confirmed, closed
    plan_version: str = ""
    place: str = ""
    caller: str = ""
    opened_by: str = "system"
    opened_by_alarm: str = ""
    permit: str = ""  # of which something is due
    holder: str = ""  # whom the role "holder" calls
    ringing: str = ""  # the newest alarm that the desk was to answer
    alarms: tuple[str, ...] = ()
    active_alarms: frozenset[str] = frozenset()
    joined_ms: Mapping[str, int] = field(default_factory=dict)  # alarm -> when it last joined
    cleared_ms: int | None = None  # the newest clearing of a joined alarm
    normal_ms: int | None = None  # since when all of them are clear
    clock_ms: int | None = None  # promises count from here; None: no clock runs (the bell was a mistake)
    ring_ms: int = 0
    confirm_by_ms: int = 0
    answered: bool | None = None  # what the car said; None: nobody has answered
    confirmed_ms: int | None = None
    level: int = -1
    round: int = 0
    top_round: int = 0  # the highest so far, on any level
    rang: int = 0  # repeats on this level, of rounds in which somebody was asked to come
    first_round: int = 0  # the round that a level begins with: higher each time the escalation began anew
    rang_again: bool = False  # the bell rang after everybody had finished; if the desk confirms, all begins anew
    level_ms: int = 0  # the time to the next level counts from here
    round_ms: int = 0  # the time to the next round counts from here
    pages: Mapping[str, PageState] = field(default_factory=dict)  # the newest; see PAGES_KEPT
    called: Mapping[str, Called] = field(default_factory=dict)
    unfilled: frozenset[tuple[int, str]] = frozenset()
    to_replace: Mapping[str, int] = field(default_factory=dict)  # declined, nobody asked in their place yet
    accepted: Mapping[str, int] = field(default_factory=dict)  # responders on the way or there
    seen: Mapping[str, int] = field(default_factory=dict)  # people who were only to be told, and have seen it
    declined: Mapping[str, int] = field(default_factory=dict)
    expired: Mapping[str, int] = field(default_factory=dict)
    arrived: Mapping[str, int] = field(default_factory=dict)
    finished: Mapping[str, int] = field(default_factory=dict)
    steps: Mapping[str, StepState] = field(default_factory=dict)
    spans: Mapping[str, int] = field(default_factory=dict)  # promise -> milliseconds, as promised when the plan began
    promises: Mapping[str, PromiseState] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()
    sweep: Mapping[str, Swept] = field(default_factory=dict)  # by lift
    into: str = ""  # the incident that took this one over, its cause being there
    claims: Claims = NONE
    later: Mapping[str, int] = field(default_factory=dict)  # as `spans`, of promises that begin in the plan's course
    false_alarm: bool = False  # closed as one
    handset: Handset = NEW
    requests: frozenset[str] = frozenset()  # of people's commands: a repeat changes nothing
    closed_ms: int | None = None
    cause: str = ""
    result: str = ""
    turned_ms: int = 0  # the newest change of shift of which whoever came on duty was told
    last_ms: int = 0
    drill: str = ""  # paper or simulators; empty: real
    expected: tuple[str, ...] = ()  # at a drill
    invited: bool = False  # a drill calls parties outside, too
    present: Mapping[str, int] = field(default_factory=dict)  # at a drill, ticked by hand

    @property
    def life(self) -> bool:
        """Say whether life or the whole site is at stake."""
        return self.priority == Priority.LIFE


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
