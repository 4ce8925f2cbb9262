"""The worked example of docs/engineers/plans.md is true: it is read as it stands, and does what the page says."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from night_shift import ROSTER, Night, ms, rule, site

from facility.plan import Plan
from facility.rule import Priority
from response.plans import plan as steps
from sitefolder.document import read
from sitefolder.finding import Problems
from sitefolder.library import read_library
from sitefolder.planreading import read_plan

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "docs" / "engineers" / name for name in ("plans.md", "plans.zh-CN.md")]
WATER = "ch-1/leaving_temp"


def block(page: Path) -> str:
    (found,) = re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    return str(found)


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    problems = Problems()
    path = tmp_path / "chiller-weak.toml"
    path.write_text(block(PAGES[0]), encoding="utf-8")
    document = read(path, path.name, problems)
    found = read_plan(document, "chiller-weak", read_library(ROOT / "library", problems)) if document else None
    assert found is not None, [str(f) for f in problems.errors]
    return found


def test_both_languages_show_the_same_example() -> None:
    assert block(PAGES[0]) == block(PAGES[1])


def begun(plan: Plan) -> Night:
    here = site(plans=(plan,), roster=ROSTER)
    weak = rule("chiller-weak", "chiller", plan.id, Priority.HIGH)
    return Night(replace(here, rules={weak.id: weak})).at("02:00").alarm("ch-1", "chiller-weak")


def state(night: Night, plan: Plan, id: str) -> str:
    step = steps.step_of(plan, id)
    assert step is not None
    return steps.state(night.incident, plan, step)


def test_the_chiller_stands_and_the_standby_cools(plan: Plan) -> None:
    night = begun(plan).within("1 s").pages("chen")
    night.at("02:02").records("state", answer="stands")
    assert night.incident.promises["step/standby"].by_ms == night.now + ms("15 min")
    night.accepts("chen").at("02:10").arrives("chen").ticks("standby", "chen")
    assert night.incident.promises["step/cold"].by_ms == night.now + ms("30 min")
    night.at("02:20").reads(WATER, 7.5).at("02:24").reads(WATER, 7.4)
    assert state(night, plan, "cold") == "open"
    night.at("02:25").reads(WATER, 7.4).clears("ch-1", "chiller-weak")
    assert state(night, plan, "cold") == "done"
    assert "must stay" in night.missing()
    night.at("02:36").reads(WATER, 7.3).records("tell").closes()
    assert night.told_of("report/tell") == ["zhou"]


def test_the_chiller_runs_and_no_standby_is_needed(plan: Plan) -> None:
    night = begun(plan).at("02:02").records("state", answer="runs")
    assert state(night, plan, "standby") == "not-needed"
    assert night.incident.promises["step/cold"].by_ms == night.now + ms("28 min")
