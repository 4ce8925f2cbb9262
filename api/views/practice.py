"""The person × plan matrix as it leaves: as a shape, and as a table to print."""

import csv
import io
from datetime import datetime
from zoneinfo import ZoneInfo

from api.shapes.practice import PracticeCell, PracticePerson, PracticePlan, PracticeShape
from api.views.words import role_name, words
from facility.site import Site
from facility.text import Text
from response.plans import practice
from response.plans.practice import Cell

STATE = {
    "never": Text("从未", "never"),
    "overdue": Text("已过期", "overdue"),
    "soon": Text("将到期", "due soon"),
    "done": Text("有效", "done"),
}
_REAL, _DRILL = Text("实战", "for real"), Text("演练", "drill")
_PERSON, _ROLES = Text("姓名", "name"), Text("岗位", "roles")


def practice_shape(site: Site, cells: list[Cell], now_ms: int) -> PracticeShape:
    """Return the matrix; the most urgent plans come first."""
    plans = sorted(site.plans.values(), key=lambda plan: (plan.priority, plan.id))
    named = {cell.person for cell in cells}
    return PracticeShape(
        at_ms=now_ms,
        plans=[
            PracticePlan(id=p.id, name=words(p.name), priority=p.priority, every_ms=practice.interval(p, site))
            for p in plans
        ],
        people=[
            PracticePerson(id=p.id, name=p.name, roles=[words(role_name(site, role)) for role in p.roles])
            for p in site.people.values()
            if p.id in named
        ],
        cells=[
            PracticeCell(person=c.person, plan=c.plan, state=c.state, last_ms=c.last_ms, drill=c.drill, due_ms=c.due_ms)
            for c in cells
        ],
        counts=dict(practice.counted(cells)),
    )


def practice_csv(site: Site, cells: list[Cell], language: str) -> str:
    """Return the matrix as CSV: a row per person, a column per plan; a cell says the state, the day, and how."""

    def say(text: Text) -> str:
        return text.en if language == "en" else text.zh

    zone = ZoneInfo(site.timezone)
    found = {(cell.person, cell.plan): cell for cell in cells}
    plans = sorted(site.plans.values(), key=lambda plan: (plan.priority, plan.id))
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow([say(_PERSON), say(_ROLES), *(say(plan.name) for plan in plans)])
    for person in site.people.values():
        row = [person.name, "、".join(say(role_name(site, role)) for role in person.roles)]
        for plan in plans:
            cell = found.get((person.id, plan.id))
            if cell is None or cell.last_ms is None:
                row.append("" if cell is None else say(STATE["never"]))
                continue
            day = f"{datetime.fromtimestamp(cell.last_ms / 1000, zone):%Y-%m-%d}"
            row.append(f"{say(STATE[cell.state])} {day} {say(_DRILL if cell.drill else _REAL)}")
        table.writerow(row)
    return "\ufeff" + out.getvalue()  # so that a spreadsheet takes it for what it is
