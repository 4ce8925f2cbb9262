"""Fault 52: a site folder with mistakes is refused as a whole, each mistake with its file and place, by check and by serve."""

import json
import re
import shutil

import pytest
from killing import DEMO, free_port
from serving import cli

PLAN = """
id = "our-plan"
name = { zh = "本站预案", en = "Our plan" }
kinds = ["pump"]
priority = "medium"
class = "equipment"
arrival = "hvac_arrival"
repeat = "5 min"
accept_expires = "30 min"
source = "this site"

[[level]]
within = "5 min"
calls = []

[[step]]
id = "look"
role = "operator"
text = { zh = "看", en = "look" }
promise = "5 min"
"""
RULES = """
[[change]]
id = "transformer-hot"
reason = "厂家整定"
limits = { temp_b = nan }
"""


@pytest.fixture
def site(tmp_path):
    return shutil.copytree(DEMO, tmp_path / "site")


def edit(site, file: str, old: str, new: str) -> int:
    """Write `new` where `old` first stands; return the line."""
    path = site / file
    text = path.read_text(encoding="utf-8")
    assert old in text, f"the demo no longer says {old}"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return text.partition(old)[0].count("\n") + new.partition("\n")[0].count("\n") + 1


def refused(site, *, by: str) -> str:
    """What a refusal says; both commands end with 1, without a traceback and without a service."""
    words = [site] if by == "check" else [site, "--data", site.parent / "data", "--port", free_port()]
    said = cli(by, *words)
    assert said.returncode == 1, (said.returncode, said.stdout, said.stderr)
    assert "Traceback" not in said.stdout + said.stderr
    assert not (site.parent / "data" / "logbook.db").exists()
    return said.stdout if by == "check" else said.stderr


def unlearn_hvac(site) -> None:
    """Nobody is an HVAC technician any more, and none is on the roster."""
    people, roster = site / "people.toml", site / "roster.toml"
    people.write_text(people.read_text().replace('roles = ["hvac-technician"]', 'roles = ["plumber"]'))
    without = re.sub(r'\[\[layer\]\]\nrole = "hvac-technician"\n(?:(?!\[\[).*\n)*', "", roster.read_text())
    assert without != roster.read_text()
    roster.write_text(without)


@pytest.mark.parametrize("by", ["check", "serve"])
def test_all_mistakes_are_told_at_once_with_file_line_and_place(site, by: str) -> None:
    """Fault 52: unknown key, NaN limit, empty shift, level without calls, role that nobody has, open secrets."""
    line = edit(site, "equipment.toml", 'building = "tower-1"', 'bulding = "tower-1"')
    edit(site, "roster.toml", '    ["zhao-guoqiang", "sun-lili"],\n', "    [],\n")
    unlearn_hvac(site)
    (site / "rules.toml").write_text(RULES, encoding="utf-8")
    (site / "plans").mkdir()
    (site / "plans" / "our-plan.toml").write_text(PLAN, encoding="utf-8")
    (site / "secrets.toml").write_text('lift-broker = "x"\n', encoding="utf-8")
    (site / "secrets.toml").chmod(0o644)

    said = refused(site, by=by)
    for place in (
        rf"equipment\.toml:{line}: error: equipment\.lift-1a\.bulding: ",
        r"rules\.toml:5: error: change\.transformer-hot\.limits\.temp_b: ",
        r"roster\.toml:\d+: error: layer\.0\.teams: ",
        r"plans/our-plan\.toml:\d+: error: level\.0\.calls: ",
        r"people\.toml:\d+: error: person: .*hvac-technician",
        r"secrets\.toml: error: .*0600",
    ):
        assert re.search(f"^{place}", said, re.MULTILINE), (place, said)


SYNTAX = {
    "a quote that is not closed": ("people.toml", 'name = "陈宇"', 'name = "陈宇'),
    "a number that looks octal": ("equipment.toml", "unit = 2\n", "unit = 0012\n"),
    "a key that stands twice": ("site.toml", 'report_up = "30 min"', 'report_up = "30 min"\nreport_up = "3 min"'),
    "a time that is none": ("roster.toml", "since = 2026-01-01", "since = 2026-13-01"),
}


@pytest.mark.parametrize("by", ["check", "serve"])
def test_files_that_are_no_toml_are_told_each_with_its_line(site, by: str) -> None:
    """Fault 52: syntax error, octal-looking number, duplicate key and impossible date, one in each of four files."""
    lines = {
        file: edit(site, file, old, new) + (new.count("\n") if file == "site.toml" else 0)
        for file, old, new in SYNTAX.values()
    }
    said = refused(site, by=by)
    for file, line in lines.items():
        assert re.search(rf"^{re.escape(file)}:{line}: error: ", said, re.MULTILINE), (file, line, said)


def test_findings_for_programs_say_the_same(site) -> None:
    """Fault 52."""
    line = edit(site, "equipment.toml", 'kind = "genset"', 'kind = "gennset"')
    said = cli("check", site, "--json")
    assert said.returncode == 1
    (found,) = [row for row in json.loads(said.stdout) if row["level"] == "error"]
    assert (found["file"], found["line"], found["place"]) == ("equipment.toml", line, "equipment.genset-1.kind")
    assert found["zh"]
    assert found["en"]
