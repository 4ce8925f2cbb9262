"""How the service is."""

from api.shapes.base import Shape, Words


class NoticeShape(Shape):
    """A standing word about the product itself."""

    id: str
    level: str
    text: Words
    since_ms: int


class TaskShape(Shape):
    """A supervised task's progress."""

    name: str
    age_ms: int
    limit_ms: int


class StoreShape(Shape):
    """A store behind the spool: what it has not got yet."""

    id: str
    rows: int
    oldest_ms: int | None
    trouble: str


class SpoolShape(Shape):
    """What waits for the stores behind it, of how many bytes allowed."""

    rows: int
    oldest_ms: int | None
    bytes: int
    budget: int
    stores: list[StoreShape]


class HeadShape(Shape):
    """The end of the log book's chain."""

    seq: int
    head: str


class LineShape(Shape):
    """One wire to the field."""

    id: str
    connected: bool
    last_good_ms: int | None
    reads: int
    failures: dict[str, int]
    dead_letters: int


class HealthShape(Shape):
    """How the service is."""

    status: str
    at_ms: int
    tasks: list[TaskShape]
    spool: SpoolShape
    book: HeadShape
    lines: list[LineShape]
    reasons: list[Words]
    instance: str
