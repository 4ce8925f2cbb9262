"""DuckDB over the archive's files: it filters by point and time, and numpy does the rest.

The database is in memory and holds nothing; it is imported with the first question, in the thread that asks.
"""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stores.telemetry.batch import Floats, Ints, Octets
from stores.telemetry.columns import Codes, Rows
from stores.telemetry.rollup import Sums

_POINTS = 200  # asked for at a time: 72 h of minutes of so many are 20 MB


class UnreadableError(Exception):
    """The files could not be read; one of them, at least, is broken. `files` are their names."""

    def __init__(self, files: Sequence[str], why: str) -> None:
        super().__init__(why)
        self.files = files


class Query:
    """Asks the files of one folder; safe from several threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._database: Any = None

    def readings(self, files: Sequence[str], point: str, from_ms: int, to_ms: int) -> tuple[Ints, Floats, Octets]:
        """Return time, value and reason of a point's readings."""
        if not files:
            return np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.uint8)
        found = self._ask(
            "SELECT at_ms, value, reason FROM read_parquet(?) WHERE point = ? AND at_ms >= ? AND at_ms < ?",
            [self._paths(files), point, from_ms, to_ms],
        )
        return found["at_ms"], _plain(found["value"]), found["reason"]

    def sums(
        self, files: Sequence[str], point: str, from_ms: int, to_ms: int
    ) -> tuple[Ints, Codes, Codes, Floats, Floats, Floats]:
        """Return start, count, bad, low, high and total of the sums of a point that start in [from_ms, to_ms)."""
        if not files:
            nothing = np.zeros(0, np.int32)
            return np.zeros(0, np.int64), nothing, nothing, np.zeros(0), np.zeros(0), np.zeros(0)
        found = self._ask(
            "SELECT at_ms, count, bad, low, high, total FROM read_parquet(?)"
            " WHERE point = ? AND at_ms >= ? AND at_ms < ?",
            [self._paths(files), point, from_ms, to_ms],
        )
        low, high, total = (_plain(found[name]) for name in ("low", "high", "total"))
        return found["at_ms"], found["count"], found["bad"], low, high, total

    def minutes(
        self, files: Sequence[str], head: Sums | None, points: Sequence[str], from_ms: int, to_ms: int
    ) -> Iterator[tuple[str, tuple[Ints, Ints, Ints, Ints]]]:
        """Return, for each of the sorted points, minute, count, bad and gap of what it said; `head` is added."""
        place = {name: i for i, name in enumerate(head.names)} if head else {}
        nothing = np.zeros(0, np.int64)
        for start in range(0, len(points), _POINTS):
            some = points[start : start + _POINTS]
            found = self._minutes_of(files, some, from_ms, to_ms)
            for point in some:
                columns = found.get(point, (nothing, nothing, nothing, nothing))
                if head is not None and point in place:
                    code = place[point]
                    part = slice(int(np.searchsorted(head.code, code)), int(np.searchsorted(head.code, code + 1)))
                    inside = (head.at_ms[part] >= from_ms) & (head.at_ms[part] < to_ms)
                    at, count, bad, gap = columns
                    columns = _added(
                        np.concatenate((at, head.at_ms[part][inside])),
                        np.concatenate((count, head.count[part][inside])),
                        np.concatenate((bad, head.bad[part][inside])),
                        np.concatenate((gap, head.gap_ms[part][inside])),
                    )
                yield point, columns

    def _minutes_of(
        self, files: Sequence[str], points: Sequence[str], from_ms: int, to_ms: int
    ) -> dict[str, tuple[Ints, Ints, Ints, Ints]]:
        if not files:
            return {}
        found = self._ask(
            "SELECT list_position(?, point) AS place, at_ms, sum(count)::BIGINT AS count, sum(bad)::BIGINT AS bad,"
            " max(gap_ms)::BIGINT AS gap FROM read_parquet(?)"
            " WHERE point BETWEEN ? AND ? AND point IN (SELECT unnest(?)) AND at_ms >= ? AND at_ms < ?"
            " GROUP BY point, at_ms ORDER BY place, at_ms",
            [list(points), self._paths(files), points[0], points[-1], list(points), from_ms, to_ms],
        )
        edges = np.searchsorted(found["place"], np.arange(1, len(points) + 2)).tolist()
        at, count, bad, gap = (found[name] for name in ("at_ms", "count", "bad", "gap"))
        parts = {point: slice(edges[i], edges[i + 1]) for i, point in enumerate(points)}
        return {point: (at[part], count[part], bad[part], gap[part]) for point, part in parts.items()}

    def held(self, files: Sequence[str], rows: Rows) -> NDArray[np.bool_]:
        """Say which of the rows the files already hold in every detail."""
        if not files:
            return np.zeros(len(rows), np.bool_)
        import pyarrow as pa

        names = np.asarray(rows.names, object)[rows.code]
        given = pa.table(
            {
                "i": pa.array(np.arange(len(rows))),
                "point": pa.array(names, pa.string()),
                "at_ms": pa.array(rows.at_ms),
                "value": pa.array(rows.value),
                "reason": pa.array(rows.reason),
            }
        )
        found = self._ask(
            "SELECT i FROM given SEMI JOIN (SELECT * FROM read_parquet(?) WHERE at_ms BETWEEN ? AND ?) AS held"
            " ON given.point = held.point AND given.at_ms = held.at_ms AND given.reason = held.reason"
            " AND given.value = held.value",
            [self._paths(files), int(rows.at_ms.min()), int(rows.at_ms.max())],
            given=given,
        )
        mask = np.zeros(len(rows), np.bool_)
        mask[found["i"]] = True
        return mask

    def close(self) -> None:
        """Let go of the database."""
        with self._lock:
            if self._database is not None:
                self._database.close()
                self._database = None

    def _ask(self, question: str, values: list[Any], given: Any = None) -> dict[str, Any]:
        import duckdb

        with self._lock:
            if self._database is None:
                # Nothing is fetched from outside, and a question never takes the machine from the alarms.
                self._database = duckdb.connect(
                    config={"threads": 1, "memory_limit": "1GB", "autoinstall_known_extensions": False}
                )
            cursor = self._database.cursor()
        try:
            if given is not None:
                cursor.register("given", given)
            found: dict[str, Any] = cursor.execute(question, values).fetchnumpy()
        except duckdb.Error as error:
            names = [Path(file).name for value in values if isinstance(value, list) for file in value]
            raise UnreadableError(names, str(error)) from error
        else:
            return found
        finally:
            cursor.close()

    def _paths(self, files: Sequence[str]) -> list[str]:
        return [str(self._folder / file) for file in files]


def _plain(column: Any) -> Floats:
    """Return a column without a mask: nothing is NaN."""
    return np.ma.filled(column, np.nan) if np.ma.isMaskedArray(column) else np.asarray(column, np.float64)


def _added(at: Ints, count: Ints, bad: Ints, gap: Ints) -> tuple[Ints, Ints, Ints, Ints]:
    """Add up the parts of one minute."""
    minute, place = np.unique(at, return_inverse=True)
    totals = [np.zeros(len(minute), np.int64) for _ in range(3)]
    np.add.at(totals[0], place, count)
    np.add.at(totals[1], place, bad)
    np.maximum.at(totals[2], place, gap)
    return minute, totals[0], totals[1], totals[2]
