"""The one loop that decides: from scans and commands to records, and only then to deeds.

Order of every turn: evaluate -> spool commit -> log-book commit -> act -> acknowledge. A crash anywhere repeats
what was not finished and doubles nothing: scans after the checkpoint are read again, transitions the book
already holds are dropped by their request id, and a page that was requested but not reported is sent again
under its old key.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import structlog

from alarms.hidden import Hidden
from alarms.lines import request_of
from collectors.mqtt.receipts import Receipts
from dutyroom import doubt
from dutyroom.asked import Asked
from dutyroom.clock import WakingClock
from dutyroom.dispatch import Address, Dispatch
from dutyroom.doubt import Early
from dutyroom.emergency import Unwritten
from dutyroom.evaluation import Evaluation
from dutyroom.exchange import Exchange, NotNowError
from dutyroom.ledger import Commit, Counts, DeskSpool, Ledger
from dutyroom.matters import Matters
from dutyroom.standing import Standing
from facility.commands import Command, Refused
from facility.ports import LogBook, Pager, Written
from facility.records import ItemQuarantined, Kind, Record
from facility.scan import Scan
from facility.site import Site
from facility.text import Text
from response.context import Context
from response.paging.bundling import Letter
from response.quarantine import PAGE, TRIES
from stores.live import Live

log = structlog.get_logger(__name__)

CHECKPOINT_MS = 10_000
CHECKPOINT_SCANS = 2_000
"""With more that wait, a checkpoint is put off until they are written, but not for twice its time."""
TIDIED = 50
"""Rules that are made ready for the next checkpoint in a turn: half a millisecond."""
STOP_S = 2.0
"""How long the last commit may take when the disk does not take it."""


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
        address: Address,
        receipts: Receipts | None = None,
        *,
        rehearsal: bool = False,
    ) -> None:
        """Take the outside world; `address(person, channel, incident)` says where a page goes.

        `receipts` holds what is known of publishers that number their messages; it is shared with the collectors.
        In a `rehearsal` every device is simulated and every page is played: all incidents are drills.
        """
        self.site, self.clock, self.book, self.live = site, clock, book, live
        self.counts = Counts()
        self.matters = Matters(site, live, self.counts, rehearsal=rehearsal)
        self.ledger = Ledger(book, spool, clock, self.counts, receipts)
        self.evaluation = Evaluation(site, self.ledger.bury, self._set_aside)
        self.dispatch = Dispatch(site, clock, pagers, address, self.report, self.counts)
        self.standing = Standing(clock.now(), 0, {}, {})
        self.replayed = 0
        self._wake = asyncio.Event()
        self._commit: Commit | None = None  # begun and not finished
        self._news: list[Record] = []  # outcomes of acts, and what the service itself has to say
        self._asked = Asked(book, self.matters, self.evaluation, self.counts)
        self._listeners: list[Callable[[Sequence[Written]], None]] = []
        self._watched: frozenset[str] = frozenset()
        self._look = False  # a watched machine spoke
        self._checkpoint_at = 0
        self._acted_ms = 0  # what was due by then was sent
        self._beat: Callable[[], None] = lambda: None
        self._unsendable: dict[str, int] = {}  # messages that cannot leave, and how often that was tried
        self._early: Early | None = None  # while there is no time
        self._exchange: Exchange | None = None  # of the site's files, at the next turn

    # -- what others hand in ------------------------------------------------------------------------------

    def scan(self, scan: Scan, done: Callable[[], None] | None = None) -> None:
        """Take a scan: evaluated at once, durable at the next commit (then `done` is called)."""
        self.counts.scans += 1
        self.live.update(scan)
        if self._early is not None:
            self.counts.scans_lost += self._early.keep(scan, done)
            return
        scan.moved = self.evaluation.step(scan)
        if self.ledger.add(scan, done) or scan.moved:
            self._wake.set()
        if scan.device in self._watched:
            self._look = True
            self._wake.set()

    def hurry(self) -> None:
        """Make durable what waits, now: a broker owes us more and waits for acknowledgements."""
        self.ledger.hurry()
        self._wake.set()

    def dead_letter(self, source: str, payload: bytes, why: str) -> None:
        """Keep and count what could not be decoded."""
        self.ledger.bury(source, payload, why)

    async def ask(self, command: Command) -> Sequence[Written] | Refused:
        """Carry out a person's command; return what was written, or why not."""
        if self._early is not None:
            return doubt.REFUSED
        answer = self._asked.ask(command)
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

    def hiding(self) -> Sequence[Hidden]:
        """Return every alarm that disturbs nobody now, and why."""
        return self.matters.board.hiding(self.clock.now())

    def preview(self, command: Command) -> Sequence[Hidden] | Refused:
        """Return what a shelf or a permit would keep out of sight if it were set now; or why it would be refused."""
        return self.matters.preview(command, self.clock.now())

    def missing(self, incident: str) -> Sequence[Text]:
        """Return what still forbids closing an open incident; empty when it may be closed."""
        return self.matters.missing(incident, self.clock.now())

    def context(self) -> Context:
        """Return the world by which this desk decides now: its site, the roster as changed, all versions of plans."""
        return self.matters.context(self.clock.now())

    def unwritten(self) -> Unwritten:
        """Return what was decided or seen and is not in the book: for whoever must know it all the same."""
        records = (*(self._commit.records if self._commit else ()), *self.matters.decided)
        return Unwritten(records, tuple(self.evaluation.moves), self.standing.seq)

    # -- the life of the desk -----------------------------------------------------------------------------

    def restore(self, open_records: Iterable[Written], newest_incident: str = "", newest_ms: int = 0) -> None:
        """Rebuild the state: open subjects, then the scans after the checkpoint; to be called before `run`.

        `newest_incident` is the subject of the newest incident in the book: no number is given out twice; `newest_ms`
        is the moment of the book's newest record.
        """
        last = 0
        for written in open_records:
            try:
                self.matters.tell(written.record)
            except Exception as error:  # noqa: BLE001 - one record that cannot be believed keeps no service from starting
                self._set_aside("record", str(written.seq), error)
            last = written.seq
        memory, scans = self.ledger.spool.restore()
        if memory is not None:
            try:
                self.evaluation.evaluator.remember(memory)
            except ValueError as error:
                log.error("the rule memory cannot be read; delays that ran begin anew", why=str(error))
        seen_ms = newest_ms
        for scan in scans:
            self.replayed += 1
            seen_ms = max(seen_ms, scan.received_ms)
            if scan.afterwards:  # the mark of a gap: nobody spoke, and nobody judged it when it was written
                continue
            self.live.update(scan)
            self.evaluation.step(scan)
        self.matters.incidents.restored(newest_incident, seen_ms)
        moves = self.evaluation.moves = [m for m in self.evaluation.moves if not self.book.has(request_of(m))]
        self._news += self.matters.board.reconcile(self.evaluation.evaluator, moves, self.clock.now())
        self._stand(last)

    def adopt(self, exchange: Exchange) -> None:
        """Let other files hold from the next turn on; what comes of it the exchange is told."""
        self._exchange = exchange
        self._wake.set()

    def hold(self) -> None:
        """Let scans wait, judge and record nothing: there is no time that could be written beside it."""
        self._early = Early()

    def release(self, by_ms: int) -> None:
        """Go on, now that there is a time: what waited happened `by_ms` later than was said."""
        early, self._early = self._early, None
        self._news = [replace(record, at_ms=record.at_ms + by_ms) for record in self._news]
        for scan, done in early.moved(by_ms) if early else ():
            self.scan(scan, done)
            self.counts.scans -= 1  # it was counted when it came
        self._wake.set()

    async def run(self, beat: Callable[[], None]) -> None:
        """Turn for ever: wait for news or the next due moment, settle, again. Started again, it loses nothing."""
        self._beat = beat
        while self._early is not None:
            beat()
            await self.clock.until(self.clock.now() + 200)
        while True:
            beat()
            await self._turn()
            await self.clock.woken(self._wake, self._next_moment())

    async def stop(self, last_words: Sequence[Record] = ()) -> None:
        """Commit what is in hand, say the last words, and close the writer.

        Raises:
            TimeoutError: the disk does not take the last commit.
        """
        try:
            async with asyncio.timeout(STOP_S):
                await self.turn(final=True)
                while self.ledger.backlog and not self.ledger.refused:
                    await self.turn(final=True)
                await self.dispatch.stop()
                # What was sent meanwhile, and the last words behind everything else.
                news, self._news = [*self._news, *last_words], []
                self.matters.add(news)
                await self._finish(self._begin([], None))
        except TimeoutError:
            self.ledger.close(wait=False)
            raise
        self.ledger.close()

    async def turn(self, *, final: bool = False) -> None:
        """Take what is there, decide until nothing is new, commit once, then act; all is durable at the end."""
        await self._turn(final=final)
        await self._end_bulk(wait=True)

    async def _turn(self, *, final: bool = False) -> None:
        """Take a turn; scans that nobody waits for may still be under way at its end.

        Where many scans wait, a turn with records spools those its records hang on, and leaves the others to a commit
        beside the turns. A checkpoint is taken when all scans that the memory knows go with it.
        """
        if self._commit is not None:
            await self._finish(self._commit)
        if self._exchange is not None:
            await self._adopt(self._exchange)
        ended = await self._end_bulk(wait=final)
        now = self._ripened()
        moved, bulk = self._moved(), self.ledger.bulk
        if bulk is not None and (moved is None or not self.ledger.much):
            ended = await self._end_bulk(wait=True)
            now = self._ripened()
            moved = self._moved()
        owed = now >= self._checkpoint_at and self.ledger.bulk is None
        quiet = not (self.evaluation.moves or self._news or self._asked or self._look or self.matters.decided or final)
        if quiet and not (ended and owed) and not self._due_by(now):
            self._act(now)
            return
        owed = owed and (self.ledger.waiting <= CHECKPOINT_SCANS or now >= self._checkpoint_at + CHECKPOINT_MS)
        whole = final or owed or moved is None or not self.ledger.much
        self._look = False
        self._decide(now)
        memory, behind = None, None
        if whole or moved is None:
            scans = self.ledger.take(now, final=final)
            if (final or owed) and not self.ledger.backlog:
                memory = self.evaluation.evaluator.remembered()
        else:
            scans, behind = self.ledger.take_of(moved), self.ledger.behind(moved)
        if scans or self.matters.decided or self._asked.answers or memory is not None:
            await self._finish(self._begin(scans, memory, part=not whole, behind=behind))
        if final:
            return
        now, due = self.clock.now(), self._batch_due()
        if self.ledger.much and due is not None and due <= now:
            self.ledger.begin_bulk(self._wake.set)
        self._act(now)
        self.evaluation.evaluator.tidy(TIDIED)

    async def _adopt(self, exchange: Exchange) -> None:
        """Do between two turns what a restart does: a new board, by what is open; new rules, with the old memory.

        The exchange itself is one step, in which nothing waits and so nobody else has a turn.
        """
        try:
            told = await self._done_with(exchange)
        except Exception as error:
            self._exchange = None
            exchange.release(error)
            if isinstance(error, NotNowError):
                return
            raise
        with exchange.whole():
            self.evaluation.adopt(exchange.evaluator)
            self.matters.adopt(exchange.site, exchange.board, (written.record for written in told))
            ended = exchange.board.reconcile(exchange.evaluator, self.evaluation.moves, self.clock.now())
            self.site = self.dispatch.site = exchange.site
            self._news += [*exchange.swap(), *ended]
            for scan in exchange.last_words(self.clock.now()):
                self.ledger.add(scan, None)
            self._watched = self.matters.devices_watched()
            self._checkpoint_at, self._look, self._exchange = 0, True, None

    async def _done_with(self, exchange: Exchange) -> list[Written]:
        """See to it that all that was read in the old way is judged and written; return what is open in the book.

        Raises:
            NotNowError: that is not possible now.
        """
        if exchange.withdrawn or self.ledger.stuck or self.ledger.refused:
            raise NotNowError
        exchange.hold()
        await self._end_bulk(wait=True)
        now = self._ripened()
        self._decide(now)
        await self._finish(self._begin(self.ledger.take(now, final=True), None))
        told = await asyncio.to_thread(lambda: list(self.book.open_records()))
        if exchange.withdrawn or self.ledger.backlog:
            raise NotNowError
        return told

    def _ripened(self) -> int:
        now = self.clock.now()
        self.evaluation.ripen(now)
        return now

    def _moved(self) -> frozenset[str] | None:
        """Return the devices on whose scans the records of this turn hang; None: it may be on several together."""
        alone = self.evaluation.evaluator.alone(self.evaluation.moves)
        return alone | self._watched if self._look and alone is not None else alone

    async def _end_bulk(self, *, wait: bool) -> bool:
        """See through what was begun beside the turns, if it is done or shall be waited for; say whether it was."""
        dones = await self.ledger.end_bulk(wait=wait)
        for done in dones or ():
            done()
        return dones is not None

    def _set_aside(self, what: str, which: str, error: Exception, tries: int = 1) -> None:
        log.error("set aside: it cannot be worked on", what=what, which=which, exc_info=error)
        data = ItemQuarantined(what, which, f"{type(error).__name__}: {error}"[:500], tries)
        self.report(Record(self.clock.now(), Kind.ITEM_QUARANTINED, f"site:{self.site.id}", data, about=(which,)))

    # -- deciding -----------------------------------------------------------------------------------------

    def _decide(self, now: int) -> None:
        """Turn what happened into records, one by one: an error in the middle loses nothing of it."""
        moves = self.evaluation.moves
        while moves:
            self.matters.take(moves[0])
            del moves[0]
        while self._news:
            self.matters.add(self._news[:1])
            self.dispatch.told(self._news[:1])
            del self._news[0]
        if self._asked:
            self.matters.settle(now)  # what was due comes before what is asked
            if self._asked.carry_out(now):
                self._checkpoint_at = 0  # what the rules know of it goes into the book's own commit
        self.matters.settle(now)

    # -- committing and acting -----------------------------------------------------------------------------

    def _begin(
        self,
        scans: list[Scan],
        memory: Callable[[], bytes] | None,
        *,
        part: bool = False,
        behind: Commit | None = None,
    ) -> Commit:
        """Bind what was decided into one commit; from here on it will be written, whatever happens to this turn."""
        decided = self.matters.decided
        closed = self.matters.closed(self.clock.now()) if decided else []
        self._commit = Commit(scans, decided, closed, memory, self._asked.taken(), part, behind)
        self.matters.decided = []
        return self._commit

    async def _finish(self, commit: Commit) -> None:
        """See a commit through, then tell everybody."""
        written = await self.ledger.write(commit, self._beat)
        self._commit = None
        if commit.memory is not None:
            self._checkpoint_at = self.clock.now() + CHECKPOINT_MS
        self._publish(written)
        for answer, said in commit.answers:
            if not answer.done():
                answer.set_result(said if isinstance(said, Refused) else _mine(said, written))
        for done in self.ledger.durable():
            done()

    def _publish(self, written: Sequence[Written]) -> None:
        if not written:
            return
        self._stand(written[-1].seq)
        for listener in tuple(self._listeners):
            try:
                listener(written)
            except Exception as error:
                log.error("who was told of a commit failed", exc_info=error)

    def _stand(self, seq: int) -> None:
        """Let screens believe what is committed."""
        self.standing = self.matters.standing(seq, self.clock.now())
        self._watched = self.matters.devices_watched()

    def _act(self, now: int) -> None:
        self._acted_ms = now
        incidents, tryouts = self.matters.incidents, self.matters.tryouts
        for letter in incidents.letters(now, self.matters.held.incidents()):
            if self.dispatch.idle(letter):
                try:
                    incident, _ = incidents.page(letter.pages[0].key)
                    self.dispatch.send(incident, letter)
                except Exception as error:  # noqa: BLE001 - it keeps no other here, and is tried at every turn
                    self._cannot_leave(letter, error)
        for test in tryouts.unsent():
            if test.not_before_ms <= now and self.dispatch.free(test.key):
                self.dispatch.try_out(test)

    def _cannot_leave(self, letter: Letter, error: Exception) -> None:
        log.error("a message cannot leave", key=letter.key, exc_info=error)
        tries = self._unsendable[letter.key] = self._unsendable.get(letter.key, 0) + 1
        if tries == TRIES:
            self._set_aside(PAGE, letter.pages[0].incident, error, tries)

    # -- time ---------------------------------------------------------------------------------------------

    def _batch_due(self) -> int | None:
        if self.ledger.bulk is not None:
            return None  # its end wakes us
        due = self.ledger.due()
        return self._checkpoint_at if due is None else due

    def _due_by(self, now: int) -> bool:
        batch = self._batch_due()
        if batch is not None and batch <= now:
            return True
        due = self.matters.due(now)
        return due is not None and due <= now

    def _next_moment(self) -> int | None:
        now = self.clock.now()
        moments = [self._batch_due(), self.evaluation.evaluator.due(), self.matters.due(now)]
        moments += [t.not_before_ms for t in self.matters.tryouts.unsent() if self.dispatch.free(t.key)]
        moments.append(self.matters.incidents.next_letter(self._acted_ms))
        return min((m for m in moments if m is not None), default=None)


def _mine(requests: list[str], written: Sequence[Written]) -> list[Written]:
    wanted = set(requests)
    return [w for w in written if w.record.request in wanted]
