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
from dutyroom.emergency import AFTER_MS, Emergency, Unwritten, leaders, levels
from facility.records import Kind
from stores.errors import StoreUnwritableError
from tests import disks
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


async def called_past_the_book(night, minutes, lost=lambda: True, seq=7):
    """Let the book be lost for so long; return (second since the first call, message) of every call."""
    calls, whole = [], night.phones.page

    async def page(message):
        calls.append((night.clock.now(), message))
        return await whole(message)

    night.phones.page = page
    reported = []
    emergency = Emergency(lambda: night.site, night.clock, {"demo": night.phones}, night._where, reported.append)
    watching = asyncio.create_task(emergency.run(lost, lambda: Unwritten(seq=seq), lambda: None))
    end = night.clock.now() + minutes * 60_000
    while night.clock.now() < end:
        await asyncio.sleep(0)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    await emergency.stop()
    night.phones.page = whole
    return [((at - calls[0][0]) / 1000, message) for at, message in calls], reported


async def test_the_call_is_repeated_and_goes_on_to_the_next_people_while_the_book_is_lost(tmp_path) -> None:
    night = await Building.open(tmp_path, "02:13")
    first, second, *_ = steps = levels(night.site, night.clock.now())
    assert len(steps) == 3, "who leads now, whoever may lead, everybody on duty"
    calls, _ = await called_past_the_book(night, 9)

    def seconds(person):
        return [at for at, m in calls if m.person == person]

    assert [round(at / 60, 1) for at in seconds(first[0].id)] == pytest.approx([*range(9)], abs=0.05)
    assert seconds(second[0].id)[0] == pytest.approx(120, abs=2), "nobody can answer: 2 min later the next people, too"
    assert seconds(steps[2][0].id)[0] == pytest.approx(240, abs=2)
    assert len({m.key for _, m in calls}) == len(calls), "a repeat is a page of its own"
    last = calls[-1][1].text
    assert "第 9 次呼叫" in last
    assert "Call 9." in last
    assert "cannot be answered" in last
    assert "请立即人工值守并检查磁盘" in last
    await night.close()


async def test_the_repeats_are_bounded_and_end_with_the_loss(tmp_path) -> None:
    night = await Building.open(tmp_path, "02:13")
    (leader,) = leaders(night.site, night.clock.now())
    calls, _ = await called_past_the_book(night, 120)
    mine = [at for at, m in calls if m.person == leader.id]
    assert len([at for at in mine if at <= 605]) == 11, "each minute for ten minutes"
    assert [round(at / 60) for at in mine[11:]] == [40, 70, 100], "then twice an hour"

    back = night.clock.now() + 150_000
    calls, reported = await called_past_the_book(night, 30, lambda: night.clock.now() < back, seq=8)
    assert max(at for at, _ in calls) <= 150
    assert {r.data.key for r in reported} == {m.key for _, m in calls}, "and the book hears of each"
    keys = {m.key for _, m in calls}
    again, _ = await called_past_the_book(night, 1, seq=8)
    assert {m.key for _, m in again} <= keys, "tried again about the same loss, it is the same page"
    other, _ = await called_past_the_book(night, 1, seq=9)
    assert not {m.key for _, m in other} & keys, "and another loss is another page"
    await night.close()


async def test_a_call_that_no_channel_takes_ends_when_the_book_is_back(tmp_path) -> None:
    night = await Building.open(tmp_path, "02:13")
    tries = []
    night.phones.refuse = lambda _m: tries.append(night.clock.now()) or "no network"
    back = night.clock.now() + 40_000
    await called_past_the_book_refused(night, back)
    assert tries
    assert max(tries) <= back + 5_000
    await night.close()


async def called_past_the_book_refused(night, back) -> None:
    emergency = Emergency(lambda: night.site, night.clock, {"demo": night.phones}, night._where, lambda _r: None)
    watching = asyncio.create_task(emergency.run(lambda: night.clock.now() < back, Unwritten, lambda: None))
    while night.clock.now() < back + 60_000:
        await asyncio.sleep(0)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert not emergency._calls


@pytest.fixture
def disk():
    with disks.in_memory("size=64m") as folder:
        yield folder


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
    image = tmp_path / "image"
    image.touch()
    os.truncate(image, 160 << 20)
    if subprocess.run(["mkfs.ext4", "-q", str(image)], capture_output=True, check=False).returncode:
        pytest.skip("no ext4 here; the tests above and below stand for it")
    with disks.mounted("-o", "loop", str(image)) as folder:

        def fail() -> None:
            here = os.open(folder, os.O_RDONLY)
            fcntl.ioctl(here, EXT4_SHUTDOWN, struct.pack("I", NO_FLUSH))
            os.close(here)

        yield folder, fail


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
