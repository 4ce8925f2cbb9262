"""A condition as rules and plans write it: { point = "temp_b", above = 130, deadband = 10 }."""

from collections.abc import Iterable, Mapping
from typing import Literal

from pydantic import Field, model_validator

from facility.point import Kind
from facility.rule import Compare, Condition
from sitefolder.duration import Duration
from sitefolder.finding import WordError
from sitefolder.strict import Number, PointName, Strict

_WORDS = ("above", "below", "is", "is_not", "rises", "falls", "flat", "runs", "starts")
_NEED_WITHIN = frozenset({"rises", "falls", "flat", "starts"})
_TAKE_OTHER = frozenset({"above", "below"})


class ConditionTable(Strict):
    """Exactly one comparison.

    `is` and `is_not` take a number or the id of one of the point's codes; `rises`, `falls`, `flat` and `starts` need
    `within`; `runs` counts hours; `silent = true`, `counts = true` and `missing = true` stand alone. With `other`,
    `above` and `below` compare the point less that one. `of = "supply"` looks at the nearest machine upstream.
    """

    point: PointName | None = None
    above: Number | None = None
    below: Number | None = None
    is_: Number | str | None = Field(default=None, alias="is")
    is_not: Number | str | None = None
    rises: Number | None = None
    falls: Number | None = None
    flat: Number | None = Field(default=None, ge=0)
    runs: Number | None = Field(default=None, ge=0)
    starts: int | None = Field(default=None, ge=0, le=1000)
    counts: bool = False
    silent: bool = False
    missing: bool = False
    deadband: Number = Field(default=0.0, ge=0)
    within: Duration = 0
    other: PointName | None = None
    of: Literal["supply"] | None = None

    @model_validator(mode="after")
    def _one_comparison(self) -> "ConditionTable":
        given = [word for word in _WORDS if self._limit(word) is not None]
        given += ["counts"] * self.counts + ["silent"] * self.silent + ["missing"] * self.missing
        if len(given) != 1:
            words = (*_WORDS, "counts", "silent", "missing")
            raise WordError(
                f"一个条件只能有一种比较：{'、'.join(words)}", f"a condition has exactly one of {', '.join(words)}"
            )
        word = given[0]
        if (self.point is None) is not self.silent:
            raise WordError(
                "除 silent 外每个条件都要写 point；silent 不写", "every condition but silent names a point; silent none"
            )
        if (word in _NEED_WITHIN) is not bool(self.within):
            raise WordError(
                "rises、falls、flat、starts 必须写 within，其他不写",
                "rises, falls, flat and starts need within; no other takes it",
            )
        if self.other is not None and word not in _TAKE_OTHER:
            raise WordError("other 只能和 above、below 一起用", "other goes with above or below only")
        if self.of is not None and word in ("silent", "counts"):
            raise WordError("of 不能和 silent、counts 一起用", "of does not go with silent or counts")
        return self

    def _limit(self, word: str) -> float | str | None:
        found: float | str | None = getattr(self, "is_" if word == "is" else word)
        return found

    def condition(self, kind: Kind | None, kinds: Iterable[Kind] = ()) -> Condition:
        """Return it in the language of the facility; `kinds` are all there are, for what looks upstream.

        Raises:
            WordError: the kind has no such point, or the point no such code.
        """
        if self.silent:
            return Condition("", Compare.SILENT)
        point = self.point or ""
        owners = [kind] if kind is not None and self.of is None else []
        if self.of is not None:
            owners = [k for k in kinds if point in k.points and (self.other is None or self.other in k.points)]
            if not owners:
                raise WordError(f"没有任何设备类型有点位 {point}", f"no kind has a point {point}")
        for name in (point, self.other):
            for owner in owners:
                if name is not None and name not in owner.points:
                    raise WordError(
                        f"{owner.text.zh}（{owner.id}）没有点位 {name}", f"kind {owner.id} has no point {name}"
                    )
        if self.counts or self.missing:
            return Condition(point, Compare.COUNTS if self.counts else Compare.MISSING, of=self.of or "")
        word = next(word for word in _WORDS if self._limit(word) is not None)
        limit = self._number(word, point, owners)
        return Condition(point, Compare(word), limit, self.deadband, self.within, self.other or "", self.of or "")

    def _number(self, word: str, point: str, owners: Iterable[Kind]) -> float:
        limit = self._limit(word)
        if not isinstance(limit, str):
            return float(limit or 0)
        codes: list[Mapping[str, int]] = [{code.id: code.value for code in k.points[point].codes} for k in owners]
        meant = {known[limit] for known in codes if limit in known}
        if not meant:
            raise WordError(f"点位 {point} 没有代码 {limit}", f"point {point} has no code {limit}")
        if len(meant) > 1:
            raise WordError(
                f"代码 {limit} 在各类设备的 {point} 中数值不同，请写数字",
                f"{limit} is another number in each kind that has {point}: write the number",
            )
        return float(meant.pop())
