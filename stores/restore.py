"""The way back from a backup: a data folder made of it, or nothing."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from facility.text import Text
from stores.backupfile import BOOK, BackupError, Manifest, checked_book, unpacked
from stores.connection import said
from stores.errors import StoreDamagedError, StoreFullError, StoreUnwritableError
from stores.logbook import SET
from stores.reserve import disk_state
from stores.snapshot import stamp, to_disk

RESTORED = "restored"
"""The setting in which a restored book keeps where it came from, until the service has recorded it."""
EPOCHS = 1000
"""How far a restored book's epoch is ahead: the life after the backup may have opened the book so often."""


def restore(source: Path, folder: Path, now_ms: int, *, site: Path | None = None) -> Manifest:
    """Make a data folder from a backup: all of it, checked to the last record, or nothing.

    The next start records the restore, continues numbers and sequence under a higher epoch, and lets the pages of
    incidents that were open wait for a person. Sessions end; passwords stay. `site` takes the site folder, if the
    backup has one.

    Raises:
        BackupError: a folder is not empty.
        StoreError: the backup is damaged, of a newer program, or the disk does not take it.
    """
    for taken in filter(None, (folder, site)):
        if taken.exists() and (not taken.is_dir() or any(taken.iterdir())):
            raise BackupError(_taken(taken))
    part = folder.with_name(folder.name + ".restoring")
    try:
        if disk_state(folder).free < source.stat().st_size:
            raise StoreFullError(folder)
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True, mode=0o700)
        manifest = unpacked(source, part)
        inside = part / "data"
        seq, head, whose = checked_book(inside / BOOK)
        if (seq, head, whose) != (manifest.seq, manifest.head, manifest.site):
            raise StoreDamagedError(source, f"its log book ends at {seq} {head}, not at {manifest.seq} {manifest.head}")
        _mark(inside, manifest, now_ms)
        _adopt(part / "site", site)
        _adopt(inside, folder)
    except sqlite3.Error as error:
        raise said(error, folder) from error
    except OSError as error:
        raise StoreUnwritableError(folder, error.strerror or str(error)) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return manifest


def _mark(inside: Path, manifest: Manifest, now_ms: int) -> None:
    """Let the book know where it comes from, and end every session: a cookie may have been revoked since."""
    told = {"id": stamp(now_ms), "made_ms": manifest.made_ms, "seq": manifest.seq, "head": manifest.head}
    with closing(sqlite3.connect(inside / BOOK, isolation_level=None)) as book:
        book.execute("BEGIN IMMEDIATE")
        (epoch,) = book.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()
        book.execute(SET, ("epoch", str(int(epoch) + EPOCHS)))
        book.execute(SET, ("clean", "1"))
        book.execute(SET, (RESTORED, json.dumps(told)))
        book.execute("COMMIT")
    if (inside / "accounts.db").exists():
        with closing(sqlite3.connect(inside / "accounts.db", isolation_level=None)) as accounts:
            accounts.execute("DELETE FROM session")


def _adopt(made: Path, place: Path | None) -> None:
    if place is None or not made.exists():
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.exists():
        place.rmdir()  # empty: it was looked at
    made.replace(place)
    to_disk(place.parent)


def _taken(folder: Path) -> Text:
    return Text(
        f"{folder} 不是空目录，没有恢复。请给一个新目录；旧数据请保留。",
        f"{folder} is not an empty folder; nothing was restored. Name a new one, and keep the old data.",
    )
