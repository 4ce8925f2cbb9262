"""What makers publish, as they publish it: bridges and plugs by their profiles, wildcards, presence on topics of its own."""

import base64
import dataclasses
import json

import pytest
from collected import Running, library, until
from mqtt_script import ScriptedBroker

from collectors.mqtt.line import Manner
from collectors.profile import MqttField, MqttMap, MqttMessage, Payload
from facility.equipment import Device, Line
from facility.scan import Reason

PROFILES = library()
QUICK = Manner(protocol="5", connect_ms=500, reconnect_ms=(20, 40), tick_ms=5)


def device(profile, topic, id="d1", interval=60_000):
    channels = tuple(PROFILES[profile].mqtt.fields)
    return Device(id, profile, "broker", interval, channels, tuple(f"{id}/{c}" for c in channels), topic=topic)


def running(broker, *devices, profiles=PROFILES):
    return Running([Line("broker", "mqtt", "127.0.0.1", broker.port)], devices, profiles, manner=QUICK)


async def connected(run):
    await until(lambda: run.status("broker").connected and run.collectors._lines["broker"]._echo_by == 0)


def good(scan, channels):
    return {c: v for c, v, r in zip(channels, scan.values, scan.reasons, strict=True) if r == Reason.GOOD}


SAID = {
    "zigbee2mqtt-leak": (
        "地下室/泵房 1",
        "zigbee2mqtt/地下室/泵房 1",
        b'{"water_leak":true,"battery":97,"battery_low":false,"temperature":21,"voltage":3005,"linkquality":120}',
        {"water_high": 1, "battery": 97, "battery_low": 0, "temperature": 21, "link": 120},
    ),
    "zigbee2mqtt-contact": (
        "roof-door",
        "zigbee2mqtt/roof-door",
        b'{"contact":false,"battery":100,"temperature":24,"voltage":3055,"linkquality":96}',
        {"open": 1, "battery": 100, "temperature": 24, "link": 96},
    ),
    "zigbee2mqtt-climate": (
        "0x00158d0001020304",
        "zigbee2mqtt/0x00158d0001020304",
        b'{"temperature":27.34,"humidity":44.72,"pressure":1012.4,"battery":91,"linkquality":87}',
        {"temperature": 27.34, "humidity": 44.72, "pressure": 1012.4, "battery": 91, "link": 87},
    ),
    "zigbee2mqtt-plug": (
        "fan",
        "zigbee2mqtt/fan",
        b'{"state":"ON","power":152,"current":0.67,"voltage":231,"energy":12.31,"linkquality":144}',
        {"v_an": 231, "i_a": 0.67, "p_total": 0.152, "energy_import": 12.31, "on": 1, "link": 144},
    ),
    "tasmota-energy": (
        "sonoff_desk",
        "tele/sonoff_desk/SENSOR",
        b'{"Time":"2023-05-19T20:52:56","ENERGY":{"Total":514.153,"Power":56,"ApparentPower":92,"ReactivePower":73,"Factor":0.61,"Voltage":234,"Current":0.392}}',
        {
            "v_an": 234,
            "i_a": 0.392,
            "p_total": 0.056,
            "q_total": 0.073,
            "s_total": 0.092,
            "pf": 0.61,
            "energy_import": 514.153,
        },
    ),
    "tasmota-relay": (
        "tasmota_9CF9D1",
        "tele/tasmota_9CF9D1/STATE",
        b'{"Time":"2024-02-24T22:20:38","Uptime":"0T00:10:11","POWER":"OFF","Wifi":{"AP":1,"RSSI":44,"Signal":-77}}',
        {"on": 0, "signal": -77},
    ),
    "tasmota-climate": (
        "TH16",
        "tele/TH16/SENSOR",
        b'{"Time":"2018-03-02T18:25:03","AM2301":{"Temperature":22.6,"Humidity":32.4},"TempUnit":"C"}',
        {"temperature": 22.6, "humidity": 32.4},
    ),
    "lift-roof-box": (
        "l1",
        "lift/l1/monitor",
        json.dumps({"TY": "M", "ST": "S", "D": base64.b64encode(bytes(12) + b"\x03" + bytes(12)).decode()}).encode(),
        None,
    ),
}


@pytest.mark.parametrize("profile", SAID)
async def test_what_the_maker_publishes_is_understood(profile):
    name, topic, payload, values = SAID[profile]
    async with ScriptedBroker() as broker, running(broker, device(profile, name)) as run:
        await connected(run)
        assert topic.encode() in broker.topics
        await broker.publish(topic.encode(), payload)
        await until(lambda: run.sink.scans)
        found = good(run.sink.scans[0], PROFILES[profile].mqtt.fields)
        if values is None:
            assert run.sink.scans[0].values[list(PROFILES[profile].mqtt.fields).index("floor")] == 3
        else:
            assert found == pytest.approx(values)
        assert run.sink.letters == []


@pytest.mark.parametrize("word", [b'{"state":"offline"}', b"offline"])
async def test_a_bridge_that_goes_takes_all_its_devices_with_it_at_once_and_brings_them_back(word):
    devices = [device("zigbee2mqtt-plug", f"p{n}", f"d{n}", interval=200) for n in range(3)]
    async with ScriptedBroker() as broker, running(broker, *devices) as run:
        await connected(run)
        once = await broker.publish(b"zigbee2mqtt/bridge/state", word, retain=True)
        await until(lambda: len({s.device for s in run.sink.scans}) == 3)
        assert {Reason(s.reasons[0]) for s in run.sink.scans[:3]} == {Reason.NOT_CONNECTED}
        await broker.publish(b"zigbee2mqtt/bridge/state", word.replace(b"offline", b"online"), retain=True)
        await until(lambda: not any(x.gone for x in run.collectors._lines["broker"]._listeners))
        heard = len(run.sink.scans)
        await until(lambda: len(run.sink.scans) > heard)
        assert Reason(run.sink.scans[-1].reasons[0]) is Reason.SILENT, "they may speak again, and do not"
        assert broker.acknowledged.count(once) == 1


async def test_a_device_is_gone_as_long_as_either_its_own_word_or_the_bridges_says_so():
    async with ScriptedBroker() as broker, running(broker, device("zigbee2mqtt-plug", "fan")) as run:
        await connected(run)
        (listener,) = run.collectors._lines["broker"]._listeners
        await broker.publish(b"zigbee2mqtt/fan/availability", b'{"state":"offline"}', retain=True)
        await broker.publish(b"zigbee2mqtt/bridge/state", b'{"state":"offline"}', retain=True)
        last = await broker.publish(b"zigbee2mqtt/bridge/state", b'{"state":"online"}')
        await until(lambda: last in broker.acknowledged)
        assert listener.gone
        assert len(run.sink.scans) == 1, "told once"
        await broker.publish(b"zigbee2mqtt/fan", SAID["zigbee2mqtt-plug"][2], retain=True)
        await until(lambda: len(run.sink.scans) == 2)
        assert listener.gone, "the broker's old copy proves nothing"
        await broker.publish(b"zigbee2mqtt/fan", SAID["zigbee2mqtt-plug"][2])
        await until(lambda: len(run.sink.scans) == 3)
        assert not listener.gone, "who speaks is there"


def wild():
    """A gateway that puts its site and the kind of message into the topic, and one value into each payload."""
    names = {"floor": "+/lift/{device}/status/floor", "door": "+/lift/{device}/status/door"}
    mqtt = MqttMap(
        tuple(MqttMessage(n, t, Payload.PLAIN) for n, t in names.items()),
        {n: MqttField(n, (), message=n) for n in names},
    )
    return {"wild": dataclasses.replace(PROFILES["tasmota-energy"], id="wild", kind="", mqtt=mqtt)}


async def test_a_level_that_may_be_anything_is_subscribed_once_and_heard_from_everywhere():
    one = Device("d1", "wild", "broker", 60_000, ("floor", "door"), ("d1/floor", "d1/door"), topic="l1")
    async with ScriptedBroker() as broker, running(broker, one, profiles=wild()) as run:
        await connected(run)
        assert b"+/lift/l1/status/floor" in broker.topics
        for topic, payload in ((b"a/lift/l1/status/floor", b"12"), (b"b/lift/l1/status/door", b"1")) * 2:
            await broker.publish(topic, payload)
        await broker.publish(b"a/b/lift/l1/status/floor", b"1")
        await broker.publish(b"a/lift/l2/status/floor", b"1")
        await until(lambda: len(run.sink.scans) == 4 and len(run.sink.letters) == 2)
        assert [good(s, one.channels) for s in run.sink.scans] == [{"floor": 12}, {"door": 1}] * 2
        assert {why for *_, why in run.sink.letters} == {"no device of this site publishes there"}
