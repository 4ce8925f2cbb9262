"""A site's rules laid out per device: which position of its scans is watched by which condition of which machine."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from operator import itemgetter

from alarms.watch import KINDS, NEVER_QUIET, Count, Rate, Silence, Watch
from facility.equipment import Device, point_id
from facility.rule import Compare, Condition, Rule
from facility.site import Site

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
    def remembers(self) -> bool:
        """Whether it has learnt anything that a new start would not know."""
        return (
            self.phase is not Phase.NORMAL
            or self.recheck
            or self.raised_ms >= 0
            or self.cleared_ms >= 0
            or any(w.holds or isinstance(w, (Count, Rate)) for w in self.watches)
        )

    def holds(self) -> bool | None:
        """Say whether all conditions hold; None when that hangs on a value never seen."""
        known = True
        for watch in self.watches:
            if watch.holds is False:
                return False
            known = known and (watch.holds is True or isinstance(watch, Count))
        return True if known else None


@dataclass(slots=True, eq=False)
class Watchlist:
    """The watches of one device in the order of its points, and what is known of the device.

    `lows` and `highs` are, for each of `positions`, where the quiet bands of all its watches overlap.
    """

    device: str
    size: int
    all_good: bytes
    last: tuple[float, ...]  # last good value of each point, NaN before the first
    positions: tuple[int, ...] = ()
    entries: range = range(0)  # of `positions`
    pick: Callable[[tuple[float, ...]], tuple[float, ...]] | None = None  # None: every position is watched
    watches: tuple[tuple[Watch, ...], ...] = ()  # per entry of `positions`
    lows: list[float] = field(default_factory=list)
    highs: list[float] = field(default_factory=list)
    silences: tuple[Instance, ...] = ()
    shared: tuple[Instance, ...] = ()  # instances that need other devices too
    waiting: dict[int, Instance] = field(default_factory=dict)  # delays that began with this device's word
    newest_ms: int = -1
    late_since_ms: int | None = None
    silent: bool = False
    odd: bool = False  # the next scan needs a closer look even when all its values are good
    bad: tuple[bytes, tuple[int, ...]] = (b"", ())  # the newest reasons, and where they are not good

    def bad_positions(self, reasons: bytes) -> tuple[int, ...]:
        """Return where the values are not good; mostly these are the same from scan to scan."""
        if self.bad[0] != reasons:
            self.bad = (reasons, tuple(p for p, reason in enumerate(reasons) if reason))
        return self.bad[1]

    def reset_bands(self) -> None:
        """Make every watch look at its next value."""
        low, high = NEVER_QUIET
        self.lows, self.highs = [low] * len(self.positions), [high] * len(self.positions)


@dataclass(frozen=True, slots=True)
class Compiled:
    """All instances by order number, and all watchlists by device id."""

    instances: tuple[Instance, ...]
    lists: Mapping[str, Watchlist]


def compile_rules(site: Site) -> Compiled:
    """Lay out every rule of the site for each machine whose points are read.

    A rule is left out for a machine when a device reads not all of its points; a rule of kind "device" holds for
    every device, and only its SILENT condition counts.
    """
    lists = {d.id: _empty(d) for d in site.devices.values()}
    instances: list[Instance] = []
    for owner, rule, places in _pairs(site):
        order = len(instances)
        watches = tuple(
            KINDS[condition.compare](condition, order, device, point, position)
            for condition, (device, point, position) in zip(rule.when, places, strict=True)
        )
        needed = tuple(lists[device] for device in dict.fromkeys(w.device for w in watches))
        counts = tuple(w for w in watches if isinstance(w, Count))
        instances.append(Instance(order, owner, rule, watches, needed, counts))
    mine: dict[str, list[Instance]] = {device: [] for device in lists}
    for instance in instances:
        for here in instance.lists:
            mine[here.device].append(instance)
    for device, here in lists.items():
        _fill(here, mine[device])
    return Compiled(tuple(instances), lists)


_Place = tuple[str, str, int]  # device, site point id, position


def _pairs(site: Site) -> list[tuple[str, Rule, list[_Place]]]:
    found = []
    for rule in site.rules.values():
        if not rule.when:
            continue
        owners = site.devices if rule.kind == DEVICE else (e.id for e in site.equipment.values() if e.kind == rule.kind)
        for owner in owners:
            places = [_place(site, rule, owner, condition) for condition in rule.when]
            known = [place for place in places if place is not None]
            if len(known) == len(places):
                found.append((owner, rule, known))
    return found


def _place(site: Site, rule: Rule, owner: str, condition: Condition) -> _Place | None:
    if rule.kind == DEVICE:
        return (owner, "", -1) if condition.compare is Compare.SILENT else None
    if condition.compare is Compare.SILENT:
        return None
    point = point_id(owner, condition.point)
    where = site.device_of.get(point)
    return (where[0], point, where[1]) if where else None


def _empty(device: Device) -> Watchlist:
    size = len(device.points)
    return Watchlist(device.id, size, bytes(size), (float("nan"),) * size)


def _fill(here: Watchlist, mine: list[Instance]) -> None:
    by_position: dict[int, list[Watch]] = {}
    for watch in (w for i in mine for w in i.watches if w.device == here.device and not isinstance(w, Silence)):
        by_position.setdefault(watch.position, []).append(watch)
    here.positions = tuple(sorted(by_position))
    here.entries = range(len(here.positions))
    here.watches = tuple(tuple(by_position[p]) for p in here.positions)
    here.pick = None if len(here.positions) == here.size else _picker(here.positions)
    here.silences = tuple(i for i in mine if any(isinstance(w, Silence) for w in i.watches))
    here.shared = tuple(i for i in mine if len(i.lists) > 1)
    here.reset_bands()


def _picker(positions: tuple[int, ...]) -> Callable[[tuple[float, ...]], tuple[float, ...]]:
    if not positions:
        return lambda _: ()
    if len(positions) == 1:  # itemgetter gives a bare value for a single place
        (only,) = positions
        return lambda values: (values[only],)
    return itemgetter(*positions)
