"""How fast a day passes again: `python -m benchmarks.replay [--points 1000] [--every 10]`.

The demo building's devices, as often as makes the points, speak every few seconds for 24 hours: values drift, and one
scan in 300 leaves its usual range for a while. The day is committed to a spool and compacted as the service does it;
its alarms are recorded by a first pass. Target: a replay of 24 h of 1,000 points in at most 30 s.
"""

import argparse
import json
import os
import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from alarms.rerun import Rerun
from benchmarks.machine import most_mb
from dutyroom.process import settle
from dutyroom.replay import opened, replay
from dutyroom.selfwatch import with_host
from facility.equipment import Device
from facility.scan import Scan
from facility.site import Site
from sitefolder import load
from stores.logbook import LogBook
from stores.telemetry.archive import Archive
from stores.telemetry.spool import Spool

DEMO = Path(__file__).parent.parent / "simulators" / "sites" / "demo"
START_MS = 1_795_392_000_000  # midnight, UTC
DAY_MS = 86_400_000
_COMMIT_MS, _TURN_MS = 10_000, 600_000
_EXCURSION, _BACK = 1 / 300, 1 / 20


class _Hands:
    """A clock that stands where it was put."""

    ms = START_MS

    def now(self) -> int:
        return self.ms

    async def until(self, at_ms: int) -> None:
        self.ms = max(self.ms, at_ms)


def wide(site: Site, points: int) -> Site:
    """Return the site with its machines and devices again and again, until these have so many points together."""
    equipment, devices = dict(site.equipment), dict[str, Device]()
    number = 0
    while sum(len(d.points) for d in devices.values()) < points:
        for machine in site.equipment.values():
            equipment[f"{machine.id}-{number}"] = replace(machine, id=f"{machine.id}-{number}")
        for device in site.devices.values():
            if sum(len(d.points) for d in devices.values()) < points:
                names = tuple(point.replace("/", f"-{number}/") for point in device.points)
                devices[f"{device.id}-{number}"] = replace(device, id=f"{device.id}-{number}", points=names)
        number += 1
    return replace(site, equipment=equipment, devices=devices)


def scans(devices: list[Device], every_ms: int) -> Iterator[Scan]:
    """Return a day of scans, spread over the interval."""
    roll = random.Random(7)
    usual = {d.id: [float(roll.choice((0, 0, 1, 20, 230))) for _ in d.points] for d in devices}
    values = {id: list(row) for id, row in usual.items()}
    away = dict.fromkeys(values, 0)
    for tick in range(DAY_MS // every_ms):
        for number, device in enumerate(devices):
            at = START_MS + tick * every_ms + number * every_ms // len(devices)
            row, rest = values[device.id], usual[device.id]
            for i, value in enumerate(rest):
                if value > 1:
                    row[i] = round(value + roll.random(), 1)
            if away[device.id]:
                if roll.random() < _BACK:
                    values[device.id], away[device.id] = list(rest), 0
            elif roll.random() < _EXCURSION:
                row[roll.randrange(len(row))] = roll.choice((0.0, 1.0, 300.0))
                away[device.id] = 1
            yield Scan(device.id, at, at + 3, tuple(row), bytes(len(row)))


def main() -> None:
    """Make a day, and let it pass again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=1_000)
    parser.add_argument("--every", type=int, default=10, help="seconds between two scans of a device")
    asked = parser.parse_args()
    site = wide(load(DEMO).site, asked.points)
    devices = list(site.devices.values())
    points = sum(len(d.points) for d in devices)
    with tempfile.TemporaryDirectory() as folder:
        data, clock = Path(folder), _Hands()
        book, spool = LogBook(data / "logbook.db", site.id), Spool(data / "spool.db", clock)
        for device in devices:
            spool.layout(device.id, device.points, device.profile)
        archive, rerun = Archive(data / "archive", spool), Rerun(with_host(site), START_MS, ())
        batch: list[Scan] = []
        count, turned_ms = 0, START_MS
        for scan in scans(devices, asked.every * 1_000):
            batch.append(scan)
            rerun.scan(scan)
            count += 1
            if scan.received_ms - batch[0].received_ms >= _COMMIT_MS:
                clock.ms = scan.received_ms
                spool.commit(batch)
                batch = []
            if clock.ms - turned_ms >= _TURN_MS:
                turned_ms = clock.ms
                while archive.compact(spool, clock.ms):
                    pass
                spool.checkpoint(spool.last_row, b"")
                spool.trim(clock.ms)
        spool.commit(batch)
        book.append(rerun.told)
        book.close()
        spool.close()
        recording, reader = opened(data)
        sizes = {
            kind: sum(f.stat().st_size for f in (data / "archive").glob(f"{kind}-*")) for kind in ("raw", "arrival")
        }
        settle()
        began, before = time.perf_counter(), time.process_time()
        outcome = replay(site, recording, reader, START_MS, START_MS + DAY_MS)
        took, cpu = time.perf_counter() - began, time.process_time() - before
        reader.close()
    print(
        json.dumps(
            {
                "points": points,
                "devices": len(devices),
                "seconds_between_scans": asked.every,
                "scans": count,
                "readings": points * (DAY_MS // asked.every // 1_000),
                "records": len(rerun.told),
                "different": outcome.different,
                "replay_s": round(took, 1),
                "replay_cpu_s": round(cpu, 1),
                "target_s": 30,
                "peak_mb": most_mb(os.getpid()),
                "raw_bytes": sizes["raw"],
                "arrival_bytes_a_scan": round(sizes["arrival"] / count, 2),
                "load_average": [round(x, 1) for x in os.getloadavg()],
            }
        )
    )


if __name__ == "__main__":
    main()
