"""How soon an answer is judged when 1,000 devices are asked ten times a second: 1.25 million registers a second.

The whole service, and the field of `benchmarks.headline`: each answer carries the moment at which it was sent, so that
the socket, the loop's queue, decoding and all rules of its points are in the span. Target: p99 < 5 ms.
It ends with one JSON line.
"""

import argparse
import json
import time
from collections.abc import Sequence

from benchmarks.fieldrun import running, started
from benchmarks.running import load

WARM_S = 8.0


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--devices", type=int, default=1000)
    parser.add_argument("--interval", type=int, default=100, help="milliseconds")
    given = parser.parse_args(arguments)
    with running("headline", given.devices, given.interval, 0, 0.0) as run:
        started(run)
        run.rest(WARM_S)
        before, cpu, began = run.service.ask(do="again"), run.cpu(), time.monotonic()
        run.rest(given.seconds)
        after, spent, wall = run.service.ask(do="said"), run.cpu(), time.monotonic() - began
    reads = after["reads"] - before["reads"]
    took = after["evaluated"]
    last = {
        "reads_per_s": round(reads / wall),
        "kept": round(reads / wall * given.interval / 1000 / given.devices, 3),
        "missed": after["missed"] - before["missed"],
        "evaluated": took,
        "lag": after["lag"],
        "service_us_per_read": round(1e6 * (spent["service"] - cpu["service"]) / max(1, reads), 1),
        "cores": {name: round((spent[name] - cpu[name]) / wall, 3) for name in cpu},
        "load": load(),
    }
    print(f"{'met' if took['p99'] < 5 else 'NOT MET'}: reply → evaluated p99 {took['p99']} ms (< 5)")
    print(json.dumps(last))


if __name__ == "__main__":
    main()
