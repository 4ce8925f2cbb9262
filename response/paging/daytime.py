"""When a page that is no emergency may ring: at once by day, and at night in the morning."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from facility.site import Site


def rings_ms(site: Site, priority: int, at_ms: int) -> int:
    """Return when a page of this priority may ring that is due at a moment (UTC milliseconds)."""
    return day_ms(site, at_ms) if priority in site.paging.wait_for_day else at_ms


def day_ms(site: Site, at_ms: int) -> int:
    """Return the moment itself when it lies in the site's day, else the beginning of the next one."""
    begin, end = site.paging.day
    zone = ZoneInfo(site.timezone)
    here = datetime.fromtimestamp(at_ms / 1000, zone)
    minute = here.hour * 60 + here.minute
    if begin <= minute < end:
        return at_ms
    day = here.date() if minute < begin else here.date() + timedelta(days=1)
    opens = datetime.combine(day, time(begin // 60, begin % 60), tzinfo=zone)
    return int(opens.timestamp() * 1000)
