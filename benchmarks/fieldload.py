"""The field of the headline: Modbus devices that answer from prepared frames, publishers, and a receiver of pages.

One process on one loop: about 10 µs for an answer and 10 for a message, so that the figures speak of the reader. It is
told what to do (`benchmarks.told`): hang a share of the devices, let some vanish for a while, trip points, count, stop.
`python -m benchmarks.fieldload MIX DEVICES INTERVAL_MS PUBLISHERS RATE` with MIX headline or small.
"""

import asyncio
import itertools
import random
import socket
import struct
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast

from benchmarks import compound, publishers
from benchmarks.compound import Mix
from benchmarks.maps import IMAGES, TRIPPED, TRIPS, Map, moment
from benchmarks.spread import Spread
from benchmarks.told import listen, say

AWAY_S = 5.0
"""How long a device stays away that was disconnected."""
READ = struct.Struct(">HHHBBHH")  # transaction, protocol, length, unit, function, address, count
_STILL = bytes(4 * TRIPS)
_TRIPS = struct.Struct(f">{TRIPS}I")
_SENT = struct.Struct(">I")


class Device:
    """One device: its registers are the moment, the points that trip, and the next image of noise."""

    def __init__(self, map_: Map, images: list[bytes], first: int) -> None:
        self.map, self._images, self._turn = map_, images, first % IMAGES
        self.trip = 0  # 1: the next answer trips, 2: the next answer is back to normal
        self.told: Callable[[bool], None] = _nobody

    def registers(self) -> bytes:
        self._turn = (self._turn + 1) % IMAGES
        sent = moment()
        trips = _STILL
        if self.trip:
            raised = self.trip == 1
            trips = _TRIPS.pack(*[sent | TRIPPED if raised else sent] * TRIPS)
            self.trip = 2 if raised else 0
            self.told(raised)
        return _SENT.pack(sent) + trips + self._images[self._turn]


def _nobody(_raised: bool) -> None:
    """Stand for whoever counts before somebody does."""


class Gateway:
    """One address and the devices behind it."""

    def __init__(self, index: int, units: list[Device], interval_s: float) -> None:
        self.index, self.units, self.interval_s = index, units, interval_s
        self.hung = self.leaves = False
        self.away_until = 0.0
        self.back_at = 0.0
        self.asked = 0.0  # when its first unit was asked last, while nothing disturbed it


class Field:
    """All gateways, and what was asked of them."""

    def __init__(self, mix: Mix) -> None:
        roll = random.Random(3)
        images = {m.id: m.images() for m in mix.maps}
        devices = [Device(m, images[m.id], roll.randrange(IMAGES)) for m in map(mix.map, range(mix.devices))]
        for device in devices:
            device.told = self._tripped
        self.gateways = [
            Gateway(n, devices[n * mix.units : (n + 1) * mix.units], mix.interval_ms / 1000) for n in range(mix.lines)
        ]
        self.interval_s = mix.interval_ms / 1000
        self.reads = self.values = self.registers = 0
        self.raised = self.cleared = 0
        self.unexpected = 0  # requests that are not a read of registers that are there
        self.frozen = False
        self.uneven = Spread()  # how far a poll was from its interval
        self.back = Spread()  # from a device's return to the first question
        self._tasks: list[asyncio.Task[None]] = []

    def _tripped(self, raised: bool) -> None:
        if raised:
            self.raised += TRIPS
        else:
            self.cleared += TRIPS

    def healthy(self) -> list[Gateway]:
        return [g for g in self.gateways if not g.hung and not g.leaves and g.away_until == 0.0]

    def hang(self, share: float) -> int:
        every = round(1 / share)
        chosen = [g for g in self.gateways if g.index % every == every // 2]
        for gateway in chosen:
            gateway.hung = True
        return len(chosen)

    def keep(self, coroutine: Any) -> None:
        self._tasks.append(asyncio.create_task(coroutine))

    async def churn(self, per_minute: float) -> None:
        """Let so large a share of the gateways vanish each minute, one at a time."""
        pause = 60 / max(1, per_minute * len(self.gateways))
        for n in itertools.count():
            await asyncio.sleep(pause)
            healthy = self.healthy()
            healthy[n * 7919 % len(healthy)].leaves = True

    async def flood(self, per_s: float, seconds: float) -> None:
        """Make so many transitions a second: a device trips with all its points, and its next answer is normal."""
        began, done = time.monotonic(), 0
        devices = [d for g in self.healthy() for d in g.units]
        turns = itertools.cycle(devices[n * 7919 % len(devices)] for n in range(len(devices)))
        while (passed := time.monotonic() - began) < seconds:
            due = int(passed * per_s / (2 * TRIPS))
            while done < due:
                next(turns).trip = 1
                done += 1
            await asyncio.sleep(0.01)


class Answering(asyncio.Protocol):
    """One connection to one gateway."""

    def __init__(self, gateway: Gateway, field: Field) -> None:
        self._gateway, self._field = gateway, field

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        gateway = self._gateway
        if gateway.away_until > (now := time.monotonic()):
            self._transport.abort()
        elif gateway.away_until:
            gateway.back_at, gateway.away_until = gateway.away_until, 0.0
            self._field.back.add(1000 * (now - gateway.back_at))
        gateway.asked = 0.0

    def data_received(self, data: bytes) -> None:
        gateway, field = self._gateway, self._field
        if gateway.hung or field.frozen:
            return
        if gateway.leaves:
            gateway.leaves, gateway.away_until = False, time.monotonic() + AWAY_S
            self._transport.close()
            return
        while len(data) >= READ.size:
            transaction, _, _, unit, function, address, count = READ.unpack_from(data)
            data = data[READ.size :]
            device = gateway.units[unit - 1] if 0 < unit <= len(gateway.units) else None
            if device is None or function != 3 or address + count > device.map.registers:
                field.unexpected += 1
                return
            body = device.registers()[2 * address : 2 * (address + count)]
            head = struct.pack(">HHHBBB", transaction, 0, 3 + len(body), unit, 3, len(body))
            self._transport.write(head + body)
            field.reads += 1
            field.registers += count
            field.values += len(device.map.channels)
            if unit == 1:
                now = time.monotonic()
                if gateway.asked:
                    field.uneven.add(1000 * abs(now - gateway.asked - gateway.interval_s))
                gateway.asked = now


class Pages(asyncio.Protocol):
    """A receiver of pages that says 200 to everything."""

    arrived = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        self._rest += data
        while (end := self._rest.find(b"\r\n\r\n")) >= 0:
            head = self._rest[:end].lower()
            at = head.find(b"content-length:")
            size = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self._rest) < end + 4 + size:
                return
            self._rest = self._rest[end + 4 + size :]
            Pages.arrived += 1
            self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")


async def serve(mix: Mix) -> None:
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    field = Field(mix)
    port = await _listening(loop, field)
    pages = await loop.create_server(Pages, "127.0.0.1", 0, backlog=1024)
    crowd = publishers.Crowd([publishers.topic(n) for n in range(mix.publishers)], mix.rate, publishers.payloads())

    def do(order: Mapping[str, Any]) -> Mapping[str, Any]:
        before = counts()
        match order["do"]:
            case "publish":
                field.keep(_publish(crowd, order["port"]))
            case "hang":
                return {"hung": field.hang(order["share"])}
            case "churn":
                field.keep(field.churn(order["per_minute"]))
            case "flood":
                field.keep(field.flood(order["per_s"], order["seconds"]))
            case "even":  # begin a new spread
                field.uneven = Spread()
            case "quiet":  # the publishers first: what they sent is on its way through the broker
                crowd.pause()
            case "freeze":
                field.frozen = True
        return before

    def counts() -> Mapping[str, Any]:
        return {
            "reads": field.reads,
            "values": field.values,
            "registers": field.registers,
            "unexpected": field.unexpected,
            "raised": field.raised,
            "cleared": field.cleared,
            "pages": Pages.arrived,
            "uneven": field.uneven.said(),
            "back": field.back.said(),
            **crowd.counts,
        }

    say({"port": port, "pages": pages.sockets[0].getsockname()[1]})
    listen(do, over.set)
    await over.wait()
    crowd.close()


async def _listening(loop: asyncio.AbstractEventLoop, field: Field) -> int:
    """Listen on one port of every gateway's address."""
    port = 0
    for gateway in field.gateways:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((compound.host(gateway.index), port))
        port = listener.getsockname()[1]
        await loop.create_server(partial(Answering, gateway, field), sock=listener, backlog=8)
    return int(port)


async def _publish(crowd: publishers.Crowd, port: int) -> None:
    await crowd.connect(port)
    crowd.start()


def mix_of(name: str, devices: int, interval_ms: int, publishers: int, rate: float) -> Mix:
    if name == "small":
        return compound.small(devices)
    return compound.headline(devices, interval_ms, publishers, rate)


if __name__ == "__main__":
    import uvloop

    mix, devices, interval, senders, rate = sys.argv[1:6]
    uvloop.run(serve(mix_of(mix, int(devices), int(interval), int(senders), float(rate))))
