"""The worked example of docs/engineers/profiles.md is true: its profile is read, its bytes become its values."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from collectors.modbus.decode import Decoder
from dutyroom.cli import app
from sitefolder.document import read
from sitefolder.finding import Problems
from sitefolder.kindfile import KindFile
from sitefolder.profiles import read_profiles

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "docs" / "engineers" / name for name in ("profiles.md", "profiles.zh-CN.md")]


def block(page: Path, language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    return found


@pytest.fixture
def example(tmp_path):
    (tmp_path / "profiles").mkdir()
    path = tmp_path / "profiles" / "example-em3.toml"
    path.write_text(block(PAGES[0], "toml"), encoding="utf-8")
    return path


def profile_of(path):
    problems = Problems()
    found = read_profiles(path.parent, problems)
    assert [str(f) for f in problems.findings] == []
    return found["example-em3"]


@pytest.mark.parametrize("language", ["toml", "reply"])
def test_both_languages_show_the_same_example(language):
    assert block(PAGES[0], language) == block(PAGES[1], language)


def test_the_bytes_on_the_page_become_the_values_on_the_page(example):
    profile = profile_of(example)
    for line in block(PAGES[0], "reply").splitlines():
        channel, *words, value = line.split()
        decoder = Decoder(profile.modbus, [channel], multipliers={"ct": 40.0})
        values, reasons, _ = decoder.decode([bytes.fromhex("".join(words))])
        assert not any(reasons)
        assert values[0] == pytest.approx(float(value)), channel


def test_it_speaks_of_points_its_kind_has_in_their_unit(example):
    problems = Problems()
    document = read(ROOT / "library" / "kinds" / "lv_meter.toml", "lv_meter", problems)
    points = document.model(KindFile).kind("lv_meter").points
    for spec in profile_of(example).fields.values():
        assert not spec.point or points[spec.point].unit == spec.unit


def test_check_explains_it_as_printed_and_as_sent(example):
    said = CliRunner().invoke(app, ["check", "--profile", str(example)])
    assert said.exit_code == 0
    row = next(line.split() for line in said.output.splitlines() if line.startswith("v_an"))
    assert row[:3] == ["v_an", "98", "97"]
    assert "function 3, address 97 (0x0061), 13 registers" in said.output


def test_check_says_what_is_wrong_with_a_profile(example):
    example.write_text(example.read_text(encoding="utf-8").replace('order = "CDAB"\n', ""), encoding="utf-8")
    said = CliRunner().invoke(app, ["check", "--profile", str(example)])
    assert said.exit_code == 1
    assert "example-em3.toml:" in said.output
    assert "must state its `order`" in said.output
    assert CliRunner().invoke(app, ["check"]).exit_code == 2


def test_every_profile_and_word_that_the_page_names_exists():
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for name in re.findall(r"`([a-z-]+\.toml)`", text):
            assert (ROOT / "library" / "profiles" / name).exists() or name == "equipment.toml"
    commands = [line.split()[1] for line in block_lines(PAGES[0])]
    assert set(commands) == {"probe", "check", "import-points"}


def block_lines(page: Path) -> list[str]:
    blocks = re.findall(r"```\n(dutyroom.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    return [line for one in blocks for line in one.splitlines()]
