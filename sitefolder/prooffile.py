"""What telemetry must show, as plans write it: { point = "running", is = "running", on = "genset" }."""

from collections.abc import Mapping

from facility.plan import Proof
from facility.point import Kind
from facility.rule import Compare, Condition
from sitefolder.conditionfile import ConditionTable
from sitefolder.finding import WordError
from sitefolder.strict import Id

AT_A_GLANCE = frozenset({Compare.ABOVE, Compare.BELOW, Compare.IS, Compare.IS_NOT})
"""What one good reading can show."""


class ProofTable(ConditionTable):
    """A condition that one good reading can show, on the incident's machine.

    `on` looks instead at the machines of that kind which feed it, are fed by it or share its supply: one of them is
    enough, with `every = true` all must show it.
    """

    on: Id | None = None
    every: bool = False

    def proof(self, machine: Kind | None, kinds: Mapping[str, Kind]) -> Proof:
        """Return it in the language of the facility; `machine` is what the plan is for.

        Raises:
            WordError: there is no such kind, point or code, or it cannot be seen at a glance.
        """
        if self.on is not None and self.on not in kinds:
            raise WordError(f"没有设备类型 {self.on}", f"there is no kind {self.on}")
        if self.every and self.on is None:
            raise WordError("every 只和 on 一起用", "every goes with on only")
        c = glance(self, kinds[self.on] if self.on else machine)
        return Proof(c.point, c.compare, c.limit, c.deadband, kind=self.on or "", every=self.every)


def glance(table: ConditionTable, kind: Kind | None) -> Condition:
    """Return a condition that one reading can show.

    Raises:
        WordError: there is no such point or code, or one reading cannot show it.
    """
    found = table.condition(kind)
    if found.compare not in AT_A_GLANCE or found.other or found.of:
        raise WordError(
            "proof 只能用 above、below、is、is_not，且不带 other、of",
            "a proof takes above, below, is and is_not only, without other and of",
        )
    return found
