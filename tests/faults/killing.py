"""The simulated building, a site whose people are paged by webhook, and the receiver of those pages: from outside."""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from simulators.planting import move_ports, plant

ROOT = Path(__file__).parent.parent.parent
ENV = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}  # a service starts from its bytecode
DEMO = ROOT / "simulators" / "sites" / "demo"


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
        while not (self._ports.exists() and self._ports.read_text()) and time.monotonic() < until:
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
