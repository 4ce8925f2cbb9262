"""library/plans/*.toml and a site's plans/: emergency plans as they are carried out."""

from pydantic import Field

from facility.plan import Call, Level, Plan, Step
from facility.point import Kind
from facility.rule import AlarmClass, Compare
from facility.text import NOTHING
from sitefolder.conditionfile import ConditionTable
from sitefolder.duration import Duration
from sitefolder.finding import WordError
from sitefolder.rulefile import PRIORITIES, ClassWord, PriorityWord
from sitefolder.strict import Filled, Id, PointName, Strict, Words

AT_A_GLANCE = frozenset({Compare.ABOVE, Compare.BELOW, Compare.IS, Compare.IS_NOT})
"""What one good reading can show."""


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


class StepTable(Strict):
    """[[step]]: one thing to be done, by whom, by when, proven by what.

    `promise` counts from the start of the plan; `contract` names a promise of site.toml instead.
    """

    id: Id
    role: Id
    text: Words
    promise: Duration | None = None
    contract: PointName | None = None
    after: list[Id] = Field(default_factory=list)
    mandatory: bool = True
    persons: int = Field(default=1, ge=1, le=2)
    certificates: list[Id] = Field(default_factory=list)
    proof: list[ConditionTable] = Field(default_factory=list)
    arrival: bool = False
    evidence: Words | None = None

    def step(self, kind: Kind | None) -> Step:
        """Return it in the language of the facility.

        Raises:
            WordError: the proof names a point or code that the kind does not have, or cannot be seen at a glance.
        """
        proof = tuple(table.condition(kind) for table in self.proof)
        if any(c.compare not in AT_A_GLANCE or c.other or c.of for c in proof):
            raise WordError(
                "proof 只能用 above、below、is、is_not，且不带 other、of",
                "a proof takes above, below, is and is_not only, without other and of",
            )
        return Step(
            id=self.id,
            role=self.role,
            text=self.text.text(),
            promise_ms=self.promise,
            contract=self.contract or "",
            after=tuple(self.after),
            mandatory=self.mandatory,
            persons=self.persons,
            certificates=tuple(self.certificates),
            proof=proof,
            arrival=self.arrival,
            evidence=self.evidence.text() if self.evidence else NOTHING,
        )


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


class PlanFile(PlanHead):
    """The whole of a plan's file; its id is the name of the file."""

    level: list[LevelTable] = Field(min_length=1)
    step: list[StepTable] = Field(min_length=1)


def plan_of(id: str, version: str, head: PlanHead, levels: list[Level], steps: list[Step]) -> Plan:
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
    )
