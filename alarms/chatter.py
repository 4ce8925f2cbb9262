"""Which alarms come and go too fast to be told each time, and what they do meanwhile.

The third raise within a minute shows it. From then on the alarm stands; its raises are counted, not told, until five
minutes have passed without a change. Life-safety is never damped.
"""

from dataclasses import dataclass

RAISES = 3
WITHIN_MS = 60_000
QUIET_MS = 300_000

_MANY = 4096
"""More alarms than this remembered: those that rose long ago are forgotten."""


@dataclass(slots=True)
class Chatter:
    """An alarm that chatters: which rungs really hold, when that last changed, and how many raises were not told."""

    rungs: frozenset[int]
    changed_ms: int
    untold: int = 0


class Raises:
    """When each alarm last rose, as far as a minute back."""

    def __init__(self) -> None:
        self._of: dict[str, tuple[int, ...]] = {}
        self._most = _MANY  # in a flood all are recent: looking through them is left until they are twice as many

    def tell(self, subject: str, at_ms: int) -> None:
        """Take one more raise."""
        if len(self._of) > self._most:
            self._of = {s: times for s, times in self._of.items() if times[-1] > at_ms - WITHIN_MS}
            self._most = max(_MANY, 2 * len(self._of))
        before = self._of.get(subject, ())
        self._of[subject] = (*before[1 - RAISES :], at_ms)

    def chatters(self, subject: str, at_ms: int) -> int:
        """Return how many raises within a minute one more at that moment makes, when they are too many; else 0."""
        times = self._of.get(subject, ())
        recent = [at for at in times if at >= at_ms - WITHIN_MS]
        return len(recent) + 1 if len(recent) + 1 >= RAISES else 0

    def forget(self, subject: str) -> None:
        """Begin anew: what chattered has settled."""
        self._of.pop(subject, None)
