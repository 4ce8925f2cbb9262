"""The head: what the spool holds and the archive's files do not yet.

Its newest batches are kept decoded, as far as a few megabytes go; of the others only which devices they speak of, so
that a question about one point decodes what speaks of its device and nothing else.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import reduce
from operator import or_

import numpy as np

from stores.telemetry.batch import Batch, Floats, Ints, Octets
from stores.telemetry.columns import RowMaker, Rows
from stores.telemetry.rollup import Sums, joined, minutes
from stores.telemetry.source import Source

KEPT_READINGS = 3_000_000
"""How many readings are kept decoded: about 9 MB."""
_PORTION = 5_000  # scans decoded at a time
_ROWS = 20  # rows of the spool at a time: 5 s of a full load
_ASKED = 256  # points whose place in the layouts is remembered


class Head:
    """Reads the spool beyond the archive; safe from several threads."""

    def __init__(self, spool: Source) -> None:
        self._spool = spool
        self._lock = threading.Lock()
        self._speaks: OrderedDict[int, int] = OrderedDict()  # row -> the layouts it speaks of, a bit each
        self._kept: dict[int, Batch] = {}
        self._kept_readings = 0
        self._seen, self._seen_bits = set[int](), 0
        self._places: OrderedDict[str, tuple[set[int], dict[int, int]]] = OrderedDict()

    def readings(self, point: str, after_row: int) -> tuple[Ints, Floats, Octets]:
        """Return time, value and reason of a point's readings in the rows after a row, in no order."""
        with self._lock:
            self._follow(after_row)
            places = self._places_of(point)
            wanted = sum(1 << layout for layout in places)
            rows = [row for row, layouts in self._speaks.items() if layouts & wanted]
        return readings_of(self._batches(rows), places.get)

    def minutes(self, after_row: int, points: Collection[str]) -> Sums | None:
        """Return what the minutes of some points come to in the rows after a row; None when there are none."""
        maker, wanted = RowMaker(self._spool.layout_of, self._spool.layouts()), frozenset(points)
        with self._lock:
            self._follow(after_row)
            rows = list(self._speaks)
            speaks = reduce(or_, self._speaks.values(), 0)
        # All at once: a layout that comes up in a later portion would number the names anew.
        maker.learn({layout for layout in range(speaks.bit_length()) if speaks >> layout & 1})
        found: Sums | None = None
        for start in range(0, len(rows), _ROWS):
            batches = list(self._batches(rows[start : start + _ROWS]))
            parts = [minutes(_only(some, wanted)) for some in maker.rows(batches)]
            # Joined again and again: each part has a line for nearly every point.
            found = joined([*([found] if found else []), *parts]) if parts else found
        return found

    def points(self) -> set[str]:
        """Return the points of the layouts in use."""
        return {point for layout in self._spool.layouts().values() for point in layout.points}

    def _batches(self, rows: Iterable[int]) -> Iterator[Batch]:
        for row in rows:
            batch = self._kept.get(row)
            if batch is not None:
                yield batch
            else:
                yield from (found for number, found in self._spool.batches(row - 1, 1) if number == row)

    def _follow(self, after_row: int) -> None:
        """Learn of the rows that came since, and forget those that the files have; under the lock."""
        speaks = self._speaks
        while speaks and next(iter(speaks)) <= after_row:
            self._let_go(speaks.popitem(last=False)[0])
        first = next(iter(speaks), None)
        if first is not None and any(row < first for row, _ in self._spool.batches(after_row, 1)):
            # This reader's snapshot is older than that of one before: begin anew.
            self._speaks, self._kept, self._kept_readings = OrderedDict(), {}, 0
            speaks = self._speaks
        last = next(reversed(speaks), after_row)
        while portion := self._spool.batches(last, _PORTION):
            for last, batch in portion:
                speaks[last] = bits = _bits(batch.layout)
                if bits | self._seen_bits != self._seen_bits:
                    self._seen_bits |= bits
                    self._seen.update(batch.layout.tolist())
                self._kept[last] = batch
                self._kept_readings += batch.readings
            for row in list(self._kept):
                if self._kept_readings <= KEPT_READINGS:
                    break
                self._let_go(row)

    def _let_go(self, row: int) -> None:
        if batch := self._kept.pop(row, None):
            self._kept_readings -= batch.readings

    def _places_of(self, point: str) -> dict[int, int]:
        """Return where in the scans of which layouts a point is; under the lock."""
        looked, places = self._places.pop(point, (set(), {}))
        places.update(self._spool.places_of(point, self._seen - looked))
        self._places[point] = (set(self._seen) if len(looked) != len(self._seen) else looked), places
        if len(self._places) > _ASKED:
            self._places.popitem(last=False)
        return dict(places)


def _bits(layouts: Ints) -> int:
    """Return a number with a bit for each layout: a set of thousands would weigh as much as the readings."""
    which = np.zeros(int(layouts.max(initial=0)) + 1, np.bool_)
    which[layouts] = True
    return int.from_bytes(np.packbits(which, bitorder="little").tobytes(), "little")


def _only(rows: Rows, wanted: Collection[str]) -> Rows:
    used, place = np.unique(rows.code, return_inverse=True)
    return rows.where(np.array([rows.names[code] in wanted for code in used.tolist()], np.bool_)[place])


def readings_of(batches: Iterable[Batch], place: Callable[[int], int | None]) -> tuple[Ints, Floats, Octets]:
    """Return time, value and reason of a point's readings in some batches, in no order.

    `place` says where in a layout's scans the point is, or None where it is not.
    """
    ats: list[Ints] = [np.zeros(0, np.int64)]
    values: list[Floats] = [np.zeros(0)]
    reasons: list[Octets] = [np.zeros(0, np.uint8)]
    places: dict[int, int] = {}
    looked: set[int] = set()
    for batch in batches:
        for group in batch.groups:
            layouts = batch.layout[group.scans]
            for layout in set(layouts.tolist()) - looked:
                looked.add(layout)
                if (column := place(layout)) is not None:
                    places[layout] = column
            for layout, column in places.items():
                which = np.flatnonzero(layouts == layout)
                if not len(which):
                    continue
                ats.append(batch.at_ms[group.scans[which]])
                values.append(group.column(column)[which])
                reasons.append(
                    np.zeros(len(which), np.uint8) if group.reasons is None else group.reasons[which, column]
                )
    return np.concatenate(ats), np.concatenate(values), np.concatenate(reasons)


def place_of(point: str, points: Sequence[str]) -> int | None:
    """Return where among the points of a layout a point is, if it is."""
    return points.index(point) if point in points else None
