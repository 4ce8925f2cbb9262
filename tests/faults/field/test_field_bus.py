"""F1 to F17: what a field bus does to us, and that no value is wrong, nobody waits long and everybody comes back.

Times are those of the product: polls and timeouts of 1 s, the patience it ships with. Every server of these tests
asserts at its end that it was asked for nothing but reads.
"""

import asyncio
import gc
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import replace
from itertools import pairwise
from math import isnan

import pytest
from bus import (
    BACK_S,
    ON_NETWORK,
    POLL_MS,
    PROFILES,
    STALE_S,
    TIMEOUT_MS,
    TRANSPORTS,
    Bus,
    device,
    heard,
    one_device,
    running,
    stale,
)
from collected import Running, Sink, site, until
from modbus_script import good, refusal, register, reply
from proxy import ANSWERED, ASKED, Proxy
from virtual_loop import LoopClock

from alarms.rules import Evaluator
from collectors.profile import ModbusField, ModbusMap, Type
from facility.point import Kind, Point, System
from facility.rule import AlarmClass, Compare, Condition, Priority, Rule, Start
from facility.scan import Reason, Scan
from facility.text import NOTHING

NUMBERS = ("a", "b", "c")


@pytest.fixture(params=TRANSPORTS)
def bus(request):
    return Bus(request.param)


@pytest.fixture(params=ON_NETWORK)
def network(request):
    return Bus(request.param)


@pytest.fixture
def settled():
    """No collection of what earlier tests left behind is taken for a slow turn of ours."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def tcp():
    return Bus("modbus-tcp")


def silence(_frame):
    return None


def reasons(scans):
    return Counter(Reason(r) for s in scans for r in s.reasons)


# -- silence and broken connections ------------------------------------------------------------------------------------


async def test_f01_a_device_that_accepts_and_never_answers_is_stale_within_two_polls_and_the_others_go_on(bus):
    async with bus.server(good) as hung, bus.server(good) as well:
        lines = [bus.line(hung), bus.line(well, "well")]
        async with running(lines, [device(), device("w", "well")]) as run:
            await heard(run, 2)
            hung.answer = silence
            assert await stale(run) <= STALE_S
            await asyncio.sleep(20)
            hung.answer = good
            assert await heard(run, 1) <= BACK_S
            assert max(run.sink.gaps_s("w")) <= 1.1 * POLL_MS / 1000, "neighbours on other lines notice nothing"


@pytest.mark.parametrize("end", ["close", "reset", "cut"])
async def test_f02_a_connection_closed_before_or_in_the_answer_is_good_at_the_next_poll(network, end):
    ends = []

    def broken(frame):
        if not ends:
            return good(frame)
        return [good(frame)[:6], "close"] if ends.pop() == "cut" else [end]

    async with one_device(network, broken) as (_, run):
        await heard(run, 2)
        for _ in range(5):
            ends.append(end)
            await heard(run, 2)
        gaps = run.sink.gaps_s("d")
        assert max(gaps) <= 2.1 * POLL_MS / 1000, "only the poll that was cut is missing"


async def test_f03_an_answer_byte_by_byte_is_put_together(bus):
    def drip(frame):
        return [part for byte in good(frame) for part in (bytes([byte]), 0.002)]

    async with one_device(bus, drip) as (_, run):
        await heard(run, 5)
        assert set(reasons(run.sink.scans)) == {Reason.GOOD}


async def test_f03_an_answer_later_than_its_timeout_is_never_used_for_another_question(bus):
    async with one_device(bus, lambda f: [1.35 * TIMEOUT_MS / 1000, good(f)]) as (server, run):
        await asyncio.sleep(30)
        assert not run.sink.good(), "who answers too late has no values"
        server.answer = good
        assert await heard(run, 1) <= BACK_S


# -- answers that are not answers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("tid", [0, 2, None])
async def test_f04_another_transaction_id_is_discarded(tcp, tid):
    def other(frame):
        return reply(frame, tid=int.from_bytes(frame[:2], "big") ^ 0x101 if tid is None else tid)

    async with one_device(tcp, other, channels=NUMBERS) as (server, run):
        await until(lambda: run.status("l").failures.get("malformed", 0) >= 10, within_s=20)
        # A gateway that always says 2 is right once in 65,535 questions.
        assert len(run.sink.good()) <= 1
        server.answer = good
        assert await heard(run, 1) <= BACK_S


async def test_f04_a_gateway_that_never_echoes_is_read_where_the_site_says_so_and_made_anew_after_a_timeout(tcp):
    def fixed(frame):
        return [1.3 * TIMEOUT_MS / 1000 if slow else 0.001, reply(frame, tid=2)]

    slow = False
    async with one_device(tcp, fixed, line={"echoes_transaction": False}) as (server, run):
        await heard(run, 5)
        assert server.connections == 1
        slow = True
        await stale(run)
        await asyncio.sleep(30)
        slow = False
        assert await heard(run, 1) <= BACK_S


@pytest.mark.parametrize("unit", [2, 0, 255])
async def test_f05_another_unit_s_answer_is_discarded_and_counted(bus, unit):
    async with one_device(bus, lambda f: reply(f, unit=unit), channels=NUMBERS) as (server, run):
        await until(lambda: len(run.sink.scans) >= 10, within_s=60)
        assert not run.sink.good()
        failures = run.status("l").failures
        assert failures.get("malformed", 0) + failures.get("no_answer", 0) >= 9
        server.answer = good
        assert await heard(run, 1) <= BACK_S


async def test_f06_none_of_32_kinds_of_wrong_answers_becomes_a_value(bus):
    async with AsyncExitStack() as stack:
        servers = {mode: await stack.enter_async_context(bus.server(answer)) for mode, answer in bus.bad.items()}
        lines = [bus.line(server, mode) for mode, server in servers.items()]
        devices = [device(mode, mode, channels=NUMBERS) for mode in servers]
        run = await stack.enter_async_context(running(lines, devices))
        await until(lambda: all(len(run.sink.of(mode)) >= 3 for mode in servers), within_s=60)
        believed = [mode for mode in servers if any(Reason.GOOD in s.reasons for s in run.sink.of(mode))]
        assert not believed
        untold = [mode for mode in servers if sum(run.status(mode).failures.values()) < 3]
        assert not untold, "each is counted"
        for server in servers.values():
            server.answer = good
        assert await until(lambda: all(run.sink.good(mode) for mode in servers), within_s=60) <= BACK_S


async def test_f07_streams_of_nonsense_stop_neither_the_lines_nor_their_neighbours(bus):
    modes = ["garbage", "http", "flood", "all ones", "unknown function code"]

    def stream(mode):
        return lambda frame: [part for _ in range(10) for part in (bus.bad[mode](frame), 0.2)]

    async with AsyncExitStack() as stack:
        servers = {mode: await stack.enter_async_context(bus.server(stream(mode))) for mode in modes}
        servers["well"] = await stack.enter_async_context(bus.server(good))
        lines = [bus.line(server, id) for id, server in servers.items()]
        run = await stack.enter_async_context(running(lines, [device(id, id, channels=NUMBERS) for id in servers]))
        await heard(run, 8, "well")
        assert not any(run.sink.good(mode) for mode in modes)
        assert max(run.sink.gaps_s("well")) <= 1.1 * POLL_MS / 1000
        for server in servers.values():
            server.answer = good
        back = await until(lambda: all(run.sink.good(mode) for mode in modes), within_s=60)
        assert back <= BACK_S + 2, "the stream of the last answer lasts 2 s"


# -- refusals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [5, 6])
async def test_f08_a_busy_unit_is_asked_three_times_more_and_never_becomes_0(bus, code):
    async with one_device(bus, lambda f: refusal(f, code), channels=("a",)) as (server, run):
        await until(lambda: len(run.sink.scans) >= 4, within_s=10)
        assert set(reasons(run.sink.scans)) == {Reason.BUSY}
        assert 4 * 3 <= len(server.asked) <= 4 * 5
        turns = [b - a for a, b in pairwise(server.times[:4])]
        assert turns == sorted(turns), "each time it is left alone for longer"
        assert turns[0] > 0.049
        server.answer = good
        assert await heard(run, 1) <= BACK_S


async def test_f08_an_address_that_is_not_there_disables_its_points_and_is_said_and_asked_for_rarely(bus):
    def without_inputs(frame):
        return refusal(frame, 2) if frame[7] == 4 else good(frame)

    async with one_device(bus, without_inputs) as (server, run):
        await until(lambda: len(run.sink.scans) >= 9, within_s=20)
        for scan in run.sink.scans:
            assert [Reason(r) for r in scan.reasons] == [Reason.GOOD, Reason.GOOD, Reason.DISABLED, Reason.GOOD]
        assert server.functions[4] == 1, "a wrong map is not asked for at every poll"
        (remark,) = run.status("l").remarks
        assert "4:100-100" in remark.zh
        assert "its channels c are disabled" in remark.en
        await until(lambda: len(run.sink.scans) >= 69, within_s=80)
        assert server.functions[4] == 2, "asked again after 10 s, then after a minute"
        server.answer = good
        await heard(run, 1)
        assert not run.status("l").remarks


async def test_f08_a_device_that_has_none_of_its_addresses_is_reached_but_disabled(bus):
    async with one_device(bus, lambda f: refusal(f, 2), channels=NUMBERS) as (server, run):
        await until(lambda: len(run.sink.scans) >= 9, within_s=20)
        assert set(reasons(run.sink.scans)) == {Reason.DISABLED}
        assert all(s.reached for s in run.sink.scans)
        assert len(server.asked) == 2
        server.answer = good
        assert await heard(run, 1) <= 10 + BACK_S


@pytest.mark.parametrize("code", [10, 11])
async def test_f08_a_unit_that_its_gateway_does_not_reach_is_stale_and_its_neighbour_well(bus, code):
    def gateway(frame):
        return refusal(frame, code) if frame[6] == 2 and dead else good(frame)

    dead = True
    async with (
        bus.server(gateway) as server,
        running([bus.line(server)], [device("u1"), device("u2", unit=2)]) as run,
    ):
        assert await stale(run, "u2") <= STALE_S
        await heard(run, 10, "u1")
        assert max(run.sink.gaps_s("u1")) <= 1.1 * POLL_MS / 1000
        assert set(reasons(run.sink.of("u2"))) == {Reason.NO_ANSWER}
        dead = False
        assert await heard(run, 1, "u2") <= BACK_S


@pytest.mark.parametrize("code", [1, 3, 4, 8])
async def test_f08_every_other_refusal_is_a_reason_and_never_a_value(bus, code):
    async with one_device(bus, lambda f: refusal(f, code), channels=NUMBERS) as (server, run):
        await until(lambda: len(run.sink.scans) >= 3, within_s=10)
        assert set(reasons(run.sink.scans)) == {Reason.EXCEPTION}
        server.answer = good
        assert await heard(run, 1) <= BACK_S


# -- buses and gateways ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["modbus-rtu-tcp", "modbus-rtu"])
async def test_f09_a_slave_about_as_slow_as_its_timeout_gives_no_other_question_s_values(transport):
    """Measured: a library on such a line alternates "error, wrong data, error, wrong data" for ever."""
    bus = Bus(transport)
    turns = iter(range(10_000))

    def about(frame):
        return [(0.9 + 0.04 * (next(turns) % 8)) * TIMEOUT_MS / 1000, good(frame)]

    async with bus.server(about) as server:
        units = [device(f"u{n}", unit=n) for n in (1, 2, 3)]
        async with running([bus.line(server)], units) as run:
            await asyncio.sleep(60)  # the sink compares every value with the right one
            server.answer = good
            for unit in ("u1", "u2", "u3"):
                assert await heard(run, 1, unit) <= BACK_S


@pytest.mark.parametrize("holes", [{ASKED, ANSWERED}, {ASKED}, {ANSWERED}], ids=["both ways", "to it", "from it"])
async def test_f10_a_half_open_connection_is_as_a_device_that_never_answers(network, holes):
    async with (
        network.server(good) as server,
        Proxy(server.port, network.framing) as proxy,
        running([network.line(proxy)], [device()]) as run,
    ):
        await heard(run, 2)
        proxy.wire.holes = holes
        assert await stale(run) <= STALE_S
        await asyncio.sleep(20)
        proxy.wire.heal()
        assert await heard(run, 1) <= BACK_S
        assert {2, 3, 4} <= set(proxy.functions)


async def test_f10_a_wire_that_is_slow_cut_reset_or_corrupt_gives_no_wrong_value(network):
    """What a check sum finds it must find; Modbus TCP has none, so there only heads are hurt."""
    flips = iter(range(10_000))

    def hurt(data):
        at = next(flips) % (len(data) if network.framing == "rtu" else 9)
        return data[:at] + bytes([data[at] ^ 0x40]) + data[at + 1 :]

    async with (
        network.server(good) as server,
        Proxy(server.port, network.framing) as proxy,
        running([network.line(proxy)], [device(channels=NUMBERS)]) as run,
    ):
        for fault in (
            {"latency_s": 0.4},
            {"slow": 20, "slice": 3},
            {"cut_after": 12},
            {"cut_after": 12, "reset": True},
            {"hurt": hurt},
        ):
            for name, value in fault.items():
                setattr(proxy.wire, name, value)
            await asyncio.sleep(10)
            proxy.wire.heal()
            assert await heard(run, 1) <= BACK_S, fault
        assert set(proxy.functions) <= {1, 2, 3, 4}  # on a bus, what is owed is fenced off by another function


async def test_f11_a_gateway_for_one_client_that_has_one_is_asked_rarely_and_said_to_be_taken(network):
    async with network.server(good) as server:
        server.most = 1
        async with running([network.line(server)], [device("first")]) as first:
            await heard(first, 1, "first")
            async with running([network.line(server)], [device()]) as run:
                assert await stale(run) <= STALE_S
                await until(lambda: run.status("l").remarks, within_s=5)
                assert "one client only" in run.status("l").remarks[0].en
                before = server.connections
                await asyncio.sleep(60)
                assert server.connections - before <= 60 / 3, "it is not stormed"
                assert max(first.sink.gaps_s("first")) <= 1.1 * POLL_MS / 1000
                await first.collectors.stop()
                assert await heard(run, 1) <= BACK_S
                assert not run.status("l").remarks


async def test_f11_a_gateway_that_refuses_is_tried_again_with_pauses(network):
    async with (
        network.server(good) as server,
        Proxy(server.port, network.framing) as proxy,
        running([network.line(proxy)], [device()]) as run,
    ):
        await heard(run, 2)
        await proxy.refuse()
        assert await stale(run) <= STALE_S
        await asyncio.sleep(30)
        await proxy.admit()
        assert await heard(run, 1) <= BACK_S
        assert len(proxy.connected_at) == 2


async def test_f12_a_dead_slave_among_32_costs_the_others_one_timeout_a_cycle_and_is_then_asked_rarely(bus):
    def slaves(frame):
        return None if frame[6] == 7 and dead else good(frame)

    dead = True
    async with bus.server(slaves) as server:
        units = [device(f"u{n}", unit=n, channels=NUMBERS) for n in range(1, 33)]
        async with running([bus.line(server)], units) as run:
            assert await stale(run, "u7") <= STALE_S
            await until(lambda: run.status("l").demoted == ("u7",), within_s=20)
            since, asked = run.clock.now(), server.asked.count((7, 3, 0))
            await asyncio.sleep(30)
            assert server.asked.count((7, 3, 0)) - asked <= 30 / 4.5 + 1
            for n in (1, 6, 8, 32):
                at_most = (POLL_MS + TIMEOUT_MS) / 1000 + 0.1
                assert max(run.sink.gaps_s(f"u{n}")) <= at_most, f"u{n} waits for more than one timeout"
                late = sum(gap > 1.1 for gap in run.sink.gaps_s(f"u{n}", since))
                assert late <= 8, "and that only when the dead one is asked"
            dead = False
            assert await heard(run, 1, "u7") <= BACK_S


@pytest.mark.parametrize(("lines", "devices", "per_s"), [(100, 200, 20), (200, 200, 40)])
async def test_f13_two_hundred_devices_that_come_back_at_once_connect_one_after_the_other(
    tcp, settled, lines, devices, per_s
):
    """20 connects a second up to 100 lines; with more, as many as it takes that none waits for more than 5 s."""
    async with tcp.server(good) as server, Proxy(server.port) as proxy:
        at = [tcp.line(proxy, f"l{n}") for n in range(lines)]
        all_ = [device(f"d{n}", f"l{n % lines}", unit=1 + n // lines) for n in range(devices)]
        async with running(at, all_) as run:
            await until(lambda: len({s.device for s in run.sink.scans if not any(s.reasons)}) == devices)
            await proxy.refuse()
            await asyncio.sleep(10)
            before, connects = len(run.sink.scans), len(proxy.connected_at)
            loop = asyncio.get_running_loop()
            loop.longest_turn_s = 0.0
            await proxy.admit()
            back = await until(
                lambda: len({s.device for s in run.sink.scans[before:] if not any(s.reasons)}) == devices, within_s=60
            )
            assert back <= BACK_S + 0.5
            assert loop.longest_turn_s < 0.1
            times = proxy.connected_at[connects:]
            most = max(sum(t <= u < t + 1 for u in times) for t in times)
            assert most <= per_s * 1.1 + 1


# -- values ------------------------------------------------------------------------------------------------------------


SENTINELS = {
    "i16": ModbusField("i16", 0, 3, Type.I16, scale=0.1, sentinels=((-0x8000, -0x8000), (0x7FFF, 0x7FFF))),
    "u16": ModbusField("u16", 1, 3, Type.U16, sentinels=((0xFFFF, 0xFFFF),)),
    "f32": ModbusField("f32", 2, 3, Type.F32),
}
SAID = {
    "nothing wrong": ("00E6 00E6 4366 199A", (Reason.GOOD, Reason.GOOD, Reason.GOOD)),
    "sentinels and NaN": ("8000 FFFF 7FC0 0000", (Reason.SENTINEL, Reason.SENTINEL, Reason.NOT_A_NUMBER)),
    "the other sentinel and infinity": ("7FFF FFFF 7F80 0000", (Reason.SENTINEL, Reason.SENTINEL, Reason.NOT_A_NUMBER)),
    "beyond what can be": ("7FFE FFFE 4974 2400", (Reason.OUT_OF_RANGE,) * 3),
    "a float with its words swapped": ("00E6 00E6 E148 4366", (Reason.GOOD, Reason.GOOD, Reason.OUT_OF_RANGE)),
}


@pytest.mark.parametrize("case", SAID)
async def test_f14_what_is_no_value_is_bad_with_its_reason_and_raises_no_alarm_on_the_value(bus, case):
    said, why = SAID[case]
    said = bytes.fromhex(said)
    point = Point("v", NOTHING, low=0.0, high=1000.0)
    points = {channel: replace(point, name=channel) for channel in SENTINELS}
    rules = {
        id: Rule(
            id, "k", NOTHING, (Condition(id, Compare.ABOVE, 400.0),), Priority.LOW, AlarmClass.EQUIPMENT,
            NOTHING, NOTHING, NOTHING, 60_000, "", Start.OPERATOR,
        )
        for id in SENTINELS
    }  # fmt: skip
    profiles = {"s": replace(PROFILES["p"], modbus=ModbusMap(SENTINELS))}
    machine = device("e", profile="s", channels=tuple(SENTINELS))
    async with bus.server(lambda f: reply(f, data=said)) as server:
        line = bus.line(server)
        here = site([line], [machine], kinds={"k": Kind("k", NOTHING, System.POWER, points)}, rules=rules)
        sink = Sink()
        async with Running([line], [machine], profiles, sink, LoopClock(), here=here):
            await until(lambda: len(sink.scans) >= 3)
    judge = Evaluator(here)
    for scan in sink.scans:
        assert tuple(Reason(r) for r in scan.reasons) == why
        assert all(isnan(v) is bool(r) for v, r in zip(scan.values, scan.reasons, strict=True))
        assert not judge.step(scan), "no alarm on a value that is none"


def on_trial(*conditions, delay_ms=0):
    """The site of one machine whose values a, b, c are watched by these conditions."""
    rules = {
        f"{c.compare}-{c.point}": Rule(
            f"{c.compare}-{c.point}", "k", NOTHING, (c,), Priority.LOW, AlarmClass.EQUIPMENT,
            NOTHING, NOTHING, NOTHING, 60_000, "", Start.OPERATOR, on_delay_ms=delay_ms,
        )
        for c in conditions
    }  # fmt: skip
    points = {channel: Point(channel, NOTHING) for channel in SENTINELS}
    profiles = {"s": replace(PROFILES["p"], modbus=ModbusMap(SENTINELS))}
    machine = device("e", profile="s", channels=tuple(SENTINELS))
    return machine, profiles, {"k": Kind("k", NOTHING, System.POWER, points)}, rules


def told(judge, scans):
    return {(t.rule, t.raised) for scan in scans for t in judge.step(scan)}


def for_long(scan, minutes, every_s=60):
    """The same word again and again."""
    return [
        Scan(scan.device, scan.at_ms + s * 1000, scan.received_ms + s * 1000, scan.values, scan.reasons)
        for s in range(every_s, minutes * 60 + 1, every_s)
    ]


async def test_f14_a_point_that_gives_no_value_for_long_is_an_alarm_of_its_own(tcp):
    missing = [Condition(id, Compare.MISSING) for id in SENTINELS]
    machine, profiles, kinds, rules = on_trial(*missing, delay_ms=300_000)
    said = bytes.fromhex("8000 00E6 4366 199A")
    async with tcp.server(lambda f: reply(f, data=said)) as server:
        line = tcp.line(server)
        here, sink = site([line], [machine], kinds=kinds, rules=rules), Sink()
        async with Running([line], [machine], profiles, sink, LoopClock(), here=here):
            await until(lambda: len(sink.scans) >= 3)
    judge = Evaluator(here)
    assert not told(judge, sink.scans)
    assert not told(judge, for_long(sink.scans[-1], 4))
    assert told(judge, for_long(sink.scans[-1], 6)) == {("missing-i16", True)}


async def test_f15_a_value_that_never_moves_is_an_alarm_while_it_is_read(tcp):
    flat = [Condition(id, Compare.FLAT, 0.1, window_ms=3_600_000) for id in SENTINELS]
    machine, profiles, kinds, rules = on_trial(*flat)
    said = ["00E6 FFFF 4366 199A"]
    async with tcp.server(lambda f: reply(f, data=bytes.fromhex(said[0]))) as server:
        line = tcp.line(server)
        here, sink = site([line], [machine], kinds=kinds, rules=rules), Sink()
        async with Running([line], [machine], profiles, sink, LoopClock(), here=here):
            await until(lambda: len(sink.scans) >= 3)
            said[0] = "00E6 FFFF 4367 199A"
            await until(lambda: sink.scans[-1].values[2] > 231)
    judge = Evaluator(here)
    assert not told(judge, sink.scans)
    assert not told(judge, for_long(sink.scans[-1], 59)), "the float moved a moment ago, the sentinel is no value"
    assert told(judge, for_long(sink.scans[-1], 61)) == {("flat-i16", True), ("flat-f32", True)}


async def test_f15_a_device_that_is_silent_stands_still_for_nobody(tcp):
    machine, profiles, kinds, rules = on_trial(Condition("i16", Compare.FLAT, 0.1, window_ms=3_600_000))
    said = bytes.fromhex("00E6 00E6 4366 199A")
    async with tcp.server(lambda f: reply(f, data=said)) as server:
        line = tcp.line(server)
        here, sink = site([line], [machine], kinds=kinds, rules=rules), Sink()
        async with Running([line], [machine], profiles, sink, LoopClock(), here=here):
            await until(lambda: len(sink.scans) >= 3)
            before = len(sink.scans)
            server.answer = silence
            await until(lambda: not sink.scans[-1].reached, within_s=10)
    judge = Evaluator(here)
    assert not told(judge, sink.scans[:before])
    gone = [scan for scan in sink.scans[before:] if not scan.reached]
    assert not told(judge, [*gone, *for_long(gone[-1], 120)])
    assert not judge.ripen(gone[-1].received_ms + 86_400_000)


async def test_f16_another_model_than_configured_gives_no_values_and_says_so(bus):
    def other(frame):
        return reply(frame, data=b"\0\7" * frame[11]) if frame[8:10] == (500).to_bytes(2, "big") else good(frame)

    async with one_device(bus, other, profile="with-model") as (server, run):
        await until(lambda: len(run.sink.scans) >= 3, within_s=10)
        assert set(reasons(run.sink.scans)) == {Reason.OTHER_MODEL}
        (remark,) = run.status("l").remarks
        assert f"its model register says 7, not {register(500)}" in remark.en
        assert "不是配置的型号" in remark.zh
        server.answer = good
        assert await heard(run, 1) <= 2
        assert not run.status("l").remarks
        server.answer = silence
        await stale(run)
        server.answer = other
        await until(lambda: run.sink.scans[-1].reasons[0] == Reason.OTHER_MODEL, within_s=BACK_S)


async def test_f16_a_device_without_the_model_register_is_another_model(bus):
    def none(frame):
        return refusal(frame, 2) if frame[8:10] == (500).to_bytes(2, "big") else good(frame)

    async with one_device(bus, none, profile="with-model") as (_, run):
        await until(lambda: len(run.sink.scans) >= 2, within_s=10)
        assert set(reasons(run.sink.scans)) == {Reason.OTHER_MODEL}
        assert "cannot be read" in run.status("l").remarks[0].en


async def test_f17_a_device_that_refuses_at_the_start_and_comes_ten_minutes_later_is_read_within_6_s(tcp):
    async with tcp.server(good) as server, Proxy(server.port) as proxy:
        await proxy.refuse()
        async with running([tcp.line(proxy)], [device()]) as run:
            await asyncio.sleep(600)
            assert len(run.sink.of("d")) in range(598, 602), "every slot says that it brought nothing"
            assert set(reasons(run.sink.scans)) == {Reason.NOT_CONNECTED}
            await proxy.admit()
            assert await heard(run, 1) <= BACK_S
