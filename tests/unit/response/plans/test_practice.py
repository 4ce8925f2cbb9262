"""Who has practised what, and by when again."""

from night_shift import Night, ms, site

from facility import commands as ask
from response.plans.practice import Cell, Register, counted, has_part


def cells(night: Night, later: str = "0 s") -> dict[tuple[str, str], Cell]:
    register = Register()
    for record in night.log:
        register.tell(record)
    return {(c.person, c.plan): c for c in register.matrix(night.site, night.now + ms(later))}


def drilled() -> Night:
    night = Night()
    night.does(ask.StartDrill("user:op", night.request(), "lift-entrapment", "lift-1a", expected=("zhao", "wu")))
    return night.accepts("zhao").arrives("zhao").ticks("isolate", "zhao")


def test_who_came_to_a_drill_has_practised_and_who_was_only_called_has_not() -> None:
    found = cells(drilled())
    assert found["zhao", "lift-entrapment"].state == "done"
    assert found["zhao", "lift-entrapment"].drill
    assert found["li", "lift-entrapment"].state == "never"


def test_a_real_incident_counts_as_well() -> None:
    found = cells(Night().alarm("lift-1a", "lift-trapped").accepts("zhao").arrives("zhao"))
    cell = found["zhao", "lift-entrapment"]
    assert (cell.state, cell.drill) == ("done", False)


def test_it_is_due_again_after_half_a_year_for_a_life_and_a_year_for_the_rest() -> None:
    night = drilled()
    night.does(ask.StartDrill("user:op", night.request(), "chiller-trip", "ch-1"))
    night.accepts("chen").arrives("chen")
    assert cells(night, "1 d")["chen", "chiller-trip"].state == "never", (
        "who came and saw no step done practised nothing"
    )
    night.ticks("code", "chen")
    states = [cells(night, f"{days} d")["zhao", "lift-entrapment"].state for days in (149, 151, 179, 181)]
    assert states == ["done", "soon", "soon", "overdue"]
    assert cells(night, "300 d")["chen", "chiller-trip"].state == "done"
    assert cells(night, "366 d")["chen", "chiller-trip"].state == "overdue"


def test_who_was_ticked_present_by_mistake_is_as_before() -> None:
    night = drilled()
    drill = night.incident.id
    night.does(ask.AttendDrill("user:op", night.request(), drill, "wu"))
    assert cells(night)["wu", "lift-entrapment"].state == "done"
    night.does(ask.AttendDrill("user:op", night.request(), drill, "wu", present=False))
    assert cells(night)["wu", "lift-entrapment"].state == "never"


def test_nobody_has_a_cell_for_a_plan_that_is_not_theirs() -> None:
    found = cells(Night())
    assert ("zheng", "lift-entrapment") not in found
    assert counted(found.values()) == {"overdue": 0, "never": len(found), "soon": 0, "done": 0}
    assert has_part(site().plans["chiller-trip"], ("hvac-technician",))
