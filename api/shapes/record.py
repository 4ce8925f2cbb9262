"""Lines of the log book, and what a command wrote."""

from typing import Any

from api.shapes.base import Shape


class RecordShape(Shape):
    """One line of the log book."""

    seq: int
    at_ms: int
    kind: str
    subject: str
    actor: str
    about: list[str]
    data: dict[str, Any]
    hash: str


class DoneShape(Shape):
    """What a command wrote, and in which incident; `repeated` when the same request had been carried out before."""

    records: list[RecordShape]
    incident: str
    repeated: bool
