"""Pulses of 400 ms through the whole chain: none may be missed, none may count twice.

`python -m benchmarks.pulses [--pulses 1000]`: real sockets, real collectors, desk and stores, about 20 s. At random
phases, side by side:

latched  contacts of digital-input modules (profile di-16) that are polled every second; the module itself counts each
         closing in an event register, and every count is an alarm (COUNTS).
mqtt     lift bells: a message when pressed, a message 400 ms later when let go.
plain    contacts without a counter, polled every 200 ms: a pulse lasts two polls.

Each line says how many pulses there were, how many alarm.raised records stand in the log book afterwards, and what a
design would have seen that looks at the newest value once a second (the same live table, sampled).
"""

import argparse
import asyncio
import contextlib
import json
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

import sitefolder
from benchmarks.running import free_port, load
from collectors.mqtt.message import encode
from collectors.profile import Profile
from collectors.supervisor import Collectors
from dutyroom.clock import SystemClock
from dutyroom.desk import Desk
from dutyroom.supervisor import Supervisor
from facility.duty import Roster
from facility.equipment import Device, Equipment, Line
from facility.point import Kind, Point, PointType, System
from facility.records import Kind as RecordKind
from facility.rule import AlarmClass, Compare, Condition, Priority, Rule, Start
from facility.site import Site
from facility.supply import Supply
from facility.text import Text
from simulators.broker import broker
from sitefolder.finding import Problems
from sitefolder.profiles import read_profiles
from stores.live import Live
from stores.logbook import LogBook
from stores.telemetry.spool import Spool

WORDS = Text("基准", "benchmark")
PULSE_S = 0.4
REST_S = (0.4, 0.6)
"""Between two pulses of a contact; a plain one must stay open for two polls as well."""
SAMPLER_S = 1.0
MODULES, CONTACTS, LIFTS = 6, 16, 96
SETTLED_S = 2.0
DI, GATEWAY = "di-16", "lift-gateway-json-a"
# Some counters stand shortly before their end: 32 bits wrap round in the middle of the pulses.
NEARLY_ROUND = 2**32 - 6


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the pulses of one way in; `asked`: how many of them lasted while the module was read."""

    pulses: int
    alarms: int
    sampled: int
    asked: int = 0


class Module:
    """One digital-input module with an address of its own: contacts, and a counter for each that it latches itself."""

    def __init__(self) -> None:
        self.closed = [0] * 17
        self.counts = [NEARLY_ROUND if n % 4 == 0 else 0 for n in range(CONTACTS)]
        self.asked = 0
        self._seen = [True] * CONTACTS
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in tuple(self._open):
            writer.transport.abort()
        await self._server.wait_closed()

    async def pulse(self, contact: int) -> None:
        self.closed[contact] = 1
        self.counts[contact] = (self.counts[contact] + 1) % 2**32
        self._seen[contact] = False
        await asyncio.sleep(PULSE_S)
        self.closed[contact] = 0

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                frame = await reader.readexactly(12)
                at, count = int.from_bytes(frame[8:10], "big"), int.from_bytes(frame[10:12], "big")
                data = self._bits(at, count) if frame[7] == 2 else self._registers(at, count)
                body = frame[6:8] + bytes([len(data)]) + data
                writer.write(frame[:4] + len(body).to_bytes(2, "big") + body)
        self._open.discard(writer)
        writer.close()

    def _bits(self, at: int, count: int) -> bytes:
        for contact, seen in enumerate(self._seen):
            if self.closed[contact] and not seen:
                self._seen[contact] = True
                self.asked += 1
        number = sum(bit << n for n, bit in enumerate(self.closed[at : at + count]))
        return number.to_bytes((count + 7) // 8, "little")

    def _registers(self, at: int, count: int) -> bytes:
        return b"".join(value.to_bytes(4, "big") for value in self.counts)[2 * at : 2 * (at + count)]


class Bells:
    """The gateways of all lifts: what they publish goes through one connection."""

    def __init__(self, port: int, user: str, password: str, profile: Profile) -> None:
        assert profile.mqtt is not None
        self._map, self._seq = profile.mqtt, 0
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv311, reconnect_on_failure=False)
        self._client.username_pw_set(user, password)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def say(self, lift: str, bell: float) -> None:
        self._seq += 1
        message = self._map.messages[0]
        values = {"bell": bell, "floor": 3.0, "running": 0.0, "doors_closed": 1.0}
        payload = encode(self._map, message, values, at_ms=time.time_ns() // 1_000_000, seq=self._seq)
        self._client.publish(self._map.topic(message.topic, lift), payload, qos=1)

    async def pulse(self, lift: str) -> None:
        self.say(lift, 1.0)
        await asyncio.sleep(PULSE_S)
        self.say(lift, 0.0)

    def stop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class Sampler:
    """The other design: looks at the newest values once a second and counts what has risen since the last look."""

    def __init__(self, live: Live, points: Sequence[str]) -> None:
        self._live, self._last = live, dict.fromkeys(points, 0.0)
        self.seen: Counter[str] = Counter()

    async def run(self) -> None:
        await asyncio.sleep(random.uniform(0.0, SAMPLER_S))
        while True:
            for point, last in self._last.items():
                now = self._live.read(point)
                value = now.value if now is not None and now.reason == 0 and now.value is not None else last
                self.seen[point.rpartition("/")[2]] += value > last
                self._last[point] = value
            await asyncio.sleep(SAMPLER_S)


def rule(id: str, kind: str, condition: Condition) -> Rule:
    """Return a rule of a class that is never damped: these contacts come and go many times a minute."""
    return Rule(
        id, kind, WORDS, (condition,), Priority.MEDIUM, AlarmClass.LIFE_SAFETY, WORDS, WORDS, WORDS, 60_000, "none",
        Start.OPERATOR, version="1",
    )  # fmt: skip


def made(modules: Sequence[Module], plain: Sequence[Module], broker_port: int, user: str) -> Site:
    """Return the site: counted contacts, plain contacts, lifts; a rule for each."""
    lines = {
        "broker": Line("broker", "mqtt", "127.0.0.1", broker_port, username=user, secret="broker", protocol="3.1.1")
    }
    devices: dict[str, Device] = {}
    equipment: dict[str, str] = {}
    for kind, all_, interval_ms in (("counted", modules, 1_000), ("plain", plain, 200)):
        for number, module in enumerate(all_):
            id = f"{kind}-{number}"
            lines[id] = Line(id, "modbus-tcp", "127.0.0.1", module.port)
            names = [f"{id}-{n}" for n in range(CONTACTS)]
            equipment |= dict.fromkeys(names, kind)
            channels = [f"di{n + 1}" for n in range(CONTACTS)]
            points = [f"{name}/{kind}" for name in names]
            if kind == "counted":
                channels += [f"{channel}_count" for channel in channels]
                points += [f"{name}/count" for name in names]
            devices[id] = Device(id, DI, id, interval_ms, tuple(channels), tuple(points))
    for number in range(LIFTS):
        id = f"lift-{number}"
        equipment[id] = "lift"
        devices[id] = Device(id, GATEWAY, "broker", 1_000, ("bell", "floor"), (f"{id}/bell", f"{id}/floor"), topic=id)
    state, counter = PointType.STATE, PointType.COUNTER
    kinds = {
        "counted": {"counted": Point("counted", WORDS, state), "count": Point("count", WORDS, counter)},
        "plain": {"plain": Point("plain", WORDS, state)},
        "lift": {"bell": Point("bell", WORDS, state), "floor": Point("floor", WORDS)},
    }
    rules = (
        rule("latched", "counted", Condition("count", Compare.COUNTS)),
        rule("plain", "plain", Condition("plain", Compare.IS, 1.0)),
        rule("mqtt", "lift", Condition("bell", Compare.IS, 1.0)),
    )
    return Site(
        id="pulses", name=WORDS, timezone="UTC", hash="pulses", contract={},
        kinds={id: Kind(id, WORDS, System.SYSTEM, points) for id, points in kinds.items()},
        equipment={id: Equipment(id, kind, WORDS, WORDS) for id, kind in equipment.items()},
        lines=lines, devices=devices, rules={r.id: r for r in rules}, plans={}, people={}, parties={},
        roster=Roster((), ()), supply=Supply(),
    )  # fmt: skip


async def run(pulses: int, folder: Path, reach: tuple[int, str, str]) -> dict[str, Outcome]:
    """Let so many pulses come in each way; `reach` is the broker's port, user and password."""
    port, user, password = reach
    profiles = read_profiles(Path(sitefolder.__file__).parent.parent / "library" / "profiles", Problems())
    modules, plain = [Module() for _ in range(MODULES)], [Module() for _ in range(MODULES)]
    for module in (*modules, *plain):
        await module.start()
    site = made(modules, plain, port, user)
    clock = SystemClock()
    spool, book = Spool(folder / "spool.db", clock), LogBook(folder / "logbook.db", site.id)
    for device in site.devices.values():
        spool.layout(device.id, device.points, "pulses@1")
    live = Live(spool.layouts())
    desk = Desk(site, clock, book, spool, live, {}, lambda _p, _c, _i: None)
    desk.restore([])
    supervisor = Supervisor()
    collectors = Collectors(site, profiles, desk, clock, supervisor, {"broker": password})
    supervisor.keep("desk", desk.run, 60_000)
    collectors.start()
    bells = Bells(port, user, password, profiles[GATEWAY])
    lifts = [id for id, machine in site.equipment.items() if machine.kind == "lift"]
    ways: dict[str, list[Callable[[], Awaitable[None]]]] = {
        "latched": [partial(m.pulse, n) for m in modules for n in range(CONTACTS)],
        "mqtt": [partial(bells.pulse, lift) for lift in lifts],
        "plain": [partial(m.pulse, n) for m in plain for n in range(CONTACTS)],
    }
    try:
        await _all_known(live, site, lifts, bells)
        looked = [p for d in site.devices.values() for p in d.points if p.endswith(("/counted", "/plain", "/bell"))]
        sampler = Sampler(live, looked)
        sampling = asyncio.create_task(sampler.run())
        await asyncio.gather(*(_each(one, _share(pulses, len(w), i)) for w in ways.values() for i, one in enumerate(w)))
        await _quiet(desk)
        sampling.cancel()
    finally:
        bells.stop()
        await collectors.stop()
        await supervisor.stop()
        await desk.stop()
        for module in (*modules, *plain):
            await module.stop()
    raised = Counter(
        w.record.subject.rpartition("/")[2] for w in book.tail(0, 1_000_000) if w.record.kind is RecordKind.ALARM_RAISED
    )
    spool.close()
    book.close()
    seen = sampler.seen
    return {
        "latched": Outcome(pulses, raised["latched"], seen["counted"], sum(m.asked for m in modules)),
        "mqtt": Outcome(pulses, raised["mqtt"], seen["bell"]),
        "plain": Outcome(pulses, raised["plain"], seen["plain"], sum(m.asked for m in plain)),
    }


def _share(pulses: int, among: int, index: int) -> int:
    return pulses // among + (index < pulses % among)


async def _each(pulse: Callable[[], Awaitable[None]], times: int) -> None:
    await asyncio.sleep(random.uniform(0.0, 1.0))
    for _ in range(times):
        await pulse()
        await asyncio.sleep(random.uniform(*REST_S))


async def _all_known(live: Live, site: Site, lifts: Sequence[str], bells: Bells) -> None:
    """Wait until every point was read once: a counter's first value only says where it stands."""
    points = [point for device in site.devices.values() for point in device.points]
    for _ in range(40):
        for lift in lifts:
            bells.say(lift, 0.0)  # again and again: the collector may not have subscribed yet
        await asyncio.sleep(0.5)
        if all((now := live.read(point)) is not None and now.reason == 0 for point in points):
            return
    raise AssertionError("not every device was heard")


async def _quiet(desk: Desk) -> None:
    """Wait until no alarm has come for a while."""
    before = -1
    for _ in range(20):
        await asyncio.sleep(SETTLED_S)
        if before == (before := desk.counts.transitions):
            return


@contextlib.asynccontextmanager
async def a_broker(folder: Path, *, embedded: bool = False) -> AsyncIterator[tuple[tuple[int, str, str], str]]:
    """Run Mosquitto where the machine has it, else the embedded broker; yield how to reach it, and its name."""
    port = free_port()
    reach = (port, "bench", "bench")
    mosquitto = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if mosquitto is None or embedded:
        one = broker(port, {"bench": "bench"})
        await one.start()
        yield reach, "embedded broker"
        await one.shutdown()
        return
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nlog_dest none\npersistence false\n")
    quiet = {"stdout": asyncio.subprocess.DEVNULL, "stderr": asyncio.subprocess.DEVNULL}
    process = await asyncio.create_subprocess_exec(mosquitto, "-c", str(config), **quiet)
    try:
        for _ in range(200):
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                await writer.wait_closed()
                break
            await asyncio.sleep(0.02)
        yield reach, "mosquitto"
    finally:
        process.terminate()
        await process.wait()


async def measure(pulses: int, folder: Path, *, embedded: bool) -> None:
    began = time.monotonic()
    async with a_broker(folder, embedded=embedded) as (reach, name):
        outcomes = await run(pulses, folder, reach)
    for way, o in outcomes.items():
        print(f"{way}: {o.pulses} pulses, {o.alarms} alarms, {o.sampled} seen by a sampler every {SAMPLER_S:g} s"
              + (f", {o.asked} lasted while the module was read" if o.asked else ""))  # fmt: skip
    about = {"broker": name, "seconds": round(time.monotonic() - began, 1), "load": load()}
    print(json.dumps({way: asdict(o) for way, o in outcomes.items()} | about))


def main(arguments: Sequence[str] | None = None) -> None:
    import uvloop

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pulses", type=int, default=1000)
    parser.add_argument("--embedded", action="store_true", help="use the embedded broker even where Mosquitto is")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        uvloop.run(measure(given.pulses, Path(folder), embedded=given.embedded))


if __name__ == "__main__":
    main()
