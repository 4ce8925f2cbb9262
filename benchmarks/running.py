"""What the benchmarks of the whole service share: a copy of the demo site, the processes, a receiver of pages.

Every process is a child of the benchmark's, started as an operator starts it, and ended by its own handle.
"""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any

from simulators.planting import move_ports, plant

ROOT = Path(__file__).parent.parent
DEMO = ROOT / "simulators" / "sites" / "demo"
PASSWORD = "only for a benchmark"
# A service starts from its bytecode, and is set by nothing but what the benchmark says.
ENV = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE" and not k.startswith("DUTYROOM_")}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def load() -> float:
    """Return the load average of the last minute: a figure measured on a busy machine says little."""
    return round(os.getloadavg()[0], 2)


def rest(patience_s: float) -> float:
    """Wait, but not longer than this, for a second in which the machine idles; return how busy the last second was."""
    until = time.monotonic() + patience_s
    while True:
        before = _ticks()
        time.sleep(1.0)
        idle, all_ = (now - then for now, then in zip(_ticks(), before, strict=True))
        busy = 1 - idle / max(1, all_)
        if busy < 0.15 or time.monotonic() >= until:
            return round(busy, 2)


def _ticks() -> tuple[int, int]:
    """Return the idle and all ticks of the processors so far (Linux)."""
    ticks = [int(n) for n in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return ticks[3] + ticks[4], sum(ticks)


def part(values: Sequence[float], share: float) -> float:
    """Return the value below which so large a share of the values lies."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(len(ranked) * share))]


def copied_site(folder: Path, url: str = "") -> Path:
    """Return a copy of the demo site on free ports; with a `url`, everybody is paged by webhook there."""
    site = folder / "site"
    shutil.copytree(DEMO, site)
    plant(site, time.time_ns() // 1_000_000)
    if url:
        people = (site / "people.toml").read_text(encoding="utf-8")
        people = re.sub(r'kind = "demo", address = "[^"]*"', f'kind = "webhook", address = "{url}"', people)
        (site / "people.toml").write_text(people, encoding="utf-8")
    lines = re.findall(r'\[\[line\]\]\nid = "([^"]+)"', (site / "equipment.toml").read_text(encoding="utf-8"))
    move_ports(site, {line: free_port() for line in lines})
    return site


class Receiver:
    """A webhook endpoint that takes every page and remembers when each key first came, in UTC milliseconds."""

    def __init__(self) -> None:
        arrived: dict[str, float] = {}
        self.arrived = arrived

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                at_ms = time.time_ns() / 1e6  # once the request's head is read
                self.rfile.read(int(self.headers["content-length"]))
                arrived.setdefault(self.headers["idempotency-key"], at_ms)
                self.send_response(200)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_said: object) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256  # of five, a burst of pages overflows it, and TCP tries again after a second

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/page"
        Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Building:
    """The simulators' process and its control port."""

    def __init__(self, site: Path, folder: Path) -> None:
        ports = folder / "ports.json"
        with (folder / "simulators.log").open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "simulators", "--site", str(site), "--port-file", str(ports)],
                stdout=log, stderr=log, cwd=ROOT, env=ENV,
            )  # fmt: skip
        until = time.monotonic() + 60
        while not ports.exists() or not ports.read_text():
            assert self.process.poll() is None, (folder / "simulators.log").read_text()
            assert time.monotonic() < until, "the simulators do not come up"
            time.sleep(0.05)
        self._line = socket.create_connection(("127.0.0.1", json.loads(ports.read_text())["control"]), timeout=10)
        self._answers = self._line.makefile()
        self._turn = Lock()

    def tell(self, do: str, fault: str, equipment: str) -> None:
        with self._turn:
            self._line.sendall(json.dumps({"do": do, "fault": fault, "equipment": equipment}).encode() + b"\n")
            answer = json.loads(self._answers.readline())
        assert answer["ok"], answer

    def close(self) -> None:
        self._answers.close()
        self._line.close()
        ended(self.process)


class Service:
    """The service's process."""

    def __init__(self, site: Path, data: Path) -> None:
        self.site, self.data, self.port = site, data, free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self._cookie = ""

    def start(self) -> float:
        """Start it, and return the seconds until it says 200 to the question how it is."""
        began = time.monotonic()
        words = ["serve", str(self.site), "--data", str(self.data), "--port", str(self.port)]
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "dutyroom", *words], stdout=log, stderr=log, cwd=ROOT, env=ENV
            )
        while time.monotonic() < began + 120:
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            with contextlib.suppress(OSError):
                self.get("/api/v1/health")
                return time.monotonic() - began
            time.sleep(0.01)
        raise AssertionError("the service does not serve")

    @property
    def log(self) -> Path:
        return self.data.with_name(self.data.name + ".log")

    def cpu_s(self) -> float:
        """Return the processor seconds it took so far (Linux)."""
        assert self.process is not None
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def log_in(self, user: str) -> None:
        """Be this user from now on."""
        asked = self._request("/api/v1/login", {"user": user, "password": PASSWORD})
        with urllib.request.urlopen(asked, timeout=10) as answer:
            self._cookie = answer.headers["set-cookie"].partition(";")[0]

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self._request(path), timeout=10) as answer:
            return json.load(answer)

    def post(self, path: str, **said: object) -> Any:
        """Post a command; return its answer, or the problem with its "status"."""
        try:
            with urllib.request.urlopen(self._request(path, said), timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refused:
            with refused:
                return json.load(refused)

    def stop(self) -> None:
        if self.process is not None:
            ended(self.process)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)

    def _request(self, path: str, body: object = None) -> urllib.request.Request:
        base = f"http://127.0.0.1:{self.port}"
        head = {"origin": base, "cookie": self._cookie, "content-type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        return urllib.request.Request(base + path, data, head)


def ended(process: "subprocess.Popen[Any]") -> None:
    """Ask a process to end; insist after a while."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(20)
    process.kill()
    process.wait(10)
