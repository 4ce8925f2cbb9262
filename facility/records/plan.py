"""What records say of a plan's course beside its steps: promises, false alarms, the gate, the life clock, the hold."""

from dataclasses import dataclass

from facility.records.payload import Payload


@dataclass(frozen=True, slots=True)
class PromiseBegan(Payload):
    """A step's response time began to run, because the step became needed or the one it counts from was done."""

    promise: str
    by_ms: int


@dataclass(frozen=True, slots=True)
class FalseAlarmSaid(Payload):
    """Somebody, or telemetry, says that the alarm was false; `how` is voice, camera, on-site or telemetry.

    `enough`: with this one there are as many independent confirmations as the plan asks for.
    """

    how: str
    by: str
    note: str = ""
    enough: bool = False


@dataclass(frozen=True, slots=True)
class CloseSaid(Payload):
    """A named person says what dead telemetry cannot: that this check (counted from 0) of the close gate is met."""

    check: int
    by: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class CloseOverridden(Payload):
    """The close gate's telemetry is set aside, and why; `checks` (counted from 0) were not met."""

    reason: str
    checks: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class LifeClockSet(Payload):
    """People may have been held since `from_ms`; `why` is telemetry (the car last moved then), alarm, or moved."""

    from_ms: int
    by_ms: int
    why: str


@dataclass(frozen=True, slots=True)
class ProofShown(Payload):
    """Telemetry has shown without a break since `since_ms` what must last: a step, or "close/N" of the close gate."""

    what: str
    since_ms: int


@dataclass(frozen=True, slots=True)
class ProofLost(Payload):
    """Telemetry no longer shows it, or nobody looked for too long."""

    what: str


@dataclass(frozen=True, slots=True)
class LifeClockWarned(Payload):
    """So much of the life clock has run, and its people were told."""

    after_ms: int


@dataclass(frozen=True, slots=True)
class EquipmentHeld(Payload):
    """A machine stays out of service until what `until` says is signed. The subject is `held:<equipment>`."""

    incident: str
    until_zh: str
    until_en: str


@dataclass(frozen=True, slots=True)
class EquipmentReleased(Payload):
    """A machine that was held may run again: who signed, and what was found."""

    by: str
    note: str
