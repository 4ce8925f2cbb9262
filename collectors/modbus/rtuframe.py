"""Frames of Modbus RTU: unit, function, data, check sum. No frame says whose question it answers.

So an answer counts only when nothing else can be meant: it begins as it must, its check sum is right, and the unit it
comes from owes no other answer. What a unit still owed is let pass; everything else is MALFORMED.
"""

from collections.abc import Container

from collectors.modbus import guard
from collectors.modbus.wire import Question
from facility.scan import Reason

AROUND = 5  # bytes of a frame around its data: unit, function, byte count, check sum 2
ASKED = 8  # bytes of a question, check sum and all
_SHORTEST = 3  # so many bytes tell how long a frame is
_IDLE = b"\x00\xff"  # what a bus without bias resistors gives when a driver lets go of it


def _table() -> tuple[int, ...]:
    out = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)  # noqa: PLW2901 - the division of a polynomial
        out.append(value)
    return tuple(out)


_TABLE = _table()


def check_sum(data: bytes) -> bytes:
    """Return the CRC-16 of Modbus as it stands at the end of a frame, low byte first."""
    rest = 0xFFFF
    for byte in data:
        rest = rest >> 8 ^ _TABLE[(rest ^ byte) & 0xFF]
    return rest.to_bytes(2, "little")


def frame(question: Question) -> bytes:
    """Return the question as it goes on the wire."""
    body = question.tail[4:]  # what Modbus TCP puts behind protocol and length
    return body + check_sum(body)


def noise(data: bytes, unit: int = 0) -> bytes:
    """Return the data without what an idle bus gives in front of an answer of this unit."""
    return data.lstrip(_IDLE.replace(bytes([unit]), b"") if unit else _IDLE)


def heard(data: bytes, question: Question, owing: Container[int]) -> tuple[bytes | Reason | None, bytes]:
    """Return what the data says to the question, and what is left of the data.

    Args:
        data: all that came since the question went out.
        question: what was asked.
        owing: units that did not answer an earlier question yet.

    Returns:
        The data bytes of the answer, a reason, or None as long as the answer is not whole.
    """
    unit, function, size = question.unit, question.request.function, question.request.reply_bytes
    while True:
        data = noise(data, unit)
        if not data or (len(data) < _SHORTEST and (data[0] == unit or data[0] in owing)):
            return None, data
        length = _length(data)
        answers = data[0] == unit and (data[1:3] == bytes([function, size]) or data[1:2] == bytes([function | 0x80]))
        if not length or not (answers or data[0] in owing):
            return Reason.MALFORMED, b""
        if len(data) < length:
            return None, data
        if check_sum(data[: length - 2]) != data[length - 2 : length]:
            return Reason.MALFORMED, b""
        found, data = data[:length], data[length:]
        if answers:
            return guard.refusal(found[2]) if found[1] & 0x80 else found[3:-2], data


def _length(data: bytes) -> int:
    """Return how long the frame is that begins so; 0: it is no answer to a read."""
    if len(data) < _SHORTEST or data[1] & 0x7F not in guard.READS:
        return 0
    return AROUND if data[1] & 0x80 else AROUND + data[2]
