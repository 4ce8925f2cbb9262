"""The work that keeps a station in order: the spool tidied, the log book checked and copied, the clock followed."""

import asyncio
import gc
from collections.abc import Callable
from pathlib import Path

import structlog

from dutyroom.backlog import Backlog
from dutyroom.clock import SystemClock
from facility.ports import Beat
from facility.records import Record
from stores.errors import StoreError
from stores.logbook import LogBook
from stores.reserve import FOR_RECORDS, disk_state

log = structlog.get_logger(__name__)

TIDY_MS = 2_000
TROUBLE_MS = 12_000
SNAPSHOT_MS = 3_600_000
CLOCK_MS = 10_000
CYCLES_MS = 600_000
CALM_MS = 5_000


async def tidy_spool(data: Path, book: LogBook, backlog: Backlog, clock: SystemClock, beat: Beat) -> None:
    """Hold the book's reserve and keep the spool within its budget, for ever."""
    while True:
        beat()
        pause = TIDY_MS
        try:
            await asyncio.to_thread(book.hold_reserve)
            roomy = disk_state(data).free >= FOR_RECORDS
            await asyncio.to_thread(backlog.tidy, roomy=roomy)
        except StoreError as error:
            pause = TROUBLE_MS
            log.error("the spool cannot be tidied; it is tried again", why=str(error))
        await clock.until(clock.now() + pause)


async def keep_book(
    data: Path, book: LogBook, clock: SystemClock, damaged: Callable[[Record], None], beat: Beat
) -> None:
    """Check the log book and copy it each hour, for ever; `damaged` hears what a check found."""
    while True:
        beat()
        for record in await asyncio.to_thread(book.check_whole, clock.now()):
            damaged(record)
        try:
            await asyncio.to_thread(book.keep_snapshot, data / "snapshots", clock.now())
        except StoreError as error:
            log.error("no snapshot this hour", why=str(error))
        until = clock.now() + SNAPSHOT_MS
        while clock.now() < until:
            beat()
            await clock.until(min(until, clock.now() + 60_000))


async def follow_clock(clock: SystemClock, stepped: Callable[[int], None], beat: Beat) -> None:
    """Lead in what the wall clock steps, for ever; `stepped` hears by how many milliseconds it did."""
    while True:
        beat()
        if step := clock.lead_in():
            stepped(step)
        await clock.until(clock.now() + CLOCK_MS)


async def look_for_cycles(records: Callable[[], int], clock: SystemClock, beat: Beat) -> None:
    """Look through everything for what holds only itself, every ten minutes, for ever.

    It stops the whole process for a tenth of a second where thousands of alarms are open: it waits for a moment in
    which the book writes nothing (`records` counts what it wrote), but not for longer than ten minutes more.
    """
    due = clock.now() + CYCLES_MS
    while True:
        beat()
        before = records()
        await clock.until(clock.now() + CALM_MS)
        late = clock.now() - due
        if late >= CYCLES_MS or (late >= 0 and records() == before):
            gc.collect()
            due = clock.now() + CYCLES_MS
