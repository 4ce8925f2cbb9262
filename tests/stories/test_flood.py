"""A thousand alarms in ten seconds: a 10 kV feeder trips under forty lifts, and a kill may come anywhere in it.

The quick form of `benchmarks.flood`: the same site, smaller, with the real desk and stores on a virtual clock.
"""

from collections import Counter
from pathlib import Path

import pytest
from building import Building

from benchmarks import floodsite
from benchmarks.floodsite import FIRST_OUT, RULES, VOLTAGES, Size, lift
from facility.records import Kind, Record
from facility.site import Site
from sitefolder import load

SIZE = Size(lifts=40, fed=4, panels=96)
TRAPPED = [lift(n) for n in (7, 19, 33)]
WELL = {"service_mode": 1, "running": 0, "doors_closed": 1, "occupied": 0, "power_source": 0, "safety_loop_open": 0}
DARK = {**WELL, "power_source": 1, "safety_loop_open": 1}
HELD = {**DARK, "occupied": 1, "fault_code": 71}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    ports = {"hv": 1, **{f"p{n:03}": 2 + n for n in range(SIZE.gateways)}}
    return load(floodsite.write(SIZE, tmp_path_factory.mktemp("flood"), ports, broker=1883, url="")).site


async def calm(folder: Path, site: Site) -> Building:
    night = await Building.open(folder, "03:00", site)
    for n in (1, 2):
        await night.reads(f"hv-f{n}", turn=False, breaker_closed=1, trip=0)
    for n in range(SIZE.panels):
        await night.reads(f"panel-{n:03}", turn=False, **dict.fromkeys(VOLTAGES, 400))
    for n in range(SIZE.lifts):
        await night.reads(lift(n), turn=False, **WELL)
    await night.until("03:01")
    assert not in_sight(night)
    return night


def in_sight(night: Building) -> list[Record]:
    """The alarms that somebody is to see; what means nothing here is in the book as well."""
    return [r for r in night.records(Kind.ALARM_RAISED) if not r.data.hidden]


async def relay_says_so(night: Building) -> None:
    await night.reads(FIRST_OUT, turn=False, breaker_closed=0, trip=1)


async def panels_say_so(night: Building) -> None:
    for n in range(SIZE.panels):
        await night.reads(f"panel-{n:03}", turn=False, **dict.fromkeys(VOLTAGES, 0))


async def lifts_say_so(night: Building) -> None:
    for id in SIZE.lost:
        await night.reads(id, turn=False, **(HELD if id in TRAPPED else DARK))


def all_is_true(night: Building) -> None:
    """Hold the book against what happened."""
    raised = [r.subject for r in in_sight(night)]
    assert len(raised) == len(set(raised)) > 1_000
    panels = {f"alarm:panel-{n:03}/panel-dead-{k}" for n in range(SIZE.panels) for k in range(RULES)}
    assert panels < set(raised), "everything is in the book"

    opened = {r.subject: r.data for r in night.records(Kind.INCIDENT_OPENED)}
    closed = {r.subject for r in night.records(Kind.INCIDENT_CLOSED)}
    left = {subject: data for subject, data in opened.items() if subject not in closed}
    causes = [subject for subject, data in left.items() if data.plan != "lift-entrapment"]
    assert [left[c].equipment for c in causes] == [FIRST_OUT], "one incident by topology, with the right first-out"

    own = {data.equipment: subject for subject, data in left.items() if data.plan == "lift-entrapment"}
    assert sorted(own) == TRAPPED
    paged = {r.subject: r for r in reversed(night.records(Kind.PAGE_REQUESTED))}
    told = {r.subject: r.at_ms for r in night.records(Kind.ALARM_RAISED)}
    for id, subject in own.items():
        assert paged[subject].at_ms == told[f"alarm:{id}/lift-trapped-code"], "a life waits for nothing"

    incident = night.desk.standing.incidents[causes[0].removeprefix("incident:")]
    assert set(incident.sweep) == set(SIZE.lost), "every lift without supply, and no other"
    assert {id for id, swept in incident.sweep.items() if swept.how == "trapped"} == set(TRAPPED)
    listed = Counter(r.data.lift for r in night.records(Kind.SWEEP_LISTED) if r.subject == causes[0])
    assert set(listed.values()) == {1}
    theirs = {a for i in night.desk.standing.incidents.values() for a in i.alarms}
    assert set(raised) <= theirs, "no alarm is left outside"
    assert night.book.verify().ok


ORDERS = {
    "the cause first": (relay_says_so, panels_say_so, lifts_say_so),
    "the cause last": (lifts_say_so, panels_say_so, relay_says_so),
    "the cause in the midst": (panels_say_so, relay_says_so, lifts_say_so),
}


@pytest.mark.parametrize("order", ORDERS)
async def test_a_thousand_alarms_are_one_incident_and_a_list_of_lifts(tmp_path: Path, site: Site, order: str) -> None:
    night = await calm(tmp_path, site)
    for said, at in zip(ORDERS[order], ("03:01:01", "03:01:02", "03:01:16"), strict=True):
        await said(night)
        await night.until(at)
    all_is_true(night)
    await night.close()


async def test_a_kill_between_the_trip_and_its_symptoms_and_another_among_them(tmp_path: Path, site: Site) -> None:
    night = await calm(tmp_path, site)
    await relay_says_so(night)
    await night.turn()
    assert set(night.incident.sweep) == set(SIZE.lost), "topology knows it at once"

    night = night.again()
    await night.turn()
    await panels_say_so(night)
    await lifts_say_so(night)
    await night.until("03:01:05")

    night = night.again()
    await night.until("03:01:16")
    all_is_true(night)
    await night.close()


async def test_a_lift_whose_own_switch_is_open_is_presumed_occupied_too(tmp_path: Path, site: Site) -> None:
    night = await calm(tmp_path, site)
    await night.reads(lift(0), **DARK)
    await night.until("03:01:05")
    assert {id: s.why for id, s in night.incident.sweep.items()} == {lift(0): "supply"}, "nobody upstream explains it"
    await night.until("03:01:30")
    assert [r.data.lift for r in night.records(Kind.SWEEP_LISTED)] == [lift(0)]
    await night.reads(lift(0), **{**WELL, "doors_closed": 0})
    await night.until("03:01:45")
    assert night.records(Kind.SWEEP_CLEARED)[0].data.how == "telemetry"
    await night.close()
