"""What one device said at one moment, and how far to believe it."""

from collections.abc import Callable
from dataclasses import dataclass, field
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


@dataclass(slots=True, eq=False)
class Scan:
    """One poll or one message.

    `values` are floats in the order of the device's points (bool 0/1, enums as ints, NaN where nothing
    was given); `reasons` holds one `Reason` per value. Times are UTC milliseconds: `at_ms` is the device's
    own word where it has a clock, `received_ms` is ours. `seq` is the gateway's sequence number, or 0;
    `epoch` the outbox it counts in and `oldest` the oldest number it keeps there (docs/engineers/receipts.md).
    `texts` keeps, by position, words the profile could not map. `moved` says that a rule changed by this scan: such
    a scan is kept whole for as long as readings are kept.
    """

    device: str
    at_ms: int
    received_ms: int
    values: tuple[float, ...]
    reasons: bytes
    seq: int = 0
    texts: dict[int, str] | None = None
    epoch: int = 0
    oldest: int = 0
    moved: bool = False
    _image: bytes | None = field(default=None, init=False, repr=False)

    @property
    def image(self) -> bytes:
        """The values as little-endian doubles, made once for all who compute with whole scans."""
        image = self._image
        if image is None:
            image = self._image = _packer(len(self.values))(*self.values)
        return image

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

_PACKERS: dict[int, Callable[..., bytes]] = {}


def _packer(width: int) -> Callable[..., bytes]:
    packer = _PACKERS.get(width)
    if packer is None:
        packer = _PACKERS[width] = Struct(f"<{width}d").pack
    return packer


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
    return Scan(device, at_ms, at_ms, _nothing(points), bytes([why]) * points)


@cache
def _nothing(points: int) -> tuple[float, ...]:
    return (float("nan"),) * points
