"""From the values somebody wants to the few requests that bring them."""

from collections.abc import Iterable
from dataclasses import dataclass

from collectors.profile import BIT_FUNCTIONS, ModbusField, ModbusMap, Type

BIT_GAP = 64
"""Unused bits cost an eighth of a byte each: read them along rather than ask twice."""


@dataclass(frozen=True, slots=True)
class Request:
    """One read: `count` registers (or bits, for functions 1 and 2) from a wire address."""

    function: int
    address: int
    count: int

    @property
    def reply_bytes(self) -> int:
        """How many bytes of data the answer must bring."""
        return (self.count + 7) // 8 if self.function in BIT_FUNCTIONS else 2 * self.count


def wanted(modbus: ModbusMap, channels: Iterable[str]) -> list[ModbusField]:
    """Return the fields of these channels and of all they are computed from, each once, in order of first need."""
    found: dict[str, ModbusField] = {}
    todo = list(reversed(list(channels)))
    while todo:
        channel = todo.pop()
        if channel not in found:
            field = modbus.fields[channel]
            found[channel] = field
            todo += reversed(field.needs)
    return list(found.values())


def plan(modbus: ModbusMap, channels: Iterable[str]) -> tuple[Request, ...]:
    """Return the requests that bring these channels.

    Neighbours share a request when they use the same function code, no more than `max_gap` unused registers lie
    between them and the answer stays within `max_registers`; a value is never split over two requests. A device that
    gives its registers only in blocks is asked for the blocks in which they stand.
    """
    if modbus.blocks:
        fields = [f for f in wanted(modbus, channels) if f.type is not Type.PAIR]
        needed = (next(b for b in modbus.blocks if b.holds(f)) for f in fields)
        return tuple(Request(b.function, b.address, b.count) for b in sorted(set(needed), key=modbus.blocks.index))
    spans = sorted(
        {(f.function, f.address, f.address + f.registers) for f in wanted(modbus, channels) if f.type is not Type.PAIR}
    )
    requests: list[Request] = []
    for function, start, end in spans:
        bits = function in BIT_FUNCTIONS
        gap, most = (BIT_GAP, modbus.max_bits) if bits else (modbus.max_gap, modbus.max_registers)
        last = requests[-1] if requests else None
        if last and last.function == function and start - (last.address + last.count) <= gap:
            joined = max(last.address + last.count, end) - last.address
            if joined <= most:
                requests[-1] = Request(function, last.address, joined)
                continue
        requests.append(Request(function, start, end - start))
    return tuple(requests)


def locate(requests: Iterable[Request], field: ModbusField) -> tuple[int, int]:
    """Return which request brings the field, and at which register (or bit) of its answer."""
    for index, request in enumerate(requests):
        start = field.address - request.address
        if request.function == field.function and start >= 0 and start + field.registers <= request.count:
            return index, start
    raise ValueError(f"no request brings channel {field.channel}")
