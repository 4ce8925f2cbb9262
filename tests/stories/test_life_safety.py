"""Whatever else happens in a flood: no alarm of a life in danger is muted, bundled with another, or late.

Nights that nobody wrote: trips, symptoms, silence and returns in any order, with people who answer, restarts, and
lifts that are found empty or not. The class of every rule that tells of a life is held against the library too.
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from building import demo_site
from hypothesis import example, given, settings
from hypothesis import strategies as st
from night_shift import CARD, MACHINES, RULES, Night, ms, rule, site, text

from facility import commands as ask
from facility import records
from facility.equipment import Device, Equipment
from facility.plan import Call, Level, Plan
from facility.records import Kind, Record
from facility.rule import AlarmClass, Priority, Start
from facility.site import Site
from facility.supply import Node, Role, Supply

LIFE = AlarmClass.LIFE_SAFETY
LIFTS = tuple(f"lift-{n}" for n in range(6))
FIRE = Plan(
    "fire", "v1", text("fire"), Priority.LIFE, LIFE, levels=(Level((Call("guard"), Call("leader-on-duty")), ms("1 min")),),
    steps=(), repeat_ms=ms("60 s"), arrival="", accept_expires_ms=ms("10 min"),
)  # fmt: skip
FLOOD = replace(FIRE, id="flood", priority=Priority.HIGH, class_=AlarmClass.EQUIPMENT)
"""A plan that is no life-safety plan: the class of the alarm decides, not that of its plan."""

LIVES = (
    *((lift, "lift-trapped") for lift in LIFTS),
    ("panel", "fire-signal"),
    ("room", "gas-leak"),
    ("pit", "pit-water"),
)
SYMPTOMS = (
    *((lift, name) for lift in LIFTS for name in ("lift-power-lost", "lift-fault-stop")),
    *((f"gw-{lift}", "communication-lost") for lift in LIFTS),
    ("ch-1", "chiller-fault"),
    ("pit", "pit-pump"),
    ("room", "room-dead"),
    ("f1", "hv-trip"),
)


def flood_site() -> Site:
    base = site()
    machines = (
        *MACHINES,
        *(Equipment(lift, "lift", text(lift), text("hall"), fed_by=("f1",), card=CARD) for lift in LIFTS),
        *(Equipment(id, id, text(id), text("cellar"), fed_by=("f1",)) for id in ("panel", "room", "pit")),
    )
    rules = (
        *(replace(r, start=Start.AUTO) if r.class_ is AlarmClass.COMMUNICATION else r for r in RULES),
        rule("fire-signal", "panel", "fire", Priority.LIFE, class_=LIFE),
        rule("gas-leak", "room", "fire", Priority.HIGH, class_=LIFE),
        rule("pit-water", "pit", "flood", Priority.HIGH, class_=LIFE),
        rule("pit-pump", "pit", "flood", Priority.HIGH),
        rule("room-dead", "room", "hv-trip", Priority.LIFE),  # graver than the gas, and another matter
    )
    plans = (*base.plans.values(), FIRE, FLOOD)
    kinds = {m.kind: replace(base.kinds["lift"], id=m.kind) for m in machines}
    return replace(
        base,
        kinds=kinds,
        equipment={m.id: m for m in machines},
        devices={f"gw-{i}": Device(f"gw-{i}", "p", "mqtt", 1000, ("a",), (f"{i}/door_zone",)) for i in LIFTS},
        rules={r.id: r for r in rules},
        plans={p.id: p for p in plans},
        supply=Supply({m.id: Node(m.id, Role.THROUGH, m.fed_by) for m in machines}),
    )


SITE = flood_site()

event = st.one_of(
    st.tuples(st.just("alarm"), st.sampled_from(LIVES)),
    st.tuples(st.just("alarm"), st.sampled_from(SYMPTOMS)),
    st.tuples(st.just("burst"), st.lists(st.sampled_from(LIVES + SYMPTOMS), min_size=2, max_size=12, unique=True)),
    st.tuples(st.just("clear"), st.sampled_from(LIVES + SYMPTOMS)),
    st.tuples(st.just("dark"), st.booleans()),
    st.tuples(st.just("accept"), st.integers(0, 5)),
    st.tuples(st.just("sweep"), st.sampled_from(("guard", "intercom", "trapped"))),
    st.tuples(st.just("restart"), st.none()),
)
script = st.lists(st.tuples(st.integers(0, 200_000), event), min_size=1, max_size=20)


def played(lines: list) -> Night:
    night = Night(SITE, "03:00")
    active: set[tuple[str, str]] = set()
    for wait, (what, which) in lines:
        night.play(night.now + wait)
        match what:
            case "alarm" | "burst":
                pairs = [which] if what == "alarm" else which
                fresh = [pair for pair in pairs if pair not in active]
                settle, night.settle = night.settle, lambda: None  # type: ignore[method-assign] # all in one turn
                for pair in fresh:
                    night.alarm(*pair)
                night.settle = settle  # type: ignore[method-assign]
                night.settle()
                active.update(fresh)
            case "clear" if which in active:
                active.discard(which)
                night.clears(*which)
            case "dark":
                night.without_power = "f1" if which else None
                night.settle()
            case "accept":
                for incident in list(night.incidents.open().values())[which : which + 1]:
                    for who in list(incident.called)[:1]:
                        night.does(ask.Accept(f"person:{who}", night.request(), incident.id, who))
            case "sweep":
                for incident in list(night.incidents.open().values()):
                    for lift in [i for i, swept in incident.sweep.items() if swept.cleared_ms is None][:1]:
                        night.does(ask.ClearLift("user:op", night.request(), incident.id, lift, which, "wu"))
            case "restart":
                night.restart()
                night.settle()
    night.play(night.now + 1)
    return night


def taken(night: Night, alarm: Record) -> Iterator[tuple[Record, str, str]]:
    """Yield what opened or joined with an alarm since it rose, and the incident's machine and plan."""
    of: dict[str, tuple[str, str]] = {}
    for record in night.log:
        if isinstance(record.data, records.IncidentOpened):
            of[record.subject] = record.data.equipment, record.data.plan
        if not isinstance(record.data, records.IncidentOpened | records.IncidentJoined):
            continue
        if record.data.alarm == alarm.subject and record.at_ms >= alarm.at_ms:
            yield record, *of[record.subject]


@given(script)
@settings(max_examples=60, deadline=None)
@example([(0, ("alarm", ("room", "room-dead"))), (1_000, ("alarm", ("room", "gas-leak")))])
@example([(0, ("dark", True)), (0, ("burst", [("f1", "hv-trip"), *LIVES, *SYMPTOMS[:8]]))])
@example(
    [
        (0, ("alarm", ("pit", "pit-pump"))),
        (0, ("dark", True)),
        (1, ("alarm", ("f1", "hv-trip"))),
        (1, ("alarm", ("pit", "pit-water"))),
    ]
)
@example(
    [
        (0, ("alarm", ("lift-0", "lift-power-lost"))),
        (0, ("dark", True)),
        (5, ("alarm", ("f1", "hv-trip"))),
        (5, ("alarm", ("lift-0", "lift-trapped"))),
    ]
)
def test_every_life_has_its_own_incident_and_its_page_at_once(lines: list) -> None:
    night = played(lines)
    raised = [
        r for r in night.told(Kind.ALARM_RAISED) if isinstance(r.data, records.AlarmRaised) and r.data.class_ == LIFE
    ]
    paged: dict[str, int] = {}
    for page in night.told(Kind.PAGE_REQUESTED):
        paged.setdefault(page.subject, page.at_ms)
    for alarm in raised:
        assert isinstance(alarm.data, records.AlarmRaised)
        found = list(taken(night, alarm))
        assert found, f"{alarm.subject} belongs nowhere"
        first, machine, matter = found[0]
        assert matter == SITE.rules[alarm.data.rule].plan, "bundled with another matter of its machine"
        assert machine == alarm.data.owner, "bundled with another machine's matter"
        assert first.at_ms == alarm.at_ms, "late"
        assert paged[first.subject] <= alarm.at_ms, "nobody was called at once"


@given(script)
@settings(max_examples=30, deadline=None)
def test_no_incident_with_a_life_in_it_is_closed_or_moved_by_itself(lines: list) -> None:
    night = played(lines)
    lives = {
        r.subject
        for r in night.log
        if isinstance(r.data, records.IncidentOpened | records.IncidentJoined)
        and r.data.alarm.rpartition("/")[2] in {rule for _, rule in LIVES}
    }
    assert not [r for r in night.told(Kind.INCIDENT_CLOSED) if r.subject in lives]


@given(script)
@settings(max_examples=40, deadline=None)
@example(
    [
        (0, ("burst", [("lift-0", "lift-power-lost"), ("lift-1", "lift-power-lost")])),
        (5, ("dark", True)),
        (5, ("alarm", ("f1", "hv-trip"))),
    ]
)
def test_no_lift_is_forgotten_when_its_incident_moves_to_the_cause(lines: list) -> None:
    night = played(lines)
    waits: dict[str, set[str]] = {}
    ever: dict[str, set[str]] = {}
    moved: list[tuple[str, set[str]]] = []
    for record in night.log:
        match record.data:
            case records.SweepListed(lift=lift):
                waits.setdefault(record.subject, set()).add(lift)
                ever.setdefault(record.subject, set()).add(lift)
            case records.SweepCleared(lift=lift):
                waits[record.subject].discard(lift)
            case records.IncidentClosed(into=into) if into:
                moved.append((f"incident:{into}", set(waits.get(record.subject, ()))))
    assert all(lifts <= ever.get(into, set()) for into, lifts in moved)


TELLS_OF_A_LIFE = {
    "lift-bell", "lift-trapped", "lift-trapped-code", "lift-trapped-event", "lift-unintended-movement",
    "fire-signal", "lift-fire-recall", "sf6-leak", "sf6-oxygen-low", "pit-water",
}  # fmt: skip


@pytest.mark.parametrize("id", sorted(TELLS_OF_A_LIFE))
def test_the_library_calls_it_life_safety_and_nothing_hides_it(id: str) -> None:
    found = demo_site().rules[id]
    assert found.class_ is LIFE
    assert not found.suppressed_by
    assert found.season is None
    assert not found.only_while


def test_what_starts_a_plan_for_a_life_is_life_safety() -> None:
    rules, plans = demo_site().rules.values(), demo_site().plans
    assert all(r.class_ is LIFE for r in rules if plans[r.plan].class_ is LIFE)
