"""Whether a plan's step knows what it speaks of: other steps, their answers, the gaps of its report."""

from facility.gaps import GAPS, answer_to, gaps
from facility.plan import LIFE_CLOCK
from sitefolder.document import Entry
from sitefolder.library import Library
from sitefolder.stepfile import ReportTable, StepTable


def step_fits(entry: Entry[StepTable], all_: list[Entry[StepTable]], library: Library) -> None:
    """Note what a step names and the plan does not have."""
    table = entry.value
    broken = entry.document.broken.get("step", set())
    asked = {other.value.id: {answer.id for answer in other.value.answers} for other in all_}
    ids = asked.keys() | broken
    if table.from_ is not None and table.from_ != LIFE_CLOCK and table.from_ not in ids:
        entry.error(("from",), f"没有步骤 {table.from_}", f"there is no step {table.from_}")
    if table.id == LIFE_CLOCK:
        entry.error(
            ("id",), f"{LIFE_CLOCK} 是保留名", f"{LIFE_CLOCK} is a word of the plan language; name it otherwise"
        )
    for branch in table.when:
        if branch.step not in ids:
            entry.error(("when",), f"没有步骤 {branch.step}", f"there is no step {branch.step}")
        elif branch.step not in broken:
            _answers(entry, branch.step, branch.is_, asked[branch.step])
    if table.report is not None:
        _report(entry, table.report, asked, broken, library)


def _answers(entry: Entry[StepTable], step: str, wanted: list[str], there: set[str]) -> None:
    if not there:
        entry.error(("when",), f"步骤 {step} 不提问，没有回答", f"the step {step} asks nothing, so nothing is answered")
        return
    for answer in wanted:
        if answer not in there:
            known = ", ".join(sorted(there))
            entry.error(
                ("when",),
                f"步骤 {step} 没有回答 {answer}，只有 {known}",
                f"the step {step} has no answer {answer}, only {known}",
            )


def _report(
    entry: Entry[StepTable], report: ReportTable, asked: dict[str, set[str]], broken: set[str], library: Library
) -> None:
    role = report.to_role
    if role is not None and role not in library.roles and role not in library.party_roles:
        entry.error(("report",), f"没有角色 {role}", f"there is no role {role}")
    for gap in dict.fromkeys((*gaps(report.text.zh), *gaps(report.text.en))):
        step = answer_to(gap)
        if step is None and gap not in GAPS:
            known = ", ".join(sorted(GAPS))
            entry.error(
                ("report",),
                f"没有占位 {{{gap}}}；可用 {known} 和 answer:步骤",
                f"there is no gap {{{gap}}}; there are {known} and answer:STEP",
            )
        elif step is not None and step not in broken and not asked.get(step):
            entry.error(("report",), f"没有提问的步骤 {step}", f"there is no step {step} that asks")
