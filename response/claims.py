"""What people and telemetry claim of an incident beside its steps: false alarm, close gate, life clock."""

from collections.abc import Mapping

from msgspec import Struct, field
from msgspec.structs import replace

from facility.records import (
    CloseOverridden,
    CloseSaid,
    FalseAlarmSaid,
    LifeClockSet,
    LifeClockWarned,
    Payload,
    ProofLost,
    ProofShown,
)


class Claim(Struct, frozen=True):
    """Somebody's word: how it is known (of a false alarm), by whom, when."""

    how: str
    by: str
    at_ms: int
    note: str = ""


class Claims(Struct, frozen=True):
    """All that was claimed; `false_ms` says since when there is enough to call it a false alarm."""

    false: tuple[Claim, ...] = ()
    false_ms: int | None = None
    closing: Mapping[int, tuple[Claim, ...]] = field(default_factory=dict)  # check of the close gate -> who says it
    overridden: Claim | None = None
    held_from_ms: int | None = None  # the life clock counts from here
    shown: Mapping[str, int] = field(default_factory=dict)  # what must last -> since when telemetry has shown it
    warned: frozenset[int] = frozenset()  # milliseconds after which its people were told


NONE = Claims()
Claiming = FalseAlarmSaid | CloseSaid | CloseOverridden | LifeClockSet | LifeClockWarned | ProofShown | ProofLost


def tell(claims: Claims, at: int, actor: str, data: Payload) -> Claims:  # noqa: PLR0911 - one case per kind
    """Return the claims after one more record."""
    match data:
        case FalseAlarmSaid(how=how, by=by, note=note, enough=enough):
            since = at if enough and claims.false_ms is None else claims.false_ms
            return replace(claims, false=(*claims.false, Claim(how, by, at, note)), false_ms=since)
        case CloseSaid(check=check, by=by, note=note):
            said = (*claims.closing.get(check, ()), Claim("", by, at, note))
            return replace(claims, closing={**claims.closing, check: said})
        case CloseOverridden(reason=reason):
            return replace(claims, overridden=Claim("", actor, at, reason))
        case LifeClockSet(from_ms=from_ms):
            return replace(claims, held_from_ms=from_ms, warned=frozenset())
        case LifeClockWarned(after_ms=after):
            return replace(claims, warned=claims.warned | {after})
        case ProofShown(what=what, since_ms=since):
            return replace(claims, shown={**claims.shown, what: since})
        case ProofLost(what=what):
            return replace(claims, shown={w: at for w, at in claims.shown.items() if w != what})
    return claims


def asked_anew(claims: Claims) -> Claims:
    """Return the claims when it happens again: nobody's word on the last time counts for this one."""
    if not (claims.false or claims.closing or claims.overridden):
        return claims
    return replace(claims, false=(), false_ms=None, closing={}, overridden=None)
