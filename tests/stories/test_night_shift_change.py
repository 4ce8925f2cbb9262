"""A shift ends while an incident runs: it goes on by name, and whoever comes on duty hears of it once."""

from hypothesis import given, settings
from hypothesis import strategies as st
from night_shift import PEOPLE, ROSTER, Night, moment, site

from facility.duty import Leave
from facility.records import Kind
from response import duty

CALLED = {"zhao", "li", "zhou", "lift-co"}


def trapped_at(words: str) -> Night:
    return Night(start=words).alarm("lift-1a", "lift-trapped")


def test_who_accepted_stays_and_the_incoming_shift_is_told_once() -> None:
    night = trapped_at("07:50").accepts("zhao").at("07:58").arrives("zhao")
    night.at("07:59").within("2 min").pages("qian")
    (page,) = [r.data for r in night.told(Kind.PAGE_REQUESTED) if r.data.person == "qian"]  # type: ignore[attr-defined]
    assert not page.responder  # type: ignore[attr-defined]
    assert "交接班告知" in page.text  # type: ignore[attr-defined]
    assert "1 人已接单" in page.text  # type: ignore[attr-defined]
    assert list(night.incident.arrived) == ["zhao"]
    night.at("08:02").within("11 h").pages_nobody()
    night.within("3 h").pages_nobody()  # zhao's shift begins again: he knows


def test_new_rounds_go_to_the_new_shift() -> None:
    night = trapped_at("07:58:30")
    night.at("08:00:30").within("60 s")
    assert "qian" in night.paged(night.mark)
    assert "zhao" not in [r.data.person for r in night.told(Kind.PAGE_REQUESTED, moment("08:01"))]  # type: ignore[attr-defined]
    assert night.incident.called["qian"].responder


def test_who_was_only_told_can_be_called_in_the_place_of_whoever_declines_then() -> None:
    night = trapped_at("07:50").accepts("zhao").at("08:05").declines("zhao")
    night.within("1 s")
    assert "qian" in night.paged(night.mark)
    assert night.incident.called["qian"].responder


def test_a_restart_tells_nobody_twice() -> None:
    night = trapped_at("07:50").accepts("zhao").arrives("zhao").at("08:01")
    night.restart().at("08:02").within("1 h").pages_nobody()


def test_shifts_that_were_slept_through_are_not_told() -> None:
    night = trapped_at("07:50").accepts("zhao").arrives("zhao")
    night.now = night.mark = moment("+2 09:00")  # the service was down for two days
    night.restart()
    night.settle()
    assert set(night.paged(night.mark - 3_600_000)) == {"qian"}


def test_a_lesser_incident_waits_for_the_handover_sheet() -> None:
    night = Night(start="07:50").starts("communication-loss", place="roof")
    night.at("07:59").within("2 min").pages_nobody()


def test_who_was_not_called_so_far_up_is_not_told() -> None:
    away = (Leave("li", moment("00:00"), moment("05:00")),)
    night = Night(site(leaves=away), start="04:50").alarm("ch-1", "chiller-fault").accepts("chen").arrives("chen")
    night.at("04:59").within("2 min").pages_nobody()  # li's level was never reached


@settings(max_examples=60, deadline=None)
@given(st.sets(st.sampled_from([p.id for p in PEOPLE])), st.sampled_from(["lift-trapped", "hv-trip", "chiller-fault"]))
def test_fault_53_whoever_is_missing_somebody_is_paged_or_the_hole_is_said(gone: set[str], rule: str) -> None:
    away = tuple(Leave(id, moment("00:00"), moment("+3 00:00")) for id in sorted(gone))
    here = site(leaves=away)
    machine = {"lift-trapped": "lift-1a", "hv-trip": "f1", "chiller-fault": "ch-1"}[rule]
    night = Night(here).alarm(machine, rule)
    night.within("1 s")
    responders = [r.data for r in night.told(Kind.PAGE_REQUESTED) if r.data.responder]  # type: ignore[attr-defined]
    assert not gone & {page.person for page in responders}  # type: ignore[attr-defined]
    unfilled = {r.data.role for r in night.told(Kind.DUTY_UNFILLED)}  # type: ignore[attr-defined]
    assert responders or unfilled
    # A role of the first level that lacks its people is said at once, and the next level is called in that same moment.
    plan = here.plans[night.incident.plan]
    for call in plan.levels[0].calls:
        there = duty.choose(here, call, night.now, (), here.equipment[machine].card).people
        assert len(there) >= call.count or call.role in unfilled
    # It was no surprise: the check of the days before names the same hole.
    ahead = {hole.role for hole in duty.holes(here, moment("00:00"), moment("+3 00:00"))}
    for layer in ROSTER.layers:
        if {*layer.teams[0]} <= gone:
            assert layer.role in ahead
