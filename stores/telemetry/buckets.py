"""A chart's answer: equal spans over a time, each with what was read in it; a span without a value is a gap. Pure."""

import numpy as np

from facility.ports import Bucket
from stores.telemetry.batch import Floats, Ints, Octets
from stores.telemetry.columns import believed
from stores.telemetry.names import Codes

MOST_BUCKETS = 5_000
LONGEST_MS = 20 * 366 * 86_400_000


def checked(from_ms: int, to_ms: int, buckets: int) -> None:
    """Refuse a question that makes no sense or whose answer nobody could read.

    Raises:
        ValueError: with the limit in its text.
    """
    if not 0 < to_ms - from_ms <= LONGEST_MS:
        raise ValueError(f"a history runs forward, over at most {LONGEST_MS} ms: {from_ms} to {to_ms} is none")
    if not 1 <= buckets <= MOST_BUCKETS:
        raise ValueError(f"a history has 1 to {MOST_BUCKETS} buckets, not {buckets}")


class Buckets:
    """Adds readings, and sums of readings, into equal spans of [from_ms, to_ms)."""

    def __init__(self, from_ms: int, to_ms: int, buckets: int) -> None:
        self._from, self._span, self._n = from_ms, to_ms - from_ms, buckets
        self._count = np.zeros(buckets, np.int64)
        self._bad = np.zeros(buckets, np.int64)
        self._low = np.full(buckets, np.inf)
        self._high = np.full(buckets, -np.inf)
        self._total = np.zeros(buckets)

    def add_readings(self, at_ms: Ints, value: Floats, reason: Octets) -> None:
        """Add readings, in any order; one that repeats another in everything counts once."""
        inside = (at_ms >= self._from) & (at_ms < self._from + self._span)
        at_ms, value, reason = at_ms[inside], value[inside], reason[inside]
        order = np.lexsort((reason, value.view(np.int64), at_ms))
        at_ms, value, reason = at_ms[order], value[order], reason[order]
        bits = value.view(np.int64)
        fresh = np.ones(len(at_ms), np.bool_)
        fresh[1:] = (at_ms[1:] != at_ms[:-1]) | (bits[1:] != bits[:-1]) | (reason[1:] != reason[:-1])
        good = believed(value, reason) & fresh
        nothing = np.zeros(len(at_ms))
        self._add(
            self._place(at_ms),
            good.astype(np.int64),
            (~good & fresh).astype(np.int64),
            np.where(good, value, np.inf),
            np.where(good, value, -np.inf),
            np.where(good, value, nothing),
        )

    def add_sums(self, middle_ms: Ints, count: Codes, bad: Codes, low: Floats, high: Floats, total: Floats) -> None:
        """Add sums of spans, each at the bucket its middle falls into."""
        inside = (middle_ms >= self._from) & (middle_ms < self._from + self._span)
        empty = count[inside] == 0
        self._add(
            self._place(middle_ms[inside]),
            count[inside],
            bad[inside],
            np.where(empty, np.inf, low[inside]),
            np.where(empty, -np.inf, high[inside]),
            total[inside],
        )

    def _place(self, at_ms: Ints) -> Ints:
        return (at_ms - self._from) * self._n // self._span

    def _add(
        self, place: Ints, count: "Ints | Codes", bad: "Ints | Codes", low: Floats, high: Floats, total: Floats
    ) -> None:
        np.add.at(self._count, place, count)
        np.add.at(self._bad, place, bad)
        np.minimum.at(self._low, place, low)
        np.maximum.at(self._high, place, high)
        np.add.at(self._total, place, total)

    def answer(self) -> list[Bucket]:
        """Return the buckets in order."""
        found: list[Bucket] = []
        columns = zip(
            self._count.tolist(),
            self._bad.tolist(),
            self._low.tolist(),
            self._high.tolist(),
            self._total.tolist(),
            strict=True,
        )
        for i, (count, bad, low, high, total) in enumerate(columns):
            start = self._from + -(-i * self._span // self._n)
            if count:
                # A sum of many equal values may round to a mean just outside them.
                mean = min(max(total / count, low), high)
                found.append(Bucket(start, count, bad, low, mean, high))
            else:
                found.append(Bucket(start, 0, bad, None, None, None))
        return found
