"""The benchmark's site, made in code: N meters of one map, 108 points each, a limit rule on every point."""

from collectors.profile import ModbusField, ModbusMap, Order, Profile, Trust, Type
from facility.duty import Roster
from facility.equipment import Device, Equipment, Line
from facility.point import Kind, Point, System
from facility.rule import AlarmClass, Compare, Condition, Priority, Rule, Start
from facility.site import Site
from facility.supply import Supply
from facility.text import Text

WORDS = Text("基准", "benchmark")


def fields() -> dict[str, ModbusField]:
    """Return 108 fields over 125 registers: floats in two word orders, words, doubles, bits."""
    out: list[ModbusField] = []
    at = 0

    def add(count: int, type: Type, registers: int, **more: object) -> None:
        nonlocal at
        for _ in range(count):
            name = f"v{len(out)}"
            out.append(ModbusField(name, at, 3, type, point=name, **more))  # type: ignore[arg-type] # by keyword
            at += registers

    add(20, Type.F32, 2)
    add(15, Type.F32, 2, order=Order.CDAB)
    add(37, Type.I16, 1, scale=0.1)
    add(8, Type.U32, 2)
    for word in (at, at + 1):
        out.extend(ModbusField(f"v{len(out)}", word, 3, Type.BIT, point=f"v{len(out)}", bit=b) for b in range(14))
    return {f.channel: f for f in out}


def crowd(devices: int, port: int, interval_ms: int) -> tuple[Site, dict[str, Profile]]:
    """Return a site of so many devices, each on a line of its own to the same port."""
    mapped = fields()
    assert len(mapped) == 108
    points = {n: Point(n, WORDS) for n in mapped}
    profile = Profile("bench", WORDS, "bench", interval_ms, "made for the benchmark", Trust.OWN, "1", ModbusMap(mapped))
    rules = {
        f"high-{n}": Rule(
            f"high-{n}", "bench", WORDS, (Condition(n, Compare.ABOVE, 1e9, 1.0),), Priority.MEDIUM,
            AlarmClass.EQUIPMENT, WORDS, WORDS, WORDS, 60_000, "none", Start.OPERATOR,
            on_delay_ms=10_000, off_delay_ms=5_000, version="1",
        )
        for n in mapped
    }  # fmt: skip
    names = [f"m{i}" for i in range(devices)]
    return Site(
        id="bench", name=WORDS, timezone="UTC", hash="bench", contract={},
        kinds={"bench": Kind("bench", WORDS, System.POWER, points)},
        equipment={n: Equipment(n, "bench", WORDS, WORDS) for n in names},
        lines={f"line-{n}": Line(f"line-{n}", "modbus-tcp", "127.0.0.1", port) for n in names},
        devices={
            n: Device(n, "bench", f"line-{n}", interval_ms, tuple(mapped), tuple(f"{n}/{c}" for c in mapped))
            for n in names
        },
        rules=rules, plans={}, people={}, parties={}, roster=Roster((), ()), supply=Supply(),
    ), {"bench": profile}  # fmt: skip
