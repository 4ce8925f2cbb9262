"""How fast and how often a plan calls: its own times, and never slower than life asks for where one is at stake."""

from typing import NamedTuple

from facility.plan import Plan
from facility.rule import Priority
from response.incident import Incident

LIFE_LEVEL_MS, LIFE_REPEAT_MS, LIFE_EXPIRY_MS = 120_000, 60_000, 600_000
"""Next level, repeat, and acceptance without arrival, where a life is at stake; defaults of this product."""

REPEATS = 3
"""Below life, nobody is asked more often than this on one level; for a life it is rung until somebody comes."""


class Pace(NamedTuple):
    """Milliseconds to the next level, from one round to the next, and from an acceptance to its expiry."""

    level_ms: int
    repeat_ms: int
    expiry_ms: int


def pace(incident: Incident, plan: Plan, level: int) -> Pace:
    """Return the plan's times on a level; a plan that is written for less is hurried when a life is at stake.

    A plan for life has the times that its site gave it.
    """
    own = Pace(plan.levels[level].within_ms, plan.repeat_ms, plan.accept_expires_ms)
    if not incident.life or plan.priority == Priority.LIFE:
        return own
    return Pace(
        min(own.level_ms, LIFE_LEVEL_MS),
        min(own.repeat_ms or LIFE_REPEAT_MS, LIFE_REPEAT_MS),
        min(own.expiry_ms, LIFE_EXPIRY_MS),
    )
