"""Carries the spool to an InfluxDB server: in order, at least once, one bounded turn at a time, never giving up.

A "yes" is not always durable: VictoriaMetrics forgets in a kill what it took some seconds before. So the rule is: the
spool's cursor passes a row only when the very run of the server that acknowledged it is seen alive `SETTLE_MS` after
the acknowledgement. Which run answers, its `/metrics` say (the moment the process started); it is asked before the
first post, after every trouble and every `LOOK_MS`, so that a server that was killed and is back between two posts is
noticed too. A row acknowledged after one look and before a later look with the same answer was acknowledged by that
run; when the answer is another, everything beyond the cursor is sent again. That is: a server forgets nothing that we
could not send again, unless it forgets what it took `SETTLE_MS` before it died.

A server that does not say since when it runs can be held to less: after trouble everything beyond the cursor is sent
again, and a row is passed `SETTLE_MS` after its first acknowledgement, if it was acknowledged after the last trouble.
InfluxDB, which writes before it answers, loses nothing by that. A repeat overwrites what the server has.
"""

import random
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from stores.telemetry import lineprotocol
from stores.telemetry.influxserver import InfluxAwayError, InfluxRefusedError, Life
from stores.telemetry.lineprotocol import Lines
from stores.telemetry.spool import Spool

CURSOR = "influx"
SETTLE_MS = 60_000
"""How long the server may forget what it acknowledged (VictoriaMetrics: 7 s seen, reference/faults.md, fact 7)."""
LOOK_MS = 15_000
"""How often the server is asked whether it still is the same."""
TURN_READINGS = 50_000
POST_BYTES = 1 << 20
_FIRST_WIDTH = 100  # readings of a scan, until we have seen some
_TURN_POSTS = 100
_FIRST_WAIT_MS = 1_000
_LONGEST_WAIT_MS = 60_000
_LONGEST_ASKED_MS = 600_000
_YOUNG_MS = 1_000
_ENDED = 16

Post = Callable[[bytes], None]


class Poster:
    """Posts lines, and finds the ones that the server will never take."""

    def __init__(self, post: Post, probe: bytes) -> None:
        """Post by `post`; `probe` is a line that every server in order takes."""
        self._post, self._probe = post, probe
        self._pieces: deque[Sequence[bytes]] = deque()
        self._taken = False

    @property
    def left(self) -> bool:
        """Whether something is still to be posted."""
        return bool(self._pieces)

    def load(self, pieces: Sequence[Sequence[bytes]]) -> None:
        """Take on posts to be made."""
        self._pieces = deque(pieces)
        self._taken = False

    def work(self, most: int, bury: Callable[[bytes, str], None]) -> None:
        """Make up to `most` posts; `bury` gets what is refused alone.

        Raises:
            InfluxAwayError: nothing is taken at the moment; what is left is kept.
        """
        while self._pieces and most > 0:
            most -= 1
            piece = self._pieces[0]
            try:
                self._post(b"\n".join(piece))
                self._taken = True
            except InfluxRefusedError as refused:
                if (two := lineprotocol.halves(piece)) is None:
                    self._ask_whether_it_takes_anything(str(refused))
                    bury(piece[0], str(refused))
                else:
                    self._pieces.popleft()
                    self._pieces.extendleft(reversed(two))
                    continue
            self._pieces.popleft()

    def _ask_whether_it_takes_anything(self, why: str) -> None:
        """A reading is given up only for its own fault: not when the server refuses whatever it is sent."""
        if self._taken:
            return
        try:
            self._post(self._probe)
        except InfluxRefusedError:
            raise InfluxAwayError(f"it refuses everything: {why}", restarted=False) from None
        self._taken = True


@dataclass(frozen=True, slots=True)
class _Portion:
    """What one turn posts: all rows after one and up to another."""

    after: int
    reach: int
    scans: int
    posts: Sequence[Sequence[bytes]]


class Forwarder:
    """Forwards one spool to one server; `forward` is called in a thread, turn after turn."""

    def __init__(
        self, post: Post, life: Callable[[], Life], lines: Lines, chance: Callable[[], float] = random.random
    ) -> None:
        """Post by `post`, ask by `life` who answers; `chance` spreads the retries of many sites (0 to 1)."""
        self._life, self._lines, self._chance = life, lines, chance
        self.probe = f"dutyroom,site={lineprotocol.tag(lines.site)} up=1i".encode()
        self._poster = Poster(post, self.probe)
        self._one = threading.Lock()
        self._sent: int | None = None
        self._reach = 0  # the row that the pieces of this turn end at
        self._scans = 0
        self._width = _FIRST_WIDTH
        self._aside = ThreadPoolExecutor(1, "influx-lines")
        self._next: Future[_Portion] | None = None
        self._acknowledged: deque[tuple[int, int]] = deque()  # not later than when, up to which row
        self._unstamped = False  # the last turn's acknowledgement is not among them yet
        self._mark = ""  # of the run that acknowledged these; empty: it does not say
        self._ended: deque[str] = deque(maxlen=_ENDED)
        self._looked_ms: int | None = None
        self._suspect = False  # it may have been started anew since we looked
        self._failures = 0
        self._not_before = 0
        self.trouble = ""
        self.posted = 0

    def sent(self, spool: Spool) -> int:
        """Return the last row that the server has acknowledged, as far as we know."""
        return spool.cursor(CURSOR) if self._sent is None else self._sent

    @property
    def sure(self) -> bool:
        """Whether the server was seen to be the same since it acknowledged all that `sent` says."""
        if self._unstamped or not self._acknowledged:
            return not self._unstamped
        return not self._suspect and self._looked_ms is not None and self._acknowledged[-1][0] < self._looked_ms

    @property
    def failures(self) -> int:
        """How many turns in a row have failed."""
        return self._failures

    def forward(self, spool: Spool, now_ms: int) -> int:
        """Post one bounded portion and return how many scans it had; 0 when there is nothing to do, or not now.

        Never raises for what the server does: `trouble` says it, the rows wait in the spool, and the next turn after
        the back-off tries again. A second call while one is under way returns 0.

        Raises:
            StoreError: the spool itself needs a person.
        """
        if now_ms < self._not_before or not self._one.acquire(blocking=False):
            return 0
        try:
            return self._turn(spool, now_ms)
        except InfluxAwayError as away:
            self._back_off(away, now_ms)
            return 0
        finally:
            self._one.release()

    def _turn(self, spool: Spool, now_ms: int) -> int:
        if self._unstamped:
            self._stamp(spool, now_ms)
        if not self._poster.left and self.sent(spool) >= spool.last_row and not self._acknowledged:
            return 0
        looked = self._looked_ms
        due = looked is None or now_ms - looked >= LOOK_MS
        if (self._sent is None or self._suspect or due) and not self._look(spool, now_ms):
            return 0
        if not self._poster.left:
            self._load(spool)
        if not self._poster.left and self._reach <= self.sent(spool):
            return 0
        self._poster.work(_TURN_POSTS, lambda line, why: spool.dead_letter(CURSOR, line, why, now_ms, once=True))
        self._failures, self.trouble = 0, ""
        if self._poster.left:
            return 1
        self._sent, self._unstamped = self._reach, True
        self.posted += self._scans
        return max(1, self._scans)

    def _stamp(self, spool: Spool, now_ms: int) -> None:
        """Note when the last turn was over at the latest: its posts may have taken long."""
        sent = self.sent(spool)
        if not self._acknowledged or self._acknowledged[-1][1] < sent:
            self._acknowledged.append((now_ms, sent))
        self._unstamped = False
        if not self._mark:
            self._settle(spool, now_ms)

    def _look(self, spool: Spool, now_ms: int) -> bool:
        """Ask which run answers, go back where it must, pass what is settled; return whether to post to it now."""
        life = self._life()
        if life.young:
            self._not_before = now_ms + _YOUNG_MS
            return False
        # What ended does not come back: a mark that does is one of several servers behind one address.
        mark = "" if life.mark in self._ended else life.mark
        if self._sent is None or mark != self._mark:
            if self._mark:
                self._ended.append(self._mark)
            self._acknowledged.clear()
            self._go_back(spool)
        elif self._suspect and not mark:
            self._go_back(spool)
        self._mark, self._looked_ms, self._suspect = mark, now_ms, False
        self._failures, self.trouble = 0, ""
        self._settle(spool, now_ms)
        return True

    def _go_back(self, spool: Spool) -> None:
        # The pieces left go with it: they are in the rows that are read again.
        self._sent = self._reach = spool.cursor(CURSOR)
        self._poster.load(())

    def _settle(self, spool: Spool, now_ms: int) -> None:
        """Let the spool forget what the server, which has just answered, has had long enough."""
        row = 0
        while self._acknowledged:
            at_ms, reach = self._acknowledged[0]
            if now_ms - at_ms < SETTLE_MS or reach > self.sent(spool):
                break
            row = reach
            self._acknowledged.popleft()
        if row:
            spool.advance(CURSOR, row)

    def _load(self, spool: Spool) -> None:
        """Take on the next portion; while the server is busy with it, the one after it is made ready."""
        after, ready, self._next = self.sent(spool), self._next, None
        portion = ready.result() if ready else None
        if portion is None or portion.after != after:
            portion = self._portion(spool, after)
        if portion.reach < spool.last_row:
            self._next = self._aside.submit(self._portion, spool, portion.reach)
        self._reach, self._scans = portion.reach, portion.scans
        self._poster.load(portion.posts)

    def _portion(self, spool: Spool, after: int) -> _Portion:
        # As many scans as their usual width allows; to count what waits would take longer with every day of an outage.
        lines: list[bytes] = []
        reach, scans, readings = after, 0, 0
        for row, batch in spool.batches(after, max(1, TURN_READINGS // self._width)):
            lines += self._lines.lines(batch, spool.layout_of)
            reach, scans = row, scans + len(batch)
            readings += batch.readings
        if scans:
            self._width = max(1, readings // scans)
        return _Portion(after, reach, scans, lineprotocol.posts(lines, POST_BYTES))

    def _back_off(self, away: InfluxAwayError, now_ms: int) -> None:
        self.trouble = str(away)
        self._suspect = self._suspect or away.restarted
        # From half to the whole of 1, 2, 4 ... 60 s.
        wait = min(_LONGEST_WAIT_MS, _FIRST_WAIT_MS << min(self._failures, 10)) * (0.5 + 0.5 * self._chance())
        self._failures += 1
        self._not_before = now_ms + max(int(wait), min(_LONGEST_ASKED_MS, away.wait_ms(now_ms)))
