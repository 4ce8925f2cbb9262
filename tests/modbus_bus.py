"""Units on an RTU bus that answer as badly as they are told to: behind a transparent serial server, or on a pty.

What is on its way on a bus comes, whoever waits: an answer goes to whoever is connected when it is given.
"""

import asyncio
import contextlib
import os
import tty
from collections import Counter

from modbus_script import BAD, Frame, RtuFrame, check_sum, good

QUESTION, NUMBERED = 8, 12  # bytes of a question on a bus, and in Modbus TCP

BAD_UNNUMBERED = {
    mode: bad
    for mode, bad in BAD.items()
    if mode not in {"transaction 0", "wrong transaction", "exception with transaction 0"}
}
"""Answers none of which may ever become a value, where transaction ids mean nothing."""


class Bus:
    """Serves `answer(frame)` as `modbus_script.Scripted` does, but to whoever is connected, one after the other."""

    def __init__(self, answer=good, *, unnumbered=False):
        """Be on a bus, or behind a gateway for Modbus TCP that always answers with transaction id 0."""
        self.answer = answer
        self._unnumbered = unnumbered
        self.functions: Counter[int] = Counter()
        self.asked: list[tuple[int, int, int]] = []  # unit, function, address
        self.connections = 0
        self.port, self.path = 0, ""
        self._frames: asyncio.Queue[bytes] = asyncio.Queue()
        self._send = None  # whoever is connected now
        self._close = None
        self._server: asyncio.Server | None = None
        self._ends: tuple[int, ...] = ()
        self._came = b""
        self._life: asyncio.Task | None = None

    async def start(self, port: int = 0) -> "Bus":
        """Be a bus behind a transparent serial server."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]
        self._life = asyncio.create_task(self._live())
        return self

    async def start_serial(self) -> "Bus":
        """Be a bus at a serial port."""
        self._ends = ours, theirs = os.openpty()
        tty.setraw(theirs)
        os.set_blocking(ours, False)
        self.path = os.ttyname(theirs)
        asyncio.get_running_loop().add_reader(ours, self._read, ours)
        self._send, self._close = lambda data: os.write(ours, data), self.unplug
        self._life = asyncio.create_task(self._live())
        return self

    def unplug(self):
        """Pull the serial cable, adapter and all."""
        if self._ends:
            asyncio.get_running_loop().remove_reader(self._ends[0])
            for end in self._ends:
                os.close(end)
        self._ends = ()

    async def stop(self):
        self._life.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._life
        self.unplug()
        if self._server is not None:
            self._server.close()
            if self._close is not None:
                self._close()
            await self._server.wait_closed()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.stop()

    def frame(self, body: bytes) -> Frame:
        """Return a question (unit, function, address, count) as its answer is made from it."""
        return (Frame if self._unnumbered else RtuFrame)(b"\0\0\0\0\0\6" + body)

    def say(self, data: bytes) -> None:
        """Speak without being asked."""
        self._send(data)

    def _read(self, end: int):
        with contextlib.suppress(BlockingIOError, OSError):
            self._came += os.read(end, 1024)
        while len(self._came) >= QUESTION:
            self._frames.put_nowait(self._came[:QUESTION])
            self._came = self._came[QUESTION:]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self.connections += 1
        self._send, self._close = writer.write, writer.transport.abort
        try:
            while True:
                self._frames.put_nowait(await reader.readexactly(NUMBERED if self._unnumbered else QUESTION))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            if self._send == writer.write:
                self._send = self._close = None
            writer.close()

    async def _live(self):
        while True:
            data = await self._frames.get()
            assert self._unnumbered or check_sum(data[:-2]) == data[-2:], data.hex()
            frame = self.frame(data[6:] if self._unnumbered else data[:-2])
            self.functions[frame[7]] += 1
            self.asked.append((frame[6], frame[7], int.from_bytes(frame[8:10], "big")))
            answer = self.answer(frame)
            for part in answer if isinstance(answer, list) else [answer]:
                if part in {"close", "reset"}:
                    self._close()
                    break
                if isinstance(part, float):
                    await asyncio.sleep(part)
                elif part and self._send is not None:
                    self._send(part)
