"""The one writer: scans that wait to be durable, and commits that are seen through, spool first, then the book."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from collectors.mqtt.receipts import Receipts
from dutyroom.waiting import Waiting
from facility.commands import Refused
from facility.ports import Clock, LogBook, Settled, Written
from facility.records import Kind, Record
from facility.scan import Scan
from stores.errors import StoreError, StoreFencedError

log = structlog.get_logger(__name__)

GROUP_MS = 500
"""Scans that move nothing are committed together at least this often."""
GROUP = 1_500
"""Or so many: what a page needs meanwhile waits for about 20 ms, and for 80 where 3,500 are written at once."""
PORTION = 20_000
"""Scans of one commit at most: what has waited for a disk must not hold up an alarm."""
LITTLE = 200
"""So few scans are committed with the records of a turn; of more, a turn with records takes those that made them."""
READINGS_LIMIT = 5_000_000
"""Readings that wait in memory for a disk (about 160 MB); beyond it the oldest are let go, and counted."""
SPOOL_PAUSE_MS = (1_000, 2_000, 5_000)
"""How long a spool that refused is left alone."""

Answer = tuple["asyncio.Future[Sequence[Written] | Refused]", Refused | list[str]]
"""Who waits for a commit, and what to say: a refusal, or the requests under which the answer will stand in the book."""


class DeskSpool(Protocol):
    """What the desk needs of the spool."""

    @property
    def last_row(self) -> int:
        """The newest row that was ever committed."""

    def commit(self, scans: Sequence[Scan], settled: Settled | None = None, *, part: bool = False) -> int:
        """Write the scans, and what they settle, durably; return the row. A `part` overtakes others' scans."""

    def checkpoint(self, row: int, memory: bytes) -> None:
        """Remember the rule memory as of this row."""

    def restore(self) -> tuple[bytes | None, Iterable[Scan]]:
        """Return the newest rule memory and the scans after it."""

    def dead_letter(self, source: str, payload: bytes, why: str, at_ms: int) -> None:
        """Keep what could not be decoded."""


@dataclass(slots=True)
class Counts:
    """What happened since the start; nothing is dropped uncounted."""

    scans: int = 0
    scans_lost: int = 0
    transitions: int = 0
    promises_kept: int = 0
    promises_broken: int = 0
    records: int = 0
    commits: int = 0
    commands: int = 0
    pages_sent: int = 0
    pages_refused: int = 0
    dead_letters: int = 0
    book_failures: int = 0
    spool_failures: int = 0
    quarantined: int = 0
    audit_found: int = 0


@dataclass(slots=True)
class Commit:
    """What one turn writes. It outlives a turn that is cut off: the records are told already, and must be written."""

    scans: list[Scan]
    records: list[Record]
    closed: list[str]
    memory: Callable[[], bytes] | None  # makes the bytes of a checkpoint; for the writer's thread
    answers: list[Answer] = field(default_factory=list)
    part: bool = False  # scans of some devices; what came of others before them is not in it
    behind: "Commit | None" = None  # holds earlier scans of the same devices, and is being written beside this one
    settled: Settled | None = None  # what the scans make known of their publishers
    spooled: bool = False
    refused: Exception | None = None  # the spool's word, when it does not take the scans
    writing: "Future[list[Written]] | None" = None


class Ledger:
    """Holds what is not durable yet and writes it in its own thread, in order, until the disk has taken it."""

    def __init__(
        self, book: LogBook, spool: DeskSpool, clock: Clock, counts: Counts, receipts: Receipts | None = None
    ) -> None:
        self.book, self.spool = book, spool
        self.receipts = receipts or Receipts()
        self.fenced = asyncio.Event()  # another instance has taken over: this one must end
        self.stuck = False  # the book does not take records at this moment
        self.readings = 0  # of the scans that are not durable
        self._clock, self._counts = clock, counts
        self._batch = Waiting()
        self._batch_since = 0
        self._kept_back: deque[Scan] = deque()  # scans the spool could not take yet
        self._taken: list[Callable[[], None]] = []  # of what is in a commit or kept back
        self.bulk: frozenset[str] | None = None  # whose scans are being written beside the commits of the turns
        self._bulk: Commit | None = None
        self._bulk_dones: list[Callable[[], None]] = []
        self._refusals = 0  # of the spool, one after the other
        self._spool_at = 0  # not before
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="writer")
        self._aside = ThreadPoolExecutor(max_workers=1, thread_name_prefix="bulk")

    @property
    def waiting(self) -> int:
        """How many scans are not yet durable."""
        return len(self._batch) + len(self._kept_back) + (len(self._bulk.scans) if self._bulk else 0)

    @property
    def refused(self) -> bool:
        """Whether the spool does not take scans at this moment."""
        return self._refusals > 0

    @property
    def backlog(self) -> bool:
        """Whether scans wait that an earlier commit could not take."""
        return bool(self._kept_back)

    def due(self) -> int | None:
        """Return when the scans that wait are to be committed; None when there are none, or others are under way."""
        if self._bulk is not None:
            return None
        if self._kept_back:
            return self._spool_at
        return self._batch_since + (GROUP_MS if len(self._batch) < GROUP else 0) if self._batch else None

    def add(self, scan: Scan, done: Callable[[], None] | None) -> bool:
        """Take a scan, `done` to be called once it is durable; say whether it changes when a commit is due."""
        self.readings += scan.width
        if self.readings > READINGS_LIMIT:
            self._let_go()
        first = not self._batch
        if first:
            self._batch_since = scan.received_ms
        self._batch.add(scan, done)
        return first or len(self._batch) == GROUP

    def hurry(self) -> None:
        """Commit what waits at once: somebody says nothing more before."""
        self._batch_since = 0

    def take(self, now: int, *, final: bool = False) -> list[Scan]:
        """Take the scans of this commit; a spool that refuses is left alone for a while."""
        scans, dones = self._batch.take()
        self._taken += dones
        if not self._kept_back and len(scans) <= PORTION:
            return scans
        self._kept_back += scans
        if now < self._spool_at and not final:
            return []
        return [self._kept_back.popleft() for _ in range(min(PORTION, len(self._kept_back)))]

    @property
    def much(self) -> bool:
        """Whether more waits than a turn with records should wait for, and nothing speaks against parting it."""
        some = self._bulk is not None or len(self._batch) > LITTLE
        return some and not self._kept_back and not self._refusals and self.receipts.silent

    def take_of(self, devices: frozenset[str]) -> list[Scan]:
        """Take all that waits of these devices; see `behind` for what the bulk that is under way holds of them."""
        if not devices:
            return []
        scans, dones = self._batch.take_of(devices)
        self._taken += dones
        return scans

    def behind(self, devices: frozenset[str]) -> Commit | None:
        """Return the bulk that is under way if it holds scans of these devices: of one device nothing overtakes."""
        return self._bulk if self.bulk and devices & self.bulk else None

    def begin_bulk(self, told: Callable[[], None]) -> None:
        """Begin to write what waits, beside the commits of the turns; `told` is called when it is done."""
        scans, self._bulk_dones = self._batch.take()
        self._bulk = bulk = Commit(scans, [], [], None)
        self.bulk = frozenset(scan.device for scan in scans)
        bulk.settled = self.receipts.settle(bulk.scans)
        bulk.writing = self._aside.submit(self._write, bulk)
        _when_landed(bulk.writing, asyncio.get_running_loop(), told)

    async def end_bulk(self, *, wait: bool) -> list[Callable[[], None]] | None:
        """See through what is under way beside the turns; return whom to tell.

        None: nothing is, or it is not done yet and shall not be waited for.
        """
        bulk = self._bulk
        if bulk is None or bulk.writing is None or not (wait or bulk.writing.done()):
            return None
        await _landed(bulk.writing, asyncio.get_running_loop())
        self._bulk = self.bulk = None
        self._taken += self._bulk_dones
        self._bulk_dones = []
        self._settle(bulk)
        return self.durable() if bulk.refused is None else []

    async def write(self, commit: Commit, alive: Callable[[], None]) -> list[Written]:
        """Spool first, then the book; the book is tried until it takes the records, `alive` at every try.

        Raises:
            StoreFencedError: another instance has taken over.
        """
        written = await self._written(commit, alive)
        self.stuck = False
        self._settle(commit)
        self._counts.records += len(written)
        for one in written:
            self._counts.transitions += one.record.subject.startswith("alarm:")
            self._counts.promises_kept += one.record.kind is Kind.PROMISE_KEPT
            self._counts.promises_broken += one.record.kind is Kind.PROMISE_BROKEN
        return written

    def _settle(self, commit: Commit) -> None:
        """Take note of what became of a commit's scans."""
        if commit.refused is not None:
            self._refuse(commit)
        else:
            if commit.spooled and commit.settled is not None:
                self.receipts.adopt(commit.settled)
            self.readings -= sum(scan.width for scan in commit.scans)
            if commit.scans:
                self._refusals = self._spool_at = 0
        self._counts.commits += 1

    def durable(self) -> list[Callable[[], None]]:
        """Return whom to tell that their scans are durable, each once; what came during the commit is not.

        While the spool refuses, messages are acknowledged all the same: a broker that is owed twenty
        acknowledgements sends nothing more, and alarms must come in.
        """
        if self._kept_back and self._refusals <= 1:
            return []
        dones, self._taken = self._taken, []
        return dones

    def bury(self, source: str, payload: bytes, why: str) -> None:
        """Keep what could not be decoded."""
        self._counts.dead_letters += 1
        self._thread.submit(self._bury, source, payload, why, self._clock.now())

    def close(self, *, wait: bool = True) -> None:
        """Let the thread end; without `wait`, what it has not begun is left."""
        for thread in (self._aside, self._thread):
            thread.shutdown(wait=wait, cancel_futures=not wait)

    def _let_go(self) -> None:
        """Forget the oldest scans that wait: memory is for alarms. Their rules were evaluated when they came."""
        scans, dones = self._batch.take()
        self._kept_back += scans
        self._taken += dones
        while self._kept_back and self.readings > READINGS_LIMIT * 0.99:
            scan = self._kept_back.popleft()
            self.readings -= scan.width
            self._counts.scans_lost += 1
            if scan.seq:
                self.receipts.let_go(scan.device)

    def _refuse(self, commit: Commit) -> None:
        if commit.behind is not None and commit.refused is commit.behind.refused:
            self._kept_back.extendleft(reversed(commit.scans))  # what it came behind is put before it, and counted
            return
        pause = SPOOL_PAUSE_MS[min(self._refusals, len(SPOOL_PAUSE_MS) - 1)]
        if not self._refusals:
            log.error("the spool does not take scans; they wait in memory", why=str(commit.refused))
        self._refusals += 1
        self._counts.spool_failures += 1
        self._spool_at = self._clock.now() + pause
        self._kept_back.extendleft(reversed(commit.scans))

    async def _written(self, commit: Commit, alive: Callable[[], None]) -> list[Written]:
        loop = asyncio.get_running_loop()
        pause = 100
        began = loop.time()
        if commit.settled is None:
            commit.settled = self.receipts.settle(commit.scans)
        while True:
            if commit.writing is None:
                commit.writing = self._thread.submit(self._write, commit)
            try:
                written = await _landed(commit.writing, loop)
                break
            except StoreFencedError as error:
                log.error("another instance has taken over", why=str(error))
                self.fenced.set()
                raise
            except (StoreError, OSError) as error:
                commit.writing = None
                self._counts.book_failures += 1
                if not self.stuck:
                    log.error("the log book does not take records; nothing is acted on until it does", why=str(error))
                self.stuck = True
                alive()
                await self._clock.until(self._clock.now() + pause)
                pause = min(5_000, pause * 2)
            except Exception:
                commit.writing = None
                raise
        if self.stuck:
            log.warning("the log book takes records again", after_s=round(loop.time() - began, 1))
        return written

    def _write(self, commit: Commit) -> list[Written]:
        """Run in a thread of the writer's; safe to repeat."""
        settled = commit.settled
        if commit.behind is not None and commit.behind.writing is not None:
            wait([commit.behind.writing])  # here, and not on the loop: what happened was decided meanwhile
            commit.refused = commit.refused or commit.behind.refused
        scans = [*settled.rows, *commit.scans] if settled and settled.rows else commit.scans
        if scans and not commit.spooled and commit.refused is None:
            try:
                self.spool.commit(scans, settled, part=commit.part)
                commit.spooled = True
            except Exception as error:  # telemetry waits in memory; alarms and pages do not wait for it
                if not isinstance(error, StoreError | OSError):
                    log.error("scans that cannot be written", exc_info=error)
                commit.refused = error
        written = self.book.append(commit.records, commit.closed) if commit.records or commit.closed else []
        if commit.memory is not None and commit.refused is None:
            # Behind the records, which are durable: a page does not wait for it.
            with suppress(RuntimeError):  # who stops in the middle of a write has no time for it
                self._thread.submit(self._remember, self.spool.last_row, commit.memory)
        return written

    def _remember(self, row: int, memory: Callable[[], bytes]) -> None:
        """Run in the writer thread; nobody waits for it, so nothing goes unsaid."""
        try:
            self.spool.checkpoint(row, memory())
        except (StoreError, OSError) as error:
            log.error("no checkpoint could be written", why=str(error))
        except Exception as error:  # the next one is made anew
            log.error("a checkpoint that cannot be made", exc_info=error)

    def _bury(self, source: str, payload: bytes, why: str, at_ms: int) -> None:
        """Run in the writer thread; what the disk does not take was counted."""
        try:
            self.spool.dead_letter(source, payload, why, at_ms)
        except (StoreError, OSError) as error:
            log.error("a dead letter could not be kept", source=source, why=str(error))


async def _landed(writing: "Future[list[Written]]", loop: asyncio.AbstractEventLoop) -> list[Written]:
    """Return what was written. Who is cut off here may ask again, and each turn of a busy loop that is saved counts.

    (`asyncio.shield(loop.run_in_executor(…))` does the same in one turn more.)
    """
    landed: asyncio.Future[None] = loop.create_future()

    def tell() -> None:
        if not landed.done():
            landed.set_result(None)

    _when_landed(writing, loop, tell)
    await landed
    return writing.result()


def _when_landed(writing: "Future[list[Written]]", loop: asyncio.AbstractEventLoop, told: Callable[[], None]) -> None:
    def land(_: "Future[list[Written]]") -> None:
        with suppress(RuntimeError):  # the loop is closed already
            loop.call_soon_threadsafe(told)

    writing.add_done_callback(land)
