"""[[step]] of a plan: one thing to be done, by whom, by when, proven by what, and whether it is needed at all."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator, Field, model_validator

from facility.plan import LIFE_CLOCK, Answer, Branch, Report, Step
from facility.point import Kind
from facility.text import NOTHING
from sitefolder.duration import Duration
from sitefolder.finding import WordError
from sitefolder.prooffile import ProofTable
from sitefolder.strict import Filled, Id, PointName, Strict, Words


class AnswerTable(Strict):
    """One entry of a step's `answers`: { id = "inside", zh = "有人", en = "somebody is inside" }."""

    id: Id
    zh: Filled
    en: Filled

    def answer(self) -> Answer:
        """Return it in the language of the facility."""
        return Answer(self.id, Words(zh=self.zh, en=self.en).text())


class BranchTable(Strict):
    """`when`: { step = "judge", is = ["inside"] }: the step is needed only where that one was answered so."""

    step: Id
    is_: list[Id] = Field(alias="is", min_length=1)

    def branch(self) -> Branch:
        """Return it in the language of the facility."""
        return Branch(self.step, tuple(self.is_))


def _as_list(said: object) -> object:
    """Take one table for a list of one."""
    return [said] if isinstance(said, dict) else said


class ReportTable(Strict):
    """`report`: to whom it goes, the words with their gaps, and the role that is paged with them."""

    to: Words
    text: Words
    to_role: Id | None = None

    def report(self) -> Report:
        """Return it in the language of the facility."""
        return Report(self.to.text(), self.text.text(), self.to_role or "")


class StepTable(Strict):
    """[[step]]: one thing to be done, by whom, by when, proven by what.

    `promise` counts from the start of the plan, or from the end of the step that `from` names ("life-clock": from the
    moment the life clock ran out); `contract` names a promise of site.toml instead. `stable`: what `proof` shows must
    have been so for so long. `asks` and `answers` stand together: the step is done by answering. `crew` says how many
    certified people must have arrived; left out, as many as sign.
    """

    id: Id
    role: Id
    also: list[Id] = Field(default_factory=list)
    text: Words
    promise: Duration | None = None
    contract: PointName | None = None
    from_: Id | None = Field(default=None, alias="from")
    after: list[Id] = Field(default_factory=list)
    mandatory: bool = True
    persons: int = Field(default=1, ge=1, le=2)
    certificates: list[Id] = Field(default_factory=list)
    crew: int = Field(default=0, ge=0, le=9)
    proof: list[ProofTable] = Field(default_factory=list)
    stable: Duration = 0
    arrival: bool = False
    evidence: Words | None = None
    asks: Words | None = None
    answers: list[AnswerTable] = Field(default_factory=list)
    when: Annotated[
        list[BranchTable], BeforeValidator(_as_list, json_schema_input_type=BranchTable | list[BranchTable])
    ] = Field(default_factory=list)
    report: ReportTable | None = None

    @model_validator(mode="after")
    def _fits(self) -> "StepTable":
        if (self.asks is not None) is not bool(self.answers):
            raise WordError("asks 和 answers 要一起写", "asks and answers stand together")
        if self.asks and (self.proof or self.arrival or self.persons > 1):
            raise WordError(
                "靠回答完成的步骤不能再写 proof、arrival 或两人",
                "a step that is done by answering takes no proof, no arrival and one person",
            )
        if self.stable and not self.proof:
            raise WordError("stable 要和 proof 一起写", "stable goes with a proof")
        if self.crew and not self.certificates:
            raise WordError("crew 要和 certificates 一起写", "crew goes with certificates")
        if self.from_ and self.promise is None and self.from_ != LIFE_CLOCK:
            raise WordError("from 要和 promise 一起写", "from goes with a promise")
        ids = [answer.id for answer in self.answers]
        if len(ids) == 1 or len(set(ids)) < len(ids):
            raise WordError("answers 至少两个，且各不相同", "answers are two or more, each with an id of its own")
        return self

    def step(self, machine: Kind | None, kinds: Mapping[str, Kind]) -> Step:
        """Return it in the language of the facility.

        Raises:
            WordError: the proof names a point or code that the kind does not have, or cannot be seen at a glance.
        """
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
            proof=tuple(table.proof(machine, kinds) for table in self.proof),
            arrival=self.arrival,
            evidence=self.evidence.text() if self.evidence else NOTHING,
            asks=self.asks.text() if self.asks else NOTHING,
            answers=tuple(answer.answer() for answer in self.answers),
            when=tuple(branch.branch() for branch in self.when),
            since=self.from_ or "",
            stable_ms=self.stable,
            crew=self.crew,
            report=self.report.report() if self.report else None,
            also=tuple(self.also),
        )
