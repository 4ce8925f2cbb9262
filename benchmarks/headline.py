"""`make bench-headline`: Compound-2000, the whole product under the load of a company, on one small machine.

2,000 Modbus TCP devices of four maps, 125 registers each, once a second, every one on its own connection; 500 gateways
that publish 5,000 messages a second with ten values to Mosquitto at QoS 1. Every value is decoded, qualified, judged by
at least one rule and stored durably, by the product's own service as `dutyroom serve` builds it. After a calm beginning
5 % of the devices hang and 1 % a minute vanish for five seconds; then 600 alarms a second come and go for a minute, and
people are paged; from then on somebody looks at a chart every second. Counted on both sides: what the devices said, and
what lies on the disk when the service has stopped.

`--seconds 600` is the whole of it, and what the goals are for; shorter runs shorten every part. `--mix small` reads
5,000 small devices instead; `--knee` looks for where the service falls behind (`benchmarks.knee`) and does nothing
else. It ends with one JSON line.
"""

import argparse
import json
import time
from collections.abc import Sequence
from typing import Any

from benchmarks import knee
from benchmarks.fieldrun import finished, running, started
from benchmarks.running import load

WARM_S = 20.0
HUNG, LEAVING, FLOOD = 0.05, 0.01, 600.0
WHOLE_S = 600.0
"""Of the measured time; the parts are shares of it."""
CALM, SETTLE, FLOOD_AT, FLOOD_FOR = 0.15, 0.05, 0.4, 0.1


def headline(given: argparse.Namespace) -> dict[str, Any]:
    """Run it all and return its figures."""
    seconds = given.seconds
    with running(given.mix, given.devices, given.interval, given.publishers, given.rate, given.profile) as run:
        figures: dict[str, Any] = {"mix": given.mix, "devices": given.devices, "seconds": seconds, **run.service.first}
        figures["up_after_s"] = started(run)
        run.rest(min(WARM_S, seconds / 3))
        if given.profile:
            run.service.ask(do="profile")
        run.service.ask(do="again")
        run.load.ask(do="even")
        began, before, first = time.monotonic(), run.cpu(), run.load.ask(do="counts")
        run.rest(seconds * CALM)
        calm, calm_load = run.service.ask(do="again"), run.load.ask(do="even")
        if given.hung:
            figures["hung"] = run.load.ask(do="hang", share=HUNG)["hung"]
            run.load.ask(do="churn", per_minute=LEAVING)
            run.rest(seconds * SETTLE)  # until it has found out who is silent
            run.service.ask(do="again")
            run.load.ask(do="even")
        run.rest(seconds * FLOOD_AT - (time.monotonic() - began))
        hung, hung_load = run.service.ask(do="again"), run.load.ask(do="even")
        if given.flood:
            run.load.ask(do="flood", per_s=given.flood, seconds=seconds * FLOOD_FOR)
        run.rest(seconds * FLOOD_FOR + 1.0)
        flood = run.service.ask(do="again")
        run.service.ask(do="charts")
        run.rest(seconds - (time.monotonic() - began))
        last = run.service.ask(do="again")
        after, end, wall = run.cpu(), run.load.ask(do="counts"), time.monotonic() - began
        if given.profile:
            run.service.ask(do="profiled")
        minute = min(60.0, seconds / 5)
        figures |= {"load": load(), "wall_s": round(wall, 1)}
        figures |= {
            "cores": {name: round((after[name] - before[name]) / wall, 3) for name in after},
            "threads_s": last["threads"],
            "rss_first_mb": run.memory_of(began, minute),
            "rss_last_mb": run.memory_of(began + wall - minute, minute),
            "rss_most_mb": run.most_memory(),
            "reads_per_s": round((end["reads"] - first["reads"]) / wall),
            "registers_per_s": round((end["registers"] - first["registers"]) / wall),
            "messages_per_s": round((end["acknowledged"] - first["acknowledged"]) / wall),
            "phases": {
                name: {key: of[key] for key in ("evaluated", "heard", "lag", "stint", "recorded", "paged")}
                for name, of in (("calm", calm), ("hung", hung), ("flood", flood), ("after", last))
            },
            "uneven": {"calm": calm_load["uneven"], "hung": hung_load["uneven"]},
            "chart": last["chart"],
            "charts_refused": last["charts_refused"],
            "counts": last["figures"],
        }
        figures |= finished(run)
    figures["machine_cores"] = round(sum(figures["cores"].values()), 3)
    return figures


def judged(figures: dict[str, Any], devices: int) -> list[tuple[str, bool]]:
    """Return every goal in words with its figure, and whether it was met."""
    flood, phases = figures["phases"]["flood"], figures["phases"]
    calm, hung = phases["calm"]["evaluated"], phases["hung"]["evaluated"]
    first, last, cores = figures["rss_first_mb"], figures["rss_last_mb"], figures["machine_cores"]
    most = figures["rss_most_mb"]
    return [
        (f"whole machine {cores} cores (≤ 1.2): {figures['cores']}", cores <= 1.2),
        (f"values stored {figures['stored']:,} of {figures['made']:,} made (0 lost)", figures["lost"] == 0),
        (
            f"transitions recorded {figures['transitions_recorded']:,} of {figures['transitions_made']:,} made",
            figures["transitions_recorded"] == figures["transitions_made"] > 0,
        ),
        (
            f"reply → page request committed, in the flood: {flood['paged']} (p99 < 50 ms, max < 250 ms)",
            0 < flood["paged"]["p99"] < 50 and flood["paged"]["max"] < 250,
        ),
        (f"memory of service and archivist at most {most} MB (both ≤ 200)", most["both"] <= 200),
        (f"memory flat: first minute {first} MB, last {last} MB (± 10 %)", abs(last - first) <= 0.1 * first),
        (
            f"healthy devices, reply → evaluated p99 {calm['p99']} ms alone, {hung['p99']} ms beside the hung (± 10 %)",
            abs(hung["p99"] - calm["p99"]) <= max(0.1 * calm["p99"], 0.1),
        ),
        (f"poll rate kept: {figures['reads_per_s']} reads/s", figures["reads_per_s"] >= 0.94 * devices),
        (
            f"loop lag p99 {phases['after']['lag']['p99']} ms while compacting, and a chart every second (≤ 20)",
            phases["after"]["lag"]["p99"] <= 20,
        ),
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=WHOLE_S)
    parser.add_argument("--mix", choices=("headline", "small"), default="headline")
    parser.add_argument("--devices", type=int)
    parser.add_argument("--interval", type=int, default=1000, help="milliseconds between two polls of a device")
    parser.add_argument("--publishers", type=int, default=500)
    parser.add_argument("--rate", type=float, default=5000.0, help="messages a second")
    parser.add_argument("--flood", type=float, default=FLOOD, help="transitions a second; 0: none")
    parser.add_argument("--no-hung", dest="hung", action="store_false", help="everybody stays healthy")
    parser.add_argument("--profile", default="", help="profile the service's loop into this file")
    parser.add_argument("--knee", action="store_true", help="look for the most that is stored, and nothing else")
    given = parser.parse_args(arguments)
    if given.knee:
        knee.main([])
        return
    given.devices = given.devices or (5000 if given.mix == "small" else 2000)
    given.publishers = 0 if given.mix == "small" else given.publishers
    figures = headline(given)
    for name, of in figures["phases"].items():
        print(f"{name}: {json.dumps(of)}")
    for words, met in judged(figures, given.devices * 1000 // given.interval):
        print(f"{'met' if met else 'NOT MET'}: {words}")
    print(json.dumps({key: value for key, value in figures.items() if key != "phases"}))


if __name__ == "__main__":
    main()
