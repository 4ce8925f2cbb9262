"""Small sites for tests: a few machines, the devices that speak for them, and rules said in one line."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date

from facility.duty import Layer, Roster, Shift
from facility.equipment import Device, Equipment, Line
from facility.point import Kind, Point, System
from facility.rule import AlarmClass, Compare, Condition, Priority, Rule, Rung, Start
from facility.site import Site
from facility.supply import Node, Role, Supply
from facility.text import Text

SAID = Text("说明", "said")


def rule(
    id: str,
    kind: str,
    *when: Condition,
    on: int = 0,
    off: int = 0,
    class_: AlarmClass = AlarmClass.EQUIPMENT,
    priority: Priority = Priority.HIGH,
    version: str = "1",
    any_of: tuple[Condition, ...] = (),
    ladder: tuple[Rung, ...] = (),
) -> Rule:
    return Rule(
        id,
        kind,
        Text(id, id),
        when,
        priority,
        class_,
        SAID,
        SAID,
        SAID,
        60_000,
        "",
        Start.OPERATOR,
        on_delay_ms=on,
        off_delay_ms=off,
        version=version,
        any_of=any_of,
        ladder=ladder,
    )


def above(point: str, limit: float, deadband: float = 0.0) -> Condition:
    return Condition(point, Compare.ABOVE, limit, deadband)


def below(point: str, limit: float, deadband: float = 0.0) -> Condition:
    return Condition(point, Compare.BELOW, limit, deadband)


def is_(point: str, value: float) -> Condition:
    return Condition(point, Compare.IS, value)


def is_not(point: str, value: float) -> Condition:
    return Condition(point, Compare.IS_NOT, value)


def rises(point: str, by: float, within: int, deadband: float = 0.0) -> Condition:
    return Condition(point, Compare.RISES, by, deadband, within)


def falls(point: str, by: float, within: int, deadband: float = 0.0) -> Condition:
    return Condition(point, Compare.FALLS, by, deadband, within)


def counts(point: str) -> Condition:
    return Condition(point, Compare.COUNTS)


def flat(point: str, within: int, by: float = 0.0) -> Condition:
    return Condition(point, Compare.FLAT, by, window_ms=within)


def missing(point: str) -> Condition:
    return Condition(point, Compare.MISSING)


def runs(point: str, hours: float) -> Condition:
    return Condition(point, Compare.RUNS, hours)


def starts(point: str, more_than: int, within: int) -> Condition:
    return Condition(point, Compare.STARTS, more_than, window_ms=within)


def apart(point: str, other: str, by: float, deadband: float = 0.0) -> Condition:
    return Condition(point, Compare.ABOVE, by, deadband, other=other)


def supply(condition: Condition) -> Condition:
    return replace(condition, of="supply")


def silent() -> Condition:
    return Condition("", Compare.SILENT)


SILENCE = rule("communication-lost", "device", silent(), on=15_000, class_=AlarmClass.COMMUNICATION)

SYSTEMS = {
    "lift": System.LIFT,
    "chiller": System.HVAC,
    "pump": System.HVAC,
    "pit": System.WATER,
    "fire_panel": System.FIRE,
    "module": System.SYSTEM,
}

NODE_ROLES = {"utility": "source", "genset": "source", "switchgear": "switch", "rmu": "switch", "ats": "selector"}


def site(
    machines: Mapping[str, str],
    devices: Mapping[str, Iterable[str]],
    *rules: Rule,
    fed_by: Mapping[str, Iterable[str]] | None = None,
) -> Site:
    """machines: id -> kind; devices: id -> site point ids in order; fed_by: machine -> its sources."""
    fed = {name: tuple(sources) for name, sources in (fed_by or {}).items()}
    kinds = {
        k: Kind(k, Text(k, k), SYSTEMS.get(k, System.POWER), _points(k, machines, devices)) for k in machines.values()
    }
    nodes = {i: Node(i, Role(NODE_ROLES.get(k, "through")), fed.get(i, ())) for i, k in machines.items()} if fed else {}
    return Site(
        id="small",
        name=Text("小站", "Small"),
        timezone="Asia/Shanghai",
        hash="0",
        contract={},
        kinds=kinds,
        equipment={i: Equipment(i, k, Text(i, i), SAID, fed_by=fed.get(i, ())) for i, k in machines.items()},
        lines={"line": Line("line", "modbus-tcp", "localhost", 502)},
        devices={
            i: Device(i, "p", "line", 1000, tuple(p.rpartition("/")[2] for p in points), tuple(points))
            for i, points in ((i, tuple(points)) for i, points in devices.items())
        },
        rules={r.id: r for r in rules},
        plans={},
        people={},
        parties={},
        roster=Roster((Shift("always", 0, 0),), (Layer("operator", date(2026, 1, 1), ("always",), (("a",),), (0,)),)),
        supply=Supply(nodes),
    )


def _points(kind: str, machines: Mapping[str, str], devices: Mapping[str, Iterable[str]]) -> dict[str, Point]:
    mine = {name for name, k in machines.items() if k == kind}
    names = {p.rpartition("/")[2] for points in devices.values() for p in points if p.rpartition("/")[0] in mine}
    return {name: Point(name, Text(name, name)) for name in sorted(names)}
