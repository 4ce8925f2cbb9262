"""The promises of an incident: how they begin to count, stop, begin anew, and are kept."""

from collections.abc import Collection, Mapping

from msgspec.structs import replace

from facility import records
from facility.plan import LIFE_CLOCK
from facility.records import LevelReached, Payload
from response.incident import Incident, PromiseState


def is_settled(promise: PromiseState) -> bool:
    """Say whether a promise was kept or broken."""
    return promise.kept_ms is not None or promise.broken_ms is not None


def is_step(promise: str) -> bool:
    """Say whether a promise is a step's own, and not that somebody comes."""
    return promise.startswith("step/")


def kept(incident: Incident, names: Collection[str], at: int) -> list[Payload]:
    """Return that these promises were kept, for those of them that still run."""
    found: list[Payload] = []
    for name in dict.fromkeys(names):
        promise = incident.promises.get(name)
        if promise and not is_settled(promise) and incident.clock_ms is not None:
            since = incident.claims.held_from_ms if name == LIFE_CLOCK else incident.clock_ms
            found.append(records.PromiseKept(name, promise.by_ms, at - (since or incident.clock_ms)))
    return found


def promised(i: Incident, at: int, data: LevelReached) -> Mapping[str, PromiseState]:
    """Return the promises: nobody is expected while the pages wait for the day; when it grows worse, soon."""
    arrivals = {n: p for n, p in i.promises.items() if not is_step(n) and not is_settled(p) and n in i.spans}
    if data.why == "start" and data.from_ms > at:
        return {**i.promises, **{n: PromiseState(p.by_ms + data.from_ms - at) for n, p in arrivals.items()}}
    if data.why == "worse" and not data.from_ms:
        return {**i.promises, **{n: PromiseState(min(p.by_ms, at + i.spans[n])) for n, p in arrivals.items()}}
    return i.promises


def arrivals_from(i: Incident, at: int) -> Incident:
    """Promise once more that somebody comes; a promise that still runs from before is not put off."""
    anew = {
        n: PromiseState(at + span)
        for n, span in i.spans.items()
        if not is_step(n) and (n not in i.promises or is_settled(i.promises[n]))
    }
    return replace(i, clock_ms=at, promises={**i.promises, **anew})


def clock_from(i: Incident, at: int | None) -> Incident:
    """Let the promises count from this moment; None stops those that run."""
    settled = {n: p for n, p in i.promises.items() if is_settled(p)}
    running = {} if at is None else {n: PromiseState(at + span) for n, span in i.spans.items() if n not in settled}
    return replace(i, clock_ms=at, promises={**running, **settled})
