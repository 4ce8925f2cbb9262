"""Fault 41: the disk of the log book turns read-only or fails. The leader is paged past the book, and it is recorded later."""

import asyncio
import fcntl
import json
import os
import struct
import subprocess

import pytest
from building import Building
from killing import free_port
from serving import Serving, cli, eventually, one_clear_sentence
from small import placed

from dutyroom.dispatch import Addressee
from dutyroom.emergency import AFTER_MS, Emergency, leaders
from facility.records import Kind
from stores.errors import StoreUnwritableError
from tests.torture import kills_pages

EXT4_SHUTDOWN, NO_FLUSH = 0x8004587D, 2
"""The ioctl that makes an ext4 answer EIO from now on, and leaves its journal as it is (linux/ext4.h)."""

EX_IOERR = 74
"""sysexits.h: an error while doing I/O on some file."""

TRAPPED = {"doors_closed": 1, "occupied": 1, "running": 0, "door_zone": 0, "fault_code": 71}


async def test_the_leader_is_paged_once_under_a_fixed_key_and_the_book_hears_of_it(tmp_path) -> None:
    """Fault 41: every commit fails from 02:13 on; the disk is back at 02:14."""
    night = await Building.open(tmp_path, "02:13")
    whole = night.book.append

    def refuse(*_args, **_more):
        raise StoreUnwritableError(night.book.path, "attempt to write a readonly database")

    night.book.append = refuse

    async def nap(at_ms: int) -> None:
        night.clock.time = max(night.clock.time, min(at_ms, night.clock.time + 500))
        await asyncio.sleep(0.002)

    night.clock.until = nap
    where = night._where
    emergency = Emergency(lambda: night.site, night.clock, {"demo": night.phones}, where, night.desk.report)
    lost = lambda: night.desk.ledger.stuck  # noqa: E731
    watching = asyncio.create_task(emergency.run(lost, night.desk.unwritten, lambda: None))
    began = night.clock.now()
    (leader,) = leaders(night.site, began)
    await night.reads("lift-1b", turn=False, **TRAPPED)
    turning = asyncio.create_task(night.desk.turn())
    while not night.pages() or night.clock.now() < began + 30_000:
        await asyncio.sleep(0.002)
    assert AFTER_MS <= 5_000
    assert {m.person for m in night.pages()} == {leader.id}, "the leader on duty, and nobody by plan"
    assert len({m.key for m in night.pages()}) == len(night.pages()) == 1
    (page,) = night.pages()
    assert "值班记录不可写" in page.title
    assert "lift" in page.text.lower()
    assert "1号楼B梯" in page.text

    night.book.append = whole
    await turning
    while not night.records(Kind.EMERGENCY_PAGED):
        await night.desk.turn()
        await asyncio.sleep(0.002)
    (record,) = night.records(Kind.EMERGENCY_PAGED)
    assert (record.data.key, record.data.person, record.data.text) == (page.key, leader.id, page.text)
    assert len(night.pages()) > 1, "and now everybody is paged by plan"
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    await emergency.stop()
    night.clock.until = lambda _at: asyncio.sleep(0)
    await night.close()


async def test_the_last_resort_tries_until_it_is_taken(tmp_path) -> None:
    night = await Building.open(tmp_path, "02:13")
    tries = []
    night.phones.refuse = lambda m: tries.append(m.key) or ("busy" if len(tries) < 4 else None)
    emergency = Emergency(
        lambda: night.site, night.clock, {"demo": night.phones}, lambda *_: Addressee("x", ""), lambda _r: None
    )
    emergency.call("test", night.site.name)
    while not night.pages():
        await asyncio.sleep(0)
    assert len(tries) == 4
    assert len(set(tries)) == 1
    await emergency.stop()
    await night.close()


@pytest.fixture
def disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no right to mount a disk here; the tests above stand for it")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


QUICK = "import dutyroom.emergency as e; e.AFTER_MS = 500; e.LOOK_MS = 100"


def test_a_start_on_a_read_only_disk_ends_at_once_with_a_code_of_its_own(tmp_path, disk) -> None:
    """Fault 41, at the start."""
    site = kills_pages.site_of(tmp_path, [1], "http://127.0.0.1:9/")
    (disk / "secret").write_bytes(bytes(32))  # it was in use before
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    said = cli("serve", site, "--data", disk, "--port", free_port())
    one_clear_sentence(said, EX_IOERR)


@pytest.fixture
def failing_disk(tmp_path):
    """A disk of its own (ext4 in a file), and what makes it fail while it is in use."""
    image, folder = tmp_path / "image", tmp_path / "failing"
    folder.mkdir()
    image.touch()
    os.truncate(image, 160 << 20)
    making = [["mkfs.ext4", "-q", str(image)], ["mount", "-o", "loop", str(image), str(folder)]]
    if any(subprocess.run(c, capture_output=True, check=False).returncode for c in making):
        pytest.skip("no right to mount a disk here; the tests above and below stand for it")

    def fail() -> None:
        here = os.open(folder, os.O_RDONLY)
        fcntl.ioctl(here, EXT4_SHUTDOWN, struct.pack("I", NO_FLUSH))
        os.close(here)

    yield folder, fail
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_disk_that_fails_in_use_silences_nobody(tmp_path, failing_disk) -> None:
    """Fault 41, on a real disk: every write and read of it answers EIO from one moment on."""
    folder, fail = failing_disk
    with placed(tmp_path, code=QUICK, data=folder) as place:
        service: Serving = place.service.start()
        service.reading("l0")
        fail()
        place.contact.closed = 1
        eventually(place.keys, 15, service.log.read_text)
        assert json.loads(place.told.posts[0].body)["title"] == "值班记录不可写"
        assert service.stop()[0] == EX_IOERR, "and the supervisor hears why"


def test_a_commit_that_fails_with_an_io_error_silences_nobody(tmp_path) -> None:
    """Fault 41 where no disk can be mounted: the book's commits fail from the moment that a file appears."""
    code = f"""{QUICK}
import sqlite3, stores.logbook as b
from pathlib import Path
from stores.errors import StoreUnwritableError
whole = b.LogBook.append
def append(self, *a, **k):
    if Path({str(tmp_path / "eio")!r}).exists():
        raise StoreUnwritableError(self.path, "disk I/O error")
    return whole(self, *a, **k)
b.LogBook.append = append
"""
    with placed(tmp_path, code=code) as place:
        service: Serving = place.service.start()
        service.reading("l0")
        (tmp_path / "eio").touch()
        place.contact.closed = 1
        eventually(place.keys, 15, service.log.read_text)
        assert json.loads(place.told.posts[0].body)["title"] == "值班记录不可写"
        keys = set(place.keys())
        assert service.records(Kind.PAGE_REQUESTED) == []
        (tmp_path / "eio").unlink()
        eventually(lambda: set(place.requested()) <= set(place.keys()) and place.requested(), 15)
        paged = eventually(lambda: service.records(Kind.EMERGENCY_PAGED), 5)
        assert {r.data.key for r in paged} == keys
        assert service.stop()[0] == 0
