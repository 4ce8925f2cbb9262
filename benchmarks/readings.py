"""`make bench`: what a reading costs from the wire to the disk, and where it falls behind.

1,000 simulated Modbus TCP devices (a server process of its own, not counted), 125 registers each second,
108 points decoded, qualified, evaluated against a limit rule each, durably stored (spool, and the archive's
process behind it: its processor time is counted too). It ends with one JSON line.
"""

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import uvloop

from benchmarks.crowd import crowd
from benchmarks.machine import cpu_s, most_mb
from collectors.supervisor import Collectors
from dutyroom.archiving import Archiving
from dutyroom.clock import SystemClock
from dutyroom.desk import Desk
from dutyroom.process import settle
from dutyroom.settings import Settings
from dutyroom.supervisor import Supervisor
from facility.scan import Scan
from stores.live import Live
from stores.logbook import LogBook
from stores.telemetry.spool import Spool


class Timed:
    """Stands between collectors and desk and takes the time from a scan's reply to the end of its evaluation."""

    def __init__(self, desk: Desk, clock: SystemClock) -> None:
        self.desk, self.clock = desk, clock
        self.took: list[float] = []
        self.reads = self.missed = 0

    def scan(self, scan: Scan, done: Callable[[], None] | None = None) -> None:
        if scan.reached and self.reads % 8:  # looking at every eighth keeps the clocks out of the figures
            self.reads += 1
            self.desk.scan(scan, done)
            return
        began = time.perf_counter()
        self.desk.scan(scan, done)
        if scan.reached:
            self.reads += 1
            # Whole milliseconds between the reply's stamp and its hand-over, plus the evaluation itself.
            self.took.append(self.clock.now() - scan.received_ms + (time.perf_counter() - began) * 1000)
        else:
            self.missed += 1

    def dead_letter(self, source: str, payload: bytes, why: str) -> None:
        self.desk.dead_letter(source, payload, why)


async def measure(devices: int, interval_ms: int, seconds: float, port: int, folder: Path) -> dict[str, float]:
    """Run the chain for so long after a warm-up and return its figures."""
    clock = SystemClock()
    site, profiles = crowd(devices, port, interval_ms)
    spool = Spool(folder / "spool.db", clock)
    for device in site.devices.values():
        spool.layout(device.id, device.points, "bench@1")
    book = LogBook(folder / "logbook.db", site.id)
    archiving = Archiving(Settings(site_folder=folder, data=folder), site, spool, clock, lambda _gone: None)
    desk = Desk(site, clock, book, spool, Live(spool.layouts()), {}, lambda _p, _c, _i: None)
    desk.restore([])
    supervisor = Supervisor()
    sink = Timed(desk, clock)
    collectors = Collectors(site, profiles, sink, clock, supervisor, {})
    supervisor.keep("desk", desk.run, 60_000)
    collectors.start()

    async def tidy(beat: Callable[[], None]) -> None:
        while True:
            beat()
            await asyncio.to_thread(spool.trim, clock.now())
            await clock.until(clock.now() + 2_000)

    def spent() -> float:
        return time.process_time() + cpu_s(archiving.archivist.pid)

    supervisor.keep("archive", archiving.run, 600_000)
    supervisor.keep("spool", tidy, 600_000)
    settle()
    await clock.until(clock.now() + max(4_000, 3 * interval_ms))
    sink.took.clear()
    reads, missed = sink.reads, sink.missed
    began, own, wall = spent(), time.process_time(), time.perf_counter()
    await clock.until(clock.now() + int(seconds * 1000))
    cpu, own, wall = spent() - began, time.process_time() - own, time.perf_counter() - wall
    service_mb, archivist_mb = most_mb(os.getpid()), most_mb(archiving.archivist.pid)
    await archiving.finish()
    reads, missed = sink.reads - reads, sink.missed - missed
    took = sorted(sink.took)
    await collectors.stop()
    await supervisor.stop()
    await desk.stop()
    spool.close()
    book.close()
    wanted = devices * 1000 / interval_ms * wall
    return {
        "devices": devices,
        "interval_ms": interval_ms,
        "reads": reads,
        "kept": round(reads / wanted, 4),
        "missed": missed,
        "lost": desk.counts.scans_lost,
        "cpu_us_per_read": round(cpu / max(1, reads) * 1e6, 1),
        "cores": round(cpu / wall, 3),
        "cores_archivist": round((cpu - own) / wall, 3),
        "readings_per_s": round(reads / wall * 108),
        "reads_per_s": round(reads / wall),
        "evaluated_p50_ms": round(took[len(took) // 2], 3) if took else -1,
        "evaluated_p99_ms": round(took[int(len(took) * 0.99)], 3) if took else -1,
        "rss_mb": service_mb + archivist_mb,
        "rss_archivist_mb": archivist_mb,
    }


def one(devices: int, interval_ms: int, seconds: float, port: int) -> dict[str, float]:
    """Measure in a process of its own, so that each figure starts clean."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.readings",
        "--one",
        str(devices),
        str(interval_ms),
        str(seconds),
        str(port),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stderr, file=sys.stderr)
        sys.exit(1)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


@contextlib.contextmanager
def crowd_server() -> Iterator[int]:
    """Start the crowd of devices; it listens on this port, and ends with the block."""
    server = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.devices"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        yield int(server.stdout.readline())
    finally:
        server.stdin.close()
        server.wait(5)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    # At 108,000 readings a second the archive has a file's worth every 37 s: two of its turns belong to the cost.
    parser.add_argument("--seconds", type=float, default=75.0)
    parser.add_argument("--devices", type=int, default=1000)
    parser.add_argument("--no-knee", action="store_true", help="leave out the search for where it falls behind")
    parser.add_argument("--one", nargs=4, metavar=("DEVICES", "INTERVAL", "SECONDS", "PORT"), help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.one:
        devices, interval, seconds, port = given.one
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(uvloop.run(measure(int(devices), int(interval), float(seconds), int(port), Path(folder)))))
        return
    with crowd_server() as port:
        headline = one(given.devices, 1000, given.seconds, port)
        print(f"{given.devices} devices at 1 s: {json.dumps(headline)}")
        knee = headline["readings_per_s"]
        if not given.no_knee:
            for interval in (500, 333, 250, 200, 167, 143, 125, 100):
                found = one(given.devices, interval, 10.0, port)
                print(f"  at {interval} ms: kept {found['kept']:.1%}, {found['cpu_us_per_read']} µs/read, "
                      f"{found['cores']} cores, p99 {found['evaluated_p99_ms']} ms")  # fmt: skip
                if found["kept"] < 0.99 or found["missed"] > 0.01 * found["reads"]:
                    print(f"falls behind at {given.devices * 1000 // interval} reads/s wanted")
                    break
                knee = found["readings_per_s"]
        print(f"CPU seconds per million registers: {headline['cpu_us_per_read'] / 125:.2f}")
        last = {
            "cpu_us_per_read": headline["cpu_us_per_read"],
            "readings_per_s": knee,
            "evaluated_p99_ms": headline["evaluated_p99_ms"],
            "rss_mb": headline["rss_mb"],
        }
        print(json.dumps(last))


if __name__ == "__main__":
    main()
