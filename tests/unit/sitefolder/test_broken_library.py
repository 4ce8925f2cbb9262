"""A library that does not hold together is told like a site folder is; and a roster covers what plans ask for."""

import shutil
from pathlib import Path

import pytest

from facility.site import Site
from response.duty import choose, holes
from sitefolder import SiteError, load
from sitefolder.library import LIBRARY

DEMO = Path(__file__).parents[3] / "simulators" / "sites" / "demo"
HOUR = 3_600_000
MONDAY = 1_795_362_300_000  # 2026-11-22T15:45 UTC, a quarter to midnight in the site's zone


@pytest.fixture
def library(tmp_path: Path) -> Path:
    return Path(shutil.copytree(LIBRARY, tmp_path / "library"))


@pytest.mark.parametrize(
    ("file", "old", "new", "place", "says"),
    [
        ("kinds/switchgear.toml", 'conducts = "breaker_closed"', 'conducts = "breaker"', "conducts", "no point breaker"),
        ("kinds/ats.toml", 'selects = "position"', 'selects = "place"', "selects", "no point place"),
        ("kinds/lift.toml", "low = -9", "low = 999", "points.floor.low", "less than high"),
        ("kinds/pump.toml", 'system = "hvac"', 'system = "havc"', "system", "must be one of"),
        ("kinds/sump.toml", 'type = "state"', 'type = "bool"', "points.water_high.type", "must be one of"),
        ("words.toml", 'guard = { zh = "秩序维护员", en = "guard" }', 'guard = { zh = "秩序维护员" }', "roles.guard.en", "missing"),
        ("rules/hvac.toml", 'plan = "chiller-trip"', 'plan = "chiller"', "rule.chiller-trip.plan", "no plan chiller"),
        ("plans/hv-trip.toml", 'role = "electrician", count', 'role = "electrican", count', "level.0.calls", "no role electrican"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_library_is_told(library: Path, file: str, old: str, new: str, place: str, says: str) -> None:
    path = library / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(SiteError) as told:
        load(DEMO, library=library)
    errors = [f for f in told.value.findings if f.level == "error"]
    assert [(f.file, f.place) for f in errors] == [(f"library/{file}", place)]
    assert says in errors[0].text.en
    assert errors[0].line


def test_a_state_without_codes_is_refused(library: Path) -> None:
    (library / "kinds" / "door.toml").write_text(
        'name = { zh = "门", en = "door" }\nsystem = "fire"\nsource = "x"\n[points.open]\nzh = "开"\nen = "open"\ntype = "state"\n',
        encoding="utf-8",
    )
    with pytest.raises(SiteError, match="needs codes"):
        load(DEMO, library=library)


@pytest.fixture(scope="module")
def site() -> Site:
    return load(DEMO).site


def test_the_demo_has_no_hole_in_a_quarter_of_a_year(site: Site) -> None:
    assert holes(site, MONDAY, MONDAY + 90 * 24 * HOUR) == []


def test_at_any_hour_every_first_level_finds_its_responders(site: Site) -> None:
    card = site.equipment["lift-1b"].card
    for hour in range(0, 8 * 24, 3):
        now = MONDAY + hour * HOUR
        for plan in site.plans.values():
            for call in plan.levels[0].calls:
                chosen = choose(site, call, now, card=card, holder="zhang-wei").people
                assert len(chosen) == call.count, f"{plan.id}: {call.role} at {now}"


def test_two_people_certified_for_high_voltage_are_there_at_any_hour(site: Site) -> None:
    call = site.plans["hv-trip"].levels[0].calls[0]
    for hour in range(8 * 24):
        chosen = choose(site, call, MONDAY + hour * HOUR).people
        assert [why for _, why in chosen] == ["on-duty", "on-duty"]
