"""A site's rules laid out per device: which position of its scans is watched by which condition of which machine."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from math import inf

import numpy as np
from numpy.typing import NDArray

from alarms.watch import KINDS, NEVER_QUIET, Count, Rate, Silence, Watch, resting
from facility.equipment import Device, point_id, split_point
from facility.rule import Compare, Rule
from facility.scan import Scan
from facility.site import Site

Floats = NDArray[np.float64]
_DOUBLE = np.dtype("<f8")

DEVICE = "device"
"""The kind of a rule that looks at every device instead of at machines."""


class Phase(IntEnum):
    """Where a rule stands on its machine."""

    NORMAL = 0
    RISING = 1  # holds, the on-delay runs
    ACTIVE = 2
    FALLING = 3  # active, no longer holds, the off-delay runs


@dataclass(slots=True, eq=False)
class Instance:
    """One rule on one machine (or device). Times are UTC milliseconds.

    `since_ms` and `scan_ms` are the device's time, `due_ms` is ours: a delay is measured on our clock from the
    moment we heard, and told in the device's time. `raised_ms` and `cleared_ms` are of its newest transitions.
    """

    order: int
    owner: str
    rule: Rule
    watches: tuple[Watch, ...]
    lists: tuple["Watchlist", ...]  # the devices it needs, without doubles
    counts: tuple[Count, ...]
    phase: Phase = Phase.NORMAL
    since_ms: int = 0
    due_ms: int | None = None
    scan_ms: int = 0
    device: str = ""
    raised_ms: int = -1
    cleared_ms: int = -1
    recheck: bool = False  # was set by hand: the next good value judges it even when nothing changed

    @property
    def active(self) -> bool:
        """Whether its alarm stands."""
        return self.phase >= Phase.ACTIVE

    @property
    def flows(self) -> bool:
        """Whether what it knows changes with every value."""
        return any(isinstance(w, Count | Rate) for w in self.watches)

    @property
    def remembers(self) -> bool:
        """Whether it has learnt anything that a new start would not know."""
        return (
            self.phase is not Phase.NORMAL
            or self.recheck
            or self.raised_ms >= 0
            or self.cleared_ms >= 0
            or self.flows
            or any(w.holds for w in self.watches)
        )

    def holds(self) -> bool | None:
        """Say whether all conditions hold; None when that hangs on a value never seen."""
        known = True
        for watch in self.watches:
            if watch.holds is False:
                return False
            known = known and (watch.holds is True or isinstance(watch, Count))
        return True if known else None


@dataclass(frozen=True, slots=True, eq=False)
class Resting:
    """One rule as it lies on every device of a shape, not yet watched: none of its conditions ever held.

    `owner` counts the device's machines, `positions` are those of the conditions.
    """

    rule: Rule
    owner: int
    positions: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """What devices with the same machines and points have in common, so that a thousand of them share one table.

    `lows` and `highs` say per position where a value tells no resting rule anything; `at` names, per position, the
    resting rules that look there. `eager` are those that must see every value.
    """

    lows: Floats
    highs: Floats
    quiet: bytes  # what the comparison of a whole scan gives when every value is in its band
    at: Mapping[int, tuple[int, ...]]
    resting: tuple[Resting, ...]
    eager: tuple[Resting, ...]


@dataclass(slots=True, eq=False)
class Watchlist:
    """What is known of one device and of the rules on its points.

    `lows` and `highs` are, per position, where the quiet bands of all that looks there overlap; they are the shape's
    own arrays until something of this device differs. `made` are its resting rules that had to be looked at.
    """

    device: str
    points: tuple[str, ...]
    size: int
    shape: Shape
    owners: tuple[str, ...]
    all_good: bytes
    last: tuple[float, ...]  # last good value of each point, NaN before the first
    lows: Floats
    highs: Floats
    own_bands: bool = False
    made: dict[int, Instance] = field(default_factory=dict)
    watches: dict[int, tuple[Watch, ...]] = field(default_factory=dict)
    silences: tuple[Instance, ...] = ()
    shared: tuple[Instance, ...] = ()  # instances that need other devices too
    waiting: dict[int, Instance] = field(default_factory=dict)  # delays that began with this device's word
    newest_ms: int = -1
    late_since_ms: int | None = None
    silent: bool = False
    odd: bool = False  # the next scan needs a closer look even when all its values are good
    checksum: int | None = None  # of the points; made when first asked for
    bad: tuple[bytes, tuple[int, ...]] = (b"", ())  # the newest reasons, and where they are not good

    def bad_positions(self, reasons: bytes) -> tuple[int, ...]:
        """Return where the values are not good; mostly these are the same from scan to scan."""
        if self.bad[0] != reasons:
            self.bad = (reasons, tuple(p for p, reason in enumerate(reasons) if reason))
        return self.bad[1]

    def out_of_band(self, scan: Scan) -> list[int]:
        """Return the positions whose value left its quiet band, NaN among them."""
        values = np.frombuffer(scan.image, _DOUBLE)
        inside = (values >= self.lows) & (values <= self.highs)
        return [] if inside.tobytes() == self.shape.quiet else np.flatnonzero(~inside).tolist()

    def reset_bands(self, positions: Iterable[int] | None = None) -> None:
        """Make whoever looks at these positions (at any) look at the next value."""
        for position in range(self.size) if positions is None else positions:
            self.set_band(position, *NEVER_QUIET)

    def set_band(self, position: int, low: float, high: float) -> None:
        """Set where values of a position say nothing new."""
        if not self.own_bands:
            self.lows, self.highs, self.own_bands = self.lows.copy(), self.highs.copy(), True
        self.lows[position], self.highs[position] = low, high

    def watch(self, instance: Instance) -> None:
        """Let an instance see every next value of its points here."""
        for watch in instance.watches:
            if watch.device == self.device and not isinstance(watch, Silence):
                self.watches[watch.position] = (*self.watches.get(watch.position, ()), watch)
                self.set_band(watch.position, *NEVER_QUIET)


class Compiled:
    """All rules of a site laid out for each machine whose points are read.

    A rule is left out for a machine when not all of its points are read; a rule of kind "device" holds for every
    device, and only its SILENT condition counts. An instance is made when something must be known of it: at once
    where its conditions follow every value, need a second device or tell silence, else when a value first stirs it.
    """

    def __init__(self, site: Site) -> None:
        self.lists: dict[str, Watchlist] = {}
        self.instances: dict[int, Instance] = {}
        """Those that are made, by order number: rule by rule, and machine by machine within a rule."""
        self._order = {id: n for n, id in enumerate((*site.equipment, *site.devices))}
        self._number = {id: n for n, id in enumerate(site.rules)}
        self._rules: dict[str, list[Rule]] = {}
        for rule in site.rules.values():
            if rule.when:
                self._rules.setdefault(rule.kind, []).append(rule)
        self._speaking: dict[str, list[str]] = {}  # machine -> devices
        shapes: dict[object, Shape] = {}
        for device in site.devices.values():
            self._lay_out(site, device, shapes)
        for owner, devices in self._speaking.items():
            if len(devices) > 1:
                self._join(site, owner)

    def find(self, owner: str, rule: str) -> Instance | None:
        """Return a rule's instance on a machine, made now if it was at rest; None where there is no such rule."""
        instance = self.instances.get(self._place(owner, rule)) if rule in self._number else None
        if instance is not None:
            return instance
        for here in map(self.lists.__getitem__, self._speaking.get(owner, ())):
            for index, at_rest in enumerate(here.shape.resting):
                if at_rest.rule.id == rule and here.owners[at_rest.owner] == owner:
                    return self._make(here, index)
        return None

    def pairs(self) -> set[tuple[str, str]]:
        """Return machine (or device) and rule of all that is watched."""
        made = {(i.owner, i.rule.id) for i in self.instances.values()}
        return made | {(here.owners[r.owner], r.rule.id) for here in self.lists.values() for r in here.shape.resting}

    def stir(self, here: Watchlist, position: int) -> list[int]:
        """Make the instances that rested on this position and return their order numbers: they must be judged."""
        stirred = [self._make(here, i) for i in here.shape.at.get(position, ()) if i not in here.made]
        for watch in (w for instance in stirred for w in instance.watches):
            known = here.last[watch.position]
            if known == known:  # noqa: PLR0124 - not NaN: it lay in the resting band, or is looked at again right now
                watch.look(known, here.newest_ms)
        return [instance.order for instance in stirred]

    def _make(self, here: Watchlist, index: int) -> Instance:
        """Make an instance of a resting rule; what its conditions know, their next values say."""
        at_rest = here.shape.resting[index]
        instance = self._instance(here.owners[at_rest.owner], at_rest.rule, [(here, p) for p in at_rest.positions])
        here.made[index] = instance
        here.watch(instance)
        return instance

    def _place(self, owner: str, rule: str) -> int:
        return self._number[rule] << 32 | self._order.get(owner, 0)

    def _instance(self, owner: str, rule: Rule, places: list[tuple[Watchlist, int]]) -> Instance:
        order = self._place(owner, rule.id)
        watches = tuple(
            KINDS[c.compare](c, order, here.device, point_id(owner, c.point) if position >= 0 else "", position)
            for c, (here, position) in zip(rule.when, places, strict=True)
        )
        lists = tuple({here.device: here for here, _ in places}.values())
        counts = tuple(w for w in watches if isinstance(w, Count))
        instance = self.instances[order] = Instance(order, owner, rule, watches, lists, counts)
        return instance

    def _lay_out(self, site: Site, device: Device, shapes: dict[object, Shape]) -> None:
        machines: dict[str, dict[str, int]] = {}
        for position, point in enumerate(device.points):
            owner, name = split_point(point)
            machines.setdefault(owner, {})[name] = position
        known = {owner: names for owner, names in machines.items() if owner in site.equipment}
        for owner in known:
            self._speaking.setdefault(owner, []).append(device.id)
        size = len(device.points)
        kinds = [(site.equipment[owner].kind, names) for owner, names in known.items()]
        key = size, tuple((kind, tuple(names.items())) for kind, names in kinds)
        shape = shapes.get(key)
        if shape is None:
            shape = shapes[key] = self._shape(size, kinds)
        nan = (float("nan"),) * size
        here = Watchlist(device.id, device.points, size, shape, tuple(known), bytes(size), nan, shape.lows, shape.highs)
        self.lists[device.id] = here
        for rule in shape.eager:
            here.watch(self._instance(here.owners[rule.owner], rule.rule, [(here, p) for p in rule.positions]))
        here.silences = tuple(
            self._instance(device.id, rule, [(here, -1)] * len(rule.when))
            for rule in self._rules.get(DEVICE, ())
            if all(c.compare is Compare.SILENT for c in rule.when)
        )

    def _shape(self, size: int, kinds: Sequence[tuple[str, Mapping[str, int]]]) -> Shape:
        lows, highs = np.full(size, -inf), np.full(size, inf)
        at: dict[int, list[int]] = {}
        restful: list[Resting] = []
        eager: list[Resting] = []
        for owner, (kind, names) in enumerate(kinds):
            for rule in self._rules.get(kind, ()):
                if any(c.compare is Compare.SILENT or c.point not in names for c in rule.when):
                    continue
                bands = [resting(c) for c in rule.when]
                found = Resting(rule, owner, tuple(names[c.point] for c in rule.when))
                if None in bands:
                    eager.append(found)
                    continue
                for position, band in zip(found.positions, bands, strict=True):
                    assert band is not None, "none of them is"
                    at.setdefault(position, []).append(len(restful))
                    lows[position] = max(lows[position], band[0])
                    highs[position] = min(highs[position], band[1])
                restful.append(found)
        tables = {position: tuple(dict.fromkeys(indices)) for position, indices in at.items()}
        return Shape(lows, highs, b"\1" * size, tables, tuple(restful), tuple(eager))

    def _join(self, site: Site, owner: str) -> None:
        """Make the instances that need several devices."""
        for rule in self._rules.get(site.equipment[owner].kind, ()):
            found = [site.device_of.get(point_id(owner, c.point)) for c in rule.when if c.compare is not Compare.SILENT]
            places = [(self.lists[place[0]], place[1]) for place in found if place is not None]
            if len(places) == len(rule.when) and len({here.device for here, _ in places}) > 1:
                instance = self._instance(owner, rule, places)
                for here in instance.lists:
                    here.watch(instance)
                    here.shared = (*here.shared, instance)
