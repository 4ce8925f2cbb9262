"""What ends when, on our clock: delays of rules and conditions that time changes."""

from collections.abc import Callable, Iterator
from heapq import heapify, heappop, heappush
from math import inf

Timer = tuple[int, int, int]
"""When it is due; the order number of an instance; 0 for its delay, n for its n-th condition."""


class Timers:
    """A queue whose entries may be out of date.

    `due(order, n)` says when that one really ends, None where it no longer does. What was put off waits at its old
    moment and is put back when that comes, so that putting off costs nothing.
    """

    def __init__(self, due: Callable[[int, int], int | None]) -> None:
        self._due = due
        self._heap: list[Timer] = []
        self._queued: dict[tuple[int, int], int] = {}  # the earliest entry of each
        self.next_ms: float = inf

    def __len__(self) -> int:
        return len(self._heap)

    def set(self, order: int, n: int, due_ms: int) -> None:
        """Have it end at that moment."""
        queued_ms = self._queued.get((order, n))
        if queued_ms is not None and queued_ms <= due_ms:
            return
        self._queued[order, n] = due_ms
        heappush(self._heap, (due_ms, order, n))
        if len(self._heap) > 64 + 4 * len(self._queued):
            self._heap = [(at, o, m) for at, o, m in self._heap if self._queued.get((o, m)) == at]
            heapify(self._heap)
        self.next_ms = self._heap[0][0]

    def ended(self, now_ms: int) -> Iterator[Timer]:
        """Hand out what has ended by now, in order; what that makes end too comes in its turn."""
        while (first := self.first()) is not None and first[0] <= now_ms:
            heappop(self._heap)
            del self._queued[first[1:]]
            yield first
        self.next_ms = self._heap[0][0] if self._heap else inf

    def first(self) -> Timer | None:
        """Return what ends next."""
        while self._heap:
            at_ms, order, n = self._heap[0]
            due_ms = self._due(order, n)
            if due_ms == at_ms and self._queued.get((order, n)) == at_ms:
                return self._heap[0]
            heappop(self._heap)
            if self._queued.get((order, n)) == at_ms:
                del self._queued[order, n]
                if due_ms is not None:
                    self.set(order, n, due_ms)
        return None
