"""The log book under kill -9, locks of others, and a full disk (faults 35, 36 and 40)."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import pytest

from facility.records import AlarmRaised, IncidentNoted, IncidentOpened, Kind, PageRequested, Record
from stores.errors import StoreBusyError, StoreFullError
from stores.logbook import LogBook
from stores.opening import open_book
from stores.reserve import Reserve
from tests import disks

WRITER = """
import sys
from pathlib import Path
from facility.records import *
from stores.opening import open_book
folder = Path(sys.argv[1])
book, report = open_book(folder / "logbook.db", folder / "snapshots", 0, site="demo")
assert not report, report
start = int(sys.argv[2])
print("open", flush=True)
for i in range(start, start + 100_000):
    incident = incident_subject(str(i))
    book.append([
        Record(i, Kind.ALARM_RAISED, f"alarm:{i}", AlarmRaised("r", "lift", 1, "life-safety"), request=f"raised{i}"),
        Record(i, Kind.INCIDENT_OPENED, incident, IncidentOpened("p", "lift", 1), request=f"opened{i}", about=("lift",)),
        Record(i, Kind.PAGE_REQUESTED, incident, PageRequested(f"k{i}", str(i), "zhang", "demo", 1, 1, True, "text"),
               request=f"k{i}", about=("lift", "zhang")),
    ], closed=[f"alarm:{i - 1}"])
    print(i, flush=True)  # told: whatever was told must be there for ever
    if i % 50 == 49:
        book.keep_snapshot(folder / "snapshots", i)
"""
KILLS = 15


def note(text, request=None):
    return Record(1, Kind.INCIDENT_NOTED, "incident:x", IncidentNoted(text), request=request)


def test_kill_9_at_any_moment_loses_nothing_that_was_told_and_leaves_no_half_group(tmp_path):
    dice = random.Random(35)
    start = 0
    for turn in range(KILLS):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, tmp_path, str(start)], stdout=subprocess.PIPE)
        assert writer.stdout.readline() == b"open\n", turn
        enough = threading.Timer(dice.uniform(0.0, 0.2), os.kill, (writer.pid, signal.SIGKILL))
        enough.start()
        told = [int(line) for line in writer.stdout if line.endswith(b"\n")]
        assert writer.wait() == -signal.SIGKILL
        writer.stdout.close()
        enough.join()
        last = told[-1] if told else start - 1

        connection = sqlite3.connect(tmp_path / "logbook.db")
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",), turn
        connection.close()
        book = LogBook.reader(tmp_path / "logbook.db")
        groups = [w.record.at_ms for w in book.tail(0, 1_000_000)]
        there = len(groups) // 3
        assert groups == [i for i in range(there) for _ in range(3)], turn
        assert there in {last + 1, last + 2}, "all that was told, and at most the group being written"
        assert book.verify().ok, turn
        kinds = (Kind.ALARM_RAISED, Kind.INCIDENT_OPENED, Kind.PAGE_REQUESTED)
        assert [w.record.kind for w in book.tail(3 * (there - 1))] == list(kinds)[: 3 * bool(there)]
        opened = {f"incident:{i}" for i in range(there)}
        assert book.open_subjects() == opened | ({f"alarm:{there - 1}"} if there else set()), turn
        book.close()
        start = there
    assert start > KILLS, "the writer must have come to write"


def test_a_long_reader_does_not_delay_the_writer(tmp_path):
    book = LogBook(tmp_path / "b.db", "demo")
    book.append([note(str(i)) for i in range(1000)])
    reader = sqlite3.connect(tmp_path / "b.db", isolation_level=None)
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM record").fetchone() == (1000,)
    slowest = 0.0
    for i in range(300):
        began = time.perf_counter()
        book.append([note(str(i), request=f"r{i}")])
        slowest = max(slowest, time.perf_counter() - began)
    assert slowest < 1.0
    assert reader.execute("SELECT count(*) FROM record").fetchone() == (1000,), "the reader keeps its moment"
    reader.close()
    assert book.count() == 1300
    assert book.verify().ok
    book.close()


def test_a_lock_of_a_second_delays_the_writer_and_loses_nothing(tmp_path):
    book = LogBook(tmp_path / "b.db", "demo")
    other = sqlite3.connect(tmp_path / "b.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    release = threading.Timer(1.0, other.rollback)
    release.start()
    began = time.perf_counter()
    assert len(book.append([note("through", request="r")])) == 1
    assert 0.5 < time.perf_counter() - began < 4
    release.join()
    other.close()
    book.close()


def test_reads_and_the_head_go_on_while_the_writer_waits(tmp_path):
    book = LogBook(tmp_path / "b.db", "demo")
    book.append([note("first", request="first")])
    other = sqlite3.connect(tmp_path / "b.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    writer = threading.Thread(target=book.append, args=([note("waiting")],))
    writer.start()
    began = time.perf_counter()
    assert book.has("first")
    assert book.head()[0] == 1
    assert len(list(book.open_records())) == 0
    assert time.perf_counter() - began < 0.5
    other.rollback()
    writer.join()
    assert book.head()[0] == 2
    other.close()
    book.close()


def test_a_lock_that_does_not_end_is_said_and_the_same_call_works_afterwards(tmp_path):
    book = LogBook(tmp_path / "b.db", "demo")
    book._connection.execute("PRAGMA busy_timeout = 50")
    other = sqlite3.connect(tmp_path / "b.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusyError, match="占用"):
        book.append([note("again", request="r")])
    other.rollback()
    other.close()
    assert [w.seq for w in book.append([note("again", request="r")])] == [1]
    book.close()


def test_a_copy_of_a_book_that_is_being_written_is_whole_and_of_one_moment(tmp_path):
    book, _ = open_book(tmp_path / "b.db", tmp_path / "s", 0, site="demo", reserve=Reserve(tmp_path / "r", 0))
    book.append([note(str(i) * 50) for i in range(5000)])
    stop = threading.Event()
    wrote = []

    def write():
        while not stop.is_set():
            wrote.append(book.append([note("a"), note("b"), note("c")]))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for turn in range(5):
            copy = LogBook.reader(book.keep_snapshot(tmp_path / "s", turn))
            assert (copy.count() - 5000) % 3 == 0
            assert copy.verify().ok
            copy.close()
    finally:
        stop.set()
        writer.join()
    assert wrote
    book.close()


def test_a_full_disk_costs_the_reserve_first_then_says_so_and_goes_on_when_there_is_room(tmp_path):
    """SQLite's own page limit stands for the disk: it fails in the same place, with the same error."""
    reserve = Reserve(tmp_path / "reserve", 1024 * 1024)
    assert reserve.hold()
    book = LogBook(tmp_path / "b.db", "demo", reserve=reserve)
    limit = book._connection.execute("PRAGMA page_count").fetchone()[0] + 4
    book._connection.execute(f"PRAGMA max_page_count = {limit}")
    told = []
    with pytest.raises(StoreFullError, match="磁盘已满"):  # noqa: PT012 - it is the last one that is refused
        for i in range(1000):
            told += book.append([note("x" * 500, request=f"r{i}"), note("y" * 500)])
    assert not reserve.held
    assert told, "it wrote until it was full"
    assert book.head() == (told[-1].seq, told[-1].hash)
    assert book.tail(0, 10_000) == told
    assert book.verify().ok
    with pytest.raises(StoreFullError):
        book.append([note("x" * 5000)])
    book._connection.execute("PRAGMA max_page_count = 100000")
    assert book.append([note("z", request="r1000")])[0].seq == told[-1].seq + 1
    book._take_back_at = 0.0  # a minute later
    book.append([note("z")])
    assert reserve.held
    assert book.verify().ok
    book.close()


@pytest.fixture
def small_disk():
    with disks.in_memory("size=8m") as folder:
        yield folder


def test_on_a_disk_that_really_fills_up_alarms_live_on_the_reserve(small_disk):
    reserve = Reserve(small_disk / "reserve", 1024 * 1024)
    book, _ = open_book(small_disk / "logbook.db", small_disk / "s", 0, site="demo", reserve=reserve)
    assert reserve.held
    book.append([note("before")])
    with pytest.raises(OSError), (small_disk / "somebody-elses.log").open("wb", buffering=0) as log:  # noqa: PT012
        while True:
            log.write(bytes(4096))
    written = 1
    for i in range(100):
        written += len(book.append([note("x" * 200, request=f"alarm{i}"), note("page", request=f"page{i}")]))
    assert written == 201
    assert not reserve.held, "given up for them"
    with pytest.raises(StoreFullError):  # noqa: PT012
        for i in range(100, 100_000):
            written += len(book.append([note("x" * 2000, request=f"alarm{i}")]))
    assert book.count() == written
    assert list(book.open_records()) == [], "reading goes on"
    (small_disk / "somebody-elses.log").unlink()
    written += len(book.append([note("after", request="after")]))
    assert book.count() == written
    assert book.verify().ok
    book.close()
    again, report = open_book(small_disk / "logbook.db", small_disk / "s", 0, site="demo", reserve=reserve)
    assert not report
    assert reserve.held
    again.close()


def test_appending_is_quick_enough_for_a_bad_night(tmp_path):
    """Five records in about a millisecond, 600 transitions in one commit; far above, so that a loaded machine passes."""
    book = LogBook(tmp_path / "b.db", "demo")

    def alarm(i):
        data = AlarmRaised("lift-trapped", f"lift-{i}", 1, "life-safety", 71.0, f"lift-{i}/fault_code", "gw", i)
        return Record(i, Kind.ALARM_RAISED, f"alarm:{i}", data, request=f"raised{i}", about=(f"lift-{i}",))

    def opened(i):
        return Record(i, Kind.INCIDENT_OPENED, f"incident:{i}", IncidentOpened("p", "l", 1), request=f"opened{i}")

    def page(i):
        data = PageRequested(f"k{i}", str(i), "zhang", "demo", 1, 1, responder=True, text="电梯困人")
        return Record(i, Kind.PAGE_REQUESTED, f"incident:{i}", data, request=f"page{i}", about=("zhang",))

    book.append([alarm(-1)])
    took = []
    for i in range(200):
        began = time.perf_counter()
        book.append([alarm(i), opened(i), page(i), note("a"), note("b")])
        took.append(time.perf_counter() - began)
    assert sorted(took)[100] < 0.01
    began = time.perf_counter()
    assert len(book.append([alarm(i) for i in range(1000, 1600)])) == 600
    assert time.perf_counter() - began < 0.5
    book.close()
