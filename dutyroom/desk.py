"""The one loop and the one writer: from scans and commands to records, and only then to deeds.

Order of every turn: evaluate -> spool commit -> log-book commit -> act -> acknowledge. A crash anywhere repeats
what was not finished and doubles nothing: scans after the checkpoint are read again, transitions the book
already holds are dropped by their request id, and a page that was requested but not reported is sent again
under its old key.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import structlog

from alarms import life
from alarms.cause import Causes
from alarms.life import Alarm
from alarms.rules import Evaluator, Transition
from facility import records as book_words
from facility.commands import AcknowledgeAlarm, Command, Refused
from facility.ports import Clock, LogBook, Message, Pager, PageRefusedError, Written
from facility.records import Kind, Record
from facility.scan import Scan
from facility.site import Site
from facility.text import Text
from response.incident import Context, Incident, Incidents, PageState
from stores.errors import StoreError, StoreFencedError
from stores.live import Live

log = structlog.get_logger(__name__)

GROUP_MS = 250
"""Scans that move nothing are committed together at least this often."""
CHECKPOINT_MS = 10_000
INBOX_LIMIT = 200_000
"""Scans that wait for a disk; beyond it the newest are refused, and counted."""


class WakingClock(Clock, Protocol):
    """A clock whose wait can be cut short."""

    async def woken(self, event: asyncio.Event, at_ms: int | None) -> None:
        """Return when the event is set or the moment has come, and clear the event."""


class DeskSpool(Protocol):
    """What the desk needs of the spool."""

    @property
    def last_row(self) -> int:
        """The newest row that was ever committed."""

    def commit(self, scans: Sequence[Scan]) -> int:
        """Write the scans durably; return the row."""

    def checkpoint(self, row: int, memory: bytes) -> None:
        """Remember the rule memory as of this row."""

    def restore(self) -> tuple[bytes | None, Iterable[Scan]]:
        """Return the newest rule memory and the scans after it."""

    def dead_letter(self, source: str, payload: bytes, why: str, at_ms: int) -> None:
        """Keep what could not be decoded."""


@dataclass(frozen=True, slots=True)
class Addressee:
    """Where a page goes."""

    address: str
    link: str


@dataclass(slots=True)
class Counts:
    """What happened since the start; nothing is dropped uncounted."""

    scans: int = 0
    scans_lost: int = 0
    transitions: int = 0
    records: int = 0
    commits: int = 0
    commands: int = 0
    pages_sent: int = 0
    pages_refused: int = 0
    dead_letters: int = 0
    book_failures: int = 0
    spool_failures: int = 0
    commit_ms: deque[float] = field(default_factory=lambda: deque(maxlen=512))


@dataclass(frozen=True, slots=True)
class Standing:
    """The committed state: what screens may believe."""

    at_ms: int
    seq: int
    alarms: Mapping[str, Alarm]
    incidents: Mapping[str, Incident]


class Desk:
    """Drains scans and commands, decides until nothing is new, commits once, and only then acts."""

    def __init__(
        self,
        site: Site,
        clock: WakingClock,
        book: LogBook,
        spool: DeskSpool,
        live: Live,
        pagers: Mapping[str, Pager],
        address: Callable[[str, str, str], Addressee | None],
        version: str = "",
    ) -> None:
        """Take the outside world; `address(person, channel, incident)` says where a page goes."""
        self.site, self.clock, self.book, self.spool, self.live = site, clock, book, spool, live
        self.evaluator = Evaluator(site)
        self.incidents = Incidents()
        self.alarms: dict[str, Alarm] = {}
        self.counts = Counts()
        self.standing = Standing(clock.now(), 0, {}, {})
        self.replayed = 0
        self._pagers, self._address, self._version = pagers, address, version
        self._wake = asyncio.Event()
        self._batch: list[Scan] = []
        self._kept_back: list[Scan] = []  # scans the spool could not take yet
        self.fenced = asyncio.Event()  # another instance has taken over: this one must end
        self.stuck = False  # the book does not take records at this moment
        self._dones: list[Callable[[], None]] = []
        self._moves: list[Transition] = []
        self._news: list[Record] = []  # outcomes of acts, and what the service itself has to say
        self._asked: deque[tuple[Command, asyncio.Future[Sequence[Written] | Refused]]] = deque()
        self._sending: dict[str, asyncio.Task[None]] = {}
        self._listeners: list[Callable[[Sequence[Written]], None]] = []
        self._watched: frozenset[str] = frozenset()
        self._look = False
        self._batch_since = 0
        self._checkpoint_at = 0
        self._row = 0
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="writer")

    # -- what others hand in ------------------------------------------------------------------------------

    def scan(self, scan: Scan, done: Callable[[], None] | None = None) -> None:
        """Take a scan: evaluated at once, durable at the next commit (then `done` is called)."""
        if len(self._batch) + len(self._kept_back) >= INBOX_LIMIT:
            self.counts.scans_lost += 1
            return
        self.counts.scans += 1
        self.live.update(scan)
        moves = self._evaluate(scan)
        if not self._batch:
            self._batch_since = scan.received_ms
            self._wake.set()
        self._batch.append(scan)
        if done is not None:
            self._dones.append(done)
        if moves:
            self._moves += moves
            self._wake.set()
        if scan.device in self._watched:
            self._look = True
            self._wake.set()

    def dead_letter(self, source: str, payload: bytes, why: str) -> None:
        """Keep and count what could not be decoded."""
        self.counts.dead_letters += 1
        self._writer.submit(self.spool.dead_letter, source, payload, why, self.clock.now())

    async def ask(self, command: Command) -> Sequence[Written] | Refused:
        """Carry out a person's command; return what was written, or why not."""
        answer: asyncio.Future[Sequence[Written] | Refused] = asyncio.get_running_loop().create_future()
        self._asked.append((command, answer))
        self._wake.set()
        return await answer

    def report(self, record: Record) -> None:
        """Put a record of the service itself (a restarted task, a restored store) into the next turn."""
        self._news.append(record)
        self._wake.set()

    def subscribe(self, listener: Callable[[Sequence[Written]], None]) -> Callable[[], None]:
        """Call the listener after every commit that wrote records; return how to stop it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def missing(self, incident: str) -> Sequence[Text]:
        """Return what still forbids closing an open incident; empty when it may be closed."""
        found = self.incidents.open().get(incident)
        return () if found is None else self.incidents.missing(found, self._context(self.clock.now()))

    @property
    def waiting(self) -> int:
        """How many scans are not yet durable."""
        return len(self._batch) + len(self._kept_back)

    # -- the life of the desk -----------------------------------------------------------------------------

    def restore(self, open_records: Iterable[Written], newest_incident: str = "") -> None:
        """Rebuild the state: open subjects, then the scans after the checkpoint; to be called before `run`.

        `newest_incident` is the subject of the newest incident in the book: no number is given out twice.
        """
        last = 0
        for written in open_records:
            self._tell(written.record)
            last = written.seq
        self.incidents.restored(newest_incident)
        memory, scans = self.spool.restore()
        self._row = self.spool.last_row
        if memory is not None:
            try:
                self.evaluator.remember(memory)
            except ValueError as error:
                log.error("the rule memory cannot be read; delays that ran begin anew", why=str(error))
        for scan in scans:
            self.replayed += 1
            self.live.update(scan)
            self._moves += self._evaluate(scan)
        self._moves = [m for m in self._moves if not self._holds(life.record_of(m, self.site))]
        self._reconcile()
        self.standing = Standing(self.clock.now(), last, dict(self.alarms), dict(self.incidents.open()))

    async def run(self, beat: Callable[[], None]) -> None:
        """Turn for ever: wait for news or the next due moment, settle, again."""
        while True:
            beat()
            await self.turn()
            await self.clock.woken(self._wake, self._next_moment())

    async def stop(self, last_words: Sequence[Record] = ()) -> None:
        """Commit what is in hand, say the last words, and close the writer."""
        self._news += last_words
        await self.turn(final=True)
        for task in self._sending.values():
            task.cancel()
        await asyncio.gather(*self._sending.values(), return_exceptions=True)
        self._writer.shutdown(wait=True)

    async def turn(self, *, final: bool = False) -> None:
        """Take what is there, decide until nothing is new, commit once, then act."""
        now = self.clock.now()
        self._moves += self.evaluator.ripen(now)
        quiet = not (self._moves or self._news or self._asked or self._look or final)
        if quiet and now < self._batch_due() and not self._response_due(now):
            self._act(now)
            return
        scans, self._batch = self._kept_back + self._batch, []
        self._kept_back = []
        dones, self._dones = self._dones, []
        moves, self._moves = self._moves, []
        self._look = False
        memory = self.evaluator.memory() if final or now >= self._checkpoint_at else None

        new: list[Record] = []
        for move in moves:
            self._add(new, [life.record_of(move, self.site)])
        news, self._news = self._news, []
        self._add(new, news)
        answers = self._answer(new, now)
        self._settle(new, now)

        written = await self._commit(scans, new, memory)
        self._publish(written)
        if self._kept_back:
            self._dones = dones + self._dones  # not durable yet: the broker keeps them too
        else:
            for done in dones:
                done()
        for answer, said in answers:
            if not answer.done():
                answer.set_result(said if isinstance(said, Refused) else _mine(said, written))
        if not final:
            self._act(self.clock.now())

    # -- deciding -----------------------------------------------------------------------------------------

    def _evaluate(self, scan: Scan) -> list[Transition]:
        due = self.evaluator.due()
        moves = list(self.evaluator.ripen(scan.received_ms)) if due is not None and due <= scan.received_ms else []
        moves += self.evaluator.step(scan)
        return moves

    def _context(self, now: int) -> Context:
        return Context(site=self.site, now=now, read=self._read, cause=self._causes())

    def _read(self, point: str) -> tuple[float, int, int] | None:
        seen = self.live.read(point)
        return None if seen is None else (seen.value, seen.reason, seen.at_ms)

    def _causes(self) -> Callable[[str, str], str | None]:
        """Return who explains a symptom, by the supply as it stands now; worked out only if somebody asks."""
        found: list[Causes] = []

        def cause(owner: str, rule: str) -> str | None:
            if not found:
                active: dict[str, set[str]] = {}
                for alarm in self.alarms.values():
                    if alarm.active:
                        active.setdefault(alarm.owner, set()).add(alarm.rule)
                frozen = {k: frozenset(v) for k, v in active.items()}
                found.append(Causes(self.site, frozen, self._position))
            return found[0].of(owner, rule)

        return cause

    def _position(self, machine: str) -> float | None:
        equipment = self.site.equipment.get(machine)
        kind = self.site.kinds.get(equipment.kind) if equipment else None
        name = (kind.conducts or kind.selects) if kind else None
        seen = self.live.read(f"{machine}/{name}") if name else None
        return seen.value if seen is not None and seen.reason == 0 else None

    def _answer(
        self, new: list[Record], now: int
    ) -> list[tuple["asyncio.Future[Sequence[Written] | Refused]", object]]:
        answers: list[tuple[asyncio.Future[Sequence[Written] | Refused], object]] = []
        while self._asked:
            command, answer = self._asked.popleft()
            self.counts.commands += 1
            if self.book.has(command.request):
                answers.append((answer, [command.request]))
                continue
            if isinstance(command, AcknowledgeAlarm):
                said = life.acknowledge(self.alarms, command, now)
            else:
                said = self.incidents.ask(self._context(now), command)
            if isinstance(said, Refused):
                answers.append((answer, said))
            else:
                self._add(new, said)
                self._settle(new, now)
                answers.append((answer, [r.request for r in said]))
        return answers

    def _settle(self, new: list[Record], now: int) -> None:
        while more := self.incidents.decide(self._context(now)):
            self._add(new, more)

    def _add(self, new: list[Record], more: Iterable[Record]) -> None:
        for record in more:
            new.append(record)
            self._tell(record)

    def _tell(self, record: Record) -> None:
        if record.subject.startswith("alarm:"):
            alarm = life.tell(self.alarms.get(record.subject), record)
            if alarm is None:
                self.alarms.pop(record.subject, None)
            else:
                self.alarms[record.subject] = alarm
        self.incidents.tell(record)

    def _holds(self, record: Record) -> bool:
        return record.request is not None and self.book.has(record.request)

    def _reconcile(self) -> None:
        """Where rule memory and book differ, the book's word wins; rules the site no longer has are withdrawn."""
        pending = {(m.owner, m.rule): m.raised for m in self._moves}
        known = {(w.owner, w.rule) for w in self.evaluator.instances()}
        told = {(a.owner, a.rule): a for a in self.alarms.values()}
        for key, alarm in told.items():
            if key not in known:
                if alarm.active:
                    self._news.append(life.withdraw(alarm, self.clock.now()))
            elif key not in pending and alarm.active != (key in self.evaluator.active()):
                self.evaluator.force(*key, active=alarm.active, since_ms=alarm.raised_ms)
        for key in self.evaluator.active() - set(told) - set(pending):
            self.evaluator.force(*key, active=False, since_ms=self.clock.now())

    # -- committing ---------------------------------------------------------------------------------------

    async def _commit(self, scans: list[Scan], new: list[Record], memory: bytes | None) -> list[Written]:
        """Spool first, then the book; the book is tried until it takes the records."""
        loop = asyncio.get_running_loop()
        closed = self._closed() if new else ()
        pause = 100
        began = loop.time()
        while True:
            try:
                written = await loop.run_in_executor(self._writer, self._write, scans, new, closed, memory)
                break
            except StoreFencedError as error:
                log.error("another instance has taken over", why=str(error))
                self.fenced.set()
                raise
            except (StoreError, OSError) as error:
                self.counts.book_failures += 1
                self.stuck = True
                log.error("the log book does not take records; nothing is acted on until it does", why=str(error))
                scans = []
                await self.clock.until(self.clock.now() + pause)
                pause = min(5_000, pause * 2)
        self.stuck = False
        self.counts.commit_ms.append((loop.time() - began) * 1000)
        self.counts.commits += 1
        self.counts.records += len(written)
        self.counts.transitions += sum(w.record.subject.startswith("alarm:") for w in written)
        if memory is not None:
            self._checkpoint_at = self.clock.now() + CHECKPOINT_MS
        return written

    def _write(
        self, scans: list[Scan], new: list[Record], closed: Sequence[str], memory: bytes | None
    ) -> list[Written]:
        """Run in the writer thread."""
        spooled = True
        if scans:
            try:
                self._row = self.spool.commit(scans)
            except StoreError as error:
                # Telemetry waits in memory; alarms and pages do not wait for it.
                spooled = False
                self.counts.spool_failures += 1
                self._kept_back = scans
                log.error("the spool does not take scans; they are kept in memory", why=str(error), scans=len(scans))
        written = self.book.append(new, closed) if new else []
        if memory is not None and spooled:
            try:
                self.spool.checkpoint(self._row, memory)
            except StoreError as error:
                self.counts.spool_failures += 1
                log.error("no checkpoint could be written", why=str(error))
        return written

    def _closed(self) -> list[str]:
        """Subjects whose story is over: closed incidents, and alarms that no open incident needs any more."""
        closed = [book_words.incident_subject(i) for i in self.incidents.drop_closed()]
        needed = {a for i in self.incidents.open().values() for a in i.alarms}
        for subject in [s for s, a in self.alarms.items() if not life.is_open(a) and s not in needed]:
            del self.alarms[subject]
            closed.append(subject)
        return closed

    def _publish(self, written: Sequence[Written]) -> None:
        if not written:
            return
        self.standing = Standing(self.clock.now(), written[-1].seq, dict(self.alarms), dict(self.incidents.open()))
        devices = (self.site.device_of.get(p) for p in self.incidents.watched())
        self._watched = frozenset(d[0] for d in devices if d is not None)
        for listener in tuple(self._listeners):
            listener(written)

    # -- acting -------------------------------------------------------------------------------------------

    def _act(self, now: int) -> None:
        for page in self.incidents.unsent(now):
            if page.key not in self._sending and page.not_before_ms <= now:
                incident, _ = self.incidents.page(page.key)
                task = asyncio.create_task(self._send(incident, page), name=f"page:{page.key}")
                self._sending[page.key] = task
                task.add_done_callback(partial(self._sent, page.key))

    def _sent(self, key: str, _task: asyncio.Task[None]) -> None:
        self._sending.pop(key, None)
        self._wake.set()

    async def _send(self, incident: Incident, page: PageState) -> None:
        key = page.key
        subject = book_words.incident_subject(incident.id)
        attempt = page.attempts + 1
        try:
            pager = self._pagers.get(page.channel)
            where = self._address(page.person, page.channel, incident.id)
            if pager is None or where is None:
                raise PageRefusedError(f"no way to reach {page.person} by {page.channel}")  # noqa: TRY301
            said = await pager.page(
                Message(
                    key=key,
                    address=where.address,
                    person=page.person,
                    incident=incident.id,
                    title=self.site.plans[incident.plan].name.zh if incident.plan in self.site.plans else incident.plan,
                    text=page.text,
                    link=where.link,
                    priority=incident.priority,
                )
            )
        except PageRefusedError as refusal:
            self.counts.pages_refused += 1
            data: book_words.Payload = book_words.PageRefused(key, str(refusal), attempt)
            kind, request = Kind.PAGE_REFUSED, f"{key}/refused/{attempt}"
        except Exception as error:
            self.counts.pages_refused += 1
            log.error("pager failed", channel=page.channel, why=repr(error), exc_info=error)
            data = book_words.PageRefused(key, f"{type(error).__name__}: {error}", attempt)
            kind, request = Kind.PAGE_REFUSED, f"{key}/refused/{attempt}"
        else:
            self.counts.pages_sent += 1
            data = book_words.PageSent(key, said)
            kind, request = Kind.PAGE_SENT, f"{key}/sent"
        self.report(Record(self.clock.now(), kind, subject, data, request=request, about=(page.person,)))

    # -- time ---------------------------------------------------------------------------------------------

    def _batch_due(self) -> int:
        return self._batch_since + GROUP_MS if self._batch or self._kept_back else self._checkpoint_at

    def _response_due(self, now: int) -> bool:
        due = self.incidents.due(self._context(now))
        return due is not None and due <= now

    def _next_moment(self) -> int | None:
        now = self.clock.now()
        moments = [self._batch_due(), self.evaluator.due(), self.incidents.due(self._context(now))]
        moments += [p.not_before_ms for p in self.incidents.unsent(now) if p.key not in self._sending]
        return min((m for m in moments if m is not None), default=None)


def _mine(requests: object, written: Sequence[Written]) -> list[Written]:
    wanted = set(requests) if isinstance(requests, list) else set()
    return [w for w in written if w.record.request in wanted]
