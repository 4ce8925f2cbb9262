"""A condition as rules and plans write it: { point = "temp_b", above = 130, deadband = 10 }."""

from collections.abc import Mapping

from pydantic import Field, model_validator

from facility.point import Kind
from facility.rule import Compare, Condition
from sitefolder.duration import Duration
from sitefolder.finding import WordError
from sitefolder.strict import Number, PointName, Strict

_WORDS = ("above", "below", "is", "is_not", "rises", "falls")


class ConditionTable(Strict):
    """Exactly one comparison.

    `is` and `is_not` take a number or the id of one of the point's codes; `rises` and `falls` need `within`;
    `silent = true` and `counts = true` stand alone.
    """

    point: PointName | None = None
    above: Number | None = None
    below: Number | None = None
    is_: Number | str | None = Field(default=None, alias="is")
    is_not: Number | str | None = None
    rises: Number | None = None
    falls: Number | None = None
    counts: bool = False
    silent: bool = False
    deadband: Number = Field(default=0.0, ge=0)
    within: Duration = 0

    @model_validator(mode="after")
    def _one_comparison(self) -> "ConditionTable":
        given = [word for word in _WORDS if self._limit(word) is not None]
        given += ["counts"] * self.counts + ["silent"] * self.silent
        if len(given) != 1:
            raise WordError(
                "一个条件只能有一种比较：above、below、is、is_not、rises、falls、counts、silent",
                "a condition has exactly one of above, below, is, is_not, rises, falls, counts, silent",
            )
        if (self.point is None) is not self.silent:
            raise WordError(
                "除 silent 外每个条件都要写 point；silent 不写", "every condition but silent names a point; silent none"
            )
        if (given[0] in ("rises", "falls")) is not bool(self.within):
            raise WordError("rises、falls 必须写 within，其他不写", "rises and falls need within; no other takes it")
        return self

    def _limit(self, word: str) -> float | str | None:
        found: float | str | None = getattr(self, "is_" if word == "is" else word)
        return found

    def condition(self, kind: Kind | None) -> Condition:
        """Return it in the language of the facility.

        Raises:
            WordError: the kind has no such point, or the point no such code.
        """
        if self.silent:
            return Condition("", Compare.SILENT)
        point = self.point or ""
        if kind is not None and point not in kind.points:
            raise WordError(f"{kind.text.zh}（{kind.id}）没有点位 {point}", f"kind {kind.id} has no point {point}")
        if self.counts:
            return Condition(point, Compare.COUNTS)
        word = next(word for word in _WORDS if self._limit(word) is not None)
        return Condition(point, Compare(word), self._number(word, point, kind), self.deadband, self.within)

    def _number(self, word: str, point: str, kind: Kind | None) -> float:
        limit = self._limit(word)
        if not isinstance(limit, str):
            return float(limit or 0)
        codes: Mapping[str, int] = {code.id: code.value for code in kind.points[point].codes} if kind else {}
        if limit not in codes:
            raise WordError(f"点位 {point} 没有代码 {limit}", f"point {point} has no code {limit}")
        return float(codes[limit])
