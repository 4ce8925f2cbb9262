"""library/plans/*.toml and a site's plans/: emergency plans as they are carried out."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from pydantic import Field, model_validator

from facility.plan import Call, CloseCheck, FalseAlarm, Hold, Level, LifeClock, Plan, Step
from facility.point import Kind
from facility.rule import AlarmClass
from sitefolder.conditionfile import ConditionTable
from sitefolder.duration import Duration
from sitefolder.finding import WordError
from sitefolder.prooffile import ProofTable, glance
from sitefolder.rulefile import PRIORITIES, ClassWord, PriorityWord
from sitefolder.stepfile import StepTable
from sitefolder.strict import Filled, Id, PointName, Strict, Words


class CallTable(Strict):
    """One entry of a level's `calls`: { role = "guard", responder = false }."""

    role: Id
    responder: bool = True
    count: int = Field(default=1, ge=1)
    certificates: list[Id] = Field(default_factory=list)

    def call(self) -> Call:
        """Return it in the language of the facility."""
        return Call(self.role, self.responder, self.count, tuple(self.certificates))


class LevelTable(Strict):
    """[[level]]: paged together; the next level follows when nobody accepted `within`."""

    within: Duration = Field(gt=0)
    calls: list[CallTable]

    def level(self) -> Level:
        """Return it in the language of the facility."""
        return Level(tuple(call.call() for call in self.calls), self.within)


class CloseTable(Strict):
    """[[close]]: what telemetry must show, for the plan's `stable`, before the incident may be closed."""

    text: Words
    proof: list[ProofTable] = Field(min_length=1)

    def check(self, machine: Kind | None, kinds: Mapping[str, Kind]) -> CloseCheck:
        """Return it in the language of the facility.

        Raises:
            WordError: there is no such kind, point or code, or one reading cannot show it.
        """
        return CloseCheck(self.text.text(), tuple(table.proof(machine, kinds) for table in self.proof))


class FalseAlarmTable(Strict):
    """[false_alarm]: so many independent confirmations, each of another of these kinds; `proof` is telemetry's."""

    needs: int = Field(default=2, ge=1, le=4)
    kinds: list[Literal["voice", "camera", "on-site"]] = Field(min_length=1)
    proof: list[ProofTable] = Field(default_factory=list)

    @model_validator(mode="after")
    def _enough(self) -> "FalseAlarmTable":
        if self.needs > len(set(self.kinds)) + bool(self.proof):
            raise WordError("需要的确认多于可能的方式", "needs more confirmations than there are ways to confirm")
        return self

    def false_alarm(self, machine: Kind | None, kinds: Mapping[str, Kind]) -> FalseAlarm:
        """Return it in the language of the facility.

        Raises:
            WordError: there is no such kind, point or code, or one reading cannot show it.
        """
        proof = tuple(table.proof(machine, kinds) for table in self.proof)
        return FalseAlarm(self.needs, tuple(dict.fromkeys(self.kinds)), proof)


class LifeClockTable(Strict):
    """[life_clock]: how long people may be held, from the last moment at which `moves` was so, `until` a step is done.

    `warn` are moments before its end, said as time since its start.
    """

    moves: ConditionTable
    span: Duration = Field(gt=0)
    until: Id
    warn: list[Duration] = Field(default_factory=list)

    @model_validator(mode="after")
    def _in_time(self) -> "LifeClockTable":
        if any(not 0 < warn < self.span for warn in self.warn):
            raise WordError("warn 要早于 span", "every warn lies before the span")
        return self

    def clock(self, machine: Kind | None) -> LifeClock:
        """Return it in the language of the facility.

        Raises:
            WordError: there is no such point or code, or one reading cannot show it.
        """
        return LifeClock(glance(self.moves, machine), self.span, self.until, tuple(sorted(self.warn)))


class HoldTable(Strict):
    """[hold]: from the step `after` on the machine stays out of service until `until` is signed, incident or not."""

    after: Id
    until: Words

    def hold(self) -> Hold:
        """Return it in the language of the facility."""
        return Hold(self.after, self.until.text())


class PlanHead(Strict):
    """What stands at the top of a plan's file, before its levels and steps."""

    name: Words
    priority: PriorityWord
    class_: ClassWord = Field(alias="class")
    repeat: Duration = Field(gt=0)
    arrival: PointName | None = None  # left out: nobody is promised to come
    accept_expires: Duration = Field(gt=0)
    kinds: list[Id] = Field(default_factory=list)
    stable: Duration = 0
    never: list[Words] = Field(default_factory=list)
    source: Filled
    false_alarm: FalseAlarmTable | None = None
    life_clock: LifeClockTable | None = None
    hold: HoldTable | None = None


class PlanFile(PlanHead):
    """The whole of a plan's file; its id is the name of the file."""

    level: list[LevelTable] = Field(min_length=1)
    step: list[StepTable] = Field(min_length=1)
    close: list[CloseTable] = Field(default_factory=list)


class Gate(NamedTuple):
    """What stands at the end of a plan: when it may be closed, and what goes on beyond it."""

    close: tuple[CloseCheck, ...] = ()
    false_alarm: FalseAlarm | None = None
    life_clock: LifeClock | None = None
    hold: Hold | None = None


def plan_of(id: str, version: str, head: PlanHead, levels: list[Level], steps: list[Step], gate: Gate) -> Plan:
    """Return the plan in the language of the facility."""
    return Plan(
        id=id,
        version=version,
        name=head.name.text(),
        priority=PRIORITIES[head.priority],
        class_=AlarmClass(head.class_),
        levels=tuple(levels),
        steps=tuple(steps),
        repeat_ms=head.repeat,
        arrival=head.arrival or "",
        accept_expires_ms=head.accept_expires,
        kinds=tuple(head.kinds),
        stable_ms=head.stable,
        never=tuple(words.text() for words in head.never),
        source=head.source,
        **gate._asdict(),
    )
