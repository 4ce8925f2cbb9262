"""Versions of plans are kept as they were when an incident began."""

from dataclasses import replace
from pathlib import Path

from sitefolder import load
from stores.plans import PlanStore

DEMO = Path(__file__).parents[3] / "simulators" / "sites" / "demo"


def test_an_edited_plan_leaves_the_version_it_was(tmp_path: Path) -> None:
    plans = load(DEMO).site.plans
    store = PlanStore(tmp_path / "plans")
    store.keep(plans.values())
    edited = replace(plans["lift-entrapment"], version="edited", steps=())
    store.keep([edited])
    kept = store.all()
    assert kept["lift-entrapment", "edited"] == edited
    assert all(kept[plan.id, plan.version] == plan for plan in plans.values())


def test_a_damaged_version_hides_no_other(tmp_path: Path) -> None:
    plan = load(DEMO).site.plans["lift-stop"]
    store = PlanStore(tmp_path / "plans")
    store.keep([plan])
    (tmp_path / "plans" / "broken@1.json").write_bytes(b"{")
    assert list(store.all()) == [("lift-stop", plan.version)]
