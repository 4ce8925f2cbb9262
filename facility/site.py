"""A whole site as one immutable value: what the site folder and the library say, checked."""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from typing import Any

from facility.duty import Roster
from facility.equipment import Card, Device, Equipment, Line, split_point
from facility.person import Party, Person
from facility.plan import Plan
from facility.point import Kind, Point, PointType
from facility.rule import Priority, Rule
from facility.supply import Supply
from facility.text import Text


class _Places(Mapping[str, tuple[str, int]]):
    """Where each point is read; kept by machine, since a table of all points is as large as the site itself."""

    def __init__(self, devices: Iterable[Device]) -> None:
        self._devices = tuple(devices)
        self._speaking: dict[str, tuple[Device, ...]] = {}
        for device in self._devices:
            for machine in dict.fromkeys(split_point(point)[0] for point in device.points):
                self._speaking[machine] = (*self._speaking.get(machine, ()), device)

    def __getitem__(self, point: str) -> tuple[str, int]:
        for device in self._speaking.get(split_point(point)[0], ()):
            if point in device.points:
                return device.id, device.points.index(point)
        raise KeyError(point)

    def __iter__(self) -> Iterator[str]:
        return chain.from_iterable(device.points for device in self._devices)

    def __len__(self) -> int:
        return sum(len(device.points) for device in self._devices)


@dataclass(frozen=True, slots=True)
class Thinning:
    """Which readings the archive may leave out because they say nothing new.

    One reading is kept at least every `heartbeat_ms` (0: every reading is kept). `deadbands`, by "kind.point", say how
    far, in its unit, a left-out value may lie from the kept one before it. States and enums are kept when they change.
    """

    heartbeat_ms: int = 0
    deadbands: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Drills:
    """How often everybody is to practise each plan in which they have a part; times in milliseconds."""

    life_ms: int = 180 * 86_400_000
    other_ms: int = 365 * 86_400_000


@dataclass(frozen=True, slots=True)
class Works:
    """How planned work and switching are run on a site; times in milliseconds."""

    recheck_ms: int = 1_800_000  # after the end of the work, until each machine must have been checked
    read_back_ms: int = 60_000  # after an operation, until telemetry must show its position
    certificate: str = "hv-electrician"  # what both people of a switching ticket hold


@dataclass(frozen=True, slots=True)
class Paging:
    """When pages that are no emergency may ring, and when every channel is tried out; local minutes of the day.

    Pages of the priorities in `wait_for_day`, and test pages, wait for `day` (from, to). Each week, on `test_weekday`
    (0 is Monday) at `test_minute`, everybody gets a test page on every channel; None: only when somebody asks for it.
    """

    day: tuple[int, int] = (8 * 60, 20 * 60)
    wait_for_day: frozenset[Priority] = frozenset({Priority.MEDIUM, Priority.LOW})
    test_weekday: int | None = 1
    test_minute: int = 10 * 60


@dataclass(frozen=True)
class Site:
    """One site; `hash` names this version of its files in the log book."""

    id: str
    name: Text
    timezone: str
    hash: str
    contract: Mapping[str, int]  # promise name -> milliseconds
    kinds: Mapping[str, Kind]
    equipment: Mapping[str, Equipment]
    lines: Mapping[str, Line]
    devices: Mapping[str, Device]
    rules: Mapping[str, Rule]
    plans: Mapping[str, Plan]
    people: Mapping[str, Person]
    parties: Mapping[str, Party]
    roster: Roster
    supply: Supply
    settings: Mapping[str, str] = field(default_factory=dict)  # base_url and the like, from site.toml
    thinning: Thinning = Thinning()
    works: Works = Works()
    drills: Drills = Drills()
    paging: Paging = Paging()
    performance: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # figure -> its target and red line
    roles: Mapping[str, Text] = field(default_factory=dict)  # labels, as are the next two
    certificates: Mapping[str, Text] = field(default_factory=dict)
    promises: Mapping[str, Text] = field(default_factory=dict)

    @cached_property
    def device_of(self) -> Mapping[str, tuple[str, int]]:
        """For each site point id, the device that speaks for it and the position in its scans."""
        return _Places(self.devices.values())

    @cached_property
    def by_kind(self) -> Mapping[str, tuple[str, ...]]:
        """The machines of each kind."""
        out: dict[str, list[str]] = {}
        for machine in self.equipment.values():
            out.setdefault(machine.kind, []).append(machine.id)
        return {kind: tuple(machines) for kind, machines in out.items()}

    def fed_by(self, machine: str, kind: str) -> frozenset[str]:
        """Return the machines of a kind that can be fed through this one; remembered, since floods ask again."""
        found = self._fed.get((machine, kind))
        if found is None:
            downstream = self.supply.downstream(machine)
            found = self._fed[machine, kind] = downstream & frozenset(self.by_kind.get(kind, ()))
        return found

    @cached_property
    def _fed(self) -> dict[tuple[str, str], frozenset[str]]:
        return {}

    def with_roster(self, roster: Roster, hash: str) -> "Site":
        """Return the same site under another roster and name; what was worked out of its machines is kept."""
        site = replace(self, roster=roster, hash=hash)
        for known in ("device_of", "by_kind", "_fed"):
            if known in self.__dict__:
                site.__dict__[known] = self.__dict__[known]
        return site

    @cached_property
    def of_roster(self) -> dict[Hashable, Any]:
        """What was worked out of this roster, by whoever worked it out (response.duty.turns)."""
        return {}

    def point(self, point: str) -> Point | None:
        """Return the canonical definition of a site point id, or None."""
        equipment, _, name = point.rpartition("/")
        machine = self.equipment.get(equipment)
        return self.kinds[machine.kind].points.get(name) if machine else None

    def deadband(self, point: str) -> float | None:
        """Return how far a left-out reading of a site point may lie from the kept one; None: all of it is kept."""
        defined = self.point(point)
        if defined is None or not self.thinning.heartbeat_ms:
            return None
        if defined.type in {PointType.STATE, PointType.ENUM}:
            return 0.0
        kind = self.equipment[split_point(point)[0]].kind
        return self.thinning.deadbands.get(f"{kind}.{defined.name}")

    def card(self, machine: str) -> Card:
        """Return what a responder needs to know of a machine; an empty card where none is on file."""
        known = self.equipment.get(machine)
        return known.card if known else Card()

    def owner_name(self, id: str) -> Text:
        """Return the name of a machine or, for communication alarms, of a device."""
        if id in self.equipment:
            return self.equipment[id].name
        if id in self.devices:
            return self.devices[id].name or Text(id, id)
        return Text(id, id)
