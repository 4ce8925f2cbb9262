"""The worked example of docs/engineers/rules.md is true: its rule is read, and its trial says what the page says."""

import re
import shutil
from pathlib import Path

import pytest

from dutyroom.checking import examine, row
from sitefolder import load
from sitefolder.conditionfile import ConditionTable

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "docs" / "engineers" / name for name in ("rules.md", "rules.zh-CN.md")]


def block(page: Path, language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    return str(found)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = Path(shutil.copytree(ROOT / "simulators" / "sites" / "demo", tmp_path / "site"))
    rules = block(PAGES[0], "toml") + "\n" + block(PAGES[0], "change")
    (folder / "rules.toml").write_text(rules, encoding="utf-8")
    trial = folder / "rule-tests" / "bearing"
    trial.mkdir(parents=True)
    for file, language in (("test.toml", "test"), ("readings.csv", "readings"), ("transitions.csv", "transitions")):
        (trial / file).write_text(block(PAGES[0], language), encoding="utf-8")
    return folder


@pytest.mark.parametrize("language", ["toml", "change", "test", "readings", "transitions"])
def test_both_languages_show_the_same_example(language: str) -> None:
    assert block(PAGES[0], language) == block(PAGES[1], language)


def test_the_trial_on_the_page_says_what_the_page_says(folder: Path) -> None:
    checked = examine(folder, 0)
    assert [str(f) for f in checked.errors] == []
    assert checked.summary[1] == "rule-tests: 1 of 1 as expected"


def test_the_changes_on_the_page_are_listed(folder: Path) -> None:
    assert [row(o).partition(" (")[0] for o in load(folder).overrides] == [
        "rules.toml: override: transformer-hot limits.temp_b.above: 130 → 120",
        "rules.toml: override: transformer-hot ladder.1.limits.temp_b.above: 150 → 145",
        "rules.toml: override: genset-not-auto enabled: true → false",
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_word_of_a_condition_stands_on_the_page(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    words = {field.alias or name for name, field in ConditionTable.model_fields.items()}
    assert {word for word in words - {"point"} if f"{word} = " not in text and f"`{word}`" not in text} == set()
