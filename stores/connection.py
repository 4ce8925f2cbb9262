"""SQLite as the log book wants it: WAL, every commit on the disk before it returns, transactions only by hand."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from stores.errors import StoreBusyError, StoreDamagedError, StoreError, StoreFullError, StoreUnwritableError
from stores.reserve import disk_state

BUSY_MS = 5_000
"""How long a call waits for another program's lock."""

_TOGETHER = (256, 64, 16, 4, 1)
"""Rows that one INSERT takes: few sizes, so that each is compiled once."""

_HARDLY_ANYTHING = 64 * 1024
"""Free bytes below which a failed write means a full disk, whatever SQLite calls it."""


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Open the file for one thread at a time; `read_only` connections cannot change it, and never delay the writer.

    Raises:
        sqlite3.Error: when it is no database, damaged, or locked for longer than `BUSY_MS`.
    """
    connection = sqlite3.connect(path, timeout=BUSY_MS / 1000, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        # FULL: a page may be sent only after its request stands on the disk, power cut included.
        connection.execute("PRAGMA synchronous=FULL")
        # A reader of hours lets the WAL grow; it is cut back to this at the next checkpoint.
        connection.execute("PRAGMA journal_size_limit=67108864")
        if read_only:
            connection.execute("PRAGMA query_only=ON")
    except BaseException:
        connection.close()
        raise
    return connection


def insert(connection: sqlite3.Connection, into: str, rows: Sequence[Sequence[object]]) -> None:
    """Insert rows by few statements; `into` is all of the statement before VALUES.

    SQLite lets other threads go on at every statement, and beside a busy loop each return costs half a millisecond:
    135 records row by row took 50 ms there, and take 17 so.
    """
    at = 0
    for size in _TOGETHER:
        while len(rows) - at >= size:
            some = rows[at : at + size]
            marks = ", ".join([f"({', '.join('?' * len(some[0]))})"] * size)
            connection.execute(f"{into} VALUES {marks}", [value for row in some for value in row])
            at += size


def is_full(error: sqlite3.Error, path: Path) -> bool:
    """Say whether a failed write means that there is no space; SQLite reports some of these as I/O errors."""
    code = _code(error)
    return code == sqlite3.SQLITE_FULL or (
        code in {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN} and disk_state(path).free < _HARDLY_ANYTHING
    )


def is_damage(error: sqlite3.Error) -> bool:
    """Say whether the bytes are not what they should be; locked, read-only and full files are whole."""
    return _code(error) in {
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_ERROR,  # no such table, no such column
        sqlite3.SQLITE_MISMATCH,
    }


def said(error: sqlite3.Error, path: Path) -> StoreError:
    """Return the error that a person understands."""
    code = _code(error)
    if is_full(error, path):
        return StoreFullError(path)
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return StoreBusyError(path)
    if code in {
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_AUTH,
    }:
        return StoreUnwritableError(path, str(error))
    return StoreDamagedError(path, str(error))


def _code(error: sqlite3.Error) -> int:
    # The low byte is the primary code; the rest says more, and differs between versions of SQLite.
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
