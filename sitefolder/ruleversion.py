"""The version of a rule: a hash of what decides, so that the memory of another rule is not believed."""

import hashlib
from collections.abc import Sequence

from facility.rule import Condition, Rung


def version_of(
    kind: str,
    when: Sequence[Condition],
    on_delay_ms: int,
    off_delay_ms: int,
    any_of: Sequence[Condition] = (),
    ladder: Sequence[Rung] = (),
) -> str:
    """Return the hash of what decides.

    What a rule does not use is not said, so that a rule that stays as it is keeps its version, and its memory, when
    rules learn something new.
    """
    rungs = [(_all(rung.when), _all(rung.any_of), rung.on_delay_ms) for rung in ladder]
    said = f"({kind!r}, {_all(when)}, {on_delay_ms}, {off_delay_ms})"
    said += f" or {_all(any_of)}" if any_of else ""
    said += f" ladder {rungs}" if rungs else ""
    return hashlib.sha256(said.encode()).hexdigest()[:12]


def _all(conditions: Sequence[Condition]) -> str:
    said = ", ".join(map(_one, conditions))
    return f"({said},)" if len(conditions) == 1 else f"({said})"


def _one(condition: Condition) -> str:
    c = condition
    more = f", other={c.other!r}" if c.other else ""
    more += f", of={c.of!r}" if c.of else ""
    return (
        f"Condition(point={c.point!r}, compare={c.compare!r}, limit={c.limit!r}, deadband={c.deadband!r}, "
        f"window_ms={c.window_ms!r}{more})"
    )
