"""How spans are spread: counted in tenths of a millisecond, so that ten minutes of them take no memory."""

MOST_MS = 5_000


class Spread:
    """Spans in milliseconds; those of 5 s and more are counted as 5 s, but for the longest."""

    def __init__(self) -> None:
        self._bins = [0] * (MOST_MS * 10 + 1)
        self.count, self.most_ms = 0, 0.0

    def add(self, ms: float) -> None:
        self._bins[min(max(0, int(ms * 10)), MOST_MS * 10)] += 1
        self.count += 1
        self.most_ms = max(self.most_ms, ms)

    def part(self, share: float) -> float:
        """Return the span below which so large a share lies, to a tenth of a millisecond; 0 when there are none."""
        left = self.count * share
        for tenths, many in enumerate(self._bins):
            left -= many
            if left <= 0:
                return (tenths + 1) / 10 if self.count else 0.0
        return self.most_ms

    def said(self) -> dict[str, float]:
        """Return how many there are, the median, the 99th of a hundred, and the longest."""
        return {
            "count": self.count,
            "p50": self.part(0.5),
            "p99": self.part(0.99),
            "max": round(self.most_ms, 1),
        }
