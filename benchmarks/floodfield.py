"""The field of the flood: two relays and 480 panels over Modbus TCP, 200 gateways over MQTT, and a feeder that trips.

One process on one loop, told what to do (`benchmarks.told`): publish, trip, count. With the trip the relay of feeder 2
says so, every panel behind it reads 0 V, and every lift behind it stands on its battery with its safety loop open; a
fifth of the lifts' gateways have no battery and say nothing more; in some lifts people turn out to be trapped in the
seconds after. It also asks the service's health all the while, and keeps how long each answer took.
`python -m benchmarks.floodfield LIFTS FED PANELS TRAPPED`.
"""

import asyncio
import json
import random
import struct
import sys
import time
from collections.abc import Mapping
from functools import partial
from typing import Any, cast

from benchmarks.fieldload import READ
from benchmarks.floodsite import UNITS, VOLTAGES, Size, lift, topic
from benchmarks.publishers import HEARD_EVERY, Publisher
from benchmarks.told import listen, say

ROUND_S = 1.0
"""How often a gateway publishes."""
TICK_S = 0.01
SILENT_EVERY = 5
TRAPPED_FROM_S, TRAPPED_TO_S = 2.0, 9.0
LOOK_S = 0.05

LIVE, DEAD = struct.pack(">3H", *[4000] * len(VOLTAGES)), bytes(2 * len(VOLTAGES))
CLOSED, TRIPPED = struct.pack(">H", 0b01), struct.pack(">H", 0b10)


class Field:
    """What everybody says, before and after the trip."""

    def __init__(self, size: Size, trapped: int) -> None:
        roll = random.Random(11)
        self.size = size
        self.tripped_ms = 0
        self.silent = frozenset(range(size.fed, size.lifts, SILENT_EVERY))
        speaking = [n for n in range(size.fed, size.lifts) if n not in self.silent]
        chosen = roll.sample(speaking, trapped)
        self.trapped = {n: 1000 * roll.uniform(TRAPPED_FROM_S, TRAPPED_TO_S) for n in chosen}  # ms after the trip
        self.said: dict[str, float] = {}  # lift -> when it first said that somebody is trapped
        self.reads = 0
        self.health: list[tuple[float, float]] = []  # when asked, how long it took; milliseconds
        self.publishers: list[Publisher] = []
        self.tasks: list[asyncio.Task[None]] = []
        self._seq = 0

    def registers(self, line: str, unit: int) -> bytes | None:
        """Return all registers of a unit; None where there is none."""
        if line != "hv":
            return (DEAD if self.tripped_ms else LIVE) if 0 < unit <= UNITS else None
        return (TRIPPED if unit == 2 and self.tripped_ms else CLOSED) if unit in {1, 2} else None

    def payload(self, n: int) -> bytes:
        """Return what a lift's gateway says now."""
        now = time.time_ns() / 1e6
        dead = bool(self.tripped_ms) and n >= self.size.fed
        held = dead and n in self.trapped and now >= self.tripped_ms + self.trapped[n]
        if held:
            self.said.setdefault(lift(n), now)
        self._seq += 1
        says = {
            "floor": "5", "doorStatus": 0, "runingStatus": 0, "isPerson": int(held), "speed": 0.0,
            "electric": "battery" if dead else "normal", "safetyLoop": "break" if dead else "normal", "overhaul": "N",
            "temperature": 30, "runTotal": 1000, "faults": [8] if held else [],
        }  # fmt: skip
        return json.dumps({"timeStamp": int(now), "seq": self._seq, "realtime": says}).encode()

    async def publish(self, port: int) -> None:
        """Publish in turn, each gateway once a round."""
        for n in range(self.size.lifts):
            self.publishers.append(await asyncio.to_thread(Publisher, f"gw-{n}", topic(n), port))
        began, sent = time.monotonic(), 0
        while True:
            await asyncio.sleep(TICK_S)
            due = int((time.monotonic() - began) * self.size.lifts / ROUND_S)
            while sent < due:
                n, sent = sent % self.size.lifts, sent + 1
                if self.tripped_ms and n in self.silent:
                    continue
                publisher = self.publishers[n]
                if publisher.sent % HEARD_EVERY == 0:
                    publisher.hear()
                publisher.publish(self.payload(n))

    async def look(self, port: int) -> None:
        """Ask the service how it is, and keep how long the answer took."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while True:
            asked = time.time_ns() / 1e6
            writer.write(f"GET /api/v1/health HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            size = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(int(size.partition(b":")[2]))
            self.health.append((asked, time.time_ns() / 1e6 - asked))
            await asyncio.sleep(LOOK_S)


class Answering(asyncio.Protocol):
    """One connection to one line."""

    def __init__(self, field: Field, line: str) -> None:
        self._field, self._line = field, line

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        while len(data) >= READ.size:
            transaction, _, _, unit, function, address, count = READ.unpack_from(data)
            data = data[READ.size :]
            registers = self._field.registers(self._line, unit)
            if registers is None or function != 3 or 2 * (address + count) > len(registers):
                return
            body = registers[2 * address : 2 * (address + count)]
            self._transport.write(struct.pack(">HHHBBB", transaction, 0, 3 + len(body), unit, 3, len(body)) + body)
            self._field.reads += 1


async def serve(size: Size, trapped: int) -> None:
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    field = Field(size, trapped)
    ports = {}
    for line in ("hv", *(f"p{n:03}" for n in range(size.gateways))):
        server = await loop.create_server(partial(Answering, field, line), "127.0.0.1", 0)
        ports[line] = server.sockets[0].getsockname()[1]

    def do(order: Mapping[str, Any]) -> Mapping[str, Any]:
        match order["do"]:
            case "publish":
                field.tasks.append(asyncio.create_task(field.publish(order["port"])))
            case "look":
                field.tasks.append(asyncio.create_task(field.look(order["port"])))
            case "trip":
                field.tripped_ms = time.time_ns() // 1_000_000
        return {
            "tripped_ms": field.tripped_ms,
            "reads": field.reads,
            "silent": [lift(n) for n in sorted(field.silent)],
            "trapped": field.said,
            "health": field.health if order["do"] == "counts" else [],
            "died": [repr(task.exception()) for task in field.tasks if task.done()],
        }

    say({"ports": ports})
    listen(do, over.set)
    await over.wait()
    for task in field.tasks:
        task.cancel()


if __name__ == "__main__":
    import uvloop

    lifts, fed, panels, trapped = map(int, sys.argv[1:])
    uvloop.run(serve(Size(lifts, fed, panels), trapped))
