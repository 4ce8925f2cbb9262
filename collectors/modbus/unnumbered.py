"""Frames of Modbus TCP whose transaction id means nothing: there are gateways that always answer 0, or anything.

Without it no answer says whose question it answers, as on a bus; `collectors.modbus.rtu` knows how to live with that.
"""

from collections.abc import Container

from collectors.modbus import guard
from collectors.modbus.wire import Question
from facility.scan import Reason

_ID = b"\0\1"
_UNIT = 6  # where the unit stands, behind transaction 2, protocol 2, length 2


def frame(question: Question) -> bytes:
    """Return the question as it goes on the wire."""
    return _ID + question.tail


def noise(data: bytes, unit: int = 0) -> bytes:  # noqa: ARG001 - a network has none, whoever is asked
    """Return the data as they are: nothing but frames comes out of a network."""
    return data


def heard(data: bytes, question: Question, owing: Container[int]) -> tuple[bytes | Reason | None, bytes]:
    """Return what the data says to the question, and what is left of the data.

    Args:
        data: all that came since the question went out.
        question: what was asked.
        owing: units that did not answer an earlier question yet.

    Returns:
        The data bytes of the answer, a reason, or None as long as the answer is not whole.
    """
    request, unit = question.request, question.unit
    while True:
        if guard.out_of_step(data):
            return Reason.MALFORMED, b""
        end = _UNIT + (data[4] << 8 | data[5]) if len(data) > guard.HEADER else len(data) + 1
        if len(data) < end:
            return None, data
        found, data = data[_UNIT:end], data[end:]
        if found[:2] == bytes([unit, request.function | 0x80]):
            return guard.refusal(found[2]), data
        reply = guard.answer(request, unit, 0, (found[1], found[0], 0), found[2:])
        if reply is not Reason.MALFORMED:
            return reply, data
        if found[0] not in owing:
            return Reason.MALFORMED, b""
