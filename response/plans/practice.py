"""Who has practised which plan, when, and by when again: the person × plan matrix, from the records."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from facility import records
from facility.plan import Plan
from facility.records import Record
from facility.rule import Priority
from facility.site import Site

SOON_MS = 30 * 86_400_000
"""So long before it is overdue it is said to be due soon."""

KINDS = (
    records.Kind.INCIDENT_OPENED,
    records.Kind.RESPONDER_ARRIVED,
    records.Kind.STEP_DONE,
    records.Kind.DRILL_ATTENDED,
)
"""What tells who did what: came, did a step, or was ticked present."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One person and one plan: last practised when, in a drill or for real, due again by when.

    `state` is never, overdue, soon or done.
    """

    person: str
    plan: str
    state: str
    last_ms: int | None = None
    drill: bool = False
    due_ms: int | None = None


class Register:
    """Believes records, and knows who took part in which plan last."""

    def __init__(self) -> None:
        self._plans: dict[str, tuple[str, bool]] = {}  # incident -> plan, and whether it was a drill
        self._last: dict[tuple[str, str], tuple[int, bool]] = {}
        self._begun: set[str] = set()  # drills of which a step was done; before that nobody has practised anything
        self._waiting: dict[str, dict[str, int]] = {}  # drill -> who came to it meanwhile, and when
        self._ticked: dict[tuple[str, str], tuple[int, bool] | None] = {}  # (incident, person) -> what stood before

    def tell(self, record: Record) -> None:
        """Believe one more record, in their order."""
        match record.data:
            case records.IncidentOpened(plan=plan, drill=how):
                self._plans[record.subject] = plan, bool(how)
            case records.ResponderArrived(person=person):
                self._took(record, person)
            case records.StepDone(by=person):
                self._begun.add(record.subject)
                for who, at in self._waiting.pop(record.subject, {}).items():
                    self._put(record, who, at)
                self._took(record, person)
            case records.DrillAttended(person=person, present=True):
                self._ticked[record.subject, person] = self._last.get((person, self._plan(record)))
                self._took(record, person)
            case records.DrillAttended(person=person):
                self._waiting.get(record.subject, {}).pop(person, None)
                before = self._ticked.pop((record.subject, person), None)
                self._last.pop((person, self._plan(record)), None)
                if before is not None:
                    self._last[person, self._plan(record)] = before
            case _:
                pass

    def matrix(self, site: Site, now_ms: int) -> list[Cell]:
        """Return a cell for every person and every plan in which that person has a part."""
        return [
            self._cell(person.id, plan, site, now_ms)
            for person in site.people.values()
            for plan in site.plans.values()
            if has_part(plan, person.roles)
        ]

    def _plan(self, record: Record) -> str:
        return self._plans.get(record.subject, ("", False))[0]

    def _took(self, record: Record, person: str) -> None:
        if self._plans.get(record.subject, ("", False))[1] and record.subject not in self._begun:
            self._waiting.setdefault(record.subject, {})[person] = record.at_ms
        else:
            self._put(record, person, record.at_ms)

    def _put(self, record: Record, person: str, at_ms: int) -> None:
        known = self._plans.get(record.subject)
        if known is not None:
            plan, drilled = known
            self._last[person, plan] = at_ms, drilled

    def _cell(self, person: str, plan: Plan, site: Site, now_ms: int) -> Cell:
        last = self._last.get((person, plan.id))
        if last is None:
            return Cell(person, plan.id, "never")
        at, drilled = last
        due = at + interval(plan, site)
        state = "overdue" if due <= now_ms else "soon" if due - SOON_MS <= now_ms else "done"
        return Cell(person, plan.id, state, at, drilled, due)


def interval(plan: Plan, site: Site) -> int:
    """Return how often a plan is to be practised, in milliseconds."""
    return site.drills.life_ms if plan.priority is Priority.LIFE else site.drills.other_ms


def longest(site: Site) -> int:
    """Return how far back records matter, in milliseconds: what is older is overdue, or as good as never."""
    return 2 * max(site.drills.life_ms, site.drills.other_ms)


def has_part(plan: Plan, roles: Iterable[str]) -> bool:
    """Say whether a plan calls somebody of these roles, or gives them a step."""
    parts = {call.role for level in plan.levels for call in level.calls} | {step.role for step in plan.steps}
    return bool(parts & {*roles})


def counted(cells: Iterable[Cell]) -> Mapping[str, int]:
    """Return how many cells are in each state."""
    found = dict.fromkeys(("overdue", "never", "soon", "done"), 0)
    for cell in cells:
        found[cell.state] += 1
    return found
