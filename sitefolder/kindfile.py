"""library/kinds/*.toml: what a kind of equipment is, and its canonical points."""

from typing import Literal

from pydantic import Field

from facility.point import Code, Kind, Point, PointType, System
from sitefolder.strict import Filled, Id, Number, PointName, Strict, Words


class CodeTable(Strict):
    """One value of a state or an enum: { value = 1, id = "up", zh = "上行", en = "up" }."""

    value: int
    id: Id
    zh: Filled
    en: Filled

    def code(self) -> Code:
        """Return it in the language of the facility."""
        return Code(self.value, self.id, Words(zh=self.zh, en=self.en).text())


class PointTable(Strict):
    """One [points.<name>]: text, type, unit, the range that is physically possible, codes."""

    zh: Filled
    en: Filled
    type: Literal["number", "state", "enum", "counter"] = "number"
    unit: str = ""
    low: Number | None = None
    high: Number | None = None
    decimals: int = Field(default=1, ge=0, le=6)
    codes: list[CodeTable] = Field(default_factory=list)

    def point(self, name: str) -> Point:
        """Return it in the language of the facility."""
        return Point(
            name=name,
            text=Words(zh=self.zh, en=self.en).text(),
            type=PointType(self.type),
            unit=self.unit,
            low=self.low,
            high=self.high,
            decimals=self.decimals if self.type in ("number", "counter") else 0,
            codes=tuple(code.code() for code in self.codes),
        )


class KindFile(Strict):
    """A file of library/kinds; the id is the name of the file."""

    name: Words
    system: Literal["lift", "hvac", "power", "fire", "water", "system"]
    source: Filled
    supplies: bool = False
    conducts: PointName | None = None
    selects: PointName | None = None
    points: dict[PointName, PointTable] = Field(default_factory=dict)

    def kind(self, id: str) -> Kind:
        """Return it in the language of the facility."""
        return Kind(
            id=id,
            text=self.name.text(),
            system=System(self.system),
            points={name: table.point(name) for name, table in self.points.items()},
            conducts=self.conducts,
            selects=self.selects,
            source=self.source,
            supplies=self.supplies,
        )
