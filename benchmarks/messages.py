"""What an MQTT message costs from the socket to the sink, and whether all of them come.

Mosquitto (a process of its own), 500 raw publishers (another), 5,000 messages/s at QoS 1, ten JSON values each, with
the gateway's clock and number; our process listens with the whole of `collectors.mqtt.line`, hands every scan to a sink
that makes them durable together every 100 ms as the desk does, and acknowledges. It ends with one JSON line.
"""

import argparse
import asyncio
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import uvloop

from benchmarks import publishers
from benchmarks.running import free_port, load, part
from collectors.profile import MqttField, MqttMap, MqttMessage, Profile, Trust
from collectors.supervisor import Collectors
from dutyroom.clock import SystemClock
from dutyroom.supervisor import Supervisor
from facility.duty import Roster
from facility.equipment import Device, Equipment, Line
from facility.point import Kind, Point, System
from facility.scan import Scan
from facility.site import Site
from facility.supply import Supply
from facility.text import Text

WORDS = Text("基准", "benchmark")
COMMIT_S = 0.1
MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"


class Broker:
    """Mosquitto without limits of its own, on a free port."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        config = folder / "mosquitto.conf"
        config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nmax_inflight_messages 0\n"
            f"log_dest none\n{'user root' if os.getuid() == 0 else ''}\n"
        )
        self.process = subprocess.Popen([MOSQUITTO, "-c", str(config)], stderr=subprocess.DEVNULL)

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(10)


class Publishers:
    """The crowd's process; it publishes from `go` to `end`."""

    def __init__(self, port: int, clients: int, per_second: float) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.publishers", str(port), str(clients), str(per_second)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent,
        )  # fmt: skip
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def end(self) -> dict[str, float]:
        """Stop, and return what it sent and what the broker acknowledged."""
        out, _ = self.process.communicate()
        self.process.wait(20)
        said: dict[str, float] = json.loads(out)
        return said


def gateways(clients: int) -> tuple[dict[str, Device], Profile]:
    """Return the listening side of the crowd: a device for each client, and their profile."""
    names = [f"v{n}" for n in range(publishers.VALUES)]
    mqtt = MqttMap(
        messages=(MqttMessage("live", "bench/{device}/live"),),
        fields={n: MqttField(n, (n,), point=n, message="live") for n in names},
        time=("ts",),
        seq=("seq",),
    )
    profile = Profile("gateway", WORDS, "gateway", 60_000, "made for the benchmark", Trust.OWN, "1", mqtt=mqtt)
    ids = [publishers.topic(i).split("/")[1] for i in range(clients)]
    return {
        id: Device(id, "gateway", "broker", 60_000, tuple(names), tuple(f"{id}/{n}" for n in names), topic=id)
        for id in ids
    }, profile


class Sink:
    """Takes scans as the desk does: many become durable at once."""

    def __init__(self) -> None:
        self.scans, self.letters = 0, 0
        self.heard: dict[str, set[int]] = {}
        self.took: list[float] = []
        self.dones: list[Callable[[], None]] = []

    def scan(self, scan: Scan, done: Callable[[], None] | None = None) -> None:
        if done is None:
            return  # a missed interval
        self.scans += 1
        self.took.append(time.time() * 1000 - scan.at_ms)
        self.heard.setdefault(scan.device, set()).add(scan.seq)
        self.dones.append(done)

    def dead_letter(self, _source: str, _payload: bytes, _why: str) -> None:
        self.letters += 1

    async def commit(self) -> None:
        while True:
            await asyncio.sleep(COMMIT_S)
            dones, self.dones = self.dones, []
            for done in dones:
                done()


async def measure(clients: int, per_second: float, seconds: float, folder: Path) -> dict[str, object]:
    """Listen to the crowd for so long and return what it cost."""
    devices, profile = gateways(clients)
    points = {n: Point(n, WORDS) for n in devices["g0000"].channels}
    broker = Broker(folder)
    await asyncio.sleep(0.3)
    site = Site(
        id="bench", name=WORDS, timezone="UTC", hash="", contract={},
        kinds={"k": Kind("k", WORDS, System.SYSTEM, points)},
        equipment={id: Equipment(id, "k", WORDS, WORDS) for id in devices},
        lines={"broker": Line("broker", "mqtt", "127.0.0.1", broker.port, protocol="5")}, devices=devices,
        rules={}, plans={}, people={}, parties={}, roster=Roster((), ()), supply=Supply(),
    )  # fmt: skip
    clock, sink, supervisor = SystemClock(), Sink(), Supervisor()
    collectors = Collectors(site, {"gateway": profile}, sink, clock, supervisor, {})
    collectors.start()
    committing = asyncio.create_task(sink.commit())
    crowd = await asyncio.to_thread(Publishers, broker.port, clients, per_second)
    for _ in range(500):
        if collectors.status()[0].connected:
            break
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.3)
    crowd.go()
    await asyncio.sleep(2)
    sink.took.clear()
    scans, cpu, wall = sink.scans, time.process_time(), time.perf_counter()
    await asyncio.sleep(seconds)
    scans, cpu, wall = sink.scans - scans, time.process_time() - cpu, time.perf_counter() - wall
    took = list(sink.took)
    said = await asyncio.to_thread(crowd.end)
    await asyncio.sleep(1)
    committing.cancel()
    await collectors.stop()
    await supervisor.stop()
    broker.close()
    heard = sum(len(numbers) for numbers in sink.heard.values())
    return {
        "clients": clients,
        "messages": scans,
        "per_second": round(scans / wall),
        "cpu_us_per_message": round(cpu / max(1, scans) * 1e6, 1),
        "p50_ms": round(part(took, 0.5), 1),
        "p99_ms": round(part(took, 0.99), 1),
        "sent": said["sent"],
        "lost": said["sent"] - heard,
        "twice": sink.scans - heard,
        "dead_letters": sink.letters,
        "publisher_cpu_us": said["cpu_us"],
        "rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "load": load(),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--clients", type=int, default=500)
    parser.add_argument("--rate", type=float, default=5000.0, help="messages a second, of all clients together")
    parser.add_argument("--plain-loop", action="store_true", help="asyncio's own loop instead of uvloop")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        run = asyncio.run if given.plain_loop else uvloop.run
        print(json.dumps(run(measure(given.clients, given.rate, given.seconds, Path(folder)))))


if __name__ == "__main__":
    main()
