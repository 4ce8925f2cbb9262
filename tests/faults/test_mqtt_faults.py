"""F20 to F28 of the reference's list: what brokers, networks and publishers do to an MQTT line, and what it does then."""

import asyncio
import json
import socket
import threading
import time

import paho.mqtt.client as paho
import pytest
from collected import Running, Sink, Tasks, library, site, until
from deployed_broker import Deployed
from hypothesis import given, settings
from hypothesis import strategies as st
from mqtt_brokers import MOSQUITTO, Mosquitto, Publisher, free_port
from mqtt_script import ScriptedBroker, packet, text
from paho.mqtt.enums import CallbackAPIVersion

from alarms.rules import Evaluator
from collectors.mqtt.line import Manner
from collectors.mqtt.memory import CLOCK_TOLERANCE_MS, OLDEST_MS, Memory
from collectors.mqtt.message import MessageDecoder, encode
from collectors.supervisor import Collectors
from dutyroom.clock import SystemClock
from dutyroom.desk import Desk
from facility.equipment import Device, Line, Tls
from facility.scan import Reason
from stores.live import Live
from stores.logbook import LogBook
from stores.telemetry.spool import Spool

needs_mosquitto = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")
PROFILES = library()
A = PROFILES["lift-gateway-json-a"]
LIVE = A.mqtt.messages[0]
CHANNELS = tuple(A.mqtt.fields)
TOPIC = "lift/l1/live"
NOW = 1_780_000_000_000


def manner(**more):
    how = {
        "protocol": "5",
        "connect_ms": 100,
        "keepalive_s": 5,
        "reconnect_ms": (20, 40),
        "tick_ms": 5,
        "echo_ms": 2000,
    }
    return Manner(**{**how, **more})


def device(id="l1", interval=60_000):
    return Device(id, A.id, "broker", interval, CHANNELS, tuple(f"{id}/{c}" for c in CHANNELS), topic=id)


def running(port, *devices, host="127.0.0.1", sink=None, tls=None, **more):
    line = Line("broker", "mqtt", host, port, username="dutyroom", secret="broker", tls=tls)
    return Running([line], list(devices or [device()]), PROFILES, sink, manner=manner(**more))


def said(seq, at_ms, **values):
    return encode(A.mqtt, LIVE, {"floor": 3.0, "bell": 0.0, **values}, at_ms=at_ms, seq=seq)


def status(run):
    return run.status("broker")


async def connected(run):
    await until(lambda: status(run).connected)


class Heartbeat:
    """Measures how long the loop stands still."""

    async def __aenter__(self):
        self.longest_s = 0.0
        self._task = asyncio.create_task(self._beat())
        return self

    async def _beat(self):
        loop = asyncio.get_running_loop()
        last = loop.time()
        while True:
            await asyncio.sleep(0.005)
            now = loop.time()
            self.longest_s = max(self.longest_s, now - last - 0.005)
            last = now

    async def __aexit__(self, *_):
        self._task.cancel()


# -- F20: the broker is slow to come, its name is not found, the handshake hangs ------------------------------------------


async def test_f20_a_broker_that_comes_slowly_is_tried_for_ever():
    broker = ScriptedBroker()
    broker.port = free_port()
    async with running(broker.port) as run:
        await until(lambda: run.collectors._lines["broker"]._failed >= 3)  # refused
        broker.mute = True
        async with broker:
            await until(lambda: broker.connections >= 3)  # accepted, and no word
            assert not status(run).connected
            broker.mute = False
            await connected(run)
            await broker.publish(TOPIC.encode(), said(1, run.clock.now()))
            await until(lambda: run.sink.of("l1"))


async def test_f20_a_name_that_is_not_found_or_not_answered_does_not_hold_the_loop(monkeypatch):
    answers, hang = [], threading.Event()

    def look_up(_host, _port, **_more):
        answers.append(threading.get_ident())
        if len(answers) < 3:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        if len(answers) == 3:
            hang.wait(10)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]

    monkeypatch.setattr("collectors.mqtt.dial.socket.getaddrinfo", look_up)
    async with ScriptedBroker() as broker, Heartbeat() as heart, running(broker.port, host="broker.site") as run:
        await until(lambda: run.collectors._lines["broker"]._failed >= 6)
        assert len(answers) == 3, "while one look-up hangs, no second one is begun"
        assert threading.get_ident() not in answers
        hang.set()
        await connected(run)
        assert heart.longest_s < 0.5


async def test_f20_a_handshake_that_hangs_is_given_up_and_said():
    async with ScriptedBroker() as broker, running(broker.port, tls=Tls()) as run:
        broker.mute = True
        await until(lambda: run.collectors._lines["broker"]._failed >= 2)
        assert "does not finish the TLS handshake" in status(run).remarks[0].en
        assert "TLS" in status(run).remarks[0].zh
        assert not run.tasks.running[0].done()


# -- F21: what a message can do ------------------------------------------------------------------------------------------


class Brittle(Sink):
    """Raises at the first scan it is given."""

    def scan(self, scan, done=None):
        super().scan(scan, done)
        if len(self.scans) == 1:
            raise RuntimeError("a bug of ours")


async def test_f21_an_error_while_a_message_is_taken_buries_it_and_the_next_one_is_heard():
    async with ScriptedBroker() as broker, running(broker.port, sink=Brittle()) as run:
        await connected(run)
        for n in (1, 2):
            await broker.publish(TOPIC.encode(), said(n, run.clock.now() + n))
        await until(lambda: len(run.sink.scans) == 2)
        ((source, _, why),) = run.sink.letters
        assert (source, why) == (TOPIC, "RuntimeError: a bug of ours")
        assert status(run).connects == 1
        await until(lambda: set(broker.acknowledged) == {1, 2})


HOSTILE = {
    "nothing": (TOPIC.encode(), b""),
    "no JSON": (TOPIC.encode(), b"{"),
    "no text": (TOPIC.encode(), b"\xff\xfe\xfd"),
    "deep": (TOPIC.encode(), b"[" * 60_000),
    "a topic that is no text": (b"lift/\xff\xfe/live", said(9, NOW)),
    "a topic of nobody": (b"lift/l9/live", said(9, NOW)),
    "no topic": (b"", said(9, NOW)),
    "100 MiB": (TOPIC.encode(), b"x" * (100 << 20)),
}


async def test_f21_hostile_messages_are_dead_letters_counted_and_acknowledged_and_the_next_one_is_heard():
    async with ScriptedBroker() as broker, Heartbeat() as heart, running(broker.port) as run:
        await connected(run)
        for topic, payload in HOSTILE.values():
            await broker.publish(topic, payload)
        last = await broker.publish(TOPIC.encode(), said(1, run.clock.now()))
        await until(lambda: run.sink.scans and last in broker.acknowledged)
        assert len(run.sink.letters) == status(run).dead_letters == len(HOSTILE)
        assert {why for _, _, why in run.sink.letters} >= {
            "the topic is not UTF-8",
            "no device of this site publishes there",
        }
        assert max(len(payload) for _, payload, _ in run.sink.letters) == 65_536
        assert broker.acknowledged == list(range(1, last + 1))
        assert status(run).connects == 1
        assert heart.longest_s < 0.5


@pytest.mark.parametrize(
    "noise", [b"\x30\x01\x00", b"\x30\xff\xff\xff\xff\x7f", b"\x34\x03\x00\x01t", b"\x32\x02\x00\x09", b"\xf0\x00" * 9]
)
async def test_f21_bytes_that_are_no_mqtt_end_the_connection_and_not_the_line(noise):
    async with ScriptedBroker() as broker, running(broker.port) as run:
        await connected(run)
        await broker.say(noise)
        await broker.publish(TOPIC.encode(), said(1, run.clock.now()))
        await until(lambda: status(run).connects == 2 or run.sink.scans)
        await connected(run)
        await broker.publish(TOPIC.encode(), said(2, run.clock.now() + 1))
        await until(lambda: any(s.seq == 2 for s in run.sink.scans))


# -- F22: somebody else comes with our client id -------------------------------------------------------------------------


class Rival:
    """Another program with our client id, which comes back whenever it is thrown out."""

    def __init__(self, port, client_id, protocol):
        self.client = paho.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=protocol)
        self.client.reconnect_delay_set(1, 1)
        self.port = port
        self.thrown_out = 0

    async def come(self):
        await asyncio.to_thread(self.client.connect, "127.0.0.1", self.port)
        for _ in range(400):
            if self.client.loop(0.005) or self.client.is_connected():
                return
            await asyncio.sleep(0.001)

    def leave(self):
        self.client.disconnect()


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
@needs_mosquitto
@pytest.mark.real
async def test_f22_a_second_client_with_our_id_is_told_and_we_go_on_under_a_name_of_our_own(tmp_path, protocol):
    broker = await Mosquitto(tmp_path).start()
    rival = Rival(broker.port, "dutyroom-t-broker", paho.MQTTv5 if protocol == "5" else paho.MQTTv311)
    try:
        async with running(broker.port, protocol=protocol) as run:
            for times in range(1, 5):
                await until(lambda times=times: status(run).connected and status(run).connects == times)
                await rival.come()
                await until(lambda times=times: not status(run).connected or status(run).connects > times)
            await until(lambda: status(run).connects == 5 and status(run).connected)
            assert run.collectors._lines["broker"]._session.greeting.client_id.startswith("dutyroom-t-broker-")
            (remark,) = status(run).remarks
            assert "another program uses the client id dutyroom-t-broker" in remark.en
            assert "另一个程序" in remark.zh
            async with Publisher(broker.port) as gateway:
                await until(lambda: run.collectors._lines["broker"]._echo_by == 0)  # subscribed
                await gateway.say(TOPIC, said(1, run.clock.now()))
                await until(lambda: any(s.seq == 1 for s in run.sink.scans))
        rival.leave()
    finally:
        await broker.stop()


async def test_f22_three_times_in_a_minute_is_not_yet_a_rival():
    async with ScriptedBroker() as broker, running(broker.port) as run:
        for times in (1, 2, 3, 4):
            await until(lambda times=times: status(run).connected and status(run).connects == times)
            if times < 4:
                await broker.take_over()
        assert set(broker.clients) == {"dutyroom-t-broker"}
        assert status(run).remarks == ()


# -- F23: the broker's old copy ------------------------------------------------------------------------------------------


async def test_f23_an_old_retained_value_is_no_fresh_word_and_resets_no_alarm():
    from benchmarks.pulses import GATEWAY, made
    from facility.equipment import Line as Wire

    assert A.id == GATEWAY
    plant = made([], [], 1, "x")
    evaluator = Evaluator(plant)
    lift = plant.devices["lift-0"]
    async with ScriptedBroker() as broker:
        run = Running([Wire("broker", "mqtt", "127.0.0.1", broker.port)], [lift], PROFILES, manner=manner())
        async with run:
            await connected(run)
            now = run.clock.now()
            topic = b"lift/lift-0/live"
            await broker.publish(topic, said(5, now, bell=1.0))
            await until(lambda: len(run.sink.scans) == 1)
            assert [m.raised for m in evaluator.step(run.sink.scans[0])] == [True]
            await broker.take_over()
            await until(lambda: status(run).connects == 2 and status(run).connected)
            await broker.publish(topic, said(4, now - 60_000), retain=True)
            await until(lambda: len(run.sink.scans) == 2)
            old = run.sink.scans[1]
            assert set(old.reasons) <= {Reason.RETAINED, Reason.NOT_GIVEN}
            assert old.at_ms == now - 60_000, "it stands at its own time"
            assert not evaluator.step(old)
            await broker.publish(topic, said(6, now + 1))
            await until(lambda: len(run.sink.scans) == 3)
            assert [m.raised for m in evaluator.step(run.sink.scans[2])] == [False]


# -- F24: twice, out of order, without a clock, with a wrong one ---------------------------------------------------------


CLOCKS = st.sampled_from(["right", "none", "1970", "zero", "future", "wild"])


def stamp(kind, seq, now):
    return {
        "right": now,
        "none": None,
        "1970": 1_000 * seq,
        "zero": 0,
        "future": now + CLOCK_TOLERANCE_MS + 60_000 * seq,
        "wild": 2**60,
    }[kind]


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 12), CLOCKS), min_size=1, max_size=25, unique_by=lambda x: x[0]),
    st.randoms(use_true_random=False),
)
def test_f24_each_message_counts_once_and_no_time_is_believed_that_cannot_be(messages, random):
    decoder, memory = MessageDecoder(A.mqtt, LIVE, CHANNELS), Memory()
    sent = []
    for seq, clock in messages:
        body = {"seq": seq, "realtime": {"floor": str(seq)}}
        at_ms = stamp(clock, seq, NOW + seq)
        sent.append((seq, clock, json.dumps(body if at_ms is None else {**body, "timeStamp": at_ms}).encode()))
    came = sent * 2
    random.shuffle(came)
    counted = []
    for step, (seq, clock, payload) in enumerate(came):
        now = NOW + 1_000 + step
        scan, _, repeated = decoder.read("l1", payload, now, memory)
        if repeated:
            continue
        counted.append(seq)
        assert OLDEST_MS <= scan.at_ms <= now + CLOCK_TOLERANCE_MS
        reason = Reason(scan.reasons[CHANNELS.index("floor")])
        if clock in {"1970", "zero", "future", "wild"}:
            assert (scan.at_ms, reason) == (now, Reason.CLOCK)
        elif clock == "none":
            assert (scan.at_ms, reason) == (now, Reason.GOOD)
        else:
            assert reason in {Reason.GOOD, Reason.LATE}
    assert sorted(counted) == sorted(seq for seq, _ in messages)


# -- F25: the store is down, and the broker keeps little -----------------------------------------------------------------


@needs_mosquitto
@pytest.mark.real
async def test_f25_with_the_store_down_everything_is_in_the_spool_though_the_broker_keeps_little(tmp_path):
    """Mosquitto's own limit of 20 unacknowledged messages, and a queue that overflows within half a second."""
    broker = await Mosquitto(tmp_path, "max_inflight_messages 20\n").start()
    broker.config.write_text(broker.config.read_text().replace("max_queued_messages 10000", "max_queued_messages 200"))
    await broker.stop()
    await broker.start()
    lift = device()
    plant = site([Line("broker", "mqtt", "127.0.0.1", broker.port)], [lift])
    clock, tasks = SystemClock(), Tasks()
    spool, book = Spool(tmp_path / "spool.db", clock), LogBook(tmp_path / "logbook.db", plant.id)
    spool.layout(lift.id, lift.points, A.stamp)
    desk = Desk(plant, clock, book, spool, Live(spool.layouts()), {}, lambda *_: None)
    desk.restore([])
    collectors = Collectors(plant, PROFILES, desk, clock, tasks, {}, manner=manner(), hurry=desk.hurry)
    tasks.keep("desk", desk.run, 60_000)
    collectors.start()
    try:
        await until(lambda: collectors.status()[0].connected)
        async with Publisher(broker.port) as gateway:
            began, now = asyncio.get_running_loop().time(), clock.now()
            for n in range(1, 601):
                gateway.client.publish(TOPIC, said(n, now + n), qos=1)
                await asyncio.sleep(max(0.0, began + n / 400 - asyncio.get_running_loop().time()))
            await until(lambda: desk.counts.scans >= 600)
    finally:
        await collectors.stop()
        await tasks.stop()
        await desk.stop()
        await broker.stop()
    kept = [s.seq for row, batch in spool.batches(0, 10_000) for s in batch.scans({1: lift.id})]
    spool.close()
    book.close()
    assert kept == list(range(1, 601))


# -- F26: an access list that says nothing -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("protocol", "acl", "remark"),
    [
        ("3.1.1", "topic read lift/#\n", "we do not hear what we publish ourselves"),
        ("3.1.1", "topic write dutyroom/#\n", "we do not hear what we publish ourselves"),
        ("5", "topic read #\n", "the broker refused what we published"),
        ("3.1.1", "topic read #\ntopic write dutyroom/#\n", ""),
        ("5", "topic read #\ntopic write dutyroom/#\n", ""),
    ],
)
@needs_mosquitto
@pytest.mark.real
async def test_f26_what_an_access_list_takes_from_us_is_said_though_the_broker_says_nothing(
    tmp_path, protocol, acl, remark
):
    rules = tmp_path / "acl"
    rules.write_text(f"user dutyroom\n{acl}")
    rules.chmod(0o600)
    broker = await Mosquitto(tmp_path, f"acl_file {rules}\n").start()
    try:
        async with running(broker.port, protocol=protocol, echo_ms=150) as run:
            await connected(run)
            if remark:
                await until(lambda: status(run).remarks)
                assert remark in status(run).remarks[-1].en or remark in status(run).remarks[0].en
                assert all(said.zh for said in status(run).remarks)
            else:
                await until(lambda: run.collectors._lines["broker"]._echo_by == 0)
                assert status(run).remarks == ()
            assert status(run).connected, "what may be heard is heard all the same"
    finally:
        await broker.stop()


# -- F27: a gateway speaks in another one's name -------------------------------------------------------------------------


@needs_mosquitto
@pytest.mark.real
async def test_f27_no_gateway_speaks_for_another_with_the_access_list_we_deploy(tmp_path, capsys):
    broker = await Deployed(tmp_path, lambda: capsys.readouterr().out, "l1", "l2").start()
    line = Line("broker", "mqtt", "127.0.0.1", broker.port, username="dutyroom", secret="broker")
    run = Running([line], [device("l1"), device("l2")], PROFILES, manner=manner())
    run.collectors._secrets = {"broker": broker.passwords["dutyroom"]}
    try:
        async with run:
            await connected(run)
            async with Publisher(broker.port, login=("l2", broker.passwords["l2"])) as liar:
                await liar.say(TOPIC, said(1, run.clock.now(), bell=1.0))
                await liar.say("lift/l1/state", b"offline")
                await liar.say("lift/l2/live", said(2, run.clock.now()))
            await until(lambda: run.sink.of("l2"))
            assert run.sink.of("l1") == []
            assert run.sink.letters == []
    finally:
        await broker.stop()


# -- F28: everybody comes back at once -----------------------------------------------------------------------------------

GATEWAYS = 500


async def _come(port, name):
    """Connect, with a will; say that one is there, and a first value."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    will = text(b"lift/%b/state" % name) + text(b"offline")
    writer.write(packet(0x10, text(b"MQTT") + b"\x04\x2e\0\0" + text(name) + will))
    assert await reader.readexactly(4) == b"\x20\x02\0\0"
    writer.write(packet(0x31, text(b"lift/%b/state" % name) + b"online"))
    writer.write(packet(0x32, text(b"lift/%b/live" % name) + b"\0\1" + said(1, NOW)))
    assert await reader.readexactly(4) == b"\x40\x02\0\1"
    return writer


@needs_mosquitto
@pytest.mark.real
async def test_f28_five_hundred_gateways_that_come_back_at_once_are_all_heard_and_the_loop_goes_on(tmp_path):
    names = [f"g{n}" for n in range(GATEWAYS)]
    broker = await Mosquitto(tmp_path).start()
    try:
        async with running(broker.port, *map(device, names)) as run:
            await connected(run)
            await until(lambda: run.collectors._lines["broker"]._echo_by == 0)
            cpu = time.process_time()
            writers = await asyncio.gather(*(_come(broker.port, name.encode()) for name in names))
            await until(lambda: len({s.device for s in run.sink.scans if s.seq == 1}) == GATEWAYS)
            for writer in writers:
                writer.transport.abort()  # and all of them are lost at once
            await until(lambda: sum(Reason(s.reasons[0]) is Reason.NOT_CONNECTED for s in run.sink.scans) == GATEWAYS)
            cpu = time.process_time() - cpu
            assert len(run.sink.scans) == 2 * GATEWAYS, "one word of each, and one that it is gone"
            assert cpu < 5, "bounded, the gateways' own work among it"
            assert status(run).connects == 1
    finally:
        await broker.stop()
