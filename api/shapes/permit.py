"""Permits as they leave, and what one would do before it is issued."""

from pydantic import TypeAdapter

from api.shapes.base import Shape, Words
from api.shapes.site import PersonName


class MachineCheck(Shape):
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
    check: MachineCheck | None


class PlannedLift(Shape):
    """A lift that a power cut stops: what telemetry shows now, and what somebody said."""

    id: str
    name: Words
    parked: bool
    signed: MachineCheck | None


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


class PermitPreview(Shape):
    """What a permit would do: the alarms it expects, the lifts it stops, and how many alarms it could hide."""

    expected: list[ExpectedAlarm]
    lifts: list[PlannedLift]
    hides: int


PERMITS = TypeAdapter(list[PermitShape])
