"""The quick reading: functions generated once per device layout.

One precompiled `struct` per request and word order, one expression per value, one chain of checks. Only numbers and
names of our own go into the generated text, never a word from a file.
"""

import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from collectors.modbus.numbers import (
    BITS,
    BITS_INVERTED,
    CODES,
    FLOATS,
    FRAGILE,
    LARGEST,
    NAN,
    above,
    bcd,
    folded,
    pair,
    power,
    ratio,
    spans,
    swapped,
    view,
)
from collectors.modbus.readplan import Request, wanted
from collectors.profile import BIT_FUNCTIONS, ModbusField, ModbusMap, Order, Type
from facility.point import Point, PointType


@dataclass(frozen=True)
class Position:
    """One value of the device: its field, its point, and how this site wires it."""

    field: ModbusField
    point: Point | None
    inverted: bool

    @property
    def limits(self) -> tuple[float, float] | None:
        """The span that is possible; None when every number the field can bring is."""
        point, field = self.point, self.field
        low = point.low if point and point.low is not None else None
        high = point.high if point and point.high is not None else None
        fragile = field.type in FRAGILE or bool(field.codes or field.needs or field.folded)
        if low is None and high is None and not fragile:
            return None
        return (-LARGEST if low is None else float(low)), (LARGEST if high is None else float(high))

    @property
    def allowed(self) -> frozenset[float] | None:
        """The only values a state or enum may have; None when the field cannot bring others, or any will do."""
        if self.point is None or self.field.type is Type.PAIR:
            return None
        if self.point.type is PointType.STATE:
            field = self.field
            one_bit = field.type is Type.BIT and field.width == 1 and not field.codes
            return None if one_bit or field.nonzero or field.above is not None else frozenset(BITS)
        if self.point.type is PointType.ENUM and self.point.codes:
            return frozenset(float(c.value) for c in self.point.codes)
        return None


@dataclass(frozen=True)
class Sheet:
    """What a device's decoder works from: what is asked, where each channel stands in the replies, how it is wired."""

    modbus: ModbusMap
    requests: tuple[Request, ...]
    where: Mapping[str, tuple[int, int]]  # channel -> which request, which register or bit of its reply
    positions: tuple[Position, ...]
    ratios: Mapping[str, float]

    def ratio(self, field: ModbusField) -> float:
        """Return what the site's transformers multiply this field by."""
        return math.prod(self.ratios.get(name, 1.0) for name in field.multiplier.split("*") if name)


@dataclass
class _Writer:
    """Collects the generated function: the structs, one line per value, one condition per check."""

    sheet: Sheet
    names: dict[str, object] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    checks: dict[str, list[str]] = field(default_factory=dict)
    cells: dict[tuple[int, int, Type, Order], str] = field(default_factory=dict)
    done: dict[str, str] = field(default_factory=dict)

    def keep(self, value: object) -> str:
        """Give a constant a name in the function's world."""
        name = f"k{len(self.names)}"
        self.names[name] = value
        return name


def generate(
    sheet: Sheet,
) -> tuple[Callable[..., tuple[float, ...] | None], Callable[..., tuple[tuple[float, ...], tuple[bool, ...]]]]:
    """Return two functions of all replies: the values, or None when one is bad; and the values, a verdict for each."""
    writer = _Writer(sheet)
    _write_structs(writer)
    results, verdicts = [], []
    for position in sheet.positions:
        value = _write_value(writer, position.field)
        if position.inverted:
            value = f"(1.0 - {value})"
        results.append(value)
        needed = wanted(sheet.modbus, [position.field.channel])
        checks = [check for f in needed for check in writer.checks.get(f.channel, ())]
        if position.allowed is not None:
            checks.append(f"{value} in {writer.keep(position.allowed)}")
        if position.limits is not None:
            low, high = position.limits
            checks.append(f"{low!r} <= {value} <= {high!r}")
        verdicts.append(checks)
    arguments = ", ".join(f"r{i}" for i in range(len(sheet.requests)))
    body = "".join(f"    {line}\n" for line in writer.lines)
    answer = f"({', '.join(results)}{',' if results else ''})"
    all_good = " and ".join(dict.fromkeys(check for checks in verdicts for check in checks)) or "True"
    each = ", ".join(" and ".join(checks) or "True" for checks in verdicts)
    source = (
        f"def quick({arguments}):\n{body}    return {answer} if {all_good} else None\n"
        f"def checked({arguments}):\n{body}    return {answer}, ({each}{',' if verdicts else ''})\n"
    )
    world: dict[str, Any] = {**writer.names, "nan": NAN, "swapped": swapped, "bcd": bcd}
    world |= {
        "power": power,
        "folded": folded,
        "pair": pair,
        "above": above,
        "ratio": ratio,
        "BIT": BITS,
        "TIB": BITS_INVERTED,
    }
    exec(compile(source, "<decoder>", "exec"), world)  # noqa: S102 - only numbers and our own names are in it
    return world["quick"], world["checked"]


def _write_structs(writer: _Writer) -> None:
    """Write one unpacking per request and byte order; registers read as two things get a second one."""
    sheet = writer.sheet
    groups: dict[tuple[int, bool, str], list[tuple[int, Type, Order]]] = {}
    for channel, (index, start) in sheet.where.items():
        spec = sheet.modbus.fields[channel]
        if spec.function in BIT_FUNCTIONS:
            continue
        kind = Type.U16 if CODES[spec.type] == "H" else spec.type
        order = Order.ABCD if spec.registers == 1 else spec.order
        cell = (start, kind, order)
        members = groups.setdefault((index, *view(order, spec.registers)), [])
        if cell not in members:
            members.append(cell)
    for (index, swap, endian), members in groups.items():
        left = sorted(members, key=lambda m: (m[0], m[1]))
        reply = f"swapped(r{index})" if swap else f"r{index}"
        while left:
            layout, at, taken, over = endian, 0, [], []
            for cell in left:
                start, kind, order = cell
                if start < at:
                    over.append(cell)
                    continue
                layout += f"{2 * (start - at)}x" if start > at else ""
                layout += CODES[kind]
                at = start + struct.calcsize(f">{CODES[kind]}") // 2
                name = f"c{len(writer.cells)}"
                writer.cells[index, start, kind, order] = name
                taken.append(name)
            rest = sheet.requests[index].count - at
            unpack = writer.keep(struct.Struct(layout + (f"{2 * rest}x" if rest else "")).unpack)
            writer.lines.append(f"{', '.join(taken)}, = {unpack}({reply})")
            left = over


def _write_value(writer: _Writer, spec: ModbusField) -> str:
    """Write the line that computes a field, once, and return the name of its value."""
    if spec.channel in writer.done:
        return writer.done[spec.channel]
    expression = _expression(writer, spec)
    name = f"v{len(writer.done)}"
    writer.done[spec.channel] = name
    writer.lines.append(f"{name} = {expression}")
    return name


def _expression(writer: _Writer, spec: ModbusField) -> str:
    sheet = writer.sheet
    fields = sheet.modbus.fields
    if spec.type is Type.PAIR:
        closed, open_ = (_write_value(writer, fields[c]) for c in (spec.closed, spec.open))
        value = f"pair({closed}, {open_})"
        return f"1.0 - {value}" if spec.inverted else value
    raw, table = _raw(writer, spec)
    if table and not (spec.codes or spec.needs or spec.sentinels) and (spec.scale, spec.offset) == (1.0, 0.0):
        return f"{'TIB' if spec.inverted else 'BIT'}[{raw}]"
    if spec.codes:
        value = f"{writer.keep({k: float(v) for k, v in spec.codes.items()})}.get({raw}, nan)"
    else:
        value = _scaled(writer, spec, raw)
    if spec.folded:
        value = f"folded({value})"
    if spec.nonzero:
        value = f"BIT[{value} != 0]"
    elif spec.above is not None:
        value = f"above({value}, {spec.above!r})"
    return f"1.0 - ({value})" if spec.inverted else value


def _scaled(writer: _Writer, spec: ModbusField, raw: str) -> str:
    """Return the expression of the engineering value: scale, what other channels multiply, divide and add, offset."""
    fields = writer.sheet.modbus.fields
    scale = spec.scale * writer.sheet.ratio(spec)
    plain = spec.type in FLOATS and scale == 1.0
    value = raw if plain else f"{raw} * {scale!r}"
    if spec.scale_from:
        factor = _write_value(writer, fields[spec.scale_from])
        value += f" * {f'power({factor})' if spec.exponent else factor}"
    if spec.over:
        value = f"ratio({value}, {_write_value(writer, fields[spec.over])})"
    if spec.offset:
        value += f" + {spec.offset!r}"
    for other in spec.plus:
        value += f" + {_write_value(writer, fields[other])}"
    return value


def _raw(writer: _Writer, spec: ModbusField) -> tuple[str, bool]:
    """Return the expression of the field's raw number, and whether it can only be 0 or 1."""
    index, start = writer.sheet.where[spec.channel]
    if spec.function in BIT_FUNCTIONS:
        return f"(r{index}[{start >> 3}] >> {start & 7} & 1)", True
    kind = Type.U16 if CODES[spec.type] == "H" else spec.type
    cell = writer.cells[index, start, kind, Order.ABCD if spec.registers == 1 else spec.order]
    writer.checks[spec.channel] = [
        f"{cell} != {low!r}" if low == high else f"not {low!r} <= {cell} <= {high!r}" for low, high in spans(spec)
    ]
    if spec.type is Type.BIT:
        return f"({cell} >> {spec.bit} & {(1 << spec.width) - 1})", spec.width == 1
    halves = {Type.HI: f"({cell} >> 8)", Type.LO: f"({cell} & 255)", Type.BCD: f"bcd({cell})"}
    return halves.get(spec.type, cell), False
