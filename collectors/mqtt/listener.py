"""A publishing device and where it stands: what it said, what is not durable yet, since when it is silent."""

from collections.abc import Callable, Sequence
from functools import partial

from collectors.mqtt.memory import Memory
from collectors.mqtt.message import MessageDecoder, absent
from collectors.mqtt.payload import UndecodableError
from collectors.mqtt.receipts import Receipts
from collectors.profile import MqttMap, Presence
from collectors.status import Tally
from facility.equipment import Device
from facility.ports import ScanSink
from facility.scan import Reason, missed

SILENT_AFTER = 3  # intervals

Ack = Callable[[], None]
Hear = Callable[[bytes, int, Ack, bool], None]
"""Takes a message: payload, moment of receipt, how to acknowledge it, and whether it is the broker's kept copy."""


class Listener:
    """One device."""

    def __init__(
        self,
        device: Device,
        mqtt: MqttMap,
        decoders: Sequence[MessageDecoder],
        sink: ScanSink,
        tally: Tally,
        receipts: Receipts,
    ) -> None:
        """Prepare.

        Args:
            device: as the site has it.
            mqtt: its profile's map.
            decoders: one for each of the map's messages; devices that agree share them.
            sink: takes its scans.
            tally: counts them.
            receipts: what is known of the numbers of all publishers.
        """
        self.device = device
        self.miss_at = 0
        self._mqtt = mqtt
        self._sink = sink
        self._tally = tally
        self._receipts = receipts
        hearing = receipts.hearing(device.id)
        self._memory = Memory(newest_ms=hearing.stamp, hearing=hearing)
        self.receipt = mqtt.topic(mqtt.receipt, device.topic) if mqtt.receipt else ""
        if self.receipt:
            receipts.keeps(device.id)
        self._gone: set[str] = set()  # which of the topics that speak for its presence say that it is gone
        self._decoders = decoders

    @property
    def gone(self) -> bool:
        """Whether a last will says that it is not there."""
        return bool(self._gone)

    def topics(self) -> list[tuple[str, Hear]]:
        """Return what to subscribe to for this device, and who takes what comes there."""
        mqtt, name = self._mqtt, self.device.topic
        out: list[tuple[str, Hear]] = [
            (mqtt.topic(message.topic, name), partial(self._message, decoder))
            for message, decoder in zip(mqtt.messages, self._decoders, strict=True)
        ]
        for presence in (mqtt.presence, mqtt.bridge):
            if presence is not None:
                topic = mqtt.topic(presence.topic, name)
                out.append((topic, partial(self._present, presence, topic)))
        return out

    def begin(self, now: int) -> None:
        """Count silence from here."""
        self.miss_at = max(self.miss_at, now + SILENT_AFTER * self.device.interval_ms)

    def lost(self, now: int) -> None:
        """Hear that the line is down: it is told within an interval."""
        self.miss_at = min(self.miss_at, now + self.device.interval_ms)

    def deaf(self, from_ms: int, to_ms: int) -> None:
        """Hear that the line heard nothing for a time: who counts will show what was missed, who does not cannot."""
        if not self._mqtt.seq:
            self._receipts.deaf(self.device.id, len(self.device.points), from_ms, to_ms)

    def tell_silence(self, now: int, *, up: bool) -> None:
        """Tell that it missed its interval, once for each."""
        interval = self.device.interval_ms
        self.miss_at += ((now - self.miss_at) // interval + 1) * interval
        self._miss(now, Reason.SILENT if up and not self._gone else Reason.NOT_CONNECTED)

    def _miss(self, now: int, why: Reason, done: Ack | None = None) -> None:
        self._tally.failures[why] += 1
        self._sink.scan(missed(self.device.id, now, len(self.device.points), why), done)

    def _message(self, decoder: MessageDecoder, payload: bytes, now: int, ack: Ack, retained: bool) -> None:  # noqa: FBT001 - called as a Hear
        scan, key, repeated = decoder.read(self.device.id, payload, now, self._memory, retained=retained)
        if not retained:
            self.miss_at = now + SILENT_AFTER * self.device.interval_ms
            if self._gone:
                self._gone.clear()
        if repeated:
            waiting = self._memory.seen.get(key)
            if waiting is None:
                ack()
                self._receipts.again(self.device.id)
            else:
                waiting.append(ack)
            return
        self._tally.good(scan)
        if not scan.seq:
            self._sink.scan(scan, ack)
            return
        self._sink.scan(scan, partial(self._durable, key, ack))

    def _durable(self, key: int, ack: Ack) -> None:
        ack()
        others = self._memory.seen.get(key)
        self._memory.seen[key] = None
        for other in others or ():
            other()

    def _present(self, presence: Presence, topic: str, payload: bytes, now: int, ack: Ack, retained: bool) -> None:  # noqa: FBT001 - called as a Hear
        del retained  # it is the gateway's own word, kept on purpose
        gone = absent(presence, payload)
        if gone is None:
            raise UndecodableError("neither one of the profile's words for present nor for absent")
        if gone and not self._gone:
            self._gone.add(topic)
            self.miss_at = now + self.device.interval_ms
            self._miss(now, Reason.NOT_CONNECTED, ack)
            return
        if gone:
            self._gone.add(topic)
        elif self._gone:
            self._gone.discard(topic)
            self.miss_at = now + SILENT_AFTER * self.device.interval_ms
        ack()
