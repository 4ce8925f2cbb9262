"""One file that holds all of a data folder, taken while the service runs, and the way back from it.

The file is a plain tar: the parts as they would be found after a crash, and behind them a manifest with the SHA-256 of
each. Of the parts, the spool is copied first and the log book last: a book that knows more than the spool is what every
start after a full disk finds, and it doubles nothing. Neither way is anything done to the folder that serves.
"""

import json
import os
import shutil
import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import IO

from facility.text import Text
from stores.connection import said
from stores.errors import StoreDamagedError, StoreError, StoreFullError, StoreUnwritableError
from stores.logbook import SET
from stores.reading import BookReader
from stores.reserve import disk_state
from stores.snapshot import fault, stamp, to_disk

MANIFEST = "manifest.json"
VERSION = 1
BOOK = "logbook.db"
DATABASES = ("spool.db", "accounts.db", BOOK)
"""In the order in which they are copied, the archive behind the first."""
KEY = "secret"
"""The file with the secret behind phone links."""
RESTORED = "restored"
"""The setting in which a restored book keeps where it came from, until the service has recorded it."""
EPOCHS = 1000
"""How far a restored book's epoch is ahead: the life after the backup may have opened the book so often."""
_PIECE = 1 << 20
_ARCHIVE = "archive"
POINTS = "points.txt"
"""Of an archive: every point that was ever written."""
_PASSING = {"instance.lock", "reserve.bin", KEY, "snapshots", "damaged", _ARCHIVE}
"""What is not carried over as it lies there: locks, room, copies of what is copied anyway, and the secret unasked."""
_TRIES = 5


class BackupError(StoreError):
    """A backup cannot be made, or is not what it should be."""


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a backup."""

    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says of itself: of which site and moment, how far its log book goes, and each file's hash."""

    made_ms: int
    program: str
    site: str
    seq: int
    head: str
    files: dict[str, Part] = field(default_factory=dict)
    version: int = VERSION


def back_up(
    data: Path, target: Path, now_ms: int, program: str, *, site: Path | None = None, secrets: bool = False
) -> Manifest:
    """Write a data folder, whoever serves it, into one file, and read it back before it counts.

    Args:
        data: the folder.
        target: the file to make; it must not be there yet.
        now_ms: the moment, UTC milliseconds.
        program: our version.
        site: the site folder, to be taken along.
        secrets: whether the secret behind phone links, and the site's secrets.toml, are taken along.

    Raises:
        BackupError: the target is there already, or there is nothing to back up.
        StoreError: a part is damaged or cannot be read, or the target cannot be written.
    """
    if target.exists():
        raise BackupError(_there(target))
    if not (data / BOOK).is_file():
        raise BackupError(_nothing(data))
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".backup-", dir=target.parent) as stage:
            made = _staged(data, Path(stage), site, secrets=secrets)
            seq, head, whose = _checked_book(Path(stage) / "data" / BOOK)
            manifest = Manifest(now_ms, program, whose, seq, head)
            part.unlink(missing_ok=True)
            os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            with part.open("wb") as raw, tarfile.open(fileobj=raw, mode="w") as tar:
                for name, path in made:
                    manifest.files[name] = _put(tar, name, path)
                _put_manifest(tar, manifest, Path(stage))
        to_disk(part)
        if verify(part) != manifest:
            raise StoreDamagedError(target, "what was read back is not what was written")
        part.replace(target)
        to_disk(target.parent)
    except OSError as error:
        raise StoreUnwritableError(target, error.strerror or str(error)) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return manifest


def verify(source: Path) -> Manifest:
    """Read a backup from end to end and return its manifest.

    Raises:
        StoreDamagedError: a file is missing, more than the manifest names, or not as it was written.
    """
    return _unpacked(source, None)


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
        manifest = _unpacked(source, part)
        inside = part / "data"
        seq, head, whose = _checked_book(inside / BOOK)
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


# -- taking ---------------------------------------------------------------------------------------------------


def _staged(data: Path, stage: Path, site: Path | None, *, secrets: bool) -> list[tuple[str, Path]]:
    """Copy or link every part into a folder of ours; return them by their names in the backup."""
    inside = stage / "data"
    inside.mkdir()
    for name in DATABASES:
        if (data / name).is_file():
            _copy(data / name, inside / name)
        if name == "spool.db":
            _archive(data / _ARCHIVE, inside / _ARCHIVE)
            _rest(data, inside)
    if secrets and (data / KEY).is_file():
        shutil.copy2(data / KEY, inside / KEY)
    if site is not None:
        shutil.copytree(site, stage / "site", ignore=None if secrets else shutil.ignore_patterns("secrets.toml"))
    return [(path.relative_to(stage).as_posix(), path) for path in sorted(stage.rglob("*")) if path.is_file()]


def _copy(source: Path, target: Path) -> None:
    """Copy a database as of one moment; whoever writes it goes on."""
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as old,
            closing(sqlite3.connect(target)) as new,
        ):
            old.backup(new)
            new.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:
        raise said(error, source) from error


def _archive(source: Path, target: Path) -> None:
    """Take the archive's manifest and the files it names; none ever changes, but one may be merged away meanwhile."""
    for _ in range(_TRIES):
        shutil.rmtree(target, ignore_errors=True)
        with suppress(FileNotFoundError):
            said_ = (source / MANIFEST).read_bytes()
            target.mkdir(parents=True)
            for name in (segment["name"] for segment in json.loads(said_)["segments"]):
                _take(source / name, target / name)
            (target / MANIFEST).write_bytes(said_)
            if (source / POINTS).exists():
                shutil.copy2(source / POINTS, target / POINTS)
            return
        if not (source / MANIFEST).exists():
            return
    raise StoreDamagedError(source, "files that its manifest names are missing")


def _rest(data: Path, inside: Path) -> None:
    """Take all other files of the folder as they are: photos, plan versions, and what a later version keeps."""
    for path in sorted(data.iterdir()):
        passing = path.name in _PASSING or path.name.startswith(DATABASES) or path.suffix in {".part", ".copy"}
        if passing or ".damaged" in path.name:
            continue
        for file in [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file()):
            with suppress(FileNotFoundError):  # erased meanwhile
                if file.suffix == ".db":
                    (inside / file.relative_to(data)).parent.mkdir(parents=True, exist_ok=True)
                    _copy(file, inside / file.relative_to(data))
                elif not file.name.endswith(("-wal", "-shm")):
                    _take(file, inside / file.relative_to(data), linked=file.suffix != ".jsonl")


def _take(source: Path, target: Path, *, linked: bool = True) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if linked:
        with suppress(OSError):  # another disk
            os.link(source, target)
            return
    shutil.copy2(source, target)


def _checked_book(path: Path) -> tuple[int, str, str]:
    """Check a whole chain; return number and hash of its newest record, and whose it is."""
    if why := fault(path):
        raise StoreDamagedError(path, why)
    book = BookReader.of(path)
    try:
        seq, head = book.head()
        return seq, head, book.setting("site")
    finally:
        book.close()


def _put(tar: tarfile.TarFile, name: str, path: Path) -> Part:
    info = tarfile.TarInfo(name)
    info.size, info.mode = path.stat().st_size, 0o600
    with path.open("rb") as file:
        hashing = _Hashing(file)
        tar.addfile(info, hashing)
    return Part(hashing.hash.hexdigest(), info.size)


def _put_manifest(tar: tarfile.TarFile, manifest: Manifest, stage: Path) -> None:
    path = stage / MANIFEST
    path.write_text(json.dumps(asdict(manifest), indent=1), encoding="utf-8")
    _put(tar, MANIFEST, path)


class _Hashing:
    """A file that is hashed while it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self.hash = sha256()
        self._file = file

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(size)
        self.hash.update(piece)
        return piece


# -- giving back ----------------------------------------------------------------------------------------------


def _unpacked(source: Path, folder: Path | None) -> Manifest:
    """Read every file of a backup, write it into a folder where there is one, and hold all against the manifest."""
    found: dict[str, Part] = {}
    manifest: Manifest | None = None
    try:
        with tarfile.open(source, "r:") as tar:
            for info in tar:
                file = tar.extractfile(info)
                if file is None or not _harmless(info.name):
                    raise StoreDamagedError(source, f"{info.name} has no place in a backup")
                if info.name == MANIFEST:
                    manifest = _manifest(file.read(), source)
                    continue
                found[info.name] = _part(file, folder / info.name if folder else None)
    except (tarfile.TarError, EOFError) as error:
        raise StoreDamagedError(source, str(error)) from error
    if manifest is None:
        raise StoreDamagedError(source, "it has no manifest: it was cut off, or is no backup")
    wrong = sorted(n for n in found.keys() | manifest.files.keys() if found.get(n) != manifest.files.get(n))
    if wrong:
        raise StoreDamagedError(source, f"not as written: {', '.join(wrong[:5])}")
    return manifest


def _harmless(name: str) -> bool:
    path = PurePosixPath(name)
    return name == MANIFEST or (
        not path.is_absolute() and ".." not in path.parts and path.parts[0] in {"data", "site"} and len(path.parts) > 1
    )


def _manifest(words: bytes, source: Path) -> Manifest:
    try:
        told = json.loads(words)
        if told["version"] > VERSION:
            raise BackupError(
                Text(
                    f"{source.name} 由更新版本的程序备份（格式 {told['version']}）。请安装更新的版本后恢复。",
                    f"{source.name} was made by a newer version of this program (format {told['version']})."
                    " Install that one to restore it.",
                )
            )
        files = {name: Part(**part) for name, part in told.pop("files").items()}
        return Manifest(**told, files=files)
    except (ValueError, TypeError, KeyError) as error:
        raise StoreDamagedError(source, f"its manifest cannot be read: {error}") from error


def _part(file: IO[bytes], target: Path | None) -> Part:
    hashed, size = sha256(), 0
    for piece in _pieces(file, target):
        hashed.update(piece)
        size += len(piece)
    return Part(hashed.hexdigest(), size)


def _pieces(file: IO[bytes], target: Path | None) -> Iterator[bytes]:
    if target is None:
        yield from iter(lambda: file.read(_PIECE), b"")
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as out:
        while piece := file.read(_PIECE):
            out.write(piece)
            yield piece
        out.flush()
        os.fsync(out.fileno())


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


# -- words ----------------------------------------------------------------------------------------------------


def _there(target: Path) -> Text:
    return Text(
        f"{target} 已存在，没有覆盖。请换一个文件名。",
        f"{target} exists already and was left alone. Choose another name.",
    )


def _nothing(data: Path) -> Text:
    return Text(
        f"{data} 中没有值班记录，无可备份。请用 --data 指明数据目录。",
        f"There is no log book in {data}: nothing to back up. Name the data folder with --data.",
    )


def _taken(folder: Path) -> Text:
    return Text(
        f"{folder} 不是空目录，没有恢复。请给一个新目录；旧数据请保留。",
        f"{folder} is not an empty folder; nothing was restored. Name a new one, and keep the old data.",
    )
