"""What the calendar of a site knows, and how far."""

import shutil
from datetime import date
from pathlib import Path

from dutyroom.demo import SITE
from simulators.planting import plant
from sitefolder import load
from sitefolder.calendarfile import CalendarTable, DayTable, calendar_of

NEW_YEAR = date(2027, 1, 1)  # a Friday
SHANGHAI = "Asia/Shanghai"


def test_public_holidays_and_make_up_days_are_known_to_the_end_of_their_last_year() -> None:
    found = calendar_of(SHANGHAI, CalendarTable(), [])
    assert found.known_until is not None
    assert (found.known_until.month, found.known_until.day) == (12, 31)
    assert not found.workday(date(2026, 10, 1))  # National Day, a Thursday
    assert found.workday(date(2026, 10, 10))  # a Saturday that is worked for it
    assert found.workday(date(2026, 11, 23))
    assert not found.workday(date(2026, 11, 22))


def test_after_that_a_day_counts_by_its_weekday_until_the_site_says_more() -> None:
    before = calendar_of(SHANGHAI, CalendarTable(), [])
    beyond = date(before.known_until.year + 1, 1, 1) if before.known_until else NEW_YEAR
    assert not before.knows(beyond)
    said = calendar_of(
        SHANGHAI,
        CalendarTable(known_until=beyond.replace(month=12, day=31)),
        [DayTable(date=beyond, kind="rest-day", name="元旦")],
    )
    assert said.knows(beyond)
    assert not said.workday(beyond)


def test_the_site_overrules_the_public_calendar() -> None:
    said = calendar_of(SHANGHAI, CalendarTable(), [DayTable(date=date(2026, 10, 1), kind="workday")])
    assert said.workday(date(2026, 10, 1))


def test_elsewhere_nothing_is_known_but_what_the_site_says() -> None:
    found = calendar_of("Europe/Berlin", CalendarTable(), [DayTable(date=date(2026, 12, 25), kind="rest-day")])
    assert found.known_until is None
    assert not found.workday(date(2026, 12, 25))
    assert found.workday(date(2026, 10, 1))
    assert not found.knows(date(2026, 10, 1))


def test_roster_toml_carries_days_and_calendar(tmp_path: Path) -> None:
    shutil.copytree(SITE, tmp_path / "site")
    plant(tmp_path / "site", 1_795_331_000_000)
    path = tmp_path / "site" / "roster.toml"
    more = '\n[calendar]\nknown_until = 2027-12-31\n\n[[day]]\ndate = 2027-01-01\nkind = "rest-day"\nname = "元旦"\n'
    path.write_text(path.read_text(encoding="utf-8") + more, encoding="utf-8")
    roster = load(tmp_path / "site").site.roster
    assert roster.calendar.known_until == date(2027, 12, 31)
    assert not roster.calendar.workday(NEW_YEAR)
    assert any(layer.days == "workdays" for layer in roster.layers if layer.role == "project-manager")
