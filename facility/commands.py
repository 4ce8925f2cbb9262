"""What people ask the desk to do. Imperative; each carries who asks and a request id that makes a repeat harmless."""

from dataclasses import dataclass

from facility.text import Text


@dataclass(frozen=True, slots=True)
class Command:
    """`actor` is "user:<id>" from the console or "person:<id>" from the phone page; `request` is unique per press."""

    actor: str
    request: str


@dataclass(frozen=True, slots=True)
class AcknowledgeAlarm(Command):
    """The operator has seen it: stops sound and blinking, nothing else."""

    alarm: str
    comment: str = ""


@dataclass(frozen=True, slots=True)
class StartPlan(Command):
    """A plan is started by hand: the place (a machine, or words) and who called."""

    plan: str
    equipment: str = ""
    place: str = ""
    caller: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class AnswerBell(Command):
    """The operator spoke with the car: is somebody trapped?"""

    incident: str
    trapped: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class Accept(Command):
    """A paged person takes it and is on the way; `heard_by` when the operator records it by voice."""

    incident: str
    person: str
    heard_by: str = ""


@dataclass(frozen=True, slots=True)
class Decline(Command):
    """A paged person cannot come."""

    incident: str
    person: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Arrive(Command):
    """A responder stands at the place."""

    incident: str
    person: str


@dataclass(frozen=True, slots=True)
class TickStep(Command):
    """A step is done, by whom."""

    incident: str
    step: str
    person: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class SkipStep(Command):
    """A step is left out, and why."""

    incident: str
    step: str
    reason: str


@dataclass(frozen=True, slots=True)
class Finish(Command):
    """A responder's work is done, with the result."""

    incident: str
    person: str
    result: str = ""


@dataclass(frozen=True, slots=True)
class AddNote(Command):
    """Something worth writing down."""

    incident: str
    note: str


@dataclass(frozen=True, slots=True)
class CloseIncident(Command):
    """The operator closes it."""

    incident: str
    cause: str
    result: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """The desk's no: what happened, what to do; `code` is ASCII (not-found, conflict, forbidden, invalid)."""

    code: str
    why: Text
