"""What the days ahead lack: looked at once a minute, and told to the alarms as figures of the monitoring computer.

One rule watches each figure, so one alarm stands for all holes. When another hole comes while it stands, the figure
drops to nothing for one look: the alarm rises anew, and somebody must see it again.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence

from facility.ports import Beat, Clock, Written
from facility.records import Kind
from facility.site import Site
from response import duty
from response.duty import Ahead
from response.paging import reached

EVERY_MS = 60_000
FIGURES = {
    duty.HOLE: "roster_holes",
    duty.CERTIFICATE: "certificates_due",
    duty.UNTESTED: "people_untested",
    duty.CALENDAR: "calendar_missing",
}
"""The points of the kind `host` that count each sort of warning."""


class Outlook:
    """Holds the newest warnings and who was reached when; `site` returns the site with its roster as changed."""

    def __init__(self, site: Callable[[], Site], clock: Clock, *, demo: bool = False) -> None:
        """Take where to look.

        In a demo nobody's channel is doubted, since its phones ring nobody; and what was planted before it began is
        said on the screens but raises no alarm, so that its night begins calm.
        """
        self._site, self._clock, self._demo = site, clock, demo
        self._planted: frozenset[str] = frozenset()
        self._reached: Mapping[str, int] = {}
        self._ahead: Sequence[Ahead] | None = None
        self._dip: set[str] = set()
        self._fresh = asyncio.Event()

    def ahead(self) -> Sequence[Ahead]:
        """Return what must be put right, as of the last look."""
        return self._ahead or ()

    def figures(self) -> Mapping[str, float]:
        """Return the counts by point; nothing before the first look, and 0 once for those that gained a warning."""
        if self._ahead is None:
            return {}
        kinds = [one.what for one in self._ahead if one.id not in self._planted]
        counts = {name: 0.0 if what in self._dip else float(kinds.count(what)) for what, name in FIGURES.items()}
        self._dip.clear()
        return counts

    def reached(self) -> Mapping[str, int]:
        """Return when each person last answered a page or a test page; UTC milliseconds."""
        return self._reached

    def told(self, written: Iterable[Written]) -> None:
        """Hear of new records: who answered, and whether the roster changed."""
        for one in written:
            self._reached = reached.tell(self._reached, one.record)
            if one.record.kind in _ROSTER:
                self._fresh.set()

    def look(self) -> list[Ahead]:
        """Return what must be put right now. For a thread; takes some 20 ms."""
        now, people = self._clock.now(), self._reached
        return duty.ahead(self._site(), now, lambda who: not self._demo and reached.untested(people, who, now))

    def take(self, found: Sequence[Ahead]) -> None:
        """Believe what a look found."""
        if self._ahead is not None:
            known = {one.id for one in self._ahead}
            standing = {one.what for one in self._ahead}
            self._dip |= {one.what for one in found if one.id not in known} & standing
        elif self._demo:
            self._planted = frozenset(one.id for one in found)
        self._ahead = found

    async def run(self, past: Callable[[], Sequence[Written]], beat: Beat) -> None:
        """Look once a minute, and when the roster changed, for ever; `past` brings the answers of the last weeks."""
        self.told(await asyncio.to_thread(past))
        while True:
            beat()
            self._fresh.clear()
            self.take(await asyncio.to_thread(self.look))
            waiting = asyncio.create_task(self._clock.until(self._clock.now() + EVERY_MS))
            changed = asyncio.create_task(self._fresh.wait())
            try:
                await asyncio.wait({waiting, changed}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                waiting.cancel()
                changed.cancel()


_ROSTER = frozenset({Kind.ROSTER_CHANGED, Kind.ROSTER_AGREED, Kind.ROSTER_REVOKED, Kind.CONFIG_ADOPTED})
