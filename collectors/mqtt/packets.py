"""Cuts a broker's bytes into MQTT packets: messages for us, everything else for the library.

A message costs the library about 30 µs (a `recv` for every one of its first bytes, locks, objects) and us two, and a
message of 100 MiB costs it 100 MiB: here no more of it is kept than we would keep of any message.
"""

from collections.abc import Callable

PUBLISH = 0x30
_KIND = 0xF0
_QOS, _QOS_1, _RETAIN = 0x06, 0x02, 0x01
_MORE = 0x80  # another byte of the length follows
_LENGTH_BYTES = 4
_HEAD_BYTES = 1 + _LENGTH_BYTES
MOST_TOPIC = 65_535

Heard = Callable[[bytes, bytes, int, bool], None]
"""Takes a message: topic, payload, number (0 where none is to be acknowledged), and whether it is a kept copy."""


class MalformedError(ValueError):
    """What came is not MQTT; the connection cannot go on."""


class Cutter:
    """The packets of one connection."""

    def __init__(self, heard: Heard, other: Callable[[bytes], None], *, most: int, v5: bool) -> None:
        """Begin.

        Args:
            heard: takes messages, of the payload never more than a byte above `most`.
            other: takes whole packets of all other kinds.
            most: bytes of a payload that are wanted.
            v5: whether messages carry properties.
        """
        self._heard, self._other = heard, other
        self._most = most
        self._kept = _HEAD_BYTES + 2 + MOST_TOPIC + 2 + MOST_TOPIC + most  # of a packet that is too long
        self._v5 = v5
        self._left = b""
        self._long = b""  # what is kept of a packet that is too long
        self._skip = 0  # bytes of it still to come

    def feed(self, data: bytes) -> None:
        """Take what came; whole packets leave at once and in order.

        Raises:
            MalformedError: it is not MQTT.
        """
        if self._skip:
            data = self._skipped(data)
        if self._left:
            data = self._left + data
        at, end = 0, len(data)
        while end - at > 1:
            size, body = data[at + 1], at + 2
            if size & _MORE:
                if end - at > 2 and not data[body] & _MORE:  # noqa: PLR2004 - nearly all messages
                    size, body = size & ~_MORE | data[body] << 7, body + 1
                else:
                    size, body = _length(data, at + 1)
                    if not body:
                        break
            stop = body + size
            if stop > end:
                if size > self._kept and end - at >= self._kept:
                    self._skip = stop - end
                    self._long, at = data[at : at + self._kept], end
                break
            if data[at] & _KIND == PUBLISH:
                self._message(data, at, body, stop)
            else:
                self._other(data[at:stop])
            at = stop
        self._left = data[at:]

    def _skipped(self, data: bytes) -> bytes:
        """Let go of the rest of a packet that is too long; at its end, hand over what was kept of it."""
        if len(data) < self._skip:
            self._skip -= len(data)
            return b""
        rest, whole = data[self._skip :], self._long
        self._skip, self._long = 0, b""
        _, body = _length(whole, 1)
        if whole[0] & _KIND == PUBLISH:
            self._message(whole, 0, body, len(whole))
        return rest

    def _message(self, data: bytes, at: int, body: int, stop: int) -> None:
        flags = data[at]
        if stop - body < 2:  # noqa: PLR2004 - the length of the topic
            raise MalformedError("a message without a topic")
        here = body + 2 + (data[body] << 8 | data[body + 1])
        topic, mid = data[body + 2 : here], 0
        if flags & _QOS:
            if flags & _QOS != _QOS_1:
                raise MalformedError("a message of QoS 2, which nobody asked for")
            mid = int.from_bytes(data[here : here + 2], "big")
            here += 2
        if self._v5 and here < stop:
            size = data[here]
            here += 1
            if size & _MORE:
                size, here = _length(data, here - 1)
            here += size
        if here > stop:
            raise MalformedError("a message shorter than it says")
        self._heard(topic, data[here : min(stop, here + self._most + 1)], mid, bool(flags & _RETAIN))


def message(topic: str, payload: bytes, *, v5: bool) -> bytes:
    """Return a message of QoS 0 as it goes on the wire."""
    said = topic.encode()
    size, head = 2 + len(said) + v5 + len(payload), bytearray([PUBLISH])
    while size > ~_MORE & 0xFF:
        size, low = divmod(size, _MORE)
        head.append(low | _MORE)
    head.append(size)
    return b"".join((head, len(said).to_bytes(2, "big"), said, b"\0" if v5 else b"", payload))


def _length(data: bytes, at: int) -> tuple[int, int]:
    """Return a length of several bytes and where it ends; 0 for the end when it is not all there."""
    size = 0
    for number, byte in enumerate(data[at : at + _LENGTH_BYTES]):
        size |= (byte & ~_MORE) << 7 * number
        if not byte & _MORE:
            return size, at + number + 1
    if len(data) - at >= _LENGTH_BYTES:
        raise MalformedError("a length of more than four bytes")
    return 0, 0
