"""Plans played on simulators: every plan has its scenario, and one runs through with all its marks."""

import json
from pathlib import Path

import pytest
from building import DEMO, demo_site
from msgspec.structs import replace
from typer.testing import CliRunner

from dutyroom.cli import app
from dutyroom.drilling import play
from facility.records import Kind, PageRequested, StepDone
from response.incident import TELEMETRY, Incident, Signature
from response.plans.proven import unproven
from simulators import playbook
from simulators.playbook import PlaybookError

DAY = "2026-11-24"


@pytest.mark.parametrize("plan", sorted(demo_site().plans))
def test_every_plan_has_a_scenario_that_fits_it(plan: str) -> None:
    book = playbook.read(plan)
    machine = playbook.machine_for(demo_site(), book)
    steps = {step.id: step for step in demo_site().plans[plan].steps}
    assert {event.after for event in book.events} - {""} <= steps.keys()
    assert all(playbook.target(demo_site(), event, machine) for event in book.events)
    for step, answer in book.answers.items():
        assert answer in {a.id for a in steps[step].answers}
    staged = [(e.fault, e.on) for e in book.events if not e.restore]
    assert staged == [(e.fault, e.on) for e in book.events if e.restore]  # whatever happens is put right


def test_an_entrapment_is_played_from_the_bell_to_its_end() -> None:
    played = play(demo_site(), "lift-entrapment", "lift-2b", DAY)
    assert played.machine == "lift-2b"
    assert (played.trouble, played.broken, played.refused) == ("", [], [])
    pages = [r.data for r in played.records if isinstance(r.data, PageRequested)]
    assert pages
    assert all(page.text.startswith("【演练】") for page in pages)
    incident = played.folded()
    assert incident is not None
    assert len(incident.steps["freed"].signatures) == 2
    assert len({s.by for s in incident.steps["freed"].signatures}) == 2
    assert played.records[-1].kind is Kind.INCIDENT_CLOSED


def signed(incident: Incident, step: str, *who: str) -> Incident:
    said = incident.steps[step]
    by = tuple(Signature(w, said.at_ms) for w in who)
    return replace(incident, steps={**incident.steps, step: replace(said, signatures=by)})


def test_a_drill_fails_where_a_step_was_signed_by_the_wrong_people_or_by_nobody() -> None:
    site = demo_site()
    played = play(site, "hv-trip", "", DAY)
    incident, plan = played.folded(), site.plans["hv-trip"]
    assert played.trouble == ""
    assert incident is not None
    pair = sorted(s.by for s in incident.steps["pair-arrived"].signatures)

    def no(step: str, *who: str) -> list[str]:
        return list(unproven(signed(incident, step, *who), plan, site))

    guard = next(p for p in site.people.values() if p.roles == ("guard",)).id
    assert no("pair-arrived", *pair) == []
    assert no("pair-arrived", pair[0]) == ["pair-arrived: too few of its crew signed"]
    assert no("pair-arrived", pair[0], guard) == ["pair-arrived: too few of its crew signed"]
    assert no("isolate", pair[0], pair[0]) == ["isolate: too few of its crew signed"]
    assert no("find-cause", "op") == ["find-cause: signed by op, which is nobody's name"]
    assert no("find-cause", guard) == [f"find-cause: signed by {guard}: too few, or not its role"]
    assert no("find-cause", TELEMETRY) == ["find-cause: telemetry signed what it cannot see"]
    assert "freeze: not done" in unproven(replace(incident, steps={}), plan, site)


def test_steps_are_proven_by_the_simulated_machines() -> None:
    played = play(demo_site(), "fire-signal", "", DAY)
    assert played.trouble == ""
    assert any(isinstance(r.data, StepDone) and r.data.by == TELEMETRY for r in played.records)


def test_a_plan_without_a_scenario_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(PlaybookError, match="has no scenario"):
        playbook.read("lift-stop", tmp_path)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ('plan = "other"\nmachine = "lift"', "stands in the file of"),
        ('plan = "p"\nmachine = "lift"\nspeed = 2', "unknown: speed"),
        ('plan = "p"\nmachine = "lift"\n[[event]]\nstage = "x"', "event 1 needs at or after"),
        ('plan = "p"\nmachine = "lift"\n[times]\nlunch = "1 h"', "unknown: lunch"),
    ],
)
def test_what_is_wrong_with_a_scenario_is_said(tmp_path: Path, words: str, why: str) -> None:
    (tmp_path / "p.toml").write_text(words, encoding="utf-8")
    with pytest.raises(PlaybookError, match=why):
        playbook.read("p", tmp_path)


def test_the_command_line_says_what_happened() -> None:
    said = CliRunner().invoke(app, ["drill", str(DEMO), "permit-overdue", "--day", DAY, "--json"])
    assert said.exit_code == 0, said.output
    *records, drill = [json.loads(line) for line in said.output.splitlines()]
    assert drill["ok"]
    assert records[0]["kind"] == "incident.opened"
    assert records[0]["data"]["drill"] == "simulators"
    assert CliRunner().invoke(app, ["drill", str(DEMO), "nonsense"]).exit_code == 2
