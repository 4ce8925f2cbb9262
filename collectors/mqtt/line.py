"""One MQTT line: the site's broker, and the devices that publish there.

A message is acknowledged only when the sink says that its scan is durable. **A message whose `done` was not called yet
is delivered again after a reconnect**: the session is kept at the broker, so the same message comes again with the
same device time and sequence number, is recognised as a repeat, and only its acknowledgement is moved to the new
connection. What a payload can provoke ends in the dead letters, never with the line.
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from collectors.mqtt.dial import Dialler, UnreachedError
from collectors.mqtt.listener import Ack, Listener
from collectors.mqtt.message import MessageDecoder
from collectors.mqtt.payload import MOST_BYTES, UndecodableError
from collectors.mqtt.receipts import NOT_SURE_MS, Receipts
from collectors.mqtt.session import TAKEN_OVER, End, Greeting, Session
from collectors.mqtt.topics import Topics
from collectors.profile import MqttMap
from collectors.status import LineStatus, Tally
from facility.equipment import Device, Line
from facility.point import Point
from facility.ports import Beat, Clock, ScanSink
from facility.text import Text

log = logging.getLogger(__name__)

SESSION_S = 86_400
"""How long a broker that knows MQTT 5 keeps what we have not acknowledged."""
TOPICS_AT_ONCE = 100
AUTO, V5, V311 = "", "5", "3.1.1"
TAKEN_MOST, TAKEN_WITHIN_MS = 3, 60_000
RECEIPTS_MS = 500
"""How often gateways that keep their messages are told up to where they may forget."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a line behaves; tests shrink it.

    `v5_wait_ms`: a broker that does not know MQTT 5 may not answer at all, and is then asked in 3.1.1.
    `echo_ms`: how long what we publish to ourselves may take to come back.
    """

    protocol: str = AUTO
    v5_wait_ms: int = 1_500
    connect_ms: int = 5_000
    keepalive_s: int = 10
    reconnect_ms: tuple[int, ...] = (50, 250, 500, 1000, 2000, 4000)
    tick_ms: int = 100
    echo_ms: int = 10_000


class MqttLine:
    """The site's broker and all devices that publish there."""

    limit_ms = 30_000

    def __init__(
        self,
        line: Line,
        client_id: str,
        password: str,
        sink: ScanSink,
        clock: Clock,
        manner: Manner | None = None,
        receipts: Receipts | None = None,
        hurry: Callable[[], None] | None = None,
    ) -> None:
        """Prepare; devices join by `add`.

        Args:
            line: host, port, user name, encryption.
            client_id: the same at every start, or the broker could not keep our session.
            password: of the user.
            sink: takes scans and dead letters.
            clock: the one clock.
            manner: how to behave.
            receipts: what is known of the numbers of all publishers; shared with whoever commits.
            hurry: makes what was handed over durable at once: some brokers owe us no more than twenty messages.
        """
        self._line = line
        self._name = client_id
        self._password = password
        self._sink = sink
        self._clock = clock
        self._manner = manner or Manner(protocol=line.protocol or AUTO)
        self._receipts = receipts or Receipts()
        self._receipts_at = 0
        self._hurry = hurry or _nothing
        self._keepers: dict[str, Listener] = {}
        self._heard_at = self._receipts.heard_until_ms  # when anything came, of whatever device
        self._deaf_since = self._receipts.deaf_since(line.id)  # 0: we hear, or never did
        self._receipts.deafened(line.id, self._deaf_since)
        self._version = V311 if self._manner.protocol == V311 else V5
        self._dialler = Dialler(line)
        self._decoders: dict[object, Sequence[MessageDecoder]] = {}
        self._listeners: list[Listener] = []
        self._topics = Topics()
        self._session: Session | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._try_at = 0
        self._look_at = 0
        self._failed = 0
        self._remarks: dict[str, Text] = {}
        self._echo = f"dutyroom/{client_id}/echo"
        self._echo_by = 0  # by when what we said must have come back; 0: it has, or nothing was said
        self._losses: deque[int] = deque(maxlen=TAKEN_MOST + 1)
        self._closed = False  # the last connection, in order and without a word
        self._suffix = ""  # of our client id, once somebody else came with it
        self._tally = Tally()
        self._stopped = False
        self._held: list[tuple[Session, bytes, bytes, int, bool]] | None = None  # what came while held
        self._topics.add([(self._echo, self._echoed)])

    def add(self, device: Device, mqtt: MqttMap, points: Sequence[Point | None]) -> None:
        """Listen to this device."""
        # Canonical points are few and live as long as the site: identity tells them apart.
        key = (id(mqtt), device.channels, tuple(map(id, points)), device.inverted)
        decoders = self._decoders.get(key)
        if decoders is None:
            decoders = [MessageDecoder(mqtt, m, device.channels, points, device.inverted) for m in mqtt.messages]
            self._decoders[key] = decoders
        listener = Listener(device, mqtt, decoders, self._sink, self._tally, self._receipts)
        self._listeners.append(listener)
        if listener.receipt:
            self._keepers[device.id] = listener
        self._topics.add(listener.topics())

    def hold(self) -> None:
        """Put by all that comes, and tell no silence, until `release`: who says what is being exchanged."""
        if self._held is None:
            self._held = []

    def release(self) -> None:
        """Take what came meanwhile, in its order, as the devices are known now."""
        held, self._held = self._held or (), None
        for heard in held:
            self._take(*heard)

    def exchange(self, gone: Container[str], new: Iterable[tuple[Device, MqttMap, Sequence[Point | None]]]) -> None:
        """Forget some devices and listen to others; whoever stays notices nothing, and the connection stands."""
        for listener in self._listeners:
            if listener.device.id in gone and self._keepers.pop(listener.device.id, None) is not None:
                self._receipts.due.pop(listener.device.id, None)
        self._listeners = [listener for listener in self._listeners if listener.device.id not in gone]
        before, self._topics = self._topics.filters, Topics()
        self._topics.add([(self._echo, self._echoed)])
        for listener in self._listeners:
            self._topics.add(listener.topics())
        self._decoders.clear()  # kept by the identity of what may be gone now
        stay, now = len(self._listeners), self._clock.now()
        for device, mqtt, points in new:
            self.add(device, mqtt, points)
        for listener in self._listeners[stay:]:
            listener.begin(now)
        if self._session is not None:
            self._hear_others(self._session, before)

    def _hear_others(self, session: Session, before: Mapping[str, None]) -> None:
        gone = [topic for topic in before if topic not in self._topics.filters]
        new = [topic for topic in self._topics.filters if topic not in before]
        for start in range(0, len(gone), TOPICS_AT_ONCE):
            session.unsubscribe(gone[start : start + TOPICS_AT_ONCE])
        for start in range(0, len(new), TOPICS_AT_ONCE):
            session.subscribe(new[start : start + TOPICS_AT_ONCE])

    @property
    def empty(self) -> bool:
        """Whether nobody is listened to here any more."""
        return not self._listeners

    @property
    def up(self) -> bool:
        """Whether the broker has let us in and the connection stands."""
        return self._session is not None and self._session.up

    @property
    def remarked(self) -> bool:
        """Whether somebody has to put something right here."""
        return bool(self._remarks or (self._session is not None and self._session.refused))

    def status(self) -> LineStatus:
        """Return how the line stands."""
        refused = self._session.refused if self._session is not None else {}
        remarks = tuple((self._remarks | refused).values())
        return self._tally.status(self._line.id, self._line.transport, connected=self.up, remarks=remarks)

    def publish(self, topic: str, payload: bytes) -> bool:
        """Say something at QoS 0, for the receipts that gateways wait for (`collectors.mqtt.receipts`).

        To be called on the loop, at any time; it costs about 2 µs. Nothing is kept for later and nothing is said
        twice: what must arrive is said again by whoever waits for it.

        Returns:
            Whether it was handed to the connection.
        """
        return self._session is not None and self._session.say(topic, payload)

    def stop(self) -> None:
        """Listen no more and disconnect; what was not acknowledged stays at the broker."""
        self._stopped = True
        self._drop()

    async def run(self, beat: Beat) -> None:
        """Listen for ever: connect, keep the connection, tell silence."""
        now = self._clock.now()
        for listener in self._listeners:
            listener.begin(now)
        self._try_at = now
        try:
            while True:
                beat()
                now = self._clock.now()
                if not self._stopped:
                    self._tend(now)
                await self._clock.until(now + self._manner.tick_ms)
        finally:
            if self._connecting is not None:
                self._connecting.cancel()
                self._connecting = None
            self._drop()

    def _tend(self, now: int) -> None:
        if self._session is None:
            if self._connecting is None and now >= self._try_at:
                self._connecting = asyncio.create_task(self._connect(), name=f"connect {self._line.id}")
        elif now >= self._look_at:
            self._look_at = now + self._manner.keepalive_s * 500
            self._session.look()
        if self._receipts.due and now >= self._receipts_at:
            self._receipts_at = now + RECEIPTS_MS
            self._send_receipts()
        if self._echo_by and now >= self._echo_by:
            self._echo_by = 0
            self._hear_again()
            self._remarks["echo"] = _UNHEARD
            log.warning("line %s: %s", self._line.id, _UNHEARD.en)
        up = self.up
        for listener in self._listeners:
            if now >= listener.miss_at and self._held is None:
                listener.tell_silence(now, up=up)

    # -- the connection ---------------------------------------------------------------------------------------------

    async def _connect(self) -> None:
        """Make one attempt; afterwards the line is up, or the next attempt has its moment."""
        manner, v5 = self._manner, self._version == V5
        greeting = Greeting(
            client_id=self._name + self._suffix,
            username=self._line.username,
            password=self._password,
            v5=v5,
            keepalive_s=manner.keepalive_s,
            keep_s=0 if self._suffix else SESSION_S,
            most_bytes=MOST_BYTES,
        )
        session = Session(self._line, greeting, self._take, self._lost, self._hurry)
        wait_ms = manner.v5_wait_ms if v5 and manner.protocol == AUTO else manner.connect_ms
        end: End | None = End(Text("服务器没有应答", "no answer from the broker"), protocol=True)
        try:
            await self._dialler.connect(lambda: session, manner.connect_ms)
            await asyncio.wait({session.answered}, timeout=wait_ms / 1000)
            if session.answered.done():
                end = session.answered.result()
        except UnreachedError as error:
            end = End(error.why, fix=error.fix)
        except BaseException:
            session.close()
            raise
        finally:
            self._connecting = None
        if self._stopped or end is not None:
            session.close()
        if end is not None:
            self._fail(end)
        elif not self._stopped:
            self._begin(session)

    def _begin(self, session: Session) -> None:
        if self._closed and self._failed == 1:
            # Closed without a word by a broker that lets us in again at once: it was not the broker that went.
            self._taken_over(self._clock.now())
        self._closed = False
        if session.greeting.client_id != self._name + self._suffix:
            session.close()
            return
        self._session = session
        self._failed = 0
        self._tally.connects += 1
        self._remarks.pop("connection", None)
        now = self._clock.now()
        self._look_at = now + self._manner.keepalive_s * 500
        topics = list(self._topics.filters)
        for start in range(0, len(topics), TOPICS_AT_ONCE):
            session.subscribe(topics[start : start + TOPICS_AT_ONCE])
        # What an access list takes away is told in MQTT 5 only; that we hear ourselves shows it in both.
        session.publish(self._echo, session.greeting.client_id.encode())
        self._echo_by = now + self._manner.echo_ms

    def _lost(self, session: Session, end: End) -> None:
        if session is not self._session:
            return
        now = self._clock.now()
        for listener in self._listeners:
            listener.lost(now)
        # A connection that dies without a word is noticed after two keep-alive spans.
        since = max(self._heard_at, now - 2_000 * self._manner.keepalive_s) - NOT_SURE_MS
        self._deaf_since = self._deaf_since or since
        self._receipts.deafened(self._line.id, self._deaf_since)
        self._session = None
        self._echo_by = 0
        self._closed = end.closed
        if end.code == TAKEN_OVER:
            self._taken_over(now)
        self._fail(end)

    def _taken_over(self, now: int) -> None:
        """Somebody else came with our name: once may be an accident, but two who want it throw each other out."""
        self._losses.append(now)
        if len(self._losses) > TAKEN_MOST and now - self._losses[0] <= TAKEN_WITHIN_MS and not self._suffix:
            self._give_way()

    def _hear_again(self) -> None:
        """Record since when nothing was heard, for those who cannot tell by their numbers, and remind the others."""
        now, since = self._clock.now(), self._deaf_since
        self._heard_at, self._deaf_since = now, 0
        self._receipts.deafened(self._line.id, 0)
        for listener in self._listeners:
            if since:
                listener.deaf(since, now)
            if listener.receipt:
                self._receipts.again(listener.device.id)

    def _send_receipts(self) -> None:
        due = self._receipts.due
        for device in [device for device in due if device in self._keepers]:
            epoch, seq = due[device]
            if not self.publish(self._keepers[device].receipt, b'{"epoch":%d,"seq":%d}' % (epoch, seq)):
                return
            del due[device]

    def _give_way(self) -> None:
        """Go on under a name of our own."""
        self._suffix = f"-{random.randrange(16**6):06x}"  # noqa: S311 - a name, not a secret
        self._remarks["taken"] = Text(
            f"客户端号 {self._name} 被另一个程序使用，60 秒内互相顶掉 {TAKEN_MOST + 1} 次；"
            f"已改用 {self._name}{self._suffix}。请停掉另一个程序（或测试机），然后重新启动本服务",
            f"another program uses the client id {self._name}: each was thrown out {TAKEN_MOST + 1} times within 60 s;"
            f" we go on as {self._name}{self._suffix}. Stop the other one, then start this service again",
        )
        log.warning("line %s: %s", self._line.id, self._remarks["taken"].en)

    def _fail(self, end: End) -> None:
        log.info("line %s: %s", self._line.id, end.why.en)
        if end.fix:
            self._remarks["connection"] = end.why
        delay = self._manner.reconnect_ms[min(self._failed, len(self._manner.reconnect_ms) - 1)]
        if end.protocol and self._manner.protocol == AUTO:
            self._version = V311 if self._version == V5 else V5
            if self._version == V311:
                delay = 0
        self._failed += 1
        self._try_at = self._clock.now() + int(delay * random.uniform(0.75, 1.25))  # noqa: S311 - spreads load

    def _drop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()

    # -- what is heard ----------------------------------------------------------------------------------------------

    def _take(self, session: Session, topic: bytes, payload: bytes, mid: int, retained: bool) -> None:  # noqa: FBT001 - called as a Take
        if self._held is not None:
            self._held.append((session, topic, payload, mid, retained))
            return
        ack: Ack = partial(session.acknowledge, mid) if mid else _nothing
        try:
            hearers = self._topics.hearers(topic)
            now = self._heard_at = self._clock.now()
            done = ack if len(hearers) == 1 else _last(len(hearers), ack)
            for hear in hearers:
                hear(payload, now, done, retained)
        except UndecodableError as error:
            self._bury(topic, payload, str(error), ack)
            if error.scan is not None:
                self._sink.scan(error.scan)
        except Exception as error:  # whatever a payload provokes, it must not end the line
            log.exception("line %s: a message could not be taken", self._line.id)
            self._bury(topic, payload, f"{type(error).__name__}: {error}", ack)

    def _bury(self, topic: bytes, payload: bytes, why: str, ack: Ack) -> None:
        self._tally.dead_letters += 1
        self._sink.dead_letter(topic.decode(errors="replace"), payload[:MOST_BYTES], why)
        ack()

    def _echoed(self, _payload: bytes, _now: int, ack: Ack, _retained: bool) -> None:  # noqa: FBT001 - called as a Hear
        self._echo_by = 0
        self._hear_again()
        self._remarks.pop("echo", None)
        ack()


_UNHEARD = Text(
    "自检失败：本系统发布的消息自己收不到，服务器的访问控制（ACL）可能不声不响地丢弃。网关等不到回执会一直重发；"
    "请允许本用户读写 dutyroom/#",
    "we do not hear what we publish ourselves: the broker's access list may drop it without a word, and gateways that"
    " wait for receipts would send for ever. Let our user read and write dutyroom/#",
)


def _nothing() -> None:
    """Do nothing: a message of QoS 0 is not acknowledged."""


def _last(times: int, ack: Ack) -> Ack:
    """Return what acknowledges at the last of so many calls: of all who hear one message, each acknowledges."""

    def done() -> None:
        nonlocal times
        times -= 1
        if not times:
            ack()

    return done
