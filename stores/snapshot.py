"""Snapshots of the log book: whole, checked before they count, few enough to keep.

A snapshot is a log book file of its own, named by when it was taken (UTC) and its newest record.
"""

import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from stores.chain import check_file
from stores.connection import said
from stores.errors import StoreDamagedError, StoreUnwritableError
from stores.migrations import VERSION, version_of

NEWEST = 3
DAYS = 7

_NAME = re.compile(r"logbook-(\d{8}T\d{9}Z)-(\d+)\.db")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TAIL = 2_000


def stamp(at_ms: int) -> str:
    """Return a moment as a file name says it: UTC, to the millisecond, sorting by time."""
    moment = _EPOCH + timedelta(milliseconds=at_ms)
    return f"{moment:%Y%m%dT%H%M%S}{at_ms % 1000:03d}Z"


@dataclass(frozen=True, slots=True, order=True)
class Snapshot:
    """One kept copy; the order is by time."""

    taken: str
    seq: int
    path: Path

    @property
    def day(self) -> str:
        """The UTC day it was taken."""
        return self.taken[:8]


class Snapshots:
    """The folder that keeps the newest 3, and the last one of each of the 7 newest days."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def all(self) -> list[Snapshot]:
        """Return what is kept, oldest first."""
        names = [path.name for path in self.folder.iterdir()] if self.folder.is_dir() else []
        named = filter(None, map(_NAME.fullmatch, names))
        return sorted(Snapshot(name[1], int(name[2]), self.folder / name[0]) for name in named)

    def take(self, copy: Callable[[Path], None], seq: int, now_ms: int) -> Path:
        """Let `copy` write the book to a file, see that the file is good, keep it and thin the older ones.

        Raises:
            StoreDamagedError: the copy is not good; then no older one is given up.
            StoreFullError, StoreUnwritableError: there is no room, or no permission.
        """
        final = self.folder / f"logbook-{stamp(now_ms)}-{seq}.db"
        part = final.with_suffix(".part")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            part.unlink(missing_ok=True)
            copy(part)
            if why := fault(part, from_seq=max(1, seq - _TAIL)):
                raise StoreDamagedError(final, why)
            to_disk(part)
            part.replace(final)
            to_disk(self.folder)
        except sqlite3.Error as error:
            raise said(error, final) from error
        except OSError as error:
            raise StoreUnwritableError(final, error.strerror or str(error)) from error
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)
        self.thin()
        return final

    def thin(self) -> None:
        """Remove what is neither among the newest 3 nor the last one of one of the 7 newest days."""
        kept = self.all()
        last_of_day = {snapshot.day: snapshot for snapshot in kept}
        days = sorted(last_of_day)[-DAYS:]
        staying = {*kept[-NEWEST:], *(last_of_day[day] for day in days)}
        for snapshot in kept:
            if snapshot not in staying:
                with suppress(OSError):
                    snapshot.path.unlink()

    def good(self, site: str) -> Iterator[Snapshot]:
        """Yield the snapshots of this site whose whole chain holds, newest first."""
        for snapshot in reversed(self.all()):
            if fault(snapshot.path, site=site) is None:
                yield snapshot


def fault(path: Path, *, from_seq: int = 1, site: str = "") -> str | None:
    """Say what is wrong with a log book file that nobody writes, from a record on; None when nothing is."""
    try:
        # As it is, leaving no files of its own beside it.
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True)) as connection:
            if not 0 < version_of(connection) <= VERSION:
                return "not a log book of this program's version"
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                return str(found)
            theirs = connection.execute("SELECT value FROM meta WHERE key = 'site'").fetchone()
            if site and (theirs is None or theirs[0] != site):
                return "of another site"
            verdict = check_file(connection, from_seq)
            return None if verdict.ok else f"record {verdict.broken} {verdict.why}"
    except sqlite3.Error as error:
        return str(error)


def to_disk(path: Path) -> None:
    """Return once a file, or the names in a folder, would survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
