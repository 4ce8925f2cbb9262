"""Promises of an incident that are kept."""

from collections.abc import Collection

from facility import records
from facility.plan import LIFE_CLOCK
from facility.records import Payload
from response.incident import Incident


def kept(incident: Incident, names: Collection[str], at: int) -> list[Payload]:
    """Return that these promises were kept, for those of them that still run."""
    found: list[Payload] = []
    for name in dict.fromkeys(names):
        promise = incident.promises.get(name)
        if promise and promise.kept_ms is None and promise.broken_ms is None and incident.clock_ms is not None:
            since = incident.claims.held_from_ms if name == LIFE_CLOCK else incident.clock_ms
            found.append(records.PromiseKept(name, promise.by_ms, at - (since or incident.clock_ms)))
    return found
