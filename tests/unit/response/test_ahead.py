"""What duty will lack is said days ahead, once, and gone when it is put right."""

from dataclasses import replace
from datetime import date

from night_shift import LIFT, PEOPLE, moment, ms, person, site

from facility import records
from facility.duty import Calendar, Layer, Leave
from facility.records import Kind, Record
from response import duty
from response.duty import CALENDAR, CERTIFICATE, HOLE, UNTESTED
from response.paging import reached

ALL_TESTED = {who: moment("00:00") for who in (*(p.id for p in PEOPLE), *site().parties)}
LEADERLESS = "hole:leader-on-duty::0"
QUIET = replace(Layer("guard", date(2026, 1, 1), ("always",), (("wu",),), (0,)))


def said(what: str, here=None, at: str = "12:00", tested=None, now: int | None = None) -> list[duty.Ahead]:
    now = now if now is not None else moment(at)
    heard = ALL_TESTED if tested is None else tested
    found = duty.ahead(here or quiet(), now, lambda who: reached.untested(heard, who, now))
    return [one for one in found if one.what == what and one.id != LEADERLESS]


def quiet(*leaves: Leave, calendar: Calendar | None = None, people=PEOPLE):
    made = site(people=people, leaves=leaves)
    return replace(
        made, roster=replace(made.roster, layers=(QUIET,), calendar=calendar or Calendar(date(2027, 12, 31)))
    )


def test_a_hole_is_said_at_least_a_day_ahead_and_keeps_its_name_until_it_begins() -> None:
    here = quiet(Leave("wu", moment("+5 08:00"), moment("+5 20:00")))
    (week,) = said(HOLE, here)
    (day,) = said(HOLE, here, at="+4 07:59")
    assert week.id == day.id
    assert week.at_ms == moment("+5 08:00")
    assert "补班" in week.text.zh or "替班" in week.text.zh
    begun = {said(HOLE, here, at=at)[0].id for at in ("+5 08:00", "+5 09:00", "+5 19:59")}
    assert len(begun) == 1
    assert said(HOLE, here, at="+5 20:00") == []


def test_a_roster_without_a_layer_for_the_leader_on_duty_is_a_hole_that_stands() -> None:
    for at in ("12:00", "+6 12:00"):
        found = {one.id: one for one in duty.ahead(quiet(), moment(at), lambda _who: False)}
        assert "带班" in found[LEADERLESS].text.zh
    led = {one.id for one in duty.ahead(site(), moment("12:00"), lambda _who: False)}
    assert LEADERLESS not in led


def test_a_certificate_is_said_at_90_60_and_30_days_and_when_it_is_over() -> None:
    people = (*PEOPLE, person("old", certificates=(replace(LIFT, until=date(2027, 3, 1)),)))
    here = quiet(people=people)

    def at(day: date) -> list[str]:
        return [one.id.rpartition(":")[2] for one in said(CERTIFICATE, here, now=moment("12:00", day))]

    days = (date(2026, 11, 30), date(2026, 12, 1), date(2026, 12, 31), date(2027, 1, 30), date(2027, 3, 1))
    assert [at(day) for day in days] == [[], ["90"], ["60"], ["30"], ["0"]]
    assert at(date(2027, 3, 2)) == ["expired"]


def test_fault_54_who_was_not_reached_for_30_days_is_said_before_the_shift() -> None:
    assert said(UNTESTED) == []
    (one,) = said(UNTESTED, tested=ALL_TESTED | {"wu": moment("12:00") - ms("30 d") - 1})
    assert one.id == "untested:wu"
    assert "测试呼叫" in one.text.zh
    assert not said(UNTESTED, tested=ALL_TESTED | {"wu": moment("12:00") - ms("30 d")})


def test_fault_54_who_is_called_beside_the_roster_must_have_been_reached_too() -> None:
    found = {one.id.removeprefix("untested:"): one for one in said(UNTESTED, tested={"wu": moment("00:00")})}
    here = site()
    contractor = next(e.card.contractor for e in here.equipment.values() if e.card.contractor)
    assert contractor in found
    assert "由预案直接呼叫" in found[contractor].text.zh
    called = {c.role for plan in here.plans.values() for level in plan.levels for c in level.calls}
    assert all(called & {*(here.people.get(who) or here.parties[who]).roles} or who in here.parties for who in found)


def test_fault_54_who_has_no_channel_at_all_is_said_whatever_was_tested() -> None:
    mute = tuple(replace(p, channels=()) if p.id == "wu" else p for p in PEOPLE)
    (one,) = said(UNTESTED, quiet(people=mute))
    assert one.id == "untested:wu"
    assert "没有任何呼叫方式" in one.text.zh


def test_from_december_on_next_years_calendar_is_missed() -> None:
    here = quiet(calendar=Calendar(date(2026, 12, 31)))
    assert said(CALENDAR, here, now=moment("23:00", date(2026, 11, 30))) == []
    (one,) = said(CALENDAR, here, now=moment("00:00", date(2026, 12, 1)))
    assert "2027" in one.text.en
    assert said(CALENDAR, quiet(calendar=Calendar(date(2027, 12, 31))), now=moment("00:00", date(2026, 12, 1))) == []
    later = moment("12:00", date(2027, 2, 1))
    assert [w.id for w in said(CALENDAR, here, now=later)] == [one.id]  # the same word until it is put right
    assert "may be wrong" in duty.calendar_text(here, later).en
    assert "2026-12-31" in duty.calendar_text(here, moment("12:00")).en


def test_where_no_layer_asks_for_workdays_an_unknown_calendar_disturbs_nobody() -> None:
    assert said(CALENDAR, quiet(calendar=Calendar())) == []
    here = quiet(calendar=Calendar())
    office = replace(here, roster=replace(here.roster, layers=(replace(QUIET, days="workdays"),)))
    assert len(said(CALENDAR, office)) == 1


def test_only_what_somebody_answered_shows_that_they_can_be_reached() -> None:
    def heard(data: records.Payload, kind: Kind, actor: str = "person:wu") -> str:
        return reached.proof(Record(1, kind, "incident:1", data, actor))

    assert heard(records.PageAcknowledged("wu", "phone"), Kind.PAGE_ACKNOWLEDGED) == "wu"
    assert heard(records.PageDeclined("wu"), Kind.PAGE_DECLINED) == "wu"
    assert heard(records.PageAcknowledged("wu", "voice", heard_by="op"), Kind.PAGE_ACKNOWLEDGED, "user:op") == ""
    assert heard(records.PageAcknowledged("wu", "console"), Kind.PAGE_ACKNOWLEDGED, "user:op") == ""
    assert heard(records.PageSent("key"), Kind.PAGE_SENT) == ""
    test = Record(1, Kind.PAGE_TEST_ANSWERED, "page-test:k", records.PageTestAnswered("k", "link"), about=("wu",))
    assert reached.proof(test) == "wu"
    assert reached.proof(replace(test, data=records.PageTestAnswered("k", "console"))) == ""
    told = reached.tell({}, Record(5, Kind.PAGE_DECLINED, "incident:1", records.PageDeclined("wu"), "person:wu"))
    assert told == {"wu": 5}
