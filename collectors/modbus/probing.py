"""What a few registers may mean: every way to read them, those that come near a known value first.

For the engineer who stands before a meter with its display in view and a table that does not say the word order.
"""

import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from collectors.modbus.numbers import CODES, swapped, view
from collectors.profile import REGISTERS, Order, Type

TYPES = (Type.U16, Type.I16, Type.F32, Type.U32, Type.I32, Type.F64)
SCALES = (1.0, 0.1, 0.01, 0.001, 10.0, 100.0, 1000.0)
NEAR = 0.02
"""How far from the known value, as a part of it, a reading may lie: a display rounds, and a load moves."""

_CLASSES = (0.0005, 0.002, 0.005)  # readings equally near are ordered by how usual they are
_SMALLEST, _LARGEST = 1e-3, 1e9  # a float outside them was nearly always not meant as one
_SIGNED_TWIN = {Type.I16: 16, Type.I32: 32}


@dataclass(frozen=True, slots=True)
class Guess:
    """One way to read: the value of the registers from `address` (on the wire) on, and how far it is off."""

    address: int
    type: Type
    order: Order
    scale: float
    value: float
    off: float  # |value - known| / |known|; 0 without a known value

    @property
    def toml(self) -> str:
        """The channel's line in a profile with base 0."""
        order = f', order = "{self.order}"' if REGISTERS[self.type] > 1 else ""
        scale = f", scale = {self.scale:g}" if self.scale != 1 else ""
        return f'at = {self.address}, type = "{self.type}"{order}{scale}'


def guesses(words: Sequence[int], address: int = 0, known: float | None = None) -> list[Guess]:
    """Return the plausible readings, best first.

    Args:
        words: the registers, 16 bits unsigned each.
        address: of the first of them, on the wire.
        known: what the device's own display shows; None returns every reading that could be a measurement, unscaled.

    A signed reading that cannot be told from the unsigned one is left out.
    """
    data = struct.pack(f">{len(words)}H", *words)
    found = [g for at in range(len(words)) for g in _at(data[2 * at :], address + at, known)]
    return sorted(found, key=_rank)


def _at(data: bytes, address: int, known: float | None) -> Iterator[Guess]:
    for kind in TYPES:
        size = 2 * REGISTERS[kind]
        if len(data) < size:
            continue
        for order in Order if REGISTERS[kind] > 1 else (Order.ABCD,):
            swap, endian = view(order, REGISTERS[kind])
            cut = data[:size]
            raw: float = struct.unpack(endian + CODES[kind], swapped(cut) if swap else cut)[0]
            if not _plausible(kind, raw):
                continue
            for scale in SCALES if known is not None else (1.0,):
                value = raw * scale
                off = 0.0 if known is None else _off(value, known)
                if off <= NEAR:
                    yield Guess(address, kind, order, scale, value, off)


def _plausible(kind: Type, raw: float) -> bool:
    if kind in _SIGNED_TWIN:
        return raw < 0
    if kind in {Type.F32, Type.F64}:
        return raw == 0 or (math.isfinite(raw) and _SMALLEST <= abs(raw) <= _LARGEST)
    return True


def _off(value: float, known: float) -> float:
    return abs(value - known) / abs(known) if known else (0.0 if value == 0 else math.inf)


def _rank(guess: Guess) -> tuple[int, int, int, int, float, int]:
    near = sum(guess.off > limit for limit in _CLASSES)
    narrow = 0 if guess.value else 1  # zero is read in every way: the narrowest says it all
    usual = (TYPES.index(guess.type), list(Order).index(guess.order), SCALES.index(guess.scale))
    return near, narrow, sum(usual), usual[0], guess.off, guess.address
