"""How long it takes from a fault at a device to the page on its way, and to the alarm on the screen.

`python -m benchmarks.latency [--samples 80]`: the real service on a copy of the demo site, the simulators in their own
process, everybody paged by webhook to a receiver in this one. A fire signal (Modbus, a contact polled every 500 ms) and
people trapped in six lifts (MQTT) are staged at random moments, each until its pages have come; then the fault is put
right, the alarm acknowledged, the steps left out and the incident closed by a manager over HTTP, so that the next
staging opens a new incident and pages again. Two spans are taken from each staging:

page   from the scan that showed the fault (`scan_ms` of its alarm.raised: when the reply was there; for MQTT the
       gateway's own stamp, so that publishing and the broker count too) to the first POST at the receiver; `all pages`
       to the last POST of the first level. Target: p95 of page <= 500 ms.
screen from the staging at the simulator to the alarm in GET /api/v1/alarms (asked every 15 ms), less the device's
       interval; a lift's gateway publishes a new code at once, so for lifts nothing is taken off.
       Target: p95 <= 1,000 ms.
"""

import argparse
import contextlib
import json
import random
import tempfile
import time
import urllib.parse
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock, Thread

from benchmarks.running import PASSWORD, Building, Receiver, Service, copied_site, load, part
from stores.accounts import Accounts

LIFTS = ("lift-1a", "lift-1b", "lift-2a", "lift-2b", "lift-p1", "lift-p2")
QUICK = ("lift-trapped-code", "lift-bell")
"""Rules whose return to normal is believed after a second instead of ten, or each sample would take as long."""
PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class Stage:
    """A fault that is staged again and again."""

    wire: str
    machine: str
    fault: str
    rule: str
    interval_ms: int  # taken off the screen's span

    @property
    def alarm(self) -> str:
        return f"alarm:{self.machine}/{self.rule}"


STAGES = (
    Stage("modbus", "fire-panel-1", "fire-signal", "fire-signal", 500),
    *(Stage("mqtt", lift, "lift-entrapment", "lift-trapped-code", 0) for lift in LIFTS),
)


@dataclass(slots=True)
class Spans:
    """Milliseconds, sample by sample."""

    page: list[float] = field(default_factory=list)
    all_pages: list[float] = field(default_factory=list)
    screen: list[float] = field(default_factory=list)
    raw_screen: list[float] = field(default_factory=list)


class Screen:
    """Asks for the list of alarms as fast as a screen never would, and remembers when each was first on it."""

    def __init__(self, service: Service) -> None:
        self._service, self._over = service, Event()
        self.shown: dict[tuple[str, int], float] = {}
        self.rows: dict[str, dict[str, object]] = {}
        self._thread = Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._over.wait(0.015):
            rows = self._service.get("/api/v1/alarms")
            now = time.time_ns() / 1e6
            for row in rows:
                self.shown.setdefault((row["subject"], row["raised_ms"]), now)
            self.rows = {row["subject"]: row for row in rows}

    def close(self) -> None:
        self._over.set()
        self._thread.join()


class Sampler:
    """Stages one fault after the other on one machine."""

    def __init__(self, stage: Stage, service: Service, building: Building, screen: Screen, pages: Receiver) -> None:
        self.stage, self.spans, self.failed = stage, Spans(), 0
        self._service, self._building, self._screen, self._pages = service, building, screen, pages
        self._presses = 0
        self._raised_ms = 0  # of the sample before

    def run(self, wanted: Iterator[int], turns: Lock) -> None:
        """Take samples until none is wanted any more."""
        while True:
            with turns:
                if next(wanted, None) is None:
                    return
            self._sample()

    def _sample(self) -> None:
        s = self.stage
        time.sleep(random.uniform(0.0, 1.0))  # any phase of the poll
        began = time.time_ns() / 1e6
        self._building.tell("stage", s.fault, s.machine)
        before = self._raised_ms
        raised = _until(lambda: next((at for (a, at) in tuple(self._screen.shown) if a == s.alarm and at > before), 0))
        self._raised_ms = raised
        incident = str(_until(lambda: self._screen.rows.get(s.alarm, {}).get("incident")))
        keys = _until(lambda: self._requested(incident))
        _until(lambda: all(key in self._pages.arrived for key in keys))
        self._building.tell("restore", s.fault, s.machine)
        record = next(r for r in self._records(s.alarm) if r["kind"] == "alarm.raised" and r["at_ms"] == raised)
        arrived = [self._pages.arrived[key] - record["data"]["scan_ms"] for key in keys]
        shown = self._screen.shown[s.alarm, raised] - began
        self.spans.page.append(min(arrived))
        self.spans.all_pages.append(max(arrived))
        self.spans.raw_screen.append(shown)
        self.spans.screen.append(shown - s.interval_ms)
        self._put_right(incident)

    def _requested(self, incident: str) -> list[str]:
        """Return the keys of the first level's pages; empty while none was requested."""
        asked = [r["data"] for r in self._records(f"incident:{incident}") if r["kind"] == "page.requested"]
        return [
            page["key"] for page in asked if page["level"] == asked[0]["level"] and page["round"] == asked[0]["round"]
        ]

    def _records(self, subject: str) -> list[dict]:
        return self._service.get(f"/api/v1/records?limit=500&subject={urllib.parse.quote(subject)}")

    def _put_right(self, incident: str) -> None:
        """Close the incident as soon as it lets itself be closed."""
        whole = self._service.get(f"/api/v1/incidents/{incident}")
        for step in whole["steps"]:
            if step["mandatory"]:
                self._press(f"/api/v1/incidents/{incident}/skip", step=step["id"], reason="benchmark")
        _until(lambda: "status" not in self._press(f"/api/v1/incidents/{incident}/close", cause="benchmark"), 0.2)
        for alarm in whole["alarms"]:
            self._press("/api/v1/alarms/acknowledge", alarm=alarm)
        _until(lambda: not any(a in self._screen.rows for a in whole["alarms"]))

    def _press(self, path: str, **said: object) -> dict:
        self._presses += 1
        return self._service.post(path, request=f"{self.stage.machine}-{self._presses}", **said)


def _until(found, pause: float = 0.02):
    """Ask until the answer is worth something."""
    until = time.monotonic() + PATIENCE_S
    while not (answer := found()):
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(pause)
    return answer


def measure(samples: int, folder: Path) -> dict[str, Spans]:
    """Run everything and return the spans by wire."""
    pages = Receiver()
    site = copied_site(folder, pages.url)
    rules = [f'[[change]]\nid = "{r}"\noff_delay = "1 s"\nreason = "benchmark"\n' for r in QUICK]
    (site / "rules.toml").write_text("\n".join(rules), encoding="utf-8")
    (folder / "data").mkdir()
    accounts = Accounts(folder / "data" / "accounts.db")
    accounts.user_add("bench", "基准", "manager", PASSWORD)
    accounts.close()
    service = Service(site, folder / "data")
    with contextlib.ExitStack() as open_:
        open_.callback(pages.close)
        building = Building(site, folder)
        open_.callback(building.close)
        open_.callback(service.stop)
        service.start()
        service.log_in("bench")
        time.sleep(5)  # lines come up, every point is read
        screen = Screen(service)
        open_.callback(screen.close)
        half = samples // 2
        turns = {"modbus": (iter(range(half)), Lock()), "mqtt": (iter(range(samples - half)), Lock())}
        samplers = [Sampler(stage, service, building, screen, pages) for stage in STAGES]
        with ThreadPoolExecutor(len(samplers)) as pool:
            for done in [pool.submit(s.run, *turns[s.stage.wire]) for s in samplers]:
                done.result()
    spans = {"modbus": Spans(), "mqtt": Spans()}
    for sampler in samplers:
        into = spans[sampler.stage.wire]
        into.page += sampler.spans.page
        into.all_pages += sampler.spans.all_pages
        into.screen += sampler.spans.screen
        into.raw_screen += sampler.spans.raw_screen
    return spans


def _figures(values: Sequence[float]) -> dict[str, int]:
    return {
        "n": len(values),
        "p50": round(part(values, 0.5)),
        "p95": round(part(values, 0.95)),
        "max": round(max(values)),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=80, help="half of them over Modbus, half over MQTT")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        spans = measure(given.samples, Path(folder))
    both = list(spans.values())
    for wire, s in spans.items():
        print(f"{wire}: page {_figures(s.page)}, all pages {_figures(s.all_pages)}, "
              f"screen {_figures(s.screen)}, staged to screen {_figures(s.raw_screen)}")  # fmt: skip
    found = {
        "page_ms": _figures([v for s in both for v in s.page]),
        "all_pages_ms": _figures([v for s in both for v in s.all_pages]),
        "screen_ms": _figures([v for s in both for v in s.screen]),
        "load": load(),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
