"""Switching tickets, made from what the desk knows; and who may look at one."""

from api import labels
from api.shapes.ticket import OperationShape, RemarkShape, TicketShape
from api.station import Station
from api.views.value import reading
from api.views.words import number, person, person_name, words
from api.who import Caller
from facility.equipment import point_id
from facility.records import SwitchStep
from facility.site import Site
from facility.text import Text
from response.context import Read
from response.permits import outage, switching
from response.permits.ticket import DONE, Ticket

UNKNOWN = Text("未知", "unknown")


def sees_ticket(caller: Caller, site: Site, ticket: Ticket) -> bool:
    """Whether a ticket is within a caller's reach."""
    machines = caller.machines(site)
    named = bool(caller.person) and caller.person in {ticket.operator, ticket.supervisor}
    return machines is None or named or not machines.isdisjoint(s.equipment for s in ticket.steps)


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
