"""How much room the disk has, and a file that only holds some: given up when all else is full, for alarms and pages."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

SIZE = 16 * 1024 * 1024
"""About 30,000 records, or a day of the worst night."""

FOR_RECORDS = SIZE + 8 * 1024 * 1024
"""Free bytes that readings, history and copies leave alone: else they would eat the reserve once it is given up."""


@dataclass(frozen=True, slots=True)
class DiskState:
    """Bytes that we may still write on the disk of a path, of how many."""

    free: int
    total: int
    names: float = 0.0  # the part of the names (inodes) that is used; 0 where the disk has no such limit

    @property
    def used_percent(self) -> float:
        """The part that we may not write any more, 0 to 100: of bytes or of names, whichever is scarcer."""
        return 100 * max(1 - self.ratio, self.names)

    @property
    def ratio(self) -> float:
        """The part that is free, 0 to 1."""
        return self.free / self.total if self.total else 0.0


def disk_state(path: Path) -> DiskState:
    """Look at the disk that holds `path`, or that would hold it once written."""
    while not path.exists() and path != path.parent:
        path = path.parent
    state = os.statvfs(path)
    names = 1 - state.f_favail / state.f_files if state.f_files else 0.0
    return DiskState(state.f_bavail * state.f_frsize, state.f_blocks * state.f_frsize, names)


class Reserve:
    """Space kept for the log book on its own disk."""

    def __init__(self, path: Path, size: int = SIZE) -> None:
        self.path = path
        self.size = size

    @property
    def held(self) -> bool:
        """Whether the space is kept now."""
        try:
            return self.path.stat().st_size >= self.size
        except OSError:
            return False

    def hold(self) -> bool:
        """Take the space, or take it again, when there is twice as much; say whether it is held. Cheap to repeat."""
        if self.held:
            return True
        part = self.path.with_suffix(".part")
        try:
            if disk_state(self.path).free < 2 * self.size:
                return False
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as file:
                # Written, not merely sized: a sparse file would hold nothing.
                block = bytes(1024 * 1024)
                for start in range(0, self.size, len(block)):
                    file.write(block[: self.size - start])
                file.flush()
                os.fsync(file.fileno())
            part.replace(self.path)
        except OSError:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            return False
        return True

    def release(self) -> bool:
        """Give the space up; say whether there was any to give."""
        try:
            self.path.unlink()
        except OSError:
            return False
        return True
