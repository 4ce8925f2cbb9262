"""Rebuilding a damaged log book: newest good snapshot, then everything still readable, then the bad file aside.

The good file is complete before the bad one is moved, and each move is one rename: a kill at any moment loses
neither. The bad file is kept for ever, in `damaged/`.
"""

import json
import shutil
import sqlite3
from contextlib import closing, suppress
from dataclasses import asdict
from itertools import islice
from pathlib import Path

from facility.records import OPENS, Kind, StoreRestored
from stores.chain import Row, refs_of
from stores.connection import connect, insert
from stores.logbook import ABOUT, OPEN, RECORD, SET, suspicion
from stores.migrations import prepare
from stores.reading import read_tail
from stores.salvage import Found, believe, readable
from stores.snapshot import Snapshots, stamp, to_disk

_PAGE = 4096

REPAIR = "repair"
"""The setting in which a rebuilt book keeps what happened to it."""


def repair(path: Path, kept: Snapshots, now_ms: int, site: str, damage: str) -> None:
    """Put a rebuilt book in the place of a damaged or missing one.

    Raises:
        sqlite3.Error: the new file cannot be written; the old one is untouched.
    """
    snapshot = next(kept.good(site), None)
    part = path.with_name(path.name + ".part")
    _remove(part)
    if snapshot is not None:
        shutil.copyfile(snapshot.path, part)
    with closing(connect(part)) as good:
        prepare(good, part)
        good.execute("PRAGMA synchronous=OFF")  # it counts only once it is whole, and on the disk
        good.execute("PRAGMA cache_size=-131072")
        good.execute("BEGIN IMMEDIATE")
        found = _bring_over(path, good, site, snapshot.path if snapshot else None)
        after, until = _span(good, found, now_ms)
        data = StoreRestored(
            "logbook",
            f"damaged/{stamp(now_ms)}" if path.exists() else "",
            after,
            until,
            len(found.lost) + found.dropped if found.to_the_end else -1,
            len(found.doubtful),
            damage,
        )
        good.execute(SET, (REPAIR, json.dumps({"at_ms": now_ms, "data": asdict(data)})))
        good.execute("COMMIT")
        good.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        good.execute("PRAGMA journal_mode=DELETE")  # one file, so that one rename makes it count
    _remove(path.with_name(path.name + ".patched"))
    to_disk(part)
    part.replace(_repaired(path))
    _swap(path, now_ms)


def finish_repair(path: Path, now_ms: int) -> None:
    """Finish a repair that was killed between its renames."""
    if not _repaired(path).exists():
        return
    if path.exists():
        _repaired(path).unlink()  # the bad file is still in its place, and will be read again
    else:
        _swap(path, now_ms)


def _swap(path: Path, now_ms: int) -> None:
    aside = path.parent / "damaged" / stamp(now_ms)
    aside.mkdir(parents=True, exist_ok=True)
    # The book first: its WAL without it is worth nothing, but it must never lie beside the new one.
    for old in (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm")), suspicion(path)):
        if old.exists():
            old.replace(aside / old.name)
    _repaired(path).replace(path)
    to_disk(path.parent)
    to_disk(aside)


def _bring_over(bad: Path, good: sqlite3.Connection, site: str, snapshot: Path | None) -> Found:
    found = Found()
    seq, newest = read_tail(good)
    good.execute(SET, ("site", site))
    try:
        source = _as_it_is(bad)
    except sqlite3.Error:
        found.to_the_end = False
        if snapshot is None or not bad.exists():
            return found
        try:
            source = _as_it_is(_with_first_page(bad, snapshot))
        except sqlite3.Error:
            return found
        found.to_the_end = True
    with closing(source):
        closed: set[str] = set()
        rows = believe(readable(source, seq, found), newest, seq + 1, found)
        while chunk := list(islice(rows, 1000)):
            _take(good, chunk, closed)
        good.executemany("INSERT OR IGNORE INTO scar (seq) VALUES (?)", [(s,) for s in found.lost + found.doubtful])
        _bring_scars(source, good, seq)
        _bring_open(source, good, closed)
        with suppress(sqlite3.Error, ValueError, TypeError):
            (epoch,) = source.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()
            good.execute(SET, ("epoch", str(int(epoch))))
    return found


def _take(good: sqlite3.Connection, rows: list[Row], closed: set[str]) -> None:
    good.execute("SAVEPOINT chunk")
    try:
        insert(good, RECORD, rows)
    except sqlite3.IntegrityError:
        # Only damage makes two records with one request: the later of them loses it.
        good.execute("ROLLBACK TO chunk")
        for row in rows:
            written = good.execute("SELECT 1 FROM record WHERE request = ?", (row.request,)).fetchone()
            insert(good, RECORD, [row._replace(request=None) if written else row])
    good.execute("RELEASE chunk")
    insert(good, ABOUT, [(ref, row.seq) for row in rows for ref in refs_of(row)])
    for row in rows:
        if row.kind in OPENS:
            insert(good, OPEN, [(row.subject, row.seq)])
            closed.discard(row.subject)
        elif row.kind == Kind.INCIDENT_CLOSED:
            closed.add(row.subject)


def _bring_scars(source: sqlite3.Connection, good: sqlite3.Connection, base: int) -> None:
    with suppress(sqlite3.Error):
        scars = source.execute("SELECT seq FROM scar WHERE seq > ?", (base,)).fetchall()
        good.executemany("INSERT OR IGNORE INTO scar (seq) VALUES (?)", [s for s in scars if isinstance(s[0], int)])


def _bring_open(source: sqlite3.Connection, good: sqlite3.Connection, closed: set[str]) -> None:
    """Take the damaged book's list of open subjects when every line of it makes sense; else keep more open than less.

    A subject that is open by mistake is closed by its fold; one that is closed by mistake would be forgotten.
    """
    with suppress(sqlite3.Error):
        listed = source.execute("SELECT subject, first_seq FROM open").fetchall()
        if all(
            good.execute("SELECT 1 FROM record WHERE seq = ? AND subject = ?", (first, subject)).fetchone()
            for subject, first in listed
        ):
            good.execute("DELETE FROM open")
            insert(good, OPEN, listed)
            return
    good.executemany("DELETE FROM open WHERE subject = ?", [(subject,) for subject in closed])


def _span(good: sqlite3.Connection, found: Found, now_ms: int) -> tuple[int, int]:
    """Return between which times records are gone; (0, 0) when none are."""
    before = "SELECT at_ms FROM record WHERE seq < ? ORDER BY seq DESC LIMIT 1"
    after = "SELECT at_ms FROM record WHERE seq > ? ORDER BY seq LIMIT 1"
    cut = found.dropped or not found.to_the_end
    if not found.lost and not cut:
        return 0, 0
    first = good.execute(before, (found.lost[0] if found.lost else 1 << 62,)).fetchone()
    last = None if cut else good.execute(after, (found.lost[-1],)).fetchone()
    return first[0] if first else 0, last[0] if last else now_ms


def _as_it_is(bad: Path) -> sqlite3.Connection:
    """Open the damaged file with what its WAL holds, without writing into it."""
    if not bad.exists():
        raise sqlite3.OperationalError("missing")
    source = sqlite3.connect(f"{bad.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
    try:
        source.execute("PRAGMA query_only=ON")
        source.execute("SELECT seq FROM record LIMIT 1").fetchone()
    except sqlite3.Error:
        source.close()
        raise
    return source


def _with_first_page(bad: Path, snapshot: Path) -> Path:
    """Return a copy of the bad file with the snapshot's first page: where every table begins, and SQLite's own header.

    The snapshot is a copy of the same file, so its tables begin at the same places.
    """
    patched = bad.with_name(bad.name + ".patched")
    _remove(patched)
    shutil.copyfile(bad, patched)
    wal = bad.with_name(bad.name + "-wal")
    if wal.exists():
        shutil.copyfile(wal, patched.with_name(patched.name + "-wal"))
    with snapshot.open("rb") as whole, patched.open("r+b") as file:
        page = bytearray(whole.read(_PAGE))
        page[28:32] = (patched.stat().st_size // _PAGE).to_bytes(4, "big")  # the file's length, in its own pages
        file.write(page)
    return patched


def _repaired(path: Path) -> Path:
    return path.with_name(path.name + ".repaired")


def _remove(path: Path) -> None:
    for suffix in ("-wal", "-shm", "-journal", ""):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
