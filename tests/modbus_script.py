"""A Modbus TCP server that answers as badly as it is told to, and counts what it was asked."""

import asyncio
from collections import Counter
from collections.abc import Callable

Frame = bytes
LATE_S = 0.12


def register(address: int) -> int:
    """What stands at an address: its own number, so that an answer to another question shows."""
    return (address * 7 + 11) & 0xFFFF


def words(address: int, count: int) -> bytes:
    return b"".join(register(a).to_bytes(2, "big") for a in range(address, address + count))


def reply(frame: Frame, *, tid=None, unit=None, pid=0, function=None, data=None, count=None, length=None) -> bytes:
    address, wanted = int.from_bytes(frame[8:10], "big"), int.from_bytes(frame[10:12], "big")
    code = frame[7] if function is None else function
    if data is None:
        data = words(address, wanted) if frame[7] in {3, 4} else bytes((wanted + 7) // 8)
    body = bytes([frame[6] if unit is None else unit, code, len(data) if count is None else count]) + data
    head = (int.from_bytes(frame[:2], "big") if tid is None else tid).to_bytes(2, "big") + pid.to_bytes(2, "big")
    return head + (len(body) if length is None else length).to_bytes(2, "big") + body


def refusal(frame: Frame, code: int) -> bytes:
    return frame[:2] + b"\0\0\0\3" + frame[6:7] + bytes([frame[7] | 0x80, code])


def good(frame: Frame) -> bytes:
    return reply(frame)


def cut(frame: Frame, by: int) -> bytes:
    size = int.from_bytes(frame[10:12], "big") * 2
    return words(int.from_bytes(frame[8:10], "big"), size // 2 + 2)[: size + by]


BAD: dict[str, Callable[[Frame], bytes]] = {
    "other function code": lambda f: reply(f, function=4 if f[7] == 3 else 3),
    "a bit function code": lambda f: reply(f, function=1),
    "too few registers": lambda f: reply(f, data=cut(f, -2)),
    "too many registers": lambda f: reply(f, data=cut(f, 2)),
    "byte count too low": lambda f: reply(f, count=int.from_bytes(f[10:12], "big") * 2 - 2),
    "byte count too high": lambda f: reply(f, count=int.from_bytes(f[10:12], "big") * 2 + 2),
    "odd byte count": lambda f: reply(f, data=cut(f, -1)),
    "transaction 0": lambda f: reply(f, tid=0),
    "wrong transaction": lambda f: reply(f, tid=(int.from_bytes(f[:2], "big") + 5) & 0xFFFF),
    "wrong unit": lambda f: reply(f, unit=f[6] + 1),
    "unit 0": lambda f: reply(f, unit=0),
    "unit 255": lambda f: reply(f, unit=255),
    "protocol id": lambda f: reply(f, pid=1),
    "length too short": lambda f: reply(f, length=5),
    "length too long": lambda f: reply(f, length=200),
    "length zero": lambda f: reply(f, length=0),
    "unknown function code": lambda f: reply(f, function=0x55),
    "function code 0": lambda f: reply(f, function=0),
    "write echo": lambda f: f[:4] + b"\0\6" + f[6:7] + b"\6" + f[8:12],
    "exception without code": lambda f: f[:4] + b"\0\2" + f[6:7] + bytes([f[7] | 0x80]),
    "exception of another function": lambda f: f[:4] + b"\0\3" + f[6:7] + b"\x81\2",
    "exception with transaction 0": lambda f: b"\0\0" + refusal(f, 2)[2:],
    "empty data": lambda f: reply(f, data=b""),
    "garbage": lambda _f: b"\xde\xad\xbe\xef" * 8,
    "http": lambda _f: b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
    "flood": lambda _f: b"\x00" * 300,
    "all ones": lambda _f: b"\xff" * 260,
    "half a frame": lambda f: good(f)[:11],
    "only a header": lambda f: good(f)[:7],
}
"""Answers none of which may ever become a value."""


class Scripted:
    """Serves `answer(frame)`; None means silence, "close" and "reset" end the connection, a float waits first."""

    def __init__(self, answer=good):
        self.answer = answer
        self.functions: Counter[int] = Counter()
        self.asked: list[tuple[int, int, int]] = []  # unit, function, address
        self.connections = 0
        self.port = 0
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def start(self, port: int = 0) -> "Scripted":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self):
        self._server.close()
        for writer in list(self._open):
            writer.transport.abort()
        await self._server.wait_closed()

    async def __aenter__(self):
        return await self.start()

    async def __aexit__(self, *_):
        await self.stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self.connections += 1
        self._open.add(writer)
        try:
            while True:
                frame = await reader.readexactly(12)
                self.functions[frame[7]] += 1
                self.asked.append((frame[6], frame[7], int.from_bytes(frame[8:10], "big")))
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
