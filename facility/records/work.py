"""What records say of planned work: permits, planned events, switching tickets."""

from dataclasses import dataclass

from facility.records.payload import Payload


@dataclass(frozen=True, slots=True)
class PermitIssued(Payload):
    """Planned work on machines, for a window. The subject is `permit:<id>`; times are UTC milliseconds.

    `work` is permit (工作票), power-cut (planned loss of supply), genset-test, out-of-use (报停) or inspection.
    `holder` is the person who answers for it, `people` who else works there.
    """

    work: str
    equipment: tuple[str, ...]
    holder: str
    people: tuple[str, ...]
    from_ms: int
    until_ms: int
    task: str
    number: str = ""  # of the paper, where there is one


@dataclass(frozen=True, slots=True)
class PermitStarted(Payload):
    """Its window began. `expected` are the alarms (subjects) that a planned event will cause, as computed then."""

    expected: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PermitExtended(Payload):
    """Its holder needs longer, and why."""

    until_ms: int
    reason: str


@dataclass(frozen=True, slots=True)
class PermitOverdue(Payload):
    """Its window is over and nobody has said that the work is done: its holder is paged."""

    holder: str


@dataclass(frozen=True, slots=True)
class PermitEnded(Payload):
    """The work is done and the machines are handed back; `why` is finished, cancelled or expired."""

    why: str
    by: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class PermitChecked(Payload):
    """A machine was checked after the work: it functions (or not), by whom or by what."""

    equipment: str
    works: bool
    by: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class SwitchStep:
    """One operation of a switching ticket and the position that must be read back after it."""

    equipment: str
    point: str
    value: float
    text: str = ""


@dataclass(frozen=True, slots=True)
class TicketIssued(Payload):
    """A switching ticket (操作票): one task, ordered operations, two certified people. The subject is `ticket:<id>`."""

    task: str
    steps: tuple[SwitchStep, ...]
    operator: str
    supervisor: str


@dataclass(frozen=True, slots=True)
class TicketStepDone(Payload):
    """An operation was carried out, said by one of the two; the second signature makes it `complete`."""

    step: int
    by: str
    complete: bool = False


@dataclass(frozen=True, slots=True)
class TicketStepSeen(Payload):
    """Telemetry shows the position after an operation: as it must be, or not."""

    step: int
    value: float | None
    right: bool


@dataclass(frozen=True, slots=True)
class TicketEnded(Payload):
    """All operations are carried out and seen, or the ticket was stopped; `why` is finished or stopped."""

    why: str
    by: str = ""
    note: str = ""
