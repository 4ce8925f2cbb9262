"""What records say of alarms."""

from dataclasses import dataclass

from facility.records.payload import Payload


@dataclass(frozen=True, slots=True)
class AlarmRaised(Payload):
    """A rule holds on a machine. The subject is `alarm:<owner>/<rule>`; `at_ms` of the record is when it came true."""

    rule: str
    owner: str  # equipment id, or device id for communication
    priority: int
    class_: str
    value: float | None = None
    point: str = ""
    device: str = ""
    scan_ms: int = 0
    rungs: tuple[int, ...] = (0,)  # of its rule's ladder, those that hold
    hidden: str = ""  # "shelved", "suppressed" or "out-of-service": recorded, and nobody is disturbed
    by: str = ""  # what hides it by design or with its machine, as in AlarmHidden


@dataclass(frozen=True, slots=True)
class AlarmCleared(Payload):
    """It no longer holds."""

    rule: str
    owner: str
    value: float | None = None
    device: str = ""
    scan_ms: int = 0
    why: str = ""  # "" returned to normal; "rule-withdrawn", "removed": not watched now; "settled" after chattering
    latched: bool = False  # its rule latches: it waits for a reset


@dataclass(frozen=True, slots=True)
class AlarmAcknowledged(Payload):
    """An operator has seen it."""

    comment: str = ""


@dataclass(frozen=True, slots=True)
class AlarmGraded(Payload):
    """Another rung of its rule's ladder holds, or no longer does: the alarm is graver or less grave than before."""

    rule: str
    owner: str
    priority: int
    class_: str
    rungs: tuple[int, ...]  # those that hold now
    value: float | None = None
    point: str = ""
    device: str = ""
    scan_ms: int = 0


@dataclass(frozen=True, slots=True)
class AlarmReset(Payload):
    """A latched alarm was reset, by somebody whom the machine's card allows to."""

    comment: str = ""


@dataclass(frozen=True, slots=True)
class AlarmShelved(Payload):
    """An operator put it away until a moment (UTC milliseconds), or until it clears if that is sooner."""

    rule: str
    owner: str
    until_ms: int
    reason: str
    until_clear: bool = False
    priority: int = 0  # of the alarm, which may never have been raised
    class_: str = ""


@dataclass(frozen=True, slots=True)
class AlarmUnshelved(Payload):
    """It is off the shelf; `why` is expired, by-hand, cleared, graver, rule-withdrawn or removed.

    What is `active` then, and not hidden otherwise, is told anew.
    """

    rule: str
    owner: str
    why: str
    active: bool
    priority: int
    class_: str


@dataclass(frozen=True, slots=True)
class AlarmHidden(Payload):
    """An open alarm went out of sight by design or with its machine; `how` is suppressed or out-of-service.

    `by` says what hides it: "permit:<id>", "rule:<id>" of the alarm that makes it meaningless, "season", "hours".
    """

    rule: str
    owner: str
    how: str
    by: str


@dataclass(frozen=True, slots=True)
class AlarmShown(Payload):
    """An alarm that was hidden by design or with its machine is back in sight; what is `active` is told anew."""

    rule: str
    owner: str
    why: str  # what hid it
    active: bool
    priority: int
    class_: str


@dataclass(frozen=True, slots=True)
class AlarmChattering(Payload):
    """It comes and goes too fast to be told each time: it stands, and what follows is counted."""

    rule: str
    owner: str
    count: int  # of raises in the minute that showed it


@dataclass(frozen=True, slots=True)
class AlarmSettled(Payload):
    """It has been quiet for long enough; `count` raises were not told one by one."""

    rule: str
    owner: str
    count: int
    active: bool
