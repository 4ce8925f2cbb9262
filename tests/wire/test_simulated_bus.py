"""The simulated field bus speaks every transport, and the collectors read from it what the building says."""

import socket
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from collected import HURRY, Sink, Tasks, until

from collectors.supervisor import Collectors
from dutyroom.clock import SystemClock
from facility.equipment import Serial
from facility.scan import Reason
from simulators import fieldbus
from simulators.building import Building
from simulators.cable import Cable
from sitefolder import load

DEMO = Path(__file__).parents[2] / "simulators" / "sites" / "demo"


@pytest.fixture(scope="module")
def loaded():
    return load(DEMO)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.mark.parametrize("transport", ["modbus-tcp", "modbus-rtu-tcp", "modbus-rtu"])
async def test_units_of_one_line_are_read_as_the_building_is(loaded, tmp_path, transport):
    site, id = loaded.site, "drive-line"
    on = {"serial": Serial(str(tmp_path / "ttyBUS"), 115_200, "none"), "host": "", "port": 0}
    other = on if transport == "modbus-rtu" else {"port": free_port()}
    line = replace(site.lines[id], transport=transport, gap_ms=0, timeout_ms=400, **other)
    devices = {d.id: replace(d, interval_ms=100) for d in site.devices.values() if d.line == id}
    site = replace(site, lines={id: line}, devices=devices)
    building, sink, tasks = Building(site), Sink(), Tasks()
    (server,) = fieldbus.lines(site, loaded.profiles, building)
    collectors = Collectors(site, loaded.profiles, sink, SystemClock(), tasks, {}, patience=HURRY)
    async with AsyncExitStack() as stack:
        await server.start()
        stack.push_async_callback(server.stop)
        collectors.start()
        stack.push_async_callback(tasks.stop)
        stack.push_async_callback(collectors.stop)
        assert len(devices) >= 2
        for device in devices.values():
            await until(lambda device=device: sink.reasons(device.id)[Reason.GOOD] >= 2)
            newest = [s for s in sink.of(device.id) if not any(s.reasons)][-1]
            for point, value in zip(device.points, newest.values, strict=True):
                machine, name = point.split("/")
                assert value == pytest.approx(building.machines[machine].points[name], abs=1.0), point
        mute, well = list(devices.values())[:2]
        building.machines[mute.points[0].partition("/")[0]].silent = True
        await until(lambda: sink.of(mute.id)[-1].reasons[0] == Reason.NO_ANSWER)
        before = sink.reasons(well.id)[Reason.GOOD]
        await until(lambda: sink.reasons(well.id)[Reason.GOOD] >= before + 2)
    assert not list(tmp_path.iterdir()), "the port goes with its bus"


async def test_a_real_port_is_never_hidden_by_a_simulated_one(tmp_path):
    path = tmp_path / "ttyS1"
    path.touch()
    cable = Cable()
    with pytest.raises(FileExistsError):
        cable.start(path)
    cable.stop()
    assert path.exists()
