"""All that is planned: permits and switching tickets, as one decider beside alarms and incidents."""

from collections.abc import Mapping

from facility.commands import (
    CheckEquipment,
    Command,
    EndPermit,
    ExtendPermit,
    IssuePermit,
    IssueTicket,
    Refused,
    SignOperation,
    StopTicket,
)
from facility.records import Record
from response.context import Context
from response.permit import Permit
from response.ticket import Ticket, Tickets
from response.works import Works

PERMITS = (IssuePermit, ExtendPermit, EndPermit, CheckEquipment)
TICKETS = (IssueTicket, SignOperation, StopTicket)
ASKS = (*PERMITS, *TICKETS)
"""The commands that are asked here."""


class Planned:
    """Permits and tickets behind one set of verbs; see `Works` and `Tickets`."""

    def __init__(self) -> None:
        self._works, self._tickets = Works(), Tickets()

    def tell(self, record: Record) -> None:
        """Believe one more record; what is about neither is passed over."""
        self._works.tell(record)
        self._tickets.tell(record)

    def permits(self) -> Mapping[str, Permit]:
        """Return the permits that are not over, by id."""
        return self._works.open()

    def tickets(self) -> Mapping[str, Ticket]:
        """Return the tickets that are not over, by id."""
        return self._tickets.open()

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

    def ask(self, context: Context, command: Command) -> list[Record] | Refused:
        """Return the records of a command, or why not."""
        if isinstance(command, PERMITS):
            return self._works.ask(context, command)
        return self._tickets.ask(context, command)

    def drop_closed(self) -> list[str]:
        """Forget what is over; return its subjects."""
        return [*self._works.drop_closed(), *self._tickets.drop_closed()]
