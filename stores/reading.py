"""Reading the log book, from any thread, at any time, without delaying its writer."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from facility.ports import Written
from facility.records import Record
from stores.chain import BEGINNING, COLUMNS, Row, Verdict, check_file, refs_of
from stores.connection import connect, said
from stores.errors import StoreForeignError, StoreNewerError
from stores.migrations import VERSION, version_of
from stores.payload import decode, kind_of, whole_text

T = TypeVar("T")

# Only constants of ours are put together here; values are always bound.
KNOWN = "SELECT r.request FROM json_each(?) j CROSS JOIN record r ON r.request = j.value"
"""Which of a JSON list of requests were written."""
LAST = f"SELECT {COLUMNS} FROM record ORDER BY seq DESC LIMIT 1"  # noqa: S608
_TAIL = f"SELECT {COLUMNS} FROM record WHERE seq > ? ORDER BY seq LIMIT ?"  # noqa: S608
# The plus keeps SQLite from walking a year of one kind: a range of numbers is what is asked for.
_TOLD = "SELECT seq, at_ms, kind, subject, actor, data FROM record WHERE seq > ? AND +kind GLOB ? ORDER BY seq LIMIT ?"
_LAST_OF = f"SELECT {COLUMNS} FROM record WHERE kind = ? ORDER BY seq DESC LIMIT 1"  # noqa: S608
# CROSS JOIN keeps SQLite from walking the year: the few open subjects first, then each one's records.
_OF_OPEN = (
    "SELECT r.seq FROM open o CROSS JOIN record r ON r.subject = o.subject AND r.seq >= o.first_seq ORDER BY r.seq"
)
_THESE = f"SELECT {COLUMNS} FROM record WHERE seq IN (SELECT value FROM json_each(?)) ORDER BY seq"  # noqa: S608
_AT_ONCE = 500
_IDLE = 4


class BookReader:
    """A log book that is only read: by other programs, checks, exports.

    Every call may raise a `StoreError` that says what happened in both languages.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._idle: list[sqlite3.Connection] = []
        self._closed = False

    @classmethod
    def of(cls, path: Path) -> "BookReader":
        """Open an existing book and see that it is one.

        Raises:
            StoreNewerError, StoreForeignError, StoreDamagedError.
        """
        reader = cls(path)
        found = reader._query(version_of)
        if found > VERSION:
            reader.close()
            raise StoreNewerError(path, found, VERSION)
        if found == 0:
            reader.close()
            raise StoreForeignError(path, "another program", "dutyroom")
        return reader

    def open_records(self) -> Iterator[Written]:
        """Return the records of all subjects that are open now since each was opened, in order.

        They are read as they are asked for: after a flood they are tens of thousands.
        """
        numbers = self._query(lambda c: [seq for (seq,) in c.execute(_OF_OPEN)])
        for start in range(0, len(numbers), _AT_ONCE):
            yield from self._read(_THESE, (json.dumps(numbers[start : start + _AT_ONCE]),))

    def open_subjects(self) -> frozenset[str]:
        """Return the subjects that are open."""
        return frozenset(self._query(lambda c: [s for (s,) in c.execute("SELECT subject FROM open")]))

    def setting(self, key: str) -> str:
        """Return what the file keeps about itself under a key, or nothing."""
        found = self._query(lambda c: c.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone())
        return found[0] if found else ""

    def has(self, request: str) -> bool:
        """Say whether a record with this request id was written."""
        return bool(self.has_any((request,)))

    def has_any(self, requests: Iterable[str]) -> set[str]:
        """Return those of the request ids that were written."""
        asked = msgspec.json.encode([whole_text(r) for r in requests]).decode()
        return self._query(lambda c: {r for (r,) in c.execute(KNOWN, (asked,))})

    def head(self) -> tuple[int, str]:
        """Return number and hash of the newest record: (0, 64 zeros) for an empty book."""
        seq, newest = self._newest()
        return seq, newest.hex()

    def count(self) -> int:
        """Return how many records there are; the newest one's number, unless damage took some."""
        return self._query(lambda c: int(c.execute("SELECT count(*) FROM record").fetchone()[0]))

    def last(self, kind: str) -> Written | None:
        """Return the newest record of a kind."""
        found = self._read(_LAST_OF, (str(kind),))
        return found[0] if found else None

    def tail(self, after_seq: int, limit: int = 1000) -> list[Written]:
        """Return up to `limit` records after a number, oldest first."""
        return self._read(_TAIL, (after_seq, limit))

    def told(self, family: str, after_seq: int, limit: int) -> list[tuple[int, Record]]:
        """Return up to `limit` records of a family ("alarm") after a number, with their numbers, oldest first.

        For folds over months, in half the time of `tail`: without requests and what they were filed under.
        """
        rows = self._query(lambda c: c.execute(_TOLD, (after_seq, f"{family}.*", limit)).fetchall())
        return [
            (seq, Record(at, kind_of(kind), who, decode(kind, data), actor)) for seq, at, kind, who, actor, data in rows
        ]

    def number_at(self, at_ms: int) -> int:
        """Return the number of the first record from a moment on; one more than the newest where there is none."""
        first = "SELECT min(seq) FROM record WHERE at_ms >= ?"
        found = self._query(lambda c: c.execute(first, (at_ms,)).fetchone()[0])
        return self.head()[0] + 1 if found is None else int(found)

    def find(
        self,
        subject: str | None = None,
        about: str | None = None,
        kinds: Iterable[str] | None = None,
        from_ms: int | None = None,
        to_ms: int | None = None,
        limit: int = 100,
        before_seq: int | None = None,
    ) -> list[Written]:
        """Return records newest first, at most `limit`; the next page is asked with the last one's number.

        `about` finds what a record was filed under (an equipment, a person); times are [from_ms, to_ms).
        """
        from stores.query import find

        sql, values = find(subject, about, kinds, from_ms, to_ms, limit, before_seq)
        return self._read(sql, values)

    def warm(self) -> None:
        """Load what the first `find` needs; half a second, better spent in a thread after the start."""
        import stores.query  # noqa: F401 - loading it is the point

    def verify(self, from_seq: int = 1, *, pause: Callable[[], None] | None = None) -> Verdict:
        """Check the chain from a number to the end; a `pause` after every 500 records spares the machine."""
        return self._query(lambda c: check_file(c, from_seq, pause=pause))

    def snapshot(self, path: Path) -> None:
        """Copy the book as of this moment to `path`, page by page; the writer goes on meanwhile.

        For a thread: a year's book takes seconds. `stores.snapshot.Snapshots` keeps, checks and thins them.
        """
        target = sqlite3.connect(path, isolation_level=None)
        try:
            self._query(lambda source: _copy(source, target))
        finally:
            target.close()

    def close(self) -> None:
        """Let the file go. Safe to repeat."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def _newest(self) -> tuple[int, bytes]:
        return self._query(read_tail)

    def _read(self, sql: str, values: Sequence[object] = ()) -> list[Written]:
        rows = self._query(lambda c: c.execute(sql, values).fetchall())
        return [written(Row._make(row)) for row in rows]

    def _query(self, ask: Callable[[sqlite3.Connection], T]) -> T:
        return self._guarded(lambda: self._ask(ask))

    def _ask(self, ask: Callable[[sqlite3.Connection], T]) -> T:
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = connect(self.path, read_only=True)
        try:
            answer = ask(connection)
        except BaseException:
            connection.close()
            raise
        if self._closed or len(self._idle) >= _IDLE:
            connection.close()
        else:
            self._idle.append(connection)
        return answer

    def _guarded(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except sqlite3.Error as error:
            raise said(error, self.path) from error


def written(row: Row) -> Written:
    """Return a stored row as the record that it is."""
    data = decode(row.kind, row.data)
    record = Record(row.at_ms, kind_of(row.kind), row.subject, data, row.actor, row.request, tuple(refs_of(row)))
    return Written(row.seq, record, row.hash.hex())


def read_tail(connection: sqlite3.Connection) -> tuple[int, bytes]:
    """Return number and hash of the newest record."""
    last = connection.execute(LAST).fetchone()
    return (last[0], last[-1]) if last else (0, BEGINNING)


def _copy(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    # Inside one read transaction, or every commit of the writer would start the copy anew.
    source.execute("BEGIN")
    try:
        source.execute("SELECT count(*) FROM meta").fetchone()
        source.backup(target, pages=512)
    finally:
        source.rollback()
