"""Receipts over a real broker: the reference gateway keeps what it said until it is durable, whoever stops meanwhile."""

import asyncio
import json
from types import SimpleNamespace

import pytest
from collected import Running, Sink, library, until
from mqtt_brokers import MOSQUITTO, Mosquitto, Publisher

from collectors.mqtt.line import Manner
from collectors.mqtt.receipts import Receipts
from facility.equipment import Device, Line
from facility.scan import Reason
from simulators.gateway import Gateway

pytestmark = [pytest.mark.real, pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")]

PROFILE = library()["lift-gateway-json-a"]
CHANNELS = tuple(PROFILE.mqtt.fields)
LIFT = Device("l1", "a", "broker", 1000, CHANNELS, tuple(f"m/{c}" for c in CHANNELS), topic="l1")
HURRY = Manner(protocol="3.1.1", reconnect_ms=(20, 40))
TOPIC = "dutyroom/l1/receipt"


class Store(Sink):
    """A sink whose scans become durable when it is told so; what it holds survives the line."""

    def __init__(self, numbers=None, open=True):
        super().__init__()
        self.receipts, self.numbers, self.stored, self.gaps, self.rows = (
            Receipts(numbers),
            dict(numbers or {}),
            [],
            [],
            [],
        )
        self.open, self._batch = open, []

    def scan(self, scan, done=None):
        super().scan(scan)
        self._batch.append(scan)
        if self.open:
            self.commit()

    def commit(self):
        batch, self._batch = self._batch, []
        settled = self.receipts.settle(batch)
        self.receipts.adopt(settled)
        self.stored += [s.seq for s in batch if s.seq]
        self.numbers |= settled.numbers
        self.gaps += settled.gaps
        self.rows += settled.rows


@pytest.fixture
async def broker(tmp_path):
    server = await Mosquitto(tmp_path).start()
    yield server
    await server.stop()


def line(broker):
    return Line("broker", "mqtt", "127.0.0.1", broker.port)


def listening(broker, store, device=LIFT):
    return Running([line(broker)], [device], {"a": PROFILE}, store, manner=HURRY, receipts=store.receipts)


def gateway(broker, folder):
    """The reference gateway at a lift that stands still."""
    machine = SimpleNamespace(silent=False, points={"floor": 3.0, "bell": 0.0, "running": 0.0})
    building = SimpleNamespace(powered=lambda _: True, machines={"m": machine})
    return Gateway(LIFT, PROFILE.mqtt, line(broker), "", building, folder)


async def say(box, now, times):
    """Let it live for so many of its intervals."""
    for _ in range(times):
        now += 1000
        await box.live(now)
        await asyncio.sleep(0.005)
    return now


async def settled(box, now):
    """Let it live until nothing waits any more."""
    for _ in range(400):
        now += 500
        box._due_ms = now + 10**6  # it has nothing new to say
        await box.live(now)
        if box._outbox.oldest > box._outbox.newest:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"{box._outbox.oldest} to {box._outbox.newest} still wait")


async def test_a_gateway_forgets_what_is_durable_and_nothing_else(broker, tmp_path):
    store = Store(open=False)
    async with listening(broker, store) as run:
        await until(lambda: run.status("broker").connected)
        box = gateway(broker, tmp_path)
        now = await say(box, run.clock.now(), 5)
        await until(lambda: len(store.scans) >= 5)
        await say(box, now, 1)
        assert box._outbox.oldest == 1, "heard is not stored"
        store.open = True
        store.commit()
        await settled(box, now)
        box.stop()
    assert sorted(store.stored) == list(range(1, len(store.stored) + 1))
    assert not store.gaps


async def test_service_broker_and_gateway_end_in_turn_and_every_message_is_stored_once(broker, tmp_path):
    first = Store()
    async with listening(broker, first) as run:
        await until(lambda: run.status("broker").connected)
        now = run.clock.now()
        box = gateway(broker, tmp_path)
        now = await say(box, now, 4)
        await until(lambda: 4 in first.stored)
        first.open = False  # what comes now is heard, and dies with the service
        now = await say(box, now, 4)
    now = await say(box, now, 4)  # nobody is there
    await broker.kill()
    now = await say(box, now, 4)  # not even a broker
    await asyncio.to_thread(box._die)  # the box is killed with all that
    box._outbox.close()
    await broker.start()
    again = gateway(broker, tmp_path)
    second = Store(first.numbers)
    async with listening(broker, second) as run:
        await until(lambda: run.status("broker").connected)
        now = await say(again, now, 4)
        await settled(again, now)
        said = again._outbox.newest
        again.stop()
    assert sorted(first.stored + second.stored) == list(range(1, said + 1))
    assert said >= 20
    assert not [gap for gap in second.gaps if gap.why is Reason.LOST]


async def test_a_gateway_that_only_counts_leaves_a_gap_and_may_fill_it(broker):
    store = Store()
    async with listening(broker, store) as run, Publisher(broker.port) as plain:
        await until(lambda: run.status("broker").connected)
        await asyncio.sleep(0.05)
        now = run.clock.now()

        async def live(n):
            body = {"timeStamp": now + n, "seq": n, "realtime": {"speed": 1.0, "faults": []}}
            await plain.say("lift/l1/live", json.dumps(body).encode())

        for n in (1, 2, 6):
            await live(n)
        await until(lambda: 6 in store.stored)
        await live(4)
        await until(lambda: 4 in store.stored)
    (gap,) = [gap for gap in store.gaps if gap.why is Reason.LOST]
    assert (gap.device, gap.first, gap.missing, gap.from_ms, gap.to_ms) == ("l1", 3, 3, now + 2, now + 6)
    assert len([row for row in store.rows if row.reasons[0] == Reason.LOST]) == 3
    late = store.scans[-1]
    assert (late.seq, late.at_ms) == (4, now + 4)
    assert Reason.LATE in late.reasons
    assert Reason.GOOD not in late.reasons


async def test_a_message_that_says_nothing_readable_is_buried_and_acknowledged(broker):
    store = Store()
    receipts = []
    async with listening(broker, store) as run, Publisher(broker.port) as box:
        await until(lambda: run.status("broker").connected)
        box.client.on_message = lambda _c, _d, message: receipts.append(json.loads(message.payload))
        box.client.subscribe(TOPIC)
        await asyncio.sleep(0.05)
        for n, body in enumerate(({"realtime": {"speed": 1.0}}, {"else": 1}, {"realtime": {"speed": 1.0}}), 1):
            said = {"timeStamp": run.clock.now(), "seq": n, "outbox": 7, "oldest": 1, **body}
            await box.say("lift/l1/live", json.dumps(said).encode())
        await until(lambda: receipts and receipts[-1] == {"epoch": 7, "seq": 3})
    assert len(store.letters) == 1
    assert [s.seq for s in store.scans if Reason.UNDECODABLE in s.reasons] == [2]


async def test_of_a_device_that_does_not_count_the_time_without_a_connection_is_a_gap(broker, tmp_path):
    store = Store()
    device = Device("p1", "p", "broker", 60_000, ("v_an",), ("m/v_an",), topic="p1")
    plain = library()["tasmota-energy"]
    running = Running([line(broker)], [device], {"p": plain}, store, manner=HURRY, receipts=store.receipts)
    async with running as run:
        await until(lambda: run.status("broker").connected)
        await asyncio.sleep(0.05)
        store.commit()
        assert store.gaps == []
        killed = run.clock.now()
        await broker.kill()
        await until(lambda: not run.status("broker").connected)
        await broker.start()
        await until(lambda: run.status("broker").connected)
        back = run.clock.now()
        await until(lambda: store.receipts.settle([]).gaps)
        store.commit()
    (gap,) = store.gaps
    assert (gap.device, gap.why, gap.missing) == ("p1", Reason.NOT_CONNECTED, 0)
    assert gap.from_ms <= killed <= back <= gap.to_ms + 50
    (row,) = store.rows
    assert (row.at_ms, row.reasons) == (gap.from_ms, bytes([Reason.NOT_CONNECTED]))


def test_the_profile_of_the_reference_gateway_may_be_written_where_the_deployed_broker_lets_us():
    assert PROFILE.mqtt.receipt.startswith("dutyroom/")
