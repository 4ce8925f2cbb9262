"""Values, now and in the past, and where they are missing."""

from api.shapes.base import Shape


class ValueShape(Shape):
    """The newest word about one point; the last good value stays beside a bad one."""

    id: str
    value: float | None
    quality: str
    reason: str
    at_ms: int | None
    changed_ms: int | None
    last_good: float | None
    last_good_ms: int | None
    text: str


class BucketShape(Shape):
    """One span of history; `count` 0 is a gap."""

    from_ms: int
    count: int
    bad: int
    low: float | None
    mean: float | None
    high: float | None


class HistoryShape(Shape):
    """The past of one point."""

    point: str
    from_ms: int
    to_ms: int
    buckets: list[BucketShape]


class GapShape(Shape):
    """A time in which words of a device were missed; `missing` is null where nobody knows how many.

    `filled` of them came later. `why` is "lost" (its numbers tell) or "not-connected" (nobody listened).
    """

    why: str
    from_ms: int
    to_ms: int
    missing: int | None
    filled: int


class GapsShape(Shape):
    """The recorded gaps of one device, newest first."""

    device: str
    gaps: list[GapShape]
