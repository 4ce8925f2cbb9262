"""One Modbus TCP line of our own: nothing but reads, the guard built in, no task and no timer per question.

Requests are frames made once, of which only the transaction id changes. An answer is compared with the only beginning
that it may have; everything else goes the slow way through `collectors.modbus.guard`. A connection lives until the
first strange thing (a timeout, an answer that does not fit, a byte nobody asked for) and is then thrown away with all
it knew, so that no answer can ever meet another question.
"""

import asyncio
from collections.abc import Sequence
from typing import cast

from collectors.modbus import guard
from collectors.modbus.agenda import Agenda
from collectors.modbus.wire import BUSY_WAITS_MS, Done, Question
from facility.equipment import Line
from facility.ports import Clock
from facility.scan import Reason

ANSWER = 9
"""Bytes before the data: transaction 2, protocol 2, length 2, unit, function, byte count."""

LAST_ID = 0xFFFF
STALL_MS = 50
"""A look at a deadline that comes so late says that we stood still: the answer may lie unread in the socket."""


class TcpLine:
    """A gateway with its units; implements `collectors.modbus.wire.Wire`."""

    def __init__(self, line: Line, clock: Clock, agenda: Agenda, busy_waits_ms: Sequence[int] = BUSY_WAITS_MS) -> None:
        """Prepare; nothing is sent before `connect`.

        Args:
            line: where, and how patient.
            clock: the one clock.
            agenda: looks at the deadlines of all lines; it must run.
            busy_waits_ms: pauses before a busy unit is asked again.
        """
        self._line = line
        self._clock = clock
        self._agenda = agenda
        self._busy_waits = busy_waits_ms
        self._connection: _Connection | None = None
        self._id = 0  # counts on over connections, and 0 is never used
        self._tries = 0
        self._pause: asyncio.Handle | None = None
        self._quiet_until = 0
        self.taken = False

    @property
    def connected(self) -> bool:
        """Whether the line is up."""
        return self._connection is not None

    async def connect(self) -> bool:
        """Connect afresh, nothing carried over; return False after at most the line's timeout."""
        self.close()
        connection = _Connection(self, self._agenda, gap=self._line.gap_ms > 0)
        try:
            async with asyncio.timeout(self._line.timeout_ms / 1000):
                await asyncio.get_running_loop().create_connection(lambda: connection, self._line.host, self._line.port)
        except (OSError, UnicodeError) as error:  # a timeout is an OSError; a host name may be no host name
            connection.drop()
            self.taken = isinstance(error, ConnectionRefusedError)
            return False
        except BaseException:
            connection.drop()
            raise
        self.taken = False
        if connection.dead:
            return False
        self._connection = connection
        return True

    def close(self) -> None:
        """Close; the next question needs a new connection, and one under way is never answered."""
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.drop()

    def ask(self, question: Question, done: Done) -> None:
        """Ask, and call `done` with the reply, never before this returns."""
        self._tries = 0
        self._send(question, done)

    def forget(self, connection: "_Connection") -> None:
        """Take note that the connection is dead."""
        if self._connection is connection:
            self._connection = None

    def refused(self, question: Question, done: Done, why: Reason) -> None:
        """Hand over an exception's reason, or ask a busy unit again."""
        if why is Reason.BUSY and self._tries < len(self._busy_waits):
            wait = self._busy_waits[self._tries]
            self._tries += 1
            self._later(wait, question, done)
        else:
            done(why)

    def quiet(self) -> None:
        """Begin the silence that a gateway needs after an answer."""
        self._quiet_until = self._clock.now() + self._line.gap_ms

    def _send(self, question: Question, done: Done) -> None:
        self._pause = None
        connection = self._connection
        now = self._clock.now()
        if connection is None:
            self._pause = asyncio.get_running_loop().call_soon(done, Reason.NOT_CONNECTED)
        elif now < self._quiet_until:
            self._later(self._quiet_until - now, question, done)
        else:
            self._id = id = self._id % LAST_ID + 1
            connection.send(question, done, id.to_bytes(2, "big"), now + self._line.timeout_ms)

    def _later(self, wait_ms: int, question: Question, done: Done) -> None:
        self._pause = asyncio.get_running_loop().call_later(wait_ms / 1000, self._send, question, done)


class _Connection(asyncio.Protocol):
    """One connection and the question that is under way on it."""

    def __init__(self, line: TcpLine, agenda: Agenda, *, gap: bool) -> None:
        self._line = line
        self._agenda = agenda
        self._gap = gap
        self._transport: asyncio.Transport | None = None
        self._question: Question | None = None
        self._done: Done = _nobody
        self._id = b""
        self._begin = b""
        self._rest = b""  # what came of an answer that is still under way; at most one frame and one segment
        self._deadline = 0
        self._armed = False  # a look at the deadline is on the agenda
        self._late = False
        self.dead = False

    def send(self, question: Question, done: Done, id: bytes, deadline: int) -> None:
        """Send the question; one at a time."""
        assert self._question is None, "one question at a time"
        assert self._transport is not None, "asked after it was made"
        self._question, self._done, self._id, self._begin = question, done, id, id + question.head
        self._deadline, self._late = deadline, False
        if not self._armed:
            self._armed = True
            self._agenda.at(deadline, self._look)
        self._transport.write(id + question.tail)

    def drop(self) -> None:
        """End without a word to whoever waits."""
        self._question = None
        self.dead = True
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()

    # -- what the loop tells ----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, unless nobody waits for it any more."""
        if self.dead:
            cast("asyncio.Transport", transport).abort()
        else:
            self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - why it was lost changes nothing
        """Tell whoever waits at once, not at the timeout."""
        if not self.dead:
            self._end(Reason.NOT_CONNECTED)

    def data_received(self, data: bytes) -> None:
        """Take the answer; nearly always it comes in one piece and begins as it must."""
        question = self._question
        if question is not None and len(data) == question.size and not self._rest and data.startswith(self._begin):
            self._question = None
            if self._gap:
                self._line.quiet()
            self._done(data[ANSWER:])
        elif not self.dead:
            self._piece(self._rest + data)

    # -- everything else --------------------------------------------------------------------------------------------

    def _piece(self, data: bytes) -> None:
        question = self._question
        if question is None or guard.out_of_step(data):
            self._end(Reason.MALFORMED)
            return
        end = 6 + (data[4] << 8 | data[5]) if len(data) >= guard.HEADER else len(data) + 1
        if len(data) < end:
            self._rest = data
            return
        self._rest = b""
        reply = _judged(question, self._id, data[:end])
        if reply is Reason.MALFORMED:
            self._end(Reason.MALFORMED)
            return
        self._question = None
        if self._gap:
            self._line.quiet()
        if len(data) > end:  # the answer is right, what follows it answers nothing
            self.drop()
            self._line.forget(self)
        if isinstance(reply, Reason):
            self._line.refused(question, self._done, reply)
        else:
            self._done(reply)

    def _end(self, why: Reason) -> None:
        waiting = self._question is not None
        self.drop()
        self._line.forget(self)
        if waiting:
            self._done(why)

    def _look(self, moment_ms: int, now: int) -> None:
        self._armed = False
        if self._question is None:
            return
        if now >= self._deadline:
            if self._late or now - moment_ms < STALL_MS:
                self._end(Reason.NO_ANSWER)
                return
            self._late = True
        self._armed = True
        self._agenda.at(max(self._deadline, now + 1), self._look)


def _judged(question: Question, id: bytes, frame: bytes) -> bytes | Reason:
    """Return what a whole frame says to the question."""
    unit, function, heard = frame[6], frame[7], frame[:2]
    if heard == id and unit == question.unit and function == question.request.function | 0x80:
        return guard.refusal(frame[8])
    transaction = int.from_bytes(heard, "big")
    return guard.answer(
        question.request, question.unit, int.from_bytes(id, "big"), (function, unit, transaction), frame[8:]
    )


def _nobody(_reply: object) -> None:
    """Stand for whoever waits before somebody does."""
