"""Long rows: one reading a row, sorted by point and time, as numpy columns. Pure.

Scans come as matrices (scans x points of a device). Sorted scan by scan, each point's readings are then a strided run
of a matrix, so the long rows are one gather, never a sort of millions of keys.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from facility.ports import Layout
from facility.scan import FIRST_BAD
from stores.telemetry.batch import Batch, Floats, Ints, Octets

DAY_MS = 86_400_000
_ODD_MS = 7 * DAY_MS  # a clock further off than this does not choose the file its readings go to
_LATE_MS = 10_000  # beyond this the time of arrival is worth keeping beside the time of the reading

PORTION = 1 << 17
"""Readings worked on at once: they fit the cache, and are one row group of a file."""

Codes = NDArray[np.int32]


@dataclass(slots=True, eq=False)
class Rows:
    """Readings sorted by point and time.

    `names` is sorted; `code` is a position in it. `received_ms` is 0 where the reading came in time. `gap_ms` is the
    usual time between two scans of the device, 0 where one scan alone cannot tell. `day` is the UTC day (days since
    1970) of the file a reading goes to.
    """

    names: Sequence[str]
    code: Codes
    at_ms: Ints
    value: Floats
    reason: Octets
    received_ms: Ints
    gap_ms: Codes
    day: Codes

    def __len__(self) -> int:
        return len(self.code)

    def where(self, which: "NDArray[np.bool_] | Ints | slice") -> "Rows":
        """Return some of the rows: a mask, a slice, or positions."""
        return Rows(
            self.names,
            self.code[which],
            self.at_ms[which],
            self.value[which],
            self.reason[which],
            self.received_ms[which],
            self.gap_ms[which],
            self.day[which],
        )

    def by_day(self) -> Iterator[tuple[int, "Rows"]]:
        """Return the rows of each UTC day."""
        if not len(self):
            return
        low, high = int(self.day.min()), int(self.day.max())
        for day in [low] if low == high else np.unique(self.day).tolist():
            yield day, self if low == high else self.where(self.day == day)


def believed(value: Floats, reason: Octets) -> NDArray[np.bool_]:
    """Say which readings count as values: not bad, and a finite number."""
    return (reason < FIRST_BAD) & np.isfinite(value)


def without_repeats(rows: Rows) -> Rows:
    """Drop a reading that repeats the one before it in everything: the same message, delivered twice."""
    if len(rows) < 2:  # noqa: PLR2004 - one row repeats nothing
        return rows
    bits = rows.value.view(np.int64)
    fresh = np.empty(len(rows), np.bool_)
    fresh[0] = True
    np.not_equal(rows.at_ms[1:], rows.at_ms[:-1], out=fresh[1:])
    if fresh.all():
        return rows
    fresh[1:] |= (rows.code[1:] != rows.code[:-1]) | (bits[1:] != bits[:-1]) | (rows.reason[1:] != rows.reason[:-1])
    return rows if fresh.all() else rows.where(fresh)


class RowMaker:
    """Turns batches of scans into rows; remembers the sorted names of the layouts it saw last."""

    def __init__(self, layout_of: Callable[[int], Layout]) -> None:
        self._layout_of = layout_of
        self._known: tuple[int, ...] = ()
        self._names: list[str] = []
        self._codes: dict[int, Codes] = {}

    def rows(self, batches: Iterable[Batch]) -> Iterator[Rows]:
        """Return the readings of all the scans in portions, whole points each and in order; repeats are dropped."""
        stacks = _stacked(batches)
        if not stacks:
            return
        self._learn(tuple(np.unique(np.concatenate([np.unique(s.layout) for s in stacks])).tolist()))
        runs = _Runs(*map(np.concatenate, zip(*[self._runs(stack) for stack in stacks], strict=True)))
        runs = runs.where(np.argsort(runs.code, kind="stable"))
        heads = [np.concatenate([getattr(s, name) for s in stacks]) for name in ("at_ms", "received_ms", "gap_ms")]
        value = np.concatenate([s.values.reshape(-1) for s in stacks]) if len(stacks) > 1 else stacks[0].values.ravel()
        reason = None
        if any(s.reasons is not None for s in stacks):
            parts = [np.zeros(s.values.size, np.uint8) if s.reasons is None else s.reasons.reshape(-1) for s in stacks]
            reason = np.concatenate(parts)
        for portion in runs.portions():
            yield self._gathered(portion, heads, value, reason)

    def _gathered(self, runs: "_Runs", heads: Sequence[Ints], value: Floats, reason: Octets | None) -> Rows:
        """Pick the readings of some runs, one after the other."""
        ends = np.cumsum(runs.length)
        within = np.arange(int(ends[-1])) - np.repeat(ends - runs.length, runs.length)
        scan = np.repeat(runs.scan, runs.length) + within
        reading = np.repeat(runs.reading, runs.length) + within * np.repeat(runs.step, runs.length)
        at, received, gap = (head[scan] for head in heads)
        off = np.abs(received - at)
        day = np.where(off <= _ODD_MS, at, received) // DAY_MS
        rows = Rows(
            self._names,
            np.repeat(runs.code.astype(np.int32), runs.length),
            at,
            value[reading],
            np.zeros(len(reading), np.uint8) if reason is None else reason[reading],
            np.where(off > _LATE_MS, received, 0),
            gap.astype(np.int32),
            day.astype(np.int32),
        )
        if (runs.code[1:] == runs.code[:-1]).any():
            # A profile was edited meanwhile: two layouts speak for one point, and their runs interleave.
            rows = rows.where(np.lexsort((rows.at_ms, rows.code)))
        return without_repeats(rows)

    def _learn(self, layouts: tuple[int, ...]) -> None:
        if layouts == self._known:
            return
        points = {layout: self._layout_of(layout).points for layout in layouts}
        self._names = sorted(set(chain.from_iterable(points.values())))
        place = {name: i for i, name in enumerate(self._names)}
        self._codes = {layout: np.array([place[p] for p in names], np.int32) for layout, names in points.items()}
        self._known = layouts

    def _runs(self, stack: "_Stack") -> tuple[Ints, Ints, Ints, Ints, Ints]:
        """Return the runs of a stack as the columns of `_Runs`."""
        layouts, starts, counts = np.unique(stack.layout, return_index=True, return_counts=True)
        width = stack.values.shape[1]
        code = np.stack([self._codes[layout] for layout in layouts.tolist()]).astype(np.int64)
        reading = stack.first_reading + starts[:, None] * width + np.arange(width)
        return (
            code.reshape(-1),
            reading.reshape(-1),
            np.full(code.size, width),
            np.repeat(stack.first_scan + starts, width),
            np.repeat(counts, width),
        )


@dataclass(slots=True, eq=False)
class _Runs:
    """Per point of one layout: its code, its first reading and the step to the next, its first scan, its length."""

    code: Ints
    reading: Ints
    step: Ints
    scan: Ints
    length: Ints

    def where(self, which: "Ints | slice") -> "_Runs":
        return _Runs(self.code[which], self.reading[which], self.step[which], self.scan[which], self.length[which])

    def portions(self) -> "Iterator[_Runs]":
        """Return runs of about `PORTION` readings together, never parting the runs of one point."""
        ends = np.cumsum(self.length)
        start = 0
        while start < len(self.code):
            done = ends[start - 1] if start else 0
            stop = max(start + 1, int(np.searchsorted(ends, done + PORTION, side="right")))
            stop = int(np.searchsorted(self.code, self.code[stop - 1], side="right"))
            yield self.where(slice(start, stop))
            start = stop


@dataclass(slots=True, eq=False)
class _Stack:
    """All scans of one width, sorted by layout and time."""

    layout: Ints
    at_ms: Ints
    received_ms: Ints
    gap_ms: Ints
    values: Floats
    reasons: Octets | None
    first_scan: int
    first_reading: int


def _stacked(batches: Iterable[Batch]) -> list[_Stack]:
    parts: dict[int, list[tuple[Ints, Ints, Ints, Floats, Octets | None]]] = {}
    for batch in batches:
        for group in batch.groups:
            members = group.scans
            part = (
                batch.layout[members],
                batch.at_ms[members],
                batch.received_ms[members],
                group.values,
                group.reasons,
            )
            parts.setdefault(group.width, []).append(part)
    stacks: list[_Stack] = []
    scans = readings = 0
    for width, found in parts.items():
        if not width:
            continue
        layout, at, received = (np.concatenate([part[i] for part in found]) for i in range(3))
        order = np.lexsort((at, layout))
        layout, at, received = layout[order], at[order], received[order]
        values = np.concatenate([part[3] for part in found])[order]
        reasons = None
        if any(part[4] is not None for part in found):
            filled = [np.zeros(part[3].shape, np.uint8) if part[4] is None else part[4] for part in found]
            reasons = np.concatenate(filled)[order]
        stacks.append(_Stack(layout, at, received, _usual_gap(layout, at), values, reasons, scans, readings))
        scans += len(layout)
        readings += values.size
    return stacks


def _usual_gap(layout: Ints, at: Ints) -> Ints:
    """Return, for each scan, the median time between two scans of its layout; 0 where there is only one."""
    gap = np.zeros(len(layout), np.int64)
    same = layout[1:] == layout[:-1]
    deltas, owners = np.diff(at)[same], layout[1:][same]
    if not len(deltas):
        return gap
    order = np.lexsort((deltas, owners))
    deltas, owners = deltas[order], owners[order]
    found, starts, counts = np.unique(owners, return_index=True, return_counts=True)
    median = np.minimum(deltas[starts + counts // 2], np.iinfo(np.int32).max)
    place = np.searchsorted(found, layout)
    place[place == len(found)] = 0
    return np.where(found[place] == layout, median[place], 0)


def columns_as_rows(columns: Sequence[tuple[str, Ints, Floats]], usual_gap: Callable[[Ints], int]) -> Rows:
    """Return whole columns of history, each sorted by time here, as rows that are good and came in time."""
    ordered = sorted(columns, key=lambda column: column[0])
    names: list[str] = []
    codes: list[Codes] = []
    gaps: list[Codes] = []
    ats: list[Ints] = []
    values: list[Floats] = []
    for name, at, value in ordered:
        if len(at) != len(value):
            raise ValueError(f"{name}: {len(at)} times but {len(value)} values")
        if not names or names[-1] != name:
            names.append(name)
        order = np.argsort(at, kind="stable")
        ats.append(np.asarray(at, np.int64)[order])
        values.append(np.asarray(value, np.float64)[order])
        codes.append(np.full(len(at), len(names) - 1, np.int32))
        gaps.append(np.full(len(at), usual_gap(ats[-1]), np.int32))
    at_ms = np.concatenate(ats or [np.zeros(0, np.int64)])
    value = np.concatenate(values or [np.zeros(0)])
    nothing = np.isnan(value)
    return Rows(
        names,
        np.concatenate(codes or [np.zeros(0, np.int32)]),
        at_ms,
        value,
        np.where(nothing, FIRST_BAD, 0).astype(np.uint8),
        np.zeros(len(at_ms), np.int64),
        np.concatenate(gaps or [np.zeros(0, np.int32)]),
        (at_ms // DAY_MS).astype(np.int32),
    )
