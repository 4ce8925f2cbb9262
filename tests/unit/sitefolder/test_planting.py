"""The demonstration's hole and certificate are planted into a copy that stays valid, in any year."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from simulators.planting import move_ports, plant
from sitefolder import Loaded, load

DEMO = Path(__file__).parents[3] / "simulators" / "sites" / "demo"


def moment(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DEMO, tmp_path / "site"))


def warnings(loaded: Loaded) -> list[str]:
    return [f"{f.file} {f.text.en}" for f in loaded.findings]


@pytest.mark.parametrize("now", ["2024-02-29T23:30:00", "2026-11-22T17:00:00", "2031-07-01T04:00:00"])
def test_one_hole_and_one_certificate_are_planted(folder: Path, now: str) -> None:
    now_ms = moment(now)
    assert len(plant(folder, now_ms)) == 2
    said = warnings(load(folder, now_ms=now_ms))
    assert [s for s in said if s.startswith("people.toml")] == [s for s in said if "expires in 20 days" in s]
    holes = [s for s in said if s.startswith("roster.toml")]
    assert holes
    assert all("operator" in s for s in holes)
    assert all(s.startswith(("people.toml", "roster.toml")) for s in said)


def test_the_committed_demo_has_no_hole(folder: Path) -> None:
    assert not [s for s in warnings(load(folder, now_ms=moment("2026-11-22T17:00:00"))) if s.startswith("roster")]


def test_a_password_is_made_for_the_broker(folder: Path) -> None:
    plant(folder, moment("2026-11-22T17:00:00"))
    assert len(load(folder).secrets["lift-broker"]) >= 16
    assert (folder / "secrets.toml").stat().st_mode & 0o777 == 0o600


def test_ports_move_line_by_line(folder: Path) -> None:
    before = load(folder).site.lines
    move_ports(folder, {"hv-gateway": 41001, "lift-broker": 41002})
    after = load(folder).site.lines
    assert {id: line.port for id, line in after.items() if before[id].port != line.port} == {
        "hv-gateway": 41001,
        "lift-broker": 41002,
    }


def test_a_line_that_is_not_there_is_said(folder: Path) -> None:
    with pytest.raises(KeyError, match="no line nowhere"):
        move_ports(folder, {"nowhere": 1})


def test_warnings_of_time_need_a_time(folder: Path) -> None:
    now = moment("2040-01-01T00:00:00")
    assert len(load(folder).findings) == 1
    said = warnings(load(folder, now_ms=now))
    assert any("has expired" in s for s in said)
    assert any("inspection was due" in s for s in said)


def test_what_is_missing_but_not_forbidden_is_warned_of(folder: Path) -> None:
    path = folder / "equipment.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace('rescue_code = "DEMO0001"\n', "").replace('fed_by = ["lv-2"]\n', "", 1), encoding="utf-8"
    )
    path = folder / "people.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('channels = [{ kind = "demo", address = "chen-yu" }]\n', ""), encoding="utf-8")
    said = warnings(load(folder))
    assert any("no rescue code" in s for s in said)
    assert any("what feeds it" in s for s in said)
    assert any("no channel" in s for s in said)
