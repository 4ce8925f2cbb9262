"""Small disks of a test's own, mounted while it runs."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest


@contextmanager
def mounted(*how: str) -> Iterator[Path]:
    """Mount something ("-t", "tmpfs", …) on a new folder; skip the test where that is not allowed.

    Not in pytest's own folders: a run that is killed leaves its mounts there, and the next one cannot clear them away.
    """
    folder = Path(tempfile.mkdtemp(prefix="small-disk-"))
    try:
        told = subprocess.run(["mount", *how, str(folder)], capture_output=True, check=False)
        if told.returncode:
            pytest.skip("no right to mount a disk here")
        try:
            yield folder
        finally:
            subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)
    finally:
        folder.rmdir()


def in_memory(options: str) -> AbstractContextManager[Path]:
    """Mount a tmpfs with these options."""
    return mounted("-t", "tmpfs", "-o", options, "tmpfs")
