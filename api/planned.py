"""Permits and switching tickets as they leave: shapes, and how they are made from what the desk knows."""

import asyncio
from collections.abc import Callable, Iterable

from pydantic import TypeAdapter

from api import labels
from api.shapes.base import Shape, Words
from api.shapes.site import PersonName
from api.station import Station, View
from api.views.words import number, person_name, words
from api.who import Caller
from facility.equipment import point_id
from facility.records import Kind, SwitchStep, permit_subject
from facility.site import Site
from facility.text import Text
from response import outage, switching
from response.context import Read
from response.permit import ISSUED, OUT_OF_USE, POWER_CUT, Check, Permit
from response.planned import Planned
from response.ticket import DONE, Ticket

RECORDS_LIMIT = 1000


class PlannedCount(Shape):
    """How much planned work there is: running permits (overdue ones too), those overdue, unchecked; open tickets."""

    running: int
    overdue: int
    unchecked: int
    tickets: int


class CheckShape(Shape):
    """What somebody said of a machine."""

    works: bool
    by: str
    name: str
    at_ms: int
    note: str


class PermitMachine(Shape):
    """A machine of a permit, and its check after the work."""

    id: str
    name: Words
    place: Words
    check: CheckShape | None


class PlannedLift(Shape):
    """A lift that a power cut stops: what telemetry shows now, and what somebody said."""

    id: str
    name: Words
    parked: bool
    signed: CheckShape | None


class ExpectedAlarm(Shape):
    """An alarm that a planned event causes."""

    subject: str
    owner_name: Words
    name: Words


class PermitShape(Shape):
    """Planned work. `hiding` counts the active alarms that it keeps out of sight now."""

    id: str
    work: str
    work_name: Words
    state: str
    state_name: Words
    task: str
    number: str
    holder: PersonName
    people: list[PersonName]
    equipment: list[PermitMachine]
    from_ms: int
    until_ms: int
    issued_ms: int
    issued_by: str
    started_ms: int | None
    overdue_ms: int | None
    ended_ms: int | None
    why: str
    note: str
    extensions: list[str]
    recheck_by_ms: int | None
    expected: list[ExpectedAlarm]
    lifts: list[PlannedLift]
    hiding: int


class RemarkShape(Shape):
    """What is to be said of an operation; a grave one forbids it."""

    step: int
    grave: bool
    text: Words


class OperationShape(Shape):
    """One operation of a switching ticket, and where the equipment stands now."""

    text: str
    equipment: str
    equipment_name: Words
    point: str
    point_name: Words
    value: float
    value_name: Words
    now: float | None
    now_name: Words
    state: str
    state_name: Words
    ordered_ms: int | None
    done_ms: int | None
    seen_ms: int | None
    wait_until_ms: int | None
    confirmed: list[str]
    reason: str


class TicketShape(Shape):
    """A switching ticket; `current` is the operation at hand, counted from 0."""

    id: str
    task: str
    operator: PersonName
    supervisor: PersonName
    issued_ms: int
    steps: list[OperationShape]
    current: int
    remarks: list[RemarkShape]
    ended_ms: int | None
    why: str
    note: str


class PermitPreview(Shape):
    """What a permit would do: the alarms it expects, the lifts it stops, and how many alarms it could hide."""

    expected: list[ExpectedAlarm]
    lifts: list[PlannedLift]
    hides: int


PERMITS = TypeAdapter(list[PermitShape])
TICKETS = TypeAdapter(list[TicketShape])
REMARKS = TypeAdapter(list[RemarkShape])

UNKNOWN = Text("未知", "unknown")


def counts(view: View) -> PlannedCount:
    """Return how much planned work there is."""
    states = [p.state for p in view.permits.values()]
    return PlannedCount(
        running=sum(p.runs for p in view.permits.values()),
        overdue=states.count("overdue"),
        unchecked=states.count("checking"),
        tickets=len(view.tickets),
    )


def reading(station: Station) -> Read:
    """Return how decisions read a point: its newest value, reason and time."""

    def read(point: str) -> tuple[float, int, int] | None:
        seen = station.live.read(point)
        return None if seen is None else (seen.value, seen.reason, seen.at_ms)

    return read


def sees_permit(caller: Caller, site: Site, permit: Permit) -> bool:
    """Whether a permit is within a caller's reach: it names him, or a machine that he may look at."""
    machines = caller.machines(site)
    named = bool(caller.person) and caller.person in {permit.holder, *permit.people}
    return machines is None or named or not machines.isdisjoint(permit.equipment)


def sees_ticket(caller: Caller, site: Site, ticket: Ticket) -> bool:
    """Whether a ticket is within a caller's reach."""
    machines = caller.machines(site)
    named = bool(caller.person) and caller.person in {ticket.operator, ticket.supervisor}
    return machines is None or named or not machines.isdisjoint(s.equipment for s in ticket.steps)


def permit_shape(station: Station, permit: Permit) -> PermitShape:
    """Return a permit as it leaves."""
    site, hidden_by = station.site, permit_subject(permit.id)
    read = reading(station)
    cut = permit.work == POWER_CUT and permit.ended_ms is None
    stands = outage.position(site, lambda point: outage.value(read, point))
    expected = permit.expected
    if permit.work == POWER_CUT and permit.state == ISSUED:
        expected = outage.expected(site, permit.equipment, stands)
    lifts = outage.lifts(site, permit.equipment, stands) if cut else ()
    checked = permit.work != OUT_OF_USE and permit.why == "finished"
    return PermitShape(
        id=permit.id,
        work=permit.work,
        work_name=words(labels.label("work", permit.work)),
        state=permit.state,
        state_name=words(labels.label("permit_state", permit.state)),
        task=permit.task,
        number=permit.number,
        holder=person(site, permit.holder),
        people=[person(site, who) for who in permit.people],
        equipment=[_machine(site, permit, machine) for machine in permit.equipment],
        from_ms=permit.from_ms,
        until_ms=permit.until_ms,
        issued_ms=permit.issued_ms,
        issued_by=permit.issued_by,
        started_ms=permit.started_ms,
        overdue_ms=permit.overdue_ms,
        ended_ms=permit.ended_ms,
        why=permit.why,
        note=permit.note,
        extensions=list(permit.extensions),
        recheck_by_ms=permit.ended_ms + site.works.recheck_ms if checked and permit.ended_ms else None,
        expected=expected_shapes(site, expected),
        lifts=lift_shapes(site, dict.fromkeys((*lifts, *permit.parked)) if cut else (), read, permit.parked.get),
        hiding=sum(h.active and h.by == hidden_by for h in station.hiding()),
    )


def expected_shapes(site: Site, subjects: Iterable[str]) -> list[ExpectedAlarm]:
    """Return expected alarms with the names of machine and rule."""
    out: list[ExpectedAlarm] = []
    for subject in subjects:
        owner, _, rule = subject.removeprefix("alarm:").rpartition("/")
        name = site.rules[rule].name if rule in site.rules else Text(rule, rule)
        out.append(ExpectedAlarm(subject=subject, owner_name=words(site.owner_name(owner)), name=words(name)))
    return out


def lift_shapes(
    site: Site, lifts: Iterable[str], read: Read, signed: Callable[[str], Check | None]
) -> list[PlannedLift]:
    """Return the lifts that a cut stops, and whether they are known to be empty."""
    return [
        PlannedLift(
            id=lift,
            name=words(site.owner_name(lift)),
            parked=outage.parked(site, lift, read),
            signed=_check(site, signed(lift)),
        )
        for lift in lifts
    ]


def ticket_shape(station: Station, ticket: Ticket) -> TicketShape:
    """Return a switching ticket as it leaves, each operation with the position that telemetry shows now."""
    site, read = station.site, reading(station)
    left = ticket.steps[ticket.current :] if ticket.ended_ms is None else ()
    remarks = switching.rehearse(site, left, lambda point: outage.value(read, point))
    # The last word on the operation at hand is its own state; only what is to come is rehearsed.
    ahead = [r for r in remarks if r.step > 0 or ticket.state(ticket.current) == "next"]
    return TicketShape(
        id=ticket.id,
        task=ticket.task,
        operator=person(site, ticket.operator),
        supervisor=person(site, ticket.supervisor),
        issued_ms=ticket.issued_ms,
        steps=[_operation(site, ticket, n, step, read) for n, step in enumerate(ticket.steps)],
        current=ticket.current,
        remarks=[
            RemarkShape(step=r.step + ticket.current, grave=r.grave, text=words(r.text)) for r in ahead
        ],
        ended_ms=ticket.ended_ms,
        why=ticket.why,
        note=ticket.note,
    )  # fmt: skip


def person(site: Site, id: str) -> PersonName:
    """Return somebody with the name that the site knows."""
    known = site.people.get(id) or site.parties.get(id)
    return PersonName(id=id, name=person_name(site, id), roles=list(known.roles) if known else [])


async def past(station: Station, kind: Kind, limit: int) -> Planned:
    """Return the permits or tickets issued last, folded again from the book; over or not."""
    return await asyncio.to_thread(_past, station, kind, limit)


async def one(station: Station, subject: str) -> Planned:
    """Return one permit or ticket, folded again from the book."""
    return await asyncio.to_thread(_told, station, [subject])


def _past(station: Station, kind: Kind, limit: int) -> Planned:
    return _told(station, [w.record.subject for w in station.book.find(kinds=[kind], limit=limit)])


def _told(station: Station, subjects: Iterable[str]) -> Planned:
    told = Planned()
    for subject in subjects:
        for written in reversed(station.book.find(subject=subject, limit=RECORDS_LIMIT)):
            told.tell(written.record)
    return told


def _machine(site: Site, permit: Permit, machine: str) -> PermitMachine:
    known = site.equipment.get(machine)
    place = known.place if known else Text("", "")
    check = _check(site, permit.checks.get(machine))
    return PermitMachine(id=machine, name=words(site.owner_name(machine)), place=words(place), check=check)


def _check(site: Site, check: Check | None) -> CheckShape | None:
    if check is None:
        return None
    name = person_name(site, check.by)
    return CheckShape(works=check.works, by=check.by, name=name, at_ms=check.at_ms, note=check.note)


def _operation(site: Site, ticket: Ticket, n: int, step: SwitchStep, read: Read) -> OperationShape:
    operation, state = ticket.operation(n), ticket.state(n)
    point = point_id(step.equipment, step.point)
    known = site.point(point)
    now = outage.value(read, point)

    def called(value: float | None) -> Text:
        if value is None:
            return UNKNOWN
        codes = known.codes if known else ()
        return next((c.name for c in codes if c.value == value), Text(f"{value:g}", f"{value:g}"))

    waits = operation.done_ms + site.works.read_back_ms if state == DONE and operation.done_ms is not None else None
    return OperationShape(
        text=step.text,
        equipment=step.equipment,
        equipment_name=words(site.owner_name(step.equipment)),
        point=step.point,
        point_name=words(known.text if known else Text(step.point, step.point)),
        value=step.value,
        value_name=words(called(step.value)),
        now=number(now),
        now_name=words(called(now)),
        state=state,
        state_name=words(labels.label("operation_state", state)),
        ordered_ms=operation.ordered_ms,
        done_ms=operation.done_ms,
        seen_ms=operation.seen_ms,
        wait_until_ms=waits,
        confirmed=[person_name(site, who) for who in operation.confirmed],
        reason=operation.reason,
    )
