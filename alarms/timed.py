"""Conditions that time alone can change: no movement for long enough, too many hours, too many starts.

Each says by `ripe_ms`, in the device's time, when it changes if nothing else is heard; the evaluator keeps the clock,
and puts that moment on ours (`due_ms`). What is measured while a value is read stops while it is not (`blind`).
"""

from collections import deque
from math import inf, nextafter

from alarms.watch import NEVER_QUIET, Watch
from facility.rule import Condition

HOUR_MS = 3_600_000


class Timed(Watch):
    """What they share. `since_ms` is where their time began, `blind_ms` since when the value is not read."""

    __slots__ = ("blind_ms", "due_ms", "ripe_ms", "scan_ms", "since_ms")

    reads = True
    """Whether its time only counts while the value is read."""

    then = True
    """Whether it holds when `ripe_ms` has come."""

    def __init__(self, condition: Condition, instance: int, device: str, point: str, position: int) -> None:
        super().__init__(condition, instance, device, point, position)
        self.since_ms: int | None = None
        self.blind_ms: int | None = None
        self.ripe_ms: int | None = None
        self.due_ms: int | None = None
        self.scan_ms = 0  # the scan that began it

    @property
    def remembers(self) -> bool:
        """Whether it has measured anything."""
        return self.since_ms is not None

    def ends(self) -> bool:
        """Take that `ripe_ms` has come, and say whether the rule must be judged."""
        self._ripens(None)
        return self._now(self.then)

    def blind(self, at_ms: int) -> bool:
        """Take that the value has not been read since then; say whether that is news."""
        if not self.reads or self.blind_ms is not None or self.since_ms is None:
            return False
        self.blind_ms = at_ms
        self._ripens(None)
        return True

    def force(self, *, holds: bool) -> None:
        """Take somebody's word for it; what was measured begins anew."""
        self.holds = holds
        self.since_ms = self.blind_ms = None
        self._ripens(None)
        self.low, self.high = NEVER_QUIET

    def _ripens(self, at_ms: int | None) -> bool:
        if at_ms == self.ripe_ms:
            return False
        self.ripe_ms, self.due_ms = at_ms, None
        return True


class Flat(Timed):
    """FLAT: for `window_ms` of reading it stayed within `limit` of where it stood."""

    __slots__ = ("anchor",)

    def __init__(self, condition: Condition, instance: int, device: str, point: str, position: int) -> None:
        super().__init__(condition, instance, device, point, position)
        self.anchor: float | None = None

    def look(self, value: float, at_ms: int) -> bool:
        """Begin anew when it moved, else see how long it has not."""
        changed = self.blind_ms is not None
        if self.since_ms is None or self.anchor is None or not self.low <= value <= self.high:
            fresh = self.since_ms is None and self.holds  # somebody said that it is flat: until it moves
            if not fresh:
                self._now(holds=False)
            changed = True
            self.anchor, self.since_ms, self.blind_ms = value, at_ms, None
            self.low, self.high = value - self.condition.limit, value + self.condition.limit
        elif self.blind_ms is not None:
            self.since_ms += max(0, at_ms - self.blind_ms)
            self.blind_ms = None
        if self.holds:
            return self._ripens(None) or changed
        ripe_ms = self.since_ms + self.condition.window_ms
        if at_ms >= ripe_ms:
            self._ripens(None)
            return self._now(holds=True)
        return self._ripens(ripe_ms) or changed

    def restore_band(self) -> None:
        """Set the band that belongs to the anchor."""
        if self.anchor is not None:
            self.low, self.high = self.anchor - self.condition.limit, self.anchor + self.condition.limit


class Runs(Timed):
    """RUNS: on (not 0) for more than `limit` hours in all, since it was last reset. Only a reset ends it."""

    __slots__ = ("total_ms",)

    def __init__(self, condition: Condition, instance: int, device: str, point: str, position: int) -> None:
        super().__init__(condition, instance, device, point, position)
        self.total_ms = 0

    def look(self, value: float, at_ms: int) -> bool:
        """Count from when it goes on to when it goes off."""
        self.low, self.high = _on_or_off(value)
        before_ms = self.since_ms
        if self.blind_ms is not None:
            self._stop(self.blind_ms)
            self.blind_ms = None
        if value == 0:
            self._stop(at_ms)
        elif self.since_ms is None:
            self.since_ms = at_ms
        changed = self.since_ms != before_ms
        left_ms = round(self.condition.limit * HOUR_MS) - self.total_ms
        if self.since_ms is not None and at_ms - self.since_ms >= left_ms:
            left_ms = 0
        if self.holds or left_ms <= 0:
            self._ripens(None)
            return self._now(holds=True) or changed
        self._ripens(None if self.since_ms is None else self.since_ms + left_ms)
        return self._now(holds=False) or changed

    @property
    def remembers(self) -> bool:
        """Whether it ran since it was reset."""
        return self.since_ms is not None or self.total_ms > 0

    def force(self, *, holds: bool) -> None:
        """Begin the hours anew."""
        super().force(holds=holds)
        self.total_ms = 0

    def _stop(self, at_ms: int) -> None:
        if self.since_ms is not None:
            self.total_ms += max(0, at_ms - self.since_ms)
            self.since_ms = None


class Starts(Timed):
    """STARTS: went from 0 to something else more than `limit` times within `window_ms`."""

    __slots__ = ("before", "newest")

    reads = False  # what was not seen to start is not counted; the window goes on
    then = False

    def __init__(self, condition: Condition, instance: int, device: str, point: str, position: int) -> None:
        super().__init__(condition, instance, device, point, position)
        self.before: float | None = None
        self.newest: deque[int] = deque(maxlen=int(condition.limit) + 1)

    def look(self, value: float, at_ms: int) -> bool:
        """Count a start; the window ends by itself."""
        self.low, self.high = _on_or_off(value)
        if self.before == 0 and value != 0:
            if self.newest and at_ms < self.newest[-1]:
                self.newest.clear()  # the device's clock was set back; what came before cannot be placed
            self.newest.append(at_ms)
        changed = self.before is None or (self.before == 0) is not (value == 0)
        self.before = value
        ends_ms = self.newest[0] + self.condition.window_ms if self._many else None
        holds = ends_ms is not None and at_ms < ends_ms
        self._ripens(ends_ms if holds else None)
        return self._now(holds) or changed

    def force(self, *, holds: bool) -> None:
        """Begin counting anew."""
        super().force(holds=holds)
        self.newest.clear()

    @property
    def remembers(self) -> bool:
        """Whether it ever looked: a start is seen against what was before."""
        return self.before is not None

    @property
    def _many(self) -> bool:
        return len(self.newest) == self.newest.maxlen


def _on_or_off(value: float) -> tuple[float, float]:
    """Return the band in which a value says the same of being on."""
    if value == 0:
        return 0.0, 0.0
    return (nextafter(0.0, inf), inf) if value > 0 else (-inf, nextafter(0.0, -inf))
