"""A drill on simulators: the real rules, plans, desk and books of a site, on a clock of its own, in one process.

The simulated machines live as in `make demo`, but their readings go to the desk as scans: what is left out is the wire
(collectors and their protocols) and the providers of pages. Nothing leaves the process, and nothing outside is touched.
"""

import asyncio
import math
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Self

from dutyroom.clock import SteppedClock
from dutyroom.desk import Desk
from dutyroom.dispatch import Addressee
from facility.commands import Command, Refused
from facility.equipment import Device, split_point
from facility.person import Party, Person
from facility.ports import Bucket, Message
from facility.scan import Reason, Scan, missed
from facility.site import Site
from simulators import faults
from simulators.building import Building
from stores.live import Live
from stores.logbook import LogBook
from stores.telemetry.spool import Spool

SETTLE_S = 60
"""So long the building lives before anything is staged: people must find it as it always is."""


LONGEST_STEP_S = 2.5
"""The machines move on in steps of so much at most; a door takes no less."""


class Phones:
    """Takes every page at once; whom it was for, the played people know from the incident."""

    async def page(self, message: Message) -> str:
        """Take it."""
        return f"played {message.key}"


class Rehearsal:
    """A site's desk and its simulated building, from one second to the next."""

    def __init__(self, site: Site, folder: Path, now_ms: int) -> None:
        self.site, self.clock = site, SteppedClock(now_ms)
        self.building = Building(site)
        self.book = LogBook(folder / "logbook.db", site.id)
        self._spool = Spool(folder / "spool.db", self.clock)
        for device in site.devices.values():
            self._spool.layout(device.id, device.points, device.profile)
        ways = chain.from_iterable(
            who.channels for who in chain[Person | Party](site.people.values(), site.parties.values())
        )
        phones = dict.fromkeys((way.kind for way in ways), Phones())
        live = Live(self._spool.layouts())
        self.desk = Desk(site, self.clock, self.book, self._spool, live, phones, self._where, rehearsal=True)
        self.desk.restore(())
        self._heard: dict[str, list[tuple[int, float]]] = {}
        self._due = {device.id: now_ms for device in site.devices.values()}
        self._mqtt = frozenset(line.id for line in site.lines.values() if line.transport == "mqtt")

    async def __aenter__(self) -> Self:
        """Let the building settle, and the desk hear of it."""
        for _ in range(SETTLE_S):
            self.building.step(1.0)
        await self.second(1)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the books."""
        await self.desk.stop()
        self._spool.close()
        self.book.close()

    async def second(self, seconds: int, said: Iterable[Command] = ()) -> list[tuple[Command, Refused]]:
        """Let so many seconds pass in the building; then its devices speak, people say something, the desk decides.

        Returns what was refused, and why.
        """
        pieces = math.ceil(seconds / LONGEST_STEP_S)
        for _ in range(pieces):
            self.building.step(seconds / pieces)
        await self.clock.until(self.clock.now() + seconds * 1000)
        for device in self.site.devices.values():
            if self._due[device.id] <= self.clock.now():
                self._due[device.id] = self.clock.now() + device.interval_ms
                self.desk.scan(self._scan(device))
                for point, heard in self._heard.items():
                    if point in device.points:
                        machine, name = split_point(point)
                        heard.append((self.clock.now(), self.building.machines[machine].points.get(name, math.nan)))
        asked = [(command, asyncio.ensure_future(self.desk.ask(command))) for command in said]
        await self.clock.until(self.clock.now())  # they are in its queue
        await self.desk.turn()
        while self.desk.dispatch.sending():
            await self.clock.until(self.clock.now())
        answers = [(command, await answer) for command, answer in asked]
        return [(command, answer) for command, answer in answers if isinstance(answer, Refused)]

    def watch(self, points: Iterable[str]) -> None:
        """Remember what these points say from now on."""
        self._heard.update({point: [] for point in points})

    def history(self, point: str, from_ms: int, to_ms: int, buckets: int) -> list[Bucket]:
        """Return what a watched point said, as `facility.ports.Telemetry` does."""
        span = (to_ms - from_ms) / buckets
        found: list[list[float]] = [[] for _ in range(buckets)]
        for at, value in self._heard.get(point, ()):
            if from_ms <= at < to_ms and not math.isnan(value):
                found[int((at - from_ms) / span)].append(value)
        return [_bucket(int(from_ms + n * span), values) for n, values in enumerate(found)]

    def stage(self, fault: str, equipment: str, *, restore: bool) -> None:
        """Let something happen in the building; raises faults.StagingError when it cannot."""
        faults.stage(self.building, fault, equipment, restore=restore)

    def _scan(self, device: Device) -> Scan:
        now = self.clock.now()
        owners = {split_point(point)[0] for point in device.points}
        machines = self.building.machines
        dark = device.line in self._mqtt and not all(self.building.powered(m) for m in owners)
        if dark or any(machines[m].silent for m in owners):
            return missed(device.id, now, len(device.points), Reason.NO_ANSWER)
        values = tuple(machines[m].points.get(name, math.nan) for m, name in map(split_point, device.points))
        reasons = bytes(Reason.NOT_GIVEN if math.isnan(value) else Reason.GOOD for value in values)
        return Scan(device.id, now, now, values, reasons)

    def _where(self, person: str, channel: str, incident: str) -> Addressee | None:
        del incident
        return Addressee(f"{person}@{channel}", "")


def _bucket(from_ms: int, values: Sequence[float]) -> Bucket:
    if not values:
        return Bucket(from_ms, 0, 0, None, None, None)
    return Bucket(from_ms, len(values), 0, min(values), sum(values) / len(values), max(values))
