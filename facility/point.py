"""Points, and the kinds of equipment that have them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from facility.text import Text


class System(StrEnum):
    """Which trade looks after it."""

    LIFT = "lift"
    HVAC = "hvac"
    POWER = "power"
    FIRE = "fire"
    WATER = "water"
    SYSTEM = "system"


class PointType(StrEnum):
    """How a value is to be read."""

    NUMBER = "number"
    STATE = "state"  # 0 or 1
    ENUM = "enum"  # one of `codes`
    COUNTER = "counter"  # only rises


@dataclass(frozen=True, slots=True)
class Code:
    """One value of an enum point (or the 0 and 1 of a state): its number, ASCII id and label."""

    value: int
    id: str
    name: Text


@dataclass(frozen=True, slots=True)
class Point:
    """A canonical point of a kind, e.g. `door_open` of a lift.

    A value outside `low..high` (in `unit`) is physically impossible and becomes bad.
    """

    name: str
    text: Text
    type: PointType = PointType.NUMBER
    unit: str = ""
    low: float | None = None
    high: float | None = None
    decimals: int = 1
    codes: tuple[Code, ...] = ()


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of equipment.

    `conducts` names the state point that says a switch is closed; `selects` the enum point that says
    which of the `fed_by` sources an ATS stands on (1 = first). A kind with neither passes power through.
    One that `supplies` is a source; its `conducts` point says whether it is live.
    """

    id: str
    text: Text
    system: System
    points: Mapping[str, Point] = field(default_factory=dict)
    conducts: str | None = None
    selects: str | None = None
    source: str = ""
    supplies: bool = False
