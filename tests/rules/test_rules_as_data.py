"""Each folder here says what is read and what the rules must tell; a site's own rule-tests/ are tried the same way."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from alarms.trial import Trial, differences
from dutyroom.cli import app
from facility.rule import Compare
from sitefolder.finding import Problems
from sitefolder.ruletest import library_knowledge, read_trials

HERE = Path(__file__).parent
DEMO = HERE.parents[1] / "simulators" / "sites" / "demo"
PROBLEMS = Problems()
TRIALS = read_trials(HERE, library_knowledge(PROBLEMS), PROBLEMS)


def test_every_folder_can_be_read() -> None:
    assert [str(f) for f in PROBLEMS.findings] == []
    assert len(TRIALS) == len(list(HERE.glob("*/test.toml")))


@pytest.mark.parametrize("trial", TRIALS, ids=lambda t: t.name.rpartition("/")[2])
def test_the_rules_say_what_is_expected(trial: Trial) -> None:
    assert [t.en for t in differences(trial)] == []


def test_every_comparison_is_tried() -> None:
    rules = [rule for trial in TRIALS for rule in trial.site.rules.values()]
    tried = [(*r.when, *r.any_of, *(c for rung in r.ladder for c in rung.when)) for r in rules]
    assert {c.compare for conditions in tried for c in conditions} == set(Compare)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    site = Path(shutil.copytree(DEMO, tmp_path / "site"))
    shutil.copytree(HERE / "ladder", site / "rule-tests" / "ladder")
    return site


def check(folder: Path) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["check", str(folder)])
    return done.exit_code, done.stdout


def test_a_site_tries_its_own_rules_when_it_is_checked(folder: Path) -> None:
    code, said = check(folder)
    assert (code, "rule-tests: 1 of 1" in said) == (0, True), said


def test_a_rule_that_says_something_else_is_an_error(folder: Path) -> None:
    expected = folder / "rule-tests" / "ladder" / "transitions.csv"
    expected.write_text(expected.read_text(encoding="utf-8").replace("00:00:21,", "00:00:22,"), encoding="utf-8")
    code, said = check(folder)
    assert code == 1
    assert "rule-tests/ladder: error: transitions.csv:" in said
    assert "expected, and not told: 00:00:22 tx hot rung 2 raised" in said
    assert "told, and not expected: 00:00:21 tx hot rung 2 raised" in said


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("readings.csv", "00:00:10", "0:0:10", "is no moment"),
        ("readings.csv", ",tc,90", ",tx,90", "there is no device tx"),
        ("readings.csv", ",90", ",ninety", "neither a number nor a reason"),
        ("readings.csv", ",temp_b", ",temp_q", "has no such point"),
        ("readings.csv", ",tc,90", ",tc,90,91", "more columns"),
        ("transitions.csv", "raised", "rose", "raised or cleared"),
        ("transitions.csv", ",2,", ",x,", "whole number"),
        ("test.toml", '"tx/temp_b"', '"tx/temp_q"', "no point tx/temp_q"),
        ("test.toml", '["hot"]', '["hotter"]', "there is no rule hotter"),
        ("test.toml", '"transformer"', '"transfomer"', "there is no kind transfomer"),
        ("test.toml", "about", "abuot", "typing mistake"),
    ],
)
def test_what_cannot_be_read_is_said_with_file_and_line(folder: Path, file: str, old: str, new: str, says: str) -> None:
    path = folder / "rule-tests" / "ladder" / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    code, said = check(folder)
    assert code == 1
    assert any(f"rule-tests/ladder/{file}:" in line and says in line for line in said.splitlines()), said


def test_a_missing_file_is_said(folder: Path) -> None:
    (folder / "rule-tests" / "ladder" / "readings.csv").unlink()
    assert "there is no such file" in check(folder)[1]


def test_what_a_site_does_otherwise_is_listed(folder: Path) -> None:
    (folder / "rules.toml").write_text(
        '[[change]]\nid = "genset-not-auto"\nreason = "本站手动"\non_delay = "30 min"\n', encoding="utf-8"
    )
    code, said = check(folder)
    assert code == 0
    assert "rules.toml: override: genset-not-auto on_delay: 5 min → 30 min (本站手动)" in said
