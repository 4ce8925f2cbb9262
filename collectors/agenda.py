"""What is to happen when: one heap and one waiting task for all lines.

Polls are spread over their interval in slots of a few milliseconds. That keeps the latency of an answer near the time
its decoding takes, and it costs one wake-up of the loop per slot instead of one per poll.
"""

import heapq
from collections.abc import Callable
from itertools import count

from facility.ports import Beat, Clock

SLOT_MS = 5
REST_MS = 100
"""The longest rest: something new may be due earlier than all that is known."""


class Agenda:
    """Calls back at given moments; a call may put further ones in."""

    def __init__(self, clock: Clock) -> None:
        """Start empty."""
        self._clock = clock
        self._heap: list[tuple[int, int, Callable[[int], None]]] = []
        self._number = count()

    def at(self, moment_ms: int, call: Callable[[int], None]) -> None:
        """Call at the end of the slot in which the moment lies, with the moment that was asked for."""
        heapq.heappush(self._heap, (moment_ms, next(self._number), call))

    async def run(self, beat: Beat) -> None:
        """Serve for ever."""
        while True:
            beat()
            now = self._clock.now()
            while self._heap and self._heap[0][0] <= now:
                moment, _, call = heapq.heappop(self._heap)
                call(moment)
            following = self._heap[0][0] if self._heap else now + REST_MS
            await self._clock.until(min(-(-following // SLOT_MS) * SLOT_MS, now + REST_MS))


def offset(index: int, of: int, interval_ms: int) -> int:
    """Return where in its interval the device with this index among `of` is polled, on a slot."""
    return index * interval_ms // max(of, 1) // SLOT_MS * SLOT_MS
