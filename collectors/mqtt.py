"""One MQTT line: the only file that knows paho.

The client runs on the event loop, without a thread of its own. A message is acknowledged only when the sink says that
its scan is durable. **A message whose `done` was not called yet is delivered again after a reconnect**: the session is
kept at the broker, so the same message comes again with the same device time and sequence number, is recognised as a
repeat, and only its acknowledgement is moved to the new connection. Callbacks never raise: what a payload can provoke
ends in the dead letters.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from collectors.message import MOST_BYTES, Memory, MessageDecoder, UndecodableError, absent
from collectors.profile import MqttMap
from collectors.status import LineStatus, Tally
from facility.equipment import Device, Line
from facility.point import Point
from facility.ports import Beat, Clock, ScanSink
from facility.scan import Reason, missed
from facility.text import Text

log = logging.getLogger(__name__)

SESSION_S = 86_400
"""How long a broker that knows MQTT 5 keeps what we have not acknowledged."""
TOPICS_AT_ONCE = 100
AUTO, V5, V311 = "", "5", "3.1.1"
SILENT_AFTER = 3  # intervals


@dataclass(frozen=True, slots=True)
class Manner:
    """How a line behaves; tests shrink it.

    `v5_wait_ms`: a broker that does not know MQTT 5 may not answer at all, and is then asked in 3.1.1.
    """

    protocol: str = AUTO
    v5_wait_ms: int = 1_500
    connect_ms: int = 5_000
    keepalive_s: int = 10
    reconnect_ms: tuple[int, ...] = (250, 500, 1000, 2000, 4000)
    tick_ms: int = 100
    housekeeping_ms: int = 1_000


@dataclass(eq=False)
class _Listener:
    """One device and where it stands."""

    device: Device
    mqtt: MqttMap
    decoders: dict[str, MessageDecoder]  # by topic
    presence: str  # topic, or ""
    miss_at: int = 0
    gone: bool = False
    memory: Memory = field(default_factory=Memory)
    open: dict[tuple[int, int], list[Callable[[], None]]] = field(default_factory=dict)  # not durable yet


class MqttLine:
    """The site's broker and all devices that publish there."""

    def __init__(
        self, line: Line, client_id: str, password: str, sink: ScanSink, clock: Clock, manner: Manner | None = None
    ) -> None:
        """Prepare; devices join by `add`.

        Args:
            line: host, port, user name.
            client_id: the same at every start, or the broker could not keep our session.
            password: of the user.
            sink: takes scans and dead letters.
            clock: the one clock.
            manner: how to behave.
        """
        self._line = line
        self._client_id = client_id
        self._password = password
        self._sink = sink
        self._clock = clock
        self._manner = manner or Manner(protocol=line.protocol or AUTO)
        self._version = V311 if self._manner.protocol == V311 else V5
        self._listeners: list[_Listener] = []
        self._topics: dict[str, _Listener] = {}
        self._client: Client | None = None
        self._up = False
        self._connecting: asyncio.Task[None] | None = None
        self._try_at = 0
        self._failed = 0
        self._generation = 0
        self._answered: asyncio.Future[str] | None = None
        self._understood = False  # the broker answered in the protocol it was asked in
        self._refused: dict[str, Text] = {}
        self._asked: dict[int, list[str]] = {}
        self._tally = Tally()
        self._stopped = False

    limit_ms = 30_000

    def add(self, device: Device, mqtt: MqttMap, points: Sequence[Point | None]) -> None:
        """Listen to this device."""
        decoders = {
            mqtt.topic(message.topic, device.topic): MessageDecoder(
                mqtt, message, device.channels, points, device.inverted
            )
            for message in mqtt.messages
        }
        presence = mqtt.topic(mqtt.presence.topic, device.topic) if mqtt.presence else ""
        listener = _Listener(device, mqtt, decoders, presence)
        self._listeners.append(listener)
        self._topics.update(dict.fromkeys([*decoders, *([presence] if presence else [])], listener))

    def status(self) -> LineStatus:
        """Return how the line stands."""
        return self._tally.status(self._line.id, self._line.transport, connected=self._up, remarks=tuple(self._refused.values()))

    def publish(self, topic: str, payload: bytes) -> bool:
        """Say something at QoS 1, for the receipts that gateways wait for (`collectors.receipts`).

        To be called on the loop, at any time. Nothing is kept for later: what was said while the line is down is
        not said.

        Returns:
            Whether it was handed to the connection.
        """
        if self._client is None or not self._up:
            return False
        return self._client.publish(topic, payload, qos=1).rc == MQTTErrorCode.MQTT_ERR_SUCCESS

    def stop(self) -> None:
        """Listen no more and disconnect; what was not acknowledged stays at the broker."""
        self._stopped = True
        self._drop()

    async def run(self, beat: Beat) -> None:
        """Listen for ever: connect, keep the connection, tell silence."""
        now = self._clock.now()
        for listener in self._listeners:
            listener.miss_at = max(listener.miss_at, now + SILENT_AFTER * listener.device.interval_ms)
        self._try_at, housekeeping = now, now
        try:
            while True:
                beat()
                now = self._clock.now()
                if not self._stopped:
                    if self._client is None and self._connecting is None and now >= self._try_at:
                        self._try_at = now + self._manner.connect_ms
                        self._connecting = asyncio.create_task(self._connect(), name=f"connect {self._line.id}")
                    if self._client is not None and self._connecting is None and now >= housekeeping:
                        self._client.loop_misc()
                        housekeeping = now + self._manner.housekeeping_ms
                    self._tell_silence(now)
                await self._clock.until(now + self._manner.tick_ms)
        finally:
            if self._connecting is not None:
                self._connecting.cancel()
                self._connecting = None
            self._drop()

    # -- silence ----------------------------------------------------------------------------------------------------

    def _tell_silence(self, now: int) -> None:
        for listener in self._listeners:
            if now < listener.miss_at:
                continue
            interval = listener.device.interval_ms
            behind = (now - listener.miss_at) // interval
            listener.miss_at += (behind + 1) * interval
            self._miss(listener, now, Reason.SILENT if self._up and not listener.gone else Reason.NOT_CONNECTED)

    def _miss(self, listener: _Listener, now: int, why: Reason, done: Callable[[], None] | None = None) -> None:
        self._tally.failures[why] += 1
        device = listener.device
        self._sink.scan(missed(device.id, now, len(device.points), why), done)

    # -- the connection ---------------------------------------------------------------------------------------------

    async def _connect(self) -> None:
        """Make one attempt; afterwards the line is up, or the next attempt has its moment."""
        manner, version = self._manner, self._version
        wait_ms = manner.v5_wait_ms if version == V5 and manner.protocol == AUTO else manner.connect_ms
        why = "no answer from the broker"
        self._understood = False
        self._generation += 1
        client = self._make(version)
        self._answered = asyncio.get_running_loop().create_future()
        try:
            # Name look-up and connecting block, so they wait in a thread; everything after runs on the loop.
            await asyncio.to_thread(self._dial, client, version)
            if self._stopped:
                return
            self._client = client
            self._attach(client)
            async with asyncio.timeout(wait_ms / 1000):
                why = await self._answered
        except TimeoutError:
            pass
        except (OSError, ValueError) as error:
            why = str(error)
            self._understood = True  # nobody there: that says nothing about the protocol
        finally:
            self._connecting = None
        if why:
            self._failure(why, other_protocol=not self._understood)
        else:
            self._failed = 0
            self._tally.connects += 1
            self._subscribe(client)

    def _make(self, version: str) -> Client:
        v5 = version == V5
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            clean_session=None if v5 else False,
            protocol=MQTTProtocolVersion.MQTTv5 if v5 else MQTTProtocolVersion.MQTTv311,
            manual_ack=True,
            reconnect_on_failure=False,
        )
        if self._line.username:
            client.username_pw_set(self._line.username, self._password)
        client.connect_timeout = self._manner.connect_ms / 1000
        generation = self._generation
        client.on_connect = partial(self._on_connect, generation)
        client.on_disconnect = partial(self._on_disconnect, generation)
        client.on_message = partial(self._on_message, generation)
        client.on_subscribe = self._on_subscribe
        client.on_socket_close = self._on_socket_close
        client.on_socket_register_write = partial(self._on_write_wanted, asyncio.get_running_loop())
        client.on_socket_unregister_write = self._on_write_done
        return client

    def _dial(self, client: Client, version: str) -> None:
        host, port, keepalive = self._line.host, self._line.port, self._manner.keepalive_s
        if version == V5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho left it unannotated
            properties.SessionExpiryInterval = SESSION_S
            client.connect(host, port, keepalive, clean_start=False, properties=properties)
        else:
            client.connect(host, port, keepalive)

    def _attach(self, client: Client) -> None:
        sock = client.socket()
        if sock is None:
            raise ConnectionError("the broker closed the connection")
        asyncio.get_running_loop().add_reader(sock, self._read, client)

    def _read(self, client: Client) -> None:
        client.loop_read()

    def _failure(self, why: str, *, other_protocol: bool) -> None:
        log.info("line %s: %s", self._line.id, why)
        self._drop()
        delay = self._manner.reconnect_ms[min(self._failed, len(self._manner.reconnect_ms) - 1)]
        if other_protocol and self._manner.protocol == AUTO:
            self._version = V311 if self._version == V5 else V5
            if self._version == V311:
                delay = 0
        self._failed += 1
        self._try_at = self._clock.now() + int(delay * random.uniform(0.75, 1.25))  # noqa: S311 - spreads load

    def _drop(self) -> None:
        client, self._client = self._client, None
        self._up = False
        if client is None:
            return
        self._generation += 1
        with contextlib.suppress(OSError, ValueError):
            client.disconnect()
        sock = client.socket()
        if sock is not None:  # a broker that does not answer: paho would wait for it to close
            self._on_socket_close(client, None, sock)
            client.on_socket_close = client.on_socket_unregister_write = None
            with contextlib.suppress(OSError):
                sock.close()

    def _subscribe(self, client: Client) -> None:
        topics = list(self._topics)
        for start in range(0, len(topics), TOPICS_AT_ONCE):
            some = topics[start : start + TOPICS_AT_ONCE]
            _, mid = client.subscribe([(topic, 1) for topic in some])
            if mid is not None:
                self._asked[mid] = some

    # -- callbacks: all on the loop, but for on_write_wanted while dialling ------------------------------------------

    def _on_connect(
        self, generation: int, _client: Client, _userdata: Any, _flags: Any, code: ReasonCode, _properties: Any
    ) -> None:
        waiting = self._answered
        if generation != self._generation or waiting is None or waiting.done():
            return
        if code.is_failure:
            self._understood = "rotocol" not in str(code)
            self._refused["connection"] = Text(f"服务器拒绝连接：{code}", f"the broker refused: {code}")
            waiting.set_result(f"the broker refused: {code}")
        else:
            self._up = True
            self._refused.clear()
            waiting.set_result("")

    def _on_disconnect(
        self, generation: int, _client: Client, _userdata: Any, _flags: Any, code: ReasonCode, _properties: Any
    ) -> None:
        if generation != self._generation:
            return
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(f"the broker closed the connection: {code}")
            return
        now = self._clock.now()
        for listener in self._listeners:
            listener.miss_at = min(listener.miss_at, now + listener.device.interval_ms)
        self._failure(f"connection lost: {code}", other_protocol=False)

    def _on_subscribe(
        self, _client: Client, _userdata: Any, mid: int, codes: list[ReasonCode], _properties: Any
    ) -> None:
        for topic, code in zip(self._asked.pop(mid, []), codes, strict=False):
            if code.is_failure:
                said = f"服务器拒绝订阅 {topic}：{code}", f"the broker refused the subscription {topic}: {code}"
                self._refused[topic] = Text(*said)

    def _on_socket_close(self, _client: Client, _userdata: Any, sock: Any) -> None:
        with contextlib.suppress(RuntimeError):  # while dialling there is no loop in this thread, and no reader yet
            loop = asyncio.get_running_loop()
            if sock.fileno() >= 0:
                loop.remove_reader(sock)
                loop.remove_writer(sock)

    @staticmethod
    def _on_write_wanted(loop: asyncio.AbstractEventLoop, client: Client, _userdata: Any, sock: Any) -> None:
        def add() -> None:
            if sock.fileno() >= 0:
                loop.add_writer(sock, client.loop_write)

        with contextlib.suppress(RuntimeError):  # the loop ended while this thread was dialling
            loop.call_soon_threadsafe(add)

    @staticmethod
    def _on_write_done(_client: Client, _userdata: Any, sock: Any) -> None:
        with contextlib.suppress(RuntimeError):  # while dialling there is no loop in this thread, and no writer yet
            asyncio.get_running_loop().remove_writer(sock)

    def _on_message(self, generation: int, client: Client, _userdata: Any, message: MQTTMessage) -> None:
        ack = partial(self._ack, generation, client, message.mid, message.qos)
        source, payload = self._line.id, bytes(message.payload)
        try:
            source = message.topic
            self._hear(source, payload, ack, retained=message.retain)
        except UndecodableError as error:
            self._dead(source, payload, str(error), ack)
        except Exception as error:  # whatever a payload provokes, it must not end the line
            log.exception("line %s: a message could not be taken", self._line.id)
            self._dead(source, payload, f"{type(error).__name__}: {error}", ack)

    def _dead(self, source: str, payload: bytes, why: str, ack: Callable[[], None]) -> None:
        self._tally.dead_letters += 1
        self._sink.dead_letter(source, payload[:MOST_BYTES], why)
        ack()

    def _ack(self, generation: int, client: Client, mid: int, qos: int) -> None:
        """Acknowledge, unless that connection is gone: on the next one the number may belong to another message."""
        if qos and generation == self._generation and client.is_connected():
            rc = client.ack(mid, qos)
            if rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
                log.debug("line %s: acknowledgement %s not sent: %s", self._line.id, mid, rc)

    # -- one message ------------------------------------------------------------------------------------------------

    def _hear(self, topic: str, payload: bytes, ack: Callable[[], None], *, retained: bool) -> None:
        listener = self._topics.get(topic)
        if listener is None:
            raise UndecodableError("no device of this site publishes there")
        now = self._clock.now()
        decoder = listener.decoders.get(topic)
        if decoder is None:
            self._present(listener, payload, now, ack)
            return
        heard = decoder.read(listener.device.id, payload, now, listener.memory, retained=retained)
        if not retained:
            listener.gone = False
            listener.miss_at = now + SILENT_AFTER * listener.device.interval_ms
        if heard.repeated:
            waiting = listener.open.get(heard.key)
            if waiting is None:
                ack()
            else:
                waiting.append(ack)
            return
        acks = [ack]
        if heard.scan.seq:
            listener.open[heard.key] = acks
        self._tally.good(heard.scan)
        self._sink.scan(heard.scan, partial(self._durable, listener, heard.key, acks))

    @staticmethod
    def _durable(listener: _Listener, key: tuple[int, int], acks: list[Callable[[], None]]) -> None:
        if listener.open.get(key) is acks:
            del listener.open[key]
        for ack in acks:
            ack()

    def _present(self, listener: _Listener, payload: bytes, now: int, ack: Callable[[], None]) -> None:
        presence = listener.mqtt.presence
        assert presence is not None, "only a profile with a presence topic subscribes to one"
        gone = absent(presence, payload)
        if gone is None:
            raise UndecodableError("neither one of the profile's words for present nor for absent")
        interval = listener.device.interval_ms
        if gone and not listener.gone:
            listener.gone = True
            listener.miss_at = now + interval
            self._miss(listener, now, Reason.NOT_CONNECTED, ack)
            return
        if listener.gone and not gone:
            listener.gone = False
            listener.miss_at = now + SILENT_AFTER * interval
        ack()
