"""Whether a reading costs the same however many devices there are: 100 to 10,000, each on its own connection.

Twice: at a thousand reads a second altogether (100 devices every 100 ms, 10,000 every 10 s), which shows what a device
costs that is merely there; and with every device once a second, where few devices pay for the wake-ups that many
share. The chain is that of `benchmarks.readings`, over a whole minute of the clock each, so that every figure holds one
turn of the archive and not none or two; all of it takes twenty minutes. Target: within a fifth of what a thousand
devices cost. It ends with one JSON line.
"""

import argparse
import json
import sys
from collections.abc import Sequence

from benchmarks.readings import crowd_server, one
from benchmarks.running import load

MANY = (100, 300, 1000, 3000, 10_000)
FLAT = 0.2


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--devices", type=int, nargs="+", default=MANY)
    given = parser.parse_args(arguments)
    found: dict[str, dict[int, dict[str, float]]] = {"1000 reads/s": {}, "every second": {}}
    with crowd_server() as port:
        for devices in given.devices:
            for name, interval_ms in (("1000 reads/s", devices), ("every second", 1000)):
                if name == "every second" and devices == 1000 in found["1000 reads/s"]:
                    found[name][devices] = found["1000 reads/s"][devices]
                    continue
                seen = one(devices, interval_ms, max(given.seconds, 2 * interval_ms / 1000), port)
                found[name][devices] = seen
                print(
                    f"{devices:>6} devices, {name}: {seen['cpu_us_per_read']} µs a read, {seen['cores']} cores"
                    f" ({seen['cores_archivist']} of the archive),"
                    f" kept {seen['kept']:.1%}, {seen['rss_mb']} MB, load {load()}"
                )
                sys.stdout.flush()
    last: dict[str, object] = {}
    for name, by_devices in found.items():
        costs = {devices: seen["cpu_us_per_read"] for devices, seen in by_devices.items()}
        usual = costs.get(1000, next(iter(costs.values())))
        most = max(abs(cost / usual - 1) for cost in costs.values())
        print(f"{'met' if most <= FLAT else 'NOT MET'}: {name}: within {most:.0%} of what 1,000 devices cost (± 20 %)")
        last[name] = costs
    print(json.dumps(last))


if __name__ == "__main__":
    main()
