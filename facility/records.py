"""The log book's words: what happened, in order, never rewritten.

A payload only gains fields (with defaults); a new meaning is a new kind. Payloads hold ids and numbers, and
verbatim the text that was sent; names, phone numbers and photos stay outside.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """What a record says happened. Past tense."""

    SERVICE_STARTED = "service.started"
    SERVICE_STOPPED = "service.stopped"
    CONFIG_ADOPTED = "config.adopted"
    STORE_RESTORED = "store.restored"
    STORE_DAMAGED = "store.damaged"
    CLOCK_STEPPED = "clock.stepped"
    TASK_RESTARTED = "task.restarted"
    HISTORY_FORGOTTEN = "history.forgotten"

    ALARM_RAISED = "alarm.raised"
    ALARM_CLEARED = "alarm.cleared"
    ALARM_ACKNOWLEDGED = "alarm.acknowledged"

    INCIDENT_OPENED = "incident.opened"
    INCIDENT_JOINED = "incident.joined"
    INCIDENT_CONFIRMED = "incident.confirmed"
    INCIDENT_NORMAL = "incident.normal"
    BELL_ANSWERED = "bell.answered"
    PLAN_STARTED = "plan.started"
    STEP_DONE = "step.done"
    STEP_SKIPPED = "step.skipped"
    LEVEL_REACHED = "level.reached"
    DUTY_UNFILLED = "duty.unfilled"
    PAGE_REQUESTED = "page.requested"
    PAGE_SENT = "page.sent"
    PAGE_REFUSED = "page.refused"
    PAGE_ACKNOWLEDGED = "page.acknowledged"
    PAGE_DECLINED = "page.declined"
    ACCEPTANCE_EXPIRED = "acceptance.expired"
    RESPONDER_ARRIVED = "responder.arrived"
    RESPONDER_FINISHED = "responder.finished"
    PROMISE_KEPT = "promise.kept"
    PROMISE_BROKEN = "promise.broken"
    INCIDENT_NOTED = "incident.noted"
    INCIDENT_CLOSED = "incident.closed"


@dataclass(frozen=True, slots=True)
class Payload:
    """What a record of one kind carries."""


@dataclass(frozen=True, slots=True)
class ServiceStarted(Payload):
    """The service came up; `replayed` scans were read again after the checkpoint."""

    version: str
    replayed: int = 0
    clean: bool = True


@dataclass(frozen=True, slots=True)
class ServiceStopped(Payload):
    """The service went down in order."""

    why: str = ""


@dataclass(frozen=True, slots=True)
class ConfigAdopted(Payload):
    """These files hold from now on."""

    hash: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class StoreRestored(Payload):
    """A damaged store was put aside and its newest snapshot taken, with what could still be read after it.

    `lost` records between the two times are gone (-1: nobody can tell how many); `doubtful` ones were kept though
    they no longer match their hash.
    """

    store: str
    kept: str
    lost_after_ms: int = 0
    lost_until_ms: int = 0
    lost: int = 0
    doubtful: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True)
class StoreDamaged(Payload):
    """A check found damage while the store was in use; the next start repairs what it can. `at` is the first place."""

    store: str
    at: int
    why: str = ""


@dataclass(frozen=True, slots=True)
class ClockStepped(Payload):
    """The wall clock jumped; ours was led back slowly."""

    by_ms: int


@dataclass(frozen=True, slots=True)
class TaskRestarted(Payload):
    """A task died or stood still and was started again."""

    task: str
    why: str
    times: int = 1


@dataclass(frozen=True, slots=True)
class HistoryForgotten(Payload):
    """Readings and rollups grew older than the site keeps them, and were deleted; days are counted in UTC."""

    readings: int  # rows of readings
    rollups: int  # rows of minutes and hours
    readings_before_ms: int  # what remains is newer
    rollups_before_ms: int


@dataclass(frozen=True, slots=True)
class AlarmRaised(Payload):
    """A rule holds on a machine. The subject is `alarm:<owner>/<rule>`; `at_ms` of the record is when it came true."""

    rule: str
    owner: str  # equipment id, or device id for communication
    priority: int
    class_: str
    value: float | None = None
    point: str = ""
    device: str = ""
    scan_ms: int = 0


@dataclass(frozen=True, slots=True)
class AlarmCleared(Payload):
    """It no longer holds."""

    rule: str
    owner: str
    value: float | None = None
    device: str = ""
    scan_ms: int = 0
    why: str = ""  # "" returned to normal; "rule-withdrawn" the site no longer has it


@dataclass(frozen=True, slots=True)
class AlarmAcknowledged(Payload):
    """An operator has seen it."""

    comment: str = ""


@dataclass(frozen=True, slots=True)
class IncidentOpened(Payload):
    """A human matter began. The subject is `incident:<id>`."""

    plan: str
    equipment: str
    priority: int
    alarm: str = ""  # subject of the alarm that opened it; empty when started by hand
    place: str = ""
    caller: str = ""
    note: str = ""
    stage: str = "confirmed"  # or "desk": the operator answers first
    confirm_by_ms: int = 0


@dataclass(frozen=True, slots=True)
class IncidentJoined(Payload):
    """An alarm belongs to a running incident; `why` is same-equipment, rang-again, supply, line, network, plan."""

    alarm: str
    why: str
    priority: int = 0  # of the alarm; a worse one makes the incident worse


@dataclass(frozen=True, slots=True)
class IncidentConfirmed(Payload):
    """A desk-stage incident became certain; `why` is voice, telemetry or unanswered."""

    why: str


@dataclass(frozen=True, slots=True)
class IncidentNormal(Payload):
    """The last of its alarms cleared; the time that it must stay so before it may be closed counts from here."""


@dataclass(frozen=True, slots=True)
class BellAnswered(Payload):
    """The operator spoke with the car."""

    trapped: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class PlanStarted(Payload):
    """This version of this plan runs, with the response times (milliseconds) that were promised when it began."""

    plan: str
    version: str
    promises: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StepDone(Payload):
    """A step was done; `by` is a person, or "telemetry" with what it showed. Two-person steps need two records."""

    step: str
    by: str
    note: str = ""
    complete: bool = True  # False: the first of two signatures


@dataclass(frozen=True, slots=True)
class StepSkipped(Payload):
    """A step was left out."""

    step: str
    reason: str


@dataclass(frozen=True, slots=True)
class LevelReached(Payload):
    """Escalation stands on this level; `round` counts its repeats.

    `why` is start, unanswered, declined, unfilled, late, worse, again (after everybody had finished), or inform.
    """

    level: int
    round: int
    why: str


@dataclass(frozen=True, slots=True)
class DutyUnfilled(Payload):
    """Nobody on duty, qualified and reachable was found for a role; `tried` says who was passed over and why."""

    role: str
    level: int
    tried: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PageRequested(Payload):
    """One attempt to reach one person on one channel in one round. `key` is stable over retries and restarts."""

    key: str
    incident: str
    person: str
    channel: str
    level: int
    round: int
    responder: bool
    text: str
    role: str = ""


@dataclass(frozen=True, slots=True)
class PageSent(Payload):
    """The provider took it, in its own words."""

    key: str
    said: str = ""


@dataclass(frozen=True, slots=True)
class PageRefused(Payload):
    """The provider did not take it, in its own words; it stays due until sent or overtaken."""

    key: str
    said: str
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class PageAcknowledged(Payload):
    """A paged person accepted and is on the way."""

    person: str
    via: str
    responder: bool = True
    heard_by: str = ""


@dataclass(frozen=True, slots=True)
class PageDeclined(Payload):
    """A paged person cannot come."""

    person: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class AcceptanceExpired(Payload):
    """Accepted, but not there in time: escalation resumes."""

    person: str


@dataclass(frozen=True, slots=True)
class ResponderArrived(Payload):
    """A responder stands at the place."""

    person: str
    via: str = ""


@dataclass(frozen=True, slots=True)
class ResponderFinished(Payload):
    """A responder's work is done."""

    person: str
    result: str = ""


@dataclass(frozen=True, slots=True)
class PromiseKept(Payload):
    """A response time was kept."""

    promise: str
    by_ms: int
    took_ms: int


@dataclass(frozen=True, slots=True)
class PromiseBroken(Payload):
    """A response time ran out."""

    promise: str
    by_ms: int


@dataclass(frozen=True, slots=True)
class IncidentNoted(Payload):
    """Somebody wrote something down."""

    note: str


@dataclass(frozen=True, slots=True)
class IncidentClosed(Payload):
    """It is over."""

    cause: str
    result: str = ""


PAYLOADS: Mapping[Kind, type[Payload]] = {
    Kind.SERVICE_STARTED: ServiceStarted,
    Kind.SERVICE_STOPPED: ServiceStopped,
    Kind.CONFIG_ADOPTED: ConfigAdopted,
    Kind.STORE_RESTORED: StoreRestored,
    Kind.STORE_DAMAGED: StoreDamaged,
    Kind.CLOCK_STEPPED: ClockStepped,
    Kind.TASK_RESTARTED: TaskRestarted,
    Kind.HISTORY_FORGOTTEN: HistoryForgotten,
    Kind.ALARM_RAISED: AlarmRaised,
    Kind.ALARM_CLEARED: AlarmCleared,
    Kind.ALARM_ACKNOWLEDGED: AlarmAcknowledged,
    Kind.INCIDENT_OPENED: IncidentOpened,
    Kind.INCIDENT_JOINED: IncidentJoined,
    Kind.INCIDENT_CONFIRMED: IncidentConfirmed,
    Kind.INCIDENT_NORMAL: IncidentNormal,
    Kind.BELL_ANSWERED: BellAnswered,
    Kind.PLAN_STARTED: PlanStarted,
    Kind.STEP_DONE: StepDone,
    Kind.STEP_SKIPPED: StepSkipped,
    Kind.LEVEL_REACHED: LevelReached,
    Kind.DUTY_UNFILLED: DutyUnfilled,
    Kind.PAGE_REQUESTED: PageRequested,
    Kind.PAGE_SENT: PageSent,
    Kind.PAGE_REFUSED: PageRefused,
    Kind.PAGE_ACKNOWLEDGED: PageAcknowledged,
    Kind.PAGE_DECLINED: PageDeclined,
    Kind.ACCEPTANCE_EXPIRED: AcceptanceExpired,
    Kind.RESPONDER_ARRIVED: ResponderArrived,
    Kind.RESPONDER_FINISHED: ResponderFinished,
    Kind.PROMISE_KEPT: PromiseKept,
    Kind.PROMISE_BROKEN: PromiseBroken,
    Kind.INCIDENT_NOTED: IncidentNoted,
    Kind.INCIDENT_CLOSED: IncidentClosed,
}


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the log book, before the book gives it its number.

    `subject` is what it tells about ("alarm:lift-1a/lift-trapped", "incident:261122-1", "site:demo"); `about`
    lists further ids (equipment, persons) under which it must be found. `request` is unique in the book: a
    second record with the same one is never written.
    """

    at_ms: int
    kind: Kind
    subject: str
    data: Payload
    actor: str = "system"
    request: str | None = None
    about: tuple[str, ...] = ()


def alarm_subject(owner: str, rule: str) -> str:
    """Return the subject of the one alarm a rule can have on a machine."""
    return f"alarm:{owner}/{rule}"


def incident_subject(id: str) -> str:
    """Return the subject of an incident."""
    return f"incident:{id}"


OPENS = frozenset({Kind.ALARM_RAISED, Kind.INCIDENT_OPENED})
"""Kinds that open their subject. Which record ends it is the fold's word: the desk says so at commit."""
