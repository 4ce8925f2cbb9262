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
    """Its window began. `expected` are the alarms (subjects) that a planned event will cause, as computed then.

    Other works than power-cut expect none by name: all alarms of their machines are out of service, out-of-use apart,
    which hides nothing. `unparked` are the lifts that a power cut will stop and that nothing and nobody showed empty.
    """

    expected: tuple[str, ...] = ()
    unparked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PermitExtended(Payload):
    """Its holder needs longer, and why. What came back at the old end goes out of service again until the new one."""

    until_ms: int
    reason: str


@dataclass(frozen=True, slots=True)
class PermitOverdue(Payload):
    """Something is due of its holder, who is paged.

    `why` is overdue (the window is over and nobody has said that the work is done: alarms are back in sight from here)
    or unchecked (it ended, and `machines` were not checked in time).
    """

    holder: str
    why: str = "overdue"
    machines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PermitEnded(Payload):
    """The work is done and the machines are handed back; `why` is finished, cancelled or expired."""

    why: str
    by: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class PermitChecked(Payload):
    """A machine was checked after the work: it functions (or not), by whom or by what.

    `stage` before: somebody says, before a power cut, that a lift stands parked and empty (or not).
    """

    equipment: str
    works: bool
    by: str
    note: str = ""
    stage: str = "after"


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
    """An operation was ordered by the supervisor, then said to be done by the operator, which makes it `complete`.

    `expected` are the alarms (subjects) that the operation causes: suppressed from the order until the ticket ends.
    With a `reason` it stands in for a position that telemetry does not show.
    """

    step: int
    by: str
    complete: bool = False
    expected: tuple[str, ...] = ()
    reason: str = ""


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
