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

_MINUTE_MS = 60_000
_WAITED_MS = 600_000  # longer than readings wait for company


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


def move(archiving: Archiving, clock: SystemClock) -> None:
    """Have the archive take everything that came so far, as if it had waited for its five minutes."""
    while archiving.archivist.turn(clock.now() + _WAITED_MS).moved:
        pass


async def measure(devices: int, interval_ms: int, seconds: float, port: int, folder: Path) -> dict[str, float]:
    """Run the chain for so long after a warm-up and return its figures.

    Of a minute and more it measures whole minutes of the clock, as the archive's turns end with them: the first turn,
    which learns all names, is over before, and every reading that is counted pays its way into the files. Otherwise a
    figure would say how many turns happened to lie in it.
    """
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

    supervisor.keep("archive", archiving.run, 600_000)
    supervisor.keep("spool", tidy, 600_000)
    settle()
    await clock.until(clock.now() + max(4_000, 3 * interval_ms))
    end = clock.now() + int(seconds * 1000)
    whole = round(seconds / 60) * _MINUTE_MS
    if whole:
        begin = -(-clock.now() // _MINUTE_MS) * _MINUTE_MS
        end = begin + whole
        await clock.until(begin)
        await asyncio.to_thread(move, archiving, clock)
    sink.took.clear()
    reads, missed = sink.reads, sink.missed
    began, stored, wall = time.process_time(), cpu_s(archiving.archivist.pid), time.perf_counter()
    await clock.until(end)
    own, wall = time.process_time() - began, time.perf_counter() - wall
    reads, missed = sink.reads - reads, sink.missed - missed
    if whole:
        await asyncio.to_thread(move, archiving, clock)
    stored = cpu_s(archiving.archivist.pid) - stored
    cpu = own + stored
    service_mb, archivist_mb = most_mb(os.getpid()), most_mb(archiving.archivist.pid)
    await archiving.finish()
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
        "cores_archivist": round(stored / wall, 3),
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
    parser.add_argument("--seconds", type=float, default=60.0)
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
