"""Lines of every transport as equipment.toml says them, and what a device may ask of its line."""

import re
import shutil
import tomllib
from pathlib import Path

import pytest

from facility.equipment import MODBUS, Serial
from sitefolder import SiteError, load
from sitefolder.equipmentfile import DeviceTable, LineTable

DEMO = Path(__file__).parents[3] / "simulators" / "sites" / "demo"
NETWORK = 'id = "drive-line"\ntransport = "{}"\nhost = "127.0.0.1"\nport = 15024\n'
BUS = 'id = "drive-line"\ntransport = "modbus-rtu"\nserial = "/dev/ttyS1"\nbaud = 9600\nparity = "even"\n'


@pytest.fixture
def site(tmp_path):
    """Return what loads the demo with the drives' line, and the first drive's unit, written otherwise."""
    folder = Path(shutil.copytree(DEMO, tmp_path / "site"))
    file = folder / "equipment.toml"
    text = file.read_text(encoding="utf-8")
    head, tail = text.split('[[line]]\nid = "drive-line"\n')
    tail = tail[tail.index("\n\n") :]
    assert 'id = "drive-pump1"' in tail

    def loaded(line, unit="unit = 1\n", meter="unit = 11\n"):
        before, after = tail.split('id = "drive-pump1"\n', 1)
        said = f'{before}id = "drive-pump1"\n{after.replace("unit = 1" + chr(10), unit, 1)}'.replace(
            "unit = 11\n", meter
        )
        file.write_text(f"{head}[[line]]\n{line}{said}", encoding="utf-8")
        return load(folder).site

    return loaded


def told(site, *how):
    with pytest.raises(SiteError) as error:
        site(*how)
    return "\n".join(str(f) for f in error.value.findings if f.level == "error")


def test_frames_of_rtu_over_tcp(site):
    line = site(NETWORK.format("modbus-rtu-tcp")).lines["drive-line"]
    assert (line.transport, line.host, line.port, line.serial) == ("modbus-rtu-tcp", "127.0.0.1", 15024, None)


def test_a_serial_port_and_how_it_is_set(site):
    line = site(BUS + "stop_bits = 2\n").lines["drive-line"]
    assert (line.transport, line.host) == ("modbus-rtu", "")
    assert line.serial == Serial("/dev/ttyS1", 9600, "even", 2)
    assert line.serial.character_ms == pytest.approx(1.25)
    assert site(BUS).lines["drive-line"].serial.stop_bits == 1


def test_two_lines_on_one_serial_port(site):
    both = BUS + '\n[[line]]\nid = "other"\n' + BUS.split("\n", 1)[1]
    said = told(site, both)
    assert "line.other.serial" in said
    assert "/dev/ttyS1 is line drive-line already" in said


@pytest.mark.parametrize("line", [BUS, NETWORK.format("modbus-rtu-tcp")])
def test_nobody_answers_the_broadcast_address_of_a_bus(site, line):
    said = told(site, line, "unit = 0\n")
    assert "device.drive-pump1.unit" in said
    assert "broadcast address" in said


@pytest.mark.parametrize("unit", [0, 255])
def test_a_device_with_a_network_port_of_its_own_may_be_0_or_255(site, unit):
    assert site(NETWORK.format("modbus-tcp"), f"unit = {unit}\n").devices["drive-pump1"].unit == unit


def test_a_device_takes_fewer_registers_at_once_than_its_profile_says(site):
    line = NETWORK.format("modbus-tcp")
    assert site(line, "unit = 1\nmax_registers = 8\n").devices["drive-pump1"].max_registers == 8
    said = told(site, line, "unit = 1\n", "unit = 11\nmax_registers = 1\n")
    assert "a value or block of 4 registers, which must be read at once" in said


def test_a_gateway_that_gives_no_transaction_id(site):
    assert (
        not site(NETWORK.format("modbus-tcp") + "echoes_transaction = false\n").lines["drive-line"].echoes_transaction
    )


@pytest.mark.parametrize("page", ["lines.md", "lines.zh-CN.md"])
def test_what_the_guide_shows_can_be_written_so(page):
    guide = (Path(__file__).parents[3] / "docs" / "engineers" / page).read_text(encoding="utf-8")
    blocks = [tomllib.loads(block) for block in re.findall(r"```toml\n(.*?)```", guide, re.DOTALL)]
    lines = [LineTable.model_validate(line).line() for block in blocks for line in block["line"]]
    assert {line.transport for line in lines} == MODBUS
    (device,) = (DeviceTable.model_validate(one) for block in blocks for one in block.get("device", ()))
    assert device.line in {line.id for line in lines}
