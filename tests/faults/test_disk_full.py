"""Fault 40: the disk of the data folder and of the log fills up while the service runs; alarms and pages live on the reserve."""

import contextlib
import itertools
import sqlite3
import time

import pytest
from killing import Building, Receiver, Told, prepare
from serving import Serving, eventually

from facility.records import Kind
from stores.logbook import LogBook
from stores.telemetry.batch import decode
from tests import disks

SIZE = "64m"
POLLED = "di-fire-water"
"""A device that is polled every 500 ms."""


@pytest.fixture
def disk():
    with disks.in_memory(f"size={SIZE}") as folder:
        yield folder


class Filler:
    """Another program that takes all there is."""

    def __init__(self, folder) -> None:
        self._path = folder / "somebody-elses.dump"

    def fill(self) -> None:
        with self._path.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(1024 * 1024))
        with self._path.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))

    def go(self) -> None:
        self._path.unlink()


def test_a_full_disk_stops_no_alarm_and_no_page_and_costs_no_reading(tmp_path, disk) -> None:
    """Fault 40, whole process: filled, relieved, filled again, killed, started on the full disk, relieved."""
    told = Told()
    receiver = Receiver(told)
    site = prepare(tmp_path, receiver.url)
    building = Building(site, tmp_path)
    service = Serving(site, disk / "data", log=disk / "service.log")
    filler = Filler(disk)
    reserve = disk / "data" / "reserve.bin"

    def reads(line: str) -> int:
        return next(row["reads"] for row in service.health()["lines"] if row["id"] == line)

    def paged(machine: str, began: float) -> float:
        """How long after `began` the first page about a machine went out, its records before it."""

        def found() -> float | None:
            incidents = {r.subject for r in service.records(Kind.INCIDENT_OPENED) if machine in r.about}
            keys = {r.data.key for r in service.records(Kind.PAGE_REQUESTED) if r.subject in incidents}
            return next((p.at - began for p in told.posts if p.key in keys), None)

        return eventually(found, 15, service.log.read_text)

    try:
        service.start()
        service.reading("lift-broker", "contact-line")
        assert service.health()["status"] == "ok"
        assert reserve.exists()

        filler.fill()
        full_ms = int(time.time() * 1000)
        eventually(lambda: service.figures()["spool_failures_total"] >= 2, 10)
        health = service.health()
        assert health["status"] == "degraded"
        assert any("磁盘" in reason["zh"] and "disk" in reason["en"].lower() for reason in health["reasons"])
        before = {"lift-broker": reads("lift-broker") + 21, "contact-line": reads("contact-line") + 8}
        began = time.time()
        building.tell(do="stage", fault="lift-entrapment", equipment="lift-1b")
        first = paged("lift-1b", began)
        assert not reserve.exists(), "given up for the records"
        # More than a broker sends to somebody who owes it acknowledgements.
        eventually(lambda: all(reads(line) > n for line, n in before.items()), 10)
        figures = service.figures()
        assert figures["scans_lost_total"] == 0
        assert figures["scans_waiting"] > 20, "they wait in memory"
        assert figures["book_failures_total"] == 0

        filler.go()
        back_ms = int(time.time() * 1000)
        eventually(lambda: service.figures()["scans_waiting"] < 20, 10, service.figures)
        eventually(lambda: service.health()["status"] == "ok", 10, service.health)
        building.tell(do="restore", fault="lift-entrapment", equipment="lift-1b")
        eventually(reserve.exists, 5)
        assert widest_gap(disk / "data" / "spool.db", full_ms, back_ms) < 2_000

        filler.fill()
        refused = service.figures()["spool_failures_total"]
        eventually(lambda: service.figures()["spool_failures_total"] > refused, 10)
        filler.fill()
        service.kill()
        service.start()
        began = time.time()
        building.tell(do="stage", fault="lift-entrapment", equipment="lift-2b")
        second = paged("lift-2b", began)
        assert service.health()["status"] == "degraded"
        filler.go()
        eventually(lambda: service.health()["status"] == "ok", 15, service.health)
        code, seconds = service.stop()
        assert (code, service.records()[-1].kind) == (0, Kind.SERVICE_STOPPED)
        assert "Traceback" not in service.log.read_text()
    finally:
        service.kill()
        building.close()
        receiver.close()

    book = LogBook.reader(disk / "data" / "logbook.db")
    assert book.verify().ok
    book.close()
    for name in ("logbook.db", "spool.db", "accounts.db"):
        connection = sqlite3.connect(disk / "data" / name)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",), name
        connection.close()
    print(f"page after {first:.1f} s on a full disk, {second:.1f} s after a start on it; stopped in {seconds:.1f} s")


def widest_gap(path, from_ms: int, to_ms: int) -> int:
    """The longest time without a scan of the polled device, as the spool holds it."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    device_of = dict(connection.execute("SELECT id, device FROM layout"))
    rows = connection.execute("SELECT blob FROM row").fetchall()
    connection.close()
    scans = (scan for (blob,) in rows for scan in decode(blob).scans(device_of))
    times = {scan.at_ms for scan in scans if scan.device == POLLED and from_ms <= scan.at_ms <= to_ms}
    return max(after - before for before, after in itertools.pairwise(sorted({from_ms, *times, to_ms})))
