"""Load, broker and service as processes: started together, watched, ended together, counted on both sides."""

import contextlib
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import compound, stored
from benchmarks.compound import Mix
from benchmarks.fieldload import mix_of
from benchmarks.machine import children, cpu_s, rss_mb
from benchmarks.messages import Broker
from benchmarks.publishers import VALUES
from benchmarks.told import Told

START_S = 120.0
QUIET_S = 3.0


@dataclass
class Run:
    """One run with its processes and what was seen of them."""

    mix: Mix
    folder: Path
    data: Path
    load: Told
    broker: Broker | None
    service: Told
    memory: list[tuple[float, float, float]] = field(default_factory=list)
    """Monotonic seconds; megabytes of the service, and of its archivist."""

    def pids(self) -> dict[str, int]:
        found = {"service": self.service.process.pid, "load": self.load.process.pid}
        return found | ({"broker": self.broker.process.pid} if self.broker else {})

    def cpu(self) -> dict[str, float]:
        """Return the processor seconds of each so far; the archivist, which the service starts, by itself."""
        took = {name: cpu_s(pid) for name, pid in self.pids().items()}
        return took | {"archivist": sum(map(cpu_s, self.archivists()))}

    def archivists(self) -> list[int]:
        return children(self.service.process.pid)

    def rest(self, seconds: float) -> None:
        """Let it run, and look at the memory of the service and its archivist every second."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(1.0, left))
            theirs = sum(map(rss_mb, self.archivists()))
            self.memory.append((time.monotonic(), rss_mb(self.service.process.pid), theirs))
            assert self.service.process.poll() is None, (self.folder / "service.log").read_text()[-3000:]

    def memory_of(self, from_s: float, seconds: float) -> float:
        """Return the mean memory of both in a span."""
        seen = [service + archivist for at, service, archivist in self.memory if from_s <= at < from_s + seconds]
        return round(sum(seen) / max(1, len(seen)), 1)

    def most_memory(self) -> dict[str, float]:
        """Return the most that each took, and both together at one moment."""
        _, service, archivist = zip(*self.memory, strict=True)
        both = max(a + b for a, b in zip(service, archivist, strict=True))
        return {"service": max(service), "archivist": max(archivist), "both": round(both, 1)}


@contextlib.contextmanager
def running(
    name: str, devices: int, interval_ms: int, publishers: int, rate: float, profile: str = ""
) -> Iterator[Run]:
    """Start load, broker and service; all of them end with the block."""
    mix = mix_of(name, devices, interval_ms, publishers, rate)
    with tempfile.TemporaryDirectory(prefix="headline-") as here, contextlib.ExitStack() as stack:
        folder = Path(here)
        words = (name, str(devices), str(interval_ms), str(publishers), str(rate))
        load_ = Told("benchmarks.fieldload", *words, log=folder / "load.log")
        stack.callback(load_.end)
        broker = Broker(folder) if mix.publishers else None
        if broker:
            stack.callback(broker.close)
        url = f"http://127.0.0.1:{load_.first['pages']}/page"
        site, library = compound.write(mix, folder, load_.first["port"], broker.port if broker else 0, url)
        data = folder / "data"
        service = Told(
            "benchmarks.fieldservice", str(site), str(library), str(data), profile, log=folder / "service.log"
        )
        stack.callback(service.end)
        yield Run(mix, folder, data, load_, broker, service)


def started(run: Run) -> float:
    """Wait until every line is up and everybody publishes; return the seconds that took."""
    began = time.monotonic()
    while (seen := run.service.ask(do="said"))["up"] < seen["lines"]:
        assert time.monotonic() < began + START_S, f"{seen['up']} of {seen['lines']} lines are up"
        run.rest(0.5)
    if run.broker:
        run.load.ask(do="publish", port=run.broker.port)
    return round(time.monotonic() - began, 1)


def finished(run: Run) -> dict[str, Any]:
    """Let the field fall silent, stop the service, and compare what was said with what lies on the disk."""
    run.load.ask(do="quiet")
    run.rest(QUIET_S)
    run.load.ask(do="freeze")
    run.rest(QUIET_S)  # what is under way arrives; the answers that do not come now are nobody's
    made = run.load.ask(do="counts")
    seen = run.service.ask(do="said")
    run.service.end()
    held = stored.believed(run.data)
    values = made["values"] + VALUES * made["acknowledged"]
    kept = held.get("m", 0) + held.get("g", 0)
    return {
        "made": values,
        "stored": kept,
        "lost": values - kept,
        "messages_lost": made["acknowledged"] - held.get("g", 0) // VALUES,
        "dead_letters": held["dead letters"],
        "archive_mb": stored.size_mb(run.data),
        "bytes_per_reading": round(1e6 * stored.size_mb(run.data) / max(1, kept), 2),
        "transitions_made": made["raised"] + made["cleared"],
        "transitions_recorded": seen["raised"] + seen["cleared"],
        "pages_requested": seen["requested"],
        "pages_arrived": made["pages"],
        "task_restarts": seen["figures"]["task_restarts_total"],
        "scans_lost": seen["figures"]["scans_lost_total"],
        "back_ms": made["back"],
    }
