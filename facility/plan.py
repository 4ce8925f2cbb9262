"""Emergency plans: who is called, what is done by whom by when, and when it may be closed."""

from dataclasses import dataclass

from facility.rule import AlarmClass, Condition, Priority
from facility.text import NOTHING, Text


@dataclass(frozen=True, slots=True)
class Call:
    """Whom one level pages.

    `role` is a person's role on duty, or "contractor" / "deputy" / a party's role resolved from the machine's
    card and the site. Only the acknowledgement of a `responder` stops escalation; the others are told.
    """

    role: str
    responder: bool = True
    count: int = 1
    certificates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Level:
    """One rung: paged together; the next one follows when no responder has accepted within `within_ms`."""

    calls: tuple[Call, ...]
    within_ms: int


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to be done.

    `promise_ms` counts from the start of the plan; `contract` names a promise of site.toml instead. `after`
    lists steps that come first. `proof`: the step is done when telemetry of the machine shows all of it.
    `persons` 2 means: confirmed by two named people.
    """

    id: str
    role: str
    text: Text
    promise_ms: int | None = None
    contract: str = ""
    after: tuple[str, ...] = ()
    mandatory: bool = True
    persons: int = 1
    certificates: tuple[str, ...] = ()
    proof: tuple[Condition, ...] = ()
    arrival: bool = False  # done by the first responder's arrival
    evidence: Text = NOTHING


@dataclass(frozen=True, slots=True)
class Plan:
    """A documented emergency plan; `version` is the hash of its file, and an incident keeps the one it began with."""

    id: str
    version: str
    name: Text
    priority: Priority
    class_: AlarmClass
    levels: tuple[Level, ...]
    steps: tuple[Step, ...]
    repeat_ms: int
    arrival: str  # name of the contract's promise that the first responder's arrival keeps
    accept_expires_ms: int  # accepted and not arrived for so long: escalation resumes
    kinds: tuple[str, ...] = ()  # machines it can be started for by hand; empty: any place
    stable_ms: int = 0  # the source must have been normal for so long before it may be closed
    never: tuple[Text, ...] = ()
    source: str = ""
