"""Reads the archive's files: of each only the row groups that can hold what is asked, one question at a time.

A row group is sorted by point and says its first and its last. pyarrow is imported with the first question, in the
thread that asks.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stores.errors import HistoryTooLargeError
from stores.telemetry.batch import Floats, Ints, Octets
from stores.telemetry.columns import Rows
from stores.telemetry.completeness import Pieces, of_minutes
from stores.telemetry.memory import arrow, give_back
from stores.telemetry.names import Codes

PATIENCE_S = 10.0
"""A question that takes longer is given up."""
MOST_ROWS = 4_000_000
"""A question whose answer would be made of more rows is given up: about 100 MB while it runs."""
_LONG_S = 0.2  # an answer that took longer leaves memory behind that is worth giving back
_AT_ONCE = 16  # row groups
_FOOTERS = 64  # files whose footers are remembered: a few 10 kB each


class UnreadableError(Exception):
    """The files could not be read; one of them, at least, is broken. `files` are their names."""

    def __init__(self, files: Sequence[str], why: str) -> None:
        super().__init__(why)
        self.files = files


@dataclass(frozen=True, slots=True)
class _Footer:
    """What a file says of its row groups: the first and last point and time of each."""

    said: Any
    groups: tuple[tuple[str, str, int, int], ...]


@dataclass(slots=True)
class _Asking:
    """How much longer the question of a thread may take, and how many more rows it may bring."""

    until: float
    rows: int


class Query:
    """Asks the files of one folder; safe from several threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._turn = threading.Lock()
        self._asking = threading.local()
        self._footers: OrderedDict[str, _Footer] = OrderedDict()

    def readings(self, files: Sequence[str], point: str, from_ms: int, to_ms: int) -> tuple[Ints, Floats, Octets]:
        """Return time, value and reason of a point's readings."""
        at, value, reason = self._of(files, point, from_ms, to_ms, "value", "reason")
        return at, value, reason.astype(np.uint8)

    def sums(
        self, files: Sequence[str], point: str, from_ms: int, to_ms: int
    ) -> tuple[Ints, Codes, Codes, Floats, Floats, Floats]:
        """Return start, count, bad, low, high and total of the sums of a point that start in [from_ms, to_ms)."""
        at, count, bad, low, high, total = self._of(
            files, point, from_ms, to_ms, "count", "bad", "low", "high", "total"
        )
        return at, count.astype(np.int32), bad.astype(np.int32), low, high, total

    def minutes(self, files: Sequence[str], points: Sequence[str], from_ms: int, to_ms: int) -> Pieces:
        """Return the minutes of the sorted points that start in [from_ms, to_ms)."""
        return of_minutes(*self._pieces(files, points, from_ms, to_ms, "at_ms", "count", "bad", "gap_ms"))

    def hours(self, files: Sequence[str], points: Sequence[str], from_ms: int, to_ms: int) -> Pieces:
        """Return the hours of the sorted points that start in [from_ms, to_ms)."""
        names = ("from_ms", "to_ms", "count", "bad", "gap_ms", "hole_ms")
        return Pieces(*self._pieces(files, points, from_ms, to_ms, *names))

    def held(self, files: Sequence[str], rows: Rows) -> NDArray[np.bool_]:
        """Say which of the rows the files already hold in every detail."""
        mask = np.zeros(len(rows), np.bool_)
        if not files:
            return mask
        first, last = int(rows.at_ms.min()), int(rows.at_ms.max()) + 1
        names = (rows.names[code] for code in rows.code.tolist())
        details = zip(names, rows.at_ms.tolist(), rows.value.view(np.int64).tolist(), rows.reason.tolist(), strict=True)
        wanted: dict[tuple[str, int, int, int], list[int]] = {}
        for i, detail in enumerate(details):
            wanted.setdefault(detail, []).append(i)
        span = rows.names[int(rows.code[0])], rows.names[int(rows.code[-1])]
        for table in self._groups(files, *span, first, last, ["point", "at_ms", "value", "reason"]):
            places = np.flatnonzero(np.isin(table["at_ms"].to_numpy(), rows.at_ms))
            some = table.take(places)
            bits = some["value"].to_numpy().view(np.int64).tolist()
            columns = (some[name].to_pylist() for name in ("point", "at_ms"))
            for detail in zip(*columns, bits, some["reason"].to_pylist(), strict=True):
                mask[wanted.get(detail, [])] = True
        return mask

    @contextmanager
    def asked(self) -> Iterator[None]:
        """Answer what is asked within, on this thread, as one question: alone, and not for ever.

        Raises:
            HistoryTooLargeError: it takes too long altogether, waiting for others included, or brings too many rows.
        """
        until = time.monotonic() + PATIENCE_S
        # One at a time: charts never take the machine from the alarms.
        if not self._turn.acquire(timeout=PATIENCE_S):
            raise HistoryTooLargeError(PATIENCE_S)
        try:
            self._asking.now = _Asking(until, MOST_ROWS)
            yield
        finally:
            if time.monotonic() > until - PATIENCE_S + _LONG_S:
                give_back()
            del self._asking.now
            self._turn.release()

    def close(self) -> None:
        """Forget what was read."""
        self._footers.clear()

    def _of(self, files: Sequence[str], point: str, from_ms: int, to_ms: int, *names: str) -> list[Any]:
        """Return the times and some columns of a point's rows; nothing is NaN."""
        found: list[list[NDArray[Any]]] = [[np.zeros(0, np.int64)], *([np.zeros(0)] for _ in names)]
        for table in self._groups(files, point, point, from_ms, to_ms, ["point", "at_ms", *names]):
            column = table["point"].chunk(0)
            known = column.dictionary.to_pylist()  # pyarrow's own search would load its library of functions, 9 MB
            mine = np.flatnonzero(column.indices.to_numpy() == known.index(point) if point in known else ())
            if not len(mine):
                continue
            some = table.slice(int(mine[0]), len(mine))  # sorted by point: they stand together
            at = some["at_ms"].to_numpy()
            inside = (at >= from_ms) & (at < to_ms)
            self._count(int(inside.sum()))
            found[0].append(at[inside])
            for parts, name in zip(found[1:], names, strict=True):
                parts.append(some[name].to_numpy()[inside])
        return [np.concatenate(parts) for parts in found]

    def _pieces(self, files: Sequence[str], points: Sequence[str], from_ms: int, to_ms: int, *names: str) -> list[Ints]:
        """Return the places among the sorted points, and some columns, of the rows that start in [from_ms, to_ms)."""
        pa, _ = arrow()
        import pyarrow.compute as pc

        found: list[list[Ints]] = [[np.zeros(0, np.int64)] for _ in range(1 + len(names))]
        if points and from_ms < to_ms:
            wanted = pa.array(points, pa.string())
            columns = list(dict.fromkeys(["point", "at_ms", *names]))
            for table in self._groups(files, points[0], points[-1], from_ms, to_ms, columns):
                column = table["point"].chunk(0)
                place = pc.index_in(column.dictionary, value_set=wanted).fill_null(-1).to_numpy()
                mine, at = place[column.indices.to_numpy()], table["at_ms"].to_numpy()
                inside = np.flatnonzero((mine >= 0) & (at >= from_ms) & (at < to_ms))
                self._count(len(inside))
                found[0].append(mine[inside])
                for parts, name in zip(found[1:], names, strict=True):
                    parts.append(table[name].to_numpy()[inside])
        return [np.concatenate(parts) for parts in found]

    def _groups(
        self, files: Sequence[str], first: str, last: str, from_ms: int, to_ms: int, columns: list[str]
    ) -> Iterator[Any]:
        """Return, table by table, the row groups that may hold something of these points and this time."""
        _, pq = arrow()

        for name in files:
            try:
                footer = self._footer(name)
                wanted = [
                    i
                    for i, (low, high, begin, end) in enumerate(footer.groups)
                    if low <= last and high >= first and begin < to_ms and end >= from_ms
                ]
                if not wanted:
                    continue
                with pq.ParquetFile(
                    self._folder / name, metadata=footer.said, read_dictionary=["point"], pre_buffer=False
                ) as file:
                    for start in range(0, len(wanted), _AT_ONCE):
                        self._count(0)
                        some = wanted[start : start + _AT_ONCE]
                        table = file.read_row_groups(some, columns=columns, use_threads=False)
                        yield table.unify_dictionaries().combine_chunks()
            except (OSError, ValueError) as error:
                raise UnreadableError([name], str(error)) from error

    def _footer(self, name: str) -> _Footer:
        _, pq = arrow()

        footer = self._footers.pop(name, None)
        if footer is None:
            said = pq.read_metadata(self._folder / name)
            stands = [
                [said.row_group(i).column(column).statistics for column in (0, 1)] for i in range(said.num_row_groups)
            ]
            groups = tuple((point.min, point.max, at.min, at.max) for point, at in stands)
            footer = _Footer(said, groups)
        self._footers[name] = footer
        while len(self._footers) > _FOOTERS:
            self._footers.popitem(last=False)
        return footer

    def _count(self, rows: int) -> None:
        """Give up where the question of this thread has used up its time or its room."""
        asking: _Asking | None = getattr(self._asking, "now", None)
        if asking:
            asking.rows -= rows
            if asking.rows < 0 or time.monotonic() > asking.until:
                raise HistoryTooLargeError(PATIENCE_S)
