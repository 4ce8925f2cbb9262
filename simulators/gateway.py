"""The lifts' MQTT gateways: one client each, the payloads of real gateways, silent without power.

Those whose profile knows receipts keep what they say until it is acknowledged (docs/engineers/receipts.md): the
reference for gateway makers, with `simulators.outbox`.
"""

import asyncio
import json
from collections import deque
from collections.abc import Mapping
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

from collectors.mqtt.message import encode
from collectors.profile import MqttMap, Profile
from facility.equipment import Device, Line, split_point
from facility.site import Site
from simulators.building import Building
from simulators.outbox import Outbox

QOS = 1
KEEPALIVE_S = 10


class Gateway:
    """One lift's box: publishes its live data at every interval, and at once when a code or the bell changes."""

    def __init__(
        self,
        device: Device,
        mapped: MqttMap,
        line: Line,
        password: str,
        building: Building,
        folder: Path | None = None,
    ) -> None:
        """Prepare; with a folder, what waits for its receipt survives the end of this program."""
        self.device, self.map, self.line, self.building = device, mapped, line, building
        self.equipment = split_point(device.points[0])[0]
        self._seq = 0
        self._outbox: Outbox | None = None
        self._folder = folder
        self._receipts: deque[bytes] = deque()  # from the network's thread to ours
        self._due_ms = 0.0
        self._last: tuple[float, ...] = ()
        self._up = False
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"gateway-{device.id}",
            protocol=MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
        )
        self._client.username_pw_set(line.username, password)
        self._client.on_connect = self._on_connect
        self._client.on_message = lambda _client, _data, message: self._receipts.append(bytes(message.payload))
        if mapped.presence is not None:
            topic = mapped.topic(mapped.presence.topic, device.topic or device.id)
            self._client.will_set(topic, self._presence(online=False), qos=QOS, retain=True)

    @property
    def powered(self) -> bool:
        """Whether the box has power and does its work."""
        return self.building.powered(self.equipment) and not self.building.machines[self.equipment].silent

    async def live(self, now_ms: int) -> None:
        """Connect, publish or fall silent, as the moment asks."""
        if not self.powered:
            if self._up:
                self._up = False
                await asyncio.to_thread(self._die)
            return
        if not self._up:
            self._up = await asyncio.to_thread(self._connect)
            if self._up:
                self._due_ms = 0
                if self._outbox is not None:
                    self._outbox.connected(now_ms)
        points = self.building.machines[self.equipment].points
        urgent = tuple(points.get(n, 0.0) for n in ("bell", "fault_code", "door_zone", "doors_closed", "running"))
        if (self._up or self.map.receipt) and (now_ms >= self._due_ms or urgent != self._last):
            self._last = urgent
            self._due_ms = now_ms + self.device.interval_ms
            self.publish(points, now_ms)
        if self._outbox is not None and self._up:
            self._send(self._outbox, now_ms)

    def publish(self, points: Mapping[str, float], now_ms: int) -> None:
        """Send the state as the maker's gateway words it, or keep it to be sent until its receipt has come."""
        values = {
            channel: points[name]
            for channel, point in zip(self.device.channels, self.device.points, strict=True)
            if (name := split_point(point)[1]) in points
        }
        if self.map.receipt:
            if self._outbox is None:
                self._outbox = Outbox(self._folder and self._folder / f"{self.device.id}.outbox", now_ms)
            self._outbox.put(now_ms, json.dumps(values).encode())
            return
        for message in self.map.messages:
            self._seq += 1
            mine = {c: v for c, v in values.items() if self.map.fields[c].message == message.name}
            topic = self.map.topic(message.topic, self.device.topic or self.device.id)
            self._say(topic, encode(self.map, message, mine, at_ms=now_ms, seq=self._seq))

    def stop(self) -> None:
        """Leave in order."""
        if self._up:
            self._client.disconnect()
            self._client.loop_stop()
        if self._outbox is not None:
            self._outbox.close()

    def _send(self, outbox: Outbox, now_ms: int) -> None:
        """Take in receipts and send what is due: new words, and old ones again when no receipt comes."""
        while self._receipts:
            said = json.loads(self._receipts.popleft())
            outbox.receipt(said["epoch"], said["seq"], now_ms)
        message, oldest = self.map.messages[0], outbox.oldest
        topic = self.map.topic(message.topic, self.device.topic or self.device.id)
        for seq, at_ms, body in outbox.due(now_ms):
            values = json.loads(body)
            self._say(
                topic,
                encode(self.map, message, values, at_ms=at_ms, seq=seq, epoch=outbox.epoch, oldest=oldest),
            )

    def _say(self, topic: str, payload: bytes) -> None:
        if self._client.publish(topic, payload, qos=QOS).rc == MQTTErrorCode.MQTT_ERR_NO_CONN:
            self._up = False

    def _on_connect(self, client: mqtt.Client, *_how: object) -> None:
        if self.map.receipt:
            client.subscribe(self.map.topic(self.map.receipt, self.device.topic or self.device.id), QOS)

    def _connect(self) -> bool:
        try:
            self._client.connect(self.line.host, self.line.port, KEEPALIVE_S)
        except OSError:
            return False
        self._client.loop_start()
        if self.map.presence is not None:
            topic = self.map.topic(self.map.presence.topic, self.device.topic or self.device.id)
            self._client.publish(topic, self._presence(online=True), qos=QOS, retain=True)
        return True

    def _die(self) -> None:
        """Lose power: the socket goes without a word, so that the broker sends the last will."""
        sock = self._client.socket()
        self._client.loop_stop()
        if sock is not None:
            sock.close()

    def _presence(self, *, online: bool) -> str:
        presence = self.map.presence
        assert presence is not None
        word = (presence.online if online else presence.offline)[0]
        if not presence.path:
            return word
        body: object = word
        for key in reversed(presence.path):
            body = {key: body}
        return json.dumps(body)


def gateways(
    site: Site, profiles: Mapping[str, Profile], secrets: Mapping[str, str], building: Building
) -> list[Gateway]:
    """Return a gateway for every MQTT device of the site."""
    out = []
    for device in site.devices.values():
        mapped = profiles[device.profile].mqtt
        if mapped is not None:
            line = site.lines[device.line]
            out.append(Gateway(device, mapped, line, secrets.get(line.secret, ""), building))
    return out
