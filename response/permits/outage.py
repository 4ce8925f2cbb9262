"""What a planned power cut does: which machines lose their supply, which alarms that causes, which lifts it stops.

A tight list on purpose: an alarm that is not on it is real. So a lift is only expected to say that its mains are gone;
one that stops between floors, or whose transfer switch fails, was not planned.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from facility.equipment import point_id
from facility.point import Kind, System
from facility.records import alarm_subject
from facility.rule import AlarmClass, Compare, Condition, Rule
from facility.scan import Reason
from facility.site import Site
from facility.supply import Node, Role, Supply
from response.context import Read

Position = Callable[[str], "float | None"]
"""Where a switch, an ATS or a source stands, as `Supply.energised` takes it."""

LIFT = "lift"

_SUPPLY_POINTS = frozenset({"power_source", "live", "normal_available", "emergency_available"})
"""Points that say in so many words whether there is a supply."""

_SUPPLY_CODES = frozenset({"mains-lost", "emergency-power"})
"""Codes of an enum that say so."""

_UPWARD = frozenset({Compare.ABOVE, Compare.RISES, Compare.COUNTS, Compare.RUNS, Compare.STARTS})
"""Comparisons that a machine without power does not meet."""


@dataclass(frozen=True, slots=True)
class Outage:
    """`dark` machines lose their supply; `shaken` ones lose it until a transfer switch has moved."""

    dark: frozenset[str]
    shaken: frozenset[str]

    @property
    def touched(self) -> frozenset[str]:
        """All of them."""
        return self.dark | self.shaken


def value(read: Read, point: str) -> float | None:
    """Return the newest good reading of a site point, or None."""
    seen = read(point)
    return seen[0] if seen is not None and seen[1] == Reason.GOOD else None


def position(site: Site, at: Callable[[str], float | None]) -> Position:
    """Return where a machine's switch, ATS or source stands, given the value of any site point."""

    def stands(machine: str) -> float | None:
        kind = _kind(site, machine)
        name = (kind.conducts or kind.selects) if kind else ""
        return at(point_id(machine, name)) if name else None

    return stands


def outage(site: Site, machines: Iterable[str], stands: Position) -> Outage:
    """Return what switching these machines off does to the site, as its switches stand now."""
    supply, cut = site.supply, {m for m in machines if m in site.supply.nodes}
    dead = Supply({**supply.nodes, **{m: Node(m, Role.SWITCH, supply.nodes[m].fed_by) for m in cut}})
    before = supply.energised(stands)
    first = dead.energised(lambda m: 0 if m in cut else stands(m))
    lost = {m for m in before if before[m] is not False and first[m] is False}

    def moved(machine: str) -> float | None:
        if machine in cut:
            return 0
        role = supply.nodes[machine].role
        # A transfer switch looks for a live source, and a genset that stands still will start.
        return None if role is Role.SOURCE or (role is Role.SELECTOR and machine in lost) else stands(machine)

    then = dead.energised(moved)
    dark = frozenset(m for m in lost if then[m] is False)
    return Outage(dark, frozenset(lost - dark))


def expected(site: Site, machines: Iterable[str], stands: Position) -> tuple[str, ...]:
    """Return the alarms (subjects, sorted) that switching these machines off causes by itself; never life-safety."""
    off = tuple(machines)
    what = outage(site, off, stands)
    found: set[str] = set()
    for rule in site.rules.values():
        if rule.class_ is AlarmClass.LIFE_SAFETY:
            continue
        for machine in what.touched:
            kind = _kind(site, machine)
            if kind is not None and rule.kind == kind.id and _expected(rule, kind, dark=machine in what.dark):
                found.add(alarm_subject(machine, rule.id))
        for machine in off:
            kind = _kind(site, machine)
            if kind is not None and rule.kind == kind.id and kind.conducts and _opens(rule, kind.conducts):
                found.add(alarm_subject(machine, rule.id))
        if rule.kind == "device":
            found |= {alarm_subject(device, rule.id) for device in _silenced(site, what)}
    return tuple(sorted(found))


def moved_by(site: Site, machine: str, point: str, to: float, stands: Position) -> tuple[str, ...]:
    """Return the alarms that one operation causes: its own position, and what it takes the supply from."""
    kind = _kind(site, machine)
    own = {
        alarm_subject(machine, rule.id)
        for rule in site.rules.values()
        if kind is not None
        and rule.kind == kind.id
        and rule.class_ is not AlarmClass.LIFE_SAFETY
        and [(c.point, c.compare, c.limit) for c in rule.when] == [(point, Compare.IS, to)]
        and not rule.any_of
    }
    if kind is not None and point == kind.conducts and to == 0:
        own.update(expected(site, (machine,), stands))
    return tuple(sorted(own))


def lifts(site: Site, machines: Iterable[str], stands: Position) -> tuple[str, ...]:
    """Return the lifts that switching these machines off stops, if only for a moment."""
    touched = outage(site, machines, stands).touched
    return tuple(m for m in site.equipment if m in touched and site.equipment[m].kind == LIFT)


def parked(site: Site, lift: str, read: Read) -> bool:
    """Say whether telemetry shows that a lift stands at a floor with nobody in it."""
    zone = point_id(lift, "door_zone")
    return (
        value(read, point_id(lift, "occupied")) == 0
        and value(read, point_id(lift, "running")) == 0
        and (zone not in site.device_of or value(read, zone) == 1)
    )


def _expected(rule: Rule, kind: Kind, *, dark: bool) -> bool:
    """Say whether a rule speaks of nothing but lost supply."""
    conditions = (*rule.when, *rule.any_of)
    if kind.selects:  # that it moves over is expected, or that nothing is left; that it fails to move never is
        return all(c.point in _SUPPLY_POINTS if dark else c.point == kind.selects for c in conditions)
    if any(_says_dead(c, kind) for c in conditions):
        return True
    if kind.id == LIFT or kind.system is System.POWER or not dark:
        return False
    return not any(c.compare in _UPWARD for c in conditions)


def _says_dead(condition: Condition, kind: Kind) -> bool:
    name, compare = condition.point, condition.compare
    if name in _SUPPLY_POINTS or (name.startswith("v_") and compare in {Compare.BELOW, Compare.FALLS}):
        return True
    point = kind.points.get(name)
    codes = point.codes if point else ()
    return compare is Compare.IS and any(c.value == condition.limit and c.id in _SUPPLY_CODES for c in codes)


def _opens(rule: Rule, conducts: str) -> bool:
    return any(c.point == conducts and c.compare is Compare.IS and c.limit == 0 for c in rule.when)


def _silenced(site: Site, what: Outage) -> Iterable[str]:
    """Yield the devices that speak for nothing but machines that lose their supply and are no switchgear themselves."""
    for device in site.devices.values():
        machines = {point.rpartition("/")[0] for point in device.points}
        kinds = [_kind(site, machine) for machine in machines]
        if machines and machines <= what.touched and not any(k and k.system is System.POWER for k in kinds):
            yield device.id


def _kind(site: Site, machine: str) -> Kind | None:
    equipment = site.equipment.get(machine)
    return site.kinds.get(equipment.kind) if equipment else None
