"""Test pages: weekly by day on every channel, by a button, answered or not; none of it is an alarm."""

from datetime import datetime

from building import ZONE, Building

from facility.commands import AnswerTest, Refused, TryChannel
from facility.records import Kind
from response.paging.tryout import answered_at

WHO = "he-jun"


def got(night: Building) -> list:
    return [m for m in night.pages() if m.incident.startswith("page-test:")]


async def test_a_button_tries_one_channel_and_the_person_answers(tmp_path) -> None:
    day = await Building.open(tmp_path, "10:30")
    await day.ask(TryChannel, "user:op", person=WHO, channel="demo")
    (page,) = got(day)
    assert (page.person, page.priority) == (WHO, 4)
    assert "测试呼叫" in page.text
    assert "no alarm" in page.text
    key = page.key
    assert day.desk.standing.tryouts[WHO, "demo"].state == "sent"
    assert answered_at(day.desk.standing.tryouts, WHO, "demo") is None
    assert isinstance(await day.ask(AnswerTest, "person:x", key=key, person="somebody-else"), Refused)
    await day.ask(AnswerTest, f"person:{WHO}", key=key, person=WHO)
    day = day.again()  # and a restart knows it
    assert answered_at(day.desk.matters.standing(0, day.clock.now()).tryouts, WHO, "demo") == day.clock.now()
    assert [r.about for r in day.records(Kind.PAGE_TEST_ANSWERED)] == [(WHO,)]
    await day.close()


async def test_a_button_pressed_at_night_waits_for_the_day_and_an_unknown_channel_is_refused(tmp_path) -> None:
    night = await Building.open(tmp_path, "02:00")
    await night.ask(TryChannel, "user:op", person=WHO, channel="demo")
    assert got(night) == []
    assert isinstance(await night.ask(TryChannel, "user:op", person=WHO, channel="pigeon"), Refused)
    await night.until("08:00:01")
    assert len(got(night)) == 1
    await night.close()


async def test_a_refused_test_page_is_tried_four_times_and_then_said(tmp_path) -> None:
    day = await Building.open(tmp_path, "10:30")
    day.phones.refuse = lambda _m: "number not in service"
    await day.ask(TryChannel, "user:op", person=WHO, channel="demo")
    await day.until("11:30")
    last = day.desk.standing.tryouts[WHO, "demo"]
    assert (last.state, last.attempts, last.said) == ("refused", 4, "number not in service")
    assert last.failed(day.clock.now())
    await day.close()


async def test_every_tuesday_at_ten_everybody_and_every_contractor_is_tried_once(tmp_path) -> None:
    week = await Building.open(tmp_path, "23:00")  # a Monday
    await week.turn()
    week.clock.time += 11 * 3_600_000 - 1_000
    await week.turn()
    assert got(week) == []
    week.clock.time += 1_000
    await week.turn()
    await week.turn()
    at = datetime.fromtimestamp(week.clock.now() / 1000, ZONE)
    assert (at.weekday(), at.hour, at.minute) == (1, 10, 0)
    members = (*week.site.people.values(), *week.site.parties.values())
    ways = {(p.id, c.kind) for p in members for c in p.channels}
    assert ("lift-company", "demo") in ways
    assert {(m.person, "demo") for m in got(week)} == {way for way in ways if way[1] == "demo"}
    before = len(got(week))
    week.clock.time += 60_000
    await week.turn()
    week = week.again()
    await week.turn()
    assert len(got(week)) == before
    assert {t.why for t in week.desk.standing.tryouts.values()} == {"weekly"}
    week.clock.time += 7 * 86_400_000
    await week.turn()
    await week.turn()
    assert len(got(week)) == 2 * before
    await week.close()
