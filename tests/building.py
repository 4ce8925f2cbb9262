"""The whole chain on a virtual clock: the demo site, the real desk, real stores in a folder, a pager that remembers.

night = await Building.open(tmp_path, "02:13")
await night.reads("lift-1b", doors_closed=1, occupied=1, running=0, door_zone=0, fault_code=71)
await night.until("02:14")
assert night.pages("he-jun")
"""

import asyncio
import functools
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from dutyroom.desk import Desk
from dutyroom.dispatch import Addressee
from facility.commands import Command, Refused
from facility.ports import Message, PageRefusedError, Written
from facility.records import Kind, Record
from facility.scan import Reason, Scan, missed
from facility.site import Site
from sitefolder import load
from stores.live import Live
from stores.logbook import LogBook
from stores.telemetry.spool import Spool

ZONE = ZoneInfo("Asia/Shanghai")
DEMO = Path(__file__).parent.parent / "simulators" / "sites" / "demo"


def ms(clock: str) -> int:
    """Return a time of the 23rd of November 2026 at the site."""
    parts = [int(p) for p in clock.split(":")]
    return int(datetime(2026, 11, 23, *parts, tzinfo=ZONE).timestamp() * 1000)


@functools.cache
def demo_site() -> Site:
    return load(DEMO).site


class StoppedClock:
    """Moves only when told to."""

    def __init__(self, now: int) -> None:
        self.time = now

    def now(self) -> int:
        return self.time

    async def until(self, at_ms: int) -> None:
        self.time = max(self.time, at_ms)
        await asyncio.sleep(0)

    async def woken(self, event: asyncio.Event, at_ms: int | None) -> None:
        raise AssertionError("the test turns the desk by hand")


class Phones:
    """A pager that remembers what it was given, and can be told to refuse."""

    def __init__(self) -> None:
        self.got: list[Message] = []
        self.refuse: Callable[[Message], str | None] = lambda _m: None

    async def page(self, message: Message) -> str:
        why = self.refuse(message)
        if why:
            raise PageRefusedError(why)
        self.got.append(message)
        return "ok"


class Building:
    """One night at the demo site."""

    def __init__(self, folder: Path, clock: StoppedClock, phones: Phones, site: Site) -> None:
        self.folder, self.clock, self.phones, self.site = folder, clock, phones, site
        self.book = LogBook(folder / "logbook.db", site.id)
        self.spool = Spool(folder / "spool.db", clock)
        for device in site.devices.values():
            self.spool.layout(device.id, device.points, device.profile)
        self.live = Live(self.spool.layouts())
        self.desk = Desk(site, clock, self.book, self.spool, self.live, {"demo": phones}, self._where)
        newest = self.book.last(Kind.INCIDENT_OPENED)
        self.desk.restore(self.book.open_records(), newest.record.subject if newest else "")
        self._values: dict[str, dict[str, float]] = {}
        self._requests = 0

    @classmethod
    async def open(cls, folder: Path, clock: str, site: Site | None = None) -> "Building":
        return cls(folder, StoppedClock(ms(clock)), Phones(), site or demo_site())

    def again(self) -> "Building":
        """What was committed, opened by a new process: the old desk is gone without a word."""
        self.desk.ledger.close()
        self.book._connection.close()
        self.spool.close()
        new = Building(self.folder, self.clock, self.phones, self.site)
        new._values = self._values
        return new

    async def close(self) -> None:
        await self.desk.stop()
        self.spool.close()
        self.book.close()

    async def reads(self, equipment: str, *, turn: bool = True, **points: float) -> None:
        """The devices of a machine say these points (others as before, or 0) at this moment."""
        values = self._values.setdefault(equipment, {})
        values.update(points)
        devices = {
            self.site.device_of[f"{equipment}/{name}"][0]
            for name in points
            if f"{equipment}/{name}" in self.site.device_of
        }
        for id in devices:
            device = self.site.devices[id]
            row = []
            for point in device.points:
                owner, _, name = point.rpartition("/")
                row.append(float(self._values.get(owner, {}).get(name, 0.0)))
            now = self.clock.now()
            self.desk.scan(Scan(id, now, now, tuple(row), bytes(len(row))))
        if turn:
            await self.turn()

    async def silent(self, device: str, why: Reason = Reason.NO_ANSWER) -> None:
        self.desk.scan(missed(device, self.clock.now(), len(self.site.devices[device].points), why))
        await self.turn()

    async def turn(self) -> None:
        await self.desk.turn()
        while self.desk.dispatch.sending():
            await asyncio.sleep(0)
        if self.desk._news:
            await self.desk.turn()

    async def until(self, clock: str) -> "Building":
        """Let time pass, turning the desk whenever something is due."""
        end = ms(clock)
        while (at := self.desk._next_moment()) is not None and at <= end:
            self.clock.time = max(self.clock.time, at)
            before = (self.clock.time, self.book.head())
            await self.turn()
            if (self.clock.time, self.book.head()) == before and (again := self.desk._next_moment()) is not None:
                self.clock.time = max(self.clock.time, again, self.clock.time + (1 if again <= at else 0))
                if self.clock.time > end:
                    break
        self.clock.time = end
        await self.turn()
        return self

    async def ask(self, command: type[Command], actor: str, **said: object) -> "Iterable[Written] | Refused":
        self._requests += 1
        asked = command(actor=actor, request=str(said.pop("request", f"r{self._requests}")), **said)
        answer = asyncio.ensure_future(self.desk.ask(asked))
        await asyncio.sleep(0)
        await self.turn()
        return await answer

    def records(self, *kinds: Kind) -> list[Record]:
        return [w.record for w in self.book.tail(0, 100_000) if not kinds or w.record.kind in kinds]

    def pages(self, person: str | None = None) -> list[Message]:
        return [m for m in self.phones.got if person in {None, m.person}]

    @property
    def incident(self):
        """The one open incident."""
        (found,) = self.desk.standing.incidents.values()
        return found

    def _where(self, person: str, channel: str, incident: str) -> Addressee | None:
        who = self.site.people.get(person) or self.site.parties.get(person)
        address = next((c.address for c in who.channels if c.kind == channel), None) if who else None
        return None if address is None else Addressee(address, f"http://localhost/p/{incident}-{person}")


def without_delays(site: Site, *rules: str) -> Site:
    """The site with these rules raising at once."""
    changed = {r: replace(site.rules[r], on_delay_ms=0, off_delay_ms=0, version="test") for r in rules}
    return replace(site, rules={**site.rules, **changed})
