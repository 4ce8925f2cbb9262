"""The spool as another process reads it: rows and layouts as they are committed, and nothing is ever written.

SQLite in WAL mode lets it read beside the one that commits; neither waits for the other.
"""

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from sys import intern

import msgspec

from facility.ports import Layout
from stores.connection import said
from stores.telemetry.batch import Batch, decode, encode
from stores.telemetry.spool import Pending

_BUSY_S = 5.0
_points = msgspec.json.Decoder(tuple[str, ...]).decode


class SpoolView:
    """Implements `stores.telemetry.source.Source` beside the spool's own process; safe from several threads.

    `damaged` are rows that can no longer be decoded: whoever writes the spool sets them aside.
    Errors are those of `stores.errors`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self.damaged: set[int] = set()
        self._stored: dict[int, tuple[str, str, bytes]] = {}  # device, profile, points: read when they are asked for
        self._newest: dict[str, int] = {}
        try:
            self._connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=_BUSY_S, isolation_level=None,
                check_same_thread=False,
            )  # fmt: skip
            self._connection.execute("PRAGMA query_only = ON")
        except sqlite3.Error as error:
            raise said(error, path) from error
        with self._reading() as reader:
            self.id: int = reader.execute("SELECT row FROM first").fetchone()[0]

    @property
    def last_row(self) -> int:
        """The newest row that is still there."""
        with self._reading() as reader:
            return int(reader.execute("SELECT ifnull(max(id), 0) FROM row").fetchone()[0])

    def layouts(self) -> Mapping[str, Layout]:
        """Return the newest committed layout of every device."""
        with self._lock:
            self._learn()
            return {device: self._layout(id_) for device, id_ in self._newest.items()}

    def layout_of(self, id: int) -> Layout:
        """Return a layout by its id, however old.

        Raises:
            KeyError: there is no such layout.
        """
        with self._lock:
            self._know(id)
            return self._layout(id)

    def places_of(self, point: str, layouts: Iterable[int]) -> dict[int, int]:
        """Return in which of these layouts a point is, and where."""
        said = json.dumps(point, ensure_ascii=False).encode()
        with self._lock:
            found = {id_: self._layout(id_).points for id_ in layouts if said in self._stored[id_][2]}
        return {id_: points.index(point) for id_, points in found.items() if point in points}

    def pending(self, after_row: int) -> Pending:
        """Count what lies after a row."""
        with self._reading() as reader:
            rows, scans, readings, oldest = reader.execute(
                "SELECT count(*), ifnull(sum(scans), 0), ifnull(sum(readings), 0), min(at_ms) FROM row WHERE id > ?",
                (after_row,),
            ).fetchone()
        return Pending(rows, scans, readings, oldest)

    def row_before(self, after_row: int, at_ms: int) -> int:
        """Return the last row, not before `after_row`, of those that were committed before a moment."""
        with self._reading() as reader:
            found = reader.execute(
                "SELECT id FROM row WHERE id > ? AND at_ms >= ? ORDER BY id LIMIT 1", (after_row, at_ms)
            ).fetchone()
        return int(found[0]) - 1 if found else max(after_row, self.last_row)

    def batches(self, after_row: int, max_scans: int) -> list[tuple[int, Batch]]:
        """Return the rows after a row as columns, at least one and then up to `max_scans` scans."""
        rows: list[tuple[int, bytes]] = []
        total = 0
        with self._reading() as reader:
            found = reader.execute("SELECT id, scans, blob FROM row WHERE id > ? ORDER BY id", (after_row,))
            for row, scans, blob in found:
                total += scans
                if rows and total > max_scans:
                    break
                rows.append((row, blob))
            found.close()
        return [(row, self._decoded(row, blob)) for row, blob in rows]

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()

    def _decoded(self, row: int, blob: bytes) -> Batch:
        try:
            batch = decode(blob)
            if not set(batch.layout.tolist()) <= self._stored.keys():
                self._learn_of(batch.layout.tolist())
        except (ValueError, KeyError):
            self.damaged.add(row)
            return decode(encode([], []))
        return batch

    def _learn(self) -> None:
        """Read the layouts that came since; under the lock. One is committed with the first row that names it."""
        known = max(self._stored, default=0)
        try:
            # Row by row, and as bytes: what passes through memory here would stay between what stays.
            found = self._connection.execute(
                "SELECT id, device, CAST(points AS BLOB), profile FROM layout WHERE id > ? ORDER BY id", (known,)
            )
            for id_, device, points, profile in found:
                self._stored[id_] = device, intern(profile), points
                self._newest[device] = id_
        except sqlite3.Error as error:
            raise said(error, self._path) from error

    def _learn_of(self, layouts: Iterable[int]) -> None:
        with self._lock:
            for id_ in set(layouts):
                self._know(id_)

    def _know(self, id_: int) -> None:
        if id_ not in self._stored:
            self._learn()
        if id_ not in self._stored:
            raise KeyError(id_)

    def _layout(self, id_: int) -> Layout:
        device, profile, points = self._stored[id_]
        return Layout(id_, device, _points(points), profile)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._connection
            except sqlite3.Error as error:
                raise said(error, self._path) from error
