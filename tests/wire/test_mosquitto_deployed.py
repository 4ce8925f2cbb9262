"""The broker as compose configures it, run for real: who is let in, and who may say what."""

import asyncio
import threading

import paho.mqtt.client as paho
import pytest
from certificates import OPENSSL, Authority
from collected import Running, library, until
from deployed_broker import Deployed
from mqtt_brokers import MOSQUITTO, free_port
from paho.mqtt.enums import CallbackAPIVersion

from facility.equipment import Device, Line, Tls

pytestmark = [pytest.mark.real, pytest.mark.skipif(not MOSQUITTO, reason="no mosquitto here")]


class Client:
    def __init__(self, port: int, user: str, password: str) -> None:
        self.port, self.heard, self.codes = port, [], []
        self.client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5, reconnect_on_failure=False)
        if user:
            self.client.username_pw_set(user, password)
        self.may_hear = threading.Event()
        self.may_hear.set()
        self.client.on_message = self._hear
        self.client.on_connect = lambda _c, _u, _f, code, _p: self.codes.append(str(code))
        self.client.on_publish = lambda _c, _u, _m, code, _p: self.codes.append(str(code))

    def _hear(self, _client, _userdata, message):
        self.may_hear.wait(30)  # as long as it waits, nothing is acknowledged
        self.heard.append((message.topic, message.payload))

    async def __aenter__(self):
        await asyncio.to_thread(self.client.connect, "127.0.0.1", self.port)
        self.client.loop_start()
        await self.until(lambda: self.codes)
        return self

    async def __aexit__(self, *_):
        def end():
            self.client.disconnect()
            self.client.loop_stop()
            if self.client.socket():
                self.client.socket().close()

        await asyncio.to_thread(end)

    async def until(self, holds):
        for _ in range(300):
            if holds():
                return
            await asyncio.sleep(0.01)
        raise AssertionError((self.codes, self.heard))

    async def say(self, topic: str, payload: bytes) -> str:
        before = len(self.codes)
        self.client.publish(topic, payload, qos=1)
        await self.until(lambda: len(self.codes) > before)
        return self.codes[-1]


@pytest.fixture
async def deployed(tmp_path, capsys):
    broker = await Deployed(tmp_path, lambda: capsys.readouterr().out, "lift-1a", "zigbee2mqtt").start()
    yield broker, broker.passwords["dutyroom"], broker.passwords["lift-1a"]
    await broker.stop()


async def test_only_who_has_a_password_is_let_in(deployed) -> None:
    broker, ours, _ = deployed
    for user, password in (("", ""), ("dutyroom", "wrong"), ("stranger", ours)):
        async with Client(broker.port, user, password) as client:
            assert client.codes == ["Not authorized"]
    async with Client(broker.port, "dutyroom", ours) as client:
        assert client.codes == ["Success"]


async def test_a_gateway_says_what_is_its_own_and_dutyroom_hears_it(deployed) -> None:
    broker, ours, theirs = deployed
    async with Client(broker.port, "dutyroom", ours) as us, Client(broker.port, "lift-1a", theirs) as gateway:
        us.client.subscribe([("#", 1), ("$SYS/broker/uptime", 0)])
        await us.until(lambda: any(topic.startswith("$SYS") for topic, _ in us.heard))
        assert await gateway.say("lift/lift-1b/live", b"not mine") == "Not authorized"
        assert await gateway.say("dutyroom/x", b"not mine") == "Not authorized"
        assert await gateway.say("lift/lift-1a/live", b"x" * 60_000) == "Success"
        await us.until(lambda: any(topic == "lift/lift-1a/live" for topic, _ in us.heard))
        assert not any(payload == b"not mine" for _, payload in us.heard)
        assert await us.say("lift/lift-1a/live", b"we do not command") == "Not authorized"


async def test_more_waits_for_us_than_the_usual_thousand(deployed) -> None:
    broker, ours, theirs = deployed
    async with Client(broker.port, "dutyroom", ours) as us:
        us.client.subscribe("lift/#", qos=1)
        async with Client(broker.port, "lift-1a", theirs) as gateway:
            await gateway.say("lift/lift-1a/live", b"first")
            await us.until(lambda: us.heard)
            us.may_hear.clear()
            for n in range(3_000):
                gateway.client.publish("lift/lift-1a/live", b"%d" % n, qos=1)
            await gateway.until(lambda: len(gateway.codes) >= 3_000)
            us.may_hear.set()
            await us.until(lambda: len(us.heard) > 3_000)
    assert [int(payload) for _, payload in us.heard[1:]] == list(range(3_000))


async def test_a_zigbee_bridge_speaks_for_its_devices_and_for_no_lift(deployed) -> None:
    broker, ours, _ = deployed
    bridge = broker.passwords["zigbee2mqtt"]
    async with Client(broker.port, "dutyroom", ours) as us, Client(broker.port, "zigbee2mqtt", bridge) as zigbee:
        us.client.subscribe("#", 1)
        assert await zigbee.say("lift/lift-1a/live", b"not mine") == "Not authorized"
        assert await zigbee.say("zigbee2mqtt/room/leak", b"mine") == "Success"
        await us.until(lambda: us.heard)
        assert us.heard == [("zigbee2mqtt/room/leak", b"mine")]


@pytest.mark.skipif(not OPENSSL, reason="openssl is not installed")
async def test_without_its_marks_the_tls_listener_of_the_committed_file_works(tmp_path, capsys) -> None:
    broker = Deployed(tmp_path, lambda: capsys.readouterr().out)
    certs = tmp_path / "deploy" / "mosquitto" / "certs"
    certs.mkdir()
    authority = Authority(certs)
    authority.sign("server")
    text = broker.config.read_text()
    for word in ("listener 8883", "cafile", "certfile", "keyfile", "tls_version"):
        assert f"\n#{word}" in text
        text = text.replace(f"\n#{word}", f"\n{word}")
    port = free_port()
    broker.config.write_text(text.replace("listener 8883 0.0.0.0", f"listener {port} 127.0.0.1"))
    line = Line("broker", "mqtt", "127.0.0.1", port, username="dutyroom", secret="broker", tls=Tls(ca=authority.ca))
    leak = library()["zigbee2mqtt-leak"]
    device = Device("d", leak.id, "broker", 60_000, ("water_high",), ("pit/water_high",), topic="leak")
    run = Running([line], [device], {leak.id: leak})
    run.collectors._secrets = {"broker": broker.passwords["dutyroom"]}
    await broker.start()
    try:
        async with run:
            await until(lambda: run.status("broker").connected)
            assert run.status("broker").remarks == ()
    finally:
        await broker.stop()
