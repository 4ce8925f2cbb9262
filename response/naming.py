"""How the desk names what it begins: permits and tickets by the moment of their issue, incidents by day and number.

Days and moments are the site's own.
"""

from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

from facility.site import Site
from response.context import Context


def named_after(site: Site, at_ms: int, last: str) -> str:
    """Return "YYMMDD-HHMMSS", or the next name after `last` where that would come twice or run backwards."""
    name = datetime.fromtimestamp(at_ms / 1000, ZoneInfo(site.timezone)).strftime("%y%m%d-%H%M%S")
    if name > last:
        return name
    day, _, number = last.partition("-")
    return f"{day}-{int(number) + 1:06d}"


def day_of(site: Site, at_ms: int) -> str:
    """Return the site's calendar day as YYMMDD."""
    return datetime.fromtimestamp(at_ms / 1000, ZoneInfo(site.timezone)).strftime("%y%m%d")


class Numbers:
    """The numbers of incidents, "YYMMDD-n": a day never comes back, whatever a late alarm says."""

    def __init__(self) -> None:
        self._newest = ("", 0)

    def after(self, newest: str) -> None:
        """Take note of an incident that has its number, by its id or subject."""
        day, _, number = newest.removeprefix("incident:").partition("-")
        if number.isdigit():
            self._newest = max(self._newest, (day, int(number)))

    def of(self, context: Context) -> Callable[[int], str]:
        """Return how to name an incident that begins at a moment; the same until one is told."""
        return lambda at_ms: self.next(context, at_ms)

    def next(self, context: Context, at_ms: int = 0) -> str:
        """Return the next number of the day."""
        day = max(day_of(context.site, max(at_ms, context.now)), self._newest[0])
        return f"{day}-{self._newest[1] + 1 if day == self._newest[0] else 1}"
