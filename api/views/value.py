"""Values: as decisions read them, and as they leave, now and in the past."""

from pydantic import TypeAdapter

from api import labels
from api.shapes.value import BucketShape, ValueShape
from api.station import Station
from api.views.words import number
from facility.ports import Bucket
from facility.scan import quality
from response.context import Read
from stores.live import Now


def value_shape(id: str, now: Now | None) -> ValueShape:
    """Return the newest word about a point; never heard is a bad value like any other."""
    if now is None:
        return ValueShape(
            id=id,
            value=None,
            quality="bad",
            reason="never",
            at_ms=None,
            changed_ms=None,
            last_good=None,
            last_good_ms=None,
            text="",
        )
    return ValueShape(
        id=id,
        value=number(now.value),
        quality=quality(now.reason).value,
        reason=labels.reason_id(now.reason),
        at_ms=now.at_ms,
        changed_ms=now.changed_ms,
        last_good=number(now.last_good),
        last_good_ms=now.last_good_ms or None,
        text=now.text,
    )


def bucket_shape(bucket: Bucket) -> BucketShape:
    """Return one span of history."""
    return BucketShape(
        from_ms=bucket.from_ms,
        count=bucket.count,
        bad=bucket.bad,
        low=number(bucket.low),
        mean=number(bucket.mean),
        high=number(bucket.high),
    )


def reading(station: Station) -> Read:
    """Return how decisions read a point: its newest value, reason and time."""

    def read(point: str) -> tuple[float, int, int] | None:
        seen = station.live.read(point)
        return None if seen is None else (seen.value, seen.reason, seen.at_ms)

    return read


VALUES = TypeAdapter(list[ValueShape])
