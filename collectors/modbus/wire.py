"""The seam between polling and a line: a question, its answer, and what every Modbus line can do."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from collectors.modbus import guard
from collectors.modbus.readplan import Request
from facility.scan import Reason

BUSY_WAITS_MS = (50, 100, 200)
"""How long a device that says "busy" is left alone before it is asked again; then the slot is given up."""

Reply = bytes | Reason | Exception
"""The data bytes of the answer, why there are none, or an error of our own that the line's task should die of."""

Done = Callable[[Reply], None]


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """One request to one unit, built once and asked for ever.

    `tail` is the frame after its transaction id; `head` is how the right answer goes on after the same id, up to and
    with its byte count; `size` is the length of the whole answer.
    """

    request: Request
    unit: int
    tail: bytes
    head: bytes
    size: int


def questions(unit: int, requests: Iterable[Request]) -> tuple[Question, ...]:
    """Return the requests of a plan, ready to be asked of a unit.

    Raises:
        guard.WriteRefusedError: one of them is no read.
    """
    return tuple(_question(unit, request) for request in requests)


def _question(unit: int, request: Request) -> Question:
    asked = bytes([unit, request.function])
    tail = b"\0\0\0\6" + asked + request.address.to_bytes(2, "big") + request.count.to_bytes(2, "big")
    guard.may_leave(b"\0\0" + tail)
    size = request.reply_bytes
    head = b"\0\0" + (size + 3).to_bytes(2, "big") + asked + bytes([size])
    return Question(request, unit, tail, head, 2 + len(head) + size)


class Wire(Protocol):
    """A gateway or a bus with its units. One question at a time: the caller asks in turn and never two at once."""

    @property
    def connected(self) -> bool:
        """Whether the line is up."""

    @property
    def taken(self) -> bool:
        """Whether the last `connect` was refused: another program may have the port, or the gateway's only place."""

    async def connect(self) -> bool:
        """Connect afresh, nothing carried over; return False after at most the line's timeout."""

    def close(self) -> None:
        """Close; the next question needs a new connection, and one under way is never answered."""

    def ask(self, question: Question, done: Done) -> None:
        """Ask, and call `done` with the reply, never before this returns.

        A unit that is busy is asked again after a while; NO_ANSWER and MALFORMED leave the line closed, unless it was
        the gateway that said that a unit does not answer.
        """
