"""A token bucket per caller, so that nobody hammers the phone links or guesses at them."""

from collections import OrderedDict

_KEPT = 4096
"""Callers remembered; the one unseen for longest is forgotten first, so memory is bounded."""


class Throttle:
    """Allows `burst` calls at once and one more every `each_ms`, per key."""

    def __init__(self, burst: int, each_ms: int) -> None:
        self._burst = burst
        self._each_ms = each_ms
        self._full_at: OrderedDict[str, int] = OrderedDict()  # when the bucket is full again

    def wait_ms(self, key: str, now_ms: int) -> int:
        """Take one; return 0, or how long to wait when there is none left (then nothing is taken)."""
        full_at = max(self._full_at.get(key, now_ms), now_ms)
        over = full_at + self._each_ms - now_ms - self._burst * self._each_ms
        if over > 0:
            return over
        self._full_at[key] = full_at + self._each_ms
        self._full_at.move_to_end(key)
        while len(self._full_at) > _KEPT:
            self._full_at.popitem(last=False)
        return 0
