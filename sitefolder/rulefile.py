"""library/rules/*.toml and a site's rules.toml: alarms with all the fields that make them worth sounding."""

from typing import Literal

from pydantic import Field, model_validator

from facility.point import Kind
from facility.rule import AlarmClass, Condition, Priority, Rule, Rung, Start
from facility.text import Text
from sitefolder.conditionfile import ConditionTable
from sitefolder.duration import Duration
from sitefolder.finding import WordError
from sitefolder.ruleversion import version_of
from sitefolder.season import HoursTable, SeasonTable, season_of
from sitefolder.strict import Filled, Id, PointName, Strict, Words

PRIORITIES = {"life": Priority.LIFE, "high": Priority.HIGH, "medium": Priority.MEDIUM, "low": Priority.LOW}
PriorityWord = Literal["life", "high", "medium", "low"]
ClassWord = Literal["life-safety", "equipment", "comfort", "communication", "system"]
THIS = "this"
_EVENTS = "counts"
LIFE_SAFETY = "life-safety"


class RungTable(Strict):
    """[[rule.ladder]]: a graver form. Without conditions of its own it has those of the rule, for longer."""

    priority: PriorityWord
    when: list[ConditionTable] = Field(default_factory=list)
    any_of: list[ConditionTable] = Field(default_factory=list)
    on_delay: Duration | None = None


class RuleTable(Strict):
    """[[rule]]: all of `when`, and one of `any_of` where there are some, must hold for `on_delay`.

    `each` makes one rule per point from one text: { "<rule id>" = "<point>" }; conditions then say point = "this",
    and the point's name follows the rule's.
    """

    id: Id
    kind: Id
    name: Words
    when: list[ConditionTable] = Field(default_factory=list)
    any_of: list[ConditionTable] = Field(default_factory=list)
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
    ladder: list[RungTable] = Field(default_factory=list)
    latching: bool = False
    suppressed_by: list[Id] = Field(default_factory=list)
    season: SeasonTable | None = None
    hours: HoursTable | None = None
    only_while: Literal["out-of-use"] | None = None
    source: Filled

    @model_validator(mode="after")
    def _fits(self) -> "RuleTable":
        if not self.when and not self.any_of:
            raise WordError("至少要有一个条件：when 或 any_of", "needs at least one condition: when or any_of")
        if any(c.counts or c.silent for c in self.any_of):
            raise WordError("any_of 里不能用 counts、silent", "any_of takes neither counts nor silent")
        if self.ladder and any(c.counts for c in self.when):
            raise WordError("counts 每次都是一个报警，不能有 ladder", "every count is an alarm: it has no ladder")
        hidden = self.suppressed_by or self.season or self.hours or self.only_while
        if self.class_ == LIFE_SAFETY and hidden:
            raise WordError(
                "生命安全报警不得写 suppressed_by、season、hours、only_while",
                "a life-safety alarm takes no suppressed_by, season, hours or only_while",
            )
        return self

    def rules(self, kind: Kind | None, kinds: tuple[Kind, ...] = ()) -> list[Rule]:
        """Return it in the language of the facility; `kind` is None for rules about every device.

        Raises:
            WordError: a condition names a point or code that the kind does not have, or a rung is no graver.
        """
        if not self.each:
            return [self._rule(self.id, self.name.text(), None, kind, kinds)]
        out = []
        for rule, point in self.each.items():
            words = kind.points[point].text if kind and point in kind.points else Text(point, point)
            name = Text(f"{self.name.zh}（{words.zh}）", f"{self.name.en} ({words.en})")
            out.append(self._rule(rule, name, point, kind, kinds))
        return out

    def _rule(self, id: str, name: Text, this: str | None, kind: Kind | None, kinds: tuple[Kind, ...]) -> Rule:
        def meant(tables: list[ConditionTable]) -> tuple[Condition, ...]:
            said = [t.model_copy(update={"point": this}) if this and t.point == THIS else t for t in tables]
            return tuple(table.condition(kind, kinds) for table in said)

        when, any_of = meant(self.when), meant(self.any_of)
        ladder = tuple(
            Rung(
                PRIORITIES[rung.priority],
                meant(rung.when) if rung.when or rung.any_of else when,
                self.on_delay if rung.on_delay is None else rung.on_delay,
                meant(rung.any_of) if rung.when or rung.any_of else any_of,
            )
            for rung in self.ladder
        )
        priority = PRIORITIES[self.priority]
        for n, rung in enumerate(ladder, start=1):
            if rung.priority >= priority or any(c.compare == _EVENTS for c in (*rung.when, *rung.any_of)):
                raise WordError(
                    f"ladder 第 {n} 级必须比规则本身更严重，且不能用 counts",
                    f"rung {n} of the ladder must be graver than the rule itself, and takes no counts",
                )
            if (rung.when, rung.any_of, rung.on_delay_ms) == (when, any_of, self.on_delay):
                raise WordError(
                    f"ladder 第 {n} 级与规则本身相同：写 when 或更长的 on_delay",
                    f"rung {n} of the ladder is the rule itself: write when, or a longer on_delay",
                )
        return Rule(
            id=id,
            kind=self.kind,
            name=name,
            when=when,
            priority=priority,
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
            version=version_of(self.kind, when, self.on_delay, self.off_delay, any_of, ladder),
            any_of=any_of,
            ladder=ladder,
            latching=self.latching,
            suppressed_by=tuple(self.suppressed_by),
            season=season_of(self.season, self.hours),
            only_while=self.only_while or "",
        )
