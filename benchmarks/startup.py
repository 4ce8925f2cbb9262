"""From the start of the process to its first "200" on /api/v1/health, with an empty book and with a year's.

`python -m benchmarks.startup [--records 700000] [--starts 7] [--keep .data/bench]`: the real service on a copy of the
demo site. The year is generated once (half a minute) and kept in the folder. Beside the seconds on the wall stand the
processor seconds of the service, which other work on the machine disturbs least, and the machine's load.
Targets: 2 s with an empty book, 3 s with 700,000 records.
"""

import argparse
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.running import Service, copied_site, load
from benchmarks.year import RECORDS, write


def starts(times: int, service: Callable[[int], Service], *, killed: bool = False) -> dict[str, object]:
    """Start so many times and return what it took; `killed` ends each but the last without a word."""
    wall, cpu, busy = [], [], []
    for turn in range(times):
        one = service(turn)
        wall.append(one.start())
        cpu.append(one.cpu_s())
        busy.append(load())
        one.kill() if killed and turn < times - 1 else one.stop()
        time.sleep(0.2)
    return {
        "starts": times,
        "median_s": round(statistics.median(wall), 2),
        "max_s": round(max(wall), 2),
        "min_s": round(min(wall), 2),
        "cpu_median_s": round(statistics.median(cpu), 2),
        "load": max(busy),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=7)
    parser.add_argument("--records", type=int, default=RECORDS)
    parser.add_argument("--keep", type=Path, default=Path(".data/bench"), help="where the generated year is kept")
    given = parser.parse_args(arguments)
    found: dict[str, object] = {}

    def say(what: str, figures: dict[str, object]) -> None:
        found[what] = figures
        print(f"{what}: {json.dumps(figures)}", flush=True)

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        site = copied_site(folder)
        warm = Service(site, folder / "warm")  # the first start of all writes the bytecode
        warm.start()
        warm.stop()
        say("empty book, first start", starts(given.starts, lambda n: Service(site, folder / f"new-{n}")))
        say("empty book, started again", starts(given.starts, lambda _n: Service(site, warm.data)))
        kept = given.keep / f"year-{given.records}.db"
        if not kept.exists():
            began = time.monotonic()
            given.keep.mkdir(parents=True, exist_ok=True)
            part = kept.with_suffix(".part")
            count = write(part, site, given.records)
            part.rename(kept)
            print(f"{count} records generated in {time.monotonic() - began:.0f} s", flush=True)
        year = Service(site, folder / "year")
        year.data.mkdir()
        shutil.copy(kept, year.data / "logbook.db")
        year.start()  # its first start takes over a book that the service has never seen; not counted
        print(f"the year: {year.get('/api/v1/health')['book']['seq']} records, {kept.stat().st_size >> 20} MiB, "
              f"{len(_open(year))} open subjects", flush=True)  # fmt: skip
        year.stop()
        say("year's book", starts(given.starts, lambda _n: year))
        say("year's book after kill -9", starts(given.starts, lambda _n: year, killed=True))
    print(json.dumps(found))


def _open(service: Service) -> set[str]:
    from stores.logbook import LogBook

    book = LogBook.reader(service.data / "logbook.db")
    try:
        return {w.record.subject for w in book.open_records()}
    finally:
        book.close()


if __name__ == "__main__":
    main()
