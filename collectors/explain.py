"""A profile in words: what is asked, at which address as printed and as sent, and what becomes of the answer."""

from collections.abc import Sequence

from collectors.modbus.readplan import plan
from collectors.profile import BIT_FUNCTIONS, ModbusField, ModbusMap, MqttField, MqttMap, Profile, Type

_FUNCTIONS = {1: "1 coil", 2: "2 discrete input", 3: "3 holding", 4: "4 input"}
_NOTHING = "-"


def explain(profile: Profile) -> list[str]:
    """Return the profile as lines for a terminal: its head, a table of its channels, and what one round asks."""
    out = [
        f"{profile.id}: {profile.name.zh} / {profile.name.en}",
        f"  kind {profile.kind or _NOTHING}, every {profile.interval_ms / 1000:g} s, trust {profile.trust.value}",
        f"  source: {profile.source}",
        *([f"  notes: {profile.notes}"] if profile.notes else []),
        "",
    ]
    if profile.modbus:
        return out + _modbus(profile.modbus)
    return out + (_mqtt(profile.mqtt) if profile.mqtt else [])


def _modbus(modbus: ModbusMap) -> list[str]:
    head = ("channel", "printed", "sent", "function", "type", "order", "value", "unit", "point")
    rows = [_register(f, modbus.base) for f in modbus.fields.values()]
    asked = [
        f"  function {q.function}, address {q.address} (0x{q.address:04X}),"
        f" {q.count} {'bits' if q.function in BIT_FUNCTIONS else 'registers'}"
        for q in plan(modbus, modbus.fields)
    ]
    return [
        *_table([head, *rows]),
        "",
        f"base {modbus.base}: the address sent is the printed one" + (" less 1" if modbus.base else ""),
        *_identity(modbus),
        "whole blocks only; all channels together ask:"
        if modbus.blocks
        else f"at most {modbus.max_registers} registers in one read; all channels together ask:",
        *asked,
    ]


def _identity(modbus: ModbusMap) -> list[str]:
    """Return what tells the model, before anything else is asked."""
    known = modbus.identity
    if known is None:
        return []
    at = f"{known.address + modbus.base}, sent {known.address} (0x{known.address:04X})"
    return [f"the model is told by function {known.function}, address {at}: {' or '.join(map(str, known.right))}"]


def _register(field: ModbusField, base: int) -> tuple[str, ...]:
    type_ = field.type.value
    if field.type is Type.PAIR:
        made = f"{field.closed} closed, {field.open} open" + (", inverted" if field.inverted else "")
        return field.channel, _NOTHING, _NOTHING, _NOTHING, type_, _NOTHING, made, field.unit, field.point or _NOTHING
    if field.type is Type.BIT and field.function not in (1, 2):
        last = field.bit + field.width - 1
        type_ = f"bit {field.bit}" + (f"-{last}" if field.width > 1 else "")
    return (
        field.channel,
        str(field.address + base),
        f"{field.address} (0x{field.address:04X})",
        _FUNCTIONS[field.function],
        type_,
        field.order.value if field.registers > 1 else _NOTHING,
        _formula(field),
        field.unit,
        field.point or _NOTHING,
    )


def _formula(field: ModbusField) -> str:
    """Return how the raw number becomes the value."""
    if field.codes:
        said = ", ".join(f"{raw}={code:g}" for raw, code in field.codes.items())
    else:
        said = "raw" if field.scale == 1 else f"raw x {field.scale:.6g}"
        if field.scale_from:
            said += f" x 10^{field.scale_from}" if field.exponent else f" x {field.scale_from}"
        said += f" x {field.multiplier.replace('*', ' x ')}" if field.multiplier else ""
        said += f" / {field.over}" if field.over else ""
        said += f" {'+' if field.offset > 0 else '-'} {abs(field.offset):.6g}" if field.offset else ""
        said += "".join(f" + {other}" for other in field.plus)
    said = f"quadrant of ({said})" if field.folded else said
    said = f"({said}) > {field.above:g}" if field.above is not None else said
    said += ", any bit" if field.nonzero else ""
    said += ", inverted" if field.inverted else ""
    if field.sentinels:
        spans = ", ".join(f"0x{low:X}" if low == high else f"0x{low:X}-0x{high:X}" for low, high in field.sentinels)
        said += f"; none: {spans}"
    return said


def _mqtt(mqtt: MqttMap) -> list[str]:
    head = ("channel", "message", "path", "value", "unit", "point")
    topics = [
        f"  {m.name}: {m.topic} ({m.payload.value}{f', {m.size} bytes' if m.size else ''})" for m in mqtt.messages
    ]
    clock = [f"device time: {'.'.join(mqtt.time)} in {mqtt.time_unit}"] if mqtt.time else ["device time: none"]
    presence = [f"last will: {mqtt.presence.topic}"] if mqtt.presence else []
    presence += [f"bridge: {mqtt.bridge.topic}"] if mqtt.bridge else []
    return [*_table([head, *(_spoken(f) for f in mqtt.fields.values())]), "", *clock, *presence, "topics:", *topics]


def _spoken(field: MqttField) -> tuple[str, ...]:
    if field.cleared_by:
        said = f"1, and 0 by {field.cleared_by}" + (f", for {', '.join(field.contains)}" if field.contains else "")
    elif field.contains:
        said = f"1 when {' or '.join(field.contains)} is there"
    elif field.codes:
        said = ", ".join(f"{word}={code:g}" for word, code in field.codes.items())
    else:
        said = field.reads.value if field.scale == 1 else f"number x {field.scale:.6g}"
        said += f" {'+' if field.offset > 0 else '-'} {abs(field.offset):.6g}" if field.offset else ""
    said += ", inverted" if field.inverted else ""
    return (
        field.channel,
        field.message,
        ".".join(field.path) or _NOTHING,
        said,
        field.unit,
        field.point or _NOTHING,
    )


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
