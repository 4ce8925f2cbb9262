"""The site as adopted: machines, points, plans, rules, names."""

from pydantic import Field

from api.shapes.base import Shape, Words


class CodeShape(Shape):
    """One value of an enum or state point."""

    value: int
    id: str
    name: Words


class PointShape(Shape):
    """A point of a machine: what it means, not its value."""

    id: str
    name: str
    text: Words
    unit: str
    type: str
    decimals: int
    codes: list[CodeShape]


class EquipmentShape(Shape):
    """One machine."""

    id: str
    kind: str
    kind_name: Words
    system: str
    name: Words
    place: Words
    building: str
    fed_by: list[str]
    points: list[PointShape]


class PlanShape(Shape):
    """A plan that can be started by hand, with the words of its steps for whoever reads the log book."""

    id: str
    name: Words
    kinds: list[str]
    priority: int
    steps: dict[str, Words]


class RuleShape(Shape):
    """Why an alarm sounds and what to do first; `role` is whom its plan calls first.

    `latching`: what cleared waits for a reset. `overridden` is why this site changed the library's rule, or empty.
    """

    name: Words
    cause: Words
    consequence: Words
    first_action: Words
    respond_ms: int
    priority: int
    class_: str = Field(serialization_alias="class")
    plan: str
    role: str
    role_name: Words
    latching: bool
    overridden: str


class PersonName(Shape):
    """Somebody who can be on duty."""

    id: str
    name: str
    roles: list[str]


class DemoUser(Shape):
    """A user whom the demo's log-in page offers as a button; the password is "demo"."""

    id: str
    name: str
    role: str


class SiteShape(Shape):
    """The site as adopted; whoever is not logged in gets its name and, in the demo, its users, and nothing else."""

    id: str
    name: Words
    timezone: str
    hash: str
    contract: dict[str, int]
    systems: dict[str, Words]
    equipment: list[EquipmentShape]
    plans: list[PlanShape]
    rules: dict[str, RuleShape]
    people: list[PersonName]
    parties: list[PersonName]
    roles: dict[str, Words]
    promises: dict[str, Words]
    labels: dict[str, dict[str, Words]]
    statement: Words
    demo: bool
    demo_users: list[DemoUser]
