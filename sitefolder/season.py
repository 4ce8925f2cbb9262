"""When in the year, the week and the day a rule means anything, as rules write it."""

import re
from datetime import date

from pydantic import Field, model_validator

from facility.rule import Season
from sitefolder.finding import WordError
from sitefolder.strict import Strict

_DAY = re.compile(r"^(\d\d)-(\d\d)$", re.ASCII)
_TIME = re.compile(r"^(\d\d):([0-5]\d)$", re.ASCII)
_DAYS = re.compile(r"^[1-7](-[1-7])?(,[1-7](-[1-7])?)*$", re.ASCII)
_LEAP = 2028
_MIDNIGHT = 24 * 60


def _day(word: str) -> tuple[int, int]:
    found = _DAY.match(word)
    try:
        day = date(_LEAP, int(found[1]), int(found[2])) if found else None
    except ValueError:
        day = None
    if day is None:
        raise WordError(
            f"{word!r} 不是日期；写作“月-日”，例如 11-15", f'{word!r} is no day; write month-day, as "11-15"'
        )
    return day.month, day.day


def _minute(word: str) -> int:
    found = _TIME.match(word)
    minute = int(found[1]) * 60 + int(found[2]) if found else _MIDNIGHT + 1
    if minute > _MIDNIGHT:
        raise WordError(f"{word!r} 不是时刻；写作“时:分”，例如 08:00", f'{word!r} is no time; write "08:00"')
    return minute


class SeasonTable(Strict):
    """season = { from = "11-15", to = "03-15" }: both days included; it may pass over the year's end."""

    from_: str = Field(alias="from")
    to: str

    @model_validator(mode="after")
    def _days(self) -> "SeasonTable":
        self.days()
        return self

    def days(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return its first and its last day, as (month, day)."""
        return _day(self.from_), _day(self.to)


class HoursTable(Strict):
    """hours = { from = "08:00", to = "20:00", days = "1-5" }: site's time; without `days` every day."""

    from_: str = Field(alias="from", default="00:00")
    to: str = "24:00"
    days: str = Field(default="", pattern=rf"^$|{_DAYS.pattern}")

    @model_validator(mode="after")
    def _fits(self) -> "HoursTable":
        if self.minutes()[0] == self.minutes()[1]:
            raise WordError("开始和结束相同", "begins when it ends")
        return self

    def minutes(self) -> tuple[int, int]:
        """Return from when to when in minutes from midnight; both 0 for the whole day."""
        start, end = _minute(self.from_), _minute(self.to)
        return (0, 0) if (start, end) == (0, _MIDNIGHT) else (start, end)

    def weekdays(self) -> tuple[int, ...]:
        """Return the ISO week days."""
        found: set[int] = set()
        for part in self.days.split(",") if self.days else ():
            first, _, last = part.partition("-")
            a, b = int(first), int(last or first)
            found.update(range(a, b + 1) if a <= b else (*range(a, 8), *range(1, b + 1)))
        return tuple(sorted(found))


def season_of(season: SeasonTable | None, hours: HoursTable | None) -> Season | None:
    """Return both in the language of the facility; None where neither is given."""
    if season is None and hours is None:
        return None
    first, last = season.days() if season else (None, None)
    start, end = hours.minutes() if hours else (0, 0)
    return Season(first, last, start, end, hours.weekdays() if hours else ())
