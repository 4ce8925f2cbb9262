"""What moves on a machine: a rung of a rule that comes true or no longer holds, and the word that moved it."""

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Transition:
    """A rung of a rule came true on a machine (`raised`), or no longer holds; rung 0 is the rule itself.

    `value` and `point` are of the first condition that decided. `device` and `scan_ms` name the scan that moved it;
    after a delay, the scan that started the delay. `at_ms` is strictly later than the one before of the same kind.
    """

    owner: str
    rule: str
    raised: bool
    at_ms: int
    value: float | None = None
    point: str = ""
    device: str = ""
    scan_ms: int = 0
    rung: int = 0


class Heard(NamedTuple):
    """What a scan is to those who judge, where there is none: the one that began what ends now."""

    device: str
    at_ms: int
    received_ms: int
