"""How much room there is."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class DiskState:
    """Bytes that we may still write on the disk of a path, of how many."""

    free: int
    total: int

    @property
    def ratio(self) -> float:
        """The part that is free, 0 to 1."""
        return self.free / self.total if self.total else 0.0


def disk_state(path: Path) -> DiskState:
    """Look at the disk that holds `path`, or that would hold it once written."""
    while not path.exists() and path != path.parent:
        path = path.parent
    state = os.statvfs(path)
    return DiskState(free=state.f_bavail * state.f_frsize, total=state.f_blocks * state.f_frsize)
