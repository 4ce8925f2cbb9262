"""Who took the power away: a small site with two feeders, a tie, an ATS and a genset; and which line is dead."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_site import SILENCE, above, below, counts, is_, is_not, rule, site

from alarms.cause import Causes, cause, symptom
from facility.rule import AlarmClass

LIFE = AlarmClass.LIFE_SAFETY

TRAPPED = rule("lift-trapped", "lift", is_("occupied", 1), is_("running", 0), class_=LIFE)
STOPPED = rule("lift-fault-stop", "lift", is_not("fault_code", 0))
POWER_LOST = rule("lift-power-lost", "lift", is_("power_source", 1))
MOTOR_HOT = rule("lift-motor-hot", "lift", above("temperature", 90))
CHILLER = rule("chiller-trip", "chiller", is_("alarm", 1))
TRIP = rule("hv-trip", "switchgear", is_("trip", 1))
OPENED = rule("hv-breaker-opened", "switchgear", is_("breaker_closed", 0))
SPRING = rule("spring-not-charged", "switchgear", is_("spring_charged", 0))
HOT = rule("transformer-hot", "transformer", above("temp_a", 130))
UNDER = rule("undervoltage", "lv_meter", below("v_ab", 340))
GENSET = rule("genset-fault", "genset", is_("fault", 1))
TRANSFERRED = rule("ats-on-emergency", "ats", is_("position", 2))
PIT = rule("pit-water", "pit", is_("water_high", 1))
RULES = (
    TRAPPED,
    STOPPED,
    POWER_LOST,
    MOTOR_HOT,
    CHILLER,
    TRIP,
    OPENED,
    SPRING,
    HOT,
    UNDER,
    GENSET,
    TRANSFERRED,
    PIT,
    SILENCE,
)

MACHINES = {
    "utility": "utility",
    "genset": "genset",
    "incomer": "switchgear",
    "bus": "busbar",
    "feeder-1": "switchgear",
    "feeder-2": "switchgear",
    "t1": "transformer",
    "t2": "transformer",
    "meter-1": "lv_meter",
    "lv-1": "busbar",
    "lv-2": "busbar",
    "tie": "rmu",
    "ats": "ats",
    "lift-1": "lift",
    "lift-2": "lift",
    "chiller": "chiller",
    "pit": "pit",
}
FED_BY = {
    "incomer": ["utility"],
    "bus": ["incomer"],
    "feeder-1": ["bus"],
    "feeder-2": ["bus"],
    "t1": ["feeder-1"],
    "t2": ["feeder-2"],
    "meter-1": ["t1"],
    "lv-1": ["meter-1", "tie"],
    "lv-2": ["t2", "tie"],
    "tie": ["lv-1", "lv-2"],
    "lift-1": ["lv-1"],
    "chiller": ["lv-1"],
    "ats": ["lv-1", "genset"],
    "lift-2": ["ats"],
}
DEVICES = {"gw-1": ["lift-1/running"], "relay-1": ["feeder-1/trip"], "di": ["lift-1/bell", "pit/water_high"]}
SITE = site(MACHINES, DEVICES, *RULES, fed_by=FED_BY)
for name, conducts in {"switchgear": "breaker_closed", "rmu": "switch_closed", "genset": "running"}.items():
    object.__setattr__(SITE.kinds[name], "conducts", conducts)
object.__setattr__(SITE.kinds["ats"], "selects", "position")

NORMAL = {"utility": 1, "genset": 0, "incomer": 1, "feeder-1": 1, "feeder-2": 1, "tie": 0, "ats": 1}


def why(owner, rule, active, **positions):
    positions = {**NORMAL, **{k.replace("_", "-"): v for k, v in positions.items()}}
    return cause(SITE, owner, rule, {k: frozenset(v.split()) for k, v in active.items()}, positions.get)


TRIPPED = {"feeder-1": "hv-trip hv-breaker-opened"}


@pytest.mark.parametrize(
    ("owner", "rule"),
    [
        ("lift-1", "lift-fault-stop"),
        ("lift-1", "lift-power-lost"),
        ("chiller", "chiller-trip"),
        ("gw-1", "communication-lost"),
        ("meter-1", "undervoltage"),
    ],
)
def test_a_tripped_feeder_explains_what_stands_still_behind_it(owner, rule):
    assert why(owner, rule, TRIPPED, feeder_1=0) == "feeder-1"


@pytest.mark.parametrize("rule", ["lift-trapped", "lift-motor-hot", "hv-trip", "no-such-rule"])
def test_it_explains_no_trapped_person_and_no_fault_of_its_own(rule):
    assert why("lift-1", rule, TRIPPED, feeder_1=0) is None


def test_who_still_has_power_has_no_such_cause():
    assert why("lift-1", "lift-fault-stop", TRIPPED, feeder_1=0, tie=1) is None
    assert why("lift-2", "lift-fault-stop", TRIPPED, feeder_1=0, ats=2, genset=1) is None
    assert why("lift-2", "lift-fault-stop", TRIPPED, feeder_1=0) == "feeder-1"


def test_what_took_the_power_from_its_first_source_is_why_an_ats_went_over():
    assert why("ats", "ats-on-emergency", TRIPPED, feeder_1=0, ats=2, genset=1) == "feeder-1"
    assert why("ats", "ats-on-emergency", {"meter-1": "undervoltage"}, ats=2, genset=1) == "meter-1"
    assert why("ats", "ats-on-emergency", {"feeder-2": "hv-trip"}, feeder_2=0, ats=2, genset=1) is None
    assert why("ats", "ats-on-emergency", TRIPPED, feeder_1=0, tie=1, ats=2, genset=1) is None


def test_another_feeder_explains_nothing():
    assert why("lift-1", "lift-fault-stop", {"feeder-2": "hv-trip"}, feeder_2=0) is None
    assert why("lift-1", "lift-fault-stop", {"feeder-2": "hv-trip"}, feeder_2=0, feeder_1=0) is None


def test_the_first_out_is_the_most_upstream():
    active = {**TRIPPED, "incomer": "hv-trip", "meter-1": "undervoltage"}
    assert why("lift-1", "lift-fault-stop", active, feeder_1=0, incomer=0) == "incomer"
    assert why("feeder-1", "communication-lost", active, feeder_1=0, incomer=0) == "incomer"


def test_the_normal_source_comes_before_the_genset_that_failed_to_replace_it():
    active = {**TRIPPED, "genset": "genset-fault"}
    assert why("lift-2", "lift-fault-stop", active, feeder_1=0) == "feeder-1"
    assert why("lift-2", "lift-fault-stop", active, feeder_1=0, ats=2) == "feeder-1"


def test_a_trip_whose_breaker_nobody_can_read_counts_as_open():
    assert why("lift-1", "lift-fault-stop", {"feeder-1": "hv-trip"}, feeder_1=None) == "feeder-1"


def test_a_breaker_that_did_not_open_took_nothing_away():
    assert why("lift-1", "lift-fault-stop", {"feeder-1": "hv-trip"}, feeder_1=1) is None


def test_a_lost_utility_shows_as_undervoltage():
    assert why("lift-1", "lift-fault-stop", {"meter-1": "undervoltage"}, utility=None) == "meter-1"
    assert why("lift-1", "lift-fault-stop", {"meter-1": "undervoltage"}, tie=1) is None


def test_heat_or_a_spring_takes_no_power_away():
    assert why("lift-1", "lift-fault-stop", {"t1": "transformer-hot"}) is None
    assert why("lift-1", "lift-fault-stop", {"t1": "transformer-hot"}, feeder_1=0) is None
    assert why("lift-1", "lift-fault-stop", {"feeder-1": "spring-not-charged"}, feeder_1=0) is None


def test_a_silent_relay_takes_no_power_away():
    assert why("lift-1", "lift-fault-stop", {"relay-1": "communication-lost"}, feeder_1=None) is None


def test_an_ats_that_nobody_can_read_may_have_been_left_dead():
    assert why("lift-2", "lift-fault-stop", TRIPPED, feeder_1=0, ats=None, genset=1) == "feeder-1"
    assert why("lift-2", "lift-fault-stop", TRIPPED, feeder_1=0, ats=None, tie=1, genset=1) is None


def test_nothing_came_through_a_tie_that_simply_stood_open():
    assert why("lift-1", "lift-fault-stop", {"feeder-2": "hv-trip"}, feeder_1=0, feeder_2=0) is None
    assert why("lift-1", "lift-fault-stop", {"feeder-2": "hv-trip"}, feeder_1=0, feeder_2=0, tie=1) == "feeder-2"


def test_a_module_that_also_speaks_for_the_dead_is_explained_by_them():
    assert why("di", "communication-lost", TRIPPED, feeder_1=0) == "feeder-1"


def test_a_module_of_which_one_machine_has_power_is_explained_by_no_loss():
    both = replace(SITE.devices["di"], id="both", points=("lift-1/bell", "lift-2/bell"))
    here = replace(SITE, devices={**SITE.devices, "both": both})
    active = {"feeder-1": frozenset(TRIPPED["feeder-1"].split())}

    def asked(**positions):
        return cause(here, "both", "communication-lost", active, {**NORMAL, "feeder-1": 0, **positions}.get)

    assert asked(ats=2, genset=1) is None
    assert asked() == "feeder-1"


def test_what_is_not_in_the_supply_graph_has_no_cause_there():
    assert why("pit", "pit-water", TRIPPED, feeder_1=0) is None
    assert cause(site({"lift-1": "lift"}, {}, STOPPED), "lift-1", "lift-fault-stop", {}, lambda _: None) is None


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (SILENCE, True),
        (STOPPED, True),
        (POWER_LOST, True),
        (CHILLER, True),
        (UNDER, True),
        (TRAPPED, False),
        (MOTOR_HOT, False),
        (TRIP, False),
        (OPENED, False),
        (HOT, False),
        (PIT, False),
        (GENSET, False),
        (rule("bell", "lift", counts("bell")), False),
        (rule("deaf", "device", class_=LIFE), False),
    ],
    ids=lambda v: v.id if hasattr(v, "id") else None,
)
def test_symptoms(rule, expected):
    assert symptom(rule) is expected


OWNERS = [*MACHINES, *DEVICES]
STANDING = st.dictionaries(st.sampled_from(list(NORMAL)), st.sampled_from([None, 0, 1, 2]))
ACTIVE = st.dictionaries(st.sampled_from(OWNERS), st.frozensets(st.sampled_from([r.id for r in RULES])))


@settings(deadline=None)
@given(st.sampled_from(OWNERS), st.sampled_from(RULES), ACTIVE, STANDING)
def test_whatever_is_named_is_upstream_and_in_alarm_and_guards_no_life(owner, rule, active, positions):
    positions = {**NORMAL, **positions}
    found = Causes(SITE, active, positions.get).of(owner, rule.id)
    if found is None:
        return
    machines = [owner] if owner in MACHINES else [p.rpartition("/")[0] for p in DEVICES[owner]]
    assert any(found in SITE.supply.upstream(m) for m in machines if m in SITE.supply.nodes)
    assert active[found] & {"hv-trip", "hv-breaker-opened", "undervoltage", "genset-fault"}
    assert rule.class_ is not LIFE


LINES = {"a1": "a", "a2": "a", "a3": "a", "b1": "b", "b2": "b", "c1": "c", "c2": "c"}
_WIRED = site({"lift-1": "lift"}, {d: ["lift-1/running"] for d in LINES}, STOPPED, SILENCE)
WIRED = replace(_WIRED, devices={d: replace(v, line=LINES[d]) for d, v in _WIRED.devices.items()})


def first_silent(**seconds):
    """For each device, silent since that second: whom it is put down to."""
    active = {d: frozenset({SILENCE.id}) for d in seconds}
    since = {(d, SILENCE.id): s * 1_000 for d, s in seconds.items()}
    causes = Causes(WIRED, active, lambda _: None, since)
    return {d: found for d in LINES if (found := causes.of(d, SILENCE.id))}


def test_a_device_that_is_silent_alone_has_no_cause_but_its_own():
    assert first_silent(a1=0) == {}
    assert first_silent(a1=0, b1=0) == {}


def test_a_silent_line_is_named_by_its_first_device():
    assert first_silent(a2=0, a1=3, a3=30) == {"a1": "a2", "a3": "a2"}
    assert first_silent(a2=5, a1=5) == {"a2": "a1"}


def test_who_was_silent_long_before_is_not_the_line():
    assert first_silent(a1=0, a2=62) == {}
    assert first_silent(a1=0, a2=86_400, a3=86_401) == {"a3": "a2"}


def test_two_dead_lines_within_a_minute_are_the_network():
    assert first_silent(b1=0, b2=1, c2=4, c1=5) == dict.fromkeys(("b2", "c1", "c2"), "b1")
    assert first_silent(b1=0, b2=1, c2=4, c1=5, a3=30) == dict.fromkeys(("a3", "b2", "c1", "c2"), "b1")


def test_three_lines_that_lose_devices_within_a_minute_are_the_network():
    assert first_silent(a1=0, b1=2, c1=4) == dict.fromkeys(("b1", "c1"), "a1")
    assert first_silent(a1=0, b1=2, c1=120) == {}


def test_two_dead_lines_an_hour_apart_are_two_matters():
    assert first_silent(b1=0, b2=1, c2=3_600, c1=3_601) == {"b2": "b1", "c1": "c2"}


def test_one_dead_line_takes_no_other_along():
    assert first_silent(b1=0, b2=1, a1=2, a2=3) == {"b2": "b1", "a2": "a1"}


def test_a_silent_line_explains_no_other_alarm():
    since = {(d, SILENCE.id): 0 for d in LINES}
    active = {d: frozenset({SILENCE.id}) for d in LINES}
    assert Causes(WIRED, active, lambda _: None, since).of("lift-1", "lift-fault-stop") is None
    assert Causes(WIRED, active, lambda _: None).of("a2", SILENCE.id) is None


def test_lost_supply_comes_before_the_line():
    since = {("di", SILENCE.id): 0, ("gw-1", SILENCE.id): 1, ("feeder-1", TRIP.id): 2}
    tripped = {"feeder-1": frozenset({TRIP.id})}
    assert Causes(SITE, tripped, {**NORMAL, "feeder-1": 0}.get, since).of("gw-1", SILENCE.id) == "feeder-1"
    assert Causes(SITE, {}, NORMAL.get, since).of("gw-1", SILENCE.id) == "di"
