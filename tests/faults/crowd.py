"""A hundred lines that stage faults and a hundred clients that press buttons, around one service that is killed.

What must always hold is judged from outside, by what the API says; and at the end from the log book: never two open
alarms for one rule and machine.
"""

import asyncio
import contextlib
import random
import shutil
import sys
from collections import Counter
from pathlib import Path

import httpx
from killing import DEMO
from modbus_script import Scripted, framed
from serving import Serving, operator

from alarms.life import is_open, tell
from facility.records import Kind

LINES = CLIENTS = 100
POINTS = ("fault", "supervisory")
DONE = 200
REFUSALS = {403, 404, 409, 422}
"""What a press may hear: not allowed here, gone meanwhile, already done, makes no sense."""

_RULE = """
[[rule]]
id = "crowd-{point}"
kind = "fire_panel"
name = {{ zh = "试验", en = "trial" }}
when = [{{ point = "{point}", is = "{point}" }}]
priority = "medium"
class = "equipment"
cause = {{ zh = "试验", en = "trial" }}
consequence = {{ zh = "试验", en = "trial" }}
first_action = {{ zh = "试验", en = "trial" }}
respond = "15 min"
plan = "equipment-fault"
start = "operator"
source = "test"
"""


class Line(Scripted):
    """One gateway with one module of contacts: di1 is the panel's fault, di2 its supervisory signal."""

    def __init__(self) -> None:
        super().__init__(self._said)
        self.contacts = [0, 0]

    def _said(self, frame: bytes) -> bytes:
        count = int.from_bytes(frame[10:12], "big")
        if frame[7] == 4:
            return framed(frame, frame[6:8] + bytes([2 * count]) + bytes(2 * count))
        bits = self.contacts[0] | self.contacts[1] << 1
        data = bits.to_bytes((count + 7) // 8, "little")
        return framed(frame, frame[6:8] + bytes([len(data)]) + data)


def site_of(folder: Path, ports: list[int]) -> Path:
    """The demo's people and rules, with a hundred fire panels on lines of their own."""
    site = folder / "site"
    shutil.copytree(DEMO, site)
    parts = []
    for n, port in enumerate(ports):
        parts.append(f'[[line]]\nid = "l{n}"\ntransport = "modbus-tcp"\nhost = "127.0.0.1"\nport = {port}\n')
        parts.append(
            f'[[device]]\nid = "d{n}"\nprofile = "di-16"\nline = "l{n}"\nunit = 1\ninterval = "250 ms"\n'
            f'[device.channels]\ndi1 = "p{n}/fault"\ndi2 = "p{n}/supervisory"\n'
        )
        words = f'{{ zh = "{n}号", en = "panel {n}" }}'
        parts.append(f'[[equipment]]\nid = "p{n}"\nkind = "fire_panel"\nname = {words}\nplace = {words}\n')
    (site / "equipment.toml").write_text("\n".join(parts), encoding="utf-8")
    (site / "rules.toml").write_text("".join(_RULE.format(point=point) for point in POINTS), encoding="utf-8")
    return site


class Crowd:
    """Everything around the service. `doubles` must stay empty; `heard` counts what the clients were answered."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.roll = folder, random.Random(seed)
        self.lines = [Line() for _ in range(LINES)]
        self.heard: Counter[str] = Counter()
        self.doubles: list[object] = []
        self.over = False

    async def run(self, seconds: float, kills: int) -> Serving:
        for line in self.lines:
            await line.start()
        service = Serving(site_of(self.folder, [line.port for line in self.lines]), self.folder / "data")
        who = operator(service.data)
        try:
            await asyncio.to_thread(service.start)
            tasks = [asyncio.create_task(self._faults(line)) for line in self.lines]
            base = f"http://127.0.0.1:{service.port}"
            limits = httpx.Limits(max_connections=CLIENTS, max_keepalive_connections=CLIENTS)
            async with httpx.AsyncClient(base_url=base, headers={"origin": base}, limits=limits, timeout=10) as http:
                (await http.post("/api/v1/login", json=who)).raise_for_status()
                tasks += [asyncio.create_task(self._client(http, n)) for n in range(CLIENTS)]
                for _ in range(kills):
                    await asyncio.sleep(seconds / (kills + 1) * self.roll.uniform(0.7, 1.3))
                    await asyncio.to_thread(service.kill)
                    await asyncio.to_thread(service.start)
                await asyncio.sleep(seconds / (kills + 1))
                self.over = True
                await asyncio.gather(*tasks)
                await self._quiet(http)
            await asyncio.to_thread(service.stop)
        finally:
            self.over = True
            await asyncio.to_thread(service.kill)
            for line in self.lines:
                await line.stop()
        return service

    async def _faults(self, line: Line) -> None:
        while not self.over:
            await asyncio.sleep(self.roll.expovariate(0.5))
            line.contacts[self.roll.randrange(2)] ^= 1
        line.contacts = [0, 0]

    async def _client(self, http: httpx.AsyncClient, number: int) -> None:
        roll = random.Random(number)
        while not self.over:
            try:
                await self._press(http, roll)
            except httpx.TransportError:
                self.heard["nobody there"] += 1
                await asyncio.sleep(0.2)
            await asyncio.sleep(roll.uniform(0.2, 1.5))

    async def _press(self, http: httpx.AsyncClient, roll: random.Random) -> None:
        alarms = await self.listed(http)
        if not alarms:
            return
        alarm = roll.choice(alarms)["subject"]
        path = roll.choice(("acknowledge", "acknowledge", "shelve", "unshelve", "reset"))
        more = {"reason": "trial", "minutes": 1, "until_clear": roll.random() < 0.5} if path == "shelve" else {}
        answer = await http.post(
            f"/api/v1/alarms/{path}", json={"alarm": alarm, "request": roll.randbytes(9).hex(), **more}
        )
        self.heard[f"{path} {answer.status_code}"] += 1
        assert answer.status_code in {DONE, 503, *REFUSALS}, answer.text

    async def listed(self, http: httpx.AsyncClient) -> list[dict]:
        """Ask for the alarms, and see that no rule has two on one machine."""
        answer = await http.get("/api/v1/alarms")
        self.heard[f"list {answer.status_code}"] += 1
        if answer.status_code != DONE:
            return []
        alarms = answer.json()
        times = Counter((a["owner"], a["rule"]) for a in alarms)
        self.doubles += [one for one, n in times.items() if n > 1]
        return alarms

    async def _quiet(self, http: httpx.AsyncClient) -> None:
        """All contacts are open: nothing but what chatters is active in the end."""
        for _ in range(60):
            alarms = await self.listed(http)
            if not [a for a in alarms if a["owner"][0] == "p" and a["active"] and not a["chattering"]]:
                return
            await asyncio.sleep(0.25)
        raise AssertionError([a for a in alarms if a["owner"][0] == "p" and a["active"] and not a["chattering"]])


def judged(service: Serving) -> Counter[Kind]:
    """Read the log book from its first line: no alarm is raised while it is active, none is cleared that is not."""
    open_now: dict[str, object] = {}
    kinds: Counter[Kind] = Counter()
    for record in service.records():
        kinds[record.kind] += 1
        if not record.subject.startswith("alarm:"):
            continue
        before = open_now.get(record.subject)
        if record.kind is Kind.ALARM_RAISED:
            assert before is None or not before.active, record
        if record.kind is Kind.ALARM_CLEARED:
            assert before is not None, record
            assert before.active, record
        after = tell(before, record)
        open_now[record.subject] = after if is_open(after) else None
    return kinds


async def hour(seconds: float, kills: int) -> None:
    """`python tests/faults/crowd.py SECONDS KILLS`: the long form."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        crowd = Crowd(Path(folder), 1)
        service = await crowd.run(seconds, kills)
        print(dict(crowd.heard), dict(judged(service)))
        assert not crowd.doubles, crowd.doubles


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(hour(float(sys.argv[1]), int(sys.argv[2])))
