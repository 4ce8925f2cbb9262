"""Every word of a rule becomes what the evaluator is to do; what a site does otherwise is told with its reason."""

import hashlib
import re
import shutil
from pathlib import Path

import pytest

from facility.rule import Compare, Condition, Priority, Rung, Season
from sitefolder import SiteError, load
from sitefolder.changing import Override
from sitefolder.ruleversion import version_of

RULE = """
[[rule]]
id = "own-rule"
kind = "transformer"
name = { zh = "变", en = "transformer" }
when = [
    { point = "temp_b", above = 3, other = "temp_a", deadband = 1 },
    { point = "breaker_closed", is = "closed", of = "supply" },
]
any_of = [
    { point = "temp_a", flat = 0.5, within = "1 h" },
    { point = "temp_b", missing = true },
    { point = "fan_running", runs = 500 },
    { point = "fan_running", starts = 6, within = "1 h" },
]
priority = "low"
class = "equipment"
latching = true
suppressed_by = ["transformer-sensor-failed"]
season = { from = "11-15", to = "03-15" }
hours = { from = "20:00", to = "08:00", days = "6-7,1" }
only_while = "out-of-use"
cause = { zh = "因", en = "cause" }
consequence = { zh = "果", en = "consequence" }
first_action = { zh = "做", en = "do" }
respond = "1 h"
plan = "equipment-fault"
start = "operator"
source = "this site"
on_delay = "10 s"

[[rule.ladder]]
priority = "medium"
on_delay = "1 h"

[[rule.ladder]]
priority = "high"
when = [{ point = "temp_b", above = 10, other = "temp_a" }]
"""


DEMO = Path(__file__).parents[3] / "simulators" / "sites" / "demo"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DEMO, tmp_path / "site"))


def site(folder: Path, text: str):
    (folder / "rules.toml").write_text(text, encoding="utf-8")
    return load(folder)


def test_all_words_at_once(folder: Path) -> None:
    rule = site(folder, RULE).site.rules["own-rule"]
    assert rule.when == (
        Condition("temp_b", Compare.ABOVE, 3, 1, other="temp_a"),
        Condition("breaker_closed", Compare.IS, 1, of="supply"),
    )
    assert rule.any_of == (
        Condition("temp_a", Compare.FLAT, 0.5, window_ms=3_600_000),
        Condition("temp_b", Compare.MISSING),
        Condition("fan_running", Compare.RUNS, 500),
        Condition("fan_running", Compare.STARTS, 6, window_ms=3_600_000),
    )
    assert rule.ladder == (
        Rung(Priority.MEDIUM, rule.when, 3_600_000, rule.any_of),
        Rung(Priority.HIGH, (Condition("temp_b", Compare.ABOVE, 10, other="temp_a"),), 10_000),
    )
    assert rule.season == Season((11, 15), (3, 15), 20 * 60, 8 * 60, (1, 6, 7))
    assert (rule.latching, rule.suppressed_by, rule.only_while) == (True, ("transformer-sensor-failed",), "out-of-use")


def test_a_rule_that_uses_nothing_new_keeps_the_version_it_always_had() -> None:
    old = (
        "('transformer', (Condition(point='temp', compare=<Compare.ABOVE: 'above'>, limit=130.0, deadband=10.0, "
        "window_ms=0),), 10000, 0)"
    )
    now = version_of("transformer", (Condition("temp", Compare.ABOVE, 130.0, 10.0),), 10_000, 0)
    assert now == hashlib.sha256(old.encode()).hexdigest()[:12]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('other = "temp_a", deadband', 'other = "temp_c", deadband'),
        (', of = "supply"', ""),
        ("flat = 0.5", "flat = 0.6"),
        ("runs = 500", "runs = 501"),
        ('on_delay = "1 h"', 'on_delay = "2 h"'),
        ("above = 10", "above = 11"),
    ],
)
def test_all_that_decides_is_in_the_version(folder: Path, old: str, new: str) -> None:
    text = (
        RULE if old != ', of = "supply"' else RULE.replace('"breaker_closed", is = "closed"', '"fan_running", is = 1')
    )
    before = site(folder, text).site.rules["own-rule"].version
    assert old in text
    assert site(folder, text.replace(old, new)).site.rules["own-rule"].version != before


def test_what_decides_nothing_is_not(folder: Path) -> None:
    before = site(folder, RULE).site.rules["own-rule"].version
    text = RULE.replace("latching = true", "latching = false").replace("11-15", "11-01")
    assert site(folder, text).site.rules["own-rule"].version == before


CHANGE = """
[[change]]
id = "own-rule"
reason = "厂家整定"
priority = "low"
limits = { "temp_b.above" = 4, fan_running = 5 }
hours = { from = "09:00", to = "10:00" }
ladder = [{ rung = 2, limits = { temp_b = 12 }, on_delay = "20 s" }]
"""


def test_a_site_says_what_it_does_otherwise_and_why(folder: Path) -> None:
    loaded = site(folder, RULE + CHANGE.replace(", fan_running = 5", ""))
    rule = loaded.site.rules["own-rule"]
    assert rule.overridden == "厂家整定"
    assert rule.when[0].limit == rule.ladder[0].when[0].limit == 4, "the same for longer follows"
    assert loaded.overrides == [
        Override("own-rule", "limits.temp_b.above", "3", "4", "厂家整定"),
        Override("own-rule", "ladder.2.limits.temp_b.above", "10", "12", "厂家整定"),
        Override("own-rule", "ladder.2.on_delay", "10 s", "20 s", "厂家整定"),
        Override("own-rule", "season", "11-15…03-15 20:00…08:00 days 1,6,7", "all year 09:00…10:00", "厂家整定"),
    ]


def test_a_point_compared_twice_must_be_named_with_its_comparison(folder: Path) -> None:
    with pytest.raises(SiteError, match=re.escape("write one of fan_running.runs、fan_running.starts")):
        site(folder, RULE + CHANGE)


def test_a_change_may_not_make_a_ladder_go_down(folder: Path) -> None:
    with pytest.raises(SiteError, match="rung 2 of the ladder is no graver"):
        site(folder, RULE + CHANGE.replace("= 4, fan_running = 5", "= 20").replace("temp_b = 12", "temp_b = 13"))


def test_a_disabled_rule_leaves_no_hole_where_it_was_named(folder: Path) -> None:
    text = '[[change]]\nid = "transformer-sensor-failed"\nreason = "无测温"\nenabled = false\n'
    loaded = site(folder, RULE + text)
    assert loaded.site.rules["own-rule"].suppressed_by == ()
    assert loaded.overrides == [Override("transformer-sensor-failed", "enabled", "true", "false", "无测温")]
