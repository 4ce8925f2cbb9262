"""The names of permits and tickets: the moment of their issue, in the site's own time."""

from datetime import datetime
from zoneinfo import ZoneInfo

from facility.site import Site


def named_after(site: Site, at_ms: int, last: str) -> str:
    """Return "YYMMDD-HHMMSS", or the next name after `last` where that would come twice or run backwards."""
    name = datetime.fromtimestamp(at_ms / 1000, ZoneInfo(site.timezone)).strftime("%y%m%d-%H%M%S")
    if name > last:
        return name
    day, _, number = last.partition("-")
    return f"{day}-{int(number) + 1:06d}"
