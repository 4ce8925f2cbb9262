"""What one device said at one moment, and how far to believe it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from functools import cache
from struct import Struct


class Quality(StrEnum):
    """How far a value may be believed."""

    GOOD = "good"
    UNCERTAIN = "uncertain"
    BAD = "bad"


class Reason(IntEnum):
    """Why a value has its quality; one byte per value. 0 good, 1-63 uncertain, 64-255 bad."""

    GOOD = 0

    UNKNOWN_TEXT = 1  # the gateway sent a word the profile does not know
    CLOCK = 2  # the device's clock cannot be right
    RETAINED = 3  # the broker's old copy, not a fresh word
    LATE = 4  # older than what we already know

    NOT_CONNECTED = 64
    NO_ANSWER = 65
    MALFORMED = 66  # an answer that does not fit its question
    EXCEPTION = 67  # the device refused the read
    BUSY = 68
    NOT_GIVEN = 69  # the message left it out
    SENTINEL = 70  # the maker's number for "not available"
    OUT_OF_RANGE = 71  # physically impossible for this kind of point
    NOT_A_NUMBER = 72
    UNDECODABLE = 73
    INVALID_STATE = 74  # double-point 00 or 11
    DISABLED = 75  # the device says that it has no such address
    NEVER = 76  # nothing was heard since the start
    SILENT = 77  # a publisher missed its interval
    OTHER_MODEL = 78  # the device names itself another model than its profile describes
    LOST = 79  # the publisher counted a message that never came
    REMOVED = 80  # the site's files no longer name the device; its last word


FIRST_BAD = 64

COMMUNICATION = frozenset({Reason.NOT_CONNECTED, Reason.NO_ANSWER, Reason.MALFORMED, Reason.SILENT})
"""Reasons that mean: the device itself was not reached."""


def quality(reason: int) -> Quality:
    """Return the quality that a reason code stands for."""
    if reason == Reason.GOOD:
        return Quality.GOOD
    return Quality.UNCERTAIN if reason < FIRST_BAD else Quality.BAD


class Scan:
    """One poll or one message.

    `values` are floats in the order of the device's points (bool 0/1, enums as ints, NaN where nothing
    was given); `reasons` holds one `Reason` per value. Times are UTC milliseconds: `at_ms` is the device's
    own word where it has a clock, `received_ms` is ours. `seq` is the gateway's sequence number, or 0;
    `epoch` the outbox it counts in and `oldest` the oldest number it keeps there (docs/engineers/receipts.md).
    `texts` keeps, by position, words the profile could not map. `moved` says that a rule changed by this scan: such
    a scan is kept whole for as long as readings are kept.

    The values are held as `image`, little-endian doubles: thousands of scans wait to be durable, and the collector of
    cycles would look at each number of theirs by itself (it held the loop for 20 to 40 ms).
    """

    __slots__ = ("at_ms", "device", "epoch", "image", "moved", "oldest", "reasons", "received_ms", "seq", "texts")

    def __init__(
        self,
        device: str,
        at_ms: int,
        received_ms: int,
        values: Sequence[float],
        reasons: bytes,
        seq: int = 0,
        texts: dict[int, str] | None = None,
        epoch: int = 0,
        oldest: int = 0,
        moved: bool = False,  # noqa: FBT001, FBT002 - one of many fields
    ) -> None:
        self.device = device
        self.at_ms = at_ms
        self.received_ms = received_ms
        self.image = _layout(len(values)).pack(*values)
        self.reasons = reasons
        self.seq = seq
        self.texts = texts
        self.epoch = epoch
        self.oldest = oldest
        self.moved = moved

    def __repr__(self) -> str:
        said = (f"{name}={getattr(self, name)!r}" for name in ("device", "at_ms", "received_ms", "values", "reasons"))
        rest = (f"{name}={getattr(self, name)!r}" for name in ("seq", "texts", "epoch", "oldest", "moved"))
        return f"Scan({', '.join((*said, *rest))})"

    @property
    def width(self) -> int:
        """How many values it has."""
        return len(self.image) // DOUBLE

    @property
    def values(self) -> tuple[float, ...]:
        """The values, made anew each time: to be asked for once, and not for one of them."""
        return unpacked(self.image)

    def value(self, position: int) -> float:
        """Return one of the values."""
        return value_in(self.image, position)

    @property
    def reached(self) -> bool:
        """Whether the device itself was heard in this scan."""
        return any(reason not in COMMUNICATION for reason in self.reasons)

    @property
    def afterwards(self) -> bool:
        """Whether it marks, afterwards, a time in which nothing was heard: it is kept, and judged by nobody."""
        why = self.reasons[:1]
        if why not in _AFTERWARDS or self.reasons != why * len(self.reasons):
            return False
        return why[0] == Reason.LOST or self.at_ms < self.received_ms


_AFTERWARDS = (bytes([Reason.LOST]), bytes([Reason.NOT_CONNECTED]))

DOUBLE = 8
"""Bytes of a value in an image."""

_ONE = Struct("<d")
_LAYOUTS: dict[int, Struct] = {}


def _layout(width: int) -> Struct:
    layout = _LAYOUTS.get(width)
    if layout is None:
        layout = _LAYOUTS[width] = Struct(f"<{width}d")
    return layout


def unpacked(image: bytes) -> tuple[float, ...]:
    """Return the values of an image."""
    return _layout(len(image) // DOUBLE).unpack(image)


def put_in(image: bytes, other: bytes, positions: Iterable[int]) -> bytes:
    """Return the image with the values of another at these positions."""
    mixed = bytearray(image)
    for position in positions:
        here = slice(DOUBLE * position, DOUBLE * (position + 1))
        mixed[here] = other[here]
    return bytes(mixed)


def value_in(image: bytes, position: int) -> float:
    """Return the value at a position of an image."""
    value: float = _ONE.unpack_from(image, DOUBLE * position)[0]
    return value


@dataclass(frozen=True, slots=True)
class Gap:
    """A time in which words of a device were missed.

    `why` is LOST where its numbers tell it: `missing` of them from `first` on in this `epoch`, 0 where nobody knows how
    many. It is NOT_CONNECTED where a device that does not count could not be heard. Times are UTC milliseconds.
    """

    device: str
    why: Reason
    from_ms: int
    to_ms: int
    missing: int = 0
    epoch: int = 0
    first: int = 0


def missed(device: str, at_ms: int, points: int, why: Reason) -> Scan:
    """Return the scan of a slot that brought nothing: every value NaN, bad, with the reason."""
    return Scan(device, at_ms, at_ms, (float("nan"),) * points, bytes([why]) * points)


@cache
def nothing(points: int) -> bytes:
    """Return the image of so many values that nobody ever gave."""
    return _layout(points).pack(*(float("nan"),) * points)
