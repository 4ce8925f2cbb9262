"""What records say of incidents: plans, steps, pages, people, promises."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from facility.records.payload import Payload


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
    permit: str = ""  # of which something is due; "holder" of its plan is `holder`
    holder: str = ""
    drill: str = ""  # paper or simulators; empty: real
    expected: tuple[str, ...] = ()  # who is to take part in a drill
    invited: bool = False  # a drill calls parties outside the house, too


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
    certain: bool = True  # False: that nobody is trapped needs further confirmations (`FalseAlarmSaid`)


@dataclass(frozen=True, slots=True)
class PlanStarted(Payload):
    """This version of this plan runs, with the response times (milliseconds) that were promised when it began."""

    plan: str
    version: str
    promises: Mapping[str, int] = field(default_factory=dict)
    later: Mapping[str, int] = field(default_factory=dict)  # those that begin in the course of the plan


@dataclass(frozen=True, slots=True)
class StepDone(Payload):
    """A step was done; `by` is a person, or "telemetry" with what it showed. Two-person steps need two records."""

    step: str
    by: str
    note: str = ""
    complete: bool = True  # False: the first of two signatures
    answer: str = ""  # to the question that the step asks; a later one takes its place
    heard_by: str = ""  # who recorded a signature that was given by voice


@dataclass(frozen=True, slots=True)
class StepSkipped(Payload):
    """A step was left out."""

    step: str
    reason: str


@dataclass(frozen=True, slots=True)
class LevelReached(Payload):
    """Escalation stands on this level; `round` counts its repeats.

    `why` is start, unanswered, declined, unfilled, late, worse, again (after everybody had finished), or inform.
    `from_ms`: its pages wait until then, and its times count from then; 0: they do not wait.
    """

    level: int
    round: int
    why: str
    from_ms: int = 0


@dataclass(frozen=True, slots=True)
class DutyUnfilled(Payload):
    """Nobody on duty, qualified and reachable was found for a role; `tried` says who was passed over and why."""

    role: str
    level: int
    tried: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PageRequested(Payload):
    """One attempt to reach one person on one channel in one round. `key` is stable over retries and restarts.

    It waits until `not_before_ms`: for the day, or to leave with others in one message. `priority` is the incident's.
    """

    key: str
    incident: str
    person: str
    channel: str
    level: int
    round: int
    responder: bool
    text: str
    role: str = ""
    not_before_ms: int = 0
    priority: int = 0
    why: str = ""  # told beside the escalation: skipped/STEP, broken/PROMISE, report/STEP, over, link, …


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
    eta_min: int = 0  # to be there in so many minutes; 0: unsaid


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
    """A responder stands at the place; `via` is qr (the machine's label was read), hand, phone, or console."""

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
    into: str = ""  # the incident that took it over: its cause became known, and is dealt with there
    false_alarm: bool = False  # confirmed as often as the plan asks


@dataclass(frozen=True, slots=True)
class SweepListed(Payload):
    """A lift lost its supply or fell silent: it is presumed occupied until somebody or something says otherwise."""

    lift: str
    why: str  # supply | silent


@dataclass(frozen=True, slots=True)
class SweepCleared(Payload):
    """A presumed occupied lift is known to be empty, or somebody was found in it; `how` says by what.

    `how` is telemetry (it proved itself empty), intercom (answered: nobody), guard (looked), or trapped (somebody is
    inside: an incident of its own begins).
    """

    lift: str
    how: str
    by: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class ShiftChanged(Payload):
    """A shift of the roles that this incident calls has ended; `people` came on duty, and are told of it once."""

    people: tuple[str, ...]
