"""One instance per data folder: two of them would page twice and tear the log book.

The lock is the system's, on an open file: it ends with the process, however that ends, so a file left behind by a
dead one is no obstacle. A successor on another machine (shared folders) is fenced by the log book's epoch.
"""

import fcntl
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from stores.errors import StoreInUseError, StoreUnwritableError

_NAME = "instance.lock"


class InstanceLock:
    """Holds a data folder for this process."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / _NAME
        self._handle: int | None = None

    def acquire(self) -> None:
        """Take the folder.

        Raises:
            StoreInUseError: another process has it; the message names it.
            StoreUnwritableError: the file cannot be made.
        """
        if self._handle is not None:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StoreUnwritableError(self.path, error.strerror or str(error)) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            pid, since = _holder(handle)
            os.close(handle)
            raise StoreInUseError(self.path.parent, pid, since) from error
        self._handle = handle
        try:
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        except OSError:
            # A full disk must not stop the start: the lock holds, only its words are missing.
            return

    def release(self) -> None:
        """Let the folder go; the end of the process does the same. Safe to repeat."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def _holder(handle: int) -> tuple[int, str]:
    """Return who wrote the file, and when: that is when it started."""
    try:
        since = datetime.fromtimestamp(os.fstat(handle).st_mtime, UTC)
        return int(os.pread(handle, 32, 0)), f"{since:%Y-%m-%d %H:%M:%S} UTC"
    except (OSError, ValueError):
        return 0, ""
