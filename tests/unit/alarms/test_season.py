"""Seasons and hours on the site's own clock, in the nights in which that clock is moved and over the year's end."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alarms.season import holds, in_days, next_change
from facility.rule import Season

BERLIN = ZoneInfo("Europe/Berlin")  # 25 October 2026: 03:00 is 02:00 again; 28 March 2027: 02:00 is 03:00
SHANGHAI = ZoneInfo("Asia/Shanghai")
NIGHT = Season(from_minute=22 * 60, to_minute=6 * 60)
HEATING = Season(from_day=(11, 15), to_day=(3, 15))
HOUR = 3_600_000


def utc(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp() * 1000)  # type: ignore[arg-type, misc]


def changes(season: Season, zone: ZoneInfo, begin: int, end: int) -> list[int]:
    found = []
    while (change := next_change(season, begin, zone)) is not None and change < end:
        found.append(change)
        begin = change
    return found


@pytest.mark.parametrize(
    ("evening", "begins", "ends", "hours"),
    [
        (utc(2026, 10, 24, 12), utc(2026, 10, 24, 20), utc(2026, 10, 25, 5), 9),
        (utc(2027, 3, 27, 12), utc(2027, 3, 27, 21), utc(2027, 3, 28, 4), 7),
    ],
    ids=["an hour twice", "an hour never"],
)
def test_a_night_in_which_the_clock_is_moved_lasts_from_ten_to_six_on_the_wall(evening, begins, ends, hours) -> None:
    assert changes(NIGHT, BERLIN, evening, evening + 24 * HOUR) == [begins, ends]
    assert ends - begins == hours * HOUR
    for at in (begins, begins + 5 * HOUR, ends - 1):
        assert holds(NIGHT, at, BERLIN)
    assert not holds(NIGHT, begins - 1, BERLIN)
    assert not holds(NIGHT, ends, BERLIN)


def test_a_window_in_the_hour_that_comes_twice_opens_once_and_closes_once() -> None:
    inside = Season(from_minute=2 * 60 + 15, to_minute=2 * 60 + 45)
    day = utc(2026, 10, 24, 12)
    assert changes(inside, BERLIN, day, day + 24 * HOUR) == [utc(2026, 10, 25, 0, 15), utc(2026, 10, 25, 0, 45)]
    assert not holds(inside, utc(2026, 10, 25, 1, 30), BERLIN)


def test_a_window_in_the_hour_that_never_comes_is_as_long_as_ever() -> None:
    inside = Season(from_minute=2 * 60 + 15, to_minute=2 * 60 + 45)
    day = utc(2027, 3, 27, 12)
    begins, ends = changes(inside, BERLIN, day, day + 24 * HOUR)
    assert ends - begins == 30 * 60_000
    assert begins == utc(2027, 3, 28, 1, 15)


def test_a_season_goes_over_the_year_s_end_and_its_last_day_belongs_to_it() -> None:
    begins, ends = utc(2026, 11, 14, 16), utc(2027, 3, 15, 16)
    assert changes(HEATING, SHANGHAI, utc(2026, 6, 1), utc(2027, 9, 1)) == [begins, ends]
    for at in (begins, utc(2026, 12, 31, 15, 59), utc(2026, 12, 31, 16), ends - 1):
        assert holds(HEATING, at, SHANGHAI)
    assert not holds(HEATING, begins - 1, SHANGHAI)
    assert not holds(HEATING, ends, SHANGHAI)


def test_a_night_of_the_season_s_last_day_ends_in_the_morning_after_it_also_on_new_year_s_eve() -> None:
    until_new_year = Season((12, 1), (12, 31), 22 * 60, 6 * 60)
    assert holds(until_new_year, utc(2026, 12, 31, 21, 59), SHANGHAI)  # 05:59 on the 1st of January
    assert not in_days(until_new_year, utc(2026, 12, 31, 21, 59), SHANGHAI)
    assert not holds(until_new_year, utc(2026, 12, 31, 22), SHANGHAI)
    assert next_change(until_new_year, utc(2026, 12, 31, 22), SHANGHAI) == utc(2027, 12, 1, 14)


def test_a_season_that_begins_on_a_leap_day_begins_a_day_later_in_other_years() -> None:
    leap = Season(from_day=(2, 29), to_day=(3, 1))
    assert changes(leap, SHANGHAI, utc(2027, 1, 1), utc(2028, 6, 1)) == [
        utc(2027, 2, 28, 16), utc(2027, 3, 1, 16), utc(2028, 2, 28, 16), utc(2028, 3, 1, 16),
    ]  # fmt: skip


def test_working_days_are_one_window_each_and_days_that_touch_are_one() -> None:
    assert changes(Season(days=(1, 2, 3, 4, 5)), SHANGHAI, utc(2026, 12, 30), utc(2027, 1, 10)) == [
        utc(2027, 1, 1, 16), utc(2027, 1, 3, 16), utc(2027, 1, 8, 16),
    ]  # fmt: skip
    assert next_change(Season(), utc(2026, 12, 30), SHANGHAI) is None


@settings(deadline=None, max_examples=60)
@given(
    days=st.tuples(st.tuples(st.integers(1, 12), st.integers(1, 28)), st.tuples(st.integers(1, 12), st.integers(1, 28))),
    minutes=st.tuples(st.integers(0, 1439), st.integers(0, 1440)),
    begin=st.sampled_from([datetime(2026, 10, 23, tzinfo=UTC), datetime(2026, 12, 30, tzinfo=UTC), datetime(2027, 3, 26, tzinfo=UTC)]),
)  # fmt: skip
def test_between_two_changes_the_answer_is_one_and_at_a_change_it_is_another(days, minutes, begin) -> None:
    season = Season(*days, *minutes)
    at = int(begin.timestamp() * 1000)
    for _ in range(6):
        change = next_change(season, at, BERLIN)
        if change is None:
            return
        assert change > at
        now = holds(season, at, BERLIN)
        assert holds(season, change - 1, BERLIN) is now
        assert holds(season, change, BERLIN) is not now
        span = timedelta(milliseconds=change - at) / 7
        assert all(holds(season, at + int(n * span / timedelta(milliseconds=1)), BERLIN) is now for n in range(7))
        at = change
