"""Photos, plans and configuration versions, kept under the SHA-256 of their bytes.

A record names a file by its hash, so it cannot be exchanged unseen; the file itself stays outside the log book and
can be erased (a person's photo) without touching the chain.
"""

import os
import re
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile

from facility.text import Text
from stores.errors import StoreDamagedError, StoreError, StoreFullError, StoreUnwritableError
from stores.reserve import disk_state
from stores.snapshot import to_disk

LARGEST = 20 * 1024 * 1024
"""Bytes of a file: a phone's photo has 3 to 8 MB."""

JPEG, PNG, PDF, TEXT = "image/jpeg", "image/png", "application/pdf", "text/plain"
EVIDENCE = frozenset({JPEG, PNG, PDF})
"""What people may attach."""
PROGRAM = frozenset({TEXT})
"""What the program keeps of itself: versions of plans and configuration."""

_HASH = re.compile(r"[0-9a-f]{64}")
_BEGINNINGS = ((b"\xff\xd8\xff", JPEG), (b"\x89PNG\r\n\x1a\n", PNG), (b"%PDF-", PDF))


class FileRefusedError(StoreError):
    """The bytes may not be kept: too many, or not of a permitted type."""


def media_type(data: bytes) -> str | None:
    """Tell the type by the bytes, never by a name: JPEG, PNG, PDF, or UTF-8 text; None for all else."""
    for beginning, type_ in _BEGINNINGS:
        if data.startswith(beginning):
            return type_
    if b"\0" in data:
        return None
    try:
        data.decode()
    except UnicodeDecodeError:
        return None
    return TEXT


class FileStore:
    """A folder of files named by their hash."""

    def __init__(self, folder: Path, largest: int = LARGEST) -> None:
        self.folder = folder
        self.largest = largest

    def put(self, data: bytes, allowed: frozenset[str] = EVIDENCE) -> str:
        """Keep the bytes durably and return their SHA-256; the same bytes are kept once.

        Raises:
            FileRefusedError: empty, larger than `largest`, or not of an `allowed` type.
            StoreFullError, StoreUnwritableError: nothing was kept.
        """
        self._refuse(data, allowed)
        id = sha256(data).hexdigest()
        path = self._path(id)
        if path.exists():
            return id
        part = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
                part = Path(file.name)
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
            to_disk(path.parent)
            to_disk(self.folder)
        except OSError as error:
            if part is not None:
                with suppress(OSError):
                    part.unlink(missing_ok=True)
            if disk_state(self.folder).free < len(data):
                raise StoreFullError(path) from error
            raise StoreUnwritableError(path, error.strerror or str(error)) from error
        return id

    def get(self, id: str) -> bytes:
        """Return the bytes of a hash.

        Raises:
            KeyError: there are none (any more), or it is no hash.
            StoreDamagedError: they are no longer what was kept.
        """
        path = self._path(id)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise KeyError(id) from None
        except OSError as error:
            raise StoreUnwritableError(path, error.strerror or str(error)) from error
        if sha256(data).hexdigest() != id:
            raise StoreDamagedError(path, "SHA-256")
        return data

    def has(self, id: str) -> bool:
        """Say whether the bytes of a hash are kept."""
        return bool(_HASH.fullmatch(id)) and self._path(id).exists()

    def erase(self, id: str) -> bool:
        """Remove the bytes of a hash for good (personal data has a right to that); say whether there were any."""
        try:
            self._path(id).unlink()
        except (KeyError, FileNotFoundError):
            return False
        return True

    def _path(self, id: str) -> Path:
        if not _HASH.fullmatch(id):  # never a path from outside
            raise KeyError(id)
        return self.folder / id[:2] / id[2:]

    def _refuse(self, data: bytes, allowed: frozenset[str]) -> None:
        if len(data) > self.largest:
            limit = self.largest // (1024 * 1024)
            raise FileRefusedError(
                Text(
                    f"文件过大（{len(data)} 字节），上限 {limit} MB。请压缩后重新上传。",
                    f"The file is too large ({len(data)} bytes); the limit is {limit} MB. Make it smaller, try again.",
                )
            )
        if not data or media_type(data) not in allowed:
            names = ", ".join(sorted(allowed))
            raise FileRefusedError(
                Text(
                    f"不支持的文件类型。可用：{names}。",
                    f"This type of file cannot be kept. Use one of: {names}.",
                )
            )
