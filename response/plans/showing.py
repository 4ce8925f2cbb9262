"""What telemetry shows of a plan's proofs, on the incident's machine or on those that a proof names."""

from collections.abc import Iterable, Iterator

from facility.equipment import point_id
from facility.plan import Proof
from facility.rule import Compare, Condition
from facility.scan import Reason
from facility.site import Site
from response.context import Read

Seen = tuple[int, str]
"""When it was shown, and in which words."""


def machines(site: Site, equipment: str, proof: Proof) -> tuple[str, ...]:
    """Return the machines on which a proof is looked for; see `Proof`."""
    if not proof.kind:
        return (equipment,)
    there = site.by_kind.get(proof.kind, ())
    up, down = site.supply.upstream(equipment), site.supply.downstream(equipment)
    related = tuple(
        m
        for m in there
        if m == equipment or m in up or m in down or up & site.supply.upstream(m) or down & site.supply.downstream(m)
    )
    return related or there


def points(site: Site, equipment: str, proofs: Iterable[Proof]) -> Iterator[str]:
    """Yield the site points whose readings may show it."""
    for proof in proofs:
        yield from (point_id(machine, proof.point) for machine in machines(site, equipment, proof))


def shown(site: Site, equipment: str, proofs: Iterable[Proof], read: Read) -> Seen | None:
    """Return when good readings showed all of it, and their words; None when they do not."""
    parts = [_shown(site, equipment, proof, read) for proof in proofs]
    seen = [part for part in parts if part is not None]
    if not parts or len(seen) < len(parts):
        return None
    return max(at for at, _ in seen), ", ".join(words for _, words in seen)


def blind(site: Site, equipment: str, proofs: Iterable[Proof], read: Read) -> bool:
    """Say whether telemetry cannot say: of a part of it, there is no machine with a good reading."""
    return any(not any(_good(site, equipment, proof, read)) for proof in proofs)


def heard(site: Site, equipment: str, proofs: Iterable[Proof], read: Read) -> bool:
    """Say whether every point of them has been read at all, since the service began."""
    return all(read(point) is not None for point in points(site, equipment, proofs))


def holds(condition: Condition, point: str, read: Read) -> Seen | None:
    """Return when a good reading of a point showed that a condition holds, and its words."""
    reading = read(point)
    if reading is None or reading[1] != Reason.GOOD:
        return None
    value, _, at = reading
    return (at, f"{condition.point}={value:g}") if _meets(condition, value) else None


def _good(site: Site, equipment: str, proof: Proof, read: Read) -> Iterator[bool]:
    for machine in machines(site, equipment, proof):
        reading = read(point_id(machine, proof.point))
        yield reading is not None and reading[1] == Reason.GOOD


def _shown(site: Site, equipment: str, proof: Proof, read: Read) -> Seen | None:
    of = machines(site, equipment, proof)
    looked = [(machine, holds(proof, point_id(machine, proof.point), read)) for machine in of]
    named = f"{proof.kind}: " if proof.kind else ""
    seen = [(at, f"{m} {words}" if named else words) for m, found in looked if found for at, words in (found,)]
    if not seen or (proof.every and len(seen) < len(looked)):
        return None
    return seen[0] if not proof.every else (max(at for at, _ in seen), ", ".join(words for _, words in seen))


def _meets(condition: Condition, value: float) -> bool:
    match condition.compare:
        case Compare.ABOVE:
            return value > condition.limit
        case Compare.BELOW:
            return value < condition.limit
        case Compare.IS:
            return value == condition.limit
        case Compare.IS_NOT:
            return value != condition.limit
        case _:  # what needs a history cannot be shown by one reading
            return False
