"""Opening the log book safely: nothing is lost silently, and nothing damaged is written to."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from facility.records import Kind, Record, StoreRestored
from stores.chain import check_file
from stores.connection import connect, is_damage, said
from stores.errors import StoreForeignError, StoreNewerError
from stores.logbook import LogBook, suspicion
from stores.migrations import VERSION, version_of
from stores.reading import read_tail
from stores.repair import REPAIR, finish_repair, repair
from stores.reserve import Reserve, disk_state
from stores.snapshot import Snapshots, stamp

_SMALL = 64 * 1024 * 1024
"""Up to this size every page is looked at after an unclean stop (0.2 s); a larger file is checked while serving."""

_TO_OPEN = 4 * 1024 * 1024
"""Free bytes below which opening the files may fail."""

_TAIL = 2_000
"""Records whose hashes are checked at every start (25 ms)."""


@dataclass(frozen=True, slots=True)
class Report:
    """What opening the book took: true when it had to be repaired, then yields the record that says so.

    It is given again at every opening until the book holds that record.
    """

    restored: StoreRestored | None = None
    records: tuple[Record, ...] = ()

    def __bool__(self) -> bool:
        return self.restored is not None

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)


def open_book(
    path: Path, snapshots: Path, now_ms: int, *, site: str, reserve: Reserve | None = None
) -> tuple[LogBook, Report]:
    """Open a site's log book; a damaged or missing one is put aside and rebuilt from the newest good snapshot.

    What can still be read in the damaged file is brought over. `reserve` is by default a file beside the book. An
    older schema is brought up after a copy was made. A file too large to be checked at the start is checked by
    `LogBook.check_whole`.

    Raises:
        StoreError: it is another site's, a newer program's, locked, not writable, or the disk is full.
    """
    reserve = reserve or Reserve(path.with_name("reserve.bin"))
    if reserve.held and disk_state(path).free < _TO_OPEN:
        reserve.release()  # a service that ended on a full disk must come up again on it
    kept = Snapshots(snapshots)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        finish_repair(path, now_ms)
        if damage := _damage(path, kept, site):
            repair(path, kept, now_ms, site, damage)
        else:
            _copy_before_upgrade(path, kept, now_ms)
        book = LogBook(path, site, reserve=reserve)
        report = _report(book)
    except sqlite3.Error as error:
        raise said(error, path) from error
    reserve.hold()
    return book, report


def _report(book: LogBook) -> Report:
    said_before = book.setting(REPAIR)
    if not said_before:
        return Report()
    repaired = json.loads(said_before)
    data = StoreRestored(**repaired["data"])
    request = f"store.restored/{data.store}/{repaired['at_ms']}"
    if book.has(request):
        return Report()
    record = Record(repaired["at_ms"], Kind.STORE_RESTORED, f"site:{book.site}", data, request=request)
    return Report(data, (record,))


def _damage(path: Path, kept: Snapshots, site: str) -> str:
    """Say what is wrong with the file; "" is nothing, or that there never was one."""
    if not path.exists() or path.stat().st_size == 0:
        return "missing" if kept.all() else ""
    try:
        with closing(connect(path)) as connection:
            version = version_of(connection)
            if version == 0:
                return "empty" if kept.all() else ""
            return _pages(connection) if version < VERSION else _contents(connection, path, site)
    except sqlite3.Error as error:
        if is_damage(error):
            return str(error)
        raise


def _contents(connection: sqlite3.Connection, path: Path, site: str) -> str:
    if (version := version_of(connection)) > VERSION:
        raise StoreNewerError(path, version, VERSION)
    meta = dict(connection.execute("SELECT key, value FROM meta").fetchall())
    if (theirs := meta.get("site", site)) != site:
        raise StoreForeignError(path, theirs, site)
    suspected = suspicion(path).exists()
    doubted = suspected or (meta.get("clean") != "1" and path.stat().st_size < _SMALL)
    if doubted and (found := _pages(connection)):
        return found
    seq, _ = read_tail(connection)
    verdict = check_file(connection, 1 if suspected else max(1, seq - _TAIL))
    if not verdict.ok:
        return f"record {verdict.broken} {verdict.why}"
    suspicion(path).unlink(missing_ok=True)
    return ""


def _pages(connection: sqlite3.Connection) -> str:
    (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    return "" if found == "ok" else str(found)


def _copy_before_upgrade(path: Path, kept: Snapshots, now_ms: int) -> None:
    if not path.exists() or path.stat().st_size == 0:
        return
    with closing(connect(path)) as connection:
        if 0 < version_of(connection) < VERSION:
            kept.folder.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(kept.folder / f"before-upgrade-{stamp(now_ms)}.db")) as copy:
                connection.backup(copy)
