"""The arithmetic of register values, shared by the quick and the slow reading."""

import math
from array import array
from collections.abc import Mapping

from collectors.profile import ModbusField, Order, Type

NAN = float("nan")
LARGEST = 1.7976931348623157e308

CODES: Mapping[Type, str] = {
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
FLOATS = frozenset({Type.F32, Type.F64})
_SIGNED = frozenset({Type.I16, Type.I32, Type.I64})
FRAGILE = frozenset({Type.F32, Type.F64, Type.BCD, Type.PAIR})  # may decode to something that is no number
BITS = (0.0, 1.0)
BITS_INVERTED = (1.0, 0.0)
_EXPONENTS = 30


def swapped(data: bytes) -> bytes:
    """Return the data with the two bytes of every register exchanged."""
    words = array("H", data)
    words.byteswap()
    return words.tobytes()


def bcd(word: int) -> float:
    """Return what four decimal digits in one register say, or not-a-number."""
    digits = f"{word:04x}"
    return float(digits) if digits.isdecimal() else NAN


def power(exponent: float) -> float:
    """Return a power of ten within reason, or not-a-number."""
    return 10.0**exponent if -_EXPONENTS <= exponent <= _EXPONENTS else NAN


def ratio(value: float, by: float) -> float:
    """Return the quotient; what is divided by nothing is no number."""
    return value / by if by else NAN


def folded(value: float) -> float:
    """Return a four-quadrant power factor as a plain one."""
    return value if -1.0 <= value <= 1.0 else math.copysign(2.0, value) - value


def above(value: float, limit: float) -> float:
    """Return 1 when the value lies above the limit, else 0; what is no number stays none."""
    return NAN if math.isnan(value) else BITS[value > limit]


def pair(closed: float, open_: float) -> float:
    """Return the position of a double point: 00 and 11 are none."""
    return closed if closed != open_ else NAN


def view(order: Order, registers: int) -> tuple[bool, str]:
    """Return whether the words' bytes are swapped first, and the byte order to unpack with."""
    if registers == 1 or order is Order.ABCD:
        return False, ">"
    if order is Order.DCBA:
        return False, "<"
    return True, "<" if order is Order.CDAB else ">"


def spans(field: ModbusField) -> list[tuple[int, int]]:
    """Return the sentinels as the raw number shows them: 0x8000 of a signed register is -32768."""
    if field.type not in _SIGNED:
        return list(field.sentinels)
    bits = 16 * field.registers
    return [
        (low - (1 << bits), high - (1 << bits)) if low >= 1 << (bits - 1) else (low, high)
        for low, high in field.sentinels
    ]
