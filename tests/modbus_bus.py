"""Units on an RTU bus that answer as badly as they are told to: behind a transparent serial server, or on a pty.

What is on its way on a bus comes, whoever waits: an answer goes to whoever is connected when it is given.
"""

import asyncio
import contextlib
import os
import tty
from collections import Counter

from modbus_script import BAD, good, refusal, reply

FRAME, NUMBERED = 8, 12  # bytes of a question on a bus, and in Modbus TCP


def crc(data: bytes) -> bytes:
    rest = 0xFFFF
    for byte in data:
        rest ^= byte
        for _ in range(8):
            rest = rest >> 1 ^ (0xA001 if rest & 1 else 0)
    return rest.to_bytes(2, "little")


class Raw(bytes):
    """Goes on the wire as it is; all other bytes are answers as Modbus TCP frames them."""


def rtu(answer: bytes) -> Raw:
    return Raw(answer[6:] + crc(answer[6:]))


def flipped(data: bytes, at: int, bit: int = 0) -> Raw:
    return Raw(data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :])


def _exchanged(data: bytes) -> Raw:
    return Raw(data[:-2] + data[:-3:-1])


_TCP_ONLY = {
    "transaction 0", "wrong transaction", "protocol id", "length too short", "length too long", "length zero",
    "exception with transaction 0", "half a frame", "only a header",
}  # fmt: skip
_UNFRAMED = {"garbage", "http", "flood", "all ones"}

RTU_BAD = {
    **{mode: bad for mode, bad in BAD.items() if mode not in _TCP_ONLY | _UNFRAMED},
    **{mode: lambda f, bad=BAD[mode]: Raw(bad(f)) for mode in BAD if mode in _UNFRAMED},
    "half a frame": lambda f: Raw(rtu(good(f))[:8]),
    "only a header": lambda f: Raw(rtu(good(f))[:3]),
    "wrong check sum": lambda f: flipped(rtu(good(f)), -1),
    "check sum high byte first": lambda f: _exchanged(rtu(good(f))),
    "no check sum": lambda f: Raw(rtu(good(f))[:-2]),
    "a bit flipped": lambda f: flipped(rtu(good(f)), 5, 3),
    "a bit of the unit flipped": lambda f: flipped(rtu(good(f)), 0, 4),
    "a byte lost": lambda f: Raw(rtu(good(f))[:6] + rtu(good(f))[7:]),
    "a byte doubled": lambda f: Raw(rtu(good(f))[:6] + rtu(good(f))[5:]),
    "the question's echo alone": lambda f: Raw(f[6:] + crc(f[6:])),
    "refusal with a wrong check sum": lambda f: flipped(rtu(refusal(f, 2)), -2),
    "the answer of another unit": lambda f: reply(f, unit=f[6] + 1),
}
"""Answers none of which may ever become a value, on a bus."""

UNNUMBERED_BAD = {
    mode: bad
    for mode, bad in BAD.items()
    if mode not in {"transaction 0", "wrong transaction", "exception with transaction 0"}
}
"""Answers none of which may ever become a value, where transaction ids mean nothing."""


class Bus:
    """Serves `answer(frame)` as `modbus_script.Scripted` does; a frame is handed over as Modbus TCP frames it."""

    def __init__(self, answer=good, *, unnumbered=False):
        """Be on a bus, or behind a gateway for Modbus TCP that always answers with transaction id 0."""
        self.answer = answer
        self._unnumbered = unnumbered
        self.functions: Counter[int] = Counter()
        self.asked: list[tuple[int, int, int, int]] = []  # unit, function, address, count
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

    def framed(self, answer: bytes) -> Raw:
        """Return an answer of Modbus TCP as it goes on this wire."""
        return Raw(b"\0\0" + answer[2:]) if self._unnumbered else rtu(answer)

    def say(self, data: bytes) -> None:
        """Speak without being asked."""
        self._send(data)

    def _read(self, end: int):
        with contextlib.suppress(BlockingIOError, OSError):
            self._came += os.read(end, 1024)
        while len(self._came) >= FRAME:
            self._frames.put_nowait(self._came[:FRAME])
            self._came = self._came[FRAME:]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self.connections += 1
        self._send, self._close = writer.write, writer.transport.abort
        try:
            while True:
                self._frames.put_nowait(await reader.readexactly(NUMBERED if self._unnumbered else FRAME))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            if self._send == writer.write:
                self._send = self._close = None
            writer.close()

    async def _live(self):
        while True:
            frame = await self._frames.get()
            if self._unnumbered:
                frame = frame[6:]
            else:
                assert crc(frame[:-2]) == frame[-2:], frame.hex()
                frame = frame[:-2]
            self.functions[frame[1]] += 1
            self.asked.append(
                (frame[0], frame[1], int.from_bytes(frame[2:4], "big"), int.from_bytes(frame[4:6], "big"))
            )
            answer = self.answer(b"\0\1\0\0\0\6" + frame)
            for part in answer if isinstance(answer, list) else [answer]:
                if part in {"close", "reset"}:
                    self._close()
                    break
                if isinstance(part, float):
                    await asyncio.sleep(part)
                elif part and self._send is not None:
                    self._send(part if isinstance(part, Raw) else self.framed(part))
