"""Listening to lift gateways: acknowledged when durable, told when silent, and no payload ends the line."""

import asyncio
import contextlib
import json
from pathlib import Path

import pytest
from collected import Running, Sink, library, until
from mqtt_brokers import MOSQUITTO, Mosquitto, Publisher, free_port

from collectors.mqtt.line import Manner
from collectors.mqtt.message import encode
from facility.equipment import Device, Line
from facility.scan import Reason

needs_mosquitto = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")
PROFILES = library()
A, B = PROFILES["lift-gateway-json-a"], PROFILES["lift-gateway-json-b"]
QUICK = Manner(v5_wait_ms=250, connect_ms=2000, keepalive_s=5, reconnect_ms=(30, 60, 120), tick_ms=10)


def device(id="l1", profile=A, interval=5_000):
    channels = tuple(profile.mqtt.fields)
    return Device(id, profile.id, "broker", interval, channels, tuple(f"{id}/{c}" for c in channels), topic=id)


def line(port):
    return Line("broker", "mqtt", "127.0.0.1", port, username="dutyroom", secret="broker")


def running(port, *devices, manner=QUICK, sink=None):
    return Running([line(port)], list(devices or [device()]), PROFILES, sink, manner=manner)


def live(seq, now, profile=A, **values):
    wanted = {"floor": 3.0, "occupied": 0.0, "doors_closed": 1.0, "bell": 0.0, "fault_code": 0.0, **values}
    return encode(profile.mqtt, profile.mqtt.messages[0], wanted, at_ms=now, seq=seq)


TOPIC, STATE = "lift/l1/live", "lift/l1/state"


@pytest.fixture
async def mosquitto(tmp_path):
    broker = await Mosquitto(tmp_path).start()
    yield broker
    await broker.stop()


@pytest.fixture
async def embedded():
    from simulators.broker import broker

    port = free_port()
    server = broker(port, {"gateway": "secret", "dutyroom": "secret"})
    await server.start()
    yield port
    await server.shutdown()


async def test_the_embedded_broker_is_asked_in_311_after_it_did_not_answer_in_5(embedded):
    async with running(embedded) as run, Publisher(embedded) as gateway:
        took = await until(lambda: run.status("broker").connected)
        assert took < 2
        await asyncio.sleep(0.1)
        await gateway.say(TOPIC, live(1, run.clock.now(), bell=1.0))
        await until(lambda: len(run.sink.scans) == 1)
        scan = run.sink.scans[0]
        assert dict(zip(A.mqtt.fields, scan.values, strict=True))["bell"] == 1
        assert scan.seq == 1


async def test_nobody_there_is_told_once_per_interval_and_is_no_reason_to_stop(tmp_path):
    async with running(free_port(), device(interval=100)) as run:
        await until(lambda: run.sink.reasons("l1")[Reason.NOT_CONNECTED] >= 3)
        assert not run.status("broker").connected


@needs_mosquitto
@pytest.mark.real
async def test_two_shapes_arrive_in_mqtt_5(mosquitto):
    async with running(mosquitto.port, device(), device("l2", B)) as run, Publisher(mosquitto.port) as gateway:
        await until(lambda: run.status("broker").connected)
        assert run.collectors._lines["broker"]._version == "5"
        await asyncio.sleep(0.05)
        now = run.clock.now()
        await gateway.say(TOPIC, live(1, now))
        await gateway.say("/sys/jtgw/l2/thing/event/property/post", live(2, now, B, door_zone=1.0))
        await until(lambda: len(run.sink.scans) == 2)
        assert {(s.device, s.at_ms, s.seq) for s in run.sink.scans} == {("l1", now, 1), ("l2", now, 2)}
        assert run.status("broker").reads == 2


@needs_mosquitto
@pytest.mark.real
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_what_is_not_durable_is_delivered_again_and_only_its_acknowledgement_moves(mosquitto, protocol):
    manner = Manner(**{**{k: getattr(QUICK, k) for k in QUICK.__slots__}, "protocol": protocol})
    first = Sink(durable=False)
    async with running(mosquitto.port, manner=manner, sink=first) as run, Publisher(mosquitto.port) as gateway:
        await until(lambda: run.status("broker").connected)
        await asyncio.sleep(0.05)
        now = run.clock.now()
        for n in (1, 2, 3):
            await gateway.say(TOPIC, live(n, now + n))
        await until(lambda: len(first.scans) == 3)
        first.waiting[1]()  # only the second became durable
        await asyncio.sleep(0.05)
        run.collectors._lines["broker"]._session._transport.abort()  # the connection is lost under us
        await until(lambda: run.status("broker").connects == 2)
        await asyncio.sleep(0.2)
        assert len(first.scans) == 3, "repeats are recognised, not handed over twice"
        first.waiting[0]()
        first.waiting[2]()
        await asyncio.sleep(0.1)
    second = Sink()
    async with running(mosquitto.port, manner=manner, sink=second) as run:
        await until(lambda: run.status("broker").connected)
        await asyncio.sleep(0.2)
        assert second.scans == [], "all three were acknowledged in the end"


@needs_mosquitto
@pytest.mark.real
async def test_what_was_not_durable_when_the_process_ended_comes_to_the_next_one(mosquitto):
    first = Sink(durable=False)
    async with running(mosquitto.port, sink=first) as run, Publisher(mosquitto.port) as gateway:
        await until(lambda: run.status("broker").connected)
        await asyncio.sleep(0.05)
        now = run.clock.now()
        for n in range(1, 11):
            await gateway.say(TOPIC, live(n, now + n))
        await until(lambda: len(first.scans) == 10)
        for done in first.waiting[:4]:
            done()
        await asyncio.sleep(0.05)
    second = Sink()
    async with running(mosquitto.port, sink=second) as run:
        await until(lambda: len(second.scans) >= 6)
        assert sorted(s.seq for s in second.scans) == list(range(5, 11))


@needs_mosquitto
@pytest.mark.real
async def test_a_broker_that_was_killed_is_found_again(mosquitto):
    async with running(mosquitto.port, device(interval=100)) as run:
        await until(lambda: run.status("broker").connected)
        await mosquitto.kill()
        await until(lambda: not run.status("broker").connected)
        await until(lambda: run.sink.reasons("l1")[Reason.NOT_CONNECTED] >= 2)
        await mosquitto.start()
        await until(lambda: run.status("broker").connected, within_s=2)
        async with Publisher(mosquitto.port) as gateway:
            await asyncio.sleep(0.05)
            await gateway.say(TOPIC, live(1, run.clock.now()))
            await until(lambda: run.sink.reasons("l1")[Reason.GOOD] == 0 and any(s.seq == 1 for s in run.sink.scans))


@needs_mosquitto
@pytest.mark.real
async def test_bad_payloads_go_to_the_dead_letters_and_the_next_message_is_heard(mosquitto):
    bad = [
        b"",
        b"\xff\xfe\xfd",
        b"{",
        b"[" * 60_000,
        b'{"realtime":{"speed":NaN}}',
        b"x" * 70_000,
        json.dumps({"other": 1}).encode(),
    ]
    async with running(mosquitto.port) as run, Publisher(mosquitto.port) as gateway:
        await until(lambda: run.status("broker").connected)
        await asyncio.sleep(0.05)
        for payload in bad:
            await gateway.say(TOPIC, payload)
        await gateway.say(TOPIC, live(1, run.clock.now()))
        await until(lambda: len(run.sink.scans) == 1)
        assert [source for source, _, _ in run.sink.letters] == [TOPIC] * len(bad)
        assert all(why for _, _, why in run.sink.letters)
        assert max(len(payload) for _, payload, _ in run.sink.letters) == 65_536
        assert run.status("broker").dead_letters == len(bad)
        assert run.status("broker").connects == 1


@needs_mosquitto
@pytest.mark.real
async def test_a_retained_copy_is_no_fresh_word(mosquitto):
    async with Publisher(mosquitto.port) as gateway:
        await gateway.say(TOPIC, live(1, 1_780_000_000_000), retain=True)
    async with running(mosquitto.port, device(interval=200)) as run:
        await until(lambda: len(run.sink.scans) >= 1)
        assert Reason.RETAINED in run.sink.scans[0].reasons
        assert Reason.GOOD not in run.sink.scans[0].reasons
        await until(lambda: run.sink.reasons("l1")[Reason.SILENT] >= 1)


@needs_mosquitto
@pytest.mark.real
async def test_silence_is_told_after_three_intervals_once_per_interval(mosquitto):
    async with running(mosquitto.port, device(interval=100)) as run, Publisher(mosquitto.port) as gateway:
        await until(lambda: run.status("broker").connected)
        await asyncio.sleep(0.05)
        await gateway.say(TOPIC, live(1, run.clock.now()))
        await until(lambda: any(s.seq == 1 for s in run.sink.scans))
        heard = len(run.sink.scans)
        await asyncio.sleep(0.85)
        silent = run.sink.scans[heard:]
        assert {Reason(s.reasons[0]) for s in silent} == {Reason.SILENT}
        assert 4 <= len(silent) <= 7
        assert silent[0].at_ms - run.sink.scans[heard - 1].received_ms >= 290
        await gateway.say(TOPIC, live(2, run.clock.now()))
        await until(lambda: run.sink.scans[-1].seq == 2)


@needs_mosquitto
@pytest.mark.real
async def test_the_last_will_of_a_gateway_means_not_connected_until_it_speaks_again(mosquitto):
    async with running(mosquitto.port, device(interval=400)) as run:
        await until(lambda: run.status("broker").connected)
        gateway = Publisher(mosquitto.port, will=(STATE, b"offline"), client_id="box")
        await gateway.__aenter__()
        await gateway.say(STATE, b"online", retain=True)
        await gateway.say(TOPIC, live(1, run.clock.now()))
        await until(lambda: run.sink.scans[-1:] and run.sink.scans[-1].seq == 1)
        heard = len(run.sink.scans)
        await gateway.lose_power()
        await until(lambda: len(run.sink.scans) > heard)
        assert Reason(run.sink.scans[heard].reasons[0]) is Reason.NOT_CONNECTED
        assert not run.sink.scans[heard].reached
        await until(lambda: len(run.sink.scans) > heard + 2)
        assert {Reason(s.reasons[0]) for s in run.sink.scans[heard:]} == {Reason.NOT_CONNECTED}
        await asyncio.to_thread(gateway.close)
        async with Publisher(mosquitto.port) as back:
            await back.say(TOPIC, live(2, run.clock.now()))
            await until(lambda: run.sink.scans[-1].seq == 2)


@needs_mosquitto
@pytest.mark.real
async def test_a_thousand_short_presses_are_a_thousand_scans(mosquitto):
    async with running(mosquitto.port) as run, Publisher(mosquitto.port) as gateway:
        await until(lambda: run.status("broker").connected)
        await asyncio.sleep(0.05)
        now = run.clock.now()
        for n in range(1000):
            gateway.client.publish(TOPIC, live(2 * n + 1, now + 2 * n, bell=1.0), qos=1)
            gateway.client.publish(TOPIC, live(2 * n + 2, now + 2 * n + 1), qos=1)
        await until(lambda: len(run.sink.scans) == 2000, within_s=10)
        bell = list(A.mqtt.fields).index("bell")
        assert [s.values[bell] for s in run.sink.scans] == [1.0, 0.0] * 1000


@needs_mosquitto
@pytest.mark.real
async def test_a_broker_that_refuses_says_why(tmp_path):
    (tmp_path / "passwords").write_text("")
    (tmp_path / "acl").write_text("user dutyroom\n")
    broker = await Mosquitto(tmp_path, f"acl_file {tmp_path}/acl\n").start()
    try:
        async with running(broker.port) as run:
            await until(lambda: run.status("broker").connected)
            await asyncio.sleep(0.1)
    finally:
        await broker.stop()
    locked = tmp_path / "locked"
    locked.mkdir()
    broker = await Mosquitto(locked, f"password_file {tmp_path}/passwords\n").start()
    broker.config.write_text(broker.config.read_text().replace("allow_anonymous true", "allow_anonymous false"))
    await broker.stop()
    await broker.start()
    try:
        async with running(broker.port) as run:
            await until(lambda: run.status("broker").remarks)
            assert "ot authorized" in run.status("broker").remarks[0].en
            assert not run.status("broker").connected
    finally:
        await broker.stop()


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x20\x02\x00\x01", None])
async def test_something_that_is_no_broker_neither_ends_the_line_nor_connects(answer):
    async def serve(reader, writer):
        begun.append(True)
        with contextlib.suppress(ConnectionError):
            if answer is None:
                await reader.read()  # listens, and never says a word
            else:
                writer.write(answer)
                await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        ended.append(True)

    begun, ended = [], []
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with running(port, device(interval=100)) as run:
        await until(lambda: run.sink.reasons("l1")[Reason.NOT_CONNECTED] >= 3)
        assert not run.status("broker").connected
        assert not run.tasks.running[0].done()
    for _ in range(20):  # the last connection may be accepted only now
        await asyncio.sleep(0)
    server.close()
    await until(lambda: len(ended) == len(begun))


def test_brokers_are_found_where_the_continuous_run_installs_them():
    assert MOSQUITTO is None or Path(MOSQUITTO).exists()
