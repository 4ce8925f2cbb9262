"""The language of plans: what it can say, and that every mistake in it is named where it stands."""

from pathlib import Path

import pytest

from facility.gaps import filled
from facility.plan import LIFE_CLOCK, Answer, Branch, Plan
from facility.rule import Compare
from facility.text import Text
from sitefolder.document import read
from sitefolder.finding import Problems
from sitefolder.library import Library, read_library
from sitefolder.planreading import read_plan

LIBRARY = Path(__file__).parents[3] / "library"

PLAN = """
name = { zh = "困人", en = "trapped" }
priority = "life"
class = "life-safety"
kinds = ["lift"]
arrival = "lift_arrival"
repeat = "60 s"
accept_expires = "10 min"
source = "this test"

[[level]]
within = "2 min"
calls = [{ role = "lift-technician" }]

[[step]]
id = "judge"
role = "operator"
text = { zh = "问", en = "ask" }
asks = { zh = "有人吗？", en = "Is somebody inside?" }
answers = [{ id = "inside", zh = "有人", en = "yes" }, { id = "empty", zh = "没人", en = "no" }]

[[step]]
id = "free"
role = "lift-technician"
text = { zh = "救", en = "free" }
when = { step = "judge", is = ["inside"] }
certificates = ["lift-technician"]
crew = 2
persons = 2

[[step]]
id = "watch"
role = "operator"
text = { zh = "看", en = "watch" }
from = "free"
promise = "15 min"
proof = [
    { point = "doors_closed", is = "closed" },
    { point = "running", is = "running", on = "genset", every = true },
]
stable = "15 min"

[[step]]
id = "regulator"
role = "leader-on-duty"
text = { zh = "报", en = "report" }
from = "life-clock"
promise = "1 h"

[step.report]
to = { zh = "市场监管", en = "market regulator" }
to_role = "leader-on-duty"
text = { zh = "{site}{place}，{opened}起，{answer:judge}", en = "{site} {place} since {opened}, {answer:judge}" }

[[close]]
text = { zh = "门已开", en = "doors open" }
proof = [{ point = "doors_closed", is = "open" }]

[false_alarm]
needs = 2
kinds = ["voice", "camera"]
proof = [{ point = "door_zone", is = "level" }]

[life_clock]
moves = { point = "running", is = "running" }
span = "2 h"
until = "free"
warn = ["1 h", "30 min"]

[hold]
after = "free"
until = { zh = "试运行签字", en = "signed test run" }
"""


@pytest.fixture(scope="module")
def library() -> Library:
    return read_library(LIBRARY, Problems())


def plan_of(text: str, library: Library, folder: Path) -> tuple[Plan | None, Problems]:
    problems = Problems()
    path = folder / "our-plan.toml"
    path.write_text(text, encoding="utf-8")
    document = read(path, path.name, problems)
    return (read_plan(document, "our-plan", library) if document else None), problems


def test_a_plan_says_all_that_a_plan_can_say(library: Library, tmp_path: Path) -> None:
    plan, problems = plan_of(PLAN, library, tmp_path)
    assert plan is not None, [str(f) for f in problems.errors]
    judge, free, watch, regulator = plan.steps
    assert judge.asks == Text("有人吗？", "Is somebody inside?")
    assert judge.answers == (Answer("inside", Text("有人", "yes")), Answer("empty", Text("没人", "no")))
    assert (free.when, free.crew) == ((Branch("judge", ("inside",)),), 2)
    assert (watch.since, watch.promise_ms, watch.stable_ms) == ("free", 900_000, 900_000)
    own, other = watch.proof
    assert (own.point, own.compare, own.limit, own.kind) == ("doors_closed", Compare.IS, 1.0, "")
    assert (other.kind, other.every) == ("genset", True)
    assert regulator.since == LIFE_CLOCK
    assert regulator.report is not None
    assert regulator.report.role == "leader-on-duty"
    assert plan.close[0].proof[0].limit == 0.0
    assert plan.false_alarm is not None
    assert (plan.false_alarm.needs, plan.false_alarm.kinds) == (2, ("voice", "camera"))
    assert plan.life_clock is not None
    assert (plan.life_clock.span_ms, plan.life_clock.warn_ms) == (7_200_000, (1_800_000, 3_600_000))
    assert plan.hold is not None
    assert plan.hold.until.en == "signed test run"


@pytest.mark.parametrize(
    ("old", "new", "place", "says"),
    [
        ('is = ["inside"]', 'is = ["outside"]', "step.free.when", "has no answer outside, only empty, inside"),
        ('when = { step = "judge"', 'when = { step = "guess"', "step.free.when", "no step guess"),
        ('when = { step = "judge"', 'when = { step = "watch"', "step.free.when", "asks nothing"),
        ('text = { zh = "问", en = "ask" }', 'text = { zh = "问", en = "ask" }\nafter = ["free"]', "step", "wait for each"),
        ('from = "free"', 'from = "flee"', "step.watch.from", "no step flee"),
        ('asks = { zh = "有人吗？", en = "Is somebody inside?" }', "", "step.judge", "stand together"),
        (', { id = "empty", zh = "没人", en = "no" }]', "]", "step.judge", "two or more"),
        ("crew = 2\n", "crew = 12\n", "step.free.crew", "greater than 9"),
        ('on = "genset"', 'on = "engine"', "step.watch.proof", "no kind engine"),
        ('on = "genset", ', "", "step.watch.proof", "every goes with on"),
        ('{answer:judge}"', '{answer:watch}"', "step.regulator.report", "no step watch that asks"),
        ("since {opened}", "since {opening}", "step.regulator.report", "no gap {opening}"),
        ('to_role = "leader-on-duty"', 'to_role = "king"', "step.regulator.report", "no role king"),
        ('until = "free"', 'until = "flee"', "life_clock.until", "no step flee"),
        ('after = "free"', 'after = "flee"', "hold.after", "no step flee"),
        ('moves = { point = "running", is = "running" }', 'moves = { point = "walking", is = 1 }', "life_clock.moves", "walking"),
        ('warn = ["1 h"', 'warn = ["3 h"', "life_clock", "before the span"),
        ("needs = 2", "needs = 4", "false_alarm", "more confirmations than"),
        ('point = "door_zone"', 'point = "zone"', "false_alarm.proof", "no point zone"),
        ('is = "open" }]', 'is = "ajar" }]', "close.0.proof", "no code ajar"),
    ],
)  # fmt: skip
def test_what_a_plan_cannot_mean_is_named(
    library: Library, tmp_path: Path, old: str, new: str, place: str, says: str
) -> None:
    assert old in PLAN
    plan, problems = plan_of(PLAN.replace(old, new), library, tmp_path)
    assert plan is None
    assert any(f.place == place and says in f.text.en for f in problems.errors), [str(f) for f in problems.errors]


def test_a_step_from_the_life_clock_needs_one(library: Library, tmp_path: Path) -> None:
    text = PLAN[: PLAN.index("[life_clock]")] + PLAN[PLAN.index("[hold]") :]
    _, problems = plan_of(text, library, tmp_path)
    assert any("no [life_clock]" in f.text.en for f in problems.errors)


def test_what_nobody_knows_reads_unknown() -> None:
    known = {"site": "嘉园"}
    assert filled("{site}，{people}人", lambda gap: known.get(gap, ""), "不详") == "嘉园，不详人"
