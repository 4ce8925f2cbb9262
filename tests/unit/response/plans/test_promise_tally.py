"""How often promises were kept: what counts, and what does not."""

from facility.records import IncidentOpened, Kind, Payload, PlanStarted, PromiseBroken, PromiseKept, Record
from response.plans.tally import Tallied, tally

MINUTE = 60_000


def record(minute: int, kind: Kind, incident: str, data: Payload) -> Record:
    return Record(minute * MINUTE, kind, f"incident:{incident}", data, request=f"{incident}/{kind}/{minute}")


def opened(minute: int, incident: str, plan: str = "hv-trip", *, machine: str = "hv-1", drill: str = "") -> Record:
    return record(minute, Kind.INCIDENT_OPENED, incident, IncidentOpened(plan, machine, 1, drill=drill))


def kept(minute: int, incident: str, promise: str, took: int) -> Record:
    return record(minute, Kind.PROMISE_KEPT, incident, PromiseKept(promise, minute * MINUTE, took * MINUTE))


def broken(minute: int, incident: str, promise: str) -> Record:
    return record(minute, Kind.PROMISE_BROKEN, incident, PromiseBroken(promise, minute * MINUTE))


def test_promises_of_the_contract_are_counted_over_all_plans_and_those_of_steps_by_plan():
    night = [
        opened(0, "1"), opened(0, "2", "power-loss"), opened(0, "3"),
        kept(4, "1", "electric_arrival", 4), kept(8, "2", "electric_arrival", 8), broken(10, "3", "electric_arrival"),
        kept(2, "1", "step/look", 2), kept(3, "2", "step/look", 3),
    ]  # fmt: skip
    assert tally(night, 0) == [
        Tallied("", "electric_arrival", 2, 1, 6 * MINUTE),
        Tallied("hv-trip", "step/look", 1, 0, 2 * MINUTE),
        Tallied("power-loss", "step/look", 1, 0, 3 * MINUTE),
    ]


def test_drills_other_machines_and_what_was_settled_before_do_not_count():
    night = [
        opened(0, "real"), opened(0, "drill", drill="paper"), opened(0, "lift", machine="lift-1"),
        kept(1, "real", "electric_arrival", 1), broken(9, "drill", "electric_arrival"),
        broken(9, "lift", "electric_arrival"), broken(9, "unknown", "electric_arrival"),
        broken(7, "real", "step/look"),
    ]  # fmt: skip
    found = tally(night, 5 * MINUTE, lambda machine: machine.startswith("hv"))
    assert found == [Tallied("hv-trip", "step/look", 0, 1, None)]


def test_a_bell_that_became_an_entrapment_counts_for_the_plan_that_ran():
    night = [
        opened(0, "1", "lift-bell"),
        record(1, Kind.PLAN_STARTED, "1", PlanStarted("lift-entrapment", "1")),
        kept(3, "1", "step/talk", 2),
    ]
    assert tally(night, 0) == [Tallied("lift-entrapment", "step/talk", 1, 0, 2 * MINUTE)]
