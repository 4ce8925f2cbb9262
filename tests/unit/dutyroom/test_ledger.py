"""What waits to be durable, and what waits for it."""

import asyncio
import threading

from dutyroom.clock import SystemClock
from dutyroom.ledger import GROUP, GROUP_MS, Commit, Counts, Ledger
from facility.ports import Written
from facility.records import IncidentNoted, Kind, Record
from facility.scan import Scan


class Spool:
    """Takes everything; its checkpoint takes as long as the test says."""

    last_row = 7

    def __init__(self) -> None:
        self.let = threading.Event()
        self.kept: list[tuple[int, bytes]] = []

    def commit(self, scans, settled=None, *, part=False) -> int:
        self.last_row += 1
        return self.last_row

    def checkpoint(self, row: int, memory: bytes) -> None:
        assert self.let.wait(10)
        self.kept.append((row, memory))


class Book:
    def append(self, records, closed) -> list[Written]:
        return [Written(1, record, "") for record in records]


def scan(at_ms: int) -> Scan:
    return Scan("lift-1", at_ms, at_ms, (1.0,), b"\0")


async def test_scans_are_due_after_half_a_second_or_when_they_are_many() -> None:
    ledger = Ledger(Book(), Spool(), SystemClock(), Counts())
    assert ledger.due() is None
    assert ledger.add(scan(1_000), None), "who waits for a due moment must hear of it"
    assert [ledger.add(scan(1_000 + n), None) for n in range(GROUP - 2)] == [False] * (GROUP - 2)
    assert ledger.due() == 1_000 + GROUP_MS
    assert ledger.add(scan(1_100), None)
    assert ledger.due() == 1_000
    assert len(ledger.take(1_100)) == GROUP
    assert ledger.due() is None
    ledger.close()


async def test_a_page_does_not_wait_for_the_checkpoint_behind_it_which_is_of_its_own_row() -> None:
    spool = Spool()
    ledger = Ledger(Book(), spool, SystemClock(), Counts())
    page = Record(1_000, Kind.INCIDENT_NOTED, "incident:1", IncidentNoted("paged"))
    commit = Commit([scan(1_000)], [page], [], lambda: b"as of then")
    try:
        async with asyncio.timeout(5):
            assert [one.record for one in await ledger.write(commit, lambda: None)] == [page]
        assert spool.kept == []
        spool.last_row = 9  # of a commit beside it
    finally:
        spool.let.set()
    ledger.close()
    assert spool.kept == [(8, b"as of then")]
