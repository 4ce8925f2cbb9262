"""How often promises were kept: counted from the log book, drills apart."""

from collections.abc import Callable, Iterable
from statistics import median
from typing import NamedTuple

from facility.records import IncidentOpened, Kind, PlanStarted, PromiseBroken, PromiseKept, Record
from response.plans.promise import is_step

KINDS = (Kind.INCIDENT_OPENED, Kind.PLAN_STARTED, Kind.PROMISE_KEPT, Kind.PROMISE_BROKEN)
"""What `tally` reads; an incident's opening may be long before its promises."""


class Tallied(NamedTuple):
    """One promise: a step's own belongs to a `plan`, the others ("") are the contract's. Times in milliseconds."""

    plan: str
    promise: str
    kept: int
    broken: int
    median_ms: int | None  # of those that were kept


def tally(records: Iterable[Record], from_ms: int, of: Callable[[str], bool] = lambda _: True) -> list[Tallied]:
    """Return every promise that was settled from a moment on, the most often broken first.

    `records` come oldest first, with the openings of their incidents; `of` says whether a machine counts.
    """
    plans: dict[str, str] = {}  # of the incidents that count
    took: dict[tuple[str, str], list[int]] = {}
    broken: dict[tuple[str, str], int] = {}
    for record in records:
        match record.data:
            case IncidentOpened(drill="") as opened if of(opened.equipment):
                plans[record.subject] = opened.plan
            case PlanStarted(plan=plan) if record.subject in plans:
                plans[record.subject] = plan
            case PromiseKept(promise=name) as kept if record.subject in plans and record.at_ms >= from_ms:
                took.setdefault(_key(plans[record.subject], name), []).append(kept.took_ms)
            case PromiseBroken(promise=name) if record.subject in plans and record.at_ms >= from_ms:
                key = _key(plans[record.subject], name)
                broken[key] = broken.get(key, 0) + 1
    found = [
        Tallied(*key, len(took.get(key, ())), broken.get(key, 0), int(median(took[key])) if key in took else None)
        for key in {**took, **broken}
    ]
    return sorted(found, key=lambda t: (-t.broken, t.plan, -t.kept, t.promise))


def _key(plan: str, promise: str) -> tuple[str, str]:
    return (plan if is_step(promise) else "", promise)
