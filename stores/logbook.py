"""The log book: append-only, chained, on the disk before anything is done about it.

One writer at a time; any number of readers from any thread, none of whom delays the writer. Writing and restarting
use SQLite directly, because loading SQLAlchemy costs a third of the time a restart may take; queries that vary are
built with it.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import NamedTuple, TypeVar

import msgspec

from facility.ports import Written
from facility.records import OPENS, Record
from stores.chain import BEGINNING, COLUMNS, Row, Verdict, check_file, link
from stores.connection import connect, is_full, said
from stores.errors import StoreError, StoreFencedError, StoreForeignError
from stores.migrations import prepare
from stores.payload import decode, encode, kind_of, whole_text
from stores.reserve import Reserve

T = TypeVar("T")

_MARKS = ", ".join("?" * len(Row._fields))
# Only constants of ours are put together here; values are always bound.
_INSERT = f"INSERT INTO record ({COLUMNS}) VALUES ({_MARKS})"  # noqa: S608
_ABOUT = "INSERT OR IGNORE INTO about (ref, seq) VALUES (?, ?)"
_OPEN = "INSERT OR IGNORE INTO open (subject, first_seq) VALUES (?, ?)"
_CLOSE = "DELETE FROM open WHERE subject = ?"
_KNOWN = "SELECT r.request FROM json_each(?) j CROSS JOIN record r ON r.request = j.value"
_META = "SELECT value FROM meta WHERE key = ?"
_SET = "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
_LAST = f"SELECT {COLUMNS} FROM record ORDER BY seq DESC LIMIT 1"  # noqa: S608
_TAIL = f"SELECT {COLUMNS} FROM record WHERE seq > ? ORDER BY seq LIMIT ?"  # noqa: S608
_LAST_OF = f"SELECT {COLUMNS} FROM record WHERE kind = ? ORDER BY seq DESC LIMIT 1"  # noqa: S608
# CROSS JOIN keeps SQLite from walking the year: the few open subjects first, then each one's records.
_OF_OPEN = (
    "SELECT " + ", ".join(f"r.{name}" for name in Row._fields) + " FROM open o CROSS JOIN record r"  # noqa: S608
    " ON r.subject = o.subject AND r.seq >= o.first_seq ORDER BY r.seq"
)
_IDLE_READERS = 4


class _Draft(NamedTuple):
    """A record with its texts as they will be stored."""

    record: Record
    kind: str
    subject: str
    actor: str
    request: str | None
    about: tuple[str, ...]
    data: str


class LogBook:
    """A site's log book in one SQLite file; implements `facility.ports.LogBook`.

    Opening it takes a new `epoch`: a fencing token that stands in every record, and that stops an older opening
    which is still alive from writing. `clean` says whether the last one was closed in order. Every call may raise
    a `StoreError` that says what happened in both languages.
    """

    def __init__(self, path: Path, site: str, *, reserve: Reserve | None = None) -> None:
        """Open the book, making it when there is none.

        Raises:
            StoreNewerError, StoreForeignError, StoreDamagedError, StoreFullError, StoreUnwritableError.
        """
        self.path = path
        self.site = site
        self.reserve = reserve
        self._writing = Lock()
        self._readers: list[sqlite3.Connection] = []
        self._closed = False
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._connection = connect(path)
            try:
                prepare(self._connection, path)
                self.epoch, self.clean = self._take_epoch()
                self._tail: tuple[int, bytes] | None = _read_tail(self._connection)
            except BaseException:
                self._connection.close()
                raise
        except sqlite3.Error as error:
            raise said(error, path) from error

    def append(self, records: Sequence[Record], closed: Iterable[str] = ()) -> list[Written]:
        """Write the records in one durable transaction, in order, and mark `closed` subjects as no longer open.

        Records of the kinds in `OPENS` open their subject. A record whose `request` the book already holds is
        left out of the result and not written again, so a call that failed may be repeated as it was.

        Raises:
            StoreFullError: even the reserve is used up.
            StoreBusyError: another program held the file for 5 s.
            StoreFencedError: a later opening has taken over; this one must stop.
        """
        drafts = [_draft(record) for record in records]
        shut = [(whole_text(subject),) for subject in closed]
        if not drafts and not shut:
            return []
        with self._writing:
            try:
                try:
                    return self._commit(drafts, shut)
                except sqlite3.Error as error:
                    if not is_full(error, self.path) or self.reserve is None or not self.reserve.release():
                        raise
                return self._commit(drafts, shut)
            except sqlite3.Error as error:
                raise said(error, self.path) from error

    def open_records(self) -> list[Written]:
        """Return the records of all open subjects since each was opened, in order."""
        return self._read(_OF_OPEN)

    def open_subjects(self) -> frozenset[str]:
        """Return the subjects that are open."""
        return frozenset(self._query(lambda c: [s for (s,) in c.execute("SELECT subject FROM open")]))

    def has(self, request: str) -> bool:
        """Say whether a record with this request id was written."""
        return bool(self.has_any((request,)))

    def has_any(self, requests: Iterable[str]) -> set[str]:
        """Return those of the request ids that were written."""
        asked = msgspec.json.encode([whole_text(r) for r in requests]).decode()
        return self._query(lambda c: {r for (r,) in c.execute(_KNOWN, (asked,))})

    def head(self) -> tuple[int, str]:
        """Return number and hash of the newest record: (0, 64 zeros) for an empty book."""
        # Not behind the writer's lock: the one who asks may be the event loop.
        seq, newest = self._tail or self._query(_read_tail)
        return seq, newest.hex()

    def count(self) -> int:
        """Return how many records there are; their numbers have no gaps."""
        return self.head()[0]

    def last(self, kind: str) -> Written | None:
        """Return the newest record of a kind."""
        found = self._read(_LAST_OF, (str(kind),))
        return found[0] if found else None

    def tail(self, after_seq: int, limit: int = 1000) -> list[Written]:
        """Return up to `limit` records after a number, oldest first."""
        return self._read(_TAIL, (after_seq, limit))

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

    def verify(self, from_seq: int = 1, *, pause_ms: float = 0) -> Verdict:
        """Check the chain from a number to the end; `pause_ms` after every 500 records spares the machine."""
        return self._query(lambda c: check_file(c, from_seq, pause_ms=pause_ms))

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
        """Close in order, so that the next opening need not doubt the file. Safe to repeat."""
        with self._writing:
            if self._closed:
                return
            self._closed = True
            # A full disk or a successor's fence must not keep a service from stopping.
            with suppress(sqlite3.Error, StoreError), self._transaction() as connection:
                connection.execute(_SET, ("clean", "1"))
            while self._readers:
                self._readers.pop().close()
            self._connection.close()

    def _take_epoch(self) -> tuple[int, bool]:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            meta = dict(connection.execute("SELECT key, value FROM meta").fetchall())
            self._refuse_foreign(meta.get("site", self.site))
            last = connection.execute(_LAST).fetchone()
            epoch = max(int(meta.get("epoch", 0)), last[2] if last else 0) + 1
            values = (("site", self.site), ("epoch", str(epoch)), ("clean", "0"))
            connection.executemany(_SET, values)
            connection.execute("COMMIT")
        except BaseException:
            connection.rollback()
            raise
        return epoch, meta.get("clean", "1") == "1"

    def _refuse_foreign(self, site: str) -> None:
        if site != self.site:
            raise StoreForeignError(self.path, site, self.site)

    def _refuse_when_fenced(self) -> None:
        theirs = int(self._connection.execute(_META, ("epoch",)).fetchone()[0])
        if theirs != self.epoch:
            raise StoreFencedError(self.path, self.epoch, theirs)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            self._refuse_when_fenced()
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            self._tail = None  # what a failed commit left on the disk is read there, not remembered
            with suppress(sqlite3.Error):
                connection.rollback()
            raise

    def _commit(self, drafts: Sequence[_Draft], closed: Sequence[tuple[str]]) -> list[Written]:
        written: list[Written] = []
        rows: list[Row] = []
        opened: list[tuple[str, int]] = []
        with self._transaction() as connection:
            seq, newest = self._tail or _read_tail(self._connection)
            requests = [draft.request for draft in drafts if draft.request is not None]
            asked = msgspec.json.encode(requests).decode()
            known = {r for (r,) in connection.execute(_KNOWN, (asked,))} if requests else set()
            for record, kind, subject, actor, request, about, data in drafts:
                if request is not None:
                    if request in known:
                        continue
                    known.add(request)
                seq += 1
                refs = "\n".join(about)
                newest = link(
                    newest, seq, self.site, self.epoch, record.at_ms, kind, subject, actor, request, refs, data
                )
                row = Row(seq, self.site, self.epoch, record.at_ms, kind, subject, actor, request, refs, data, newest)
                rows.append(row)
                written.append(Written(seq, record, newest.hex()))
                if record.kind in OPENS:
                    opened.append((subject, seq))
            connection.executemany(_INSERT, rows)
            file_(connection, rows)
            connection.executemany(_OPEN, opened)
            connection.executemany(_CLOSE, closed)
        self._tail = (seq, newest)
        return written

    def _read(self, sql: str, values: Sequence[object] = ()) -> list[Written]:
        rows = self._query(lambda c: c.execute(sql, values).fetchall())
        return [written(Row._make(row)) for row in rows]

    def _query(self, ask: Callable[[sqlite3.Connection], T]) -> T:
        return self._guarded(lambda: self._ask(ask))

    def _ask(self, ask: Callable[[sqlite3.Connection], T]) -> T:
        try:
            connection = self._readers.pop()
        except IndexError:
            connection = connect(self.path, read_only=True)
        try:
            answer = ask(connection)
        except BaseException:
            connection.close()
            raise
        if self._closed or len(self._readers) >= _IDLE_READERS:
            connection.close()
        else:
            self._readers.append(connection)
        return answer

    def _guarded(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except sqlite3.Error as error:
            raise said(error, self.path) from error


def written(row: Row) -> Written:
    """Return a stored row as the record that it is."""
    about = tuple(row.about.split("\n")) if row.about else ()
    record = Record(
        row.at_ms, kind_of(row.kind), row.subject, decode(row.kind, row.data), row.actor, row.request, about
    )
    return Written(row.seq, record, row.hash.hex())


def file_(connection: sqlite3.Connection, rows: Iterable[Row]) -> None:
    """File stored rows under what they are about."""
    connection.executemany(_ABOUT, [(ref, row.seq) for row in rows if row.about for ref in row.about.split("\n")])


def _read_tail(connection: sqlite3.Connection) -> tuple[int, bytes]:
    last = connection.execute(_LAST).fetchone()
    return (last[0], last[-1]) if last else (0, BEGINNING)


def _draft(record: Record) -> _Draft:
    return _Draft(
        record,
        str(record.kind),
        whole_text(record.subject),
        whole_text(record.actor),
        None if record.request is None else whole_text(record.request),
        # One id per line is how they are stored; an id with a line break in it would become two.
        tuple(dict.fromkeys(whole_text(ref).replace("\n", " ") for ref in record.about if ref)),
        encode(record.data),
    )


def _copy(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    # Inside one read transaction, or every commit of the writer would start the copy anew.
    source.execute("BEGIN")
    try:
        source.execute("SELECT count(*) FROM meta").fetchone()
        source.backup(target, pages=512)
    finally:
        source.rollback()
