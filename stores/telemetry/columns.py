"""Long rows: one reading a row, sorted by point and time, as numpy columns. Pure.

Scans come as stacks (scans x points of a device). Each point's readings are a stretch of one column, so the long rows
are one gather, never a sort of millions of keys.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import merge
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facility.ports import Layout
from facility.scan import FIRST_BAD
from stores.telemetry.batch import Batch, Floats, Ints, Octets, floats, short
from stores.telemetry.names import Codes, Names, numbered
from stores.telemetry.stacks import DAY_MS, Stack, stacked

PORTION = 1 << 16
"""Readings worked on at once: they fit the cache."""
_SHORT, _EXACT = 1e6, 6e-8  # hundredths, and how near to a whole number of them a float32 decimal comes


@dataclass(slots=True, eq=False)
class Rows:
    """Readings sorted by point and time, all of one UTC day's files (`day`: days since 1970).

    `names` is sorted; `code` is a position in it. `received_ms` is 0 where the reading came in time, None when all did.
    `gap_ms` is the usual time between two scans of the device, 0 where one scan alone cannot tell. `moved` marks
    readings of scans by which a rule changed, None when there are none. `noise`: the values are no decimals of few
    digits, which decides how a file holds them.
    """

    names: Sequence[str]
    code: Codes
    at_ms: Ints
    value: Floats
    reason: Octets
    received_ms: Ints | None
    gap_ms: Codes
    day: int = 0
    noise: bool = False
    moved: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.code)

    def where(self, which: "NDArray[np.bool_] | Ints | slice") -> "Rows":
        """Return some of the rows: a mask, a slice, or positions."""
        return replace(
            self,
            code=self.code[which],
            at_ms=self.at_ms[which],
            value=self.value[which],
            reason=self.reason[which],
            received_ms=None if self.received_ms is None else self.received_ms[which],
            gap_ms=self.gap_ms[which],
            moved=None if self.moved is None else self.moved[which],
        )


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
    """Turns batches of scans into rows; remembers the sorted names of the layouts it ever saw."""

    def __init__(self, layout_of: Callable[[int], Layout], known: Mapping[str, Layout] | None = None) -> None:
        """Name the layouts; those that are `known` to be in use are learnt together."""
        self._layout_of = layout_of
        self._codes: dict[int, Codes] = {}
        self._names = Names()
        self._awaited = {layout.id for layout in known.values()} if known else set()

    def rows(self, batches: list[Batch]) -> Iterator[Rows]:
        """Return the readings of all the scans, and empty the list; repeats are dropped.

        They come in portions: day by day, in the order of their first points; decimals of few digits and other values
        apart, in each of these whole points in order.
        """
        stacks = stacked(batches)
        if not stacks:
            return
        self.learn({layout for stack in stacks for layout in np.unique(stack.layout).tolist()})
        stretches = _Stretches(stacks)
        runs = _Runs.of(stacks, stretches, self._codes)
        gathering = _Gathering(stacks, stretches, self._names)
        noise = np.concatenate([gathering.noise(some) for some in runs.portions(stretches)])
        days = stretches.day[runs.stretch]
        for day in np.unique(stretches.day).tolist():
            plain = runs.where((days == day) & ~noise).portions(stretches)
            noisy = replace(runs, noise=True).where((days == day) & noise).portions(stretches)
            for portion in merge(plain, noisy, key=_first):
                yield gathering.rows(portion)

    def learn(self, layouts: set[int]) -> None:
        """Know the names of these layouts, and of those in use; best done while little else is in memory."""
        if layouts <= self._codes.keys():
            return
        wanted = {*layouts, *self._awaited, *self._codes}
        self._awaited = set()
        self._names, self._codes = numbered(sorted(wanted), lambda layout: self._layout_of(layout).points)


class _Stretches:
    """The scans of one layout on one day, stretch by stretch of all stacks: what their runs have in common."""

    def __init__(self, stacks: Sequence[Stack]) -> None:
        first = 0
        columns: list[tuple[Codes, ...]] = []
        for number, stack in enumerate(stacks):
            edge = (stack.layout[1:] != stack.layout[:-1]) | (stack.day[1:] != stack.day[:-1])
            starts = np.concatenate(([0], np.flatnonzero(edge) + 1))
            lengths = np.diff(np.concatenate((starts, [len(stack.layout)])))
            stacked_at = np.full(len(starts), number)
            own = (stack.layout[starts], stacked_at, first + starts, lengths, stack.gap_ms[starts], stack.day[starts])
            columns.append(tuple(map(_narrow, own)))
            first += len(stack.layout)
        self.layout, self.stack, self.scan, self.length, self.gap_ms, self.day = map(
            np.concatenate, zip(*columns, strict=True)
        )


@dataclass(slots=True, eq=False)
class _Runs:
    """Runs in the order of their points: the code of each, its stretch, its column in the scans; `noise` as of `Rows`.

    There may be a million of them, each of a few readings, so every column weighs.
    """

    code: Codes
    stretch: Codes
    column: Codes
    noise: bool = False

    @classmethod
    def of(cls, stacks: Sequence[Stack], stretches: _Stretches, codes: Mapping[int, Codes]) -> "_Runs":
        """Return the runs of all stretches."""
        code = np.concatenate([codes[layout] for layout in stretches.layout.tolist()])
        widths = np.array([stack.width for stack in stacks], np.int32)[stretches.stack]
        order = _narrow(np.argsort(code, kind="stable"))
        stretch = np.repeat(np.arange(len(widths), dtype=np.int32), widths)[order]
        column = order - _narrow(np.cumsum(widths) - widths)[stretch]
        return cls(code[order], stretch, column)

    def where(self, which: "NDArray[Any] | slice") -> "_Runs":
        return _Runs(self.code[which], self.stretch[which], self.column[which], self.noise)

    def portions(self, stretches: _Stretches) -> "Iterator[_Runs]":
        """Return runs of about `PORTION` readings together, never parting the runs of one point."""
        ends = np.cumsum(stretches.length[self.stretch], dtype=np.int32)  # a turn has fewer readings than fit
        start = 0
        while start < len(self.code):
            done = ends[start - 1] if start else 0
            stop = max(start + 1, int(np.searchsorted(ends, done + PORTION, side="right")))
            stop = int(np.searchsorted(self.code, self.code[stop - 1], side="right"))
            yield self.where(slice(start, stop))
            start = stop


class _Gathering:
    """Picks the readings of runs out of the stacks."""

    def __init__(self, stacks: Sequence[Stack], stretches: _Stretches, names: Sequence[str]) -> None:
        self._names, self._stacks, self._stretches = names, stacks, stretches
        self._carriers = [carrier for stack in stacks for carrier in stack.carriers]
        firsts = np.cumsum([0, *(len(stack.carriers) for stack in stacks)]).tolist()
        # Per stack and column: which of all the carriers, and its row there.
        self._first_column = np.cumsum([0, *(stack.width for stack in stacks)])
        self._carrier_of = np.concatenate([first + s.carrier_of for first, s in zip(firsts, stacks, strict=False)])
        self._row_of = np.concatenate([stack.row_of for stack in stacks])
        self._repeats = any(stack.repeats for stack in stacks)
        self._at, self._origin = (_joined(stacks, name) for name in ("at_ms", "origin"))
        late, moved = (_joined(stacks, name) for name in ("late_ms", "moved"))
        self._late = late if late.any() else None
        self._moved = moved if moved.any() else None
        self._mark = None
        self._marked = [len(stack.mark) > 0 for stack in stacks]
        if any(self._marked):
            marks = [s.mark if len(s.mark) else np.zeros(len(s.layout), np.int32) for s in stacks]
            self._mark = np.concatenate(marks)
        for stack in stacks:
            stack.let_go()

    def noise(self, runs: _Runs) -> NDArray[np.bool_]:
        """Say which runs are no decimals of few digits, as far as three of their values tell."""
        carrier, row = self._places(runs)
        noise = ~np.array([short(carrier.form) for carrier in self._carriers])[carrier]
        carrier, row, stretch = carrier[noise], row[noise], runs.stretch[noise]
        scan, length = self._stretches.scan[stretch], self._stretches.length[stretch]
        decimal = np.ones(len(row), np.bool_)
        for number in np.unique(carrier).tolist():
            which = np.flatnonzero(carrier == number)
            for place in (np.zeros_like(which), length[which] // 2, length[which] - 1):
                values = self._values(number, row[which], self._origin[scan[which] + place])
                decimal[which] &= _decimal(values)
        noise[noise] = ~decimal
        return noise

    def rows(self, runs: _Runs) -> Rows:
        """Return the readings of some runs of one day, one after the other."""
        of = self._stretches
        lengths = of.length[runs.stretch]
        carriers, row = self._places(runs)
        ends = np.cumsum(lengths, dtype=np.int64)
        scan = np.arange(int(ends[-1]))
        scan += np.repeat(of.scan[runs.stretch] - (ends - lengths), lengths)
        origin = self._origin[scan]
        value = np.empty(len(scan))
        for number in np.unique(carriers).tolist():
            which = carriers == number
            place, length = _within(lengths, ends, which)
            value[place] = self._values(number, np.repeat(row[which], length), origin[place])
        rows = Rows(
            self._names,
            np.repeat(runs.code, lengths),
            self._at[scan],
            value,
            self._reasons(runs, ends, scan),
            None if self._late is None else self._late[scan],
            np.repeat(of.gap_ms[runs.stretch], lengths),
            int(of.day[runs.stretch[0]]),
            runs.noise,
            None if self._moved is None else self._moved[scan],
        )
        if (runs.code[1:] == runs.code[:-1]).any():
            # A profile was edited meanwhile: two layouts speak for one point, and their runs interleave.
            return without_repeats(rows.where(np.lexsort((rows.at_ms, rows.code))))
        return without_repeats(rows) if self._repeats else rows

    def _places(self, runs: _Runs) -> tuple[Ints, Ints]:
        """Return in which carrier each run is, and in which row of it."""
        column = self._first_column[self._stretches.stack[runs.stretch]] + runs.column
        return self._carrier_of[column], self._row_of[column]

    def _values(self, number: int, row: Ints, origin: Codes) -> Floats:
        carrier = self._carriers[number]
        return floats(carrier.form, carrier.numbers.reshape(-1)[row * carrier.numbers.shape[1] + origin])

    def _reasons(self, runs: _Runs, ends: Ints, scan: Ints) -> Octets:
        reason = np.zeros(len(scan), np.uint8)
        if self._mark is None:
            return reason
        stacks, lengths = self._stretches.stack[runs.stretch], self._stretches.length[runs.stretch]
        for number, stack in enumerate(self._stacks):
            which = stacks == number
            if self._marked[number] and which.any():
                place, length = _within(lengths, ends, which)
                marks = stack.marks
                column = np.repeat(runs.column[which].astype(np.int64) * marks.shape[1], length)
                reason[place] = marks.reshape(-1)[column + self._mark[scan[place]]]
        return reason


def _first(portion: _Runs) -> int:
    return int(portion.code[0])


def _joined(stacks: Sequence[Stack], name: str) -> NDArray[Any]:
    columns: list[NDArray[Any]] = [getattr(stack, name) for stack in stacks]
    return columns[0] if len(columns) == 1 else np.concatenate(columns)


def _narrow(numbers: Ints) -> Codes:
    return numbers.astype(np.int32)


def _decimal(value: Floats) -> NDArray[np.bool_]:
    """Say which values are hundredths of moderate size, or nothing; float32 counts as what it was meant to be."""
    with np.errstate(invalid="ignore", over="ignore"):
        hundredths = np.abs(value) * 100
        near = np.abs(hundredths - np.rint(hundredths)) <= _EXACT * hundredths
        decimal: NDArray[np.bool_] = np.isnan(value) | (near & (hundredths <= _SHORT))
    return decimal


def _within(lengths: Codes, ends: Ints, which: NDArray[np.bool_]) -> tuple[Ints, Codes]:
    """Return where the readings of some of the runs are among those of all, and the lengths of these runs."""
    length = lengths[which]
    mine = np.cumsum(length, dtype=np.int64)
    place = np.arange(int(mine[-1]))
    place += np.repeat((ends - lengths)[which] - (mine - length), length)
    return place, length


def columns_as_rows(columns: Sequence[tuple[str, Ints, Floats]], usual_gap: Callable[[Ints], int]) -> Iterator[Rows]:
    """Return whole columns of history, each sorted by time here, as rows day by day that are good and came in time."""
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
    if not names:
        return
    at_ms, value = np.concatenate(ats), np.concatenate(values)
    reason = np.where(np.isnan(value), FIRST_BAD, 0).astype(np.uint8)
    rows = Rows(names, np.concatenate(codes), at_ms, value, reason, None, np.concatenate(gaps))
    days = at_ms // DAY_MS
    for day in np.unique(days).tolist():
        yield replace(rows.where(days == day), day=day)
