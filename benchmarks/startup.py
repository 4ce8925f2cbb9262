"""From the start of the process to its first "200" on /api/v1/health, with an empty book and with a year's.

`python -m benchmarks.startup [--records 700000] [--starts 7] [--patience 0] [--keep .data/bench]`: the real service on
a copy of the demo site. The year is generated once (a minute) and kept in the folder. Beside the seconds on the wall
stand the processor seconds of the service, how busy the second before each start was (0 to 1), and the machine's
load; `--patience 20` waits so long before each start for a quiet second.
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

from benchmarks.running import Service, copied_site, load, rest
from benchmarks.year import RECORDS, write


def starts(
    times: int, service: Callable[[int], Service], patience_s: float, *, killed: bool = False
) -> dict[str, object]:
    """Start so many times and return what it took; `killed` ends each but the last without a word."""
    wall, cpu, busy = [], [], []
    for turn in range(times):
        one = service(turn)
        busy.append(rest(patience_s))
        wall.append(one.start())
        cpu.append(one.cpu_s())
        one.kill() if killed and turn < times - 1 else one.stop()
    return {
        "starts": times,
        "median_s": round(statistics.median(wall), 2),
        "max_s": round(max(wall), 2),
        "min_s": round(min(wall), 2),
        "cpu_median_s": round(statistics.median(cpu), 2),
        "busy_before": round(statistics.mean(busy), 2),
        "load": load(),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=7)
    parser.add_argument("--records", type=int, default=RECORDS)
    parser.add_argument("--keep", type=Path, default=Path(".data/bench"), help="where the generated year is kept")
    parser.add_argument("--patience", type=float, default=0.0, help="seconds to wait before each start for a quiet one")
    given = parser.parse_args(arguments)
    many, patience = given.starts, given.patience
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
        say("empty book, first start", starts(many, lambda n: Service(site, folder / f"new-{n}"), patience))
        say("empty book, started again", starts(many, lambda _n: Service(site, warm.data), patience))
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
        say("year's book", starts(many, lambda _n: year, patience))
        say("year's book after kill -9", starts(many, lambda _n: year, patience, killed=True))
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
