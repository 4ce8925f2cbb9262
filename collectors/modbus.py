"""A Modbus line over pymodbus, for what is not plain Modbus TCP: the only file that knows the library.

The library carries bytes; it decides nothing. It does not retry, does not reconnect and does not interpret: replies are
kept as raw bytes, every one is checked by the guard, and after anything strange (a timeout, a cancel, an answer that
does not fit) the connection is closed, because the next answer on it could belong to the last question.
"""

import asyncio
import logging
from collections.abc import Sequence

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ConnectionException, ModbusException
from pymodbus.pdu import ModbusPDU
from pymodbus.pdu.bit_message import ReadCoilsRequest, ReadDiscreteInputsRequest
from pymodbus.pdu.register_message import ReadHoldingRegistersRequest, ReadInputRegistersRequest

from collectors import guard
from collectors.wire import BUSY_WAITS_MS, Done, Question
from facility.equipment import Line
from facility.ports import Clock
from facility.scan import Reason

# Every failure it could log is counted and shown by us, once per slot and in both languages.
logging.getLogger("pymodbus").setLevel(logging.CRITICAL)

_REQUESTS: dict[int, type[ModbusPDU]] = {
    1: ReadCoilsRequest,
    2: ReadDiscreteInputsRequest,
    3: ReadHoldingRegistersRequest,
    4: ReadInputRegistersRequest,
}


class _Reply(ModbusPDU):
    """An answer whose bytes stay bytes: the library's own classes cost 13 µs for 125 registers, and believe them."""

    raw = b""

    def __init__(self) -> None:
        """Leave out what the library prepares for values that this class never holds."""
        self.dev_id = 0
        self.transaction_id = 0
        self.exception_code = 0
        self.retries = 0

    def decode(self, data: bytes) -> None:
        """Keep byte count and data."""
        self.raw = data

    def __str__(self) -> str:
        """Say nothing: the library renders every answer for a debug log that is off."""
        return ""


class _Coils(_Reply):
    function_code = 1


class _Inputs(_Reply):
    function_code = 2


class _Holding(_Reply):
    function_code = 3


class _InputRegisters(_Reply):
    function_code = 4


_REPLIES: tuple[type[_Reply], ...] = (_Coils, _Inputs, _Holding, _InputRegisters)


def _still_wanted() -> None:
    """Raise the cancel that `asyncio.wait_for` of Python 3.11 swallows when it comes together with the result."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


class ModbusLine:
    """A gateway with its units; implements `collectors.wire.Wire`."""

    def __init__(self, line: Line, clock: Clock, busy_waits_ms: Sequence[int] = BUSY_WAITS_MS) -> None:
        """Prepare; nothing is sent before `connect`."""
        self._line = line
        self._clock = clock
        self._busy_waits = (*busy_waits_ms, None)
        self._client: AsyncModbusTcpClient | None = None
        self._task: asyncio.Task[bytes | Reason] | None = None
        self._leaving: asyncio.Task[bytes | Reason] | None = None
        self._asking = False
        self._damaged = False
        self._quiet_until = 0

    @property
    def connected(self) -> bool:
        """Whether the line is up."""
        return self._client is not None and self._client.connected

    async def connect(self) -> bool:
        """Connect afresh, nothing carried over; return False after at most the line's timeout."""
        self.close()
        if self._leaving is not None:  # what it leaves behind must not meet the new connection
            await asyncio.wait({self._leaving})
            self._leaving = None
        client = AsyncModbusTcpClient(
            self._line.host,
            port=self._line.port,
            timeout=self._line.timeout_ms / 1000,
            retries=0,
            reconnect_delay=0,
            trace_packet=self._packet,
            trace_connect=self._lost,
        )
        for reply in _REPLIES:
            client.register(reply)
        try:
            up = await client.connect()
            _still_wanted()
        except asyncio.CancelledError:
            client.close()
            raise
        if up:
            self._client = client
        return up

    def close(self) -> None:
        """Close; the next question needs a new connection, and one under way is never answered."""
        task, self._task = self._task, None
        if task is not None:
            self._leaving = task
            task.cancel()
        self._drop()

    def ask(self, question: Question, done: Done) -> None:
        """Ask, and call `done` with the reply, never before this returns."""

        def ended(task: asyncio.Task[bytes | Reason]) -> None:
            error = None if task.cancelled() else task.exception()
            if task is not self._task:  # closed meanwhile
                return
            self._task = None
            if isinstance(error, Exception):
                done(error)
            else:
                done(Reason.NOT_CONNECTED if task.cancelled() or error else task.result())

        self._task = asyncio.get_running_loop().create_task(self._ask(question))
        self._task.add_done_callback(ended)

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()

    async def _ask(self, question: Question) -> bytes | Reason:
        reply: bytes | Reason = Reason.BUSY
        for wait in self._busy_waits:
            if self._line.gap_ms:
                await self._clock.until(self._quiet_until)
            reply = await self._once(question)
            if self._line.gap_ms:
                self._quiet_until = self._clock.now() + self._line.gap_ms
            if reply is not Reason.BUSY or wait is None:
                break
            await self._clock.until(self._clock.now() + wait)
        return reply

    async def _once(self, question: Question) -> bytes | Reason:
        client = self._client
        if client is None or not client.connected:
            return Reason.NOT_CONNECTED
        request = question.request
        pdu = _REQUESTS[request.function](address=request.address, count=request.count, dev_id=question.unit)
        self._asking, self._damaged = True, False
        try:
            answer = await client.execute(False, pdu)  # noqa: FBT003 - the library's signature
            _still_wanted()
        except ModbusException:
            lost = not client.connected
            self._drop()
            if self._damaged:
                return Reason.MALFORMED
            return Reason.NOT_CONNECTED if lost else Reason.NO_ANSWER
        except BaseException:
            self._drop()
            raise
        finally:
            self._asking = False
        reply = self._checked(question, pdu, answer)
        if reply is Reason.MALFORMED:
            self._drop()
        return reply

    @staticmethod
    def _checked(question: Question, pdu: ModbusPDU, answer: ModbusPDU) -> bytes | Reason:
        request = question.request
        heard = (answer.function_code, answer.dev_id, answer.transaction_id)
        if isinstance(answer, _Reply):
            return guard.answer(request, question.unit, pdu.transaction_id, heard, answer.raw)
        if heard == (request.function | 0x80, question.unit, pdu.transaction_id):
            return guard.refusal(answer.exception_code)
        return Reason.MALFORMED

    def _packet(self, sending: bool, data: bytes) -> bytes:  # noqa: FBT001 - the library's signature
        if sending:
            guard.may_leave(data)
        elif guard.out_of_step(data):
            # Left alone, such bytes either raise inside the transport or wait for the timeout.
            self._damaged = True
            self._give_up("not an answer to a read")
            return b""
        return data

    def _lost(self, up: bool) -> None:  # noqa: FBT001 - the library's signature
        if not up:
            self._give_up("connection lost")

    def _give_up(self, why: str) -> None:
        """End the question under way at once instead of at its timeout."""
        waiting = self._client.ctx.response_future if self._client and self._asking else None
        if waiting is not None and not waiting.done():
            waiting.set_exception(ConnectionException(why))
