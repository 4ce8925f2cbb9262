"""One incident as its records tell it: what is believed of it. Nothing here decides, and nothing changes.

It stands in msgspec's structs: a flood makes each of them anew tens of times, and a dataclass of as many fields takes
sixty times as long for it.
"""

from collections.abc import Mapping

from msgspec import Struct, field

from facility.rule import Priority
from response.claims import NONE, Claims
from response.paging.page import Called, PageState
from response.phone.handset import NEW, Handset

DESK = "desk"
CONFIRMED = "confirmed"
CLOSED = "closed"
TELEMETRY = "telemetry"


class Signature(Struct, frozen=True):
    """Somebody, or telemetry, says that a step is done."""

    by: str
    at_ms: int
    note: str = ""
    actor: str = ""  # who pressed it
    heard_by: str = ""  # given by voice, to whom


class StepState(Struct, frozen=True):
    """What was said about a step: done, skipped (`note` is the reason), or open with one of two signatures.

    A step that nobody touched has no state here; whether it is open or waits for others is the plan's word.
    """

    id: str
    state: str
    by: str  # ids of everybody who signed, joined by "+"
    at_ms: int
    note: str = ""
    signatures: tuple[Signature, ...] = ()
    answer: str = ""


class PromiseState(Struct, frozen=True):
    """A response time: by when, and whether it was kept or broken; neither while it runs."""

    by_ms: int
    kept_ms: int | None = None
    broken_ms: int | None = None


class Note(Struct, frozen=True):
    """Something that somebody wrote down."""

    by: str
    at_ms: int
    text: str


class Swept(Struct, frozen=True):
    """A lift that is presumed occupied, since when and why; and how it became known that it is not, or is."""

    since_ms: int
    why: str
    cleared_ms: int | None = None
    how: str = ""
    by: str = ""
    note: str = ""


class Incident(Struct, frozen=True):
    """An incident as its records tell it. Times are UTC milliseconds."""

    id: str
    plan: str
    equipment: str
    priority: int
    opened_ms: int
    stage: str = CONFIRMED  # desk, confirmed, closed
    plan_version: str = ""
    place: str = ""
    caller: str = ""
    opened_by: str = "system"
    opened_by_alarm: str = ""
    permit: str = ""  # of which something is due
    holder: str = ""  # whom the role "holder" calls
    ringing: str = ""  # the newest alarm that the desk was to answer
    alarms: tuple[str, ...] = ()
    active_alarms: frozenset[str] = frozenset()
    joined_ms: Mapping[str, int] = field(default_factory=dict)  # alarm -> when it last joined
    cleared_ms: int | None = None  # the newest clearing of a joined alarm
    normal_ms: int | None = None  # since when all of them are clear
    clock_ms: int | None = None  # promises count from here; None: no clock runs (the bell was a mistake)
    ring_ms: int = 0
    confirm_by_ms: int = 0
    answered: bool | None = None  # what the car said; None: nobody has answered
    confirmed_ms: int | None = None
    level: int = -1
    round: int = 0
    top_round: int = 0  # the highest so far, on any level
    rang: int = 0  # repeats on this level, of rounds in which somebody was asked to come
    first_round: int = 0  # the round that a level begins with: higher each time the escalation began anew
    rang_again: bool = False  # the bell rang after everybody had finished; if the desk confirms, all begins anew
    level_ms: int = 0  # the time to the next level counts from here
    round_ms: int = 0  # the time to the next round counts from here
    pages: Mapping[str, PageState] = field(default_factory=dict)  # the newest; see PAGES_KEPT
    called: Mapping[str, Called] = field(default_factory=dict)
    unfilled: frozenset[tuple[int, str]] = frozenset()
    to_replace: Mapping[str, int] = field(default_factory=dict)  # declined, nobody asked in their place yet
    accepted: Mapping[str, int] = field(default_factory=dict)  # responders on the way or there
    seen: Mapping[str, int] = field(default_factory=dict)  # people who were only to be told, and have seen it
    declined: Mapping[str, int] = field(default_factory=dict)
    expired: Mapping[str, int] = field(default_factory=dict)
    arrived: Mapping[str, int] = field(default_factory=dict)
    finished: Mapping[str, int] = field(default_factory=dict)
    steps: Mapping[str, StepState] = field(default_factory=dict)
    spans: Mapping[str, int] = field(default_factory=dict)  # promise -> milliseconds, as promised when the plan began
    promises: Mapping[str, PromiseState] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()
    sweep: Mapping[str, Swept] = field(default_factory=dict)  # by lift
    into: str = ""  # the incident that took this one over, its cause being there
    claims: Claims = NONE
    later: Mapping[str, int] = field(default_factory=dict)  # as `spans`, of promises that begin in the plan's course
    false_alarm: bool = False  # closed as one
    handset: Handset = NEW
    requests: frozenset[str] = frozenset()  # of people's commands: a repeat changes nothing
    closed_ms: int | None = None
    cause: str = ""
    result: str = ""
    turned_ms: int = 0  # the newest change of shift of which whoever came on duty was told
    last_ms: int = 0
    drill: str = ""  # paper or simulators; empty: real
    expected: tuple[str, ...] = ()  # at a drill
    invited: bool = False  # a drill calls parties outside, too
    present: Mapping[str, int] = field(default_factory=dict)  # at a drill, ticked by hand

    @property
    def life(self) -> bool:
        """Say whether life or the whole site is at stake."""
        return self.priority == Priority.LIFE
