"""The most registers a second that are read, judged and stored, with everything of the headline beside them.

2,000 devices are asked more and more often, 5,000 messages a second come in all the while, and each step is a service
of its own. A step is carried when 99 of 100 polls took place, at most one in a thousand was missed, messages wait for
less than two seconds, and what is on the disk afterwards is all that was said. Goal: 500,000 registers a second.
It ends with one JSON line.
"""

import argparse
import json
import time
from collections.abc import Sequence
from typing import Any

from benchmarks.fieldrun import finished, running, started
from benchmarks.running import load

WARM_S = 10.0
INTERVALS_MS = (1000, 667, 500, 400, 333, 286, 250)
GOAL = 500_000


def step(devices: int, interval_ms: int, publishers: int, rate: float, seconds: float) -> dict[str, Any]:
    """Run one step and return its figures."""
    with running("headline", devices, interval_ms, publishers, rate) as run:
        started(run)
        run.rest(WARM_S)
        missed = run.service.ask(do="again")["missed"]
        first, cpu, began = run.load.ask(do="counts"), run.cpu(), time.monotonic()
        run.rest(seconds)
        last, spent, wall = run.load.ask(do="counts"), run.cpu(), time.monotonic() - began
        seen = run.service.ask(do="said")
        ended = finished(run)
    reads = last["reads"] - first["reads"]
    figures = {
        "interval_ms": interval_ms,
        "registers_per_s": round((last["registers"] - first["registers"]) / wall),
        "kept": round(reads / wall * interval_ms / 1000 / devices, 4),
        "missed": seen["missed"] - missed,
        "made": ended["made"],
        "lost": ended["lost"],
        "evaluated_p99_ms": seen["evaluated"]["p99"],
        "heard_p99_ms": seen["heard"]["p99"],
        "cores": {name: round((spent[name] - cpu[name]) / wall, 3) for name in cpu},
        "load": load(),
    }
    carried = figures["kept"] >= 0.99 and figures["missed"] <= reads / 1000 and figures["lost"] == 0
    return figures | {"carried": carried and figures["heard_p99_ms"] < 2000}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--devices", type=int, default=2000)
    parser.add_argument("--publishers", type=int, default=500)
    parser.add_argument("--rate", type=float, default=5000.0)
    parser.add_argument("--intervals", type=int, nargs="+", default=INTERVALS_MS, help="milliseconds, falling")
    given = parser.parse_args(arguments)
    most = 0
    for interval_ms in given.intervals:
        figures = step(given.devices, interval_ms, given.publishers, given.rate, given.seconds)
        print(json.dumps(figures), flush=True)
        if not figures["carried"]:
            break
        most = figures["registers_per_s"]
    print(f"{'met' if most >= GOAL else 'NOT MET'}: {most:,} registers a second stored (≥ {GOAL:,})")
    print(json.dumps({"registers_per_s": most}))


if __name__ == "__main__":
    main()
