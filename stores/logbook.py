"""The log book: append-only, chained, on the disk before anything is done about it.

One writer at a time; any number of readers from any thread, none of whom delays the writer. Writing and restarting
use SQLite directly, because loading SQLAlchemy costs a third of the time that a restart may take; queries that vary
are built with it.
"""

import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import msgspec

from facility.ports import Written
from facility.records import OPENS, Kind, Record, StoreDamaged
from stores.chain import COLUMNS, Row, link, refs_of
from stores.connection import connect, insert, is_full, said
from stores.errors import StoreDamagedError, StoreError, StoreFencedError, StoreForeignError, StoreFullError
from stores.migrations import prepare
from stores.payload import encode, whole_text
from stores.reading import KNOWN, LAST, BookReader, read_tail
from stores.reserve import FOR_RECORDS, Reserve, disk_state

# Only constants of ours are put together here; values are always bound.
RECORD = f"INSERT INTO record ({COLUMNS})"
ABOUT = "INSERT OR IGNORE INTO about (ref, seq)"
OPEN = "INSERT OR IGNORE INTO open (subject, first_seq)"
_CLOSE = "DELETE FROM open WHERE subject IN (SELECT value FROM json_each(?))"
SET = "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
_META = "SELECT value FROM meta WHERE key = ?"

_USUAL, _THRIFTY = 1000, 32
"""Pages (of 4 KiB) in the WAL after which they are folded into the book."""

_TAKE_BACK_S = 60
"""How long after the disk was full we look again whether the reserve can be filled."""


class _Draft(NamedTuple):
    """A record with its texts as they will be stored."""

    record: Record
    kind: str
    subject: str
    actor: str
    request: str | None
    about: tuple[str, ...]
    data: str


class _ClosedError(Exception):
    """The book was closed while it was being checked."""


class LogBook(BookReader):
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
        super().__init__(path)
        self.site = site
        self.reserve = reserve
        self._writing = Lock()
        self._take_back_at: float | None = None
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._connection = connect(path)
            try:
                prepare(self._connection, path)
                self.epoch, self.clean = self._take_epoch()
                self._tail: tuple[int, bytes] | None = read_tail(self._connection)
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
        shut = [whole_text(subject) for subject in closed]
        if not drafts and not shut:
            return []
        with self._writing:
            try:
                written = self._commit_in_any_room(drafts, shut)
            except sqlite3.Error as error:
                raise said(error, self.path) from error
            self._take_reserve_back()
        return written

    @staticmethod
    def reader(path: Path) -> BookReader:
        """Open a book only to read it; whoever writes it goes on."""
        return BookReader.of(path)

    def check_whole(self, now_ms: int | None = None) -> list[Record]:
        """Check the whole chain, slowly, and return what must be recorded: nothing when all is as written.

        For a thread: a year takes 20 s. Damage leaves a mark beside the file, by which the next start repairs it.
        The record is dated `now_ms`, or as the newest record.
        """
        try:
            verdict = self.verify(pause=self._breathe)
            at, why = verdict.broken, verdict.why
        except _ClosedError:
            return []
        except StoreDamagedError as error:
            at, why = 0, error.why
        if at is None:
            return []
        with suppress(OSError):
            suspicion(self.path).write_text(f"{at} {why}\n", encoding="utf-8")
        if now_ms is None:
            newest = self.tail(self.head()[0] - 1, 1)
            now_ms = newest[0].record.at_ms if newest else 0
        data = StoreDamaged("logbook", at, why)
        request = f"store.damaged/logbook/{self.epoch}/{at}"
        return [Record(now_ms, Kind.STORE_DAMAGED, f"site:{self.site}", data, request=request)]

    def hold_reserve(self) -> None:
        """Take the reserve back as soon as there is room: the next full disk may be near. For a thread; cheap."""
        if self.reserve is not None:
            self.reserve.hold()

    def _breathe(self) -> None:
        if self._closed:  # the service stops, and must not wait for the end of the check
            raise _ClosedError
        time.sleep(0.01)

    def keep_snapshot(self, folder: Path, now_ms: int) -> Path:
        """Take a checked snapshot into `folder`, thin the old ones, and see to the reserve. For a thread.

        Raises:
            StoreFullError: the copy would take the room that is kept for records.
        """
        from stores.snapshot import Snapshots

        self.hold_reserve()
        if self.reserve is not None and disk_state(self.path).free < self.path.stat().st_size + FOR_RECORDS:
            raise StoreFullError(folder)
        return Snapshots(folder).take(self.snapshot, self.head()[0], now_ms)

    def close(self) -> None:
        """Close in order, so that the next opening need not doubt the file. Safe to repeat."""
        with self._writing:
            if self._closed:
                return
            self._closed = True
            # A full disk or a successor's fence must not keep a service from stopping.
            with suppress(sqlite3.Error, StoreError), self._transaction() as connection:
                connection.execute(SET, ("clean", "1"))
            while self._idle:
                self._idle.pop().close()
            self._connection.close()

    def _newest(self) -> tuple[int, bytes]:
        # From memory, and not behind the writer's lock: the one who asks may be the event loop.
        return self._tail or super()._newest()

    def _take_epoch(self) -> tuple[int, bool]:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            meta = dict(connection.execute("SELECT key, value FROM meta").fetchall())
            self._refuse_foreign(meta.get("site", self.site))
            last = connection.execute(LAST).fetchone()
            epoch = max(int(meta.get("epoch", 0)), last[2] if last else 0) + 1
            values = (("site", self.site), ("epoch", str(epoch)), ("clean", "0"))
            connection.executemany(SET, values)
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

    def _commit_in_any_room(self, drafts: Sequence[_Draft], closed: Sequence[str]) -> list[Written]:
        try:
            return self._commit(drafts, closed)
        except sqlite3.Error as error:
            if not is_full(error, self.path):
                raise
        if self.reserve is not None:
            self.reserve.release()
            self._take_back_at = time.monotonic() + _TAKE_BACK_S
        with suppress(sqlite3.Error):
            # From here on the WAL, which holds each page many times, is folded in early: the room is for records.
            self._connection.execute(f"PRAGMA wal_autocheckpoint={_THRIFTY}")
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        return self._commit(drafts, closed)

    def _take_reserve_back(self) -> None:
        if self.reserve is not None and self._take_back_at is not None and time.monotonic() >= self._take_back_at:
            if self.reserve.hold():
                self._take_back_at = None
                self._connection.execute(f"PRAGMA wal_autocheckpoint={_USUAL}")
            else:
                self._take_back_at = time.monotonic() + _TAKE_BACK_S

    def _commit(self, drafts: Sequence[_Draft], closed: Sequence[str]) -> list[Written]:
        written: list[Written] = []
        rows: list[Row] = []
        opened: list[tuple[str, int]] = []
        with self._transaction() as connection:
            seq, newest = self._tail or read_tail(self._connection)
            requests = [draft.request for draft in drafts if draft.request is not None]
            asked = msgspec.json.encode(requests).decode()
            known = {r for (r,) in connection.execute(KNOWN, (asked,))} if requests else set()
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
            insert(connection, RECORD, rows)
            insert(connection, ABOUT, [(ref, row.seq) for row in rows for ref in refs_of(row)])
            insert(connection, OPEN, opened)
            if closed:
                connection.execute(_CLOSE, (msgspec.json.encode(closed).decode(),))
        self._tail = (seq, newest)
        return written


def suspicion(path: Path) -> Path:
    """Return the mark that a check leaves beside a book in which it found damage."""
    return path.with_name(path.name + ".suspect")


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
