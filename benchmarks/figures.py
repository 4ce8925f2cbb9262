"""Alarm performance of thirty days from a year of alarms: how long it takes, and what the loop notices of it.

    python -m benchmarks.figures [--records 700000]

Prints the time from nothing (as after a start) and with the tally at hand (as whoever asks again), and the longest time
that a loop which wants a turn each millisecond was kept waiting meanwhile.
"""

import argparse
import asyncio
import os
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from benchmarks import year
from dutyroom.clock import SystemClock
from dutyroom.performance import Performance
from facility.records import Record
from facility.site import Site
from response.duty import local_day
from sitefolder import load
from stores.logbook import LogBook

SITE = Path(__file__).parents[1] / "simulators" / "sites" / "demo"


async def main(records: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "logbook.db"
        began = time.perf_counter()
        site, clock = load(SITE).site, SystemClock()
        write(path, site, clock.now(), records)
        print(f"{records:,} records written in {time.perf_counter() - began:.1f} s; load {os.getloadavg()[0]:.1f}")
        book = LogBook.reader(path)
        performance = Performance(site, clock, book, dict)
        today = local_day(site, clock.now())
        for name, day, days in (
            ("30 days, from the book", today, 30),
            ("30 days, again", today, 30),
            ("a day", today - timedelta(1), 1),
        ):
            at, cpu = time.perf_counter(), time.process_time()
            lags = asyncio.create_task(_lags())
            told = await asyncio.to_thread(performance.report, day, days)
            took = time.perf_counter() - at
            lags.cancel()
            worst = await lags
            print(
                f"{name}: {took * 1000:.0f} ms ({(time.process_time() - cpu) * 1000:.0f} ms CPU with the loop's own),"
                f" {told.alarms:,} alarms; a turn came at most {worst * 1000:.1f} ms late"
            )
        book.close()


def write(path: Path, site: Site, now: int, records: int) -> None:
    """Write a year of alarms that came, were seen and went: three records each, and nothing between them."""
    book = LogBook(path, site.id)
    could = [(m, r) for r in site.rules.values() for m in site.equipment.values() if r.kind == m.kind]
    step = year.YEAR_MS * 3 // records
    batch: list[Record] = []
    for k in range(records // 3):
        machine, rule = could[k * 7 % len(could)]
        at = now - year.YEAR_MS + k * step
        batch += year.short(machine.id, rule.id, int(rule.priority), str(rule.class_), at)
        if len(batch) >= year.BATCH:
            book.append(batch, {r.subject for r in batch})
            batch = []
    book.append(batch, {r.subject for r in batch})
    book.close()


async def _lags() -> float:
    worst = 0.0
    try:
        while True:
            at = time.perf_counter()
            await asyncio.sleep(0.001)
            worst = max(worst, time.perf_counter() - at - 0.001)
    except asyncio.CancelledError:
        return worst


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=year.RECORDS)
    asyncio.run(main(parser.parse_args().records))
