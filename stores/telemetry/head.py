"""The head: what the spool holds and the archive's files do not yet, decoded once and kept while it is the head."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from stores.telemetry.batch import Batch, Floats, Ints, Octets
from stores.telemetry.columns import RowMaker
from stores.telemetry.rollup import Sums, joined, minutes
from stores.telemetry.spool import Spool

_PORTION = 5_000  # scans decoded at a time


class Head:
    """Reads the spool beyond the archive; safe from several threads."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._lock = threading.Lock()
        self._batches: OrderedDict[int, Batch] = OrderedDict()
        self._positions: dict[int, dict[str, int]] = {}

    def readings(self, point: str, after_row: int) -> tuple[Ints, Floats, Octets]:
        """Return time, value and reason of a point's readings in the rows after a row, in no order."""
        return readings_of(point, self._after(after_row), self._position)

    def minutes(self, after_row: int) -> Sums | None:
        """Return what the minutes of all points come to in the rows after a row; None when there are none."""
        parts = [minutes(rows) for rows in RowMaker(self._spool.layout_of).rows(self._after(after_row))]
        return joined(parts) if parts else None

    def points(self) -> set[str]:
        """Return the points of the layouts in use."""
        return {point for layout in self._spool.layouts().values() for point in layout.points}

    def _after(self, after_row: int) -> Iterator[Batch]:
        """Return the batches after a row; a reader that is behind another decodes again what that one let go."""
        with self._lock:
            while self._batches and next(iter(self._batches)) <= after_row:
                self._batches.popitem(last=False)
            first = next(iter(self._batches), None)
            if first is not None and any(row < first for row, _ in self._spool.batches(after_row, 1)):
                self._batches.clear()
            last = next(reversed(self._batches), after_row)
            while portion := self._spool.batches(last, _PORTION):
                for last, batch in portion:
                    self._batches[last] = batch
            found = list(self._batches.values())
        yield from found

    def _position(self, layout: int) -> dict[str, int]:
        if layout not in self._positions:
            points = self._spool.layout_of(layout).points
            self._positions[layout] = {point: i for i, point in enumerate(points)}
        return self._positions[layout]


def readings_of(
    point: str, batches: Iterable[Batch], position: Callable[[int], dict[str, int]]
) -> tuple[Ints, Floats, Octets]:
    """Return time, value and reason of a point's readings in some batches, in no order.

    `position` says where in a layout's scans each point is.
    """
    ats: list[Ints] = [np.zeros(0, np.int64)]
    values: list[Floats] = [np.zeros(0)]
    reasons: list[Octets] = [np.zeros(0, np.uint8)]
    for batch in batches:
        for group in batch.groups:
            layouts = batch.layout[group.scans]
            for layout in np.unique(layouts).tolist():
                column = position(layout).get(point)
                if column is None:
                    continue
                which = layouts == layout
                ats.append(batch.at_ms[group.scans[which]])
                values.append(group.column(column)[which])
                reasons.append(
                    np.zeros(int(which.sum()), np.uint8) if group.reasons is None else group.reasons[which, column]
                )
    return np.concatenate(ats), np.concatenate(values), np.concatenate(reasons)
