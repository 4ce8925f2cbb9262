"""From raw reply bytes to the values of a scan, each with its reason; and the way back, for simulators and tests.

Two readings of the same rules stand here. The quick one is a function generated once per device layout: one precompiled
`struct` per request and word order, one expression per value, one chain of checks; it answers only when every value is
good. Otherwise its twin says which values are not, and `_judge` goes through those fields and finds the reason of each.
Tests hold both readings equal.
"""

import math
import struct
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from collectors.profile import BIT_FUNCTIONS, ModbusField, ModbusMap, Order, Type
from collectors.readplan import Request, locate, plan, wanted
from facility.point import Point, PointType
from facility.scan import Reason, Scan

NAN = float("nan")
LARGEST = 1.7976931348623157e308
REPLY = bytes | Reason
"""The data bytes of one request's answer, or why there are none."""

_CODES: Mapping[Type, str] = {
    Type.U16: "H",
    Type.I16: "h",
    Type.U32: "I",
    Type.I32: "i",
    Type.U64: "Q",
    Type.I64: "q",
    Type.F32: "f",
    Type.F64: "d",
    Type.BIT: "H",
    Type.HI: "H",
    Type.LO: "H",
    Type.BCD: "H",
}
_FLOATS = frozenset({Type.F32, Type.F64})
_SIGNED = frozenset({Type.I16, Type.I32, Type.I64})
_FRAGILE = frozenset({Type.F32, Type.F64, Type.BCD, Type.PAIR})  # may decode to something that is no number
_BITS = (0.0, 1.0)
_BITS_INVERTED = (1.0, 0.0)
_EXPONENTS = 30


def _swapped(data: bytes) -> bytes:
    words = array("H", data)
    words.byteswap()
    return words.tobytes()


def _bcd(word: int) -> float:
    digits = f"{word:04x}"
    return float(digits) if digits.isdecimal() else NAN


def _power(exponent: float) -> float:
    return 10.0**exponent if -_EXPONENTS <= exponent <= _EXPONENTS else NAN


def _folded(value: float) -> float:
    return value if -1.0 <= value <= 1.0 else math.copysign(2.0, value) - value


def _above(value: float, limit: float) -> float:
    return NAN if math.isnan(value) else _BITS[value > limit]


def _pair(closed: float, open_: float) -> float:
    return closed if closed != open_ else NAN


def _view(order: Order, registers: int) -> tuple[bool, str]:
    """Return whether the words' bytes are swapped first, and the byte order to unpack with."""
    if registers == 1 or order is Order.ABCD:
        return False, ">"
    if order is Order.DCBA:
        return False, "<"
    return True, "<" if order is Order.CDAB else ">"


@dataclass(frozen=True)
class _Position:
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
        fragile = field.type in _FRAGILE or bool(field.codes or field.needs or field.folded)
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
            return None if one_bit or field.nonzero or field.above is not None else frozenset(_BITS)
        if self.point.type is PointType.ENUM and self.point.codes:
            return frozenset(float(c.value) for c in self.point.codes)
        return None


class Decoder:
    """Reads the replies of one device; made once per profile, channels and wiring, shared by devices that agree."""

    def __init__(
        self,
        modbus: ModbusMap,
        channels: Sequence[str],
        points: Sequence[Point | None] = (),
        *,
        inverted: frozenset[int] = frozenset(),
        multipliers: Mapping[str, float] | None = None,
    ) -> None:
        """Compile.

        Args:
            modbus: the map.
            channels: the device's channels, in the order of its points.
            points: the canonical definition of each point, for its physical range; empty: none are known.
            inverted: positions whose 0/1 is wired the other way round.
            multipliers: the site's "ct" and "pt" ratios.

        Raises:
            KeyError: a channel that the map does not have.
        """
        self.requests: tuple[Request, ...] = plan(modbus, channels)
        self.size = len(channels)
        self._modbus = modbus
        self._ratios = dict(multipliers or {})
        known = list(points) or [None] * self.size
        self._positions = tuple(_Position(modbus.fields[c], known[i], i in inverted) for i, c in enumerate(channels))
        self._where = {f.channel: locate(self.requests, f) for f in wanted(modbus, channels) if f.type is not Type.PAIR}
        self._sources = tuple(
            frozenset(self._where[f.channel][0] for f in wanted(modbus, [c]) if f.type is not Type.PAIR)
            for c in channels
        )
        self._good = bytes(self.size)
        self._quick, self._checked = _generate(self)

    def ratio(self, field: ModbusField) -> float:
        """Return what the site's transformers multiply this field by."""
        return math.prod(self._ratios.get(name, 1.0) for name in field.multiplier.split("*") if name)

    def decode(self, replies: Sequence[REPLY]) -> tuple[tuple[float, ...], bytes, dict[int, str] | None]:
        """Return values, reasons and unmapped words of one round of replies, one reply per request of the plan."""
        if all(type(r) is bytes for r in replies):
            quick: tuple[float, ...] | None = self._quick(*replies)
            if quick is not None:
                return quick, self._good, None
        return self._explain(replies)

    def scan(self, device: str, at_ms: int, replies: Sequence[REPLY]) -> Scan:
        """Return what the device said at that moment."""
        values, reasons, texts = self.decode(replies)
        return Scan(device, at_ms, at_ms, values, reasons, 0, texts)

    # -- the slow reading -------------------------------------------------------------------------------------------

    def _explain(self, replies: Sequence[REPLY]) -> tuple[tuple[float, ...], bytes, dict[int, str] | None]:
        failed = {i: r for i, r in enumerate(replies) if isinstance(r, Reason)}
        whole = [
            r if isinstance(r, bytes) else bytes(q.reply_bytes) for r, q in zip(replies, self.requests, strict=True)
        ]
        found, goods = self._checked(*whole)
        values = list(found)
        reasons = bytearray(self.size)
        texts: dict[int, str] = {}
        for index, good in enumerate(goods):
            missing = failed.keys() & self._sources[index] if failed else ()
            if missing:
                values[index], reasons[index] = NAN, failed[min(missing)]
            elif not good:
                values[index], reasons[index], word = self._judge(self._positions[index], replies)
                if word:
                    texts[index] = word
        return tuple(values), bytes(reasons), texts or None

    def _judge(self, position: _Position, replies: Sequence[REPLY]) -> tuple[float, Reason, str]:
        value, reason, word = self._value(position.field, replies)
        if reason is not Reason.GOOD:
            return NAN, reason, word
        if position.inverted:
            value = 1.0 - value
        if position.allowed is not None and value not in position.allowed:
            state = position.point is not None and position.point.type is PointType.STATE
            return NAN, Reason.OUT_OF_RANGE if state else Reason.UNKNOWN_TEXT, f"{value:g}"
        limits = position.limits
        if limits and not limits[0] <= value <= limits[1]:
            return NAN, Reason.OUT_OF_RANGE, f"{value:g}"
        return value, Reason.GOOD, ""

    def _value(self, field: ModbusField, replies: Sequence[REPLY]) -> tuple[float, Reason, str]:
        if field.type is Type.PAIR:
            return self._double(field, replies)
        index, start = self._where[field.channel]
        reply = replies[index]
        assert isinstance(reply, bytes), "a value without an answer is never judged"
        raw = _cell(field, reply, start)
        if any(low <= raw <= high for low, high in _spans(field)):
            return NAN, Reason.SENTINEL, ""
        number = _number(field, raw)
        value, reason, word = self._scaled(field, number, replies)
        if reason is not Reason.GOOD:
            return NAN, reason, word
        if field.folded:
            value = _folded(value)
        if field.nonzero:
            value = _BITS[value != 0]
        elif field.above is not None:
            value = _above(value, field.above)
        if field.inverted:
            value = 1.0 - value
        if math.isfinite(value):
            return value, Reason.GOOD, ""
        return NAN, Reason.UNDECODABLE if field.type is Type.BCD else Reason.NOT_A_NUMBER, ""

    def _scaled(self, field: ModbusField, number: float, replies: Sequence[REPLY]) -> tuple[float, Reason, str]:
        if field.codes:
            if number not in field.codes:
                return NAN, Reason.UNKNOWN_TEXT, f"{number:g}"
            return float(field.codes[int(number)]), Reason.GOOD, ""
        value = number * (field.scale * self.ratio(field))
        if field.scale_from:
            factor, reason, word = self._value(self._modbus.fields[field.scale_from], replies)
            if reason is not Reason.GOOD:
                return NAN, reason, word
            value *= _power(factor) if field.exponent else factor
        value += field.offset
        if field.plus:
            rest, reason, word = self._value(self._modbus.fields[field.plus], replies)
            if reason is not Reason.GOOD:
                return NAN, reason, word
            value += rest
        return value, Reason.GOOD, ""

    def _double(self, field: ModbusField, replies: Sequence[REPLY]) -> tuple[float, Reason, str]:
        closed, why_closed, _ = self._value(self._modbus.fields[field.closed], replies)
        open_, why_open, _ = self._value(self._modbus.fields[field.open], replies)
        reason = why_closed or why_open
        if reason:
            return NAN, Reason(reason), ""
        if closed == open_:
            return NAN, Reason.INVALID_STATE, f"{closed:g}{open_:g}"
        return (1.0 - closed if field.inverted else closed), Reason.GOOD, ""


def _spans(field: ModbusField) -> list[tuple[int, int]]:
    """Return the sentinels as the raw number shows them: 0x8000 of a signed register is -32768."""
    if field.type not in _SIGNED:
        return list(field.sentinels)
    bits = 16 * field.registers
    return [
        (low - (1 << bits), high - (1 << bits)) if low >= 1 << (bits - 1) else (low, high)
        for low, high in field.sentinels
    ]


def _cell(field: ModbusField, reply: bytes, start: int) -> float:
    """Return the raw number of the field's registers (the whole register for bits and half bytes)."""
    if field.function in BIT_FUNCTIONS:
        return reply[start >> 3] >> (start & 7) & 1
    data = reply[2 * start : 2 * (start + field.registers)]
    swap, endian = _view(field.order, field.registers)
    number: float = struct.unpack(endian + _CODES[field.type], _swapped(data) if swap else data)[0]
    return number


def _number(field: ModbusField, raw: float) -> float:
    """Return what the type makes of the raw number."""
    if field.function in BIT_FUNCTIONS or field.type in _FLOATS:
        return raw
    word = int(raw)
    if field.type is Type.BIT:
        return word >> field.bit & ((1 << field.width) - 1)
    if field.type is Type.HI:
        return word >> 8
    if field.type is Type.LO:
        return word & 0xFF
    return _bcd(word) if field.type is Type.BCD else word


# -- the quick reading ------------------------------------------------------------------------------------------------


@dataclass
class _Writer:
    """Collects the generated function: the structs, one line per value, one condition per check."""

    decoder: Decoder
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


def _generate(
    decoder: Decoder,
) -> tuple[Callable[..., tuple[float, ...] | None], Callable[..., tuple[tuple[float, ...], tuple[bool, ...]]]]:
    """Return two functions of all replies: the values, or None when one is bad; and the values, a verdict for each."""
    writer = _Writer(decoder)
    _write_structs(writer)
    results, verdicts = [], []
    for position in decoder._positions:  # noqa: SLF001 - the generator is the decoder's own other half
        value = _write_value(writer, position.field)
        if position.inverted:
            value = f"(1.0 - {value})"
        results.append(value)
        needed = wanted(decoder._modbus, [position.field.channel])  # noqa: SLF001 - see above
        checks = [check for f in needed for check in writer.checks.get(f.channel, ())]
        if position.allowed is not None:
            checks.append(f"{value} in {writer.keep(position.allowed)}")
        if position.limits is not None:
            low, high = position.limits
            checks.append(f"{low!r} <= {value} <= {high!r}")
        verdicts.append(checks)
    arguments = ", ".join(f"r{i}" for i in range(len(decoder.requests)))
    body = "".join(f"    {line}\n" for line in writer.lines)
    answer = f"({', '.join(results)}{',' if results else ''})"
    all_good = " and ".join(dict.fromkeys(check for checks in verdicts for check in checks)) or "True"
    each = ", ".join(" and ".join(checks) or "True" for checks in verdicts)
    source = (
        f"def quick({arguments}):\n{body}    return {answer} if {all_good} else None\n"
        f"def checked({arguments}):\n{body}    return {answer}, ({each}{',' if verdicts else ''})\n"
    )
    world: dict[str, Any] = {**writer.names, "nan": NAN, "swapped": _swapped, "bcd": _bcd}
    world |= {"power": _power, "folded": _folded, "pair": _pair, "above": _above, "BIT": _BITS, "TIB": _BITS_INVERTED}
    exec(compile(source, "<decoder>", "exec"), world)  # noqa: S102 - only numbers and our own names are in it
    return world["quick"], world["checked"]


def _write_structs(writer: _Writer) -> None:
    """Write one unpacking per request and byte order; registers read as two things get a second one."""
    decoder = writer.decoder
    groups: dict[tuple[int, bool, str], list[tuple[int, Type, Order]]] = {}
    for channel, (index, start) in decoder._where.items():  # noqa: SLF001 - see above
        spec = decoder._modbus.fields[channel]  # noqa: SLF001 - see above
        if spec.function in BIT_FUNCTIONS:
            continue
        kind = Type.U16 if _CODES[spec.type] == "H" else spec.type
        order = Order.ABCD if spec.registers == 1 else spec.order
        cell = (start, kind, order)
        members = groups.setdefault((index, *_view(order, spec.registers)), [])
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
                layout += _CODES[kind]
                at = start + struct.calcsize(f">{_CODES[kind]}") // 2
                name = f"c{len(writer.cells)}"
                writer.cells[index, start, kind, order] = name
                taken.append(name)
            rest = decoder.requests[index].count - at
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
    decoder = writer.decoder
    fields = decoder._modbus.fields  # noqa: SLF001 - see above
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
        scale = spec.scale * decoder.ratio(spec)
        plain = spec.type in _FLOATS and scale == 1.0
        value = raw if plain else f"{raw} * {scale!r}"
        if spec.scale_from:
            factor = _write_value(writer, fields[spec.scale_from])
            value += f" * {f'power({factor})' if spec.exponent else factor}"
        if spec.offset:
            value += f" + {spec.offset!r}"
        if spec.plus:
            value += f" + {_write_value(writer, fields[spec.plus])}"
    if spec.folded:
        value = f"folded({value})"
    if spec.nonzero:
        value = f"BIT[{value} != 0]"
    elif spec.above is not None:
        value = f"above({value}, {spec.above!r})"
    return f"1.0 - ({value})" if spec.inverted else value


def _raw(writer: _Writer, spec: ModbusField) -> tuple[str, bool]:
    """Return the expression of the field's raw number, and whether it can only be 0 or 1."""
    index, start = writer.decoder._where[spec.channel]  # noqa: SLF001 - see above
    if spec.function in BIT_FUNCTIONS:
        return f"(r{index}[{start >> 3}] >> {start & 7} & 1)", True
    kind = Type.U16 if _CODES[spec.type] == "H" else spec.type
    cell = writer.cells[index, start, kind, Order.ABCD if spec.registers == 1 else spec.order]
    writer.checks[spec.channel] = [
        f"{cell} != {low!r}" if low == high else f"not {low!r} <= {cell} <= {high!r}" for low, high in _spans(spec)
    ]
    if spec.type is Type.BIT:
        return f"({cell} >> {spec.bit} & {(1 << spec.width) - 1})", spec.width == 1
    halves = {Type.HI: f"({cell} >> 8)", Type.LO: f"({cell} & 255)", Type.BCD: f"bcd({cell})"}
    return halves.get(spec.type, cell), False
