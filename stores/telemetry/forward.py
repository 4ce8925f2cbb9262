"""Carries the spool to an InfluxDB server: in order, at least once, one bounded turn at a time, never giving up.

The spool's cursor stays a minute behind what the server acknowledged, since a "yes" is not always durable; after
trouble that may have been a restart, and after a restart of our own, that minute is sent again. InfluxDB overwrites
what it has, so a repeat changes nothing there.
"""

import random
import threading
from collections import deque
from collections.abc import Callable, Sequence

from stores.telemetry import lineprotocol
from stores.telemetry.influxserver import InfluxAwayError, InfluxRefusedError
from stores.telemetry.lineprotocol import Lines
from stores.telemetry.spool import Spool

CURSOR = "influx"
SETTLE_MS = 60_000
"""How long the server may forget what it acknowledged (VictoriaMetrics: 7 s seen, reference/faults.md, fact 7)."""
TURN_READINGS = 50_000
POST_BYTES = 1 << 20
_FIRST_WIDTH = 100  # readings of a scan, until we have seen some
_TURN_POSTS = 100
_DOUBTS = 5
_FIRST_WAIT_MS = 1_000
_LONGEST_WAIT_MS = 60_000
_LONGEST_ASKED_MS = 600_000

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


class Forwarder:
    """Forwards one spool to one server; `forward` is called in a thread, turn after turn."""

    def __init__(self, post: Post, lines: Lines, chance: Callable[[], float] = random.random) -> None:
        """Post by `post`; `chance` spreads the retries of many sites (0 to 1)."""
        self._lines, self._chance = lines, chance
        self.probe = f"dutyroom,site={lineprotocol.tag(lines.site)} up=1i".encode()
        self._poster = Poster(post, self.probe)
        self._one = threading.Lock()
        self._sent: int | None = None
        self._reach = 0  # the row that the pieces of this turn end at
        self._scans = 0
        self._width = _FIRST_WIDTH
        self._acknowledged: deque[tuple[int, int]] = deque()  # when, up to which row
        self._before = 0  # rows up to here were acknowledged before the trouble too
        self._doubts = 0  # since a minute has passed without trouble
        self._doubt = False
        self._failures = 0
        self._not_before = 0
        self.trouble = ""
        self.posted = 0

    def sent(self, spool: Spool) -> int:
        """Return the last row that the server has acknowledged, as far as we know."""
        return spool.cursor(CURSOR) if self._sent is None else self._sent

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
        if self._sent is None or self._doubt:
            # The pieces left go with it: they are in the rows that are read again.
            self._before = max(self._before, self._sent or 0)
            self._doubts += 1
            self._sent, self._doubt = spool.cursor(CURSOR), False
            self._acknowledged.clear()
            self._poster.load(())
        if not self._poster.left:
            self._load(spool)
        if not self._poster.left and self._reach <= self._sent:
            self._settle(spool, now_ms)
            return 0
        self._poster.work(_TURN_POSTS, lambda line, why: spool.dead_letter(CURSOR, line, why, now_ms))
        self._failures, self.trouble = 0, ""
        if self._poster.left:
            return 1
        self._sent = self._reach
        self._acknowledged.append((now_ms, self._reach))
        self.posted += self._scans
        self._settle(spool, now_ms)
        return max(1, self._scans)

    def _load(self, spool: Spool) -> None:
        assert self._sent is not None  # the turn has begun
        self._reach, self._scans = self._sent, 0
        # As many scans as their usual width allows; to count what waits would take longer with every day of an outage.
        lines: list[bytes] = []
        readings = 0
        for row, batch in spool.batches(self._sent, max(1, TURN_READINGS // self._width)):
            lines += self._lines.lines(batch, spool.layout_of)
            self._reach, self._scans = row, self._scans + len(batch)
            readings += sum(group.values.size for group in batch.groups)
        if self._scans:
            self._width = max(1, readings // self._scans)
        self._poster.load(lineprotocol.posts(lines, POST_BYTES))

    def _settle(self, spool: Spool, now_ms: int) -> None:
        """Let the spool forget what the server has had for a minute.

        Where trouble comes again within every minute, having acknowledged a row before and after must do, or we would
        send the same minute for ever.
        """
        row = 0
        known = self._before if self._doubts > _DOUBTS else 0
        while self._acknowledged:
            at_ms, reach = self._acknowledged[0]
            if now_ms - at_ms >= SETTLE_MS:
                self._doubts = 0
            elif reach > known:
                row = max(row, known)
                break
            row = reach
            self._acknowledged.popleft()
        if row:
            spool.advance(CURSOR, row)

    def _back_off(self, away: InfluxAwayError, now_ms: int) -> None:
        self.trouble = str(away)
        self._doubt = self._doubt or away.restarted
        # From half to the whole of 1, 2, 4 ... 60 s.
        wait = min(_LONGEST_WAIT_MS, _FIRST_WAIT_MS << min(self._failures, 10)) * (0.5 + 0.5 * self._chance())
        self._failures += 1
        self._not_before = now_ms + max(int(wait), min(_LONGEST_ASKED_MS, away.wait_ms(now_ms)))

    @property
    def failures(self) -> int:
        """How many turns in a row have failed."""
        return self._failures
