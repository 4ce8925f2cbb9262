"""What is said on the line between the service and its archivist, and how: a length and a msgpack message each."""

import os
import socket
import struct
import threading
from typing import TypeVar

import msgspec

_LENGTH = struct.Struct("<I")
_SEND_S = 5
"""A line that takes nothing for so long is broken: the other end always reads."""

Body = TypeVar("Body")


class Begin(msgspec.Struct, frozen=True):
    """The first word: the archive's folder, the spool to read ("" for none), and which readings say nothing new.

    `bands` says by point how far a left-out reading may lie off; `heartbeat_ms` 0 leaves out nothing.
    """

    folder: str
    spool: str = ""
    heartbeat_ms: int = 0
    bands: dict[str, float] = msgspec.field(default_factory=dict)


class Turn(msgspec.Struct, frozen=True, tag="turn"):
    """Do one bounded turn of work."""

    now_ms: int


class Turned(msgspec.Struct, frozen=True):
    """A turn is over: `moved` scans or rows; the files hold every row up to `row`; `damaged` ones cannot be read."""

    moved: int
    row: int
    damaged: list[int]


class Retain(msgspec.Struct, frozen=True, tag="retain"):
    """Forget what is older than so many days."""

    now_ms: int
    raw_days: int
    rollup_days: int


class Write(msgspec.Struct, frozen=True, tag="write"):
    """Store scans that are in no spool: an encoded batch, and its layouts as (id, device, points, profile)."""

    batch: bytes
    layouts: list[tuple[int, str, tuple[str, ...], str]]


class History(msgspec.Struct, frozen=True, tag="history"):
    """Give a point's buckets."""

    point: str
    from_ms: int
    to_ms: int
    buckets: int


class Completeness(msgspec.Struct, frozen=True, tag="completeness"):
    """Say how much of a time the points have spoken for."""

    points: list[str]
    from_ms: int
    to_ms: int


class Points(msgspec.Struct, frozen=True, tag="points"):
    """Name every point that has history."""


class End(msgspec.Struct, frozen=True, tag="end"):
    """Finish the turn that is going on, and end."""


Question = History | Completeness | Points
Work = Turn | Retain | Write


class Asked(msgspec.Struct, frozen=True, array_like=True):
    """Something asked; after `until`, in seconds of the machine's monotonic clock, nobody waits for its answer."""

    id: int
    until: float
    what: Turn | Retain | Write | History | Completeness | Points | End


class Fault(msgspec.Struct, frozen=True):
    """Why there is no answer: `kind` is a class of error, `seconds` belongs to a question that was too large."""

    kind: str
    zh: str
    en: str
    seconds: float = 0.0


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """The answer to what was asked under this id: in parts, so that nobody unpacks much at a stretch."""

    id: int
    parts: list[msgspec.Raw]
    fault: Fault | None = None


class Line:
    """One end of the line; one thread receives, several may send."""

    def __init__(self, end: socket.socket) -> None:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", _SEND_S, 0))
        self._end = end
        self._stream = end.makefile("rb")
        self._turn = threading.Lock()
        self._encoder = msgspec.msgpack.Encoder()

    def send(self, what: Begin | Asked | Answer) -> None:
        """Send a message.

        Raises:
            OSError: nobody listens any more.
        """
        with self._turn:  # the encoder is shared, too
            said = self._encoder.encode(what)
            self._end.sendall(_LENGTH.pack(len(said)) + said)

    def receive(self, kind: type[Body]) -> Body | None:
        """Wait for a message; None when the other end is gone."""
        try:
            length = self._stream.read(_LENGTH.size)
            if len(length) < _LENGTH.size:
                return None
            (size,) = _LENGTH.unpack(length)
            said = self._stream.read(size)
        except OSError:
            return None
        return msgspec.msgpack.decode(said, type=kind) if len(said) == size else None

    def hang_up(self) -> None:
        """Let the other end, and who receives here, know that it is over."""
        try:
            self._end.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it was over before

    def close(self) -> None:
        """Give the line back to the system; by the thread that receives."""
        self._stream.close()
        self._end.close()


def inherited() -> Line:
    """Return the line on which this process was started: its standard input."""
    return Line(socket.socket(fileno=os.dup(0)))
