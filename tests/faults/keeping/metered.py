"""Meters behind gateways that count what they are asked: for tests that change what is read while it is read."""

import asyncio
import contextlib
import json
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from modbus_script import Scripted, framed
from serving import Serving

from dutyroom.clock import SystemClock
from stores.telemetry.spool import Spool
from tests.torture import kills_pages

VOLTS = 1000
PROFILE = """name = { zh = "试验表", en = "trial meter" }
kind = "lv_meter"
interval = "250 ms"
trust = "product-default"
source = "test"
channel = [
    { id = "v_an", at = 0, type = "u16", scale = SCALE, unit = "V" },
    { id = "p_total", at = 1, type = "u16", scale = 1, unit = "kW" },
]
[modbus]
base = 0
order = "ABCD"
"""
RULE = """[[rule]]
id = "trial-high"
kind = "lv_meter"
name = { zh = "试验", en = "trial" }
when = [{ point = "v_an", above = 150 }]
priority = "low"
class = "equipment"
cause = { zh = "试验", en = "trial" }
consequence = { zh = "试验", en = "trial" }
first_action = { zh = "试验", en = "trial" }
respond = "30 min"
plan = "equipment-fault"
start = "operator"
source = "test"
"""


PARTY = """[[party]]
id = "grid"
name = { zh = "电网", en = "grid" }
roles = ["power-company"]
phone = "95598"
"""


class Gateway:
    """Units that say how often each was asked before, and beside it a voltage; served from a thread of its own."""

    def __init__(self, volts: int = VOLTS) -> None:
        self.volts, self.asked = volts, Counter()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = Scripted(self._said)
        asyncio.run_coroutine_threadsafe(self._server.start(), self._loop).result(10)
        self.port = self._server.port

    @property
    def connections(self) -> int:
        return self._server.connections

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._server.stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _said(self, frame: bytes) -> bytes:
        self.asked[frame[6]] += 1
        data = self.volts.to_bytes(2, "big") + self.asked[frame[6]].to_bytes(2, "big")
        return framed(frame, frame[6:8] + bytes([4]) + data)


class Site:
    """The folder, to be written again at will: `lines` by id their port, `meters` by id their line, unit, profile."""

    def __init__(self, folder: Path) -> None:
        self.folder = kills_pages.site_of(folder, [], "http://127.0.0.1:9/")
        (self.folder / "profiles").mkdir()
        people = self.folder / "people.toml"
        roles = '["guard", "lift-technician", "hvac-technician"]'
        people.write_text(people.read_text().replace('["guard"]', roles) + PARTY)
        self.lines: dict[str, int] = {}
        self.meters: dict[str, tuple[str, int, str]] = {}
        self.scales = {"plain": 0.1, "other": 0.1}

    def write(self) -> None:
        parts = []
        for id, port in self.lines.items():
            parts.append(f'[[line]]\nid = "{id}"\ntransport = "modbus-tcp"\nhost = "127.0.0.1"\nport = {port}\n')
        for id, (line, unit, profile) in self.meters.items():
            parts.append(
                f'[[device]]\nid = "{id}"\nprofile = "{profile}"\nline = "{line}"\nunit = {unit}\n'
                f'interval = "250 ms"\nequipment = "m{id}"\n'
            )
            words = f'{{ zh = "{id}", en = "{id}" }}'
            parts.append(f'[[equipment]]\nid = "m{id}"\nkind = "lv_meter"\nname = {words}\nplace = {words}\n')
        for profile, scale in self.scales.items():
            text = PROFILE.replace("SCALE", json.dumps(scale))
            (self.folder / "profiles" / f"{profile}.toml").write_text(text)
        (self.folder / "rules.toml").write_text(RULE)
        (self.folder / "plans" / "trial.toml").unlink(missing_ok=True)
        (self.folder / "equipment.toml").write_text("\n".join(parts))


@dataclass(frozen=True)
class Read:
    """One scan as it stands in the spool, with the profile by whose layout it is understood."""

    device: str
    profile: str
    points: tuple[str, ...]
    at_ms: int
    values: tuple[float, ...]
    reasons: bytes


def scans_of(data: Path) -> list[Read]:
    """Every scan in the spool of a service that has ended."""
    spool = Spool(data / "spool.db", SystemClock())
    try:
        out = []
        for _, batch in spool.batches(0, 1_000_000):
            layouts = [spool.layout_of(id) for id in batch.layout.tolist()]
            scans = batch.scans({layout.id: layout.device for layout in layouts})
            for layout, s in zip(layouts, scans, strict=True):
                out.append(Read(s.device, layout.profile, layout.points, s.at_ms, s.values, s.reasons))
        return out
    finally:
        spool.close()


@contextlib.contextmanager
def metering(folder: Path, *gateways: Gateway, code: str = "") -> Iterator[tuple[Site, Serving]]:
    site = Site(folder)
    service = Serving(site.folder, folder / "data", log=folder / "service.log", code=code)
    try:
        yield site, service
    finally:
        service.kill()
        for gateway in gateways:
            gateway.close()
