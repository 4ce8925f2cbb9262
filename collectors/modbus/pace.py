"""How fast broken lines may connect again: a storm of connects helps neither a gateway nor us."""

import asyncio
import random
from contextlib import AbstractAsyncContextManager

CONNECTS_EVERY_MS = 50.0
"""Twenty a second: what is asked of a site of up to a hundred lines."""
ROUND_MS = 5_000.0
"""With more lines the pace is as fast as it must be for each to have its turn in this time."""

AT_ONCE = 64
"""Connects under way: of thousands begun together, most would be over their time before anybody looked at them."""


class Pace:
    """Gives out turns to all lines of a site."""

    def __init__(self, lines: int, every_ms: float = CONNECTS_EVERY_MS) -> None:
        """Begin with a free turn."""
        self._every = min(every_ms, ROUND_MS / max(lines, 1))
        self._next = 0.0
        self.under_way = asyncio.Semaphore(AT_ONCE)

    def turn(self, now: int) -> int:
        """Take a turn, and return the moment of it: now, when nobody else wants one."""
        moment = max(float(now), self._next)
        self._next = moment + self._every
        return int(moment)


class Retries:
    """When one line may connect."""

    def __init__(self, pace: Pace, steps_ms: tuple[int, ...]) -> None:
        """Begin with a line that was never up.

        Args:
            pace: the turns of all lines.
            steps_ms: pauses after the first, the second… try that failed; each is drawn from ± a quarter of it.
        """
        self._pace = pace
        self._steps = steps_ms
        self._failed = 0
        self._was_up = False

    def turn(self, now: int) -> int:
        """Return when the line may connect that wants to now.

        Many lines may be lost at once, so one that was up waits for its turn; at the start the slots of the devices
        are spread already, and who failed has been given its moment by `failed`.
        """
        was_up, self._was_up = self._was_up, False
        return self._pace.turn(now) if was_up else now

    def connecting(self) -> AbstractAsyncContextManager[None]:
        """Wait until few enough others are connecting."""
        return self._pace.under_way

    def up(self) -> None:
        """Take note that the line is up."""
        self._was_up = True

    def answered(self) -> None:
        """Take note that it is of use: there are gateways that accept a second client, and then do not serve it."""
        self._failed = 0

    def failed(self, now: int) -> int:
        """Take note that a try was in vain; return the moment of the next: after a pause, and not before its turn."""
        delay = self._steps[min(self._failed, len(self._steps) - 1)] * random.uniform(0.75, 1.25)  # noqa: S311 - spreads load
        self._failed += 1
        return max(now + int(delay), self._pace.turn(now))
