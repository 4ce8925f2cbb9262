"""The spool's SQLite file: its tables, its two connections, and what happens when it is broken."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from stores.connection import said
from stores.errors import StoreDamagedError, StoreError, StoreNewerError
from stores.telemetry import gaps

_SCHEMA_VERSION = 3
_SCHEMA = """
CREATE TABLE row (id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, scans INTEGER NOT NULL, readings INTEGER NOT NULL,
    blob BLOB NOT NULL);
CREATE TABLE layout (id INTEGER PRIMARY KEY, device TEXT NOT NULL, width INTEGER NOT NULL, points TEXT NOT NULL,
    profile TEXT NOT NULL);
CREATE TABLE cursor (name TEXT PRIMARY KEY, row INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE checkpoint (one INTEGER PRIMARY KEY CHECK (one = 1), row INTEGER NOT NULL, memory BLOB NOT NULL);
CREATE TABLE dead (id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, source TEXT NOT NULL, why TEXT NOT NULL,
    payload BLOB NOT NULL);
CREATE TABLE dead_count (source TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE first (one INTEGER PRIMARY KEY CHECK (one = 1), row INTEGER NOT NULL);
"""
_PARTS = "ALTER TABLE row ADD COLUMN part INTEGER NOT NULL DEFAULT 0"
_STEPS = (_SCHEMA, gaps.SCHEMA, _PARTS)  # from one version to the next
_BUSY_S = 5.0
_PAGE = 8192
_CHECKED_BYTES = 64 << 20  # quick_check costs 0.2 ms per MB; larger files are checked row by row as they are read


@dataclass(frozen=True, slots=True)
class Opening:
    """How the spool was found. `set_aside` is where a corrupt file went: its scans are not in this spool."""

    created: bool
    set_aside: Path | None = None
    why: str = ""


class SpoolFile:
    """One connection writes, under `lock`; another reads beside it. Errors are those of `stores.errors`."""

    def __init__(self, path: Path, now: Callable[[], int]) -> None:
        self._path, self._now = path, now
        self.lock, self._read_lock = threading.Lock(), threading.Lock()
        self._suspect = path.with_name(path.name + ".suspect")
        self.opening = Opening(created=not path.exists())
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._open()
        except StoreDamagedError as error:
            self.opening = Opening(created=True, set_aside=_set_aside(path, now()), why=error.why)
            self._open()

    def _open(self) -> None:
        try:
            self.writer = _connect(self._path)
            try:
                self._prepare()
                self._reader = _connect(self._path)
            except BaseException:
                self.writer.close()
                raise
        except sqlite3.Error as error:
            raise said(error, self._path) from error

    def _prepare(self) -> None:
        writer = self.writer
        version = writer.execute("PRAGMA user_version").fetchone()[0]
        if version > _SCHEMA_VERSION:
            raise StoreNewerError(self._path, version, _SCHEMA_VERSION)
        if version < _SCHEMA_VERSION:
            with self.transaction():
                for statement in ";".join(_STEPS[version:]).split(";"):
                    writer.execute(statement)
                if version == 0:
                    writer.execute("INSERT INTO first VALUES (1, ?)", (self._now(),))
                writer.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
        if version == 0:
            return
        suspect = self._suspect.exists()
        if suspect or self._path.stat().st_size <= _CHECKED_BYTES:
            self._suspect.unlink(missing_ok=True)
            verdict = writer.execute("PRAGMA quick_check(1)").fetchone()[0]
            if verdict != "ok":
                raise StoreDamagedError(self._path, verdict)
        for table in ("first", "layout", "cursor", "checkpoint", "numbers"):
            writer.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608 - our own names
        writer.execute("SELECT (SELECT min(id) FROM row), (SELECT max(id) FROM row)").fetchall()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Lend the reading connection to one thread."""
        with self._read_lock:
            try:
                yield self._reader
            except sqlite3.Error as error:
                raise self._said(error) from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run the body as one durable transaction; the caller holds the write lock."""
        try:
            self.writer.execute("BEGIN IMMEDIATE")
            yield
            self.writer.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            raise self._said(error) from error
        except BaseException:
            self._roll_back()
            raise

    def _roll_back(self) -> None:
        if self.writer.in_transaction:
            self.writer.execute("ROLLBACK")

    def pragma(self, name: str) -> int:
        """Return a number that SQLite knows of the file; the caller holds the lock."""
        return int(self.writer.execute(f"PRAGMA {name}").fetchone()[0])

    def _said(self, error: sqlite3.Error) -> StoreError:
        """Name an error; damage met while running is noted, so that the next opening looks at the whole file."""
        named = said(error, self._path)
        if isinstance(named, StoreDamagedError):
            with suppress(OSError):
                self._suspect.touch()
        return named

    def close(self) -> None:
        """Close both connections."""
        with self.lock, self._read_lock:
            self._reader.close()
            self.writer.close()


def _connect(path: Path) -> sqlite3.Connection:
    """Open the file; each connection is used under its own lock."""
    connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        connection.execute(f"PRAGMA page_size = {_PAGE}")
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL").fetchone()
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA wal_autocheckpoint = 500")
        connection.execute(f"PRAGMA journal_size_limit = {_CHECKED_BYTES}")
    except BaseException:
        connection.close()
        raise
    return connection


def _set_aside(path: Path, now_ms: int) -> Path:
    """Rename the file and its journal out of the way and return its new name."""
    aside = path.with_name(f"{path.name}.corrupt-{now_ms}")
    for suffix in ("-wal", "-shm", ""):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return aside
