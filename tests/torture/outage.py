"""The time-series server is away for an hour of a site of 10,000 readings a second, and everything is killed meanwhile.

`python -m tests.torture.outage [--minutes 60] [--kills 8] [--server influxdb|victoria-metrics] [--seed 20261122]`. Time
runs by a factor while the server is away: an hour's scans are committed as fast as the machine can, in the batches and
with the times that they would have. Our process (spool and forwarder, with the product's own waiting times) is killed
meanwhile, then the server is started, and both are killed in turn while the backlog is made good and live readings come
in at their own rate.

Judged from outside by what was told as committed: every device's first reading counts on, so its count, lowest, highest
and sum at the server say whether one is missing or twice; and, asked while the backlog is made good, whether order is kept.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from facility.scan import Scan
from stores.telemetry.forward import CURSOR
from stores.telemetry.influx import Influx
from stores.telemetry.influxserver import Address
from stores.telemetry.spool import Spool
from tests.timeseries_servers import InfluxDb, Process, VictoriaMetrics

ROOT = Path(__file__).parent.parent.parent
START = 1_790_000_000_000
DEVICES, POINTS, BATCH_MS = 1_000, 10, 250
EACH = DEVICES * BATCH_MS // 1000  # devices in a batch: each device speaks once a second
LIVE = DEVICES * POINTS
LOOK_BATCHES = 500
"""While the backlog is made good, the server is looked at each time so many more batches were sent."""
NAMES = [f"m{d:04}" for d in range(DEVICES)]


class Steps:
    """The clock of the child: system time, which only moves on."""

    def now(self) -> int:
        return time.time_ns() // 1_000_000

    async def until(self, at_ms: int) -> None:
        raise NotImplementedError


def child(path: str, url: str, version: str, fast_until: int) -> None:
    """Commit batch after batch, the first `fast_until` without a pause, and forward; told on the output."""
    clock = Steps()
    spool = Spool(Path(path), clock)
    for name in NAMES:
        spool.layout(name, [f"{name}/number", *(f"{name}/p{p}" for p in range(1, POINTS))], "v1")
    address = Address(url, "test", version, "o", token="t")  # type: ignore[arg-type]  # 1 or 2
    influx = Influx(address, "s", dict.fromkeys(NAMES, "meter"), spool)
    ending = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.readline(), ending.set()), daemon=True).start()

    def forward() -> None:
        while not ending.is_set() or influx.forwarder.sent(spool) < spool.last_row or not influx.forwarder.sure:
            if not influx.forward(spool, clock.now()):
                time.sleep(0.1)

    forwarding = threading.Thread(target=forward)
    forwarding.start()
    rng = np.random.default_rng(1)
    rest = rng.normal(50, 3, (64, EACH, POINTS - 1)).astype("f4").astype(float).tolist()
    due = time.monotonic()
    tidied = time.monotonic()
    while not ending.is_set():
        tick = spool.last_row - spool.id  # as many batches are committed
        number, at = float(tick // 4 + 1), START + tick * BATCH_MS
        first = tick % 4 * EACH
        values = rest[tick % 64]
        scans = [
            Scan(NAMES[first + k], at + k % BATCH_MS, at + k % BATCH_MS, (number, *values[k]), bytes(POINTS))
            for k in range(EACH)
        ]
        spool.checkpoint(spool.commit(scans), b"")
        print(tick + 1, influx.forwarder.sent(spool) - spool.id, spool.cursor(CURSOR), flush=True)
        if tick < fast_until:
            due = time.monotonic()
            continue
        if time.monotonic() - tidied > 2:
            spool.trim(clock.now())
            tidied = time.monotonic()
        due += BATCH_MS / 1000
        ending.wait(max(0.0, due - time.monotonic()))
    forwarding.join()
    influx.close()
    spool.close()


class Site:
    """The child, and what it told."""

    def __init__(self, path: Path, url: str, version: str, fast_until: int) -> None:
        self.batches, self.sent = 0, 0
        self._words = [path, url, version, fast_until]
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.torture.outage", "--child", *map(str, self._words)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
        )  # fmt: skip
        threading.Thread(target=self._listen, args=(self._process,), daemon=True).start()

    def _listen(self, process: subprocess.Popen[str]) -> None:
        for line in process.stdout or ():
            if line.endswith("\n"):
                batches, sent, _ = map(int, line.split())
                self.batches, self.sent = max(self.batches, batches), sent

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def finish(self, seconds: float) -> None:
        self._process.stdin.write("end\n")
        self._process.stdin.flush()
        assert self._process.wait(seconds) == 0

    def until(self, holds, seconds: float, what: str) -> None:
        until = time.monotonic() + seconds
        while not holds():
            assert self._process.poll() is None, "the site's process ended by itself"
            assert time.monotonic() < until, f"not within {seconds} s: {what} ({self.batches} told, {self.sent} sent)"
            time.sleep(0.05)


def stored(server: Process, batches: int) -> dict[str, tuple[float, float, float, float]]:
    """Return count, lowest, highest and sum of the counting reading of each device at the server."""
    if isinstance(server, InfluxDb):
        asked = "SELECT count(number), min(number), max(number), sum(number) FROM meter GROUP BY device"
        answer = json.loads(server.ask("GET", "/query", db="test", epoch="ms", q=asked)[1])
        return {s["tags"]["device"]: tuple(s["values"][0][1:]) for s in answer["results"][0]["series"]}
    server.ask("GET", "/internal/force_flush")
    found: dict[str, list[float]] = {}
    span = batches * BATCH_MS // 1000 + 60
    for name in ("count", "min", "max", "sum"):
        asked = f"{name}_over_time(meter_number[{span}s])"
        at = START // 1000 + span - 30
        said = json.loads(server.ask("GET", "/api/v1/query", query=asked, time=str(at), nocache="1")[1])
        for row in said["data"]["result"]:
            found.setdefault(row["metric"]["device"], []).append(float(row["value"][1]))
    return {device: tuple(figures) for device, figures in found.items()}


def wrong(found: dict[str, tuple[float, float, float, float]], batches: int) -> list[str]:
    """Say of which devices readings are missing or there twice; more than was told is fine."""
    out = []
    for number, name in enumerate(NAMES):
        told = (batches - number // EACH + 3) // 4
        count, low, high, total = found.get(name, (0, 0, 0, 0))
        if count < told or count != high or (count and (low != 1 or total != high * (high + 1) / 2)):
            out.append(f"{name}: told {told}, stored {count}, {low} to {high}, sum {total}")
    return out


def overtaken(
    before: dict[str, tuple[float, float, float, float]], after: dict[str, tuple[float, float, float, float]]
) -> int:
    """Say of how many devices a later reading was at the server while an earlier one was not: order was not kept."""
    return sum(after[device][0] < before[device][2] for device in before)


def play(server: Process, version: str, minutes: int, kills: int, seed: int, folder: Path) -> dict[str, float]:
    dice = random.Random(seed)
    outage = minutes * 60_000 // BATCH_MS
    site = Site(folder / "spool.db", server.url, version, outage)
    began = time.monotonic()
    site.start()
    for kill in range(kills // 2):
        mark = int(outage * (kill + dice.random()) / (kills // 2))
        site.until(lambda mark=mark: site.batches >= mark, 900, "the outage goes on")
        site.kill()
        site.start()
    site.until(lambda: site.batches >= outage, 900, "the outage is over")
    away_s = time.monotonic() - began
    spool_bytes = (folder / "spool.db").stat().st_size
    server.start()
    began = time.monotonic()
    for kill in range(kills // 2):
        time.sleep(1 + 6 * dice.random())
        server.kill()
        if kill % 2:
            site.kill()
            site.start()
        time.sleep(dice.random())
        server.start()
    site.until(lambda: site.sent > 0, 60, "the server is found")
    clean, sent = time.monotonic(), site.sent
    looks = unordered = 0
    while site.sent < site.batches - 8:
        mark = min(site.sent + LOOK_BATCHES, site.batches - 8)
        site.until(lambda mark=mark: site.sent >= mark, 600, "the backlog is made good")
        if isinstance(server, InfluxDb):  # the other shows what it took a while later, and not in its order
            highest = stored(server, site.batches)  # asked for first: more is written while the answer is made
            looks, unordered = looks + 1, unordered + overtaken(highest, stored(server, site.batches))
    caught_s, carried = time.monotonic() - clean, site.sent - sent
    total_s = time.monotonic() - began
    time.sleep(3)
    site.finish(120)
    for _ in range(30):  # VictoriaMetrics shows what it took last a moment later
        problems = wrong(stored(server, site.batches), site.batches)
        if not problems:
            break
        time.sleep(1)
    rate = carried * EACH * POINTS / caught_s
    return {
        "readings": site.batches * EACH * POINTS,
        "kills": kills + kills // 4,
        "missing_or_twice": len(problems),
        "looks_while_catching_up": looks,
        "devices_overtaken": unordered,
        "fill_s": round(away_s),
        "time_factor": round(minutes * 60 / away_s, 1),
        "catch_up_s_kills_included": round(total_s),
        "catch_up_readings_per_s": round(rate),
        "times_live": round(rate / LIVE, 1),
        "spool_mb": spool_bytes >> 20,
        "load_average": os.getloadavg()[0],
        **({"first": problems[0]} if problems else {}),  # type: ignore[dict-item]  # for people
    }


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--minutes", type=int, default=60)
    asked.add_argument("--kills", type=int, default=8)
    asked.add_argument("--seed", type=int, default=20261122)
    asked.add_argument("--server", choices=["influxdb", "victoria-metrics"])
    words = asked.parse_args()
    bad = 0
    for name, kind, version in (("influxdb", InfluxDb, "1"), ("victoria-metrics", VictoriaMetrics, "2")):
        if words.server in (None, name):
            with tempfile.TemporaryDirectory() as folder:
                server = kind(Path(folder) / "server")
                try:
                    found = play(server, version, words.minutes, words.kills, words.seed, Path(folder))
                finally:
                    server.kill()
            print(name, found, flush=True)
            bad += int(found["missing_or_twice"] + found["devices_overtaken"])
    return int(bool(bad))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5]))
    else:
        sys.exit(main())
