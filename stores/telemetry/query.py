"""DuckDB over the archive's files: it filters by point and time, and numpy does the rest.

The database is in memory and holds nothing; it is imported with the first question, in the thread that asks.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stores.errors import HistoryTooLargeError
from stores.telemetry.batch import Floats, Ints, Octets
from stores.telemetry.columns import Codes, Rows
from stores.telemetry.completeness import Pieces, of_minutes

PATIENCE_S = 10.0
"""A question that takes longer is given up."""
MEMORY = "256MB"
"""A question that needs more is given up; nothing is ever written to the disk for one."""

_WANTED = (
    " FROM read_parquet(?) JOIN (SELECT unnest(?) AS point, unnest(range(?)) AS place) AS wanted USING (point)"
    " WHERE point BETWEEN ? AND ? AND at_ms >= ? AND at_ms < ?"
)


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
        self._turn = threading.Lock()
        self._asking = threading.local()
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

    def minutes(self, files: Sequence[str], points: Sequence[str], from_ms: int, to_ms: int) -> Pieces:
        """Return the minutes of the sorted points that start in [from_ms, to_ms)."""
        found = self._pieces("SELECT place, at_ms, count, bad, gap_ms", files, points, from_ms, to_ms)
        return of_minutes(*found.values()) if found else _nothing()

    def hours(self, files: Sequence[str], points: Sequence[str], from_ms: int, to_ms: int) -> Pieces:
        """Return the hours of the sorted points that start in [from_ms, to_ms)."""
        question = "SELECT place, from_ms, to_ms, count, bad, gap_ms, hole_ms"
        found = self._pieces(question, files, points, from_ms, to_ms)
        return Pieces(*found.values()) if found else _nothing()

    def _pieces(
        self, question: str, files: Sequence[str], points: Sequence[str], from_ms: int, to_ms: int
    ) -> dict[str, Ints]:
        if not files or not points or from_ms >= to_ms:
            return {}
        values = [self._paths(files), list(points), len(points), points[0], points[-1], from_ms, to_ms]
        return {name: column.astype(np.int64) for name, column in self._ask(question + _WANTED, values).items()}

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

    @contextmanager
    def patience(self) -> Iterator[None]:
        """Give up what is asked within, on this thread, when it takes too long altogether."""
        self._asking.until = time.monotonic() + PATIENCE_S
        try:
            yield
        finally:
            del self._asking.until

    def _ask(self, question: str, values: list[Any], given: Any = None) -> dict[str, Any]:
        import duckdb

        until = getattr(self._asking, "until", None) or time.monotonic() + PATIENCE_S
        # One at a time: charts never take the machine from the alarms.
        if not self._turn.acquire(timeout=max(0.0, until - time.monotonic())):
            raise HistoryTooLargeError(PATIENCE_S)
        try:
            cursor = self._connected().cursor()
            giving_up = threading.Timer(max(0.0, until - time.monotonic()), cursor.interrupt)
            giving_up.start()
            try:
                if given is not None:
                    cursor.register("given", given)
                found: dict[str, Any] = cursor.execute(question, values).fetchnumpy()
            except (duckdb.InterruptException, duckdb.OutOfMemoryException) as error:
                raise HistoryTooLargeError(PATIENCE_S) from error
            except duckdb.Error as error:
                names = [Path(file).name for value in values if isinstance(value, list) for file in value]
                raise UnreadableError(names, str(error)) from error
            else:
                return found
            finally:
                giving_up.cancel()
                cursor.close()
        finally:
            self._turn.release()

    def _connected(self) -> Any:
        import duckdb

        with self._lock:
            if self._database is None:
                self._database = duckdb.connect(
                    config={
                        "threads": 1,
                        "memory_limit": MEMORY,
                        "temp_directory": "",
                        "autoinstall_known_extensions": False,
                    }
                )
            return self._database

    def _paths(self, files: Sequence[str]) -> list[str]:
        return [str(self._folder / file) for file in files]


def _plain(column: Any) -> Floats:
    """Return a column without a mask: nothing is NaN."""
    return np.ma.filled(column, np.nan) if np.ma.isMaskedArray(column) else np.asarray(column, np.float64)


def _nothing() -> Pieces:
    return Pieces(*(np.zeros(0, np.int64) for _ in range(7)))
