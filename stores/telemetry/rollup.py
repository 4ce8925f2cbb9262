"""Rollups: what a span of readings of one point comes to. Pure.

Sums of one span may stand in several files and are added when read, so that nothing has to wait for a span to be over.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from stores.telemetry.batch import Floats, Ints
from stores.telemetry.columns import Rows, believed
from stores.telemetry.names import Codes

MINUTE_MS = 60_000
HOUR_MS = 3_600_000


@dataclass(slots=True, eq=False)
class Spoken:
    """When in a longer span somebody spoke: from the first minute with a believed reading to the end of the last.

    `hole_ms` is the longest silence between the two. All are 0 where nothing was believed.
    """

    from_ms: Ints
    to_ms: Ints
    hole_ms: Codes


@dataclass(slots=True, eq=False)
class Sums:
    """Per point and span: lowest, highest and total of the `count` believed readings, and how many were bad.

    `at_ms` is the start of the span. `low` and `high` are NaN where count is 0. `gap_ms` is the usual time between two
    readings, 0 where unknown. Sorted by point and time as `Rows` is. Sums of minutes need no `spoken`.
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
    spoken: Spoken | None = None

    def __len__(self) -> int:
        return len(self.code)

    def where(self, which: slice) -> "Sums":
        """Return some of the sums of minutes."""
        names = ("code", "at_ms", "low", "high", "total", "count", "bad", "gap_ms")
        return replace(self, **{name: getattr(self, name)[which].copy() for name in names})


def minutes(rows: Rows) -> Sums:
    """Return what each minute of each point comes to."""
    good = believed(rows.value, rows.reason)
    start = rows.at_ms // MINUTE_MS * MINUTE_MS
    low = high = total = rows.value
    if not good.all():
        low, high = np.where(good, rows.value, np.inf), np.where(good, rows.value, -np.inf)
        total = np.where(good, rows.value, 0.0)
    return _gathered(
        Sums(
            rows.names, rows.code, start, low, high, total, good.astype(np.int32), (~good).astype(np.int32), rows.gap_ms
        )
    )


def regrouped(sums: Sums) -> Sums:
    """Return sums of minutes in which several parts of one minute are added up."""
    empty = sums.count == 0
    if not empty.any():
        return _gathered(sums)
    low, high = np.where(empty, np.inf, sums.low), np.where(empty, -np.inf, sums.high)
    return _gathered(replace(sums, low=low, high=high))


def hours(sums: Sums) -> Sums:
    """Return what each hour comes to, of the sums of minutes."""
    at = sums.at_ms // HOUR_MS * HOUR_MS
    found = regrouped(replace(sums, at_ms=at))
    if not len(found):
        return replace(found, spoken=Spoken(found.at_ms, found.at_ms, found.count))
    starts = _starts(sums.code, at)
    spoke = np.flatnonzero(sums.count > 0)
    code, hour, minute = sums.code[spoke], at[spoke], sums.at_ms[spoke]
    silence = np.zeros(len(sums), np.int64)
    silence[spoke[1:]] = np.where(
        (code[1:] == code[:-1]) & (hour[1:] == hour[:-1]), minute[1:] - minute[:-1] - MINUTE_MS, 0
    )
    first = np.full(len(sums), np.iinfo(np.int64).max)
    last = np.zeros(len(sums), np.int64)
    first[spoke], last[spoke] = minute, minute + MINUTE_MS
    some = found.count > 0
    spoken = Spoken(
        np.where(some, np.minimum.reduceat(first, starts), 0),
        np.where(some, np.maximum.reduceat(last, starts), 0),
        np.maximum.reduceat(silence, starts).astype(np.int32),
    )
    return replace(found, spoken=spoken)


def joined(parts: Sequence[Sums]) -> Sums:
    """Return sums of minutes of the same names as one, in order; they may overlap.

    Raises:
        ValueError: they have not the same names: what a code stands for would change.
    """
    if len(parts) == 1:
        return parts[0]
    if any(part.names is not parts[0].names for part in parts):
        raise ValueError("sums of different names are not one")
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("code", "at_ms", "low", "high", "total", "count", "bad", "gap_ms")
    }
    code, at = columns["code"], columns["at_ms"]
    ahead = (code[1:] > code[:-1]) | ((code[1:] == code[:-1]) & (at[1:] > at[:-1]))
    if not ahead.all():
        order = np.lexsort((at, code))
        columns = {name: column[order] for name, column in columns.items()}
    sums = Sums(parts[0].names, **columns)
    return sums if ahead.all() else regrouped(sums)


def _starts(code: Codes, at: Ints) -> Ints:
    edge = (code[1:] != code[:-1]) | (at[1:] != at[:-1])
    return np.concatenate(([0], np.flatnonzero(edge) + 1))


def _gathered(parts: Sums) -> Sums:
    """Add up neighbours of the same point and span; nothing believed stands as infinities here and as NaN after."""
    if not len(parts):
        return parts
    starts = _starts(parts.code, parts.at_ms)
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
