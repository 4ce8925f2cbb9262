"""`make bench-headline`: Compound-2000, the whole product under the load of a company, on one small machine.

2,000 Modbus TCP devices of four maps, 125 registers each, once a second, every one on its own connection; 500 gateways
that publish 5,000 messages a second with ten values to Mosquitto at QoS 1. Every value is decoded, qualified, judged by
at least one rule and stored durably, by the product's own service as `dutyroom serve` builds it. After a calm beginning
5 % of the devices hang and 1 % a minute vanish for five seconds; then 600 alarms a second come and go for a minute, and
people are paged. Counted on both sides: what the devices said, and what lies on the disk when the service has stopped.

`--seconds 600` is the whole of it, and what the goals are for; shorter runs shorten every part. `--mix small` reads
5,000 small devices instead, `--knee` looks for where the service falls behind. It ends with one JSON line.
"""

import argparse
import contextlib
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import compound, stored
from benchmarks.compound import Mix
from benchmarks.fieldload import mix_of
from benchmarks.machine import cpu_s, rss_mb
from benchmarks.messages import Broker
from benchmarks.running import load
from benchmarks.told import Told

WARM_S = 20.0
START_S = 60.0
HUNG, LEAVING, FLOOD = 0.05, 0.01, 600.0
WHOLE_S = 600.0
"""Of the measured time; the parts are shares of it."""
CALM, SETTLE, FLOOD_AT, FLOOD_FOR = 0.15, 0.05, 0.4, 0.1


@dataclass
class Run:
    """One run with its processes and what was seen of them."""

    mix: Mix
    folder: Path
    data: Path
    load: Told
    broker: Broker | None
    service: Told
    memory: list[tuple[float, float]] = field(default_factory=list)  # monotonic seconds, megabytes

    def pids(self) -> dict[str, int]:
        found = {"service": self.service.process.pid, "load": self.load.process.pid}
        return found | ({"broker": self.broker.process.pid} if self.broker else {})

    def cpu(self) -> dict[str, float]:
        return {name: cpu_s(pid) for name, pid in self.pids().items()}

    def rest(self, seconds: float) -> None:
        """Let it run, and look at the service's memory every second."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(1.0, left))
            self.memory.append((time.monotonic(), rss_mb(self.service.process.pid)))
            assert self.service.process.poll() is None, (self.folder / "service.log").read_text()[-3000:]

    def memory_of(self, from_s: float, seconds: float) -> float:
        """Return the mean memory in a span."""
        seen = [mb for at, mb in self.memory if from_s <= at < from_s + seconds]
        return round(sum(seen) / max(1, len(seen)), 1)


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
    run.rest(2.0)
    run.load.ask(do="freeze")
    run.rest(2.0)  # what is under way arrives; the answers that do not come now are nobody's
    made = run.load.ask(do="counts")
    seen = run.service.ask(do="said")
    run.service.end()
    held = stored.believed(run.data)
    values = made["values"] + 10 * made["acknowledged"]
    kept = held.get("m", 0) + held.get("g", 0)
    return {
        "made": values,
        "stored": kept,
        "lost": values - kept,
        "messages_lost": made["acknowledged"] - held.get("g", 0) // 10,
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


def headline(given: argparse.Namespace) -> dict[str, Any]:
    """Run it all and return its figures."""
    seconds = given.seconds
    with running(given.mix, given.devices, given.interval, given.publishers, given.rate, given.profile) as run:
        figures: dict[str, Any] = {"mix": given.mix, "devices": given.devices, "seconds": seconds, **run.service.first}
        figures["up_after_s"] = started(run)
        run.rest(min(WARM_S, seconds / 3))
        if given.profile:
            run.service.ask(do="profile")
        run.service.ask(do="again")
        run.load.ask(do="even")
        began, before, first = time.monotonic(), run.cpu(), run.load.ask(do="counts")
        run.rest(seconds * CALM)
        calm, calm_load = run.service.ask(do="again"), run.load.ask(do="even")
        if given.hung:
            figures["hung"] = run.load.ask(do="hang", share=HUNG)["hung"]
            run.load.ask(do="churn", per_minute=LEAVING)
            run.rest(seconds * SETTLE)  # until it has found out who is silent
            run.service.ask(do="again")
            run.load.ask(do="even")
        run.rest(seconds * FLOOD_AT - (time.monotonic() - began))
        hung, hung_load = run.service.ask(do="again"), run.load.ask(do="even")
        if given.flood:
            run.load.ask(do="flood", per_s=given.flood, seconds=seconds * FLOOD_FOR)
        run.rest(seconds * FLOOD_FOR + 1.0)
        flood = run.service.ask(do="again")
        run.rest(seconds - (time.monotonic() - began))
        last = run.service.ask(do="again")
        after, end, wall = run.cpu(), run.load.ask(do="counts"), time.monotonic() - began
        if given.profile:
            run.service.ask(do="profiled")
        minute = min(60.0, seconds / 5)
        figures |= {"load": load(), "wall_s": round(wall, 1)}
        figures |= {
            "cores": {name: round((after[name] - before[name]) / wall, 3) for name in after},
            "threads_s": last["threads"],
            "rss_first_mb": run.memory_of(began, minute),
            "rss_last_mb": run.memory_of(began + wall - minute, minute),
            "rss_most_mb": max(mb for _, mb in run.memory),
            "reads_per_s": round((end["reads"] - first["reads"]) / wall),
            "registers_per_s": round((end["registers"] - first["registers"]) / wall),
            "messages_per_s": round((end["acknowledged"] - first["acknowledged"]) / wall),
            "phases": {
                name: {key: of[key] for key in ("evaluated", "heard", "lag", "recorded", "paged")}
                for name, of in (("calm", calm), ("hung", hung), ("flood", flood), ("after", last))
            },
            "uneven": {"calm": calm_load["uneven"], "hung": hung_load["uneven"]},
            "counts": last["figures"],
        }
        figures |= finished(run)
    figures["machine_cores"] = round(sum(figures["cores"].values()), 3)
    return figures


def judged(figures: dict[str, Any], devices: int) -> list[tuple[str, bool]]:
    """Return every goal in words with its figure, and whether it was met."""
    flood, phases = figures["phases"]["flood"], figures["phases"]
    calm, hung = phases["calm"]["evaluated"], phases["hung"]["evaluated"]
    first, last, cores = figures["rss_first_mb"], figures["rss_last_mb"], figures["machine_cores"]
    return [
        (f"whole machine {cores} cores (≤ 1.2): {figures['cores']}", cores <= 1.2),
        (f"values stored {figures['stored']:,} of {figures['made']:,} made (0 lost)", figures["lost"] == 0),
        (
            f"transitions recorded {figures['transitions_recorded']:,} of {figures['transitions_made']:,} made",
            figures["transitions_recorded"] == figures["transitions_made"] > 0,
        ),
        (
            f"reply → page request committed, in the flood: {flood['paged']} (p99 < 50 ms, max < 250 ms)",
            0 < flood["paged"]["p99"] < 50 and flood["paged"]["max"] < 250,
        ),
        (f"memory of the service at most {figures['rss_most_mb']} MB (≤ 200)", figures["rss_most_mb"] <= 200),
        (f"memory flat: first minute {first} MB, last {last} MB (± 10 %)", abs(last - first) <= 0.1 * first),
        (
            f"healthy devices, reply → evaluated p99 {calm['p99']} ms alone, {hung['p99']} ms beside the hung (± 10 %)",
            abs(hung["p99"] - calm["p99"]) <= max(0.1 * calm["p99"], 0.1),
        ),
        (f"poll rate kept: {figures['reads_per_s']} reads/s", figures["reads_per_s"] >= 0.94 * devices),
        (f"loop lag p99 {flood['lag']['p99']} ms in the flood, {phases['after']['lag']['p99']} after", True),
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=WHOLE_S)
    parser.add_argument("--mix", choices=("headline", "small"), default="headline")
    parser.add_argument("--devices", type=int)
    parser.add_argument("--interval", type=int, default=1000, help="milliseconds between two polls of a device")
    parser.add_argument("--publishers", type=int, default=500)
    parser.add_argument("--rate", type=float, default=5000.0, help="messages a second")
    parser.add_argument("--flood", type=float, default=FLOOD, help="transitions a second; 0: none")
    parser.add_argument("--no-hung", dest="hung", action="store_false", help="everybody stays healthy")
    parser.add_argument("--profile", default="", help="profile the service's loop into this file")
    given = parser.parse_args(arguments)
    given.devices = given.devices or (5000 if given.mix == "small" else 2000)
    given.publishers = 0 if given.mix == "small" else given.publishers
    figures = headline(given)
    for name, of in figures["phases"].items():
        print(f"{name}: {json.dumps(of)}")
    for words, met in judged(figures, given.devices * 1000 // given.interval):
        print(f"{'met' if met else 'NOT MET'}: {words}")
    print(json.dumps({key: value for key, value in figures.items() if key != "phases"}))


if __name__ == "__main__":
    main()
