"""How fast an outage is made good: spool to server, in readings a second, against the live rate of 10,000.

`python -m benchmarks.forward [--minutes 10] [--points 10]`: fills a spool as that many minutes of outage leave it on a
site of 10,000 readings a second (1,000 devices of 10 points, each read once a second), then forwards it turn by turn to
Debian's InfluxDB 1.6 (`/write`) and VictoriaMetrics (influxdb-client's `/api/v2/write`), each a process of its own on
this machine. CPU time is of our process; the server's stands beside it.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from facility.scan import Scan
from stores.telemetry.influx import Influx
from stores.telemetry.influxserver import Address, Server
from stores.telemetry.spool import Spool

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from timeseries_servers import INFLUXD, VICTORIA, InfluxDb, Process, VictoriaMetrics

START = 1_790_000_000_000
LIVE = 10_000  # readings a second
BATCH_MS = 250


class Hands:
    def __init__(self) -> None:
        self.ms = START

    def now(self) -> int:
        return self.ms

    async def until(self, at_ms: int) -> None:
        self.ms = max(self.ms, at_ms)


def fill(spool: Spool, clock: Hands, minutes: int, points: int) -> int:
    """Commit what an outage leaves behind: float32 readings of machines with so many points, each once a second."""
    devices = LIVE // points
    names = [f"m{d:03}" for d in range(devices)]
    for name in names:
        spool.layout(name, [f"{name}/point_{p:03}" for p in range(points)], "v1")
    rng = np.random.default_rng(1)
    quarter = max(1, devices * BATCH_MS // 1000)
    readings = 0
    for tick in range(minutes * 60 * 1000 // BATCH_MS):
        clock.ms = START + tick * BATCH_MS
        which = [(tick * quarter + k) % devices for k in range(quarter)]
        values = rng.normal(50, 3, (quarter, points)).astype("f4").astype(float).tolist()
        scans = [
            Scan(names[d], clock.ms + k, clock.ms + k, tuple(values[k]), bytes(points)) for k, d in enumerate(which)
        ]
        spool.checkpoint(spool.commit(scans), b"")
        readings += quarter * points
    return readings


def measure(server: Process, version: str, minutes: int, points: int, folder: Path) -> dict[str, float]:
    clock = Hands()
    spool = Spool(folder / "spool.db", clock)
    readings = fill(spool, clock, minutes, points)
    server.start()
    address = Address(server.url, "test", version, "o", token="t")
    influx = Influx(address, "bench", {}, spool)
    try:
        while Server(address).life().young:  # it is left alone for a moment
            time.sleep(0.1)
        waiting = 0.0
        if version == "1":
            began = time.perf_counter()
            chart = influx.history("m000/point_000", START, START + minutes * 60_000, 500)
            assert sum(b.count for b in chart) == minutes * 60
            waiting = time.perf_counter() - began
        theirs = server.cpu_s()
        cpu, began, turns, slowest = time.process_time(), time.perf_counter(), 0, 0.0
        while influx.forwarder.sent(spool) < spool.last_row:
            turn = time.perf_counter()
            assert influx.forward(spool, clock.ms), influx.forwarder.trouble
            slowest = max(slowest, time.perf_counter() - turn)
            turns += 1
        wall, cpu, theirs = time.perf_counter() - began, time.process_time() - cpu, server.cpu_s() - theirs
        figures = {
            "readings": readings,
            "readings_per_s": round(readings / wall),
            "times_live": round(readings / wall / LIVE, 1),
            "cpu_s_per_million": round(1e6 * cpu / readings, 2),
            "server_cpu_s_per_million": round(1e6 * theirs / readings, 2),
            "turns": turns,
            "slowest_turn_ms": round(1000 * slowest),
            "spool_bytes_per_reading": round(spool.size().bytes / readings, 2),
            "load_average": os.getloadavg()[0],
        }
        if version == "1":
            began = time.perf_counter()
            chart = influx.history("m000/point_000", START, START + minutes * 60_000, 500)
            figures["chart_ms"] = round(1000 * (time.perf_counter() - began))
            figures["chart_before_forwarding_ms"] = round(1000 * waiting)
            figures["chart_readings"] = sum(b.count for b in chart)
        return figures
    finally:
        influx.close()
        spool.close()
        server.kill()


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--minutes", type=int, default=10)
    asked.add_argument("--points", type=int, default=10)
    words = asked.parse_args()
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, binary, kind, version in (
            ("influxdb", INFLUXD, InfluxDb, "1"),
            ("victoria-metrics", VICTORIA, VictoriaMetrics, "2"),
        ):
            if binary is None:
                print(f"{name}: not installed")
                continue
            here = Path(folder) / name
            found[name] = measure(kind(here), version, words.minutes, words.points, here)
            print(name, found[name])
    print(json.dumps(found))


if __name__ == "__main__":
    main()
