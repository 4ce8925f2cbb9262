"""The body of a message, and what stands at a place in it: JSON by path, plain text, frames by offset and type.

A message is somebody else's text: nothing in it is believed before it was looked at, and nothing in it may raise.
"""

import base64
import binascii
import math
import re
import struct
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from collectors.profile import MqttMessage, Payload
from facility.scan import Scan

MOST_BYTES = 65_536
MOST_SEQ = 2**53
_CUT = re.compile(r"^(\d{1,4}):(u8|i8|(?:u16|i16|u32|i32|f32)(?:le|be))$")
_CODES: Mapping[str, str] = {"u8": "B", "i8": "b", "u16": "H", "i16": "h", "u32": "I", "i32": "i", "f32": "f"}
_SECOND_MS = 1000


class UndecodableError(ValueError):
    """The payload says nothing that this profile could read; the message says why.

    `scan` stands for a message whose number could be read all the same: it came, though nobody can say what it said.
    """

    scan: Scan | None = None


def body(payload: bytes, message: MqttMessage) -> Any:
    """Return the payload, read: JSON as it is, text, or the bytes of a frame.

    Raises:
        UndecodableError: it is not what the message says it is.
    """
    if len(payload) > MOST_BYTES:
        raise UndecodableError(f"{len(payload)} bytes are more than {MOST_BYTES}")
    try:
        if message.payload is Payload.BINARY:
            return _frame(payload, message)
        return msgspec.json.decode(payload) if message.payload is Payload.JSON else payload.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UndecodableError(str(error)) from error


def _frame(payload: bytes, message: MqttMessage) -> bytes:
    """Return the bytes of a frame; a shorter or longer one is not this frame, and nothing in it is believed."""
    frame = payload
    if message.envelope:
        text = at(msgspec.json.decode(payload), message.envelope)
        if not isinstance(text, str):
            raise UndecodableError("there is no frame in the envelope")
        try:
            frame = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError) as error:
            raise UndecodableError(f"the frame is not base64: {error}") from error
    if len(frame) != message.size:
        raise UndecodableError(f"a frame of {len(frame)} bytes, not of {message.size}")
    return frame


def at(body: Any, path: Sequence[str]) -> Any:
    """Return what stands at the place; None where there is nothing."""
    here = body
    for step in path:
        if isinstance(here, dict):
            here = here.get(step)
        elif isinstance(here, bytes):
            cut = _cut(step)
            here = cut[0].unpack_from(here, cut[1])[0] if cut and cut[1] + cut[0].size <= len(here) else None
        elif isinstance(here, list) and step.isdecimal() and int(step) < len(here):
            here = here[int(step)]
        else:
            return None
    return here


def moment(found: Any, unit: str) -> int | None:
    """Return a device's time ("s" or "ms" since 1970) in milliseconds; None when it is none."""
    said = number(found)
    if said is None or not math.isfinite(said):
        return None
    return int(said * (_SECOND_MS if unit == "s" else 1))


def whole(value: Any) -> int:
    """Return a sequence number; 0 when it is none."""
    said = number(value)
    return int(said) if said is not None and 0 < said < MOST_SEQ else 0


def number(value: Any) -> float | None:
    """Return what a number, or a text of one, says."""
    if isinstance(value, bool | int | float | str):
        try:
            return float(value)
        except (ValueError, OverflowError):
            return None
    return None


def word(value: Any) -> str:
    """Return a value the way tables write it: 8 and 8.0 are "8", true is "true"."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        return str(int(value))
    return str(value).strip()


def fits(step: str, size: int) -> bool:
    """Say whether "offset:type" names a number inside a frame of so many bytes."""
    cut = _cut(step)
    return cut is not None and cut[1] + cut[0].size <= size


def put(body: dict[str, Any] | bytearray, path: Sequence[str], value: Any) -> None:
    """Write a value at a place, making the objects on the way there."""
    if isinstance(body, bytearray):  # a frame
        cut = _cut(path[0])
        assert cut is not None, "a frame's paths were checked when its profile was read"
        cut[0].pack_into(body, cut[1], value if cut[0].format.endswith("f") else round(value))
        return
    here = body
    for step in path[:-1]:
        here = here.setdefault(step, {})
    here[path[-1]] = value


@lru_cache
def _cut(step: str) -> tuple[struct.Struct, int] | None:
    """Return how to read "offset:type", and where; None when it is not that."""
    found = _CUT.match(step)
    if found is None:
        return None
    order = ">" if found[2].endswith("be") else "<"
    return struct.Struct(order + _CODES[found[2].removesuffix("le").removesuffix("be")]), int(found[1])
