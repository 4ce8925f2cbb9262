"""kill -9 of the broker and of the service, mixed, at seeded random instants; judged by what the publishers said.

`python -m tests.torture.kills_mqtt [--kills 200] [--seed 20261122]`. Mosquitto and `dutyroom serve` are the real
programs. Publishers of three manners (`publishers.py`) say something every few milliseconds. Afterwards:

- of those that keep until our receipt nothing is missing, nothing is there twice, and their outboxes are empty;
- of those that only count, every missing message lies in a recorded gap that names its number, no gap names another,
  and history shows it;
- of plain ones, every message that the broker had taken and that is missing lies within a recorded gap, and so does the
  moment of every kill.
"""

import argparse
import contextlib
import json
import os
import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from dutyroom.clock import SystemClock
from facility.scan import Reason
from stores.telemetry.archive import Archive
from stores.telemetry.spool import Spool

ROOT = Path(__file__).parent.parent.parent
DEMO = ROOT / "simulators" / "sites" / "demo"
MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
JUDGE = "judge"  # a cursor that keeps every row in the spool
CHANNELS = ("energy_import", "v_an", "i_a", "p_total")
_PROFILE = """name = {{ zh = "{id}", en = "{id}" }}
kind = "lv_meter"
interval = "2 s"
trust = "product-default"
source = "made for this test"
channel = [
    {{ id = "energy_import", path = "v.number" }}, {{ id = "v_an", path = "v.a" }},
    {{ id = "i_a", path = "v.b" }}, {{ id = "p_total", path = "v.c" }},
]
[mqtt]
time = "t"
{more}
message = [{{ id = "live", topic = "site/{{device}}/live" }}]
"""
MANNERS = {
    "keeper": 'seq = "n"\nepoch = "box"\noldest = "old"\nreceipt = "site/{device}/receipt"',
    "counter": 'seq = "n"',
    "plain": "",
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Verdict:
    """What was found; everything under `wrong` must be empty."""

    readings: int = 0
    said: Counter = field(default_factory=Counter)
    missing: Counter = field(default_factory=Counter)
    doubled: Counter = field(default_factory=Counter)
    gaps: Counter = field(default_factory=Counter)
    late: Counter = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


class Trial:
    """Broker, service and publishers of one trial."""

    def __init__(self, folder: Path, seed: int, *, keepers: int, counters: int, plains: int, every_ms: int) -> None:
        self.folder, self.roll = folder, random.Random(seed)
        self.numbers = {"keeper": keepers, "counter": counters, "plain": plains}
        self.every_ms = every_ms
        self.devices = [f"{manner}-{n}" for manner, count in self.numbers.items() for n in range(count)]
        self.port, self.web = free_port(), free_port()
        self.site, self.data = folder / "site", folder / "data"
        self.killed: Counter = Counter()
        self.kill_ms: list[int] = []
        self.broker = self.service = self.publishers = None
        self._log = (folder / "service.log").open("a")
        self._prepare()

    def _prepare(self) -> None:
        (self.site / "profiles").mkdir(parents=True)
        for name in ("site.toml", "people.toml", "roster.toml"):
            shutil.copy(DEMO / name, self.site)
        for manner, more in MANNERS.items():
            text = _PROFILE.format(id=manner, more=more)
            (self.site / "profiles" / f"{manner}.toml").write_text(text)
        lines = [f'[[line]]\nid = "broker"\ntransport = "mqtt"\nhost = "127.0.0.1"\nport = {self.port}']
        lines += [
            f'[[equipment]]\nid = "m-{device}"\nkind = "lv_meter"\nname = {{ zh = "{device}", en = "{device}" }}\n'
            f'place = {{ zh = "x", en = "x" }}\n[[device]]\nid = "{device}"\nprofile = "{device.split("-")[0]}"\n'
            f'line = "broker"\ntopic = "{device}"\nequipment = "m-{device}"'
            for device in self.devices
        ]
        (self.site / "equipment.toml").write_text("\n".join(lines) + "\n")
        user = "user root\n" if os.getuid() == 0 else ""
        (self.folder / "mosquitto.conf").write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 100000\nmax_inflight_messages 0\n"
            f"persistence true\npersistence_location {self.folder}/\nlog_dest none\n{user}"
        )
        spool = Spool(self.data / "spool.db", SystemClock())
        spool.cursor(JUDGE)
        spool.close()

    # -- running ----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        self.start_broker()
        self.start_service()
        self.serving()
        words = [self.folder, self.port, *self.numbers.values(), self.every_ms]
        self.publishers = subprocess.Popen(
            [sys.executable, "-m", "tests.torture.publishers", *map(str, words)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
        )  # fmt: skip
        assert self.publishers.stdout.readline() == "up\n"
        # Who was never heard has no number that another could be missing after.
        while self.serving()["lines"][0]["reads"] < 8 * len(self.devices):
            time.sleep(0.05)

    def start_broker(self) -> None:
        self.broker = subprocess.Popen(
            [MOSQUITTO, "-c", str(self.folder / "mosquitto.conf")], stderr=subprocess.DEVNULL
        )

    def start_service(self) -> None:
        env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE" and not k.startswith("DUTYROOM_")}
        self.service = subprocess.Popen(
            [sys.executable, "-m", "dutyroom", "serve", str(self.site), "--data", str(self.data), "--port", str(self.web)],
            stdout=self._log, stderr=self._log, cwd=ROOT, env=env,
        )  # fmt: skip

    def serving(self, within_s: float = 60) -> dict:
        """Wait until the service has the broker."""
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            assert self.service.poll() is None, (self.folder / "service.log").read_text()[-3000:]
            with (
                contextlib.suppress(OSError, ValueError),
                urllib.request.urlopen(f"http://127.0.0.1:{self.web}/api/v1/health", timeout=2) as answer,
            ):
                health = json.load(answer)
                if any(line["connected"] for line in health["lines"]):
                    return health
            time.sleep(0.05)
        raise AssertionError(f"the service does not serve\n{(self.folder / 'service.log').read_text()[-3000:]}")

    def kill(self, victim: str) -> None:
        self.killed[victim] += 1
        self.kill_ms.append(int(time.time() * 1000))
        if victim != "service":
            self.broker.send_signal(signal.SIGKILL)
            self.broker.wait()
        if victim != "broker":
            self.service.send_signal(signal.SIGKILL)
            self.service.wait()

    def revive(self, victim: str) -> None:
        if victim != "service":
            self.start_broker()
        if victim != "broker":
            self.start_service()

    def torment(self, kills: int, pause_s: tuple[float, float], *, patience: float = 0.6) -> None:
        """Kill so many times; `patience` of the time a started service is first waited for."""
        for n in range(kills):
            time.sleep(self.roll.uniform(*pause_s))
            victim = self.roll.choices(("broker", "service", "both"), (5, 5, 2))[0]
            self.kill(victim)
            time.sleep(self.roll.choice((0.0, self.roll.uniform(0, 0.6))))
            self.revive(victim)
            if self.roll.random() < patience:
                self.serving()
            if (n + 1) % 20 == 0:
                print(f"{n + 1} kills: {dict(self.killed)}", flush=True)

    def finish(self) -> None:
        """Let everybody live, say the last words, and stop in order."""
        self.serving()
        time.sleep(1.0)  # the publishers are back as well, and everybody says something
        self.publishers.stdin.write("stop\n")
        self.publishers.stdin.flush()
        assert self.publishers.stdout.readline() == "done\n"
        self.publishers.wait(10)
        self.service.send_signal(signal.SIGTERM)
        assert self.service.wait(30) == 0, (self.folder / "service.log").read_text()[-3000:]

    def close(self) -> None:
        for process in (self.publishers, self.service, self.broker):
            if process is not None:
                process.kill()
                process.wait()
                for pipe in (process.stdin, process.stdout):
                    if pipe is not None:
                        pipe.close()
        self._log.close()

    # -- judging ----------------------------------------------------------------------------------------------------

    def judge(self) -> Verdict:
        told = json.loads((self.folder / "ledger.json").read_text())
        said = {device: {int(n): at for n, at in ledger.items()} for device, ledger in told["said"].items()}
        spool = Spool(self.data / "spool.db", SystemClock())
        try:
            verdict = Verdict()
            if told["waiting"]:
                verdict.wrong.append(f"still waiting for receipts: {told['waiting']}")
            stored, lost_rows = self._stored(spool, said, verdict)
            for device in self.devices:
                getattr(self, f"_judge_{device.split('-')[0]}")(
                    spool, device, said[device], stored[device], lost_rows, verdict
                )
            self._judge_archive(spool, stored, verdict)
            return verdict
        finally:
            spool.close()

    def _stored(self, spool: Spool, said: dict, verdict: Verdict) -> tuple[dict[str, Counter], dict[str, list[int]]]:
        stored: dict[str, Counter] = {device: Counter() for device in self.devices}
        lost_rows: dict[str, list[int]] = {device: [] for device in self.devices}
        while found := spool.read(JUDGE, 5000):
            for _, _, scans in found:
                for scan in scans:
                    if scan.device not in stored:
                        continue
                    manner = scan.device.split("-")[0]
                    if scan.reasons[0] == Reason.LOST:
                        lost_rows[scan.device].append(scan.at_ms)
                    elif scan.reasons[0] in {Reason.GOOD, Reason.LATE}:
                        number = int(scan.values[0])
                        stored[scan.device][number] += 1
                        verdict.readings += len(scan.values)
                        verdict.late[manner] += scan.reasons[0] == Reason.LATE
                        if said[scan.device].get(number, scan.at_ms) != scan.at_ms:
                            verdict.wrong.append(f"{scan.device} {number}: stored at another time than its own")
                    elif scan.reached:
                        verdict.wrong.append(f"{scan.device}: a scan with reason {Reason(scan.reasons[0]).name}")
            spool.advance(JUDGE, found[-1][0])
        for device, counts in stored.items():
            manner = device.split("-")[0]
            verdict.said[manner] += len(said[device])
            verdict.missing[manner] += len(said[device].keys() - counts.keys())
            verdict.doubled[manner] += sum(n - 1 for n in counts.values())
        return stored, lost_rows

    @staticmethod
    def _judge_keeper(_spool, device, said, counts, lost_rows, verdict) -> None:
        if missing := sorted(said.keys() - counts.keys()):
            verdict.wrong.append(f"{device}: lost {missing[:20]}")
        if doubled := [n for n, times in counts.items() if times > 1]:
            verdict.wrong.append(f"{device}: stored twice {doubled[:20]}")
        if lost_rows[device] or _spool.gaps(1, device):
            verdict.wrong.append(f"{device}: a gap though nothing is missing: {_spool.gaps(3, device)}")

    @staticmethod
    def _judge_counter(spool, device, said, counts, lost_rows, verdict) -> None:
        gaps = [g for g in spool.gaps(10_000, device) if g.gap.why is Reason.LOST]
        verdict.gaps["counter"] += len(gaps)
        named = {n: g.gap for g in gaps for n in range(g.gap.first, g.gap.first + g.gap.missing)}
        missing = said.keys() - counts.keys()
        for n in missing:
            gap = named.get(n)
            if gap is None or not gap.from_ms <= said[n] <= gap.to_ms:
                verdict.wrong.append(f"{device} {n}: missing at {said[n]} and in no gap ({gap})")
            elif not any(gap.from_ms <= at <= gap.to_ms for at in lost_rows[device]):
                verdict.wrong.append(f"{device} {n}: history does not show its gap")
        open_ = sum(g.gap.missing - g.filled for g in gaps)
        if open_ != len(missing):
            verdict.wrong.append(f"{device}: gaps say {open_} are missing, and {len(missing)} are")
        total = spool.gap_counts().get(device)
        if total is not None and (total.gaps, total.missing - total.filled) != (len(gaps), open_):
            verdict.wrong.append(f"{device}: the count per device says {total}")

    def _judge_plain(self, spool, device, said, counts, _lost_rows, verdict) -> None:
        gaps = [g.gap for g in spool.gaps(10_000, device) if g.gap.why is Reason.NOT_CONNECTED]
        verdict.gaps["plain"] += len(gaps)
        for n in said.keys() - counts.keys():
            if not any(g.from_ms <= said[n] <= g.to_ms for g in gaps):
                verdict.wrong.append(f"{device} {n}: missing at {said[n]} and in no gap")
        for at in self.kill_ms:
            if not any(g.from_ms <= at <= g.to_ms for g in gaps):
                verdict.wrong.append(f"{device}: no gap around the kill at {at}")

    def _judge_archive(self, spool: Spool, stored: dict[str, Counter], verdict: Verdict) -> None:
        """What the archive gives back is what the spool held."""
        archive = Archive(self.data / "archive", spool)
        try:
            now = SystemClock().now()
            while archive.compact(spool, now):
                pass
            points = {f"m-{device}/energy_import": device for device in self.devices}
            for found in archive.completeness(points, now - 86_400_000, now + 1000):
                device = points[found.point]
                held = sum(stored[device].values())
                if found.count + found.bad < held:
                    verdict.wrong.append(f"{device}: {held} stored, {found.count} + {found.bad} in the archive")
        finally:
            archive.close()


def main() -> int:
    words = argparse.ArgumentParser()
    words.add_argument("--kills", type=int, default=200)
    words.add_argument("--seed", type=int, default=20261122)
    words.add_argument("--keep", action="store_true", help="leave the folder for a look")
    asked = words.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="kills-mqtt-"))
    trial = Trial(folder, asked.seed, keepers=8, counters=4, plains=2, every_ms=50)
    began = time.monotonic()
    try:
        trial.start()
        trial.torment(asked.kills, (0.2, 3.0))
        trial.finish()
        verdict = trial.judge()
    finally:
        trial.close()
        if not asked.keep:
            shutil.rmtree(folder, ignore_errors=True)
    took = time.monotonic() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"seed {asked.seed}: {sum(trial.killed.values())} kills {dict(trial.killed)} in {took:.0f} s, "
        f"{verdict.readings} readings in {sum(verdict.said.values())} messages {dict(verdict.said)}\n"
        f"missing {dict(verdict.missing)}, twice {dict(verdict.doubled)}, late {dict(verdict.late)}, "
        f"recorded gaps {dict(verdict.gaps)}\n"
        f"CPU of broker, service and publishers {used.ru_utime + used.ru_stime:.0f} s, load {os.getloadavg()[0]:.1f}"
    )
    for one in verdict.wrong[:50]:
        print("WRONG", one)
    print("fulfilled" if not verdict.wrong else f"NOT fulfilled: {len(verdict.wrong)}")
    return 1 if verdict.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
