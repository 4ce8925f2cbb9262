"""[storage] in site.toml: which readings may be left out, checked against the kinds."""

import shutil
from pathlib import Path

import pytest

from sitefolder import SiteError, load

DEMO = Path(__file__).parents[3] / "simulators" / "sites" / "demo"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DEMO, tmp_path / "site"))


def _say(folder: Path, words: str) -> None:
    with (folder / "site.toml").open("a", encoding="utf-8") as file:
        file.write(words)


def test_without_a_word_everything_is_kept(folder: Path) -> None:
    site = load(folder).site
    assert site.thinning.heartbeat_ms == 0
    assert {site.deadband(point) for point in site.device_of} == {None}


def test_states_are_kept_when_they_change_and_numbers_by_their_deadband(folder: Path) -> None:
    _say(folder, '\n[storage]\nheartbeat = "10 min"\n[storage.deadband]\n"transformer.temp_a" = 0.5\n')
    site = load(folder).site
    assert site.thinning.heartbeat_ms == 600_000
    bands = {(site.point(p).type.value, site.deadband(p)) for p in site.device_of}
    assert ("state", 0.0) in bands
    assert ("state", None) not in bands
    assert ("number", None) in bands, "a number without a deadband is kept whole"
    assert {site.deadband(p) for p in site.device_of if p.endswith("/temp_a")} == {0.5}
    assert site.deadband("nobody/nothing") is None


@pytest.mark.parametrize(
    ("words", "place", "says"),
    [
        ('heartbeat = "10 s"', "storage.heartbeat", "60"),
        ('heartbeat = "10 min"\n[storage.deadband]\n"lift.nothing" = 1', "storage.deadband.lift.nothing", "no point"),
        (
            'heartbeat = "10 min"\n[storage.deadband]\n"lift.doors_closed" = 1',
            "storage.deadband.lift.doors_closed",
            "change",
        ),
        ('heartbeat = "10 min"\n[storage.deadband]\n"lift.speed" = -1', "storage.deadband.lift.speed", "0"),
        ("[storage.deadband]", "storage.heartbeat", "missing"),
    ],
)
def test_what_cannot_be_meant_is_told_with_its_place(folder: Path, words: str, place: str, says: str) -> None:
    _say(folder, f"\n[storage]\n{words}\n")
    with pytest.raises(SiteError) as refused:
        load(folder)
    (found,) = [f for f in refused.value.findings if f.file == "site.toml"]
    assert found.place == place
    assert says in found.text.en
