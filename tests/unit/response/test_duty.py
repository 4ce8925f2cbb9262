"""Who is on duty, as arithmetic over a calendar."""

from dataclasses import replace
from datetime import date

from hypothesis import given
from hypothesis import strategies as st
from night_shift import HV, PEOPLE, licence, moment, ms, person, site

from facility.duty import Calendar, Cover, Layer, Leave, Roster, Shift
from facility.equipment import Card
from facility.plan import Call
from response import duty

SHIFTS = (Shift("early", 6 * 60, 14 * 60), Shift("late", 14 * 60, 22 * 60), Shift("night", 22 * 60, 6 * 60))
FOUR = Layer(
    "operator",
    date(2026, 11, 20),
    ("early", "early", "late", "late", "night", "night", "off", "off"),
    (("a1", "a2"), ("b1", "b2"), ("c1", "c2"), ("d1", "d2")),
    (0, 2, 4, 6),
    minimum=2,
)
CREW = tuple(person(id, "operator") for id in ("a1", "a2", "b1", "b2", "c1", "c2", "d1", "d2"))


def crew(*leaves: Leave, layer: Layer = FOUR, people=CREW, timezone: str = "Asia/Shanghai"):
    return site(people=people, roster=Roster(SHIFTS, (layer,)), leaves=leaves, timezone=timezone)


def test_four_teams_turn_through_their_cycle() -> None:
    who = [duty.on_duty(crew(), "operator", moment(at)) for at in ("07:00", "15:00", "23:00", "+1 07:00", "+2 07:00")]
    assert who == [["d1", "d2"], ["a1", "a2"], ["b1", "b2"], ["d1", "d2"], ["c1", "c2"]]


def test_the_night_shift_of_yesterday_is_on_duty_this_morning() -> None:
    assert duty.on_duty(crew(), "operator", moment("05:59")) == ["c1", "c2"]
    assert duty.on_duty(crew(), "operator", moment("06:00")) == ["d1", "d2"]


def test_nobody_is_on_duty_before_the_roster_begins() -> None:
    assert duty.on_duty(crew(), "operator", moment("07:00", date(2026, 11, 19))) == []


def test_a_leave_brings_the_substitute_or_nobody() -> None:
    away = Leave("d1", moment("06:00"), moment("10:00"), substitute="a1")
    assert duty.on_duty(crew(away), "operator", moment("07:00")) == ["a1", "d2"]
    assert duty.on_duty(crew(away), "operator", moment("10:00")) == ["d1", "d2"]
    both = (away, Leave("a1", moment("06:00"), moment("10:00")))
    assert duty.on_duty(crew(*both), "operator", moment("07:00")) == ["d2"]


def test_every_minute_of_a_year_somebody_has_the_watch() -> None:
    year = crew()
    assert duty.holes(year, moment("00:00"), moment("00:00") + ms("60 d")) == []


@given(st.integers(0, 365 * 24 * 60))
def test_two_people_of_one_team_have_the_watch_at_any_minute(minute: int) -> None:
    who = duty.on_duty(crew(), "operator", moment("00:00") + minute * 60_000)
    assert len(who) == 2
    assert len({id[0] for id in who}) == 1


def test_a_leave_without_substitute_is_a_hole_from_when_to_when() -> None:
    found = duty.holes(crew(Leave("d1", moment("08:00"), moment("10:00"))), moment("00:00"), moment("23:00"))
    assert [(h.role, h.from_ms, h.to_ms, h.have, h.need) for h in found] == [
        ("operator", moment("08:00"), moment("10:00"), 1, 2)
    ]
    assert "11-22 08:00 至 11-22 10:00" in found[0].text.zh


def test_a_certificate_that_runs_out_is_a_hole_from_midnight() -> None:
    layer = Layer("electrician", date(2026, 1, 1), ("always",), (("zheng", "wang"),), (0,), 2, (("hv-electrician", 2),))
    people = (
        person("zheng", "electrician", certificates=(HV,)),
        person("wang", "electrician", certificates=(licence("hv-electrician", date(2026, 11, 23)),)),
    )
    found = duty.holes(crew(layer=layer, people=people), moment("00:00"), moment("+7 00:00"))
    assert [(h.certificate, h.from_ms, h.to_ms, h.have) for h in found] == [
        ("hv-electrician", moment("+2 00:00"), moment("+7 00:00"), 1)
    ]


def test_certificates_that_expire_are_said_ahead_and_afterwards() -> None:
    people = (
        person("soon", certificates=(licence("lift-technician", date(2026, 12, 1)),)),
        person("gone", certificates=(licence("lift-technician", date(2026, 11, 1)),)),
        person("later", certificates=(licence("lift-technician", date(2027, 12, 1)),)),
        person("ever", certificates=(licence("lift-technician", None),)),
    )
    found = duty.expiring(crew(people=people), moment("12:00"), 30)
    assert [(e.person, e.days) for e in found] == [("gone", -21), ("soon", 9)]
    assert "expired on 2026-11-01" in found[0].text.en


def test_who_has_the_watch_now_and_who_follows() -> None:
    now, then = duty.now_and_next(crew(), "operator", moment("07:00"))
    assert (now.people, now.to_ms) == (("d1", "d2"), moment("14:00"))
    assert then is not None
    assert (then.people, then.from_ms, then.to_ms) == (("a1", "a2"), moment("14:00"), moment("22:00"))


def test_somebody_who_is_always_there_has_no_next() -> None:
    always = Layer("leader", date(2026, 1, 1), ("always",), (("a1",),), (0,))
    now, then = duty.now_and_next(crew(layer=always), "leader", moment("07:00"))
    assert now.people == ("a1",)
    assert then is None


def test_where_the_clocks_change_a_shift_begins_by_the_clock_on_the_wall() -> None:
    berlin = crew(timezone="Europe/Berlin", layer=replace(FOUR, since=date(2026, 1, 1)))
    noon_utc = 1_774_697_400_000  # 2026-03-28 11:30 UTC, the day before the clocks go forward
    at_five_utc = noon_utc + ms("16.75 h")  # 04:15 UTC is 06:15 in summer time
    before = at_five_utc - ms("30 min")  # 05:45 by the wall
    assert duty.on_duty(berlin, "operator", before) != duty.on_duty(berlin, "operator", at_five_utc)


# -- whom to page -------------------------------------------------------------------------------------------


def chosen(call: Call, at: str = "02:00", exclude=(), people=PEOPLE, card: Card | None = None, leaves=()):
    return duty.choose(site(people=people, leaves=leaves), call, moment(at), exclude, card)


def test_the_one_on_duty_is_chosen_before_the_one_on_standby() -> None:
    assert chosen(Call("lift-technician")).people == (("zhao", "on-duty"),)
    assert chosen(Call("lift-technician", count=2)).people == (("zhao", "on-duty"), ("sun", "standby"))


def test_it_is_said_who_was_passed_over_and_why() -> None:
    choice = chosen(Call("lift-technician", count=3, certificates=("lift-technician",)), exclude={"zhao"})
    assert choice.people == (("sun", "standby"),)
    assert choice.passed_over == {"zhao": "declined", "qian": "off-duty"}


def test_a_certificate_holds_to_the_end_of_its_last_day() -> None:
    people = (person("last", "electrician", certificates=(licence("hv-electrician", date(2026, 11, 22)),)),)
    call = Call("electrician", certificates=("hv-electrician",))
    always = Roster((), (Layer("electrician", date(2026, 1, 1), ("always",), (("last",),), (0,)),))
    place = site(people=people, roster=always)
    assert duty.choose(place, call, moment("23:59")).people
    assert not duty.choose(place, call, moment("+1 00:00")).people


def test_a_standby_on_leave_is_not_called() -> None:
    away = (Leave("sun", moment("00:00"), moment("12:00")),)
    assert chosen(Call("lift-technician", count=2), leaves=away).passed_over["sun"] == "on-leave"


def test_a_role_without_a_roster_is_whoever_holds_it() -> None:
    people = (*PEOPLE, person("boss", "company-leader"))
    assert chosen(Call("company-leader"), people=people).people == (("boss", "role"),)


def test_a_contractor_comes_from_the_machines_card_and_then_the_deputy() -> None:
    card = Card(contractor="lift-co")
    assert chosen(Call("contractor"), card=card).people == (("lift-co", "card"),)
    assert chosen(Call("contractor"), card=card, exclude={"lift-co"}).people == (("lift-co-2", "card"),)
    assert chosen(Call("deputy"), card=card).people == (("lift-co-2", "card"),)
    assert chosen(Call("deputy"), card=Card(contractor="lift-co", deputy="power-co")).people == (("power-co", "card"),)
    assert chosen(Call("contractor")).people == ()


def test_a_company_is_found_by_its_role() -> None:
    assert chosen(Call("power-company")).people == (("power-co", "party"),)


# -- days, changes, what the calendar knows -----------------------------------------------------------------

OFFICE = Layer("project-manager", date(2026, 1, 1), ("office",), (("a1",),), (0,), days="workdays")
HOURS = (Shift("office", 9 * 60, 17 * 60),)


def office(calendar: Calendar, *layers: Layer, covers: tuple[Cover, ...] = ()):
    return site(people=CREW, roster=Roster(HOURS, (*layers, OFFICE), calendar=calendar, covers=covers), leaves=())


def test_a_layer_of_workdays_rests_on_holidays_and_works_on_make_up_days() -> None:
    monday, saturday, sunday = date(2026, 11, 23), date(2026, 11, 28), date(2026, 11, 22)
    here = office(Calendar(date(2026, 12, 31), rest=frozenset({monday}), work=frozenset({saturday})))
    there = [duty.on_duty(here, "project-manager", moment("10:00", day)) for day in (sunday, monday, saturday)]
    assert there == [[], [], ["a1"]]
    assert duty.holes(here, moment("00:00"), moment("+7 00:00")) == []


def test_a_layer_of_workdays_that_nobody_works_is_a_hole_in_its_hours_only() -> None:
    turn = replace(OFFICE, cycle=("office", "off"), since=date(2026, 11, 23))
    found = duty.holes(
        site(people=CREW, roster=Roster(HOURS, (turn,)), leaves=()), moment("+1 00:00"), moment("+4 00:00")
    )
    assert [(h.from_ms, h.to_ms) for h in found] == [(moment("+2 09:00"), moment("+2 17:00"))]


def test_two_layers_of_a_role_stand_beside_each_other() -> None:
    weekend = replace(OFFICE, teams=(("b1",),), days="rest-days")
    here = office(Calendar(), weekend)
    assert duty.on_duty(here, "project-manager", moment("10:00")) == ["b1"]
    assert duty.on_duty(here, "project-manager", moment("+1 10:00")) == ["a1"]


def test_a_cover_takes_the_place_and_an_extra_comes_beside() -> None:
    covers = (
        Cover("operator", moment("06:00"), moment("10:00"), "d1", "a1"),
        Cover("operator", moment("07:00"), moment("10:00"), "", "b1"),
        Cover("operator", moment("08:00"), moment("10:00"), "a1", "a2"),
    )
    here = site(people=CREW, roster=Roster(SHIFTS, (FOUR,), covers=covers), leaves=())
    who = [duty.on_duty(here, "operator", moment(at)) for at in ("06:30", "07:30", "08:30", "10:00")]
    assert who == [["a1", "d2"], ["a1", "d2", "b1"], ["a2", "d2", "b1"], ["d1", "d2"]]
    week = duty.spans(here, "operator", moment("06:00"), moment("14:00"))
    assert [(s.from_ms, s.people) for s in week[:2]] == [
        (moment("06:00"), ("a1", "d2")),
        (moment("07:00"), ("a1", "d2", "b1")),
    ]


def test_who_covers_and_is_then_away_is_stood_in_for() -> None:
    covers = (Cover("operator", moment("06:00"), moment("10:00"), "d1", "a1"),)
    away = (Leave("a1", moment("06:00"), moment("10:00"), substitute="b1"),)
    here = site(people=CREW, roster=Roster(SHIFTS, (FOUR,), covers=covers), leaves=())
    here = replace(here, roster=replace(here.roster, leaves=away))
    assert duty.on_duty(here, "operator", moment("07:00")) == ["b1", "d2"]
