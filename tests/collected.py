"""A small site of lines and devices, a sink that remembers, and tasks that really run."""

import asyncio
from collections import Counter
from pathlib import Path

from collectors.modbus.polled import Patience
from collectors.supervisor import Collectors
from dutyroom.clock import SystemClock
from facility.duty import Roster
from facility.equipment import Equipment
from facility.point import Kind, Point, System
from facility.scan import Reason
from facility.site import Site
from facility.supply import Supply
from facility.text import NOTHING
from sitefolder.finding import Problems
from sitefolder.profiles import read_profiles

LIBRARY = Path(__file__).parents[1] / "library" / "profiles"
HURRY = Patience(reconnect_ms=(30, 60, 120), probe_ms=300, probe_rest=2.0, connect_every_ms=5.0)


def library():
    problems = Problems()
    found = read_profiles(LIBRARY, problems)
    assert not problems.findings
    return found


class Sink:
    """Remembers scans and dead letters; `durable` decides when `done` is called."""

    def __init__(self, durable=True):
        self.scans, self.letters, self.waiting = [], [], []
        self.durable = durable

    def scan(self, scan, done=None):
        self.scans.append(scan)
        if done is not None:
            if self.durable:
                done()
            else:
                self.waiting.append(done)

    def dead_letter(self, source, payload, why):
        self.letters.append((source, payload, why))

    def of(self, device, after=0):
        return [s for s in self.scans[after:] if s.device == device]

    def reasons(self, device):
        return Counter(Reason(s.reasons[0]) for s in self.scans if s.device == device)


class Tasks:
    def __init__(self):
        self.running, self.named = [], {}

    def keep(self, name, run, limit_ms):
        if name not in self.named:
            self.named[name] = asyncio.create_task(run(lambda: None), name=name)
            self.running.append(self.named[name])

    def drop(self, name):
        self.named.pop(name).cancel()

    async def stop(self):
        for task in self.running:
            task.cancel()
        for result in await asyncio.gather(*self.running, return_exceptions=True):
            if isinstance(result, Exception):
                raise result


def site(lines, devices, kinds=None, rules=None):
    points = {c: Point(c, NOTHING) for d in devices for c in d.channels}
    kinds = kinds or {"k": Kind("k", NOTHING, System.SYSTEM, points)}
    machines = {p.partition("/")[0] for d in devices for p in d.points}
    return Site(
        id="t", name=NOTHING, timezone="UTC", hash="", contract={}, kinds=kinds,
        equipment={m: Equipment(m, "k", NOTHING, NOTHING) for m in machines},
        lines={x.id: x for x in lines}, devices={d.id: d for d in devices},
        rules=rules or {}, plans={}, people={}, parties={}, roster=Roster((), ()), supply=Supply(),
    )  # fmt: skip


class Running:
    """Collectors at work on a site."""

    def __init__(self, lines, devices, profiles, sink=None, clock=None, here=None, **more):
        self.sink = sink or Sink()
        self.tasks, self.clock = Tasks(), clock or SystemClock()
        self.collectors = Collectors(
            here or site(lines, devices), profiles, self.sink, self.clock, self.tasks, {"broker": "secret"}, **more
        )

    async def __aenter__(self):
        self.collectors.start()
        return self

    async def __aexit__(self, *_):
        await self.collectors.stop()
        await self.tasks.stop()

    def status(self, line):
        return next(s for s in self.collectors.status() if s.line == line)


async def until(true, within_s=5.0):
    """Wait until it holds, and return how long that took in seconds."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    while not true():
        assert loop.time() - began < within_s, "it did not happen in time"
        await asyncio.sleep(0.01)
    return loop.time() - began
