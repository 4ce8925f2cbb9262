"""The file that a backup is: a plain tar, and behind its parts a manifest with the SHA-256 of each."""

import json
import os
import tarfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import IO

from facility.text import Text
from stores.errors import StoreDamagedError, StoreError
from stores.reading import BookReader
from stores.snapshot import fault

BOOK = "logbook.db"
"""The part that says whose backup it is, and up to when."""
MANIFEST = "manifest.json"
VERSION = 1
_PIECE = 1 << 20


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


def verify(source: Path) -> Manifest:
    """Read a backup from end to end and return its manifest.

    Raises:
        StoreDamagedError: a file is missing, more than the manifest names, or not as it was written.
    """
    return unpacked(source, None)


def checked_book(path: Path) -> tuple[int, str, str]:
    """Check a whole chain; return number and hash of its newest record, and whose it is."""
    if why := fault(path):
        raise StoreDamagedError(path, why)
    book = BookReader.of(path)
    try:
        seq, head = book.head()
        return seq, head, book.setting("site")
    finally:
        book.close()


def put(tar: tarfile.TarFile, name: str, path: Path) -> Part:
    """Add a file under a name; return its size and hash as it was read."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = path.stat().st_size, 0o600
    with path.open("rb") as file:
        hashing = _Hashing(file)
        tar.addfile(info, hashing)
    return Part(hashing.hash.hexdigest(), info.size)


def put_manifest(tar: tarfile.TarFile, manifest: Manifest, stage: Path) -> None:
    """Add the manifest, written in a folder of ours first; it comes last."""
    path = stage / MANIFEST
    path.write_text(json.dumps(asdict(manifest), indent=1), encoding="utf-8")
    put(tar, MANIFEST, path)


class _Hashing:
    """A file that is hashed while it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self.hash = sha256()
        self._file = file

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(size)
        self.hash.update(piece)
        return piece


def unpacked(source: Path, folder: Path | None) -> Manifest:
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
