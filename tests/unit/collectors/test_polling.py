"""A line and its units on a virtual clock: every slot yields a scan, and who is silent costs the others little."""

import asyncio
import heapq
import itertools
from collections import Counter

import pytest

from collectors.modbus.agenda import Agenda, offset
from collectors.modbus.decode import Decoder
from collectors.modbus.pace import Pace
from collectors.modbus.polled import Patience
from collectors.modbus.polling import Poller
from collectors.modbus.readplan import Request
from collectors.profile import ModbusField, ModbusMap, Type
from facility.equipment import Device, Line
from facility.scan import Reason


class VirtualClock:
    """Moves on when everybody waits."""

    def __init__(self):
        self.at = 1_000_000
        self.waiting = []
        self.number = 0

    def now(self):
        return self.at

    async def until(self, at_ms):
        if at_ms > self.at:
            self.number += 1
            future = asyncio.get_running_loop().create_future()
            heapq.heappush(self.waiting, (at_ms, self.number, future))
            await future

    async def run(self, for_ms):
        end = self.at + for_ms
        while True:
            for _ in range(8):
                await asyncio.sleep(0)
            while self.waiting and self.waiting[0][2].cancelled():
                heapq.heappop(self.waiting)
            if not self.waiting or self.waiting[0][0] > end:
                self.at = end
                return
            moment, _, future = heapq.heappop(self.waiting)
            self.at = max(self.at, moment)
            if not future.done():
                future.set_result(None)


class Sink:
    def __init__(self):
        self.scans = []

    def scan(self, scan, done=None):
        self.scans.append(scan)

    def of(self, device):
        return [s for s in self.scans if s.device == device]


class Wire:
    """A line whose units answer with register 0 = 7, take `slow` ms, or stay silent for a timeout of 1 s."""

    taken = False

    def __init__(self, clock):
        self.clock, self.connected, self.there = clock, False, True
        self.silent, self.slow, self.refusing = set(), {}, {}
        self.asked, self.connects = [], 0

    async def connect(self):
        self.connects += 1
        self.connected = self.there
        return self.connected

    def close(self):
        self.connected = False

    def ask(self, question, done):
        asyncio.ensure_future(self._answer(question)).add_done_callback(lambda task: done(task.result()))

    async def _answer(self, unit):
        self.asked.append((self.clock.now(), unit))
        if unit in self.silent:
            await self.clock.until(self.clock.now() + 1000)
            self.close()
            return Reason.NO_ANSWER
        await self.clock.until(self.clock.now() + self.slow.get(unit, 5))
        return self.refusing.get(unit, b"\0\7")


MAP = ModbusMap({"v": ModbusField("v", 0, 3, Type.U16)})
PATIENCE = Patience()


class Bench:
    def __init__(self, units=1, interval=1000):
        self.clock, self.sink = VirtualClock(), Sink()
        self.wire, self.agenda = Wire(self.clock), Agenda(self.clock)
        line = Line("l", "modbus-tcp", "h", 502)
        self.poller = Poller(line, self.wire, self.agenda, self.sink, self.clock, PATIENCE)
        decoder = Decoder(MAP, ["v"])
        assert decoder.requests == (Request(3, 0, 1),)
        for n in range(units):
            device = Device(f"u{n}", "p", "l", interval, ("v",), (f"e{n}/v",), unit=n)
            self.poller.add(device, decoder, (n,), self.clock.now() + offset(n, units, interval))
        self.tasks = []

    async def __aenter__(self):
        self.tasks = [asyncio.ensure_future(t(lambda: None)) for t in (self.agenda.run, self.poller.run)]
        return self

    async def __aexit__(self, *_):
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def reasons(self, device):
        return Counter(Reason(s.reasons[0]) for s in self.sink.of(device))


async def test_each_unit_is_polled_once_per_interval_at_its_own_offset():
    async with Bench(units=4) as bench:
        await bench.clock.run(9_990)
        for n in range(4):
            assert bench.reasons(f"u{n}") == {Reason.GOOD: 10}
        begins = [at - 1_000_000 for at, _ in bench.wire.asked[:4]]
        assert begins == [0, 250, 500, 750]


async def test_every_slot_of_a_silent_unit_yields_a_scan_and_the_others_lose_at_most_one_timeout_per_turn():
    async with Bench(units=8) as bench:
        bench.wire.silent = {3}
        await bench.clock.run(59_990)
        assert sum(bench.reasons("u3").values()) == 60
        assert Reason.GOOD not in bench.reasons("u3")
        assert all(r == Reason.NO_ANSWER for r in bench.reasons("u3"))
        asked = sum(1 for _, unit in bench.wire.asked if unit == 3)
        assert asked <= 3 + 60_000 / PATIENCE.probe_ms + 1, "demoted after three misses"
        for n in (0, 1, 2, 4, 5, 6, 7):
            scans = bench.sink.of(f"u{n}")
            assert len(scans) == 60
            gaps = [b.at_ms - a.at_ms for a, b in itertools.pairwise(scans)]
            assert max(gaps) <= 2_100


async def test_a_silent_unit_that_answers_again_is_good_within_six_seconds():
    async with Bench(units=4) as bench:
        bench.wire.silent = {2}
        await bench.clock.run(30_000)
        bench.wire.silent = set()
        back = bench.clock.now()
        await bench.clock.run(10_000)
        assert min(s.at_ms for s in bench.sink.of("u2") if s.at_ms > back and not s.reasons[0]) - back <= 6_000


async def test_a_hung_gateway_with_thirty_units_comes_back_as_one():
    async with Bench(units=30) as bench:
        bench.wire.silent = set(range(30))
        await bench.clock.run(120_000)
        for n in range(30):
            assert sum(bench.reasons(f"u{n}").values()) >= 118
        bench.wire.silent = set()
        back = bench.clock.now()
        await bench.clock.run(8_000)
        for n in range(30):
            assert any(s.at_ms <= back + 8_000 and not s.reasons[0] for s in bench.sink.of(f"u{n}") if s.at_ms > back)


async def test_a_line_that_is_down_says_so_in_every_slot_without_asking_and_is_tried_again():
    async with Bench(units=2) as bench:
        bench.wire.there = False
        await bench.clock.run(19_990)
        for unit in ("u0", "u1"):
            assert bench.reasons(unit) == {Reason.NOT_CONNECTED: 20}
        assert bench.wire.asked == []
        assert 5 <= bench.wire.connects <= 10, "tried again with a back-off of at most 5 s"


@pytest.mark.parametrize("interval", [1000, 60_000])
async def test_the_first_connect_may_fail_for_minutes_and_values_are_there_six_seconds_after_the_line(interval):
    async with Bench(units=2, interval=interval) as bench:
        bench.wire.there = False
        await bench.clock.run(600_000)
        bench.wire.there = True
        back = bench.clock.now()
        await bench.clock.run(6_000)
        assert {s.device for s in bench.sink.scans if s.at_ms > back and not s.reasons[0]} == {"u0", "u1"}


async def test_an_overrun_is_counted_and_told_and_never_stacked():
    async with Bench() as bench:
        bench.wire.slow = {0: 2_500}
        await bench.clock.run(29_990)
        reasons = bench.reasons("u0")
        assert reasons[Reason.GOOD] == 10
        assert reasons[Reason.BUSY] == 20
        assert bench.poller.status().overruns == 20


async def test_a_process_that_stood_still_says_so_once_and_goes_on():
    async with Bench() as bench:
        await bench.clock.run(2_500)
        bench.clock.at += 60_000
        await bench.clock.run(2_000)
        assert bench.reasons("u0")[Reason.BUSY] == 1
        assert bench.poller.status().overruns == 59
        assert bench.reasons("u0")[Reason.GOOD] == 6


async def test_a_refused_read_is_bad_and_the_unit_counts_as_heard():
    async with Bench() as bench:
        bench.wire.refusing = {0: Reason.EXCEPTION}
        await bench.clock.run(3_050)
        assert bench.reasons("u0") == {Reason.EXCEPTION: 4}
        assert all(s.reached for s in bench.sink.scans)


async def test_a_task_that_died_in_a_poll_polls_again_when_it_is_started_again():
    async with Bench() as bench:
        bench.wire.slow = {0: 500}
        await bench.clock.run(1_200)
        bench.tasks[1].cancel()
        await asyncio.gather(bench.tasks[1], return_exceptions=True)
        bench.tasks[1] = asyncio.ensure_future(bench.poller.run(lambda: None))
        before = bench.reasons("u0")[Reason.GOOD]
        await bench.clock.run(3_000)
        assert bench.reasons("u0") == {Reason.GOOD: before + 2, Reason.NOT_CONNECTED: 1}


async def test_after_stop_nothing_is_asked():
    async with Bench() as bench:
        await bench.clock.run(1_500)
        bench.poller.stop()
        asked = len(bench.wire.asked)
        await bench.clock.run(5_000)
        assert len(bench.wire.asked) == asked
        assert not bench.poller.status().connected


async def test_an_error_of_ours_ends_the_lines_task_and_the_next_one_goes_on():
    async with Bench(units=2) as bench:
        await bench.clock.run(1_900)
        sink, bench.poller._sink = bench.poller._sink, None
        await bench.clock.run(1_000)
        assert isinstance(bench.tasks[1].exception(), AttributeError)
        bench.poller._sink = sink
        bench.tasks[1] = asyncio.ensure_future(bench.poller.run(lambda: None))
        heard = bench.reasons("u0")[Reason.GOOD]
        await bench.clock.run(3_000)
        assert bench.reasons("u0")[Reason.GOOD] == heard + 3


async def test_an_error_in_a_slot_ends_the_lines_task_and_not_the_agenda_of_all():
    async with Bench() as bench:
        await bench.clock.run(1_900)
        ask, bench.wire.ask = bench.wire.ask, None
        await bench.clock.run(1_000)
        assert isinstance(bench.tasks[1].exception(), TypeError)
        assert not bench.tasks[0].done()
        bench.wire.ask = ask
        bench.tasks[1] = asyncio.ensure_future(bench.poller.run(lambda: None))
        heard = bench.reasons("u0")[Reason.GOOD]
        await bench.clock.run(3_000)
        assert bench.reasons("u0")[Reason.GOOD] == heard + 3


async def test_an_error_that_a_line_reports_ends_its_task():
    async with Bench() as bench:
        bench.wire.refusing = {0: ValueError("strange")}
        await bench.clock.run(100)
        assert str(bench.tasks[1].exception()) == "strange"
        assert bench.reasons("u0") == {Reason.NOT_CONNECTED: 1}


async def test_a_hundred_lines_that_are_lost_together_come_back_in_turn_and_each_within_six_seconds():
    clock, sink = VirtualClock(), Sink()
    agenda, pace, decoder = Agenda(clock), Pace(100), Decoder(MAP, ["v"])
    wires, runs, connects = [], [agenda.run], []
    for n in range(100):
        wire = Wire(clock)
        poller = Poller(Line(f"l{n}", "modbus-tcp", "h", 502), wire, agenda, sink, clock, PATIENCE, pace)
        device = Device(f"u{n}", "p", f"l{n}", 1000, ("v",), (f"e{n}/v",), unit=n)
        poller.add(device, decoder, (n,), clock.now() + offset(n, 100, 1000))
        wires.append(wire)
        runs.append(poller.run)
    tasks = [asyncio.ensure_future(run(lambda: None)) for run in runs]
    await clock.run(3_000)
    assert all(wire.connected for wire in wires), "at the start nobody waits"
    for wire in wires:
        wire.connected = wire.there = False
    tried = [wire.connects for wire in wires]
    await clock.run(20_000)
    assert sum(wire.connects for wire in wires) - sum(tried) <= 20 * 20 * 1.1
    assert all(wire.connects > before + 2 for wire, before in zip(wires, tried, strict=True))
    for wire in wires:
        wire.there = True
    back, before = clock.now(), sum(wire.connects for wire in wires)
    for _ in range(6):
        await clock.run(1_000)
        connects.append(sum(wire.connects for wire in wires) - before)
        before += connects[-1]
    assert max(connects) <= 22
    assert len({s.device for s in sink.scans if s.at_ms > back and not s.reasons[0]}) == 100
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_unit_that_is_held_in_the_middle_of_its_poll_says_nothing_and_its_neighbours_miss_nothing():
    async with Bench(units=4) as bench:
        bench.wire.slow = {1: 40}
        await bench.clock.run(1_270)  # u1 is being asked
        bench.poller.hold({"u1"})
        said = len(bench.sink.of("u1"))
        await bench.clock.run(8_720)
        assert len(bench.sink.of("u1")) == said == 1
        assert [len(bench.sink.of(f"u{n}")) for n in (0, 2, 3)] == [10, 10, 10]
        bench.poller.release()
        await bench.clock.run(2_000)
        assert bench.reasons("u1") == {Reason.GOOD: 3}


async def test_a_unit_that_is_removed_is_asked_no_more_and_another_may_take_its_place_in_its_slot():
    async with Bench(units=3) as bench:
        bench.wire.silent = {1}
        await bench.clock.run(400)  # u1 is asked, u2 waits behind it
        bench.poller.remove({"u1", "u2"})
        device = Device("new", "p", "l", 500, ("v",), ("n/v",), unit=7)
        bench.poller.add(device, Decoder(MAP, ["v"]), (7,), bench.clock.now() + 50)
        await bench.clock.run(10_000)
        assert not bench.sink.of("u1")
        assert not bench.sink.of("u2")
        assert {unit for at, unit in bench.wire.asked if at > 1_000_400} == {0, 7}
        assert bench.reasons("new")[Reason.GOOD] >= 18
        assert bench.reasons("u0")[Reason.GOOD] >= 9
        bench.poller.remove({"u0", "new"})
        assert bench.poller.empty
