"""When in the year, the week and the day a rule means anything, on the site's own clock.

A window is reckoned as two moments of UTC per local day, so that an hour that comes twice, or never, moves no bound
twice. A night that passes midnight belongs to the day on which it began.
"""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from facility.rule import Season

_DAY = timedelta(days=1)
_AHEAD = 400
"""So many days ahead is the next bound looked for; a window without one in so long has none."""


def holds(season: Season, at_ms: int, zone: ZoneInfo) -> bool:
    """Say whether a moment (UTC milliseconds) lies within."""
    day = _local(at_ms, zone)
    return any(begin <= at_ms < end for begin, end in _windows(season, day - _DAY, 3, zone))


def in_days(season: Season, at_ms: int, zone: ZoneInfo) -> bool:
    """Say whether the local day is one of those meant, whatever the hour."""
    return _means(season, _local(at_ms, zone))


def next_change(season: Season, at_ms: int, zone: ZoneInfo) -> int | None:
    """Return the first moment after `at_ms` at which the answer of `holds` is another one; None: never."""
    end: int | None = None
    for begins, ends in _windows(season, _local(at_ms, zone) - _DAY, _AHEAD, zone):
        if end is not None:  # within a window: it goes on while the next one begins where this one ends
            if begins > end:
                return end
            end = max(end, ends)
        elif begins <= at_ms < ends:
            end = ends
        elif begins > at_ms:
            return begins
    return end if end is not None and end < at_ms + (_AHEAD - 3) * 86_400_000 else None


def _windows(season: Season, first: date, days: int, zone: ZoneInfo) -> Iterator[tuple[int, int]]:
    """Yield when the windows of so many days begin and end, in their order."""
    over_midnight = season.to_minute <= season.from_minute
    for n in range(days):
        day = first + n * _DAY
        if _means(season, day):
            last = day + _DAY if over_midnight else day
            yield _moment(day, season.from_minute, zone), _moment(last, season.to_minute, zone)


def _means(season: Season, day: date) -> bool:
    if season.days and day.isoweekday() not in season.days:
        return False
    if season.from_day is None or season.to_day is None:
        return True
    here, begin, end = (day.month, day.day), season.from_day, season.to_day
    return begin <= here <= end if begin <= end else here >= begin or here <= end


def _moment(day: date, minute: int, zone: ZoneInfo) -> int:
    hour, minute = divmod(minute, 60)
    day, hour = (day + _DAY, 0) if hour == 24 else (day, hour)  # noqa: PLR2004 - hours of a day
    return int(datetime.combine(day, time(hour, minute), zone).timestamp() * 1000)


def _local(at_ms: int, zone: ZoneInfo) -> date:
    return datetime.fromtimestamp(at_ms / 1000, zone).date()
