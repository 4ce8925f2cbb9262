"""What other files change of what is read: found by all that a reading depends on, and by nothing else."""

from dataclasses import replace
from pathlib import Path

import pytest

from collectors.difference import Changes, Files, difference
from facility.text import Text
from sitefolder import load

DEMO = Path(__file__).parents[3] / "simulators" / "sites" / "demo"


@pytest.fixture(scope="module")
def files() -> Files:
    loaded = load(DEMO)
    return Files(loaded.site, loaded.profiles, {"broker": "secret"})


def with_(files: Files, **parts) -> Files:
    return replace(files, site=replace(files.site, **parts))


def test_the_same_files_read_twice_differ_in_nothing(files) -> None:
    again = load(DEMO)
    assert not difference(files, replace(files, site=again.site, profiles=again.profiles))


def test_a_device_that_is_added_removed_or_edited_is_named_alone(files) -> None:
    first, second, *rest = files.site.devices.values()
    devices = {d.id: d for d in rest}
    devices[second.id] = replace(second, interval_ms=second.interval_ms * 2)
    devices["another"] = replace(first, id="another")
    found = difference(files, with_(files, devices=devices))
    assert found.devices == Changes(("another",), (first.id,), (second.id,))
    assert not found.lines
    assert not found.equipment


def test_all_devices_of_a_line_that_goes_elsewhere_are_read_otherwise(files) -> None:
    line = next(iter(files.site.lines.values()))
    lines = {**files.site.lines, line.id: replace(line, port=line.port + 1)}
    found = difference(files, with_(files, lines=lines))
    assert found.lines == Changes(changed=(line.id,))
    assert found.devices.changed == tuple(sorted(d.id for d in files.site.devices.values() if d.line == line.id))


def test_another_password_opens_its_line_anew(files) -> None:
    line = replace(next(iter(files.site.lines.values())), secret="broker")
    old = with_(files, lines={**files.site.lines, line.id: line})
    assert difference(old, replace(old, secrets={"broker": "other"})).lines.changed == (line.id,)
    assert not difference(old, replace(old, secrets={**old.secrets, "unused": "x"}))


def test_another_profile_changes_the_devices_that_are_read_by_it(files) -> None:
    id = next(iter(files.site.devices.values())).profile
    profiles = {**files.profiles, id: replace(files.profiles[id], hash="other")}
    found = difference(files, replace(files, profiles=profiles))
    assert found.profiles.changed == (id,)
    assert found.devices.changed == tuple(sorted(d.id for d in files.site.devices.values() if d.profile == id))


def test_a_machine_that_is_only_named_otherwise_is_read_as_before(files) -> None:
    machine = next(iter(files.site.equipment.values()))
    renamed = {**files.site.equipment, machine.id: replace(machine, name=Text("新名", "new name"))}
    found = difference(files, with_(files, equipment=renamed))
    assert found.equipment.changed == (machine.id,)
    assert not found.devices
