"""Is this the answer to this question, and may this question be asked at all.

The library below hands over wrong data without an error for several malformed answers (another function code, too few
or too many registers, a byte count that lies, transaction id 0), so nothing it returns is believed unchecked.
"""

from collectors.modbus.readplan import Request
from facility.scan import Reason

READS = frozenset({1, 2, 3, 4})
"""The only function codes that may leave the process."""

HEADER = 8  # transaction 2, protocol 2, length 2, unit 1, function 1
LONGEST = 254  # unit + function + data, the most that a frame may announce
BUSY = frozenset({5, 6})  # acknowledge (wait), server device busy
GATEWAY = frozenset({10, 11})  # gateway path unavailable, gateway target failed to respond
NO_ADDRESS = 2  # illegal data address: a mistake in the map, which no repeat will mend


class WriteRefusedError(Exception):
    """Something tried to send a request that is not a read; nothing left the process."""


def may_leave(frame: bytes) -> None:
    """Raise WriteRefusedError unless the Modbus TCP frame is a plain read."""
    if len(frame) < HEADER or frame[7] not in READS:
        code = frame[7] if len(frame) >= HEADER else None
        raise WriteRefusedError(f"function code {code} may not leave: this system only reads")


def out_of_step(data: bytes) -> bool:
    """Say whether what arrived cannot be the beginning of an answer to a read.

    Judges only what is there: the first bytes of a frame that is still under way are not wrong.
    """
    if len(data) >= 4 and (data[2] or data[3]):  # noqa: PLR2004 - the protocol id, always 0, is bytes 2 and 3
        return True
    if len(data) < HEADER:
        return False
    length = data[4] << 8 | data[5]
    function = data[7]
    if not 3 <= length <= LONGEST or function & 0x7F not in READS:  # noqa: PLR2004 - unit, function, one byte more
        return True
    if function & 0x80:
        return length != 3  # noqa: PLR2004 - unit, function, exception code
    return len(data) > HEADER and data[8] != length - 3


def answer(request: Request, unit: int, transaction: int, heard: tuple[int, int, int], data: bytes) -> bytes | Reason:
    """Return the reply's data bytes when they answer exactly this request, else MALFORMED.

    Args:
        request: what was asked.
        unit: the unit id that was asked.
        transaction: the transaction id of the question.
        heard: function code, unit id and transaction id of the answer.
        data: the answer after its function code: byte count, then data.
    """
    if heard != (request.function, unit, transaction):
        return Reason.MALFORMED
    size = request.reply_bytes
    if len(data) != size + 1 or data[0] != size:
        return Reason.MALFORMED
    return data[1:]


def refusal(code: int) -> Reason:
    """Return what an exception code means for the values that were asked for."""
    if code in BUSY:
        return Reason.BUSY
    if code == NO_ADDRESS:
        return Reason.DISABLED
    return Reason.NO_ANSWER if code in GATEWAY else Reason.EXCEPTION
