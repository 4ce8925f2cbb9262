"""Alarms: open ones, and those that disturb nobody."""

from pydantic import Field

from api.shapes.base import Shape, Words


class AlarmShape(Shape):
    """One open alarm. The order is that of the record: what, where, how urgent, in which state."""

    subject: str
    owner: str
    rule: str
    name: Words
    owner_name: Words
    place: Words
    priority: int
    class_: str = Field(serialization_alias="class")
    state: str
    active: bool
    acknowledged: bool
    raised_ms: int
    cleared_ms: int | None
    acknowledged_by: str
    acknowledged_ms: int | None
    value: float | None
    unit: str
    point: str
    count: int
    incident: str | None
    latched: bool
    chattering: int


class HiddenShape(Shape):
    """One alarm that disturbs nobody now (or would not), and what keeps it so.

    `how` is shelved, suppressed, out-of-service or chattering; `by` an actor, "permit:<id>", "rule:<id>", "season",
    "hours" or "only-while", `by_name` the same in words. `count` is how often a chattering alarm rose so far.
    """

    subject: str
    owner: str
    rule: str
    name: Words
    owner_name: Words
    place: Words
    priority: int
    class_: str = Field(serialization_alias="class")
    how: str
    by: str
    by_name: Words
    since_ms: int
    until_ms: int | None
    reason: str
    active: bool
    count: int
