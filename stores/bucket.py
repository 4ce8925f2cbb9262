"""A token bucket per key: a few tries at once, then one now and then; bounded in memory."""

from collections import OrderedDict

_KEPT = 10_000


class Buckets:
    """Allows `burst` tries at once and one more every `each_ms`, for each key by itself. Times are given, in ms."""

    def __init__(self, burst: int, each_ms: int) -> None:
        self.burst = burst
        self.each_ms = each_ms
        self._full_at: OrderedDict[str, int] = OrderedDict()  # when the bucket is full again

    def wait_ms(self, key: str, now_ms: int) -> int:
        """Return how long the key must wait for its next try; 0 is not at all. Takes nothing."""
        over = self._full_at.get(key, 0) - now_ms - (self.burst - 1) * self.each_ms
        # A clock that was set back must not shut anybody out for longer than an empty bucket does.
        return min(max(0, over), self.each_ms)

    def take(self, key: str, now_ms: int) -> None:
        """Count a try."""
        most = now_ms + self.burst * self.each_ms
        self._full_at[key] = min(max(self._full_at.get(key, 0), now_ms) + self.each_ms, most)
        self._full_at.move_to_end(key)
        while len(self._full_at) > _KEPT:
            self._full_at.popitem(last=False)

    def give_back(self, key: str) -> None:
        """Take the key's last try back: it was a good one."""
        if key in self._full_at:
            self._full_at[key] -= self.each_ms
