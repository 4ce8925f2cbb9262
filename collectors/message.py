"""From a message of a publishing device to a scan, and the way back for simulators and tests.

A message is somebody else's text: nothing in it is believed before it was looked at, and nothing in it may raise.
"""

import base64
import binascii
import math
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from collectors.profile import MqttField, MqttMap, MqttMessage, Payload, Presence, Reads, Retained
from facility.point import Point, PointType
from facility.scan import Reason, Scan

NAN = float("nan")
MOST_BYTES = 65_536
CLOCK_TOLERANCE_MS = 300_000
CLOCK_SET_BACK_MS = 30_000
OLDEST_MS = 1_577_836_800_000  # 2020: no device of this system was running before it
REMEMBERED = 256  # recent messages per device that a repeat is told by
_WORD_LENGTH = 64
_CUT = re.compile(r"^(\d{1,4}):(u8|i8|(?:u16|i16|u32|i32|f32)(?:le|be))$")
_CODES: Mapping[str, str] = {"u8": "B", "i8": "b", "u16": "H", "i16": "h", "u32": "I", "i32": "i", "f32": "f"}
_FLOOR = re.compile(r"^(B)?F?(-?\d{1,3})F?$", re.IGNORECASE)
_SECOND_MS = 1000


class UndecodableError(ValueError):
    """The payload says nothing that this profile could read; the message says why."""


@dataclass(frozen=True)
class Heard:
    """One message, read: its scan, and whether it was heard before (`key`: number and device time tell)."""

    scan: Scan
    key: tuple[int, int]
    repeated: bool


@dataclass
class Memory:
    """What is remembered of one device between messages, to tell repeats, late words and wrong clocks."""

    newest_ms: int = 0  # newest device time that was believed
    late_since_ms: int = 0  # since when nothing but late words came; 0: the last one was in order
    newest_seq: int = 0
    seen: dict[tuple[int, int], None] = field(default_factory=dict)  # (seq, device time), oldest first

    def repeated(self, seq: int, at_ms: int) -> bool:
        """Say whether this message was heard before, and remember it. Without a number nobody can tell."""
        if not seq:
            return False
        key = (seq, at_ms)
        if key in self.seen:
            return True
        self.seen[key] = None
        if len(self.seen) > REMEMBERED:
            del self.seen[next(iter(self.seen))]
        return False

    def judge(self, at_ms: int | None, seq: int, now_ms: int) -> tuple[int, Reason]:
        """Return the time of a message and what its clock does to the quality of its values.

        A clock more than five minutes off cannot be right, and the message then stands at the moment it was received.
        A backlog sent after an outage is not that: it comes from a clock that was right before, in order.
        """
        if at_ms is None:
            return now_ms, Reason.GOOD
        fresh = not seq or not self.newest_seq or seq > self.newest_seq
        self.newest_seq = seq or self.newest_seq
        off = abs(now_ms - at_ms) > CLOCK_TOLERANCE_MS
        if not self.newest_ms or at_ms > now_ms or at_ms < OLDEST_MS:
            if off:
                return now_ms, Reason.CLOCK
        elif at_ms < self.newest_ms:
            if not (seq and fresh):
                self.late_since_ms = self.late_since_ms or now_ms
                if seq or now_ms - self.late_since_ms < CLOCK_SET_BACK_MS:
                    return at_ms, Reason.LATE
                # Nothing but late words for so long: not a backlog, its clock was set back.
                self.newest_ms = at_ms
                return (now_ms, Reason.CLOCK) if off else (at_ms, Reason.GOOD)
            # The gateway counts on but its clock went back: by a correction, or because it is wrong now.
            return (now_ms, Reason.CLOCK) if off else (self.newest_ms, Reason.GOOD)
        self.newest_ms = max(self.newest_ms, at_ms)
        self.late_since_ms = 0
        return at_ms, Reason.GOOD


class MessageDecoder:
    """Reads one kind of message of one device into the device's positions; made once."""

    def __init__(
        self,
        mqtt: MqttMap,
        message: MqttMessage,
        channels: Sequence[str],
        points: Sequence[Point | None] = (),
        inverted: frozenset[int] = frozenset(),
    ) -> None:
        """Prepare.

        Args:
            mqtt: the map.
            message: which of its messages.
            channels: the device's channels, in the order of its points.
            points: the canonical definition of each point, for its physical range.
            inverted: positions whose 0/1 is wired the other way round.
        """
        self._mqtt = mqtt
        self._message = message
        self._size = len(channels)
        known = list(points) or [None] * self._size
        self._positions = [
            (i, f, known[i], i in inverted)
            for i, f in enumerate(mqtt.fields[c] for c in channels)
            if message.name in (f.message, f.cleared_by)
        ]

    def read(self, device: str, payload: bytes, now_ms: int, memory: Memory, *, retained: bool = False) -> Heard:
        """Return what the message says.

        Args:
            device: the device's id.
            payload: as received.
            now_ms: the moment it was received.
            memory: of this device; changed.
            retained: the broker's old copy, not a fresh word.

        Raises:
            UndecodableError: no value of this profile could be found in it.
        """
        body = _body(payload, self._message)
        path = self._message.time or self._mqtt.time
        stamp = _moment(body, path, self._mqtt.time_unit) if self._message.payload is not Payload.PLAIN else None
        number = _at(body, self._mqtt.seq) if self._mqtt.seq else None
        seq = _whole(number)
        values = [NAN] * self._size
        reasons = bytearray([Reason.NOT_GIVEN]) * self._size
        texts: dict[int, str] = {}
        for index, spec, point, inverted in self._positions:
            found = _at(body, spec.path)
            if spec.cleared_by:
                found = _event(spec, found, begins=self._message.name == spec.message)
                value, reason, word = (NAN, Reason.NOT_GIVEN, "") if found is None else (found, Reason.GOOD, "")
                value = 1.0 - value if inverted else value
            else:
                value, reason, word = _judged(spec, point, found, inverted=inverted)
            values[index], reasons[index] = value, reason
            if word:
                texts[index] = word[:_WORD_LENGTH]
        if self._size and all(reason == Reason.NOT_GIVEN for reason in reasons):
            raise UndecodableError("none of the profile's values is in it")
        repeated = memory.repeated(seq, stamp or 0)
        at_ms, why = (now_ms, Reason.GOOD) if repeated else memory.judge(stamp, seq, now_ms)
        if retained and self._message.retained is Retained.STALE:
            why = Reason.RETAINED
        if why is not Reason.GOOD:
            reasons = bytearray(why if reason == Reason.GOOD else reason for reason in reasons)
        scan = Scan(device, at_ms, now_ms, tuple(values), bytes(reasons), seq, texts or None)
        return Heard(scan, (seq, stamp or 0), repeated)


def absent(presence: Presence, payload: bytes) -> bool | None:
    """Say whether a presence message means that the gateway is gone; None when it says something else.

    Raises:
        UndecodableError: it cannot be read at all.
    """
    body = _body(payload, MqttMessage("", "", Payload.JSON if presence.path else Payload.PLAIN))
    word = _word(_at(body, presence.path))
    if word in presence.offline:
        return True
    return False if word in presence.online else None


def encode(
    mqtt: MqttMap,
    message: MqttMessage,
    values: Mapping[str, float],
    *,
    at_ms: int,
    seq: int,
    extra: Mapping[str, str] | None = None,
) -> bytes:
    """Write a message as the gateway would: channel values back to the words and numbers of its payload.

    Args:
        mqtt: the map.
        message: which of its messages.
        values: by channel; a channel that is left out or NaN is not in the message.
        at_ms: the gateway's own time.
        seq: its sequence number.
        extra: further texts by dotted path, such as a registration number.
    """
    if message.payload is Payload.PLAIN:
        channel, value = next((c, v) for c, v in values.items() if mqtt.fields[c].message == message.name)
        return str(_said(mqtt.fields[channel], value)).encode()
    outer: dict[str, Any] = {}
    for path, text in {**mqtt.constants, **(extra or {})}.items():
        _put(outer, path.split("."), text)
    frame = bytearray(message.size)
    body = frame if message.payload is Payload.BINARY else outer
    if mqtt.seq:
        _put(body, mqtt.seq, seq)
    if message.time or mqtt.time:
        _put(body, message.time or mqtt.time, at_ms if mqtt.time_unit == "ms" else at_ms // _SECOND_MS)
    for channel, value in values.items():
        spec = mqtt.fields[channel]
        if spec.message == message.name and not math.isnan(value):
            _tell(body, spec, value)
    if message.payload is Payload.BINARY:
        if not message.envelope:
            return bytes(frame)
        _put(outer, message.envelope, base64.b64encode(frame).decode())
    return msgspec.json.encode(outer)


def fits(step: str, size: int) -> bool:
    """Say whether "offset:type" names a number inside a frame of so many bytes."""
    found = _CUT.match(step)
    return found is not None and int(found[1]) + struct.calcsize(_code(found[2])) <= size


def _code(type: str) -> str:
    return (">" if type.endswith("be") else "<") + _CODES[type.removesuffix("le").removesuffix("be")]


def _event(spec: MqttField, found: Any, *, begins: bool) -> float | None:
    """Return what a message that begins or ends events says about this one; None when it is about another."""
    if found is None:
        return None
    words = [_word(one) for one in (found if isinstance(found, list) else [found])]
    if spec.contains and not any(word in spec.contains for word in words):
        return None
    return 1.0 if begins else 0.0


def _tell(body: dict[str, Any] | bytearray, spec: MqttField, value: float) -> None:
    if not spec.contains and spec.empty is None:
        _put(body, spec.path, _said(spec, value))
        return
    told = _at(body, spec.path)
    if told is None:
        told = []
        _put(body, spec.path, told)
    if spec.contains and value:
        told.append(_plain(spec.contains[0]))
    elif not spec.contains and value != spec.empty:
        told.append(_said(spec, value))


def _said(spec: MqttField, value: float) -> Any:
    if spec.inverted:
        value = 1.0 - value
    for word, code in spec.codes.items():
        if code == value:
            return _plain(word)
    number = (value - spec.offset) / spec.scale
    if spec.reads is Reads.FLOOR:
        return f"B{-number:.0f}" if number < 0 else f"{number:.0f}"
    return int(number) if number == int(number) else round(number, 6)


def _plain(word: str) -> int | str:
    return int(word) if word.lstrip("-").isdecimal() else word


def _put(body: dict[str, Any] | bytearray, path: Sequence[str], value: Any) -> None:
    if isinstance(body, bytearray):  # a frame
        found = _CUT.match(path[0])
        assert found is not None, "a frame's paths were checked when its profile was read"
        code = _code(found[2])
        struct.pack_into(code, body, int(found[1]), value if code.endswith("f") else round(value))
        return
    here = body
    for step in path[:-1]:
        here = here.setdefault(step, {})
    here[path[-1]] = value


def _body(payload: bytes, message: MqttMessage) -> Any:
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
        text = _at(msgspec.json.decode(payload), message.envelope)
        if not isinstance(text, str):
            raise UndecodableError("there is no frame in the envelope")
        try:
            frame = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError) as error:
            raise UndecodableError(f"the frame is not base64: {error}") from error
    if len(frame) != message.size:
        raise UndecodableError(f"a frame of {len(frame)} bytes, not of {message.size}")
    return frame


def _at(body: Any, path: Sequence[str]) -> Any:
    here = body
    for step in path:
        if isinstance(here, dict):
            here = here.get(step)
        elif isinstance(here, bytes):
            found = _CUT.match(step)
            here = (
                struct.unpack_from(_code(found[2]), here, int(found[1]))[0] if found and fits(step, len(here)) else None
            )
        elif isinstance(here, list) and step.isdecimal() and int(step) < len(here):
            here = here[int(step)]
        else:
            return None
    return here


def _moment(body: Any, path: Sequence[str], unit: str) -> int | None:
    number = _number(_at(body, path)) if path else None
    if number is None or not math.isfinite(number):
        return None
    return int(number * (_SECOND_MS if unit == "s" else 1))


def _whole(value: Any) -> int:
    number = _number(value)
    return int(number) if number is not None and 0 < number < 2**53 else 0


def _number(value: Any) -> float | None:
    if isinstance(value, bool | int | float | str):
        try:
            return float(value)
        except (ValueError, OverflowError):
            return None
    return None


def _word(value: Any) -> str:
    """Return a value the way tables write it: 8 and 8.0 are "8", true is "true"."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        return str(int(value))
    return str(value).strip()


def _judged(spec: MqttField, point: Point | None, found: Any, *, inverted: bool) -> tuple[float, Reason, str]:
    if found is None or found == "":
        return NAN, Reason.NOT_GIVEN, ""
    value, reason, word = _listed(spec, found) if isinstance(found, list) or spec.contains else _single(spec, found)
    if reason is not Reason.GOOD:
        return NAN, reason, word
    if spec.inverted is not inverted:
        value = 1.0 - value
    if not math.isfinite(value):
        return NAN, Reason.NOT_A_NUMBER, ""
    return _possible(point, value)


def _possible(point: Point | None, value: float) -> tuple[float, Reason, str]:
    if point is None:
        return value, Reason.GOOD, ""
    if point.type is PointType.STATE and value not in (0.0, 1.0):
        return NAN, Reason.OUT_OF_RANGE, f"{value:g}"
    if point.type is PointType.ENUM and point.codes and all(value != code.value for code in point.codes):
        return NAN, Reason.UNKNOWN_TEXT, f"{value:g}"
    if (point.low is not None and value < point.low) or (point.high is not None and value > point.high):
        return NAN, Reason.OUT_OF_RANGE, f"{value:g}"
    return value, Reason.GOOD, ""


def _single(spec: MqttField, found: Any) -> tuple[float, Reason, str]:
    if isinstance(found, dict):
        return NAN, Reason.UNDECODABLE, "{…}"
    word = _word(found)
    if word in spec.sentinels:
        return NAN, Reason.SENTINEL, ""
    if word in spec.ignore:
        return NAN, Reason.NOT_GIVEN, word
    if spec.codes:
        known = spec.codes.get(word)
        return (NAN, Reason.UNKNOWN_TEXT, word) if known is None else (known, Reason.GOOD, "")
    number = _floor(word) if spec.reads is Reads.FLOOR else _number(found)
    if number is None:
        return NAN, Reason.UNKNOWN_TEXT, word
    return number * spec.scale + spec.offset, Reason.GOOD, ""


def _listed(spec: MqttField, found: Any) -> tuple[float, Reason, str]:
    words = [_word(one) for one in (found if isinstance(found, list) else [found])]
    if spec.contains:
        return (1.0 if any(word in spec.contains for word in words) else 0.0), Reason.GOOD, ""
    telling = [word for word in words if word not in spec.ignore]
    if not telling:
        return (NAN, Reason.NOT_GIVEN, "") if spec.empty is None else (spec.empty, Reason.GOOD, "")
    for word in telling:
        if word in spec.codes:
            return spec.codes[word], Reason.GOOD, ""
    return NAN, Reason.UNKNOWN_TEXT, ",".join(telling)


def _floor(word: str) -> float | None:
    found = _FLOOR.match(word)
    if found is None:
        return None
    floor = float(found[2])
    return -abs(floor) if found[1] else floor
