"""One file that holds all of a data folder, taken while the service runs.

The parts lie in it as they would be found after a crash. Of these, the spool is copied first and the log book last: a
book that knows more than the spool is what every start after a full disk finds, and it doubles nothing. Nothing is done
to the folder that serves.
"""

import json
import os
import shutil
import sqlite3
import tarfile
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from facility.text import Text
from stores.backupfile import BOOK, MANIFEST, BackupError, Manifest, checked_book, put, put_manifest, verify
from stores.connection import said
from stores.errors import StoreDamagedError, StoreUnwritableError
from stores.snapshot import to_disk

DATABASES = ("spool.db", "accounts.db", BOOK)
"""In the order in which they are copied, the archive behind the first."""
KEY = "secret"
"""The file with the secret behind phone links."""
POINTS = "points.txt"
"""Of an archive: every point that was ever written."""
_ARCHIVE = "archive"
_PASSING = {"instance.lock", "reserve.bin", KEY, "snapshots", "damaged", _ARCHIVE}
"""What is not carried over as it lies there: locks, room, copies of what is copied anyway, and the secret unasked."""
_TRIES = 5


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
            seq, head, whose = checked_book(Path(stage) / "data" / BOOK)
            manifest = Manifest(now_ms, program, whose, seq, head)
            part.unlink(missing_ok=True)
            os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            with part.open("wb") as raw, tarfile.open(fileobj=raw, mode="w") as tar:
                for name, path in made:
                    manifest.files[name] = put(tar, name, path)
                put_manifest(tar, manifest, Path(stage))
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
