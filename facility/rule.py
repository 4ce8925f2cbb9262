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
    FLAT = "flat"  # moves by no more than `limit` for `window_ms`, while it is read
    MISSING = "missing"  # its device answers, and this point has no good value
    RUNS = "runs"  # was on (not 0) for more than `limit` hours since it was last reset
    STARTS = "starts"  # went on more than `limit` times within `window_ms`


class Start(StrEnum):
    """Who starts the plan."""

    AUTO = "auto"
    OPERATOR = "operator"  # the console offers it
    DESK = "desk"  # sounds at the desk first; pages when unanswered, confirmed or corroborated


@dataclass(frozen=True, slots=True)
class Condition:
    """One point compared with a limit; leaves only past `deadband` on the other side.

    With `other`, what is compared is the point less that one (two points of one machine). `of` "supply" looks at the
    nearest machine upstream that has the point, instead of at the rule's own.
    """

    point: str
    compare: Compare
    limit: float = 0.0
    deadband: float = 0.0
    window_ms: int = 0
    other: str = ""
    of: str = ""


@dataclass(frozen=True, slots=True)
class Rung:
    """A graver form of a rule: more is wrong, or it has been wrong for longer."""

    priority: Priority
    when: tuple[Condition, ...]
    on_delay_ms: int = 0
    any_of: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Season:
    """When in the year, the week and the day a rule means anything; outside of it its alarm is suppressed by design.

    `from_day` and `to_day` are (month, day), both included, and may pass over the year's end; None: all year.
    `from_minute` and `to_minute` count from local midnight, and may pass over it; both 0: all day. `days` are ISO
    week days (1 Monday), empty: all.
    """

    from_day: tuple[int, int] | None = None
    to_day: tuple[int, int] | None = None
    from_minute: int = 0
    to_minute: int = 0
    days: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """All of `when`, and one of `any_of` where there are some, must hold on one machine of `kind` for `on_delay_ms`.

    `ladder` are its graver forms: the alarm stands while the rule itself or one of them holds, with the priority of
    the gravest. A `latching` alarm that cleared waits for a reset. While an alarm of `suppressed_by` (rules of the
    same machine) is active, or outside of `season`, it is recorded and disturbs nobody; life-safety never is.

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
    any_of: tuple[Condition, ...] = ()
    ladder: tuple[Rung, ...] = ()
    latching: bool = False
    suppressed_by: tuple[str, ...] = ()
    season: Season | None = None
    only_while: str = ""  # "out-of-use": means something only while its machine is reported out of use (报停)
    overridden: str = ""  # why this site changed the library's rule; empty: it did not
