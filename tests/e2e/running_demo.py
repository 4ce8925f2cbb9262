"""The real demo on free ports: the simulated building and the service, each a process of its own, with faults at will."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from dutyroom import demo
from dutyroom.players import tell_building
from dutyroom.selfwatch import HOST
from simulators.planting import move_ports
from sitefolder import load

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = demo.PASSWORD


class RunningDemo:
    """A building and a service that watches it. Nothing happens in the building but what a test stages."""

    def __init__(self, folder: Path) -> None:
        self.place = demo.Place(folder, demo._free_port(18_100 + os.getpid() % 500))
        self.url = self.place.url
        demo.prepare(self.place)
        # Two demos that start at once would find the same ports free.
        lines = load(self.place.site).site.lines.values()
        move_ports(self.place.site, {line.id: free_port() for line in lines if line.port})
        demo.past_readings(self.place.site, self.place.data)
        self._ports = folder / "simulators.json"
        calm = folder / "calm.toml"
        calm.touch()
        command = [sys.executable, "-m", "simulators", "--site", str(self.place.site), "--scenario", str(calm)]
        with (folder / "simulators.log").open("w") as log:
            self._building = subprocess.Popen(
                [*command, "--port-file", str(self._ports)], stdout=log, stderr=log, cwd=ROOT
            )
        self.service = demo.Service(self.place)

    def ready(self) -> None:
        """Wait until the service answers and has heard from every device."""
        assert demo._ready(self.place, self.service), "the service did not start"
        with self.as_user("operator") as line:
            until(lambda: line.get("/api/v1/site").json()["equipment"])
            # Of the building: whether anybody keeps this computer's clock is not for the demo to say.
            machines = [e["id"] for e in line.get("/api/v1/site").json()["equipment"] if e["id"] != HOST]
            for machine in machines:
                until(lambda m=machine: all(r["quality"] == "good" for r in self._points(line, m)))

    def stage(self, fault: str, equipment: str) -> float:
        """Let it happen; return the moment."""
        at = time.monotonic()
        assert tell_building(self._ports, do="stage", fault=fault, equipment=equipment)["ok"]
        return at

    def restore(self, fault: str, equipment: str) -> None:
        """Put it right."""
        assert tell_building(self._ports, do="restore", fault=fault, equipment=equipment)["ok"]

    def messages(self, incident: str = "") -> list[dict]:
        """What the demo phones got, newest first."""
        got = httpx.get(f"{self.url}/api/v1/demo/phone?limit=200").json()
        return [m for m in got if incident in {"", m["incident"]}]

    def link(self, incident: str, person: str) -> str:
        """A person's own link to an incident."""
        return until(lambda: next((m["link"] for m in self.messages(incident) if m["person"] == person), None))

    @contextlib.contextmanager
    def as_user(self, user: str) -> Iterator[httpx.Client]:
        """Speak to the API as one of the demo users."""
        with httpx.Client(base_url=self.url, headers={"origin": self.url}, timeout=10) as line:
            line.post("/api/v1/login", json={"user": user, "password": PASSWORD}).raise_for_status()
            yield line

    def records(self, subject: str) -> list[dict]:
        """Every record of a subject, as a manager reads them."""
        with self.as_user("manager") as line:
            return line.get("/api/v1/records", params={"subject": subject, "limit": 500}).json()

    def kill(self) -> None:
        """Kill -9."""
        self.service.process.kill()
        self.service.process.wait()

    def start_again(self) -> None:
        """As a supervisor would."""
        assert self.service.keep()

    def close(self) -> None:
        """End both processes, by their own ids."""
        self.service.stop()
        self._building.terminate()
        try:
            self._building.wait(5)
        except subprocess.TimeoutExpired:
            self._building.kill()
            self._building.wait()

    @staticmethod
    def _points(line: httpx.Client, machine: str) -> list[dict]:
        return line.get("/api/v1/points", params={"equipment": machine}).json()


def free_port() -> int:
    """A port that nobody has, and nobody is soon given again."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(ask, seconds: float = 15.0):
    """Ask until the answer is something; return it."""
    end = time.monotonic() + seconds
    while not (said := ask()):
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.05)
    return said
