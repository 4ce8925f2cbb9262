"""A bus to hurt: the same device on Modbus TCP, on RTU over TCP and on a serial line, read as a site reads it."""

import importlib.util
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
from collected import Running, Sink, until
from modbus_script import BAD, BAD_RTU, RTU, TCP, Scripted, ScriptedBus, register
from virtual_loop import LoopClock

from collectors.profile import Identity, ModbusField, ModbusMap, Profile, Trust, Type
from facility.equipment import Device, Line, Serial
from facility.scan import COMMUNICATION, Reason
from facility.text import NOTHING

POLL_MS = 1_000
TIMEOUT_MS = 1_000
STALE_S = 2 * POLL_MS / 1000 + 1
BACK_S = 6.0

TRANSPORTS = ["modbus-tcp", "modbus-rtu-tcp", "modbus-rtu"]
ON_NETWORK = TRANSPORTS[:2]

FIELDS = [
    ModbusField("a", 0, 3, Type.U16),
    ModbusField("b", 3, 3, Type.U16),
    ModbusField("c", 100, 4, Type.U16),
    ModbusField("di", 4, 2, Type.BIT),
]
CHANNELS = tuple(f.channel for f in FIELDS)
RIGHT = (float(register(0)), float(register(3)), float(register(100)), 0.0)
MODEL = Identity(3, 500, (register(500),))


def profile(id, **more):
    modbus = ModbusMap({f.channel: f for f in FIELDS}, max_gap=4, **more)
    return Profile(id, NOTHING, "k", POLL_MS, "here", Trust.OWN, "h", modbus=modbus)


PROFILES = {p.id: p for p in (profile("p"), profile("with-model", identity=MODEL))}


def device(id="d", line="l", unit=1, profile="p", channels=CHANNELS):
    return Device(id, profile, line, POLL_MS, channels, tuple(f"{id}/{c}" for c in channels), unit=unit)


class Bus:
    """One of the three transports: makes servers that answer as told, and the lines that read them."""

    def __init__(self, transport):
        self.transport = transport
        self.serial = transport == "modbus-rtu"
        self.framing = TCP if transport == "modbus-tcp" else RTU
        self.bad = BAD if self.framing == TCP else BAD_RTU
        if self.serial and importlib.util.find_spec("serial") is None:
            pytest.skip("pyserial is not installed")

    def server(self, answer):
        return ScriptedBus(answer) if self.serial else Scripted(answer, self.framing)

    def line(self, server, id="l", **more):
        where = (
            {"serial": Serial(server.path, 115_200, "none")}
            if self.serial
            else {"host": "127.0.0.1", "port": server.port}
        )
        return Line(id, self.transport, timeout_ms=TIMEOUT_MS, **where, **more)


class Heard(Sink):
    """Remembers scans, and takes no wrong value for a right one."""

    def scan(self, scan, done=None):
        for value, right, reason in zip(scan.values, self.right(scan), scan.reasons, strict=True):
            if reason == Reason.GOOD:
                assert value == right, f"{scan.device} at {scan.at_ms}: {scan.values}"
            else:
                assert value != value, "what is not good has no value"  # noqa: PLR0124 - NaN is not itself
        super().scan(scan, done)

    def right(self, scan):
        return RIGHT[: len(scan.values)]

    def good(self, device="d"):
        return [s for s in self.of(device) if not any(s.reasons)]

    def gaps_s(self, device, after_ms=0):
        """How far apart the good scans of a device lie, in seconds."""
        at = [s.at_ms for s in self.good(device) if s.at_ms >= after_ms]
        return [(b - a) / 1000 for a, b in pairwise(at)]


def running(lines, devices, sink=None, **more):
    """Collectors at work, with the patience of the product, on the loop's own time."""
    return Running(lines, devices, PROFILES, sink=sink or Heard(), clock=LoopClock(), **more)


@asynccontextmanager
async def one_device(bus, answer, *, line=None, **more):
    """A device on a line of its own, read: yields its server and what runs."""
    async with bus.server(answer) as server, running([bus.line(server, **(line or {}))], [device(**more)]) as run:
        yield server, run


async def heard(run, times, device="d"):
    """Wait for so many more good scans of a device; return how long it took in seconds."""
    before = len(run.sink.good(device))
    return await until(lambda: len(run.sink.good(device)) >= before + times, within_s=60)


async def stale(run, device="d"):
    """Wait until a device is said not to be reached, all of it; return how long it took in seconds."""
    before = len(run.sink.scans)
    return await until(
        lambda: any(not s.reached and all(r in COMMUNICATION for r in s.reasons) for s in run.sink.of(device, before)),
        within_s=60,
    )
