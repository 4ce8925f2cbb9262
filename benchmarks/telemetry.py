"""What a scan of 108 readings costs, from the live table to the Parquet file.

`python -m benchmarks.telemetry [noisy|f32|mix]`: 1,000 devices, each scanned once a second, committed in batches of
250 ms; CPU time of this process only; `commit` includes `encode`.
"""

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from facility.scan import Scan
from stores.live import Live
from stores.telemetry.archive import Archive
from stores.telemetry.batch import encode
from stores.telemetry.spool import Spool

DEVICES, POINTS, BATCH, SECONDS = 1_000, 108, 250, 80
START = 1_790_000_000_000


class Hands:
    def __init__(self) -> None:
        self.ms = START

    def now(self) -> int:
        return self.ms

    async def until(self, at_ms: int) -> None:
        self.ms = max(self.ms, at_ms)


def readings(kind: str, rng: np.random.Generator) -> list[float]:
    """One device's values: doubles full of noise, float32 as meters give, or a believable mixture."""
    if kind == "noisy":
        return rng.normal(50, 3, POINTS).tolist()
    if kind == "f32":
        return rng.normal(50, 3, POINTS).astype("f4").astype(float).tolist()
    parts = [rng.normal(50, 3, 30), rng.normal(50, 3, 30).astype("f4").astype(float), rng.integers(0, 900, 24) * 0.1]
    parts += [rng.integers(0, 2, 16).astype(float), rng.integers(10**6, 10**6 + 100, 8).astype(float)]
    return np.concatenate(parts).tolist()


def main(kind: str) -> None:
    clock, rng, spent = Hands(), np.random.default_rng(1), dict.fromkeys(("live", "encode", "commit", "compact"), 0.0)
    with tempfile.TemporaryDirectory() as folder:
        spool = Spool(Path(folder) / "spool.db", clock)
        for d in range(DEVICES):
            spool.layout(f"d{d}", [f"machine-{d:04}/point_{p:03}" for p in range(POINTS)], "v1")
        archive, live = Archive(Path(folder) / "archive", spool), Live(spool.layouts())
        values = [tuple(readings(kind, rng)) for _ in range(2 * DEVICES)]
        ids = [spool.layouts()[f"d{d}"].id for d in range(DEVICES)]

        def timed(what: str, began: float) -> None:
            spent[what] += time.process_time() - began

        for tick in range(SECONDS * DEVICES // BATCH):
            clock.ms = START + 1000 * BATCH * tick // DEVICES
            devices = [(tick * BATCH + k) % DEVICES for k in range(BATCH)]
            turn = tick * BATCH // DEVICES % 2 * DEVICES
            scans = [
                Scan(f"d{d}", clock.ms + d % 7, clock.ms + d % 7, values[turn + d], bytes(POINTS)) for d in devices
            ]
            began = time.process_time()
            for scan in scans:
                live.update(scan)
            timed("live", began)
            began = time.process_time()
            encode(scans, [ids[d] for d in devices])
            timed("encode", began)
            began = time.process_time()
            row = spool.commit(scans)
            timed("commit", began)
            spool.checkpoint(row, b"")
            began = time.process_time()
            while archive.compact(spool, clock.ms):
                pass
            spool.trim(clock.ms)
            timed("compact", began)
        scans_done = SECONDS * DEVICES
        stored = sum(f.stat().st_size for f in (Path(folder) / "archive").glob("*.parquet"))
        moved = sum(b.count for b in archive.history("machine-0000/point_000", START, START + 1000 * SECONDS, 1))
        assert moved == SECONDS, moved
        figures = {f"{what}_us_per_scan": round(1e6 * cpu / scans_done, 1) for what, cpu in spent.items()}
        figures |= {
            "kind": kind,
            "archive_bytes_per_reading": round(stored / (scans_done * POINTS), 2),
            "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }
        archive.close()
        spool.close()
    print(json.dumps(figures))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "mix")
