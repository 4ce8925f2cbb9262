"""library/rules/*.toml and a site's rules.toml: alarms with all the fields that make them worth sounding."""

import hashlib
from typing import Literal

from pydantic import Field

from facility.point import Kind
from facility.rule import AlarmClass, Condition, Priority, Rule, Start
from facility.text import Text
from sitefolder.conditionfile import ConditionTable
from sitefolder.duration import Duration
from sitefolder.strict import Filled, Id, Number, PointName, Strict, Words

PRIORITIES = {"life": Priority.LIFE, "high": Priority.HIGH, "medium": Priority.MEDIUM, "low": Priority.LOW}
PriorityWord = Literal["life", "high", "medium", "low"]
ClassWord = Literal["life-safety", "equipment", "comfort", "communication", "system"]
THIS = "this"


class RuleTable(Strict):
    """[[rule]]: all of `when` must hold for `on_delay`.

    `each` makes one rule per point from one text: { "<rule id>" = "<point>" }; conditions then say point = "this",
    and the point's name follows the rule's.
    """

    id: Id
    kind: Id
    name: Words
    when: list[ConditionTable] = Field(min_length=1)
    each: dict[Id, PointName] = Field(default_factory=dict)
    priority: PriorityWord
    class_: ClassWord = Field(alias="class")
    cause: Words
    consequence: Words
    first_action: Words
    respond: Duration
    plan: Id
    start: Literal["auto", "operator", "desk"]
    on_delay: Duration = 0
    off_delay: Duration = 0
    confirm: Duration = 60_000
    corroborates: list[Id] = Field(default_factory=list)
    source: Filled

    def rules(self, kind: Kind | None) -> list[Rule]:
        """Return it in the language of the facility; `kind` is None for rules about every device.

        Raises:
            WordError: a condition names a point or code that the kind does not have.
        """
        if not self.each:
            return [self._rule(self.id, self.name.text(), self.when, kind)]
        out = []
        for rule, point in self.each.items():
            when = [c.model_copy(update={"point": point}) if c.point == THIS else c for c in self.when]
            words = kind.points[point].text if kind and point in kind.points else Text(point, point)
            name = Text(f"{self.name.zh}（{words.zh}）", f"{self.name.en} ({words.en})")
            out.append(self._rule(rule, name, when, kind))
        return out

    def _rule(self, id: str, name: Text, when: list[ConditionTable], kind: Kind | None) -> Rule:
        conditions = tuple(table.condition(kind) for table in when)
        return Rule(
            id=id,
            kind=self.kind,
            name=name,
            when=conditions,
            priority=PRIORITIES[self.priority],
            class_=AlarmClass(self.class_),
            cause=self.cause.text(),
            consequence=self.consequence.text(),
            first_action=self.first_action.text(),
            respond_ms=self.respond,
            plan=self.plan,
            start=Start(self.start),
            on_delay_ms=self.on_delay,
            off_delay_ms=self.off_delay,
            confirm_ms=self.confirm,
            corroborates=tuple(self.corroborates),
            source=self.source,
            version=version_of(self.kind, conditions, self.on_delay, self.off_delay),
        )


class ChangeTable(Strict):
    """[[change]] in a site's rules.toml: what this site does otherwise than the library, and why."""

    id: Id
    reason: Filled
    enabled: bool = True
    priority: PriorityWord | None = None
    on_delay: Duration | None = None
    off_delay: Duration | None = None
    limits: dict[PointName, Number] = Field(default_factory=dict)


class RuleFile(Strict):
    """A file of rules; `change` only in a site's own."""

    rule: list[RuleTable] = Field(default_factory=list)
    change: list[ChangeTable] = Field(default_factory=list)


def version_of(kind: str, when: tuple[Condition, ...], on_delay_ms: int, off_delay_ms: int) -> str:
    """Return the hash of what decides: memory of another version is not used."""
    decides = repr((kind, when, on_delay_ms, off_delay_ms))
    return hashlib.sha256(decides.encode()).hexdigest()[:12]
