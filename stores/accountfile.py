"""The file behind the accounts: small, checked whole at every opening, with a copy for the day it is damaged."""

import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from threading import Lock
from typing import Any

from stores.connection import connect, is_damage, said
from stores.errors import StoreNewerError

_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS user (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, role TEXT NOT NULL, person TEXT NOT NULL,
    password TEXT NOT NULL, disabled INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS session (
    token BLOB PRIMARY KEY, user TEXT NOT NULL, began_ms INTEGER NOT NULL, seen_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS session_user ON session (user);
"""


class AccountFile:
    """One SQLite file, readable by its owner only; safe from several threads."""

    def __init__(self, path: Path) -> None:
        """Open it; a damaged one is kept as `….damaged` and its last copy taken, and `repaired` is true."""
        self.path = path
        self._using = Lock()
        self.repaired = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._connection = self._open()
            except sqlite3.DatabaseError as error:
                # Nobody must lose alarms because nobody can log in: the last copy serves.
                if not is_damage(error):
                    raise
                self._put_aside()
                self._connection = self._open()
                self.repaired = True
        except sqlite3.Error as error:
            raise said(error, path) from error

    def keep_copy(self) -> None:
        """Copy the file beside itself: what serves when it is damaged one day."""
        part, copy = self.path.with_suffix(".part"), self.path.with_suffix(".copy")
        with suppress(sqlite3.Error, OSError):  # the copy is for a worse day; the change itself is made
            part.unlink(missing_ok=True)
            part.touch(mode=0o600)
            with closing(sqlite3.connect(part)) as target, self._using:
                self._connection.backup(target)
            part.replace(copy)

    def query(self, sql: str, *values: object) -> list[Any]:
        """Return the rows of a statement."""
        try:
            with self._using:
                return self._connection.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise said(error, self.path) from error

    def change(self, sql: str, *values: object) -> int:
        """Carry a statement out, durably, and return how many rows it touched."""
        try:
            with self._using:
                return self._connection.execute(sql, values).rowcount
        except sqlite3.Error as error:
            raise said(error, self.path) from error

    def close(self) -> None:
        """Let the file go. Safe to repeat."""
        with self._using:
            self._connection.close()

    def _open(self) -> sqlite3.Connection:
        self.path.touch(mode=0o600, exist_ok=True)
        connection = connect(self.path)
        try:
            self._prepare(connection)
            (whole,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if whole != "ok":
                _say_damaged(whole)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        found = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if found > _VERSION:
            raise StoreNewerError(self.path, found, _VERSION)
        if found < _VERSION:
            connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version={_VERSION}; COMMIT;")

    def _put_aside(self) -> None:
        copy = self.path.with_suffix(".copy")
        for end in ("", "-wal", "-shm"):
            beside = self.path.with_name(self.path.name + end)
            if beside.exists():
                beside.replace(beside.with_name(beside.name + ".damaged"))
        if copy.exists():
            self.path.touch(mode=0o600)
            self.path.write_bytes(copy.read_bytes())


def _say_damaged(why: str) -> None:
    error = sqlite3.DatabaseError(why)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    raise error
