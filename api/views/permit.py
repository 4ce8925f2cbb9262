"""Permits, made from what the desk knows; and who may look at one."""

from collections.abc import Callable, Iterable

from api import labels
from api.shapes.permit import ExpectedAlarm, MachineCheck, PermitMachine, PermitShape, PlannedLift
from api.station import Station
from api.views.value import reading
from api.views.words import person, person_name, words
from api.who import Caller
from facility.records import permit_subject
from facility.site import Site
from facility.text import Text
from response.context import Read
from response.permits import outage
from response.permits.permit import ISSUED, OUT_OF_USE, POWER_CUT, Check, Permit


def sees_permit(caller: Caller, site: Site, permit: Permit) -> bool:
    """Whether a permit is within a caller's reach: it names him, or a machine that he may look at."""
    machines = caller.machines(site)
    named = bool(caller.person) and caller.person in {permit.holder, *permit.people}
    return machines is None or named or not machines.isdisjoint(permit.equipment)


def permit_shape(station: Station, permit: Permit) -> PermitShape:
    """Return a permit as it leaves."""
    site, hidden_by = station.site, permit_subject(permit.id)
    read = reading(station)
    cut = permit.work == POWER_CUT and permit.ended_ms is None
    stands = outage.position(site, lambda point: outage.value(read, point))
    expected = permit.expected
    if permit.work == POWER_CUT and permit.state == ISSUED:
        expected = outage.expected(site, permit.equipment, stands)
    lifts = outage.lifts(site, permit.equipment, stands) if cut else ()
    checked = permit.work != OUT_OF_USE and permit.why == "finished"
    return PermitShape(
        id=permit.id,
        work=permit.work,
        work_name=words(labels.label("work", permit.work)),
        state=permit.state,
        state_name=words(labels.label("permit_state", permit.state)),
        task=permit.task,
        number=permit.number,
        holder=person(site, permit.holder),
        people=[person(site, who) for who in permit.people],
        equipment=[_machine(site, permit, machine) for machine in permit.equipment],
        from_ms=permit.from_ms,
        until_ms=permit.until_ms,
        issued_ms=permit.issued_ms,
        issued_by=permit.issued_by,
        started_ms=permit.started_ms,
        overdue_ms=permit.overdue_ms,
        ended_ms=permit.ended_ms,
        why=permit.why,
        note=permit.note,
        extensions=list(permit.extensions),
        recheck_by_ms=permit.ended_ms + site.works.recheck_ms if checked and permit.ended_ms else None,
        expected=expected_shapes(site, expected),
        lifts=lift_shapes(site, dict.fromkeys((*lifts, *permit.parked)) if cut else (), read, permit.parked.get),
        hiding=sum(h.active and h.by == hidden_by for h in station.hiding()),
    )


def expected_shapes(site: Site, subjects: Iterable[str]) -> list[ExpectedAlarm]:
    """Return expected alarms with the names of machine and rule."""
    out: list[ExpectedAlarm] = []
    for subject in subjects:
        owner, _, rule = subject.removeprefix("alarm:").rpartition("/")
        name = site.rules[rule].name if rule in site.rules else Text(rule, rule)
        out.append(ExpectedAlarm(subject=subject, owner_name=words(site.owner_name(owner)), name=words(name)))
    return out


def lift_shapes(
    site: Site, lifts: Iterable[str], read: Read, signed: Callable[[str], Check | None]
) -> list[PlannedLift]:
    """Return the lifts that a cut stops, and whether they are known to be empty."""
    return [
        PlannedLift(
            id=lift,
            name=words(site.owner_name(lift)),
            parked=outage.parked(site, lift, read),
            signed=_check(site, signed(lift)),
        )
        for lift in lifts
    ]


def _machine(site: Site, permit: Permit, machine: str) -> PermitMachine:
    known = site.equipment.get(machine)
    place = known.place if known else Text("", "")
    check = _check(site, permit.checks.get(machine))
    return PermitMachine(id=machine, name=words(site.owner_name(machine)), place=words(place), check=check)


def _check(site: Site, check: Check | None) -> MachineCheck | None:
    if check is None:
        return None
    name = person_name(site, check.by)
    return MachineCheck(works=check.works, by=check.by, name=name, at_ms=check.at_ms, note=check.note)
