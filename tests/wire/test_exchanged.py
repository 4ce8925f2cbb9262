"""Other files for lines that are open: on a broker and on a bus, who is not changed notices nothing."""

import asyncio
from dataclasses import replace

import pytest
from collected import Running, until
from mqtt_brokers import MOSQUITTO, Mosquitto, Publisher
from test_mqtt_line import A, B, device, line, live, running

from collectors.difference import Files, difference


def files_of(run: Running, devices, profiles=None) -> Files:
    site = replace(run.collectors._site, devices={d.id: d for d in devices})
    return Files(site, profiles or run.collectors._profiles, run.collectors._secrets)


def prepared(run: Running, new: Files):
    old = Files(run.collectors._site, run.collectors._profiles, run.collectors._secrets)
    return run.collectors.prepare(new, difference(old, new))


@pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")
@pytest.mark.real
async def test_on_a_broker_the_connection_stands_and_what_came_meanwhile_is_taken_by_the_new_way(tmp_path):
    broker = await Mosquitto(tmp_path).start()
    stays, changes, goes, comes = (device(f"l{n}") for n in range(1, 5))
    async with running(broker.port, stays, changes, goes) as run, Publisher(broker.port) as gateway:
        await until(lambda: run.status("broker").connected)
        await asyncio.sleep(0.1)
        now = run.clock.now()
        other = replace(changes, inverted=frozenset({list(A.mqtt.fields).index("bell")}))
        coming = prepared(run, files_of(run, [stays, other, comes]))
        run.collectors.hold(coming)
        await gateway.say("lift/l1/live", live(1, now))
        await gateway.say("lift/l2/live", live(1, now))
        await asyncio.sleep(0.2)
        assert run.sink.scans == [], "put by"
        run.collectors.exchange(coming)
        assert [s.device for s in run.sink.scans] == ["l1", "l2"], "at once, in order"
        bell = list(A.mqtt.fields).index("bell")
        assert [s.values[bell] for s in run.sink.scans] == [0.0, 1.0], "by the new way"
        await asyncio.sleep(0.2)
        await gateway.say("lift/l3/live", live(1, now))
        await gateway.say("lift/l4/live", live(1, now))
        await gateway.say("lift/l1/live", live(2, now + 1))
        await until(lambda: len(run.sink.scans) == 4)
        assert [s.device for s in run.sink.scans[2:]] == ["l4", "l1"]
        status = run.status("broker")
        assert (status.connects, status.dead_letters) == (1, 0), "nobody sends us what we do not want"
        run.collectors.exchange(prepared(run, files_of(run, [])))
        assert run.collectors.status() == []
    await broker.stop()


@pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")
@pytest.mark.real
async def test_when_nothing_is_exchanged_after_all_nothing_is_lost(tmp_path):
    broker = await Mosquitto(tmp_path).start()
    first, second = device("l1"), device("l2", B)
    async with running(broker.port, first, second) as run, Publisher(broker.port) as gateway:
        await until(lambda: run.status("broker").connected)
        await asyncio.sleep(0.1)
        run.collectors.hold(prepared(run, files_of(run, [replace(first, interval_ms=1_000), second])))
        await gateway.say("lift/l1/live", live(1, run.clock.now()))
        await asyncio.sleep(0.2)
        run.collectors.release()
        assert [s.device for s in run.sink.scans] == ["l1"]
        assert not run.sink.letters
    await broker.stop()


async def test_a_profile_that_cannot_be_compiled_changes_nothing():
    async with running(1, device("l1")) as run:
        broken = {**run.collectors._profiles}
        del broken[A.id]
        with pytest.raises((KeyError, ValueError)):
            prepared(run, files_of(run, [device("l2")], broken))
        assert list(run.collectors._lines) == [line(1).id]
