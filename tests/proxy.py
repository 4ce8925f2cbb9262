"""A wire that can be hurt: stands between a Modbus line and its device, and counts every function code that passes."""

import asyncio
from collections import Counter
from collections.abc import Callable

from modbus_script import READS, RTU, TCP

ASKED, ANSWERED = "asked", "answered"


class Wire:
    """What may be done to the bytes; all of it can be changed while they flow.

    `latency_s` delays every piece; `slow` is bytes per second, passed on in slices of at most `slice`; `holes` are the
    directions in which bytes vanish without a word; `cut_after` ends each connection after so many bytes of answers, in
    mid-frame, orderly or with a `reset`; `hurt` changes pieces of answers.
    """

    def __init__(self):
        self.latency_s = 0.0
        self.slow = 0
        self.slice = 4096
        self.holes: set[str] = set()
        self.cut_after: int | None = None
        self.reset = False
        self.hurt: Callable[[bytes], bytes] | None = None

    def heal(self):
        self.__init__()


class Proxy:
    """Listens on a port of its own and passes on to another."""

    def __init__(self, to_port: int, framing: str = TCP):
        self.wire = Wire()
        self.functions: Counter[int] = Counter()
        self.connected_at: list[float] = []
        self.port = 0
        self._to = to_port
        self._framing = framing
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task] = set()

    async def __aenter__(self):
        await self.admit()
        return self

    async def __aexit__(self, *_):
        await self.refuse()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        assert set(self.functions) <= READS, f"a question that is no read was on the wire: {self.functions}"

    async def admit(self):
        """Accept connections, on the same port as before."""
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def refuse(self):
        """Reset every connection and refuse new ones."""
        self._server.close()
        self.reset_all()
        await self._server.wait_closed()

    def reset_all(self):
        for writer in self._open:
            writer.transport.abort()

    async def _pass(self, near_in: asyncio.StreamReader, near_out: asyncio.StreamWriter):
        self.connected_at.append(asyncio.get_running_loop().time())
        try:
            far_in, far_out = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            near_out.transport.abort()
            return
        ends = {near_out, far_out}
        self._open |= ends
        ways = [
            asyncio.create_task(self._carry(ASKED, near_in, far_out, self._count())),
            asyncio.create_task(self._carry(ANSWERED, far_in, near_out, self._cut(ends))),
        ]
        self._tasks |= set(ways)
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        for end in ends:
            end.close()
        self._open -= ends

    async def _carry(self, way: str, come: asyncio.StreamReader, go: asyncio.StreamWriter, told):
        wire = self.wire
        try:
            while data := await come.read(wire.slice):
                if wire.latency_s:
                    await asyncio.sleep(wire.latency_s)
                if wire.slow:
                    await asyncio.sleep(len(data) / wire.slow)
                if way == ANSWERED and wire.hurt:
                    data = wire.hurt(data)
                data = told(data)
                if way not in wire.holes and not go.is_closing():
                    go.write(data)
                    await go.drain()
        except ConnectionError:
            pass

    def _count(self):
        """Count the function codes of what is asked, frame by frame."""
        left = b""

        def told(data: bytes) -> bytes:
            nonlocal left
            left += data
            code = 1 if self._framing == RTU else 7
            while len(left) > code:
                size = 8 if self._framing == RTU else 6 + int.from_bytes(left[4:6], "big")
                if len(left) < size:
                    break
                self.functions[left[code]] += 1
                left = left[size:]
            return data

        return told

    def _cut(self, ends: set[asyncio.StreamWriter]):
        """End the connection after so many bytes of answers."""
        passed = 0

        def told(data: bytes) -> bytes:
            nonlocal passed
            passed += len(data)
            if self.wire.cut_after is None or passed < self.wire.cut_after:
                return data
            data = data[: len(data) - (passed - self.wire.cut_after)]
            asyncio.get_running_loop().call_soon(self._end, ends)
            return data

        return told

    def _end(self, ends: set[asyncio.StreamWriter]):
        for end in ends:
            if self.wire.reset:
                end.transport.abort()
            else:
                end.close()
