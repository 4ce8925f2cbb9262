"""The promises of an incident as the page lists them: each time one counted, kept, broken, or neither."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from facility.plan import LIFE_CLOCK
from facility.records import PromiseBroken, PromiseKept, Record
from response.incident import Incident

KEPT, BROKEN, PENDING, ENDED = "kept", "broken", "pending", "ended"


class Told(NamedTuple):
    """One counting of a promise; `took_ms` is 0 where it was not kept."""

    name: str
    by_ms: int
    limit_ms: int
    took_ms: int
    state: str


def told(incident: Incident, records: Iterable[Record]) -> list[Told]:
    """Return every counting of every promise by its limit; what was broken and then began anew stands there twice.

    `records` are the incident's; what they no longer show is taken from the incident.
    """
    found: dict[tuple[str, int], Told] = {}
    for record in records:
        match record.data:
            case PromiseKept(promise=name, by_ms=by, took_ms=took):
                found[name, by] = Told(name, by, by - (record.at_ms - took), took, KEPT)
            case PromiseBroken(promise=name, by_ms=by):
                found[name, by] = Told(name, by, _limit(incident, name, by), 0, BROKEN)
    for one in _standing(incident):
        found.setdefault((one.name, one.by_ms), one)
    return sorted(found.values(), key=lambda one: (one.by_ms, one.name))


def _standing(incident: Incident) -> Iterator[Told]:
    for name, promise in incident.promises.items():
        limit = _limit(incident, name, promise.by_ms)
        if promise.kept_ms is not None:
            yield Told(name, promise.by_ms, limit, promise.kept_ms - (promise.by_ms - limit), KEPT)
        else:
            runs = PENDING if incident.closed_ms is None else ENDED
            yield Told(name, promise.by_ms, limit, 0, runs if promise.broken_ms is None else BROKEN)


def _limit(incident: Incident, name: str, by_ms: int) -> int:
    """Return how long a promise had: as it was promised, else from when its clock began."""
    if name == LIFE_CLOCK and incident.claims.held_from_ms is not None:
        return by_ms - incident.claims.held_from_ms
    span = incident.spans.get(name) or incident.later.get(name)
    if span is not None:
        return span
    begun = incident.clock_ms or incident.opened_ms
    return by_ms - (begun if begun <= by_ms else incident.opened_ms)
