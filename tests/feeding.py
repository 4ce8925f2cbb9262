"""A process that commits scans to a spool and forwards it, told on its output what is committed: to be killed.

`python feeding.py SPOOL URL DATABASE VERSION`: commits one scan of 20 readings every few milliseconds; the first value
counts on, over all restarts. Prints the newest committed number; a line on its input ends the committing, and it goes
when all is forwarded.
"""

import sys
import threading
import time
from pathlib import Path

from dutyroom.clock import SystemClock
from facility.scan import Reason, Scan
from stores.telemetry import forward as forwarding_rules
from stores.telemetry.influx import Influx
from stores.telemetry.influxserver import Address
from stores.telemetry.spool import Spool

POINTS = ("L1/number", *(f"L1/p{n:02}" for n in range(19)))


def main(path: str, url: str, database: str, version: str) -> None:
    clock = SystemClock()
    spool = Spool(Path(path), clock)
    spool.layout("lift-1", POINTS, "v1")
    forwarding_rules.LOOK_MS = 500
    influx = Influx(Address(url, database, version, "o", token="t", timeout_s=2), "s", {"L1": "lift"}, spool)  # type: ignore[arg-type]  # 1 or 2
    ending = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.readline(), ending.set()), daemon=True).start()

    def forward() -> None:
        while not (ending.is_set() and influx.forwarder.sent(spool) == spool.last_row and influx.forwarder.sure):
            if not influx.forward(spool, clock.now()):
                # Trouble is waited for with a tenth of the real patience, or the test would take minutes.
                influx.forwarder._not_before = min(influx.forwarder._not_before, clock.now() + 200)
                time.sleep(0.02)

    forwarding = threading.Thread(target=forward)
    forwarding.start()
    number, last_ms = _last(spool), 0
    while not ending.is_set():
        number += 1
        last_ms = max(clock.now(), last_ms + 1)
        bad = bytes([0, Reason.SENTINEL]) + bytes(18)
        values = (float(number), float("nan"), *(number * 0.1,) * 18)
        spool.checkpoint(spool.commit([Scan("lift-1", last_ms, last_ms, values, bad)]), b"")
        print(number, flush=True)
        spool.trim(clock.now())
        time.sleep(0.005)
    forwarding.join()
    influx.close()
    spool.close()


def _last(spool: Spool) -> int:
    """What a committed but unprinted scan said must not be said twice."""
    newest = spool.batches(spool.last_row - 1, 1)
    return int(newest[-1][1].scans({1: "lift-1"})[-1].values[0]) if newest else 0


if __name__ == "__main__":
    main(*sys.argv[1:])
