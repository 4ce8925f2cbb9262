"""Permits, switching tickets and machines that are held, as one decider beside alarms and incidents."""

from collections.abc import Mapping

from facility.commands import (
    CheckEquipment,
    Command,
    EndPermit,
    ExtendPermit,
    IssuePermit,
    IssueTicket,
    Refused,
    ReleaseEquipment,
    SignOperation,
    StopTicket,
)
from facility.records import Record
from response.context import Context
from response.incident import Incident
from response.permits.permit import Permit
from response.permits.ticket import Ticket, Tickets
from response.permits.works import Works
from response.plans.outofservice import Hold, OutOfService

PERMITS = (IssuePermit, ExtendPermit, EndPermit, CheckEquipment)
TICKETS = (IssueTicket, SignOperation, StopTicket)
ASKS = (*PERMITS, *TICKETS, ReleaseEquipment)
"""The commands that are asked here."""


class Planned:
    """Permits, tickets and holds behind one set of verbs; see `Works`, `Tickets` and `OutOfService`."""

    def __init__(self) -> None:
        self._works, self._tickets, self._held = Works(), Tickets(), OutOfService()

    def tell(self, record: Record) -> None:
        """Believe one more record; what is about none of them is passed over."""
        self._held.tell(record)
        self._works.tell(record)
        self._tickets.tell(record)

    def permits(self) -> Mapping[str, Permit]:
        """Return the permits that are not over, by id."""
        return self._works.open()

    def tickets(self) -> Mapping[str, Ticket]:
        """Return the tickets that are not over, by id."""
        return self._tickets.open()

    def out_of_service(self) -> Mapping[str, Hold]:
        """Return the machines that stay out of service until something is signed."""
        return self._held.open()

    def holders(self, machine: str) -> tuple[str, ...]:
        """Return who answers for the work that runs on a machine."""
        return self._works.holders(machine)

    def decide(self, context: Context) -> list[Record]:
        """Return what must be recorded next; to be called, telling it, until nothing comes."""
        return self._works.decide(context) or self._tickets.decide(context)

    def due(self, context: Context) -> int | None:
        """Return the earliest moment at which time alone will change something; None when it never will."""
        moments = self._works.due(context), self._tickets.due(context)
        return min((m for m in moments if m is not None), default=None)

    def watched(self) -> frozenset[str]:
        """Return the site point ids whose next reading may show an operation."""
        return self._tickets.watched()

    def ask(self, context: Context, command: Command, incidents: Mapping[str, Incident]) -> list[Record] | Refused:
        """Return the records of a command, or why not; `incidents` are the open ones."""
        if isinstance(command, PERMITS):
            return self._works.ask(context, command)
        if isinstance(command, ReleaseEquipment):
            return self._held.ask(context, command, incidents)
        return self._tickets.ask(context, command)

    def drop_closed(self) -> list[str]:
        """Forget what is over; return its subjects."""
        return [*self._works.drop_closed(), *self._tickets.drop_closed(), *self._held.drop_closed()]
