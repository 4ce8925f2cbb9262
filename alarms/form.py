"""The rungs of a rule: the rule itself and its graver forms, each with all that must hold for it."""

from collections.abc import Callable
from dataclasses import dataclass

from facility.rule import Condition, Rule


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """One rung: the first `needed` of its conditions must all hold, and one of the others where there are some."""

    rule: Rule
    rung: int
    conditions: tuple[Condition, ...]
    needed: int
    on_delay_ms: int

    def read(self, there: Callable[[Condition], bool]) -> "Form | None":
        """Return it as it can be watched where only some points are read; None where it cannot.

        Of the conditions of which one is enough, those whose points are not read are left out.
        """
        needed, others = self.conditions[: self.needed], self.conditions[self.needed :]
        if not all(map(there, needed)):
            return None
        found = tuple(filter(there, others))
        if len(found) == len(others):
            return self
        return Form(self.rule, self.rung, (*needed, *found), self.needed, self.on_delay_ms) if found else None


def forms(rule: Rule) -> list[Form]:
    """Return the rungs of a rule; 0 is the rule itself."""
    conditions = [(rule.when, rule.any_of, rule.on_delay_ms)]
    conditions += [(rung.when, rung.any_of, rung.on_delay_ms) for rung in rule.ladder]
    return [
        Form(rule, n, (*when, *any_of), len(when), delay_ms)
        for n, (when, any_of, delay_ms) in enumerate(conditions)
        if when or any_of
    ]
