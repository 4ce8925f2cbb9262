"""What is to happen when: slots of a few milliseconds, and one waiting task for all lines.

Polls are spread over their interval in slots. All that is due in a slot is done in one wake-up of the loop: the more
polls share one, the less each costs, and the longer the last of them waits for its turn.
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterable

from facility.ports import Beat, Clock

SLOT_MS = 5
LONGEST_MS = 40
"""The longest slot, and the longest rest: something new may be due earlier than all that is known."""

TOGETHER = 40
"""So many polls may share a slot before it is made shorter: the last of them is sent a millisecond late."""

Call = Callable[[int, int], None]
"""Takes the moment that was asked for and the moment that it is."""


class Agenda:
    """Calls back at given moments; a call may put further ones in."""

    def __init__(self, clock: Clock, slot_ms: int = SLOT_MS) -> None:
        """Start empty."""
        self.slot_ms = slot_ms
        self._clock = clock
        self._slots: dict[int, deque[tuple[int, Call]]] = {}
        self._order: list[int] = []

    def at(self, moment_ms: int, call: Call) -> None:
        """Call at the end of the slot in which the moment lies."""
        slot = -(-moment_ms // self.slot_ms) * self.slot_ms
        calls = self._slots.get(slot)
        if calls is None:
            calls = self._slots[slot] = deque()
            heapq.heappush(self._order, slot)
        calls.append((moment_ms, call))

    async def run(self, beat: Beat) -> None:
        """Serve for ever. A call that raises ends it; begun again, it goes on with the next call."""
        while True:
            beat()
            now = self._clock.now()
            while self._order and self._order[0] <= now:
                calls = self._slots[self._order[0]]
                if calls:
                    moment, call = calls.popleft()
                    call(moment, now)  # may put in something earlier
                else:
                    del self._slots[heapq.heappop(self._order)]
            rest = now // self.slot_ms * self.slot_ms + max(LONGEST_MS, self.slot_ms)
            following = min(self._order[0], rest) if self._order else rest
            # Who is behind still rests a little: answers must be read before anybody's deadline is looked at.
            await self._clock.until(max(following, self._clock.now() + 1))


def slot_for(intervals_ms: Iterable[int]) -> int:
    """Return the slot length for devices that are polled at these intervals."""
    intervals = list(intervals_ms)
    if not intervals:
        return SLOT_MS
    polls_per_ms = sum(1 / interval for interval in intervals)
    return max(SLOT_MS, min(LONGEST_MS, round(TOGETHER / polls_per_ms), min(intervals) // 4))


def offset(index: int, of: int, interval_ms: int, slot_ms: int = SLOT_MS) -> int:
    """Return where in its interval the device with this index among `of` is polled, on a slot."""
    return index * interval_ms // max(of, 1) // slot_ms * slot_ms
