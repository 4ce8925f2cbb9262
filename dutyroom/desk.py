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
PORTION = 20_000
"""Scans of one commit at most: what has waited for a disk must not hold up an alarm."""
READINGS_LIMIT = 5_000_000
"""Readings that wait in memory for a disk (about 160 MB); beyond it the oldest are let go, and counted."""
SPOOL_PAUSE_MS = (1_000, 2_000, 5_000)
"""How long a spool that refused is left alone."""
STOP_S = 2.0
"""How long the last commit may take when the disk does not take it."""


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


@dataclass(slots=True)
class Commit:
    """What one turn writes. It outlives a turn that is cut off: the records are told already, and must be written."""

    scans: list[Scan]
    records: list[Record]
    closed: list[str]
    memory: bytes | None
    answers: list[tuple["asyncio.Future[Sequence[Written] | Refused]", "Refused | list[str]"]]
    spooled: bool = False
    refused: Exception | None = None  # the spool's word, when it does not take the scans
    writing: "asyncio.Future[list[Written]] | None" = None


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
        self._kept_back: deque[Scan] = deque()  # scans the spool could not take yet
        self._readings = 0  # of the scans that are not durable
        self._refusals = 0  # of the spool, one after the other
        self._spool_at = 0  # not before
        self._commit: Commit | None = None  # begun and not finished
        self.fenced = asyncio.Event()  # another instance has taken over: this one must end
        self.stuck = False  # the book does not take records at this moment
        self._dones: list[Callable[[], None]] = []
        self._moves: list[Transition] = []
        self._news: list[Record] = []  # outcomes of acts, and what the service itself has to say
        self._decided: list[Record] = []  # told to the state, and not yet in a commit
        self._answers: list[tuple[asyncio.Future[Sequence[Written] | Refused], Refused | list[str]]] = []
        self._beat: Callable[[], None] = lambda: None
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
        self.counts.scans += 1
        self._readings += len(scan.values)
        if self._readings > READINGS_LIMIT:
            self._let_go()
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
        self._writer.submit(self._bury, source, payload, why, self.clock.now())

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

    @property
    def spool_refuses(self) -> bool:
        """Whether the spool does not take scans at this moment."""
        return self._refusals > 0

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
        """Turn for ever: wait for news or the next due moment, settle, again. Started again, it loses nothing."""
        self._beat = beat
        while True:
            beat()
            await self.turn()
            await self.clock.woken(self._wake, self._next_moment())

    async def stop(self, last_words: Sequence[Record] = ()) -> None:
        """Commit what is in hand, say the last words, and close the writer.

        Raises:
            TimeoutError: the disk does not take the last commit.
        """
        try:
            async with asyncio.timeout(STOP_S):
                await self.turn(final=True)
                while self._kept_back and not self._refusals:
                    await self.turn(final=True)
                for task in self._sending.values():
                    task.cancel()
                await asyncio.gather(*self._sending.values(), return_exceptions=True)
                # What was sent meanwhile, and the last words behind everything else.
                news, self._news = [*self._news, *last_words], []
                self._add(news)
                await self._finish(self._begin([], None))
        except TimeoutError:
            self._writer.shutdown(wait=False, cancel_futures=True)
            raise
        self._writer.shutdown(wait=True)

    async def turn(self, *, final: bool = False) -> None:
        """Take what is there, decide until nothing is new, commit once, then act."""
        if self._commit is not None:
            await self._finish(self._commit)
        now = self.clock.now()
        self._moves += self.evaluator.ripen(now)
        quiet = not (self._moves or self._news or self._asked or self._look or self._decided or final)
        if quiet and now < self._batch_due() and not self._response_due(now):
            self._act(now)
            return
        self._look = False
        self._decide(now)
        scans = self._take(now, final=final)
        due = (final or now >= self._checkpoint_at) and not self._kept_back
        await self._finish(self._begin(scans, self.evaluator.memory() if due else None))
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

    def _decide(self, now: int) -> None:
        """Turn what happened into records, one by one: an error in the middle loses nothing of it."""
        while self._moves:
            self._add([life.record_of(self._moves[0], self.site)])
            del self._moves[0]
        while self._news:
            self._add(self._news[:1])
            del self._news[0]
        if self._asked:
            self._settle(now)  # what was due comes before what is asked
        while self._asked:
            command, answer = self._asked.popleft()
            self.counts.commands += 1
            try:
                self._answers.append((answer, self._carried_out(command, now)))
            except Exception as error:  # one command that cannot be carried out must not end the desk
                log.error("a command failed", command=type(command).__name__, exc_info=error)
                if not answer.done():
                    answer.set_exception(error)
        self._settle(now)

    def _carried_out(self, command: Command, now: int) -> Refused | list[str]:
        """Return the requests under which the answer will stand in the book, or why not."""
        if self.book.has(command.request):
            return [command.request]
        if isinstance(command, AcknowledgeAlarm):
            said = life.acknowledge(self.alarms, command, now)
        else:
            said = self.incidents.ask(self._context(now), command)
        if isinstance(said, Refused):
            return said
        self._add(said)
        self._settle(now)
        return [r.request for r in said if r.request is not None]

    def _settle(self, now: int) -> None:
        while more := self.incidents.decide(self._context(now)):
            self._add(more)

    def _add(self, more: Iterable[Record]) -> None:
        for record in more:
            self._tell(record)
            self._decided.append(record)

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

    def _take(self, now: int, *, final: bool) -> list[Scan]:
        """Take the scans of this commit; a spool that refuses is left alone for a while."""
        if not self._kept_back and len(self._batch) <= PORTION:
            scans, self._batch = self._batch, []
            return scans
        self._kept_back += self._batch
        self._batch = []
        if now < self._spool_at and not final:
            return []
        return [self._kept_back.popleft() for _ in range(min(PORTION, len(self._kept_back)))]

    def _let_go(self) -> None:
        """Forget the oldest scans that wait: memory is for alarms. Their rules were evaluated when they came."""
        self._kept_back += self._batch
        self._batch = []
        while self._kept_back and self._readings > READINGS_LIMIT * 0.99:
            self._readings -= len(self._kept_back.popleft().values)
            self.counts.scans_lost += 1

    def _begin(self, scans: list[Scan], memory: bytes | None) -> Commit:
        """Bind what was decided into one commit; from here on it will be written, whatever happens to this turn."""
        closed = self._closed() if self._decided else []
        self._commit = Commit(scans, self._decided, closed, memory, self._answers)
        self._decided, self._answers = [], []
        return self._commit

    async def _finish(self, commit: Commit) -> None:
        """See a commit through, then tell everybody."""
        written = await self._written(commit)
        self._commit = None
        self.stuck = False
        dones: list[Callable[[], None]] = []
        if commit.refused is not None:
            self._refuse(commit)
        else:
            self._readings -= sum(len(scan.values) for scan in commit.scans)
            if commit.scans:
                self._refusals = self._spool_at = 0
        if not self._kept_back or self._refusals > 1:
            # While the spool refuses, messages are acknowledged all the same: a broker that is owed twenty
            # acknowledgements sends nothing more, and alarms must come in.
            dones, self._dones = self._dones, []
        self.counts.commits += 1
        self.counts.records += len(written)
        self.counts.transitions += sum(w.record.subject.startswith("alarm:") for w in written)
        if commit.memory is not None:
            self._checkpoint_at = self.clock.now() + CHECKPOINT_MS
        self._publish(written)
        for answer, said in commit.answers:
            if not answer.done():
                answer.set_result(said if isinstance(said, Refused) else _mine(said, written))
        for done in dones:
            done()

    def _refuse(self, commit: Commit) -> None:
        pause = SPOOL_PAUSE_MS[min(self._refusals, len(SPOOL_PAUSE_MS) - 1)]
        if not self._refusals:
            log.error("the spool does not take scans; they wait in memory", why=str(commit.refused))
        self._refusals += 1
        self.counts.spool_failures += 1
        self._spool_at = self.clock.now() + pause
        self._kept_back.extendleft(reversed(commit.scans))

    async def _written(self, commit: Commit) -> list[Written]:
        """Spool first, then the book; the book is tried until it takes the records."""
        loop = asyncio.get_running_loop()
        pause = 100
        began = loop.time()
        while True:
            if commit.writing is None:
                commit.writing = loop.run_in_executor(self._writer, self._write, commit)
            try:
                written = await asyncio.shield(commit.writing)
                break
            except StoreFencedError as error:
                log.error("another instance has taken over", why=str(error))
                self.fenced.set()
                raise
            except (StoreError, OSError) as error:
                commit.writing = None
                self.counts.book_failures += 1
                if not self.stuck:
                    log.error("the log book does not take records; nothing is acted on until it does", why=str(error))
                self.stuck = True
                self._beat()
                await self.clock.until(self.clock.now() + pause)
                pause = min(5_000, pause * 2)
            except Exception:
                commit.writing = None
                raise
        if self.stuck:
            log.warning("the log book takes records again", after_s=round(loop.time() - began, 1))
        self.counts.commit_ms.append((loop.time() - began) * 1000)
        return written

    def _write(self, commit: Commit) -> list[Written]:
        """Run in the writer thread; safe to repeat."""
        if commit.scans and not commit.spooled and commit.refused is None:
            try:
                self._row = self.spool.commit(commit.scans)
                commit.spooled = True
            except Exception as error:  # telemetry waits in memory; alarms and pages do not wait for it
                if not isinstance(error, StoreError | OSError):
                    log.error("scans that cannot be written", exc_info=error)
                commit.refused = error
        written = self.book.append(commit.records, commit.closed) if commit.records or commit.closed else []
        if commit.memory is not None and commit.refused is None:
            try:
                self.spool.checkpoint(self._row, commit.memory)
            except (StoreError, OSError) as error:
                log.error("no checkpoint could be written", why=str(error))
        return written

    def _bury(self, source: str, payload: bytes, why: str, at_ms: int) -> None:
        """Run in the writer thread; what the disk does not take was counted."""
        try:
            self.spool.dead_letter(source, payload, why, at_ms)
        except (StoreError, OSError) as error:
            log.error("a dead letter could not be kept", source=source, why=str(error))

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
            try:
                listener(written)
            except Exception as error:
                log.error("who was told of a commit failed", exc_info=error)

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
        if self._kept_back:
            return self._spool_at
        return self._batch_since + GROUP_MS if self._batch else self._checkpoint_at

    def _response_due(self, now: int) -> bool:
        due = self.incidents.due(self._context(now))
        return due is not None and due <= now

    def _next_moment(self) -> int | None:
        now = self.clock.now()
        moments = [self._batch_due(), self.evaluator.due(), self.incidents.due(self._context(now))]
        moments += [p.not_before_ms for p in self.incidents.unsent(now) if p.key not in self._sending]
        return min((m for m in moments if m is not None), default=None)


def _mine(requests: list[str], written: Sequence[Written]) -> list[Written]:
    wanted = set(requests)
    return [w for w in written if w.record.request in wanted]
