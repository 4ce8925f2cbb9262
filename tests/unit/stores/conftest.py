"""An archive in a folder, and the spool before it; a file that needs others makes its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from archived import START
from hands import Hands

from stores.telemetry.archive import Archive
from stores.telemetry.spool import Spool


@pytest.fixture
def clock() -> Hands:
    return Hands(START)


@pytest.fixture
def spool(tmp_path: Path, clock: Hands) -> Iterator[Spool]:
    spool = Spool(tmp_path / "spool.db", clock)
    spool.layout("meter", ("M/v", "M/i"), "v1")
    spool.layout("lift-1", ("L1/floor", "L1/speed", "L1/bell"), "v1")
    yield spool
    spool.close()


@pytest.fixture
def archive(tmp_path: Path, spool: Spool) -> Iterator[Archive]:
    archive = Archive(tmp_path / "archive", spool)
    yield archive
    archive.close()
