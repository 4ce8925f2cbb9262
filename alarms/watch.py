"""One condition of a rule on one machine: does it hold, and between which values is there nothing to do.

Every watch keeps a quiet band: while a good value stays in `low..high` the watch cannot change. A NaN is in no
band. `look` takes a good value that left it. Hysteresis is the condition's own: once it holds, it stops holding only
past the deadband, whatever the rest of its rule does. Those that time alone can change are in timed.py.
"""

from collections import deque
from math import inf, nextafter

from facility.rule import Compare, Condition

NEVER_QUIET = (inf, -inf)
"""A band that no value is in."""

MOST_SAMPLES = 128
"""A rate window keeps at most so many turning points; beyond that, close ones are joined."""

MOST_COUNTS = 1000
"""More counts than this between two readings are a counter that was set, not that many events."""

MOST_WRAPPED = 100
"""A counter that falls counts as wrapped round when it went up by no more than this; otherwise it was restarted."""

_WIDTHS = (1 << 16, 1 << 32)


def resting(condition: Condition) -> tuple[float, float] | None:
    """Return the band in which a value only says that the condition does not hold; None where it may say more.

    While every value seen lay in it, the condition need not be watched one by one: nothing would be remembered of it.
    """
    limit = condition.limit
    if condition.other:
        return None
    match condition.compare:
        case Compare.ABOVE:
            return -inf, limit
        case Compare.BELOW:
            return limit, inf
        case Compare.IS:
            return -inf, nextafter(limit, -inf)
        case Compare.IS_NOT:
            return limit, limit
        case _:
            return None


class Watch:
    """What all watches have: whose they are (`instance` is an order number), where they look, and what they know.

    `holds` is None until a first good value was seen.
    """

    __slots__ = ("condition", "device", "high", "holds", "instance", "low", "point", "position")

    def __init__(self, condition: Condition, instance: int, device: str, point: str, position: int) -> None:
        self.condition = condition
        self.instance = instance
        self.device = device
        self.point = point
        self.position = position
        self.holds: bool | None = None
        self.low, self.high = NEVER_QUIET

    @property
    def parts(self) -> tuple["Watch", ...]:
        """What stands at each point that is looked at."""
        return (self,)

    def look(self, value: float, at_ms: int) -> bool:
        """Take a good value of that moment, set the band anew, and say whether the rule must be judged."""
        raise NotImplementedError

    def _now(self, holds: bool) -> bool:  # noqa: FBT001 - the one thing that is said
        changed = holds is not self.holds
        self.holds = holds
        return changed


class Beyond(Watch):
    """ABOVE and BELOW: `sign` -1 turns the second into the first."""

    __slots__ = ("enter", "leave", "sign")

    def __init__(self, condition: Condition, instance: int, device: str, point: str, position: int) -> None:
        super().__init__(condition, instance, device, point, position)
        self.sign = 1.0 if condition.compare is Compare.ABOVE else -1.0
        self.enter = self.sign * condition.limit
        self.leave = self.enter - condition.deadband

    def look(self, value: float, at_ms: int) -> bool:  # noqa: ARG002 - a level knows no time
        """Hold past the limit; let go only past the deadband."""
        changed = self._now(self.sign * value > (self.leave if self.holds else self.enter))
        low, high = (nextafter(self.leave, inf), inf) if self.holds else (-inf, self.enter)
        self.low, self.high = (low, high) if self.sign > 0 else (-high, -low)
        return changed


class Equal(Watch):
    """IS and IS_NOT."""

    __slots__ = ()

    def look(self, value: float, at_ms: int) -> bool:  # noqa: ARG002 - a state knows no time
        """Hold while the value is (or is not) the one that is meant."""
        limit = self.condition.limit
        if value == limit:
            self.low = self.high = limit
        elif value < limit:
            self.low, self.high = -inf, nextafter(limit, -inf)
        else:
            self.low, self.high = nextafter(limit, inf), inf
        return self._now((value == limit) is (self.condition.compare is Compare.IS))


class Rate(Watch):
    """RISES and FALLS: by more than `limit` from the extreme of the last `window_ms`, the edge included.

    `turns` holds the window's rising sequence of minima (of falling values, mirrored), so its first entry is the
    lowest. It sees every value, so its band is never quiet. Only a reading ends a rise; time alone does not.
    """

    __slots__ = ("sign", "turns")

    def __init__(self, condition: Condition, instance: int, device: str, point: str, position: int) -> None:
        super().__init__(condition, instance, device, point, position)
        self.sign = 1.0 if condition.compare is Compare.RISES else -1.0
        self.turns: deque[tuple[int, float]] = deque()

    def look(self, value: float, at_ms: int) -> bool:
        """Hold while the value stands too far from where it was."""
        x, turns = self.sign * value, self.turns
        if turns and at_ms < turns[-1][0]:
            turns.clear()  # the device's clock was set back; what came before cannot be placed
        while turns and turns[0][0] < at_ms - self.condition.window_ms:
            turns.popleft()
        while turns and turns[-1][1] >= x:
            turns.pop()
        turns.append((at_ms, x))
        if len(turns) > MOST_SAMPLES:
            self.turns = _joined(turns, self.condition.window_ms)
        bar = self.condition.limit - (self.condition.deadband if self.holds else 0.0)
        return self._now(x - self.turns[0][1] > bar)


def _joined(turns: deque[tuple[int, float]], window_ms: int) -> deque[tuple[int, float]]:
    """Join what lies in the same 64th of the window: its extreme is kept as long as its latest value would be."""
    slot_ms = max(1, window_ms * 2 // MOST_SAMPLES)
    joined: deque[tuple[int, float]] = deque()
    for at_ms, x in turns:
        if joined and joined[-1][0] // slot_ms == at_ms // slot_ms:
            joined[-1] = (at_ms, joined[-1][1])
        else:
            joined.append((at_ms, x))
    return joined


class Count(Watch):
    """COUNTS: `fresh` are the events since the last reading that the rule has not been told of yet."""

    __slots__ = ("baseline", "fresh", "skipped")

    def __init__(self, condition: Condition, instance: int, device: str, point: str, position: int) -> None:
        super().__init__(condition, instance, device, point, position)
        self.baseline: float | None = None
        self.fresh = 0
        self.skipped = 0

    def look(self, value: float, at_ms: int) -> bool:  # noqa: ARG002 - a counter knows no time
        """Count how far it went up; the first value only says where it stands."""
        if self.baseline is not None:
            self.fresh = min(self.fresh + self._went_up(self.baseline, value), MOST_COUNTS)
        self.baseline = self.low = self.high = value
        return self.fresh > 0

    def take(self) -> int:
        """Hand over the events not yet told."""
        fresh, self.fresh = self.fresh, 0
        return fresh

    def _went_up(self, before: float, now: float) -> int:
        counts = round(now - before)
        if counts < 0:
            wrapped = (counts + width for width in _WIDTHS if before < width)
            return next((count for count in wrapped if 0 < count <= MOST_WRAPPED), 0)
        if counts > MOST_COUNTS:
            self.skipped += counts - 1
            return 1
        return counts


class Silence(Watch):
    """SILENT: told by the evaluator whether the device was heard; it has no point."""

    __slots__ = ()

    def look(self, value: float, at_ms: int) -> bool:  # noqa: ARG002 - it is told, not measured
        """Hold when the device was not reached (value 1)."""
        return self._now(value == 1)


class Missing(Watch):
    """MISSING: told by the evaluator, of each word of the device, whether it lacked a good value of this point."""

    __slots__ = ()

    def __init__(self, condition: Condition, instance: int, device: str, point: str, position: int) -> None:
        super().__init__(condition, instance, device, point, position)
        self.holds = False  # nobody tells of a scan that is all good

    def look(self, value: float, at_ms: int) -> bool:  # noqa: ARG002 - it is told, not measured
        """Hold when there was none (value 1)."""
        return self._now(value == 1)
