"""What a scan costs in the stores, and what a reading weighs there.

`python -m benchmarks.telemetry [crowd|doubles|site] [--seconds N]`: scans committed in batches of 250 ms, by the clock
of the scans, as fast as it goes; CPU time of this process only, in µs per scan; `commit` includes `encode`. Weights are
of what is in files at the end of a turn; `compact_cores` is what compaction takes of a processor at that rate.

crowd    1,000 devices of `benchmarks.devices` at 1 s, 108 points each, the noise of every value rolled anew
         (`devices` itself turns 64 images round and round, which nobody should be paid for)
doubles  the same with noise in all 52 bits of every value: the worst there is
site     200 devices at 10 s, 50 points each: 60 % slow floats of 0.1 or 0.01 resolution, 20 % counters, 20 % booleans

`bound` is what the noise alone must weigh: the entropy of the rolled values in bytes per reading, quality, times and
names at nothing.
"""

import argparse
import json
import math
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.running import load
from facility.scan import Scan
from stores.live import Live
from stores.telemetry.archive import Archive
from stores.telemetry.batch import encode
from stores.telemetry.source import CURSOR
from stores.telemetry.spool import Spool

START = 1_790_000_040_000 - 1_790_000_040_000 % 86_400_000 + 3_600_000
Values = NDArray[np.float64]


class Hands:
    """A clock that stands where it is put."""

    def __init__(self, ms: int = START) -> None:
        self.ms = ms

    def now(self) -> int:
        return self.ms

    async def until(self, at_ms: int) -> None:
        self.ms = max(self.ms, at_ms)


class Crowd:
    """What the decoder gives of `benchmarks.devices`."""

    devices, points, interval_ms, seconds = 1_000, 108, 1_000, 185

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def turn(self) -> Values:
        """Return one scan of every device."""
        roll, n = self._rng, self.devices
        volts = (220 + np.arange(20) + roll.uniform(-2, 2, (n, 20))).astype("f4").astype("f8")
        amps = (50 + np.arange(15) + roll.uniform(-0.5, 0.5, (n, 15))).astype("f4").astype("f8")
        tenths = (400 + np.arange(37) + roll.integers(0, 41, (n, 37))) * 0.1
        counts = 1e6 * np.arange(1, 9) + roll.integers(0, 501, (n, 8))
        bits = np.zeros((n, 28))
        bits[:, 0], bits[:, [2, 14, 15]] = roll.integers(0, 2, n), 1
        return np.concatenate([volts, amps, tenths, counts, bits], axis=1)

    def bound(self) -> float:
        # A float32 between 128 and 256 has steps of 2^-16, between 32 and 64 of 2^-18, between 64 and 128 of 2^-17.
        volts, amps = 20 * math.log2(4 * 2**16), 14 * math.log2(2**18) + math.log2(2**17)
        return (volts + amps + 37 * math.log2(41) + 8 * math.log2(501) + 1) / 8 / self.points


class Doubles(Crowd):
    """Noise and nothing but noise."""

    seconds = 65

    def turn(self) -> Values:
        return self._rng.normal(50, 3, (self.devices, self.points))

    def bound(self) -> float:
        # The entropy of the normal distribution, and steps of 2^-47 between 32 and 64, where most of it lies.
        return (math.log2(3 * math.sqrt(2 * math.pi * math.e)) + 47) / 8


class Site:
    """Machines as they are: most values move a little now and then."""

    devices, points, interval_ms, seconds = 200, 50, 10_000, 3_605

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._resolution = np.where(np.arange(30) % 2, 10.0, 100.0)
        self._slow = rng.integers(0, 100, (self.devices, 30)) * self._resolution
        self._counters = rng.integers(0, 10_000_000, (self.devices, 10))
        self._states = rng.random((self.devices, 10)) < 0.5

    def turn(self) -> Values:
        roll, n = self._rng, self.devices
        self._slow = self._slow + roll.integers(-3, 4, (n, 30)) * (roll.random((n, 30)) < 0.5)
        self._counters = self._counters + roll.integers(0, 5, (n, 10))
        self._states = self._states ^ (roll.random((n, 10)) < 0.002)
        return np.concatenate([self._slow / self._resolution, self._counters, self._states], axis=1)

    def bound(self) -> float:
        still = 0.5 + 0.5 / 7
        slow = -still * math.log2(still) - 6 * (0.5 / 7) * math.log2(0.5 / 7)
        state = -0.002 * math.log2(0.002) - 0.998 * math.log2(0.998)
        return (30 * slow + 10 * math.log2(5) + 10 * state) / 8 / self.points


KINDS = {"crowd": Crowd, "doubles": Doubles, "site": Site}


def scans(source: "Crowd | Site", seconds: int, rng: np.random.Generator) -> Iterator[tuple[int, list[Scan]]]:
    """Yield every 250 ms what was scanned: each device at its own place of the interval, with ±3 ms of jitter."""
    n, each = source.devices, source.interval_ms // 250
    good = bytes(source.points)
    values: list[tuple[float, ...]] = []
    for tick in range(seconds * 4):
        if tick % each == 0:
            values = [tuple(row) for row in source.turn().tolist()]
        turn, part = START + tick // each * source.interval_ms, tick % each
        at = [turn + d * source.interval_ms // n + int(j) for d, j in enumerate(rng.integers(0, 7, n))]
        some = range(part * n // each, (part + 1) * n // each)
        yield START + 250 * (tick + 1), [Scan(f"d{d}", at[d], at[d], values[d], good) for d in some]


def layouts(spool: Spool, source: "Crowd | Site") -> list[int]:
    """Make the devices known and return the ids of their layouts."""
    return [
        spool.layout(f"d{d}", [f"machine-{d:04}/point_{p:03}" for p in range(source.points)], "v1").id
        for d in range(source.devices)
    ]


def measure(kind: str, seconds: int | None) -> dict[str, object]:
    clock, rng = Hands(), np.random.default_rng(1)
    spent = dict.fromkeys(("live", "encode", "commit", "compact", "trim"), 0.0)
    source = KINDS[kind](rng)
    seconds = seconds or source.seconds
    done = spooled = 0
    with tempfile.TemporaryDirectory() as folder:
        spool = Spool(Path(folder) / "spool.db", clock)
        ids = layouts(spool, source)
        archive, live = Archive(Path(folder) / "archive", spool), Live(spool.layouts())

        def timed(what: str, began: float) -> None:
            spent[what] += time.process_time() - began

        for now, some in scans(source, seconds, rng):
            clock.ms = now
            began = time.process_time()
            for scan in some:
                live.update(scan)
            timed("live", began)
            began = time.process_time()
            spooled += len(encode(some, [ids[int(s.device[1:])] for s in some]))
            timed("encode", began)
            began = time.process_time()
            row = spool.commit(some)
            timed("commit", began)
            done += len(some)
            spool.checkpoint(row, b"")
            if now % 2_000 == 0:
                began = time.process_time()
                while archive.compact(spool, now):
                    pass
                timed("compact", began)
                began = time.process_time()
                spool.trim(now)
                timed("trim", began)
        rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        (point,) = archive.completeness(["machine-0000/point_000"], START, START + 1000 * seconds)
        assert point.count == -(-seconds * 1000 // source.interval_ms), point
        left = spool.pending(spool.cursor(CURSOR))  # the last turn ended with a whole minute
        readings = done * source.points
        kept = readings - left.readings
        weight = {
            part: sum(f.stat().st_size for f in (Path(folder) / "archive").glob(f"{part}*.parquet")) / kept
            for part in ("raw", "minute", "hour")
        }
        archive.close()
        spool.close()
    return {
        "kind": kind,
        "readings": readings,
        **{f"{what}_us_per_scan": round(1e6 * cpu / done, 1) for what, cpu in spent.items()},
        "compact_ns_per_reading": round(1e9 * spent["compact"] / kept),
        "compact_cores": round(spent["compact"] / seconds, 4),
        "bytes_per_reading": round(sum(weight.values()), 2),
        **{f"of_that_{part}": round(share, 2) for part, share in weight.items()},
        "bound": round(source.bound(), 2),
        "spool_bytes_per_reading": round(spooled / readings, 2),
        "rss_mb": rss,
        "load": load(),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", nargs="?", choices=sorted(KINDS), default="crowd")
    parser.add_argument("--seconds", type=int, help="of scans, by their own clock")
    given = parser.parse_args(arguments)
    print(json.dumps(measure(given.kind, given.seconds)))


if __name__ == "__main__":
    main()
