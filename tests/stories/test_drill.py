"""A drill on paper: the same plan and people, marked everywhere, and apart from everything real."""

from night_shift import ENTRAPMENT, Night

from facility import commands as ask
from facility.commands import Refused
from facility.records import Kind, Record
from response.plans import drill

MARKS = ("【演练】", "[DRILL] ")


def drilled(machine: str = "lift-1a", *, invited: bool = False, night: Night | None = None) -> Night:
    night = night or Night()
    said = night.does(
        ask.StartDrill("user:op", night.request(), "lift-entrapment", machine, expected=("zhao", "wu"), invited=invited)
    )
    assert not isinstance(said, Refused), said.why.en
    return night


def test_people_are_called_and_every_word_says_that_it_is_a_drill() -> None:
    night = drilled().within("1 s").pages("zhao", "li", "zhou")
    for page in night.told(Kind.PAGE_REQUESTED):
        zh, en = page.data.text.split("\n")  # type: ignore[attr-defined]
        assert (zh[:4], en[:8]) == MARKS


def test_nobody_outside_the_house_is_called_whoever_declines_and_however_long_it_lasts() -> None:
    night = drilled().declines("zhao").within("1 h")
    assert "wu" in night.night.paged()
    assert not set(night.night.paged()) & {"lift-co", "lift-co-2", "power-co"}


def test_who_is_invited_from_outside_is_called() -> None:
    drilled(invited=True).within("1 s").pages("zhao", "li", "zhou", "lift-co")


def test_a_real_alarm_on_the_same_machine_is_an_incident_of_its_own_at_once() -> None:
    night = drilled().accepts("zhao").arrives("zhao").at("02:05")
    night.alarm("lift-1a", "lift-trapped").within("1 s").records("incident.opened", "plan.started", "page.requested")
    real = next(i for i in night.incidents.open().values() if not i.drill)
    assert set(night.paged(night.mark)) == {"zhao", "li", "zhou", "lift-co"}
    assert not any(MARKS[0] in r.data.text for r in night.told(Kind.PAGE_REQUESTED, night.mark))  # type: ignore[attr-defined]
    assert not next(i for i in night.incidents.open().values() if i.drill).alarms
    assert real.alarms == ("alarm:lift-1a/lift-trapped",)


def test_somebody_calls_about_the_machine_that_is_drilled() -> None:
    night = drilled().starts("lift-entrapment", "lift-1a", caller="a resident")
    assert [bool(i.drill) for i in night.incidents.open().values()] == [True, False]


def test_a_drill_beside_a_real_incident_takes_nothing_of_it() -> None:
    night = Night().alarm("lift-1a", "lift-trapped").accepts("zhao")
    drilled(night=night)
    night.clears("lift-1a", "lift-trapped").alarm("lift-1a", "lift-trapped")
    assert [len(i.alarms) for i in night.incidents.open().values()] == [1, 0]


def test_on_paper_people_tick_what_telemetry_would_prove() -> None:
    night = drilled().accepts("zhao").arrives("zhao")
    night.reads("lift-1a/door_zone", 1).reads("lift-1a/speed", 0)
    night.records("intercom").ticks("isolate", "zhao").ticks("freed", "zhao").records("freed", "li")
    assert "level" not in night.incident.steps  # real readings prove nothing of a drill
    night.ticks("level", "zhao").finishes("zhao")
    assert night.missing() == ""  # no alarm of a real machine, and no time for which it must be quiet
    night.closes("drill")


def test_promises_are_measured_and_attendance_is_written_down() -> None:
    night = drilled().accepts("zhao").within("20 min").records("promise.broken").arrives("zhao")
    night.does(ask.AttendDrill("user:op", night.request(), night.incident.id, "wu"))
    night.does(ask.AttendDrill("user:op", night.request(), night.incident.id, "zhou"))
    night.does(ask.AttendDrill("user:op", night.request(), night.incident.id, "zhou", present=False))
    assert drill.took_part(night.incident).keys() == {"zhao", "wu"}
    assert night.restart().incident.present.keys() == {"wu"}
    assert night.incident.expected == ("zhao", "wu")


def test_a_drill_takes_no_turn_from_a_real_page() -> None:
    night = Night()
    for machine in ("ch-1", "lift-1a", "lift-1b"):
        night.does(ask.StartDrill("user:op", night.request(), "chiller-trip", place=machine))
    night.at("02:01").alarm("ch-1", "chiller-fault").within("1 s").pages("chen")
    real = next(p for p in night.of("ch-1").pages.values())
    assert real.state == "sent"  # at once: nobody gathers pages of drills with it


def test_only_at_a_drill_somebody_is_ticked_present() -> None:
    night = Night().alarm("lift-1a", "lift-trapped")
    assert isinstance(night.does(ask.AttendDrill("user:op", "r", night.incident.id, "wu")), Refused)


def test_one_drill_of_a_plan_at_a_time_and_with_people_that_exist() -> None:
    night = drilled()
    again = night.does(ask.StartDrill("user:op", night.request(), "lift-entrapment", "lift-1b"))
    assert isinstance(again, Refused)
    assert again.code == "conflict"
    nobody = night.does(ask.StartDrill("user:op", night.request(), "hv-trip", "f1", expected=("nobody",)))
    assert isinstance(nobody, Refused)
    assert nobody.code == "not-found"


def test_in_a_rehearsal_whatever_is_opened_is_a_drill_and_runs_as_in_life() -> None:
    class Rehearsal(Night):
        def write(self, *new: Record) -> None:
            super().write(*map(drill.rehearsed, new))  # as the desk does

    night = Rehearsal().alarm("lift-1a", "lift-trapped").within("1 s").pages("zhao", "li", "zhou", "lift-co")
    assert night.incident.drill == drill.SIMULATORS
    assert all(MARKS[0] in r.data.text for r in night.told(Kind.PAGE_REQUESTED))  # type: ignore[attr-defined]
    assert night.context().plan(night.incident) is ENTRAPMENT  # telemetry proves its steps
    night.alarm("lift-1a", "lift-fault-stop")  # and its alarms belong to it as in life
    assert len(night.incident.alarms) == 2
