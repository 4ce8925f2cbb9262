"""A Modbus server that answers as badly as it is told to, and counts what it was asked.

It speaks Modbus TCP, RTU frames over TCP, and RTU over a pair of pseudo terminals. Whatever the framing, an answer is
made from a `Frame`: the question as Modbus TCP would carry it, which knows how its answer is to be framed.
"""

import asyncio
import contextlib
import os
import tty
from collections import Counter
from collections.abc import Callable

READS = {1, 2, 3, 4}
LATE_S = 0.12
TCP, RTU = "tcp", "rtu"


class Frame(bytes):
    """A question in the shape of Modbus TCP: transaction 2, protocol 2, length 2, unit, function, address 2, count 2."""

    framing = TCP


class RtuFrame(Frame):
    """The same, to be answered in RTU."""

    framing = RTU


def register(address: int) -> int:
    """What stands at an address: its own number, so that an answer to another question shows."""
    return (address * 7 + 11) & 0xFFFF


def words(address: int, count: int) -> bytes:
    return b"".join(register(a).to_bytes(2, "big") for a in range(address, address + count))


def check_sum(data: bytes) -> bytes:
    """The CRC-16 of Modbus bit by bit, as its specification has it: a second opinion on the product's table."""
    rest = 0xFFFF
    for byte in data:
        rest ^= byte
        for _ in range(8):
            rest = rest >> 1 ^ (0xA001 if rest & 1 else 0)
    return rest.to_bytes(2, "little")


def framed(frame: Frame, body: bytes, *, tid=None, pid=0, length=None) -> bytes:
    """Unit, function and data as an answer to this question; an RTU frame knows of no transaction, protocol or length."""
    if getattr(frame, "framing", TCP) == RTU:
        return body + check_sum(body)
    head = (int.from_bytes(frame[:2], "big") if tid is None else tid).to_bytes(2, "big") + pid.to_bytes(2, "big")
    return head + (len(body) if length is None else length).to_bytes(2, "big") + body


def reply(frame: Frame, *, unit=None, function=None, data=None, count=None, **around) -> bytes:
    address, wanted = int.from_bytes(frame[8:10], "big"), int.from_bytes(frame[10:12], "big")
    code = frame[7] if function is None else function
    if data is None:
        data = words(address, wanted) if frame[7] in {3, 4} else bytes((wanted + 7) // 8)
    body = bytes([frame[6] if unit is None else unit & 0xFF, code, len(data) if count is None else count & 0xFF]) + data
    return framed(frame, body, **around)


def refusal(frame: Frame, code: int, **around) -> bytes:
    return framed(frame, bytes([frame[6], frame[7] | 0x80, code]), **around)


def good(frame: Frame) -> bytes:
    return reply(frame)


def cut(frame: Frame, by: int) -> bytes:
    size = int.from_bytes(frame[10:12], "big") * 2
    return words(int.from_bytes(frame[8:10], "big"), size // 2 + 2)[: size + by]


def _size(frame: Frame) -> int:
    return (
        int.from_bytes(frame[10:12], "big") * 2
        if frame[7] in {3, 4}
        else (int.from_bytes(frame[10:12], "big") + 7) // 8
    )


def _flipped(answer: bytes, at: int) -> bytes:
    out = bytearray(answer)
    out[at] ^= 0x10
    return bytes(out)


_EITHER: dict[str, Callable[[Frame], bytes]] = {
    "other function code": lambda f: reply(f, function=4 if f[7] == 3 else 3),
    "a bit function code": lambda f: reply(f, function=1),
    "too few registers": lambda f: reply(f, data=cut(f, -2)),
    "too many registers": lambda f: reply(f, data=cut(f, 2)),
    "byte count too low": lambda f: reply(f, count=_size(f) - 2),
    "byte count too high": lambda f: reply(f, count=_size(f) + 2),
    "odd byte count": lambda f: reply(f, data=cut(f, -1)),
    "wrong unit": lambda f: reply(f, unit=f[6] + 1),
    "unit 0": lambda f: reply(f, unit=0),
    "unit 255": lambda f: reply(f, unit=255),
    "unknown function code": lambda f: reply(f, function=0x55),
    "function code 0": lambda f: reply(f, function=0),
    "write echo": lambda f: framed(f, f[6:7] + b"\6" + f[8:12]),
    "its own question": lambda f: framed(f, f[6:12]),
    "exception without code": lambda f: framed(f, f[6:7] + bytes([f[7] | 0x80])),
    "exception of another function": lambda f: framed(f, f[6:7] + b"\x81\2"),
    "empty data": lambda f: reply(f, data=b""),
    "garbage": lambda _f: b"\xde\xad\xbe\xef" * 8,
    "http": lambda _f: b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
    "flood": lambda _f: b"\x00" * 300,
    "all ones": lambda _f: b"\xff" * 260,
    "half a frame": lambda f: good(f)[:11],
    "only a header": lambda f: good(f)[:7],
    "a stray byte first": lambda f: b"\x2a" + good(f),
    "a byte lost on the way": lambda f: good(f)[:10] + good(f)[11:],
}
BAD: dict[str, Callable[[Frame], bytes]] = {
    **_EITHER,
    "transaction 0": lambda f: reply(f, tid=0),
    "wrong transaction": lambda f: reply(f, tid=(int.from_bytes(f[:2], "big") + 5) & 0xFFFF),
    "protocol id": lambda f: reply(f, pid=1),
    "length too short": lambda f: reply(f, length=5),
    "length too long": lambda f: reply(f, length=200),
    "length zero": lambda f: reply(f, length=0),
    "exception with transaction 0": lambda f: refusal(f, 2, tid=0),
}
"""32 answers in Modbus TCP none of which may ever become a value."""

BAD_RTU: dict[str, Callable[[Frame], bytes]] = {
    **_EITHER,
    "wrong check sum": lambda f: _flipped(good(f), -1),
    "check sum bytes swapped": lambda f: good(f)[:-2] + good(f)[-2:][::-1],
    "no check sum": lambda f: good(f)[:-2],
    "a bit fallen over in the data": lambda f: _flipped(good(f), 5),
    "a bit fallen over in the unit": lambda f: _flipped(good(f), 0),
    "exception with a wrong check sum": lambda f: _flipped(refusal(f, 6), -1),
    "an answer in Modbus TCP": lambda f: reply(Frame(f)),
}
"""32 answers in RTU none of which may ever become a value."""

assert len(BAD) == len(BAD_RTU) == 32


class Scripted:
    """Serves `answer(frame)`; None means silence, "close" and "reset" end the connection, a float waits first."""

    def __init__(self, answer=good, framing=TCP):
        self.answer = answer
        self.framing = framing
        self.functions: Counter[int] = Counter()
        self.asked: list[tuple[int, int, int]] = []  # unit, function, address
        self.times: list[float] = []  # when each question came, by the loop's clock
        self.connections = 0
        self.connected_at: list[float] = []
        self.most = 0  # clients that are served at once; 0: any number, the others are hung up on
        self.port = 0
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def start(self, port: int = 0) -> "Scripted":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self):
        self._server.close()
        for writer in list(self._open):
            writer.transport.abort()
        await self._server.wait_closed()
        self.only_read()

    def only_read(self):
        """Nothing but reads was ever asked of us."""
        assert set(self.functions) <= READS, f"a question that is no read was on the wire: {self.functions}"

    async def __aenter__(self):
        return await self.start()

    async def __aexit__(self, *_):
        await self.stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self.connections += 1
        self.connected_at.append(asyncio.get_running_loop().time())
        if self.most and len(self._open) >= self.most:
            writer.close()
            return
        self._open.add(writer)
        try:
            while (frame := await self._question(reader)) is not None:
                answer = self.answer(frame)
                for part in answer if isinstance(answer, list) else [answer]:
                    if part == "close":
                        return
                    if part == "reset":
                        writer.transport.abort()
                        return
                    if isinstance(part, float):
                        await asyncio.sleep(part)
                    elif part:
                        writer.write(part)
                        await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    async def _question(self, reader: asyncio.StreamReader) -> Frame:
        """Return the next question; what is none in RTU is passed over, as a unit on a bus does."""
        if self.framing == TCP:
            frame = Frame(await reader.readexactly(12))
        else:
            data = await reader.readexactly(8)
            while check_sum(data[:6]) != data[6:]:
                data = data[1:] + await reader.readexactly(1)
            frame = RtuFrame(b"\0\0\0\0\0\6" + data[:6])
        self.functions[frame[7]] += 1
        self.asked.append((frame[6], frame[7], int.from_bytes(frame[8:10], "big")))
        self.times.append(asyncio.get_running_loop().time())
        return frame


class ScriptedBus(Scripted):
    """The same on a serial line: `path` is the end of a pair of pseudo terminals that the product opens.

    A bus knows of no connections: "close" and "reset" say nothing, and the port is there until `stop`.
    """

    def __init__(self, answer=good):
        super().__init__(answer, RTU)
        self.path = ""
        self._ends: tuple[int, int] = (-1, -1)
        self._task: asyncio.Task | None = None

    async def start(self, port: int = 0) -> "ScriptedBus":
        getattr(asyncio.get_running_loop(), "use_terminals", int)()  # of a loop whose time jumps
        self._ends = os.openpty()
        for end in self._ends:
            tty.setraw(end)
        self.path = os.ttyname(self._ends[1])
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        os.set_blocking(self._ends[0], False)
        loop.add_reader(self._ends[0], lambda: reader.feed_data(os.read(self._ends[0], 4096)))
        self._task = asyncio.create_task(self._listen(reader))
        return self

    async def _listen(self, reader: asyncio.StreamReader):
        while True:
            await self._serve(reader, _PtyWriter(self._ends[0]))

    async def stop(self):
        asyncio.get_running_loop().remove_reader(self._ends[0])
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        for end in self._ends:
            os.close(end)
        self.only_read()


class _PtyWriter:
    """As much of a StreamWriter as a script needs."""

    def __init__(self, end: int):
        self._end = end
        self.transport = self

    def write(self, data: bytes):
        getattr(asyncio.get_running_loop(), "stir", int)()  # of a loop whose time jumps
        with contextlib.suppress(BlockingIOError):  # nobody reads: on a bus it is lost
            os.write(self._end, data)

    async def drain(self):
        """A pseudo terminal takes what a script says at once."""

    def close(self):
        """The ends are closed by the bus."""

    abort = close
