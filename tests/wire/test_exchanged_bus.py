"""Other files for Modbus lines that are open: TCP, RTU frames over TCP, and a serial port."""

from dataclasses import replace

from collected import HURRY, Running, until
from test_exchanged import prepared
from test_modbus_collectors import PROFILES, device, values_are_right, wired

from collectors.difference import Files
from facility.scan import COMMUNICATION, Reason

__all__ = ["wired"]  # the fixture: a server and a line of each kind


def files(run: Running, lines, devices) -> Files:
    site = replace(run.collectors._site, lines={x.id: x for x in lines}, devices={d.id: d for d in devices})
    return Files(site, PROFILES, run.collectors._secrets)


async def test_a_line_that_is_set_otherwise_is_opened_anew_and_its_neighbour_never_notices(wired):
    async with wired.server() as one, wired.server() as two:
        first, second = wired.line(one, "first", 500), wired.line(two, "second", 500)
        devices = [
            device("a", "first", interval=250),
            device("b", "first", unit=2, interval=250),
            device("c", "second", interval=250),
        ]
        async with Running([first, second], devices, PROFILES, patience=HURRY) as run:
            await until(lambda: all(run.sink.reasons(d)[Reason.GOOD] >= 3 for d in "abc"))
            otherwise = replace(first, timeout_ms=400)
            coming = prepared(run, files(run, [otherwise, second], devices))
            run.collectors.hold(coming)
            run.collectors.exchange(coming)
            before = {d: run.sink.reasons(d)[Reason.GOOD] for d in "abc"}
            await until(lambda: all(run.sink.reasons(d)[Reason.GOOD] >= before[d] + 3 for d in "abc"))
            assert values_are_right(run.sink.scans)
            assert COMMUNICATION.isdisjoint(run.sink.reasons("c"))  # busy is what a busy machine makes of it
            assert run.status("second").connects == 1
            assert run.status("first").connected


async def test_a_unit_joins_and_another_leaves_a_line_that_stays_open(wired):
    async with wired.server() as server:
        line = wired.line(server, "l", 500)
        stays, goes, comes = (
            device("stays", interval=250),
            device("goes", unit=2, interval=250),
            device("comes", unit=3, interval=250),
        )
        async with Running([line], [stays, goes], PROFILES, patience=HURRY) as run:
            await until(lambda: run.sink.reasons("goes")[Reason.GOOD] >= 3)
            coming = prepared(run, files(run, [line], [stays, comes]))
            run.collectors.hold(coming)
            said = len(run.sink.of("goes"))
            run.collectors.exchange(coming)
            await until(lambda: run.sink.reasons("comes")[Reason.GOOD] >= 5)
            assert len(run.sink.of("goes")) == said
            assert COMMUNICATION.isdisjoint(run.sink.reasons("stays") + run.sink.reasons("comes"))
            assert run.status("l").connects == 1
            assert values_are_right(run.sink.scans)
