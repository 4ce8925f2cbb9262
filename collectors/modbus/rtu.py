"""A Modbus line whose answers do not say whose question they answer; nothing but reads leaves it.

These are RTU over TCP (a transparent serial server), a serial port of this machine, and Modbus TCP gateways that do not
echo the transaction id. What is on its way on a bus does not end with a connection. So after a timeout, a cancel or an
answer that does not fit, the line is closed and made anew, and the unit that was asked is believed again only after it
answered, or refused, a question of another function (`fence`); one that does not is left alone for a while. Data that
say the same as those before, though they were asked for elsewhere, may be those before: they are asked for once more.
"""

import asyncio
from collections.abc import Container, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Protocol

from collectors.modbus import rtuframe, unnumbered
from collectors.modbus.port import Port
from collectors.modbus.readplan import Request
from collectors.modbus.wire import BUSY_WAITS_MS, Done, Question, questions
from facility.equipment import Line
from facility.ports import Clock
from facility.scan import Reason

SILENCE = 3.5  # characters between two frames
SHORTEST_SILENCE_MS = 2  # above 19,200 baud it is 1.75 ms
REST = 4  # timeouts after which nobody answers any more
FENCES = 2  # questions that a unit which owes an answer may leave without one, before it is left alone
STALL_MS = 50
"""A look at a deadline that comes so late says that we stood still: the answer may lie unread in the socket."""

_FENCE_FUNCTIONS = (3, 4, 2, 1)  # what most devices know comes first


class Framing(Protocol):
    """What frames look like on a line; `collectors.modbus.rtuframe` and `collectors.modbus.unnumbered` are such."""

    def frame(self, question: Question) -> bytes:
        """Return the question as it goes on the wire."""

    def noise(self, data: bytes, unit: int = 0) -> bytes:
        """Return the data without what may stand in front of an answer and means nothing."""

    def heard(self, data: bytes, question: Question, owing: Container[int]) -> tuple[bytes | Reason | None, bytes]:
        """Return what the data says to the question, None while that is not whole; and what is left of the data."""


def fence(question: Question, taken: Container[int]) -> Question:
    """Return a question of a function that is not among those of which answers may still come.

    A unit answers in turn, and every answer and refusal names its function: once this is answered or refused, nothing
    that was asked before it can arrive any more.
    """
    function = next(f for f in _FENCE_FUNCTIONS if f not in taken)
    (found,) = questions(question.unit, [Request(function, question.request.address, 1)])
    return found


@dataclass(slots=True, eq=False)
class Owed:
    """Answers that a unit did not give: to which functions, until when they may still come, and fences in vain."""

    functions: set[int]
    until: int
    fences: int = 0


class RtuLine:
    """A bus with its units; implements `collectors.modbus.wire.Wire`."""

    def __init__(self, line: Line, clock: Clock, busy_waits_ms: Sequence[int] = BUSY_WAITS_MS) -> None:
        """Prepare; nothing is sent before `connect`."""
        self._line = line
        self._clock = clock
        self._busy_waits = busy_waits_ms
        self._character_ms = line.serial.character_ms if line.serial else 0.0
        silence = max(SHORTEST_SILENCE_MS, ceil(SILENCE * self._character_ms)) if line.serial else 0
        self._silence = max(silence, line.gap_ms)
        self._framing: Framing = unnumbered if line.transport == "modbus-tcp" else rtuframe
        self._port: Port | None = None
        self._question: Question | None = None  # what the owner wants to know
        self._sent: Question | None = None  # what is on the wire: that, or its fence
        self._last: Question | None = None  # what was answered last, and how
        self._said: bytes | Reason = b""
        self._sure = False  # what is asked for was asked for once more
        self._done: Done = _nobody
        self._came = b""
        self._owed: dict[int, Owed] = {}
        self._told: dict[int, int] = {}  # by unit: the function it answered last, which it may say twice
        self._tries = 0
        self._asked_ms = 0
        self._deadline = 0
        self._late = False
        self._timer: asyncio.Handle | None = None
        self._quiet_until = 0
        self._cut = False  # the far end closed by itself a connection through which nothing ever came
        self.taken = False

    @property
    def connected(self) -> bool:
        """Whether the line is up."""
        return self._port is not None

    async def connect(self) -> bool:
        """Connect afresh, nothing carried over; return False after at most the line's timeout."""
        self.close()
        self.taken, self._cut = self._cut, False
        if self.taken:
            return False
        port = Port(self.heard, self.lost)
        up = await port.open(self._line)
        self.taken = port.taken
        if not up:
            return False
        self._port = port
        self._quiet()
        return True

    def close(self) -> None:
        """Close; the next question needs a new connection, and one under way is never answered."""
        self._owe()
        self._drop()
        self._question = None

    def ask(self, question: Question, done: Done) -> None:
        """Ask, and call `done` with the reply, never before this returns."""
        assert self._question is None, "one question at a time"
        self._question, self._done = question, done
        self._tries, self._asked_ms, self._sure = 0, self._clock.now(), False
        owed = self._owed.get(question.unit)
        if owed and self._asked_ms >= owed.until:
            del self._owed[question.unit]
        elif owed and owed.fences >= FENCES:
            self._timer = asyncio.get_running_loop().call_soon(self._answer, Reason.NO_ANSWER)
            return
        self._send()

    # -- asking -----------------------------------------------------------------------------------------------------

    def _send(self) -> None:
        self._timer = None
        question, now = self._question, self._clock.now()
        assert question is not None, "somebody asked"
        if self._port is None:
            self._timer = asyncio.get_running_loop().call_soon(self._end, Reason.NOT_CONNECTED)
        elif now < self._quiet_until:
            if now - self._asked_ms > self._silence + self._line.timeout_ms:  # the wire does not fall silent
                self._end(Reason.MALFORMED)
            else:
                self._later(self._quiet_until - now)
        else:
            owed = self._owed.get(question.unit)
            told = self._told.get(question.unit, 0)
            self._sent = sent = fence(question, owed.functions | {told}) if owed else question
            self._came, self._late = b"", False
            on_the_wire = self._character_ms * (rtuframe.ASKED + rtuframe.AROUND + sent.request.reply_bytes)
            self._deadline = now + self._line.timeout_ms + ceil(on_the_wire)
            self._timer = asyncio.get_running_loop().call_later((self._deadline - now) / 1000, self._overdue)
            self._port.write(self._framing.frame(sent))

    def _later(self, wait_ms: int) -> None:
        self._timer = asyncio.get_running_loop().call_later(wait_ms / 1000, self._send)

    def _quiet(self) -> None:
        """Begin the silence that must lie between what came last and the next question."""
        self._quiet_until = self._clock.now() + self._silence

    # -- what the port tells ----------------------------------------------------------------------------------------

    def heard(self, data: bytes) -> None:
        """Take what came."""
        self._quiet()
        sent, question = self._sent, self._question
        if sent is None or question is None:
            self._unasked(data)
            return
        reply, rest = self._framing.heard(self._came + data, sent, self._owed)
        if reply is None:
            self._came = rest
        elif reply is Reason.MALFORMED:
            self._end(Reason.MALFORMED)
        else:
            self._stop_timer()
            self._sent = None
            self._told[sent.unit] = sent.request.function
            if sent is not question:
                del self._owed[sent.unit]
                self._asked_ms = self._clock.now()
                self._send()
            elif self._echo(question, reply):
                self._sure = True
                self._mark(question)
                self._asked_ms = self._clock.now()
                self._send()
            else:
                self._last, self._said = question, reply
                self._take(reply, rest)

    def lost(self) -> None:
        """Tell whoever waits at once, not at the timeout; when nobody does, the next connect has failed already."""
        self._cut = self._question is None and self._port is not None and not self._port.spoke
        self._end(Reason.NOT_CONNECTED)

    def _echo(self, question: Question, reply: bytes | Reason) -> bool:
        """Say whether this may be the last answer, said twice."""
        last = self._last
        return (
            not self._sure
            and last is not None
            and last is not question
            and (last.unit, last.request.function) == (question.unit, question.request.function)
            and reply == self._said
            and isinstance(reply, bytes)
        )

    def _take(self, reply: bytes | Reason, rest: bytes) -> None:
        if reply is Reason.BUSY and self._tries < len(self._busy_waits):
            self._tries += 1
            self._asked_ms = self._clock.now()
            self._later(self._busy_waits[self._tries - 1])
            return
        self._question = None
        if rest:  # the answer is right, what follows it answers nothing
            self._unasked(rest)
        self._done(reply)

    def _unasked(self, data: bytes) -> None:
        """Take what nobody asked for: noise, something owed, or an answer said twice, which must not be heard again."""
        if self._owed or not self._framing.noise(data):
            return
        if self._last is not None:
            self._mark(self._last)
        if self._question is None:
            self._drop()

    def _overdue(self) -> None:
        now = self._clock.now()
        if now < self._deadline + STALL_MS or self._late:
            self._end(Reason.NO_ANSWER)
        else:
            self._late = True
            self._timer = asyncio.get_running_loop().call_later(SHORTEST_SILENCE_MS / 1000, self._overdue)

    # -- the end of a question --------------------------------------------------------------------------------------

    def _end(self, why: Reason) -> None:
        """Close, and tell whoever waits."""
        self._owe()
        self._drop()
        if self._question is not None:
            self._answer(why)

    def _answer(self, reply: bytes | Reason) -> None:
        self._question = self._timer = None
        self._done(reply)

    def _owe(self) -> None:
        """Remember that what is on the wire may still be answered."""
        sent, self._sent = self._sent, None
        if sent is None:
            return
        owed = self._owed.get(sent.unit)
        if owed is None:
            self._mark(sent)
        else:  # it was a fence
            owed.fences += 1
            owed.functions.add(sent.request.function)
            owed.until = self._until()

    def _mark(self, question: Question) -> None:
        self._owed[question.unit] = Owed({question.request.function}, self._until())

    def _until(self) -> int:
        return self._clock.now() + REST * self._line.timeout_ms

    def _drop(self) -> None:
        self._stop_timer()
        self._came = b""
        port, self._port = self._port, None
        if port is not None:
            port.drop()

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()


def _nobody(_reply: object) -> None:
    """Stand for whoever waits before somebody does."""
