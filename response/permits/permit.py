"""One permit or planned event as its records tell it. Nothing here decides; `tell` only believes what is written."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from facility.records import (
    PAYLOADS,
    Payload,
    PermitChecked,
    PermitEnded,
    PermitExtended,
    PermitIssued,
    PermitOverdue,
    PermitStarted,
    Record,
    permit_subject,
)

PERMIT = "permit"
POWER_CUT = "power-cut"
GENSET_TEST = "genset-test"
OUT_OF_USE = "out-of-use"
INSPECTION = "inspection"

_HOUR_MS = 3_600_000

LONGEST_MS: Mapping[str, int] = {
    PERMIT: 12 * _HOUR_MS,
    INSPECTION: 12 * _HOUR_MS,
    GENSET_TEST: 4 * _HOUR_MS,
    POWER_CUT: 24 * _HOUR_MS,
    OUT_OF_USE: 366 * 24 * _HOUR_MS,
}
"""How long each kind of work may last, extensions included; who needs longer issues a new one."""

ISSUED = "issued"
RUNNING = "running"
OVERDUE = "overdue"
CHECKING = "checking"  # ended, and a machine still waits for its check
CLOSED = "closed"

BEFORE, AFTER = "before", "after"


@dataclass(frozen=True, slots=True)
class Check:
    """What somebody said of a machine, and when."""

    works: bool
    by: str
    at_ms: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Permit:
    """Planned work as its records tell it. Times are UTC milliseconds; see `facility.records.PermitIssued`."""

    id: str
    work: str
    equipment: tuple[str, ...]
    holder: str
    people: tuple[str, ...]
    from_ms: int
    until_ms: int
    task: str
    number: str
    issued_ms: int
    issued_by: str
    started_ms: int | None = None
    expected: tuple[str, ...] = ()
    unparked: tuple[str, ...] = ()
    overdue_ms: int | None = None  # the window is over; an extension takes it back
    extensions: tuple[str, ...] = ()  # their reasons
    ended_ms: int | None = None
    why: str = ""
    ended_by: str = ""
    note: str = ""
    checks: Mapping[str, Check] = field(default_factory=dict)  # after the work
    parked: Mapping[str, Check] = field(default_factory=dict)  # lifts, before a power cut
    reminded_ms: int | None = None  # its holder was paged because of machines that nobody checked
    requests: frozenset[str] = frozenset()  # of people's commands: a repeat changes nothing
    last_ms: int = 0

    @property
    def state(self) -> str:
        """Return issued, running, overdue, checking or closed."""
        if self.ended_ms is not None:
            return CHECKING if self.unchecked else CLOSED
        if self.started_ms is None:
            return ISSUED
        return RUNNING if self.overdue_ms is None else OVERDUE

    @property
    def runs(self) -> bool:
        """Say whether somebody may be at work there: started and not ended, in time or not."""
        return self.started_ms is not None and self.ended_ms is None

    @property
    def unchecked(self) -> tuple[str, ...]:
        """Return the machines that wait for their check after the work."""
        if self.why != "finished" or self.work == OUT_OF_USE:
            return ()
        return tuple(machine for machine in self.equipment if machine not in self.checks)


def issued(id: str, record: Record, data: PermitIssued) -> Permit:
    """Return the permit that a record announces."""
    return _heard(
        Permit(
            id, data.work, data.equipment, data.holder, data.people, data.from_ms, data.until_ms, data.task,
            data.number, record.at_ms, record.actor,
        ),
        record,
    )  # fmt: skip


def tell(permit: Permit, record: Record) -> Permit:
    """Return the permit after one more record."""
    return _heard(_tell(permit, record), record)


def write(permit: Permit, at_ms: int, data: Payload, *, request: str | None = None, actor: str = "system") -> Record:
    """Return a record of a permit, found under its machines and people."""
    about = tuple(dict.fromkeys((*permit.equipment, permit.holder, *permit.people)))
    return Record(at_ms, _KIND_OF[type(data)], permit_subject(permit.id), data, actor, request, about)


_KIND_OF = {payload: kind for kind, payload in PAYLOADS.items()}


def _heard(permit: Permit, record: Record) -> Permit:
    requests = permit.requests
    if record.request and record.actor != "system":
        requests |= {record.request}
    return replace(permit, requests=requests, last_ms=max(permit.last_ms, record.at_ms))


def _tell(p: Permit, record: Record) -> Permit:  # noqa: PLR0911 - one case per kind
    at = record.at_ms
    match record.data:
        case PermitStarted(expected=expected, unparked=unparked):
            return replace(p, started_ms=at, expected=expected, unparked=unparked)
        case PermitExtended(until_ms=until_ms, reason=reason):
            return replace(p, until_ms=until_ms, overdue_ms=None, extensions=(*p.extensions, reason))
        case PermitOverdue(why="unchecked"):
            return replace(p, reminded_ms=at)
        case PermitOverdue():
            return replace(p, overdue_ms=at)
        case PermitEnded(why=why, by=by, note=note):
            return replace(p, ended_ms=at, why=why, ended_by=by, note=note)
        case PermitChecked(equipment=machine, works=works, by=by, note=note, stage=stage):
            check = Check(works, by, at, note)
            if stage == BEFORE:
                return replace(p, parked={**p.parked, machine: check})
            return replace(p, checks={**p.checks, machine: check})
    return p
