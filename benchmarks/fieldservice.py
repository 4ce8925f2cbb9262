"""The service of the headline: the product's own `Station`, as `dutyroom serve` builds it, with a stop watch beside it.

`python -m benchmarks.fieldservice SITE LIBRARY DATA [PROFILE]`: loads the folders by the product's loader, serves, and
is told to give its figures (`benchmarks.told`) and, by the end of its input, to stop in order. The stop watch stands
between collectors and desk (reply to evaluated), listens to commits (reply to record, reply to page request), and
looks at the loop every 20 ms. With PROFILE the loop's thread is profiled into that file, which costs a third more.
"""

import asyncio
import cProfile
import gc
import itertools
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import threads_s
from benchmarks.maps import TRIPPED, since
from benchmarks.spread import Spread
from benchmarks.told import listen, say
from dutyroom.process import settle
from dutyroom.programlog import set_up
from dutyroom.serving import Serving
from dutyroom.settings import Settings
from dutyroom.station import Station
from facility.ports import Written
from facility.records import AlarmCleared, AlarmRaised, IncidentJoined, IncidentOpened, PageRequested
from facility.scan import Scan
from sitefolder import load
from stores.errors import StoreError

LOOK_S = 0.02
LOOKED_AT = 7
"""Of so many answers and messages one is timed: a stop watch on each took a twentieth of the loop."""


class StopWatch:
    """Takes the times, phase by phase."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._scan = station.desk.scan
        self._polled = frozenset(d.id for d in station.site.devices.values() if d.id.startswith("dm"))
        self._stamps: dict[str, float] = {}  # alarm: when the answer was sent that tripped it
        self._alarm: dict[str, str] = {}  # incident: its newest alarm
        self.reads = self.values = self.messages = self.missed = self.raised = self.cleared = self.requested = 0
        self.charted = self.refused = 0
        self.again()
        station.desk.scan = self.scan  # type: ignore[method-assign] # the collectors get it from here
        station.subscribe(self.written)

    def again(self) -> None:
        """Begin a phase."""
        self.evaluated, self.heard, self.lag, self.stint = Spread(), Spread(), Spread(), Spread()
        self.recorded, self.paged, self.chart = Spread(), Spread(), Spread()

    def scan(self, scan: Scan, done: Callable[[], None] | None = None) -> None:
        self._scan(scan, done)
        if scan.device in self._polled:
            if scan.reasons[0]:
                self.missed += 1
            else:
                self.reads += 1
                self.values += scan.width
                if not self.reads % LOOKED_AT:
                    self.evaluated.add(since(scan.value(0)))
        elif done is not None:
            self.messages += 1
            if not self.messages % LOOKED_AT:
                self.heard.add(time.time() * 1000 - scan.at_ms)

    def written(self, records: Sequence[Written]) -> None:
        for one in records:
            data, subject = one.record.data, one.record.subject
            if isinstance(data, AlarmRaised) and data.value is not None and data.value >= TRIPPED:
                self._stamps[subject] = data.value - TRIPPED
                self.recorded.add(since(data.value - TRIPPED))
                self.raised += 1
            elif isinstance(data, AlarmCleared) and subject in self._stamps and "-trip-" in subject:
                self.cleared += 1
            elif isinstance(data, IncidentOpened | IncidentJoined):
                self._alarm[subject] = data.alarm
            elif isinstance(data, PageRequested) and (alarm := self._alarm.get(subject, "")) in self._stamps:
                self.paged.add(since(self._stamps[alarm]))
                self.requested += 1

    async def look(self) -> None:
        """Watch how late the loop is, and how long it works at a stretch: which a busy machine does not change."""
        loop = asyncio.get_running_loop()
        while True:
            due, cpu = loop.time() + LOOK_S, time.thread_time()
            await asyncio.sleep(LOOK_S)
            self.lag.add(1000 * (loop.time() - due))
            self.stint.add(1000 * (time.thread_time() - cpu))

    async def charts(self) -> None:
        """Be somebody who looks at a chart every second: ten minutes of one point after the other."""
        points = [d.points[12 % len(d.points)] for d in self._station.site.devices.values() if d.id in self._polled]
        for n in itertools.count():
            now = self._station.clock.now()
            point = points[n * 7919 % len(points)]
            asked = time.monotonic()
            try:
                await asyncio.to_thread(self._station.telemetry.history, point, now - 600_000, now, 500)
            except StoreError:
                self.refused += 1
            else:
                self.chart.add(1000 * (time.monotonic() - asked))
                self.charted += 1
            await asyncio.sleep(1.0)

    def said(self) -> dict[str, Any]:
        lines = self._station.lines()
        return {
            "reads": self.reads,
            "values": self.values,
            "messages": self.messages,
            "missed": self.missed,
            "raised": self.raised,
            "cleared": self.cleared,
            "requested": self.requested,
            "up": sum(line.connected for line in lines),
            "lines": len(lines),
            "evaluated": self.evaluated.said(),
            "heard": self.heard.said(),
            "recorded": self.recorded.said(),
            "paged": self.paged.said(),
            "lag": self.lag.said(),
            "stint": self.stint.said(),
            "charts": self.charted,
            "charts_refused": self.refused,
            "chart": self.chart.said(),
            "threads": threads_s(),
            "figures": {k: v for k, v in self._station.metrics().items() if not k.startswith("line_up")},
        }


async def run(site: Path, library: Path, data: Path, profile: str) -> None:
    gc.disable()  # as `serve` does until it is up
    set_up(json_lines=True)
    began = time.monotonic()
    loaded = load(site, library=library)
    read = time.monotonic()
    station = Station(loaded, Settings(site_folder=site, data=data, port=0).of_site(loaded.site.settings).checked())
    built = time.monotonic()
    serving, watch = Serving(station), StopWatch(station)
    profiler = cProfile.Profile()

    def do(order: Mapping[str, Any]) -> Mapping[str, Any]:
        said = watch.said()
        match order["do"]:
            case "again":
                watch.again()
            case "charts":
                tasks.append(asyncio.create_task(watch.charts()))
            case "profile":
                profiler.enable()
            case "profiled":
                profiler.disable()
                profiler.dump_stats(profile)
        return said

    def ready(port: int) -> None:
        settle()
        say({"port": port, "load_s": round(read - began, 2), "build_s": round(built - read, 2)})
        listen(do, serving.stop)

    tasks = [asyncio.create_task(watch.look())]
    try:
        await serving.run(ready)
    finally:
        for task in tasks:
            task.cancel()
        station.close()
    say({"stopped": True})


if __name__ == "__main__":
    import uvloop

    site, library, data = map(Path, sys.argv[1:4])
    uvloop.run(run(site, library, data, sys.argv[4]))
