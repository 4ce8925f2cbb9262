"""When time alone may next do something to which subject: an alarm, an incident."""

from heapq import heappop, heappush
from math import inf


class Agenda:
    """One moment (UTC milliseconds) per subject. What is due next is found without looking at the others."""

    def __init__(self) -> None:
        self._due: dict[str, int] = {}
        self._heap: list[tuple[int, str]] = []  # entries that are out of date are skipped
        self._next_ms: float = inf  # nothing is due before

    def enter(self, subject: str, due_ms: int) -> None:
        """Have a subject looked at then, and at no other moment."""
        if self._due.get(subject) != due_ms:
            self._due[subject] = due_ms
            heappush(self._heap, (due_ms, subject))
        self._next_ms = min(self._next_ms, due_ms)

    def strike(self, subject: str) -> None:
        """Expect nothing of time alone for a subject any more."""
        self._due.pop(subject, None)

    def first(self) -> tuple[int, str] | None:
        """Return what is due next, and when."""
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heappop(self._heap)
        self._next_ms = self._heap[0][0] if self._heap else inf
        return self._heap[0] if self._heap else None

    def by(self, at_ms: float) -> tuple[int, str] | None:
        """Return what is due next if it is due by then: one comparison where nothing is."""
        if self._next_ms > at_ms:
            return None
        first = self.first()
        return first if first is not None and first[0] <= at_ms else None
