"""Work for two is not begun, and its calls do not end, with one; and only whoever is awaited signs an arrival."""

from dataclasses import replace

import pytest

from facility import commands as ask
from facility.commands import Refused
from facility.person import Channel, Party
from facility.plan import Call, Level, Step
from facility.records import Kind
from facility.rule import Priority
from tests.night_shift import ENTRAPMENT, HV, HV_TRIP, PEOPLE, Night, ms, person, site, text

FIRE = replace(
    HV_TRIP,
    levels=(Level((*HV_TRIP.levels[0].calls, Call("guard")), ms("2 min")), HV_TRIP.levels[1]),
)
RELAY = Step("relay", "electrician", text("read the relay"), after=("pair",), certificates=("hv-electrician",), crew=2)
WORKED = replace(HV_TRIP, steps=(*HV_TRIP.steps, RELAY))
FIRM = Party("chiller-co", text("chiller company"), ("chiller-company", "contractor"), (Channel("demo", "c"),), "402")


def tripped(plan=HV_TRIP, people=PEOPLE) -> Night:
    return Night(site(people=people, plans=(plan,))).at("02:13").alarm("sw-1", "hv-trip")


def test_one_electrician_s_acceptance_goes_on_calling_the_second() -> None:
    night = tripped().at("02:13:20").accepts("zheng")
    night.within("2 min").pages("wang", "wu", "power-co")
    night.at("02:16:10").accepts("wang").within("7 min").pages_nobody()


def test_a_guard_s_acceptance_silences_no_electrician() -> None:
    night = tripped(FIRE).at("02:13:20").accepts("wu")
    night.within("61 s").pages("zheng", "wang")


def test_a_second_electrician_whose_licence_has_run_out_does_not_make_the_pair() -> None:
    night = tripped().at("02:13:20").accepts("zheng").accepts("feng")
    night.within("61 s").pages("wang")


def test_the_pair_has_arrived_with_the_second_and_only_then_the_promise_is_kept() -> None:
    night = tripped().at("02:14").accepts("zheng").accepts("wang").at("02:18").arrives("zheng")
    assert night.incident.steps["pair"].state == "open"
    assert night.incident.promises["electric_arrival"].kept_ms is None
    night.at("02:20").arrives("wang")
    assert (night.incident.steps["pair"].state, night.incident.steps["pair"].by) == ("done", "zheng+wang")
    assert night.incident.promises["electric_arrival"].kept_ms == night.now


@pytest.mark.parametrize("who", ["wu", "feng", "li"])
def test_nobody_else_s_arrival_signs_it_or_keeps_its_promise(who: str) -> None:
    night = tripped(FIRE).at("02:14").accepts("zheng").arrives(who)
    assert "pair" not in night.incident.steps
    assert night.incident.promises["electric_arrival"].kept_ms is None
    said = night.does(ask.TickStep("user:op", night.request(), night.incident.id, "pair", who, heard=True))
    assert isinstance(said, Refused)


def test_who_holds_the_certificate_counts_whatever_his_role() -> None:
    chief = person("chief", "engineering-supervisor", certificates=(HV,))
    night = tripped(people=(*PEOPLE, chief)).at("02:14:05").accepts("zheng").arrives("zheng").arrives("chief")
    assert night.incident.steps["pair"].state == "done"
    night.within("9 min").pages_nobody()


def test_the_desk_says_who_has_arrived() -> None:
    night = tripped()
    said = night.does(ask.TickStep("user:op", night.request(), night.incident.id, "pair"))
    assert isinstance(said, Refused)
    assert "Name who has arrived" in said.why.en
    night.does(ask.TickStep("user:op", night.request(), night.incident.id, "pair", "zheng"))
    assert night.incident.arrived.keys() == {"zheng"}


def test_below_life_who_is_called_above_the_first_level_takes_it_in_hand() -> None:
    small = site(plans=(replace(HV_TRIP, priority=Priority.HIGH),))
    rules = {**small.rules, "hv-trip": replace(small.rules["hv-trip"], priority=Priority.HIGH)}
    night = Night(replace(small, rules=rules)).at("02:13").alarm("sw-1", "hv-trip").at("02:13:20").accepts("zheng")
    night.within("2 min").pages("wang", "wu", "power-co")
    night.at("02:15:30").accepts("wu").within("7 min").pages_nobody()


def test_where_only_one_arrives_the_contractor_makes_the_crew() -> None:
    night = Night(site(plans=(replace(ENTRAPMENT, steps=tuple(_for_two(s) for s in ENTRAPMENT.steps)),)))
    night.at("02:13").alarm("lift-1a", "lift-trapped").at("02:14").accepts("zhao").arrives("zhao")
    assert night.incident.steps["arrived"].state == "open"
    night.accepts("lift-co").arrives("lift-co")
    assert night.incident.steps["arrived"].state == "done"


def _for_two(step):
    return replace(step, persons=2) if step.arrival else step


def test_leaving_the_arrival_out_ends_no_calls_where_a_life_is_at_stake() -> None:
    night = tripped().at("02:13:20").accepts("zheng").skips("pair", "the other one is ill")
    night.within("61 s").pages("wang")
    assert [r.data.step for r in night.told(Kind.STEP_SKIPPED)] == ["pair"]


def test_below_life_leaving_the_arrival_out_ends_them_once_somebody_comes() -> None:
    small = site(plans=(replace(HV_TRIP, priority=Priority.HIGH),))
    rules = {**small.rules, "hv-trip": replace(small.rules["hv-trip"], priority=Priority.HIGH)}
    night = Night(replace(small, rules=rules)).at("02:13").alarm("sw-1", "hv-trip").at("02:13:20").accepts("zheng")
    night.skips("pair", "one is enough today").within("9 min").pages_nobody()


def test_the_contractor_of_other_machines_is_no_crew_on_this_one() -> None:
    """A site's firms may all be called contractors; whose machine it is, says its card."""
    for plan, machine, rule, step in (
        (ENTRAPMENT, "lift-1a", "lift-trapped", "arrived"),
        (HV_TRIP, "sw-1", "hv-trip", "pair"),
    ):
        place = site(plans=(plan,))
        place = replace(place, parties={**place.parties, FIRM.id: FIRM})
        night = Night(place).at("02:13").alarm(machine, rule)
        night.at("02:13:30").arrives("chiller-co")
        assert step not in night.incident.steps
        night.within("60 s").pages(*(("zhao", "lift-co") if machine == "lift-1a" else ("zheng", "wang")))


def test_who_has_finished_and_left_is_no_part_of_the_pair_at_work() -> None:
    night = tripped(WORKED).at("02:14").accepts("zheng").accepts("wang").at("02:18").arrives("zheng").arrives("wang")
    night.at("02:30").finishes("wang")
    said = night.does(ask.TickStep("user:op", night.request(), night.incident.id, RELAY.id, "zheng"))
    assert isinstance(said, Refused)
    assert "Secure, do not touch" in said.why.en
    night.at("02:40").arrives("wang").ticks(RELAY.id, "zheng")
