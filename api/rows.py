"""The rows of the alarm list as they leave, each written once: in a flood thousands stay and ten change."""

from weakref import WeakKeyDictionary

from pydantic import TypeAdapter

from alarms.life import Alarm
from api.shapes.alarm import AlarmShape
from api.station import Station
from api.views.alarm import alarm_shape
from facility.site import Site

SPARE = 1_000
"""So many rows of alarms that are over may be kept beside as many as are open."""

_ROW = TypeAdapter(AlarmShape)


class Rows:
    """What was written of each alarm, for as long as neither it nor its incident is another."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._rows: dict[str, tuple[Alarm, str | None, bytes]] = {}

    def of(self, alarm: Alarm, incident: str | None) -> bytes:
        """Return an alarm's row as JSON."""
        known = self._rows.get(alarm.subject)
        if known is not None and known[0] is alarm and known[1] == incident:
            return known[2]
        row = _ROW.dump_json(alarm_shape(self.site, alarm, incident))
        self._rows[alarm.subject] = (alarm, incident, row)
        return row

    def kept(self, open_: int) -> None:
        """Forget all when most of them are over."""
        if len(self._rows) > 2 * open_ + SPARE:
            self._rows.clear()


_KEPT: WeakKeyDictionary[Station, Rows] = WeakKeyDictionary()


def rows_of(station: Station) -> Rows:
    """Return the rows of a station's alarms; another site's words make new ones."""
    rows = _KEPT.get(station)
    if rows is None or rows.site is not station.site:
        rows = _KEPT[station] = Rows(station.site)
    return rows
