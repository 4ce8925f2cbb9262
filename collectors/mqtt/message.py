"""From a message of a publishing device to a scan, and the way back for simulators and tests.

Two readings stand here, as for registers: the quick one (`collectors.mqtt.quickmessage`) is generated and answers only
when every value is good; otherwise `collectors.mqtt.meaning` looks at each. Tests hold both equal.
"""

import base64
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from collectors.modbus.numbers import NAN
from collectors.mqtt import payload as payloads
from collectors.mqtt.meaning import meaning
from collectors.mqtt.memory import Memory
from collectors.mqtt.payload import MOST_SEQ, UndecodableError, at, moment, put, whole, word
from collectors.mqtt.quickmessage import Place, generate
from collectors.mqtt.receipts import Word
from collectors.profile import MqttField, MqttMap, MqttMessage, Payload, Presence, Reads, Retained
from facility.point import Point
from facility.scan import Reason, Scan

_WORD_LENGTH = 64
_SECOND_MS = 1000


class Heard(NamedTuple):
    """One message, read: its scan, what it would be known by again, and whether it was heard before.

    `key` is made of its number and the device's time, or, without a clock, of what it says; without a number it is 0.
    """

    scan: Scan
    key: int
    repeated: bool


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
        self._message = message
        self._size = len(channels)
        self._time = () if message.payload is Payload.PLAIN else message.time or mqtt.time
        self._unit, self._seq = mqtt.time_unit, mqtt.seq
        self._epoch, self._oldest = mqtt.epoch, mqtt.oldest
        known = list(points) or [None] * self._size
        self._places = [
            Place(i, f, known[i], i in inverted)
            for i, f in enumerate(mqtt.fields[c] for c in channels)
            if message.name in (f.message, f.cleared_by)
        ]
        self._good = bytearray([Reason.NOT_GIVEN]) * self._size
        for place in self._places:
            self._good[place.position] = Reason.GOOD
        self._all_good = bytes(self._good)
        self._quick = None
        if message.payload is Payload.JSON and self._places and not any(p.field.cleared_by for p in self._places):
            self._quick = generate(self._places, self._size, self._time, self._seq)

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
        body = payloads.body(payload, self._message)
        found = self._quick(body) if self._quick is not None else None
        if found is not None:
            said_at, numbered, values = found
            reasons, texts = self._all_good, None
        else:
            try:
                values, reasons, texts = self._slow(body)
            except UndecodableError as error:
                error.scan = self._counted(device, body, now_ms, memory)
                raise
            said_at, numbered = at(body, self._time) if self._time else None, at(body, self._seq) if self._seq else None
        stamp = said_at if said_at.__class__ is int and self._unit == "ms" else moment(said_at, self._unit)
        seq = numbered if numbered.__class__ is int and 0 < numbered < MOST_SEQ else whole(numbered)
        key = hash((seq, stamp or payload)) if seq else 0
        epoch, oldest = self._outbox(body, seq) if self._epoch else (None, 0)
        run = 0
        if retained and epoch is None and self._message.retained is Retained.STALE:
            repeated = key in memory.seen
            at_ms, why = memory.kept(stamp, now_ms), Reason.RETAINED
            if not repeated and seq and stamp is not None and stamp > memory.hearing.stamp:
                repeated, run, _ = memory.known(key, stamp, seq, None, 0)
            else:
                seq = 0  # of an earlier time, it says nothing about what is missing now
        elif seq:
            repeated, run, word = memory.known(key, stamp, seq, epoch, oldest)
            at_ms, why = (now_ms, Reason.GOOD) if repeated else memory.judge(stamp, word, now_ms)
        else:
            repeated = False
            at_ms, why = memory.judge(stamp, Word.UNCOUNTED, now_ms)
        if why is not Reason.GOOD:
            reasons = bytes(why if reason == Reason.GOOD else reason for reason in reasons)
        scan = Scan(device, at_ms, now_ms, values, reasons, seq, texts, run, oldest)
        return Heard(scan, key, repeated)

    def _outbox(self, body: Any, seq: int) -> tuple[int | None, int]:
        """Return outbox and oldest number of a gateway that keeps its messages; a message without them only counts."""
        epoch, oldest = whole(at(body, self._epoch)), whole(at(body, self._oldest))
        return (epoch, min(oldest, seq)) if seq and epoch and oldest else (None, 0)

    def _counted(self, device: str, body: Any, now_ms: int, memory: Memory) -> Scan | None:
        """Return what a message without values counts for: it did come, and nobody is to send it for ever."""
        seq = whole(at(body, self._seq)) if self._seq else 0
        if not seq:
            return None
        stamp = moment(at(body, self._time), self._unit) if self._time else None
        epoch, oldest = self._outbox(body, seq) if self._epoch else (None, 0)
        word, run = memory.hearing.hear(seq, stamp, epoch, oldest)
        if word is Word.AGAIN:
            return None
        at_ms, _ = memory.judge(stamp, word, now_ms)
        nothing = (NAN,) * self._size, bytes([Reason.UNDECODABLE]) * self._size
        return Scan(device, at_ms, now_ms, *nothing, seq, None, run, oldest)

    def _slow(self, body: Any) -> tuple[tuple[float, ...], bytes, dict[int, str] | None]:
        values = [NAN] * self._size
        reasons = bytearray([Reason.NOT_GIVEN]) * self._size
        texts: dict[int, str] = {}
        for index, spec, point, inverted in self._places:
            found = at(body, spec.path)
            if spec.cleared_by:
                began = _event(spec, found, begins=self._message.name == spec.message)
                value, reason, odd = (NAN, Reason.NOT_GIVEN, "") if began is None else (began, Reason.GOOD, "")
                value = 1.0 - value if inverted else value
            else:
                value, reason, odd = meaning(spec, point, found, inverted=inverted)
            values[index], reasons[index] = value, reason
            if odd:
                texts[index] = odd[:_WORD_LENGTH]
        if self._size and all(reason == Reason.NOT_GIVEN for reason in reasons):
            raise UndecodableError("none of the profile's values is in it")
        return tuple(values), bytes(reasons), texts or None


def absent(presence: Presence, payload: bytes) -> bool | None:
    """Say whether a presence message means that who it speaks of is gone; None when it says something else.

    Some write the bare word where others write JSON; both are understood where the profile gives a path.

    Raises:
        UndecodableError: it cannot be read at all.
    """
    bare = MqttMessage("", "", Payload.PLAIN)
    try:
        body = payloads.body(payload, MqttMessage("", "", Payload.JSON) if presence.path else bare)
        said = word(at(body, presence.path))
    except UndecodableError:
        said = word(payloads.body(payload, bare))
    if said in presence.offline:
        return True
    return False if said in presence.online else None


def encode(
    mqtt: MqttMap,
    message: MqttMessage,
    values: Mapping[str, float],
    *,
    at_ms: int,
    seq: int,
    epoch: int = 0,
    oldest: int = 0,
    extra: Mapping[str, str] | None = None,
) -> bytes:
    """Write a message as the gateway would: channel values back to the words and numbers of its payload.

    Args:
        mqtt: the map.
        message: which of its messages.
        values: by channel; a channel that is left out or NaN is not in the message.
        at_ms: the gateway's own time.
        seq: its sequence number.
        epoch: the outbox it counts in; 0: it keeps none.
        oldest: the oldest number there.
        extra: further texts by dotted path, such as a registration number.
    """
    if message.payload is Payload.PLAIN:
        channel, value = next((c, v) for c, v in values.items() if mqtt.fields[c].message == message.name)
        return str(_said(mqtt.fields[channel], value)).encode()
    outer: dict[str, Any] = {}
    for path, text in {**mqtt.constants, **(extra or {})}.items():
        put(outer, path.split("."), text)
    frame = bytearray(message.size)
    body = frame if message.payload is Payload.BINARY else outer
    if mqtt.seq:
        put(body, mqtt.seq, seq)
    if mqtt.epoch and epoch:
        put(body, mqtt.epoch, epoch)
        put(body, mqtt.oldest, oldest)
    if message.time or mqtt.time:
        put(body, message.time or mqtt.time, at_ms if mqtt.time_unit == "ms" else at_ms // _SECOND_MS)
    for channel, value in values.items():
        spec = mqtt.fields[channel]
        if spec.message == message.name and not math.isnan(value):
            _tell(body, spec, value)
    if message.payload is Payload.BINARY:
        if not message.envelope:
            return bytes(frame)
        put(outer, message.envelope, base64.b64encode(frame).decode())
    return msgspec.json.encode(outer)


def _event(spec: MqttField, found: Any, *, begins: bool) -> float | None:
    """Return what a message that begins or ends events says about this one; None when it is about another."""
    if found is None:
        return None
    words = [word(one) for one in (found if isinstance(found, list) else [found])]
    if spec.contains and not any(one in spec.contains for one in words):
        return None
    return 1.0 if begins else 0.0


def _tell(body: dict[str, Any] | bytearray, spec: MqttField, value: float) -> None:
    if not spec.contains and spec.empty is None:
        put(body, spec.path, _said(spec, value))
        return
    told = at(body, spec.path)
    if told is None:
        told = []
        put(body, spec.path, told)
    if spec.contains and value:
        told.append(_plain(spec.contains[0]))
    elif not spec.contains and value != spec.empty:
        told.append(_said(spec, value))


def _said(spec: MqttField, value: float) -> Any:
    if spec.inverted:
        value = 1.0 - value
    for said, code in spec.codes.items():
        if code == value:
            return _plain(said)
    number = (value - spec.offset) / spec.scale
    if spec.reads is Reads.FLOOR:
        return f"B{-number:.0f}" if number < 0 else f"{number:.0f}"
    return int(number) if number == int(number) else round(number, 6)


def _plain(said: str) -> int | str:
    return int(said) if said.lstrip("-").isdecimal() else said
