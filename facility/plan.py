"""Emergency plans: who is called, what is done by whom by when, and when it may be closed."""

from dataclasses import dataclass

from facility.rule import AlarmClass, Condition, Priority
from facility.text import NOTHING, Text

LIFE_CLOCK = "life-clock"
"""The name of the life clock's promise; a step counts `from` it, and is needed only once it ran out."""

VOICE, CAMERA, ON_SITE = "voice", "camera", "on-site"
"""How a person knows that an alarm was false; telemetry is the fourth way, and needs nobody's word."""


@dataclass(frozen=True, slots=True)
class Call:
    """Whom one level pages.

    `role` is a person's role on duty, or "contractor" / "deputy" / a party's role resolved from the machine's
    card and the site. Only the acknowledgements of `responder`s stop escalation; the others are told.
    """

    role: str
    responder: bool = True
    count: int = 1
    certificates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Level:
    """One rung: paged together; the next one follows when too few responders have accepted within `within_ms`."""

    calls: tuple[Call, ...]
    within_ms: int


@dataclass(frozen=True, slots=True)
class Proof(Condition):
    """What one good reading must show, on the incident's machine unless `kind` names another.

    With a `kind`, it is looked for on the machines of that kind that feed this one or are fed by it, or share a source
    or a load with it; on all of the site where none do. One of them is enough, unless it must be `every` one.
    """

    kind: str = ""
    every: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """One of the answers to a step's question."""

    id: str
    text: Text


@dataclass(frozen=True, slots=True)
class Branch:
    """A step is needed only where another was answered so."""

    step: str
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What is told upward: to whom, in which words.

    `text` has {site} {place} {equipment} {opened} {people} {plan} {answer:STEP} to be filled; `role` is paged with it,
    told only, when the step is done.
    """

    to: Text
    text: Text
    role: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to be done.

    `promise_ms` counts from the start of the plan, or from the end of the step `since` (`LIFE_CLOCK`: from the moment
    it ran out); `contract` names a promise of site.toml instead. `after` lists steps that come first. `proof`: the step
    is done when telemetry has shown all of it for `stable_ms`. `persons` 2 means: confirmed by two named people. With
    `answers` it is done by giving one of them. `when` holds what must have been answered before, all of it, for the
    step to be needed. With `certificates`, it is locked until `crew` people who hold them have arrived.

    An `arrival` is done when `persons` of its roles (`role` or one of `also`) who hold its certificates have arrived;
    until as many have accepted, calling goes on.
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
    proof: tuple[Proof, ...] = ()
    arrival: bool = False
    evidence: Text = NOTHING
    asks: Text = NOTHING
    answers: tuple[Answer, ...] = ()
    when: tuple[Branch, ...] = ()
    since: str = ""
    stable_ms: int = 0
    crew: int = 0  # 0: as many as sign it
    report: Report | None = None
    also: tuple[str, ...] = ()  # roles that may do it as well


@dataclass(frozen=True, slots=True)
class CloseCheck:
    """What telemetry must show before the incident may be closed."""

    text: Text
    proof: tuple[Proof, ...]


@dataclass(frozen=True, slots=True)
class FalseAlarm:
    """How an incident is closed as a false alarm: so many independent confirmations, each of another of these kinds.

    `proof` is what telemetry must show to be one of them.
    """

    needs: int
    kinds: tuple[str, ...]
    proof: tuple[Proof, ...] = ()


@dataclass(frozen=True, slots=True)
class LifeClock:
    """The time people may be held: `span_ms` from the last moment at which `moves` was so, until a step is done."""

    moves: Condition
    span_ms: int
    until: str
    warn_ms: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Hold:
    """The machine stays out of service from the step `after` on, beyond the incident, until `until` is signed."""

    after: str
    until: Text


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
    arrival: str  # the contract's promise that the arrival step of this contract keeps; with none, any responder
    accept_expires_ms: int  # accepted and not arrived for so long: escalation resumes
    kinds: tuple[str, ...] = ()  # machines it can be started for by hand; empty: any place
    stable_ms: int = 0  # the source must have been normal for so long before it may be closed
    never: tuple[Text, ...] = ()
    source: str = ""
    close: tuple[CloseCheck, ...] = ()
    false_alarm: FalseAlarm | None = None
    life_clock: LifeClock | None = None
    hold: Hold | None = None
