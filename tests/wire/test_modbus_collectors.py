"""The collectors on real sockets: hung devices, dead units, lines that come back, and only reads on the wire."""

import asyncio
from itertools import pairwise

import pytest
from collected import HURRY, Running, until
from modbus_bus import Bus
from modbus_script import BAD, BAD_RTU, Scripted, good, refusal, register

from collectors.profile import ModbusField, ModbusMap, Profile, Trust, Type
from facility.equipment import Device, Line, Serial
from facility.scan import Reason
from facility.text import NOTHING

FIELDS = [
    ModbusField("a", 0, 3, Type.U16),
    ModbusField("b", 3, 3, Type.U16),
    ModbusField("c", 100, 4, Type.U16),
    ModbusField("di", 4, 2, Type.BIT),
]
PROFILES = {
    "p": Profile(
        "p", NOTHING, "k", 100, "here", Trust.OWN, "h", modbus=ModbusMap({f.channel: f for f in FIELDS}, max_gap=4)
    )
}
RIGHT = (float(register(0)), float(register(3)), float(register(100)), 0.0)


class Wired:
    """Servers of one kind, and the site's lines to them."""

    def __init__(self, kind):
        self.kind = kind
        self.bad = BAD_RTU if "rtu" in kind else BAD
        self.transport = "modbus-tcp" if kind == "unnumbered" else kind

    def server(self, answer=good):
        return Scripted(answer) if self.kind == "modbus-tcp" else Plugged(answer, self.kind)

    def line(self, server, id="l", timeout_ms=60):
        serial = Serial(server.path, 115_200, "none") if self.kind == "modbus-rtu" else None
        numbered = self.kind != "unnumbered"
        return Line(id, self.transport, "127.0.0.1", server.port, timeout_ms, 0, serial, numbered)


class Plugged(Bus):
    """A bus that is there as long as its context."""

    def __init__(self, answer, kind):
        super().__init__(answer, unnumbered=kind == "unnumbered")
        self.begin = self.start_serial if kind == "modbus-rtu" else self.start

    async def __aenter__(self):
        return await self.begin()


KINDS = ["modbus-tcp", "unnumbered", "modbus-rtu-tcp", "modbus-rtu"]


@pytest.fixture(params=KINDS)
def wired(request):
    """Return servers and lines of one kind."""
    return Wired(request.param)


def device(id, line="l", unit=1, interval=100):
    return Device(
        id, "p", line, interval, tuple(f.channel for f in FIELDS), tuple(f"{id}/{f.channel}" for f in FIELDS), unit=unit
    )


def values_are_right(scans):
    return all(s.values == RIGHT for s in scans if not any(s.reasons))


async def test_values_come_and_only_read_codes_leave(wired):
    async with wired.server() as server, Running([wired.line(server)], [device("d")], PROFILES, patience=HURRY) as run:
        await until(lambda: run.sink.reasons("d")[Reason.GOOD] >= 5)
        assert values_are_right(run.sink.scans)
        assert set(server.functions) == {2, 3, 4}
        status = run.status("l")
        assert (status.connected, status.transport, status.connects) == (True, wired.line(server).transport, 1)
        assert status.reads >= 5
        assert status.last_good_ms == run.sink.scans[-1].received_ms


ANYWHERE = [
    "other function code", "too few registers", "too many registers", "byte count too low", "odd byte count",
    "half a frame",
]  # fmt: skip


@pytest.mark.parametrize(
    ("wired", "mode"),
    [*((kind, mode) for kind in KINDS for mode in ANYWHERE), ("modbus-tcp", "transaction 0")],
    indirect=["wired"],
)
async def test_bad_answers_never_become_values_and_the_device_is_back_with_its_first_good_one(wired, mode):
    async with (
        wired.server(wired.bad[mode]) as server,
        Running([wired.line(server)], [device("d", interval=50)], PROFILES, patience=HURRY) as run,
    ):
        await until(lambda: len(run.sink.scans) >= 3)
        # One bit is too little to lie about: what comes for it may happen to be a right answer.
        assert all(reason != Reason.GOOD for s in run.sink.scans for reason in s.reasons[:3])
        server.answer = good
        await until(lambda: not any(run.sink.scans[-1].reasons), within_s=1.0)
        assert values_are_right(run.sink.scans)


async def test_a_hung_device_is_told_in_two_polls_and_delays_no_other_line(wired):
    async with wired.server(lambda _f: None) as hung, wired.server() as well:
        lines = [wired.line(hung, "hung", 80), wired.line(well, "well")]
        async with Running(
            lines, [device("h", "hung"), device("w", "well", interval=50)], PROFILES, patience=HURRY
        ) as run:
            # On a starved machine the first slot may come while we still wait for the first answer: that is no word of its.
            told = lambda: [s for s in run.sink.of("h") if Reason.BUSY not in s.reasons]  # noqa: E731 - asked three times
            await until(lambda: len(told()) >= 2)
            assert not any(s.reached for s in told())
            await asyncio.sleep(0.5)
            late = [b.at_ms - a.at_ms >= 150 for a, b in pairwise(run.sink.of("w"))]
            assert sum(late) <= len(late) / 10, "the machine may stall once; a line that waits for another would always"
            hung.answer = good
            await until(lambda: run.sink.reasons("h")[Reason.GOOD] >= 1, within_s=0.6)


async def test_a_dead_unit_behind_a_gateway_costs_the_others_one_timeout_and_is_back_when_it_answers(wired):
    dead = {3}
    async with wired.server(lambda f: None if f[6] in dead else good(f)) as server:
        units = [device(f"u{n}", unit=n, interval=200) for n in range(1, 6)]
        async with Running([wired.line(server, timeout_ms=80)], units, PROFILES, patience=HURRY) as run:
            await until(lambda: "u3" in run.status("l").demoted)
            await asyncio.sleep(0.6)
            for unit in ("u1", "u2", "u4", "u5"):
                # Waiting for its turn on a starved machine is no fault of the unit's.
                assert set(run.sink.reasons(unit)) - {Reason.BUSY} == {Reason.GOOD}
            asked = sum(1 for unit, *_ in server.asked if unit == 3)
            assert asked < len(run.sink.of("u3")), "silent slots are told without asking each time"
            dead.clear()
            await until(lambda: run.sink.reasons("u3")[Reason.GOOD] >= 1, within_s=1.0)
            assert values_are_right(run.sink.scans)


async def test_a_gateway_that_says_a_target_does_not_answer_takes_down_only_that_unit(wired):
    async with wired.server(lambda f: refusal(f, 11) if f[6] == 2 else good(f)) as server:
        units = [device("u1", unit=1), device("u2", unit=2)]
        async with Running([wired.line(server)], units, PROFILES, patience=HURRY) as run:
            await until(lambda: run.sink.reasons("u1")[Reason.GOOD] >= 4)
            assert set(run.sink.reasons("u2")) == {Reason.NO_ANSWER}
            assert run.status("l").connects == 1


async def test_one_refused_block_leaves_the_other_values_good(wired):
    async with (
        wired.server(lambda f: refusal(f, 2) if f[7] == 4 else good(f)) as server,
        Running([wired.line(server)], [device("d")], PROFILES, patience=HURRY) as run,
    ):
        await until(lambda: len(run.sink.scans) >= 2)
        assert [Reason(r) for r in run.sink.scans[-1].reasons] == [
            Reason.GOOD,
            Reason.GOOD,
            Reason.DISABLED,
            Reason.GOOD,
        ]


@pytest.mark.parametrize("wired", ["modbus-tcp", "unnumbered", "modbus-rtu-tcp"], indirect=True)
async def test_a_device_that_is_not_there_at_the_start_is_read_soon_after_it_comes(wired):
    async with wired.server() as gone:
        port = gone.port
    server = wired.server()
    async with Running([wired.line(gone)], [device("d")], PROFILES, patience=HURRY) as run:
        await until(lambda: run.sink.reasons("d")[Reason.NOT_CONNECTED] >= 4)
        (said,) = run.status("l").remarks
        assert "被占用" in said.zh
        assert "refuses the connection" in said.en
        await server.start(port)
        await until(lambda: run.sink.reasons("d")[Reason.GOOD] >= 1, within_s=0.5)
        assert not run.status("l").remarks
        await server.stop()
        server.answer = good
        heard = run.sink.reasons("d")[Reason.GOOD]
        await until(lambda: run.sink.scans[-1].reasons[0] == Reason.NOT_CONNECTED)
        again = await wired.server().start(port)
        await until(lambda: run.sink.reasons("d")[Reason.GOOD] > heard, within_s=0.5)
        await again.stop()


async def test_a_serial_port_that_another_program_has_is_said_and_read_once_it_is_free():
    wired = Wired("modbus-rtu")
    async with wired.server() as server:
        other = Running([wired.line(server)], [device("d")], PROFILES, patience=HURRY)
        async with Running([wired.line(server)], [device("d")], PROFILES, patience=HURRY) as run:
            await until(lambda: run.sink.reasons("d")[Reason.GOOD] >= 1)
            async with other:
                await until(lambda: other.status("l").remarks)
                assert "another program" in other.status("l").remarks[0].en
                await run.collectors.stop()
                await until(lambda: other.sink.reasons("d")[Reason.GOOD] >= 1)
                assert not other.status("l").remarks
                assert values_are_right(other.sink.scans)


@pytest.mark.parametrize("wired", ["modbus-tcp"], indirect=True)
async def test_two_hundred_devices_that_come_back_at_once_are_all_read_again(wired):
    server = await wired.server().start()
    lines = [wired.line(server, f"l{n}", 400) for n in range(200)]
    devices = [device(f"d{n}", f"l{n}", interval=500) for n in range(200)]
    async with Running(lines, devices, PROFILES, patience=HURRY) as run:
        await until(lambda: len({s.device for s in run.sink.scans if not any(s.reasons)}) == 200)
        await server.stop()
        await until(lambda: len({s.device for s in run.sink.scans if s.reasons[0] == Reason.NOT_CONNECTED}) == 200)
        before = len(run.sink.scans)
        back = await wired.server().start(server.port)
        await until(lambda: len({s.device for s in run.sink.scans[before:] if not any(s.reasons)}) == 200)
        await back.stop()
        assert values_are_right(run.sink.scans)
