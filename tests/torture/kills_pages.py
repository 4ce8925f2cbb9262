"""kill -9 of the service and of the provider at seeded random instants; judged by what was told outside of them.

`python -m tests.torture.kills_pages [--kills 1000] [--provider-kills 100] [--seed 20261123]`. `dutyroom serve` and the
provider are real processes. Each of 128 contacts goes round: it closes (a fault of priority life); when everybody whom
the plan calls was paged for it, as the provider's own file says, it opens; when the service says that the incident is
normal, a manager closes it, with the same request until an answer arrives; and again. Half of the faults stay for a
while: nobody answers then, and rounds and the next level fall due; or somebody accepts; or somebody cannot come.
Afterwards, from the provider's file, from the contacts' own count, from the answers and from the log book:

- no page lost: everybody was paged for every fault; no page phantom: the book requested every page that was posted;
- every repeat of a page has its key and says the same, and no page has two keys;
- no round and no level comes too early, twice, or after somebody accepted; none is left out while nobody did;
- every fault is raised and cleared exactly once, in turn, and has one incident, which is closed exactly once.
"""

import argparse
import asyncio
import contextlib
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import httpx

from facility.records import IncidentOpened, Kind, Record
from stores.accounts import Accounts
from tests.faults.killing import ENV, ROOT, free_port
from tests.modbus_script import Scripted, framed

MODULES, CONTACTS = 8, 16
PEOPLE = ("lift-hand", "second-hand")
"""Whom the first level calls."""
BEHIND = "third-hand"
"""Whom the second level calls."""
REPEAT_S, LEVEL_S = 6.0, 16.0
LATE_S = 45.0
"""A round may come so much later than due: kills, and starts that were killed, lie between."""
LINGERS_S = (12.0, 26.0)
"""So long a fault stays that is to be paged for again."""
STUCK_S = 120
"""A fault that nobody was paged for in so long a time, kills included, is a page lost."""

STARTING = 0.25
"""How many of the kills strike while it starts."""

_SITE = """id = "torture"
name = { zh = "试验", en = "Trial" }
timezone = "Asia/Shanghai"
[contract]
somebody_at_place = "3 min"
lift_arrival = "15 min"
urgent_repair_arrival = "15 min"
electric_arrival = "10 min"
hvac_arrival = "20 min"
bell_answer = "60 s"
report_up = "30 min"
"""
_PERSON = """[[person]]
id = "{id}"
name = "{id}"
roles = {roles}
channels = [{{ kind = "webhook", address = "{url}" }}]
"""
_PLAN = """name = { zh = "试验", en = "Trial" }
priority = "life"
class = "life-safety"
repeat = "6 s"
accept_expires = "10 min"
source = "test"
[[level]]
within = "16 s"
calls = [{ role = "guard" }, { role = "leader-on-duty", responder = false }]
[[level]]
within = "20 min"
calls = [{ role = "electrician" }]
[[step]]
id = "look"
role = "guard"
mandatory = false
text = { zh = "查看", en = "Look" }
"""
_RULE = """[[rule]]
id = "trial-fault"
kind = "fire_panel"
name = { zh = "试验", en = "trial" }
when = [{ point = "fault", is = "fault" }]
priority = "life"
class = "life-safety"
cause = { zh = "试验", en = "trial" }
consequence = { zh = "试验", en = "trial" }
first_action = { zh = "试验", en = "trial" }
respond = "3 min"
plan = "trial"
start = "auto"
source = "test"
[[change]]
id = "fire-panel-fault"
enabled = false
reason = "test"
"""


class Module(Scripted):
    """One gateway with sixteen contacts and their counters of closings."""

    def __init__(self) -> None:
        super().__init__(self._said)
        self.contacts, self.counters = [0] * CONTACTS, [0] * CONTACTS

    def set(self, number: int, closed: int) -> None:
        self.contacts[number] = closed
        self.counters[number] += closed

    def _said(self, frame: bytes) -> bytes:
        address, count = int.from_bytes(frame[8:10], "big"), int.from_bytes(frame[10:12], "big")
        if frame[7] == 4:
            data = b"".join(n.to_bytes(4, "big") for n in self.counters)[2 * address :][: 2 * count]
            data = data.ljust(2 * count, b"\0")
        else:
            bits = sum(bit << n for n, bit in enumerate([*self.contacts, 0])) >> address
            data = (bits & (1 << count) - 1).to_bytes((count + 7) // 8, "little")
        return framed(frame, frame[6:8] + bytes([len(data)]) + data)


def site_of(folder: Path, ports: list[int], url: str, plan: str = _PLAN) -> Path:
    """A site of 128 fire panels on eight modules, two people, and a plan that asks nothing but that they are paged."""
    site = folder / "site"
    (site / "plans").mkdir(parents=True)
    words = '{{ zh = "{0}号", en = "panel {0}" }}'
    parts = []
    for m, port in enumerate(ports):
        parts.append(f'[[line]]\nid = "l{m}"\ntransport = "modbus-tcp"\nhost = "127.0.0.1"\nport = {port}\n')
        channels = "".join(f'di{c + 1} = "p{m * CONTACTS + c}/fault"\n' for c in range(CONTACTS))
        parts.append(
            f'[[device]]\nid = "d{m}"\nprofile = "di-16"\nline = "l{m}"\nunit = 1\ninterval = "250 ms"\n'
            f"[device.channels]\n{channels}"
        )
    for n in range(MODULES * CONTACTS):
        said = words.format(n)
        parts.append(f'[[equipment]]\nid = "p{n}"\nkind = "fire_panel"\nname = {said}\nplace = {said}\n')
    others = [
        "company-leader",
        "engineering-supervisor",
        "project-manager",
    ]  # whom plans of the library call
    roles = (["guard"], ["leader-on-duty", *others], ["electrician"])
    everybody = zip((*PEOPLE, BEHIND), roles, strict=True)
    people = [_PERSON.format(id=i, roles=json.dumps(r), url=url) for i, r in everybody]
    for name, text in {
        "site.toml": _SITE,
        "equipment.toml": "\n".join(parts),
        "people.toml": "\n".join(people),
        "roster.toml": "",
        "rules.toml": _RULE,
        "plans/trial.toml": plan,
    }.items():
        (site / name).write_text(text, encoding="utf-8")
    return site


@dataclass
class Panel:
    """A contact's own account: how often it closed, and which incidents were closed by whom it asked."""

    name: str
    faults: int = 0
    paged: list[str] = field(default_factory=list)  # incidents, as the pages named them
    closed: list[str] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)
    declined: list[str] = field(default_factory=list)
    slowest_s: float = 0


class Child:
    """A process that is killed and started again."""

    def __init__(self, *words: str, log: Path) -> None:
        self._words, self._log = words, log
        self.process: asyncio.subprocess.Process | None = None
        self.kills = 0

    async def start(self) -> None:
        with self._log.open("a") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, *self._words, stdout=log, stderr=log, cwd=ROOT, env=ENV
            )

    async def kill(self) -> None:
        assert self.process.returncode is None, self._log.read_text()[-3000:]
        self.process.kill()
        await self.process.wait()
        self.kills += 1


class Night:
    """The contacts, the provider's file, the manager, and whoever kills."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.roll = folder, random.Random(seed)
        self.modules = [Module() for _ in range(MODULES)]
        self.panels = [Panel(f"panel {n}") for n in range(MODULES * CONTACTS)]
        self.file = folder / "told.jsonl"
        self.paged: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))  # panel, incident, people
        self.active: dict[str, set[str]] = {}  # machines by incident that is not yet normal
        self.known: set[str] = set()
        self.asked = 0.0
        """When the service last answered."""
        self.over = False
        self.lost: list[str] = []

    async def run(self, kills: int, provider_kills: int) -> list[Record]:
        for module in self.modules:
            await module.start()
        port, web = free_port(), free_port()
        url = f"http://127.0.0.1:{port}/page"
        site, data = site_of(self.folder, [m.port for m in self.modules], url), self.folder / "data"
        data.mkdir()
        accounts = Accounts(data / "accounts.db")
        accounts.user_add("boss", "Boss", "manager", "correct horse")
        accounts.close()
        words = ("-m", "dutyroom", "serve", str(site), "--data", str(data), "--port", str(web))
        self.service = Child(*words, log=self.folder / "service.log")
        self.provider = Child(
            "-m", "tests.torture.provider", str(port), str(self.file), log=self.folder / "provider.log"
        )
        base = f"http://127.0.0.1:{web}"
        try:
            await self.provider.start()
            await self.service.start()
            async with httpx.AsyncClient(base_url=base, headers={"origin": base}, timeout=5) as http:
                await self._login(http)
                reading = [asyncio.create_task(self._read_file()), asyncio.create_task(self._ask(http))]
                rounds = [asyncio.create_task(self._round(http, n)) for n in range(len(self.panels))]
                await asyncio.gather(self._kill_service(kills), self._kill_provider(provider_kills, kills))
                self.over = True
                await asyncio.gather(*rounds)
                for task in reading:
                    task.cancel()
                await asyncio.gather(*reading, return_exceptions=True)
            self.service.process.terminate()
            assert await asyncio.wait_for(self.service.process.wait(), 30) == 0
        finally:
            for child in (self.service, self.provider):
                if child.process is not None and child.process.returncode is None:
                    child.process.kill()
                    await child.process.wait()
            for module in self.modules:
                await module.stop()
        return _book(data)

    async def _kill_service(self, times: int) -> None:
        """Kill it while it starts (one in four), and at any instant of its work, however fast the machine is."""
        for n in range(times):
            started = time.monotonic()
            if self.roll.random() < STARTING:
                await asyncio.sleep(self.roll.uniform(0.05, 2.0))
            else:
                while self.asked < started:
                    assert time.monotonic() < started + STUCK_S, self.folder / "service.log"
                    await asyncio.sleep(0.02)
                await asyncio.sleep(self.roll.uniform(0.0, 2.5))
            await self.service.kill()
            await self.service.start()
            if (n + 1) % 50 == 0:
                faults = sum(p.faults for p in self.panels)
                print(f"{n + 1} kills, {self.provider.kills} of the provider, {faults} faults", flush=True)

    async def _kill_provider(self, times: int, kills: int) -> None:
        """Kill it once while the service is killed so and so often, at any instant between."""
        for n in range(times):
            due = (n + self.roll.random()) * kills / times
            while self.service.kills < due - 1:
                await asyncio.sleep(0.05)
            await asyncio.sleep(self.roll.uniform(0.0, 2.0))
            await self.provider.kill()
            await self.provider.start()

    async def _login(self, http: httpx.AsyncClient) -> None:
        for _ in range(200):
            with contextlib.suppress(httpx.HTTPError):
                (
                    await http.post("/api/v1/login", json={"user": "boss", "password": "correct horse"})
                ).raise_for_status()
                return
            await asyncio.sleep(0.1)
        raise AssertionError((self.folder / "service.log").read_text()[-3000:])

    async def _read_file(self) -> None:
        """Follow what the provider was told."""
        rest, at = b"", 0
        while True:
            if self.file.exists():
                with self.file.open("rb") as file:
                    file.seek(at)
                    more = file.read()
                at += len(more)
                *lines, rest = (rest + more).split(b"\n")
                for line in lines:
                    page = json.loads(line)
                    panel = page["text"].split("Trial: ")[1].split(" (")[0]
                    self.paged[panel][page["incident"]].add(page["person"])
            await asyncio.sleep(0.05)

    async def _ask(self, http: httpx.AsyncClient) -> None:
        """Ask the service again and again which incidents are still active."""
        while True:
            with contextlib.suppress(httpx.HTTPError):
                answer = await http.get("/api/v1/alarms")
                if answer.status_code == 200:
                    self.active = {a["owner"] for a in answer.json() if a["active"]}
                    self.asked = time.monotonic()
            await asyncio.sleep(0.25)

    async def _round(self, http: httpx.AsyncClient, number: int) -> None:
        panel, module = self.panels[number], self.modules[number // CONTACTS]
        while not self.over:
            await asyncio.sleep(self.roll.uniform(0.2, 2.0))
            began = time.monotonic()
            panel.faults += 1
            module.set(number % CONTACTS, 1)
            incident = await self._until_paged(panel, began)
            if incident is None:
                self.lost.append(f"{panel.name}: fault {panel.faults}, nobody was paged in {STUCK_S} s")
                return
            panel.paged.append(incident)
            panel.slowest_s = max(panel.slowest_s, time.monotonic() - began)
            if not await self._linger(http, panel, incident):
                self.lost.append(f"{panel.name}: {incident}: no answer could be given in {STUCK_S} s")
                return
            module.set(number % CONTACTS, 0)
            if not await self._until_closed(http, panel, incident, f"p{number}"):
                self.lost.append(f"{panel.name}: {incident} could not be closed in {STUCK_S} s")
                return

    async def _until_paged(self, panel: Panel, began: float) -> str | None:
        """Return the incident in which everybody was paged."""
        while time.monotonic() < began + STUCK_S:
            for incident, people in self.paged[panel.name].items():
                if incident not in panel.paged and people >= set(PEOPLE):
                    return incident
            await asyncio.sleep(0.05)
        return None

    async def _linger(self, http: httpx.AsyncClient, panel: Panel, incident: str) -> bool:
        """Let half of the faults go at once; the others stay, unanswered, accepted, or with one who cannot come."""
        lot = self.roll.random()
        if lot < 0.5:
            return True
        if lot < 0.8:
            answer, kept = ("accept", panel.accepted) if lot < 0.7 else ("decline", panel.declined)
            await asyncio.sleep(self.roll.uniform(0.0, 8.0))
            if not await self._say(http, incident, answer):
                return False
            kept.append(incident)
        await asyncio.sleep(self.roll.uniform(*LINGERS_S))
        return True

    async def _say(self, http: httpx.AsyncClient, incident: str, answer: str) -> bool:
        """Answer for the first person called, with the same request until it is heard."""
        body = {"request": f"{answer}-{incident}", "person": PEOPLE[0]}
        if answer == "decline":
            body["why"] = "trial"
        began = time.monotonic()
        while time.monotonic() < began + STUCK_S:
            with contextlib.suppress(httpx.HTTPError):
                said = await http.post(f"/api/v1/incidents/{incident}/{answer}", json=body)
                if said.status_code == 200:
                    return True
            await asyncio.sleep(0.2)
        return False

    async def _until_closed(self, http: httpx.AsyncClient, panel: Panel, incident: str, machine: str) -> bool:
        request = f"close-{incident}"
        opened = time.monotonic()
        while time.monotonic() < opened + STUCK_S:
            await asyncio.sleep(0.2)
            if machine in self.active or self.asked < opened + 0.5:
                continue
            with contextlib.suppress(httpx.HTTPError):
                body = {"request": request, "cause": "trial", "result": "trial"}
                answer = await http.post(f"/api/v1/incidents/{incident}/close", json=body)
                if answer.status_code == 200:
                    panel.closed.append(incident)
                    return True
                # Its answer was lost, and it is closed: gone from what is open, or said so.
                now = await http.get(f"/api/v1/incidents/{incident}")
                if now.status_code == 200 and now.json()["stage"] == "closed":
                    panel.closed.append(incident)
                    return True
        return False


def _book(data: Path) -> list[Record]:
    from stores.logbook import LogBook

    book = LogBook.reader(data / "logbook.db")
    assert book.verify().ok, "the chain is broken"
    records = [w.record for w in book.tail(0, 10_000_000)]
    book.close()
    return records


def judge(night: Night, records: list[Record]) -> Iterator[str]:
    """Yield everything that must not be."""
    yield from night.lost
    requested = {r.data.key: r for r in records if r.kind is Kind.PAGE_REQUESTED}
    posts: dict[str, list[dict]] = defaultdict(list)
    for line in night.file.read_text().splitlines():
        page = json.loads(line)
        posts[page["key"]].append(page)
    yield from (
        f"phantom: {key} was posted, and the book knows nothing of it" for key in posts.keys() - requested.keys()
    )
    yield from _lost(records, [r for key, r in requested.items() if key not in posts])
    sent = {r.data.key for r in records if r.kind is Kind.PAGE_SENT}
    yield from (f"{key} is written as sent, and was not" for key in sent - posts.keys())
    yield from (f"{key} said two things" for key, told in posts.items() if len({p["hash"] for p in told}) > 1)
    places = Counter((r.subject, r.data.level, r.data.round, r.data.person, r.data.channel) for r in requested.values())
    yield from (f"{place} has {n} keys" for place, n in places.items() if n > 1)
    yield from _incidents(night, records, posts.values())
    yield from _rounds(records, requested.values())
    moves: dict[str, list[Kind]] = defaultdict(list)
    closed: Counter[str] = Counter()
    opened: Counter[str] = Counter()
    for r in records:
        if r.kind in {Kind.ALARM_RAISED, Kind.ALARM_CLEARED} and r.subject.endswith("/trial-fault"):
            moves[r.subject].append(r.kind)
        closed[r.subject] += r.kind is Kind.INCIDENT_CLOSED
        opened[r.subject] += r.kind is Kind.INCIDENT_OPENED
    for number, panel in enumerate(night.panels):
        run = moves[f"alarm:p{number}/trial-fault"]
        if run != [Kind.ALARM_RAISED, Kind.ALARM_CLEARED] * panel.faults:
            yield f"{panel.name}: {panel.faults} faults, but the book says {Counter(run)}, or not in turn"
        if len(set(panel.paged)) != panel.faults or panel.paged != panel.closed:
            yield f"{panel.name}: {panel.faults} faults, {len(panel.paged)} paged, {len(panel.closed)} closed"
    yield from (f"{who} was closed {n} times" for who, n in closed.items() if n > 1)
    yield from (f"{who} was opened {n} times" for who, n in opened.items() if n > 1)


def _incidents(night: Night, records: list[Record], posts: Iterable[list[dict]]) -> Iterator[str]:
    """Yield incidents that no fault explains, and answers that the book does not have as they were given."""
    opened: dict[str, list[str]] = defaultdict(list)
    for r in records:
        if isinstance(r.data, IncidentOpened):
            opened[r.data.equipment].append(r.subject.removeprefix("incident:"))
    told: dict[str, set[str]] = defaultdict(set)
    for page in (one for some in posts for one in some):
        told[page["text"].split("Trial: ")[1].split(" (")[0]].add(page["incident"])
    for number, panel in enumerate(night.panels):
        if opened[f"p{number}"] != panel.paged:
            yield f"{panel.name}: paged for {panel.paged}, but the book opened {opened[f'p{number}']}"
        if told[panel.name] != set(panel.paged):
            yield f"{panel.name}: the provider was told of {sorted(told[panel.name] - set(panel.paged))} too"
    for kind, given in (
        (Kind.PAGE_ACKNOWLEDGED, [i for p in night.panels for i in p.accepted]),
        (Kind.PAGE_DECLINED, [i for p in night.panels for i in p.declined]),
    ):
        heard = Counter(r.subject.removeprefix("incident:") for r in records if r.kind is kind)
        yield from (f"{kind} of {i}: {heard[i]} times in the book" for i in {*heard, *given} if heard[i] != 1)


def _lost(records: list[Record], unposted: Iterable[Record]) -> Iterator[str]:
    """Yield pages that were never posted, unless an answer, a newer round or the end of it made them needless."""
    needless = {Kind.PAGE_ACKNOWLEDGED, Kind.PAGE_DECLINED, Kind.INCIDENT_CLOSED, Kind.LEVEL_REACHED}
    later: dict[str, list[int]] = defaultdict(list)
    for r in records:
        if r.kind in needless:
            later[r.subject].append(r.at_ms)
    for r in unposted:
        # At a level's own moment its pages are requested: that one does not make them needless.
        if not any(r.at_ms < at <= r.at_ms + LATE_S * 1000 for at in later[r.subject]):
            yield f"lost: {r.data.key} was requested, never posted, and nothing made it needless"


def _rounds(records: list[Record], requested: Iterable[Record]) -> Iterator[str]:
    """Yield rounds and levels that came too early, twice, not at all, or when somebody had accepted."""
    pages = Counter((r.subject, r.data.level, r.data.round, r.data.person) for r in requested if not r.data.why)
    yield from (f"{place} was paged {n} times" for place, n in pages.items() if n > 1)
    nights: dict[str, list[Record]] = defaultdict(list)
    for r in records:
        if r.kind in {Kind.LEVEL_REACHED, Kind.PAGE_ACKNOWLEDGED, Kind.PAGE_DECLINED, Kind.INCIDENT_CLOSED}:
            nights[r.subject].append(r)
    stood = {
        (s, r.data.level, r.data.round) for s, told in nights.items() for r in told if r.kind is Kind.LEVEL_REACHED
    }
    yield from (f"{place} was paged, and no level was reached" for place in pages if place[:3] not in stood)
    for subject, told in nights.items():
        ends = (n for n, r in enumerate(told) if r.kind in {Kind.PAGE_ACKNOWLEDGED, Kind.INCIDENT_CLOSED})
        over = next(ends, len(told))
        levels = [r for r in told[:over] if r.kind is Kind.LEVEL_REACHED]
        yield from (f"{subject}: {r.data} after its end" for r in told[over:] if r.kind is Kind.LEVEL_REACHED)
        ends_ms = told[over].at_ms if over < len(told) else None
        declined = [r.at_ms for r in told if r.kind is Kind.PAGE_DECLINED]
        yield from (f"{subject}: {wrong}" for wrong in _pace(levels, declined, ends_ms))


def _pace(levels: list[Record], declined: list[int], ends_ms: int | None) -> Iterator[str]:
    """Yield what is wrong with when the rounds and levels of an incident came."""
    level_ms = levels[0].at_ms if levels else 0
    for before, r in pairwise(levels):
        place, was = (r.data.level, r.data.round), (before.data.level, before.data.round)
        if place <= was:
            yield f"{place} after {was}"
        spent = (r.at_ms - before.at_ms) / 1000
        due = LEVEL_S - (before.at_ms - level_ms) / 1000 if place[0] > was[0] else REPEAT_S
        hurried = any(before.at_ms <= at <= r.at_ms for at in declined)
        if spent > due + LATE_S or (spent < due - 0.05 and not hurried):
            yield f"{place} {spent:.1f} s after {was}, due after {due:.1f} s"
        if place[0] > was[0]:
            level_ms = r.at_ms
    if levels and ends_ms is not None and ends_ms - levels[-1].at_ms > (REPEAT_S + LATE_S) * 1000:
        yield f"nobody was paged for {(ends_ms - levels[-1].at_ms) / 1000:.1f} s, though nobody had accepted"


def main() -> int:
    """Run it, print what came of it, and return 1 where something must not be."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--kills", type=int, default=1000)
    asked.add_argument("--provider-kills", type=int, default=100)
    asked.add_argument("--seed", type=int, default=20261123)
    asked.add_argument("--keep", help="keep the folder here")
    args = asked.parse_args()
    began = time.monotonic()
    folder = Path(args.keep or tempfile.mkdtemp())
    folder.mkdir(exist_ok=True, parents=True)
    night = Night(folder, args.seed)
    records = asyncio.run(night.run(args.kills, args.provider_kills))
    wrong = list(judge(night, records))
    pages = [json.loads(line)["key"] for line in night.file.read_text().splitlines()]
    again = Counter(Counter(pages).values())
    print(
        f"{night.service.kills} kills of the service, {night.provider.kills} of the provider, "
        f"{sum(p.faults for p in night.panels)} alarms, {len(set(pages))} pages, {len(pages)} posts "
        f"({sum(n for times, n in again.items() if times > 1)} pages more than once, at most {max(again)} times), "
        f"{len(records)} records; slowest fault to everybody paged {max(p.slowest_s for p in night.panels):.1f} s; "
        f"{time.monotonic() - began:.0f} s; wrong: {len(wrong)}"
    )
    for line in wrong[:20]:
        print(" ", line)
    if not args.keep:
        shutil.rmtree(folder)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
