"""The way back from values to registers, for simulators and tests: it writes what `collectors.modbus.decode` reads."""

import math
import struct
from collections.abc import Mapping

from collectors.profile import BIT_FUNCTIONS, ModbusField, ModbusMap, Order, Type

Bank = dict[int, dict[int, int]]
"""Function code -> wire address -> register (16 bits unsigned), or 0/1 for functions 1 and 2."""

_WIDE: Mapping[Type, tuple[str, int, int]] = {
    Type.U16: (">H", 0, 0xFFFF),
    Type.I16: (">h", -0x8000, 0x7FFF),
    Type.U32: (">I", 0, 0xFFFF_FFFF),
    Type.I32: (">i", -0x8000_0000, 0x7FFF_FFFF),
    Type.U64: (">Q", 0, (1 << 64) - 1),
    Type.I64: (">q", -(1 << 63), (1 << 63) - 1),
}
_BCD_MOST = 9999


def encode(
    modbus: ModbusMap,
    values: Mapping[str, float],
    *,
    multipliers: Mapping[str, float] | None = None,
    inverted: frozenset[str] = frozenset(),
    bank: Bank | None = None,
) -> Bank:
    """Write channel values into registers as the device would show them.

    Args:
        modbus: the map.
        values: engineering values by channel; NaN stands for "not available" and needs a sentinel or a float.
        multipliers: the site's "ct" and "pt" ratios.
        inverted: channels wired the other way round at this site.
        bank: registers to write into; bits of a word that is there already are kept.

    Returns:
        The bank. A value beyond what its register can hold becomes the nearest that it can.

    Raises:
        KeyError: a channel that the map does not have.
        ValueError: NaN for a field that has no way to say so, or a code the map does not have.
    """
    out: Bank = {} if bank is None else bank
    values = _with_flags(modbus, values)
    # "Any bit set" first: a channel that shows the same register as a number knows better.
    for channel in sorted(values, key=lambda c: not modbus.fields[c].nonzero):
        field, wish = modbus.fields[channel], values[channel]
        if field.above is not None or field.over:
            continue  # told by numbers that other channels write
        value = 1.0 - wish if channel in inverted else wish
        if field.type is Type.PAIR:
            closed = bool(value) is not field.inverted
            _put(out, modbus.fields[field.closed], 1.0 if closed else 0.0, 1.0)
            _put(out, modbus.fields[field.open], 0.0 if closed else 1.0, 1.0)
            continue
        factor = math.prod((multipliers or {}).get(name, 1.0) for name in field.multiplier.split("*") if name)
        if field.scale_from:
            by = values[field.scale_from]
            factor *= 10.0**by if field.exponent else by
        given = [values[other] for other in field.plus if other in values]
        if given:
            value -= sum(given)
        elif field.plus:
            whole = math.trunc(value / (field.scale * factor)) * field.scale * factor
            _put(out, modbus.fields[field.plus[0]], value - whole, 1.0)
            value = whole
        _put(out, field, value, factor)
    if modbus.identity:
        out.setdefault(modbus.identity.function, {})[modbus.identity.address] = modbus.identity.right[0]
    return out


def _with_flags(modbus: ModbusMap, values: Mapping[str, float]) -> Mapping[str, float]:
    """Add what was not given of the flags that others are read by (unit systems): the first code of their list."""
    flags = {
        other: next(iter(modbus.fields[other].codes.values()))
        for channel in values
        for other in (modbus.fields[channel].scale_from, *modbus.fields[channel].plus)
        if other and other not in values and modbus.fields[other].codes
    }
    return {**values, **flags} if flags else values


def _put(bank: Bank, field: ModbusField, value: float, factor: float) -> None:
    table = bank.setdefault(field.function, {})
    if field.function in BIT_FUNCTIONS:
        raw = _raw(field, value, factor) if field.codes else value
        table[field.address] = int(bool(raw) is not (field.inverted and not field.codes))
        return
    raw = _raw(field, value, factor)
    if field.type is Type.BIT:
        mask = ((1 << field.width) - 1) << field.bit
        table[field.address] = table.get(field.address, 0) & ~mask | (int(raw) << field.bit & mask)
    elif field.type in {Type.HI, Type.LO}:
        kept, shift = (0x00FF, 8) if field.type is Type.HI else (0xFF00, 0)
        full = int(raw)
        # A sentinel is about the whole register; a value is about its half.
        table[field.address] = full if full > 0xFF else table.get(field.address, 0) & kept | full << shift  # noqa: PLR2004
    else:
        for offset, word in enumerate(_words(field, raw)):
            table[field.address + offset] = word


def _raw(field: ModbusField, value: float, factor: float) -> float:
    if math.isnan(value) and field.type not in {Type.F32, Type.F64}:
        if not field.sentinels:
            raise ValueError(f"channel {field.channel} has no way to say that a value is not available")
        return field.sentinels[0][0]
    if field.inverted:
        value = 1.0 - value
    if field.codes:
        for raw, code in field.codes.items():
            if code == value:
                return raw
        raise ValueError(f"channel {field.channel} has no raw code for {value:g}")
    number = (value - field.offset) / (field.scale * factor)
    if field.type in {Type.F32, Type.F64}:
        return number
    if field.type in {Type.HI, Type.LO}:
        return min(max(round(number), 0), 0xFF)
    return round(number)


def _words(field: ModbusField, raw: float) -> list[int]:
    if field.type is Type.BCD:
        return [int(str(min(max(int(raw), 0), _BCD_MOST)), 16)]
    if field.type in {Type.F32, Type.F64}:
        data = struct.pack(">f" if field.type is Type.F32 else ">d", raw)
    else:
        code, low, high = _WIDE[field.type]
        number = int(raw)
        signed = number - (high - low + 1) if number > high and (field.sentinels and low < 0) else number
        data = struct.pack(code, min(max(signed, low), high))
    words = [data[i : i + 2] for i in range(0, len(data), 2)]
    if len(words) > 1 and field.order in {Order.CDAB, Order.DCBA}:
        words.reverse()
    if len(words) > 1 and field.order in {Order.BADC, Order.DCBA}:
        words = [w[::-1] for w in words]
    return [int.from_bytes(w, "big") for w in words]
