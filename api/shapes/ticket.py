"""Switching tickets as they leave: their operations, and what is to be said of these."""

from pydantic import TypeAdapter

from api.shapes.base import Shape, Words
from api.shapes.site import PersonName


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


TICKETS = TypeAdapter(list[TicketShape])


REMARKS = TypeAdapter(list[RemarkShape])
