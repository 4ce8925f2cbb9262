"""Who has practised which plan."""

from api.shapes.base import Shape, Words


class PracticePlan(Shape):
    """A column: a plan, and how often it is to be practised."""

    id: str
    name: Words
    priority: int
    every_ms: int


class PracticePerson(Shape):
    """A row: a person."""

    id: str
    name: str
    roles: list[Words]


class PracticeCell(Shape):
    """Last when, in a drill or for real, due again by when; `state` is never, overdue, soon or done."""

    person: str
    plan: str
    state: str
    last_ms: int | None
    drill: bool
    due_ms: int | None


class PracticeShape(Shape):
    """The person × plan matrix; a person who has no part in a plan has no cell. `counts` is by state."""

    at_ms: int
    plans: list[PracticePlan]
    people: list[PracticePerson]
    cells: list[PracticeCell]
    counts: dict[str, int]
