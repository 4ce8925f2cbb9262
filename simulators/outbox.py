"""A gateway's outbox: messages stay in a file until the receipt for them has come (docs/engineers/receipts.md).

What is here is all that a gateway maker has to write; the rest is his MQTT client.
"""

import sqlite3
from pathlib import Path
from typing import NamedTuple

WINDOW = 200
"""Messages beyond the last receipt that may be on the way: more would only pile up in the broker."""
PATIENCE_MS = 5_000
"""A receipt that has not moved for so long: everything kept is sent again, from the oldest on."""
ROUNDS = 10
"""So many times sent, and each time answered by a receipt that ends before it: a message nobody can read. It goes."""
MOST = 100_000
"""Messages kept at most; then the oldest go, and `oldest` says so."""


class Kept(NamedTuple):
    """A message that waits: its number, when it was made (UTC ms), and what it says."""

    seq: int
    at_ms: int
    body: bytes


class Outbox:
    """One file. `epoch` names it: made anew, it counts from 1 again under another name."""

    def __init__(self, path: Path | None, now_ms: int, most: int = MOST) -> None:
        """Open the file, or a new one in memory that is lost with the power."""
        self._most = most
        self._file = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
        self._file.execute("PRAGMA journal_mode = WAL").fetchone()
        self._file.execute("PRAGMA synchronous = NORMAL")  # a killed program loses nothing; a power cut, a second
        self._file.execute("CREATE TABLE IF NOT EXISTS outbox (epoch INTEGER NOT NULL, newest INTEGER NOT NULL)")
        self._file.execute(
            "CREATE TABLE IF NOT EXISTS kept (seq INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, body BLOB)"
        )
        self._file.execute(
            "INSERT INTO outbox SELECT ?, 0 WHERE NOT EXISTS (SELECT 1 FROM outbox)", (max(now_ms // 1000, 1),)
        )
        self.epoch: int
        self.newest: int
        self.epoch, self.newest = self._file.execute("SELECT epoch, newest FROM outbox").fetchone()
        self._next = self._first()  # not sent in this round
        self._shown = self.newest  # the newest that was sent before its turn
        self._round_ms = now_ms
        self._answered = False
        self._rounds = 0

    @property
    def oldest(self) -> int:
        """The oldest number kept; the next one, when none is."""
        return self._first()

    def put(self, at_ms: int, body: bytes) -> int:
        """Keep a message and return its number."""
        if self._first() > self.newest:
            self._round_ms = at_ms
        self.newest += 1
        self._file.execute("BEGIN")
        self._file.execute("INSERT INTO kept VALUES (?, ?, ?)", (self.newest, at_ms, body))
        self._file.execute("UPDATE outbox SET newest = ?", (self.newest,))
        self._file.execute("DELETE FROM kept WHERE seq <= ?", (self.newest - self._most,))
        self._file.execute("COMMIT")
        return self.newest

    def connected(self, now_ms: int) -> None:
        """Begin a round: everything kept is sent again."""
        self._next, self._round_ms, self._answered = self._first(), now_ms, False

    def due(self, now_ms: int) -> list[Kept]:
        """Return what to send now, in order: as much as the window lets, and the newest word always."""
        first = self._first()
        if now_ms - self._round_ms >= PATIENCE_MS and self._next > first:
            if self._answered:
                self._rounds += 1
            if self._rounds >= ROUNDS:
                self._file.execute("DELETE FROM kept WHERE seq = ?", (first,))
                self._rounds = 0
                first = self._first()
            self.connected(now_ms)
        self._next = max(self._next, first)
        last = min(self.newest, first + WINDOW - 1)
        found = self._between(self._next, last)
        self._next = max(self._next, last + 1)
        if self.newest > max(last, self._shown):
            found += self._between(self.newest, self.newest)
        self._shown = self.newest
        return found

    def receipt(self, epoch: int, seq: int, now_ms: int) -> None:
        """Let go of everything up to this number."""
        if epoch != self.epoch or seq > self.newest:
            return
        self._answered = True
        if seq >= self._first():
            self._file.execute("DELETE FROM kept WHERE seq <= ?", (seq,))
            self._round_ms, self._answered, self._rounds = now_ms, False, 0

    def close(self) -> None:
        """Close the file; what waits is in it."""
        self._file.close()

    def _first(self) -> int:
        found = self._file.execute("SELECT min(seq) FROM kept").fetchone()[0]
        return self.newest + 1 if found is None else int(found)

    def _between(self, first: int, last: int) -> list[Kept]:
        rows = self._file.execute(
            "SELECT seq, at_ms, body FROM kept WHERE seq BETWEEN ? AND ? ORDER BY seq", (first, last)
        )
        return [Kept(*row) for row in rows]
