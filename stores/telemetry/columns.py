"""Long rows: one reading a row, sorted by point and time, as numpy columns. Pure.

Scans come as stacks (scans x points of a device). Each point's readings are a stretch of one column, so the long rows
are one gather, never a sort of millions of keys.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facility.ports import Layout
from facility.scan import FIRST_BAD
from stores.telemetry.batch import Batch, Floats, Ints, Octets, floats, short
from stores.telemetry.stacks import DAY_MS, Stack, stacked

PORTION = 1 << 16
"""Readings worked on at once: they fit the cache."""
_SHORT, _EXACT = 1e6, 6e-8  # hundredths, and how near to a whole number of them a float32 decimal comes

Codes = NDArray[np.int32]


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
        self._names: list[str] = []
        self._awaited = {layout.id for layout in known.values()} if known else set()

    def rows(self, batches: list[Batch]) -> Iterator[Rows]:
        """Return the readings of all the scans, and empty the list; repeats are dropped.

        They come in portions: day by day, first the decimals of few digits and then the others, and in each of these
        whole points in order.
        """
        stacks = stacked(batches)
        if not stacks:
            return
        self._learn({layout for stack in stacks for layout in np.unique(stack.layout).tolist()})
        gathering = _Gathering(stacks, self._names)
        runs = _Runs(*map(np.concatenate, zip(*self._runs(stacks), strict=True)))
        runs = runs.where(np.argsort(runs.code, kind="stable"))
        noise = gathering.noise(runs)
        for day in np.unique(runs.day).tolist():
            for noisy in (False, True):
                some = runs.where((runs.day == day) & (noise == noisy))
                for portion in some.portions():
                    yield gathering.rows(portion, noise=noisy)

    def _learn(self, layouts: set[int]) -> None:
        if layouts <= self._codes.keys():
            return
        points = {i: self._layout_of(i).points for i in {*layouts, *self._awaited, *self._codes}}
        self._awaited = set()
        self._names = _sorted(chain.from_iterable(points.values()))
        place = {name: i for i, name in enumerate(self._names)}
        self._codes = {layout: np.array([place[p] for p in names], np.int32) for layout, names in points.items()}

    def _runs(self, stacks: Sequence[Stack]) -> Iterator[tuple[Codes, ...]]:
        """Return the runs of each stack as the columns of `_Runs`."""
        first_scan = first_carrier = 0
        for number, stack in enumerate(stacks):
            edge = (stack.layout[1:] != stack.layout[:-1]) | (stack.day[1:] != stack.day[:-1])
            starts = np.concatenate(([0], np.flatnonzero(edge) + 1))
            counts = np.diff(np.concatenate((starts, [len(stack.layout)])))
            code = np.stack([self._codes[layout] for layout in stack.layout[starts].tolist()])
            each = (len(starts), 1)
            yield (
                code.reshape(-1),
                np.tile(_narrow(first_carrier + stack.carrier_of), each).reshape(-1),
                np.tile(_narrow(stack.row_of), each).reshape(-1),
                np.repeat(_narrow(first_scan + starts), stack.width),
                np.repeat(_narrow(counts), stack.width),
                np.repeat(_narrow(stack.gap_ms[starts]), stack.width),
                np.repeat(_narrow(stack.day[starts]), stack.width),
                np.full(code.size, number, np.int32),
                np.tile(np.arange(stack.width, dtype=np.int32), each).reshape(-1),
            )
            first_scan += len(stack.layout)
            first_carrier += len(stack.carriers)


@dataclass(slots=True, eq=False)
class _Runs:
    """Per point, layout and day: its code, its carrier and row there, its first scan and how many, the usual gap.

    Of a quarter of a million points every column weighs; a turn has fewer than 2^31 readings.
    """

    code: Codes
    carrier: Codes
    row: Codes
    scan: Codes
    length: Codes
    gap_ms: Codes
    day: Codes
    stack: Codes
    column: Codes

    def where(self, which: "NDArray[Any] | slice") -> "_Runs":
        return _Runs(*(getattr(self, name)[which] for name in self.__slots__))

    def portions(self) -> "Iterator[_Runs]":
        """Return runs of about `PORTION` readings together, never parting the runs of one point."""
        ends = np.cumsum(self.length, dtype=np.int64)
        start = 0
        while start < len(self.code):
            done = ends[start - 1] if start else 0
            stop = max(start + 1, int(np.searchsorted(ends, done + PORTION, side="right")))
            stop = int(np.searchsorted(self.code, self.code[stop - 1], side="right"))
            yield self.where(slice(start, stop))
            start = stop


class _Gathering:
    """Picks the readings of runs out of the stacks."""

    def __init__(self, stacks: Sequence[Stack], names: Sequence[str]) -> None:
        self._names, self._stacks = names, stacks
        self._carriers = [(stack, carrier) for stack in stacks for carrier in stack.carriers]
        self._at, self._origin = (np.concatenate([getattr(s, name) for s in stacks]) for name in ("at_ms", "origin"))
        late, moved = (np.concatenate([getattr(s, name) for s in stacks]) for name in ("late_ms", "moved"))
        self._late = late if late.any() else None
        self._moved = moved if moved.any() else None
        self._repeats = any(stack.repeats for stack in stacks)
        self._mark = None
        if any(len(stack.mark) for stack in stacks):
            marks = [s.mark if len(s.mark) else np.zeros(len(s.layout), np.int64) for s in stacks]
            self._mark = np.concatenate(marks)

    def noise(self, runs: _Runs) -> NDArray[np.bool_]:
        """Say which runs are no decimals of few digits, as far as three of their values tell."""
        shorts = np.array([short(carrier.form) for _, carrier in self._carriers])
        noise = ~shorts[runs.carrier]
        unsure = runs.where(noise)
        decimal = np.ones(len(unsure.code), np.bool_)
        for place in (np.zeros_like(unsure.length), unsure.length // 2, unsure.length - 1):
            origin = self._origin[unsure.scan + place]
            for number in np.unique(unsure.carrier).tolist():
                which = unsure.carrier == number
                decimal[which] &= _decimal(self._values(number, unsure.row[which], origin[which]))
        noise[noise] = ~decimal
        return noise

    def rows(self, runs: _Runs, *, noise: bool) -> Rows:
        """Return the readings of some runs of one day, one after the other."""
        ends = np.cumsum(runs.length, dtype=np.int64)
        scan = np.arange(int(ends[-1]))
        scan += np.repeat(runs.scan - (ends - runs.length), runs.length)
        origin = self._origin[scan]
        value = np.empty(len(scan))
        for number in range(len(self._carriers)):
            which = runs.carrier == number
            if which.any():
                place, length = _within(runs, ends, which)
                value[place] = self._values(number, np.repeat(runs.row[which], length), origin[place])
        rows = Rows(
            self._names,
            np.repeat(runs.code, runs.length),
            self._at[scan],
            value,
            self._reasons(runs, ends, scan),
            None if self._late is None else self._late[scan],
            np.repeat(runs.gap_ms, runs.length),
            int(runs.day[0]),
            noise,
            None if self._moved is None else self._moved[scan],
        )
        if (runs.code[1:] == runs.code[:-1]).any():
            # A profile was edited meanwhile: two layouts speak for one point, and their runs interleave.
            return without_repeats(rows.where(np.lexsort((rows.at_ms, rows.code))))
        return without_repeats(rows) if self._repeats else rows

    def _values(self, number: int, row: Codes, origin: Ints) -> Floats:
        _, carrier = self._carriers[number]
        return floats(carrier.form, carrier.numbers.reshape(-1)[row * carrier.numbers.shape[1] + origin])

    def _reasons(self, runs: _Runs, ends: Ints, scan: Ints) -> Octets:
        reason = np.zeros(len(scan), np.uint8)
        if self._mark is None:
            return reason
        for number, stack in enumerate(self._stacks):
            which = runs.stack == number
            if len(stack.mark) and which.any():
                place, length = _within(runs, ends, which)
                marks = stack.marks
                column = np.repeat(runs.column[which] * marks.shape[1], length)
                reason[place] = marks.reshape(-1)[column + self._mark[scan[place]]]
        return reason


def _narrow(numbers: Ints) -> Codes:
    return numbers.astype(np.int32)


def _sorted(names: Iterable[str]) -> list[str]:
    """Return the different names in order, machine by machine: one long sort would hold up every other thread."""
    machines: dict[str, set[str]] = {}
    for name in names:
        machines.setdefault(name[: name.find("/") + 1] or name, set()).add(name)
    return [name for machine in sorted(machines) for name in sorted(machines[machine])]


def _decimal(value: Floats) -> NDArray[np.bool_]:
    """Say which values are hundredths of moderate size, or nothing; float32 counts as what it was meant to be."""
    with np.errstate(invalid="ignore", over="ignore"):
        hundredths = np.abs(value) * 100
        near = np.abs(hundredths - np.rint(hundredths)) <= _EXACT * hundredths
        decimal: NDArray[np.bool_] = np.isnan(value) | (near & (hundredths <= _SHORT))
    return decimal


def _within(runs: _Runs, ends: Ints, which: NDArray[np.bool_]) -> tuple[Ints, Codes]:
    """Return where the readings of some of the runs are among those of all, and the lengths of these runs."""
    length = runs.length[which]
    mine = np.cumsum(length, dtype=np.int64)
    place = np.arange(int(mine[-1]))
    place += np.repeat((ends - runs.length)[which] - (mine - length), length)
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
