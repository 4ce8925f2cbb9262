"""The one clock. The only file that may ask the operating system what time it is."""

import asyncio
import time
from typing import Protocol

from facility.ports import Clock

STEP_MS = 1_000
"""A wall clock that is off by more than this has stepped; less is led in silently."""
SLEW = 0.005
"""How much faster or slower than real time we run while a step is led in."""


PLAUSIBLE_MS = 1_735_689_600_000
"""2025 began: this program did not exist before, so no clock that says so is right."""
BACK_MS = 86_400_000
"""A clock further behind the newest record than this is wrong; one that is less behind is led in."""


def believable(wall_ms: int, newest_ms: int) -> bool:
    """Say whether a wall clock can be right, given the newest record's time; UTC milliseconds."""
    return wall_ms >= max(PLAUSIBLE_MS, newest_ms - BACK_MS)


class WakingClock(Clock, Protocol):
    """A clock whose wait can be cut short."""

    async def woken(self, event: asyncio.Event, at_ms: int | None) -> None:
        """Return when the event is set or the moment has come, and clear the event."""


class SystemClock:
    """Wall clock at the start plus monotonic time: a jump of the wall clock fires and skips no promise.

    A step is led in at `SLEW` (a minute takes 3 h 20 min), so that our time stays the time people read without
    ever running backwards.
    """

    def __init__(self, not_before: int = 0) -> None:
        """Start at the wall clock, or at `not_before` (the newest record) where that is later."""
        self._base = max(time.time() * 1000, float(not_before))
        self._since = time.monotonic()
        self._rate = 0.0
        self._last_offset = 0.0

    def now(self) -> int:
        """Return the current moment in UTC milliseconds; never runs backwards."""
        return int(self._base + (time.monotonic() - self._since) * 1000 * (1 + self._rate))

    @staticmethod
    def wall() -> int:
        """Return what the wall clock says, right or wrong, in UTC milliseconds."""
        return int(time.time() * 1000)

    def adopt(self) -> int:
        """Take the wall clock's time at once, forwards only; return by how many milliseconds it moved.

        Only for a start on a clock that could not be right: nothing was stamped yet.
        """
        before, wall = self.now(), float(self.wall())
        self._base, self._since = max(float(before), wall), time.monotonic()
        self._rate, self._last_offset = 0.0, 0.0
        return self.now() - before

    def offset(self) -> int:
        """Return how far the wall clock is ahead of ours, in milliseconds."""
        return int(time.time() * 1000) - self.now()

    def lead_in(self) -> int:
        """Follow the wall clock slowly; return the size of a new step since the last call, or 0."""
        offset = float(self.offset())
        stepped = offset - self._last_offset
        self._base, self._since = float(self.now()), time.monotonic()
        self._rate = max(-SLEW, min(SLEW, offset / 60_000))
        self._last_offset = offset
        return int(stepped) if abs(stepped) > STEP_MS else 0

    async def until(self, at_ms: int) -> None:
        """Return at that moment, or at once when it has passed."""
        while (left := at_ms - self.now()) > 0:
            await asyncio.sleep(left / 1000)

    async def woken(self, event: asyncio.Event, at_ms: int | None) -> None:
        """Return when the event is set or the moment has come, and clear the event."""
        if not event.is_set():
            left = None if at_ms is None else max(0.0, (at_ms - self.now()) / 1000)
            if left != 0.0:
                try:
                    async with asyncio.timeout(left):
                        await event.wait()
                except TimeoutError:
                    pass
        event.clear()


class SteppedClock:
    """Moves only when it is waited for, and then at once: what takes hours is played in seconds."""

    def __init__(self, now_ms: int) -> None:
        self._now = now_ms

    def now(self) -> int:
        """Return the current moment in UTC milliseconds."""
        return self._now

    async def until(self, at_ms: int) -> None:
        """Let everybody else have a turn; then it is that moment."""
        await asyncio.sleep(0)
        self._now = max(self._now, at_ms)

    async def woken(self, event: asyncio.Event, at_ms: int | None) -> None:
        """Return at once, at that moment."""
        event.clear()
        await self.until(self._now if at_ms is None else at_ms)
