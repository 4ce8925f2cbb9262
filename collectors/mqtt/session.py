"""One connection to a broker: the only file that knows paho.

paho speaks the protocol: connecting, subscribing, publishing, being refused. It reads and writes a pipe instead of a
socket, so it needs no thread and nothing blocks. Messages do not go through it: they are most of the traffic, and are
cut out before (`collectors.mqtt.packets`); so are their acknowledgements, which leave together. Reading rests a few
milliseconds after each message, so that a busy line wakes the loop 250 times a second and not 5,000 times.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from collectors.mqtt.dial import said
from collectors.mqtt.packets import Cutter, MalformedError, message
from facility.equipment import Line
from facility.text import Text

REST_S = 0.004
PIECE = 16 << 10
"""Bytes that are read in one turn of the loop (about 5 ms of work): whoever catches up must not hold up the others."""
STALL_S, STALLED = 0.015, 16
"""A broker that owes us no more than twenty messages at a time (most do, as they come) says nothing more before some
are acknowledged; so many of them, and so long a silence, and they are to become durable at once."""
_PUBACK = b"\x40\x02"
_PING, _PONG = b"\xc0\x00", b"\xd0\x00"
_REFUSED_PROTOCOL = "rotocol"  # "Unsupported protocol version", "Connection Refused: unacceptable protocol version"
TAKEN_OVER = 142  # MQTT 5: another client came with our id


@dataclass(frozen=True, slots=True)
class Greeting:
    """How to present oneself.

    `keep_s`: how long the broker keeps what we have not acknowledged; 0: nothing of this connection is kept.
    """

    client_id: str
    username: str
    password: str
    v5: bool
    keepalive_s: int
    keep_s: int
    most_bytes: int


@dataclass(frozen=True, slots=True)
class End:
    """Why a connection ended.

    `code` is the broker's own (MQTT 5), or 0. `protocol`: it does not speak ours. `fix`: somebody has to put something
    right. `closed`: it was closed in order and without a word, as brokers do whose client came a second time.
    """

    why: Text
    code: int = 0
    protocol: bool = False
    fix: bool = False
    closed: bool = False


Take = Callable[["Session", bytes, bytes, int, bool], None]
"""Takes a message: the session, topic, payload, number (0 at QoS 0), and whether it is a kept copy."""


class Session(asyncio.Protocol):
    """A connection, from the first byte to the last.

    `take` takes messages; `ended` is called once, when the broker refused us or the connection is lost, and never
    after `close`; `hurry` asks for what was taken to be made durable. `answered` is done when the broker has let us
    in, or with the reason why it has not.
    """

    def __init__(
        self,
        line: Line,
        greeting: Greeting,
        take: Take,
        ended: Callable[["Session", End], None],
        hurry: Callable[[], None],
    ) -> None:
        """Prepare; the connection begins when a transport comes."""
        self.answered: asyncio.Future[End | None] = asyncio.get_running_loop().create_future()
        self.refused: dict[str, Text] = {}  # what the broker does not let us hear or say, by topic
        self._said: dict[int, str] = {}  # what we published and was not answered, by its number
        self._line = line
        self._heard_one = False
        self._take = take
        self._ended = ended
        self._hurry = hurry
        self._unread = b""  # what came and was not cut yet; reading rests meanwhile
        self._owed = 0  # messages that we did not acknowledge
        self._pieces = 0  # that brought messages
        self.greeting = greeting
        self._transport: asyncio.Transport | None = None
        self._cutter = Cutter(self._message, self._other, most=greeting.most_bytes, v5=greeting.v5)
        self._asked: dict[int, Sequence[str]] = {}
        self._acks: list[bytes] = []
        self._spoke = True  # the broker, since the last look
        self._silent_ticks = 0
        self._client = _made(greeting, _Pipe(self))
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_publish = self._on_publish

    # -- what the line does -----------------------------------------------------------------------------------------

    @property
    def up(self) -> bool:
        """Whether the broker has let us in and the connection stands."""
        return self._transport is not None and self.answered.done() and self.answered.result() is None

    def subscribe(self, topics: Sequence[str]) -> None:
        """Ask to hear these; what is not granted stands in `refused`."""
        _, mid = self._client.subscribe([(topic, 1) for topic in topics])
        if mid is not None:
            self._asked[mid] = topics

    def unsubscribe(self, topics: Sequence[str]) -> None:
        """Ask to hear these no more."""
        self._client.unsubscribe(list(topics))
        for topic in topics:
            self.refused.pop(topic, None)

    def publish(self, topic: str, payload: bytes) -> None:
        """Say something at QoS 1; what the broker answers to it in MQTT 5 may stand in `refused`."""
        self._said[self._client.publish(topic, payload, qos=1).mid] = topic

    def say(self, topic: str, payload: bytes) -> bool:
        """Say something at QoS 0, past the library; return whether it was handed to the connection."""
        transport = self._transport
        if transport is None or not self.up:
            return False
        transport.write(message(topic, payload, v5=self.greeting.v5))
        return True

    def acknowledge(self, mid: int) -> None:
        """Acknowledge a message; all of one turn of the loop leave together. On a lost connection nothing happens."""
        if self._transport is None:
            return
        if not self._acks:
            asyncio.get_running_loop().call_soon(self._send_acks)
        self._acks.append(_PUBACK + mid.to_bytes(2, "big"))

    def look(self) -> None:
        """Ask whether the broker is still there; to be called twice in each keep-alive span."""
        transport = self._transport
        if transport is None or not self.up:
            return
        self._silent_ticks = 0 if self._spoke else self._silent_ticks + 1
        self._spoke = False
        if self._silent_ticks > 3:  # noqa: PLR2004 - four looks without a byte: two spans, as paho does
            self._end(End(Text("服务器不再应答", "the broker does not answer any more")))
        else:
            transport.write(_PING)

    def close(self) -> None:
        """Leave; the broker keeps what was not acknowledged."""
        self._ended = _nobody
        if self.up:
            with contextlib.suppress(OSError, ValueError):
                self._client.disconnect()
        self._let_go()

    # -- the wire ---------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Present ourselves."""
        self._transport = cast("asyncio.Transport", transport)
        greeting = self.greeting
        # paho wants a host to connect to, and asks the pipe.
        if greeting.v5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho left it unannotated
            properties.SessionExpiryInterval = greeting.keep_s
            fresh = not greeting.keep_s
            self._client.connect("pipe", keepalive=greeting.keepalive_s, clean_start=fresh, properties=properties)
        else:
            self._client.connect("pipe", keepalive=greeting.keepalive_s)

    def data_received(self, data: bytes) -> None:
        """Take what came, and rest a little when it was messages.

        An encrypted transport hands over what it has read from within its `close`: that is left to the broker, which
        keeps what we do not acknowledge. We may be inside one of paho's callbacks then, and its lock knows no owner.
        """
        if self._transport is None:
            return
        self._spoke = True
        self._heard_one = False
        if self._unread:  # the rest of what came before it is not read yet
            self._unread += data
            return
        self._read(data)

    def _read(self, data: bytes) -> None:
        """Read a piece, and the next one in the next turn of the loop."""
        went_on = bool(self._unread)
        self._unread = data[PIECE:]
        self._feed(data[:PIECE] if self._unread else data)
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if self._unread:
            transport.pause_reading()
            asyncio.get_running_loop().call_soon(self._go_on)
        elif self._heard_one:
            self._pieces += 1
            transport.pause_reading()
            asyncio.get_running_loop().call_later(REST_S, self._read_on)
        elif went_on:
            transport.resume_reading()

    def _feed(self, data: bytes) -> None:
        try:
            self._cutter.feed(data)
        except MalformedError as error:
            self._unread = b""
            self._end(End(Text(f"对方不是 MQTT 服务器（{error}）", f"this is no MQTT broker ({error})"), protocol=True))

    def _go_on(self) -> None:
        if self._transport is not None and self._unread:
            self._read(self._unread)

    def connection_lost(self, exc: Exception | None) -> None:
        """Read what is left, then tell the line, unless it knows."""
        while self._unread and self._transport is not None:
            rest, self._unread = self._unread, b""
            self._feed(rest)
        if isinstance(exc, ssl.SSLError):
            self._end(End(said(exc, self._line), fix=True))
        else:
            why = f"：{exc}" if exc else "", f": {exc}" if exc else ""
            protocol = not self.answered.done()  # brokers that do not know a version hang up
            said_ = Text(f"连接断开{why[0]}", f"connection lost{why[1]}")
            self._end(End(said_, protocol=protocol, closed=exc is None))

    def _read_on(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
            if self._owed >= STALLED:
                asyncio.get_running_loop().call_later(STALL_S, self._see_stalled, self._pieces)

    def _see_stalled(self, pieces: int) -> None:
        if pieces == self._pieces and self._owed >= STALLED:
            self._hurry()

    def _message(self, topic: bytes, payload: bytes, mid: int, retained: bool) -> None:  # noqa: FBT001 - called as packets.Heard
        self._heard_one = True
        self._owed += mid > 0
        self._take(self, topic, payload, mid, retained)

    def _other(self, packet: bytes) -> None:
        if packet == _PONG:
            return
        pipe = self._client.pipe
        pipe.inbox += packet
        while pipe.inbox and self._client.socket() is not None:
            self._client.loop_read()
        if self._client.want_write():  # said from within one of its callbacks
            self._client.loop_write()

    def _send_acks(self) -> None:
        acks, self._acks = self._acks, []
        self._owed -= len(acks)
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(acks))

    def send(self, data: bytes) -> None:
        """Send for paho."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _end(self, end: End) -> None:
        ended, self._ended = self._ended, _nobody
        self._let_go()
        if not self.answered.done():
            self.answered.set_result(end)
        else:
            ended(self, end)

    def _let_go(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()

    # -- paho's callbacks, all on the loop --------------------------------------------------------------------------

    def _on_connect(self, _client: Client, _userdata: Any, _flags: Any, code: ReasonCode, _properties: Any) -> None:
        if self.answered.done():
            return
        if code.is_failure:
            why = Text(f"服务器拒绝连接：{code}", f"the broker refused: {code}")
            self._end(End(why, code.value, protocol=_REFUSED_PROTOCOL in str(code), fix=True))
        else:
            self.answered.set_result(None)

    def _on_disconnect(self, _client: Client, _userdata: Any, _flags: Any, code: ReasonCode, _properties: Any) -> None:
        why = Text(f"服务器断开了连接：{code}", f"the broker closed the connection: {code}")
        self._end(End(why, code.value, protocol=not self.answered.done()))

    def _on_subscribe(
        self, _client: Client, _userdata: Any, mid: int, codes: list[ReasonCode], _properties: Any
    ) -> None:
        for topic, code in zip(self._asked.pop(mid, ()), codes, strict=False):
            if code.is_failure:
                self.refused[topic] = Text(
                    f"服务器拒绝订阅 {topic}：{code}；检查访问控制（ACL）",
                    f"the broker refused the subscription {topic}: {code}; check its access list",
                )

    def _on_publish(self, _client: Client, _userdata: Any, mid: int, code: ReasonCode, _properties: Any) -> None:
        topic = self._said.pop(mid, "")
        if code.is_failure:
            self.refused[topic] = Text(
                f"服务器拒绝发布 {topic}：{code}；检查访问控制（ACL）",
                f"the broker refused what we published on {topic}: {code}; check its access list",
            )


class _Pipe:
    """What paho takes for its socket."""

    def __init__(self, session: Session) -> None:
        self.inbox = bytearray()
        self._session = session

    def recv(self, most: int) -> bytes:
        if not self.inbox:
            raise BlockingIOError
        some = bytes(self.inbox[:most])
        del self.inbox[:most]
        return some

    def send(self, data: bytes) -> int:
        self._session.send(bytes(data))
        return len(data)

    def close(self) -> None:
        """Do nothing: the session ends its transport itself."""

    def fileno(self) -> int:
        return -1

    def setblocking(self, _flag: bool) -> None:  # noqa: FBT001 - as sockets have it
        """Do nothing: a pipe never blocks."""


class _Client(Client):
    """Paho, reading and writing a pipe."""

    def __init__(self, pipe: _Pipe, **more: Any) -> None:
        super().__init__(CallbackAPIVersion.VERSION2, manual_ack=True, reconnect_on_failure=False, **more)
        self.pipe = pipe

    def _create_socket(self) -> Any:
        return self.pipe


def _made(greeting: Greeting, pipe: _Pipe) -> _Client:
    client = _Client(
        pipe,
        client_id=greeting.client_id,
        clean_session=None if greeting.v5 else not greeting.keep_s,
        protocol=MQTTProtocolVersion.MQTTv5 if greeting.v5 else MQTTProtocolVersion.MQTTv311,
    )
    if greeting.username:
        client.username_pw_set(greeting.username, greeting.password)
    return client


def _nobody(_session: Session, _end: End) -> None:
    """Hear of an end that was wanted, or is known."""
