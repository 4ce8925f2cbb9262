"""Alarm rules: when something is wrong, why, what follows, and what to do first."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from facility.text import Text


class Priority(IntEnum):
    """How soon somebody must act."""

    LIFE = 1  # life or whole-site loss
    HIGH = 2  # service loss or imminent damage
    MEDIUM = 3  # degraded
    LOW = 4  # to be known


class AlarmClass(StrEnum):
    """What is at stake."""

    LIFE_SAFETY = "life-safety"
    EQUIPMENT = "equipment"
    COMFORT = "comfort"
    COMMUNICATION = "communication"
    SYSTEM = "system"


class Compare(StrEnum):
    """How a condition looks at its point."""

    ABOVE = "above"
    BELOW = "below"
    IS = "is"
    IS_NOT = "is_not"
    RISES = "rises"  # by more than `limit` within `window_ms`
    FALLS = "falls"  # by more than `limit` within `window_ms`
    COUNTS = "counts"  # an event counter went up: every count is an alarm of its own
    SILENT = "silent"  # the device was not reached; no point


class Start(StrEnum):
    """Who starts the plan."""

    AUTO = "auto"
    OPERATOR = "operator"  # the console offers it
    DESK = "desk"  # sounds at the desk first; pages when unanswered, confirmed or corroborated


@dataclass(frozen=True, slots=True)
class Condition:
    """One point compared with a limit; leaves only past `deadband` on the other side."""

    point: str
    compare: Compare
    limit: float = 0.0
    deadband: float = 0.0
    window_ms: int = 0


@dataclass(frozen=True, slots=True)
class Rule:
    """All of `when` must hold on one machine of `kind` for `on_delay_ms`.

    `kind` "device" means: every device (for communication loss). The rationalisation fields are mandatory
    (ISA-18.2, clause on rationalisation): without them an alarm only makes noise.
    """

    id: str
    kind: str
    name: Text
    when: tuple[Condition, ...]
    priority: Priority
    class_: AlarmClass
    cause: Text
    consequence: Text
    first_action: Text
    respond_ms: int
    plan: str
    start: Start
    on_delay_ms: int = 0
    off_delay_ms: int = 0
    confirm_ms: int = 60_000  # Start.DESK: how long the desk has
    corroborates: tuple[str, ...] = ()  # rules whose desk-stage incident this one confirms
    source: str = ""
    version: str = ""  # hash of what decides; memory of another version is not used
