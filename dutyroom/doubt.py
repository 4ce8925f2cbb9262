"""A start on a clock that cannot be right (a flat battery says 1970): nothing is stamped until it is, or patience ends.

Devices are read meanwhile, and what they say waits in memory. A computer whose clock never comes must still page: after
`PATIENCE_MS` times go on from the newest record, which is wrong but in order, and every screen says so.
"""

from collections import deque
from collections.abc import Callable, Iterator

import structlog

from dutyroom.clock import PLAUSIBLE_MS, SystemClock, believable
from facility.commands import Refused
from facility.ports import Beat
from facility.records import ClockDoubted
from facility.scan import Scan
from facility.text import Text

log = structlog.get_logger(__name__)

PATIENCE_MS = 300_000
LOOK_MS = 500
EARLY_SCANS = 100_000
"""Scans that may wait for a believable clock; beyond it the oldest are let go, and counted."""
EARLY_MS = 60_000
"""A device whose own time is so far ahead of ours knew the time."""

WAITING = Text(
    "系统时钟不可信（早于最新记录或程序日期），暂不记录、不呼叫，只采集。请校时；5 分钟后将按最新记录的时间继续。",
    "The computer's clock cannot be right (before the newest record, or before this program): nothing is recorded and"
    " nobody is paged yet, devices are read. Set the clock; after 5 min times go on from the newest record.",
)
UNSET = Text(
    "系统时钟不可信：记录时刻从最新记录接着走，顺序正确但时刻不准。请校时后重启服务。",
    "The computer's clock cannot be right: times go on from the newest record, in order but wrong."
    " Set the clock, then restart the service.",
)
REFUSED = Refused("unavailable", WAITING)


class Doubt:
    """What is held against the wall clock at the start; `words` says it, None when nothing is."""

    def __init__(self, clock: SystemClock, newest_ms: int) -> None:
        """Look at the wall clock once; `newest_ms` is the newest record's time, 0 for an empty book."""
        self._clock, self._newest = clock, newest_ms
        self.waiting = not believable(clock.wall(), newest_ms)
        self.words: Text | None = WAITING if self.waiting else None

    async def over(self, beat: Beat) -> tuple[int, ClockDoubted]:
        """Wait until the clock can be right, or long enough; return by how much our time moved, and what to record."""
        began, wall = self._clock.now(), self._clock.wall()
        log.error("the clock cannot be right; waiting before anything is recorded", wall_ms=wall, newest=self._newest)
        while not (found := believable(self._clock.wall(), self._newest)):
            beat()
            if self._clock.now() - began >= PATIENCE_MS:
                break
            await self._clock.until(self._clock.now() + LOOK_MS)
        waited = self._clock.now() - began
        moved = self._clock.adopt() if found else 0
        self.waiting, self.words = False, None if found else UNSET
        log.warning("the clock is taken" if found else "times go on from the newest record", moved_ms=moved)
        return moved, ClockDoubted(wall, waited)


class Early:
    """Scans that wait for a time, each with whom to tell when it is durable."""

    def __init__(self) -> None:
        self._scans: deque[tuple[Scan, Callable[[], None] | None]] = deque(maxlen=EARLY_SCANS)

    def keep(self, scan: Scan, done: Callable[[], None] | None) -> bool:
        """Keep one more; say whether the oldest was let go for it."""
        full = len(self._scans) == self._scans.maxlen
        self._scans.append((scan, done))
        return full

    def moved(self, by_ms: int) -> Iterator[tuple[Scan, Callable[[], None] | None]]:
        """Yield them, at the time that is now known: all happened `by_ms` later than was said."""
        for scan, done in self._scans:
            if scan.at_ms <= scan.received_ms + EARLY_MS:  # else the device knew the time
                scan.at_ms += by_ms
            scan.received_ms += by_ms
            yield scan, done


def floor(newest_ms: int) -> int:
    """Return the moment before which our time never is."""
    return max(newest_ms, PLAUSIBLE_MS)
