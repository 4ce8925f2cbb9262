"""Whatever answers are given in whatever order: an incident can always be finished, and never before all is done."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from night_shift import ENTRAPMENT, Night, site, text

from facility import commands as ask
from facility.commands import Refused
from facility.plan import Answer, Branch, Plan, Step
from response.plans import plan as steps

ANSWERS = ("yes", "no")
NAMES = tuple("abcdef")


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Return a plan whose steps ask, branch and wait for steps before them, as deep as it goes."""
    made: list[Step] = []
    for name in NAMES[: draw(st.integers(2, 6))]:
        earlier = [s.id for s in made]
        asking = [s.id for s in made if s.answers]
        after = draw(st.lists(st.sampled_from(earlier), unique=True, max_size=2)) if earlier else []
        of = draw(st.lists(st.sampled_from(asking), unique=True, max_size=2)) if asking else []
        when = tuple(Branch(s, tuple(draw(st.sets(st.sampled_from(ANSWERS), min_size=1)))) for s in of)
        asks = draw(st.booleans())
        made.append(
            Step(
                name, "operator", text(name), 60_000, mandatory=draw(st.booleans()), after=tuple(after), when=when,
                since=draw(st.sampled_from(["", *earlier])), asks=text("?"),
                answers=tuple(Answer(a, text(a)) for a in ANSWERS) if asks else (),
            )
        )  # fmt: skip
    return replace(ENTRAPMENT, steps=tuple(made), stable_ms=0)


press = st.tuples(st.sampled_from(NAMES), st.sampled_from(("tick", "skip")), st.sampled_from(("", *ANSWERS)))


@settings(max_examples=40, deadline=None)
@given(plans(), st.lists(press, max_size=10))
def test_an_incident_can_always_be_finished_and_never_too_early(plan: Plan, presses: list) -> None:
    night = Night(site(plans=(plan,))).at("02:00").alarm("lift-1a", "lift-trapped").accepts("zhao")
    night.clears("lift-1a", "lift-trapped")
    for step, what, answer in presses:
        _press(night, step, what, answer)
        night.play(night.now + 40_000)
        _closes_only_when_done(night, plan)
        if not night.incidents.open():
            return
    for _ in plan.steps:  # whoever goes through the list from top to bottom comes to its end
        for step in plan.steps:
            _press(night, step.id, "tick", "yes" if step.answers else "")
    night.play(night.now + 40_000)
    _closes_only_when_done(night, plan)
    assert not night.incidents.open()


def _press(night: Night, step: str, what: str, answer: str) -> None:
    incident = night.incident.id
    if what == "tick":
        night.does(ask.TickStep("user:op", night.request(), incident, step, answer=answer))
    else:
        night.does(ask.SkipStep("user:op", night.request(), incident, step, "no"))


def _closes_only_when_done(night: Night, plan: Plan) -> None:
    incident = night.incident
    unfinished = [s.id for s in plan.steps if s.mandatory and steps.state(incident, plan, s) in {"open", "waiting"}]
    said = night.does(ask.CloseIncident("user:op", night.request(), incident.id, "done"))
    assert isinstance(said, Refused) == bool(unfinished), (unfinished, said)
