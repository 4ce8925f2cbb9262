"""Rollups: what a span of readings of one point comes to. Pure.

Sums of one span may stand in several files and are added when read, so that nothing has to wait for a span to be over.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stores.telemetry.batch import Floats, Ints
from stores.telemetry.columns import Codes, Rows, believed

MINUTE_MS = 60_000
HOUR_MS = 3_600_000


@dataclass(slots=True, eq=False)
class Sums:
    """Per point and span: lowest, highest and total of the `count` believed readings, and how many were bad.

    `at_ms` is the start of the span. `low` and `high` are NaN where count is 0. `gap_ms` is the usual time between two
    readings, 0 where unknown. Sorted by point and time as `Rows` is.
    """

    names: Sequence[str]
    code: Codes
    at_ms: Ints
    low: Floats
    high: Floats
    total: Floats
    count: Codes
    bad: Codes
    gap_ms: Codes

    def __len__(self) -> int:
        return len(self.code)


def minutes(rows: Rows) -> Sums:
    """Return what each minute of each point comes to."""
    good = believed(rows.value, rows.reason)
    start = rows.at_ms // MINUTE_MS * MINUTE_MS
    whole = bool(good.all())
    low = high = total = rows.value
    if not whole:
        low, high = np.where(good, rows.value, np.inf), np.where(good, rows.value, -np.inf)
        total = np.where(good, rows.value, 0.0)
    return _gathered(
        Sums(
            rows.names, rows.code, start, low, high, total, good.astype(np.int32), (~good).astype(np.int32), rows.gap_ms
        )
    )


def regrouped(sums: Sums, span_ms: int) -> Sums:
    """Return the sums of longer spans; with the same span, parts of one span are added up."""
    empty = sums.count == 0
    return _gathered(
        Sums(
            sums.names,
            sums.code,
            sums.at_ms // span_ms * span_ms,
            np.where(empty, np.inf, sums.low),
            np.where(empty, -np.inf, sums.high),
            sums.total,
            sums.count,
            sums.bad,
            sums.gap_ms,
        )
    )


def joined(parts: Sequence[Sums]) -> Sums:
    """Return sums of the same names, one after the other; the caller knows that they are in order."""
    if len(parts) == 1:
        return parts[0]
    columns = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("code", "at_ms", "low", "high", "total", "count", "bad", "gap_ms")
    )
    return Sums(parts[0].names, *columns)


def _gathered(parts: Sums) -> Sums:
    """Add up neighbours of the same point and span; nothing believed stands as infinities here and as NaN after."""
    if not len(parts):
        return parts
    edge = (parts.code[1:] != parts.code[:-1]) | (parts.at_ms[1:] != parts.at_ms[:-1])
    starts = np.concatenate(([0], np.flatnonzero(edge) + 1))
    count = np.add.reduceat(parts.count, starts, dtype=np.int32)
    empty = count == 0
    return Sums(
        parts.names,
        parts.code[starts],
        parts.at_ms[starts],
        np.where(empty, np.nan, np.minimum.reduceat(parts.low, starts)),
        np.where(empty, np.nan, np.maximum.reduceat(parts.high, starts)),
        np.add.reduceat(parts.total, starts),
        count,
        np.add.reduceat(parts.bad, starts, dtype=np.int32),
        np.maximum.reduceat(parts.gap_ms, starts),
    )
