"""From raw reply bytes to the values of a scan, each with its reason.

Two readings of the same rules stand here. The quick one (`collectors.modbus.quick`) is generated and answers only when
every value is good. Otherwise its twin says which values are not, and `_judge` goes through those fields and finds the
reason of each. Tests hold both readings equal.
"""

import math
import struct
from collections.abc import Collection, Mapping, Sequence

from collectors.modbus.numbers import BITS, CODES, FLOATS, NAN, above, bcd, folded, power, ratio, spans, swapped, view
from collectors.modbus.quick import Position, Sheet, generate
from collectors.modbus.readplan import Request, locate, plan, wanted
from collectors.profile import BIT_FUNCTIONS, ModbusField, ModbusMap, Type
from facility.point import Point, PointType
from facility.scan import Reason, Scan

REPLY = bytes | Reason
"""The data bytes of one request's answer, or why there are none."""


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
        known = list(points) or [None] * self.size
        self._positions = tuple(Position(modbus.fields[c], known[i], i in inverted) for i, c in enumerate(channels))
        self._where = {f.channel: locate(self.requests, f) for f in wanted(modbus, channels) if f.type is not Type.PAIR}
        self._sources = tuple(
            frozenset(self._where[f.channel][0] for f in wanted(modbus, [c]) if f.type is not Type.PAIR)
            for c in channels
        )
        self._sheet = Sheet(modbus, self.requests, self._where, self._positions, dict(multipliers or {}))
        self._good = bytes(self.size)
        self._quick, self._checked = generate(self._sheet)

    def decode(self, replies: Sequence[REPLY]) -> tuple[tuple[float, ...], bytes, dict[int, str] | None]:
        """Return values, reasons and unmapped words of one round of replies, one reply per request of the plan."""
        for reply in replies:
            if type(reply) is not bytes:
                return self._explain(replies)
        quick: tuple[float, ...] | None = self._quick(*replies)
        return self._explain(replies) if quick is None else (quick, self._good, None)

    def scan(self, device: str, at_ms: int, replies: Sequence[REPLY]) -> Scan:
        """Return what the device said at that moment."""
        values, reasons, texts = self.decode(replies)
        return Scan(device, at_ms, at_ms, values, reasons, 0, texts)

    def brought_by(self, requests: Collection[int]) -> list[int]:
        """Return the positions of the channels that cannot be had without these requests of the plan."""
        return [index for index, sources in enumerate(self._sources) if not sources.isdisjoint(requests)]

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

    def _judge(self, position: Position, replies: Sequence[REPLY]) -> tuple[float, Reason, str]:
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
        if any(low <= raw <= high for low, high in spans(field)):
            return NAN, Reason.SENTINEL, ""
        number = _number(field, raw)
        value, reason, word = self._scaled(field, number, replies)
        if reason is not Reason.GOOD:
            return NAN, reason, word
        if field.folded:
            value = folded(value)
        if field.nonzero:
            value = BITS[value != 0]
        elif field.above is not None:
            value = above(value, field.above)
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
        value = number * (field.scale * self._sheet.ratio(field))
        if field.scale_from:
            factor, reason, word = self._value(self._modbus.fields[field.scale_from], replies)
            if reason is not Reason.GOOD:
                return NAN, reason, word
            value *= power(factor) if field.exponent else factor
        if field.over:
            by, reason, word = self._value(self._modbus.fields[field.over], replies)
            if reason is not Reason.GOOD:
                return NAN, reason, word
            value = ratio(value, by)
        value += field.offset
        for other in field.plus:
            rest, reason, word = self._value(self._modbus.fields[other], replies)
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


def _cell(field: ModbusField, reply: bytes, start: int) -> float:
    """Return the raw number of the field's registers (the whole register for bits and half bytes)."""
    if field.function in BIT_FUNCTIONS:
        return reply[start >> 3] >> (start & 7) & 1
    data = reply[2 * start : 2 * (start + field.registers)]
    swap, endian = view(field.order, field.registers)
    number: float = struct.unpack(endian + CODES[field.type], swapped(data) if swap else data)[0]
    return number


def _number(field: ModbusField, raw: float) -> float:
    """Return what the type makes of the raw number."""
    if field.function in BIT_FUNCTIONS or field.type in FLOATS:
        return raw
    word = int(raw)
    if field.type is Type.BIT:
        return word >> field.bit & ((1 << field.width) - 1)
    if field.type is Type.HI:
        return word >> 8
    if field.type is Type.LO:
        return word & 0xFF
    return bcd(word) if field.type is Type.BCD else word
