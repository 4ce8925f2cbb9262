"""Runs the real service against the simulated building, kills it with SIGKILL at random instants, and judges from outside.

What was told is kept in this process: every POST a receiver got, every fault that was staged. The log book is read
only at the end.
"""

import contextlib
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from simulators.planting import move_ports, plant

ROOT = Path(__file__).parent.parent.parent
ENV = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}  # a service starts from its bytecode
DEMO = ROOT / "simulators" / "sites" / "demo"

STAGES = (
    ("pit-water", "pit-1", "pit-water"),
    ("lift-entrapment", "lift-p2", "lift-trapped-code"),
    ("fire-signal", "fire-panel-1", "fire-signal"),
    ("lift-entrapment", "lift-1b", "lift-trapped-code"),
    ("lift-entrapment", "lift-2b", "lift-trapped-code"),
    ("lift-entrapment", "lift-p1", "lift-trapped-code"),
)


SEEN_S = 8.0
"""In so long a service that is not killed any more has surely seen what was staged, delays of rules included."""


@dataclass
class Post:
    """A page as the receiver got it."""

    at: float
    key: str
    body: bytes


@dataclass
class Told:
    """The facts that this process knows by itself."""

    posts: list[Post] = field(default_factory=list)
    staged: dict[tuple[str, str], int] = field(default_factory=dict)
    started: list[float] = field(default_factory=list)
    serving_s: list[float] = field(default_factory=list)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Receiver:
    """A webhook endpoint that takes every page."""

    def __init__(self, told: Told) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                body = self.rfile.read(length)
                if len(body) < length:
                    return  # the sender died in the middle of its word
                told.posts.append(Post(time.time(), self.headers["idempotency-key"], body))
                self.send_response(200)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_said: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/page"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def prepare(folder: Path, url: str) -> Path:
    """A copy of the demo site on free ports whose people are all paged by webhook."""
    site = folder / "site"
    shutil.copytree(DEMO, site)
    plant(site, int(time.time() * 1000))
    text = (site / "people.toml").read_text(encoding="utf-8")
    text = re.sub(r'kind = "demo", address = "[^"]*"', f'kind = "webhook", address = "{url}"', text)
    (site / "people.toml").write_text(text, encoding="utf-8")
    lines = re.findall(r'\[\[line\]\]\nid = "([^"]+)"', (site / "equipment.toml").read_text(encoding="utf-8"))
    move_ports(site, {line: free_port() for line in lines})
    # Long delays would hide the clears that this test counts.
    rules = {rule for _, _, rule in STAGES}
    quick = [f'[[change]]\nid = "{rule}"\noff_delay = "1 s"\nreason = "test"\n' for rule in sorted(rules)]
    (site / "rules.toml").write_text("\n".join(quick), encoding="utf-8")
    return site


class Building:
    """The simulators' process and its control port."""

    def __init__(self, site: Path, folder: Path) -> None:
        self._ports = folder / "ports.json"
        self._log = (folder / "simulators.log").open("w")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "simulators", "--site", str(site), "--port-file", str(self._ports)],
            stdout=self._log, stderr=self._log, cwd=ROOT, env=ENV,
        )  # fmt: skip
        until = time.monotonic() + 60
        while not self._ports.exists() and time.monotonic() < until:
            assert self.process.poll() is None, (folder / "simulators.log").read_text()
            time.sleep(0.05)
        self._port = json.loads(self._ports.read_text())["control"]

    def tell(self, **asked: str) -> dict:
        with socket.create_connection(("127.0.0.1", self._port), timeout=5) as line:
            line.sendall(json.dumps(asked).encode() + b"\n")
            answer = json.loads(line.makefile().readline())
        assert answer["ok"], answer
        return answer

    def close(self) -> None:
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        self.process.kill()
        self.process.wait(5)
        self._log.close()


class Service:
    """The service under test."""

    def __init__(self, site: Path, data: Path, told: Told) -> None:
        self.site, self.data, self.told = site, data, told
        self.port = free_port()
        self.log = (data.parent / "service.log").open("a")
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        self.told.started.append(time.time())
        began = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "dutyroom", "serve", str(self.site), "--data", str(self.data), "--port", str(self.port)],
            stdout=self.log, stderr=self.log, cwd=ROOT, env=ENV,
        )  # fmt: skip
        until = time.monotonic() + 60
        while time.monotonic() < until:
            assert self.process.poll() is None, (self.data.parent / "service.log").read_text()[-3000:]
            with (
                contextlib.suppress(OSError),
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/health", timeout=2),
            ):
                self.told.serving_s.append(time.monotonic() - began)
                return
            time.sleep(0.02)
        raise AssertionError("the service does not serve")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(5)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def close(self) -> None:
        self.process.kill()
        self.process.wait(5)
        self.log.close()


class Stager:
    """Stages faults and puts them right, each long enough to be seen by a service that has just been killed."""

    def __init__(self, building: Building, told: Told, roll: random.Random, hold: tuple[float, float]) -> None:
        self._building, self._told, self._roll, self._hold = building, told, roll, hold
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(f, m, r, i)) for i, (f, m, r) in enumerate(STAGES)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        """Put everything right and wait until a service that lives has seen it."""
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def _run(self, fault: str, machine: str, rule: str, turn: int) -> None:
        self._stop.wait(turn * 1.5)
        while not self._stop.is_set():
            self._building.tell(do="stage", fault=fault, equipment=machine)
            self._told.staged[machine, rule] = self._told.staged.get((machine, rule), 0) + 1
            if self._stop.wait(self._roll.uniform(*self._hold)):
                time.sleep(SEEN_S)
            self._building.tell(do="restore", fault=fault, equipment=machine)
            if self._stop.wait(self._roll.uniform(*self._hold)):
                time.sleep(SEEN_S)
