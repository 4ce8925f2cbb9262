"""Which days are worked: China's public holidays with their make-up workdays, and what the site says itself.

The one file that imports chinese_calendar. What it does not know yet (the State Council says each year in November) is
written into roster.toml by the site, or waits; a day that nobody knows counts as a plain weekday, and that is said.
"""

from collections.abc import Iterable
from datetime import date
from typing import Literal

from pydantic import Field

from facility.duty import Calendar
from sitefolder.strict import Strict

CHINA = frozenset({"Asia/Shanghai", "Asia/Chongqing", "Asia/Harbin", "Asia/Urumqi", "Asia/Kashgar", "PRC"})
"""Time zones whose sites live by China's public holidays."""
_SATURDAY = 5


class DayTable(Strict):
    """[[day]]: one day that is not what its weekday says; it overrules the public calendar."""

    date: date
    kind: Literal["workday", "rest-day"]
    name: str = ""


class CalendarTable(Strict):
    """[calendar]: `known_until` says that every special day up to it stands in this file or in the public calendar."""

    known_until: date | None = Field(default=None)


def calendar_of(timezone: str, table: CalendarTable, days: Iterable[DayTable]) -> Calendar:
    """Return the calendar of a site: public days where its time zone is China's, its own days over them."""
    until, rest, work = _public() if timezone in CHINA else (None, set[date](), set[date]())
    for day in days:
        for kind in (rest, work):
            kind.discard(day.date)
        weekend = day.date.weekday() >= _SATURDAY
        if (day.kind == "workday") is weekend:  # what its weekday says anyway needs no exception
            (work if weekend else rest).add(day.date)
    known = max((d for d in (until, table.known_until) if d is not None), default=None)
    return Calendar(known, frozenset(rest), frozenset(work))


def _public() -> tuple[date, set[date], set[date]]:
    from chinese_calendar import constants

    # Its tables end with the year of the newest announcement; the last of its holidays is earlier.
    until = date(max(day.year for day in constants.holidays), 12, 31)
    rest = {day for day in constants.holidays if day.weekday() < _SATURDAY}
    return until, rest, set(constants.workdays)
