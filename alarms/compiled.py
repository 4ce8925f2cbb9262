"""A site's rules laid out per device: which position of its scans is watched by which condition of which machine."""

from collections.abc import Iterable, Mapping, Sequence
from math import inf

import numpy as np

from alarms.form import Form, forms
from alarms.instance import Deviation, Instance, Resting, Shape, Watchlist
from alarms.timed import Flat, Runs, Starts, Timed
from alarms.watch import Beyond, Count, Equal, Missing, Rate, Silence, Watch, resting
from facility.equipment import Device, point_id, split_point
from facility.rule import Compare, Condition
from facility.scan import nothing
from facility.site import Site
from facility.supply import Supply

DEVICE = "device"
"""The kind of a rule that looks at every device instead of at machines."""

SUPPLY = "supply"
"""`Condition.of`: the nearest machine upstream that has the point."""

LEAST_PATIENCE_MS = 60_000
"""Between two words of a device there may be three of its intervals, and at least so much, before it was not read."""

_KINDS: Mapping[Compare, type[Watch]] = {
    Compare.ABOVE: Beyond,
    Compare.BELOW: Beyond,
    Compare.IS: Equal,
    Compare.IS_NOT: Equal,
    Compare.RISES: Rate,
    Compare.FALLS: Rate,
    Compare.COUNTS: Count,
    Compare.SILENT: Silence,
    Compare.FLAT: Flat,
    Compare.MISSING: Missing,
    Compare.RUNS: Runs,
    Compare.STARTS: Starts,
}

Place = tuple[Watchlist, int]


class Compiled:
    """All rules of a site laid out for each machine whose points are read, rung by rung.

    A rung is left out for a machine when not all points that it needs are read; a rule of kind "device" holds for every
    device, and only its SILENT condition counts. An instance is made when something must be known of it: at once
    where its conditions follow every value or time, need a second device or another machine, or tell silence or what
    is missing; else when a value first stirs it.
    """

    def __init__(self, site: Site) -> None:
        self.lists: dict[str, Watchlist] = {}
        self.instances: dict[int, Instance] = {}
        """Those that are made, by order number: rule by rule, machine by machine within a rule, then its rungs."""
        self._order = {id: n for n, id in enumerate((*site.equipment, *site.devices))}
        self._number = {id: n for n, id in enumerate(site.rules)}
        self._forms: dict[str, list[Form]] = {}
        for rule in site.rules.values():
            self._forms.setdefault(rule.kind, []).extend(forms(rule))
        self._speaking: dict[str, list[str]] = {}  # machine -> devices
        for device in site.devices.values():
            for owner in dict.fromkeys(split_point(point)[0] for point in device.points):
                if owner in site.equipment:
                    self._speaking.setdefault(owner, []).append(device.id)
        shapes: dict[object, Shape] = {}
        for device in site.devices.values():
            self._lay_out(site, device, shapes)
        reaching = {kind for kind, found in self._forms.items() if any(c.of for f in found for c in f.conditions)}
        for owner, machine in site.equipment.items():
            if machine.kind in reaching or len(self._speaking.get(owner, ())) > 1:
                self._join(site, owner)

    def find(self, owner: str, rule: str, rung: int = 0) -> Instance | None:
        """Return a rung's instance on a machine, made now if it was at rest; None where there is no such rule."""
        instance = self.instances.get(self._place(owner, rule, rung)) if rule in self._number else None
        if instance is not None:
            return instance
        for here in map(self.lists.__getitem__, self._speaking.get(owner, ())):
            for index, at_rest in enumerate(here.shape.resting):
                form = at_rest.form
                if form.rule.id == rule and form.rung == rung and here.owners[at_rest.owner] == owner:
                    return self._make(here, index)
        return None

    def pairs(self) -> set[tuple[str, str]]:
        """Return machine (or device) and rule of all that is watched."""
        made = {(i.owner, i.rule.id) for i in self.instances.values()}
        return made | {
            (here.owners[r.owner], r.form.rule.id) for here in self.lists.values() for r in here.shape.resting
        }

    def stir(self, here: Watchlist, position: int) -> list[int]:
        """Make the instances that rested on this position and return their order numbers: they must be judged."""
        stirred = [self._make(here, i) for i in here.shape.at.get(position, ()) if i not in here.made]
        for watch in (w for instance in stirred for w in instance.watches):
            known = here.known(watch.position)
            if known == known:  # noqa: PLR0124 - not NaN: it lay in the resting band, or is looked at again right now
                watch.look(known, here.newest_ms)
        return [instance.order for instance in stirred]

    def _make(self, here: Watchlist, index: int) -> Instance:
        """Make an instance of a resting rung; what its conditions know, their next values say."""
        at_rest = here.shape.resting[index]
        instance = self._rest(here, at_rest)
        here.made[index] = instance
        return instance

    def _rest(self, here: Watchlist, found: Resting) -> Instance:
        places = [[(here, position) for position in positions] for positions in found.positions]
        return self._instance(here.owners[found.owner], found.form, places)

    def _place(self, owner: str, rule: str, rung: int) -> int:
        return (self._number[rule] << 32 | self._order.get(owner, 0)) << 8 | rung

    def _instance(self, owner: str, form: Form, places: Sequence[Sequence[Place]]) -> Instance:
        order = self._place(owner, form.rule.id, form.rung)
        watches = tuple(_watch(c, order, at) for c, at in zip(form.conditions, places, strict=True))
        lists = tuple({here.device: here for at in places for here, _ in at}.values())
        counts = tuple(w for w in watches if isinstance(w, Count))
        timed = tuple((n, w) for n, w in enumerate(watches, start=1) if isinstance(w, Timed))
        instance = self.instances[order] = Instance(order, owner, form, watches, lists, counts, timed)
        for here in lists:
            here.watch(instance)
        if len(lists) > 1:
            for here in lists:
                here.shared = (*here.shared, instance)
        return instance

    def _lay_out(self, site: Site, device: Device, shapes: dict[object, Shape]) -> None:
        machines: dict[str, dict[str, int]] = {}
        for position, point in enumerate(device.points):
            owner, name = split_point(point)
            machines.setdefault(owner, {})[name] = position
        known = {owner: names for owner, names in machines.items() if owner in site.equipment}
        size = len(device.points)
        kinds = [
            (site.equipment[owner].kind, names, self._elsewhere(site, owner, device)) for owner, names in known.items()
        ]
        key = size, tuple((kind, tuple(names.items()), elsewhere) for kind, names, elsewhere in kinds)
        shape = shapes.get(key)
        if shape is None:
            shape = shapes[key] = self._shape(size, kinds)
        nan = nothing(size)
        here = Watchlist(device.id, device.points, size, shape, tuple(known), bytes(size), nan, shape.lows, shape.highs)
        here.patience_ms = max(LEAST_PATIENCE_MS, 3 * device.interval_ms)
        self.lists[device.id] = here
        for found in shape.eager:
            self._rest(here, found)
        here.silences = tuple(
            self._instance(device.id, form, [[(here, -1)]] * len(form.conditions))
            for form in self._forms.get(DEVICE, ())
            if all(c.compare is Compare.SILENT for c in form.conditions)
        )

    def _elsewhere(self, site: Site, owner: str, device: Device) -> frozenset[str]:
        """Return the points of a machine that other devices speak for."""
        others = [id for id in self._speaking[owner] if id != device.id]
        places = (split_point(point) for id in others for point in site.devices[id].points)
        return frozenset(name for machine, name in places if machine == owner)

    def _shape(self, size: int, kinds: Sequence[tuple[str, Mapping[str, int], frozenset[str]]]) -> Shape:
        lows, highs = np.full(size, -inf), np.full(size, inf)
        at: dict[int, list[int]] = {}
        restful: list[Resting] = []
        eager: list[Resting] = []
        for owner, (kind, names, elsewhere) in enumerate(kinds):
            for form in self._readable(kind, names.keys() | elsewhere):
                points = [(c.point, c.other) if c.other else (c.point,) for c in form.conditions]
                if not all(name in names for pair in points for name in pair):
                    continue  # joined, when all devices are known
                bands = [resting(c) for c in form.conditions]
                found = Resting(form, owner, tuple(tuple(names[name] for name in pair) for pair in points))
                if None in bands:
                    eager.append(found)
                    continue
                for (position,), band in zip(found.positions, bands, strict=True):
                    assert band is not None, "none of them is"
                    at.setdefault(position, []).append(len(restful))
                    lows[position] = max(lows[position], band[0])
                    highs[position] = min(highs[position], band[1])
                restful.append(found)
        tables = {position: tuple(dict.fromkeys(indices)) for position, indices in at.items()}
        return Shape(lows, highs, b"\1" * size, tables, tuple(restful), tuple(eager))

    def _readable(self, kind: str, names: Iterable[str]) -> list[Form]:
        """Return the rungs that look at a machine's own points only, as far as those are read."""
        read = frozenset(names)

        def there(condition: Condition) -> bool:
            return condition.point in read and (not condition.other or condition.other in read)

        own = [f for f in self._forms.get(kind, ()) if not any(c.of or not c.point for c in f.conditions)]
        return [found for form in own if (found := form.read(there)) is not None]

    def _join(self, site: Site, owner: str) -> None:
        """Make the instances that need several devices, or another machine."""
        for form in self._forms.get(site.equipment[owner].kind, ()):
            if any(c.compare is Compare.SILENT for c in form.conditions):
                continue
            found = {c: self._places(site, owner, c) for c in form.conditions}
            readable = form.read(lambda c, found=found: bool(found[c]))  # type: ignore[misc]
            if readable is None:
                continue
            places = [found[c] for c in readable.conditions]
            reaches = any(c.of for c in readable.conditions)
            if reaches or len({here.device for at in places for here, _ in at}) > 1:
                self._instance(owner, readable, places)

    def _places(self, site: Site, owner: str, condition: Condition) -> list[Place]:
        """Return where a condition's points are read; nothing where one of them is not."""
        names = [condition.point, condition.other] if condition.other else [condition.point]
        if condition.of == SUPPLY:
            sources = _upstream(site.supply, owner)
            owner = next((s for s in sources if all(point_id(s, n) in site.device_of for n in names)), "")
        found = [site.device_of.get(point_id(owner, name)) for name in names]
        return [] if None in found else [(self.lists[place[0]], place[1]) for place in found if place is not None]


def _watch(condition: Condition, order: int, at: Sequence[Place]) -> Watch:
    points = [here.points[position] if position >= 0 else "" for here, position in at]
    if len(at) > 1:
        return Deviation(condition, order, at, points)
    here, position = at[0]
    return _KINDS[condition.compare](condition, order, here.device, points[0], position)


def _upstream(supply: Supply, id: str) -> list[str]:
    """Return what can feed a machine, the nearest first, and in the order of `fed_by` where several are as near."""
    found: dict[str, None] = {}
    ring = [id]
    while ring:
        sources = dict.fromkeys(s for one in ring if one in supply.nodes for s in supply.nodes[one].fed_by)
        ring = [source for source in sources if source not in found and source != id]
        found.update(dict.fromkeys(ring))
    return list(found)
