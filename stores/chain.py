"""The chain that makes the book tamper-evident: every record's hash covers its stored bytes and the hash before it.

hash = SHA-256(previous hash || fields), each field as a netstring ("<length in bytes>:<bytes>,"), an absent
request as "-,", in the order site, seq, epoch, at_ms, kind, subject, actor, request, about, data; numbers in
decimal, text in UTF-8. Before the first record stand 32 zero bytes. Anybody can check it with ten lines of any
language; a cut tail shows only against a head that left the house in time (every heartbeat carries it).
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

from facility.text import Text

BEGINNING = bytes(32)

_CHUNK = 500
"""Rows read at once: about 2 ms, so that a check of a year never holds the interpreter or the WAL for long."""


class Row(NamedTuple):
    """A record as it is stored; `about` is one id per line."""

    seq: int
    site: str
    epoch: int
    at_ms: int
    kind: str
    subject: str
    actor: str
    request: str | None
    about: str
    data: str
    hash: bytes


COLUMNS = ", ".join(Row._fields)


def refs_of(row: Row) -> list[str]:
    """Return the ids that a stored record is filed under."""
    return row.about.split("\n") if row.about else []


def link(
    previous: bytes,
    seq: int,
    site: str,
    epoch: int,
    at_ms: int,
    kind: str,
    subject: str,
    actor: str,
    request: str | None,
    about: str,
    data: str,
) -> bytes:
    """Return the hash of a record whose predecessor has the hash `previous`."""
    parts = [previous]
    for field in (site, str(seq), str(epoch), str(at_ms), kind, subject, actor, request, about, data):
        if field is None:
            parts.append(b"-,")
        else:
            stored = field.encode()
            parts.append(b"%d:%b," % (len(stored), stored))
    return sha256(b"".join(parts)).digest()


def holds(previous: bytes, row: Row) -> bool:
    """Say whether a stored row is what was written after the record with the hash `previous`."""
    try:
        return link(previous, *row[:-1]) == row.hash
    except (AttributeError, TypeError, UnicodeError):  # damage can turn a text into a number or bytes
        return False


_WHY = {
    "changed": ("与写入时不一致", "is not what was written"),
    "missing": ("缺失", "is missing"),
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check of the chain found.

    `broken` is the first record that is not what was written (or that is missing), `why` says how. `scars` are
    records whose damage the book already admits (see `stores.salvage`); they do not count as broken.
    """

    checked: int
    broken: int | None = None
    why: str = ""
    head: int = 0
    scars: tuple[int, ...] = ()

    @property
    def text(self) -> Text:
        """What was found, in words."""
        if self.broken is not None:
            zh, en = _WHY[self.why]
            return Text(
                f"第 {self.broken} 条记录{zh}；此前的 {self.checked} 条完好。"
                "请保留文件，并与备份和心跳中的哈希值核对。",
                f"Record {self.broken} {en}; the {self.checked} before it are as written."
                " Keep the file, and compare it with backups and with the hashes in past heartbeats.",
            )
        doubtful = (f"，其中 {len(self.scars)} 条已知受损", f", {len(self.scars)} of them known to be damaged")
        zh, en = doubtful if self.scars else ("", "")
        return Text(
            f"已核对 {self.checked} 条记录{zh}：链完整，末条为第 {self.head} 条。",
            f"{self.checked} records checked{en}: the chain is whole, its head is record {self.head}.",
        )

    @property
    def ok(self) -> bool:
        """Whether everything that was checked is what was written."""
        return self.broken is None


def check(rows: Iterable[Row], previous: bytes, first: int, scars: frozenset[int] = frozenset()) -> Verdict:
    """Check rows in order; the first one must have the number `first` and follow the hash `previous`."""
    expected = first
    met: list[int] = []
    for row in rows:
        gap = range(expected, row.seq)
        if not scars.issuperset(gap):
            lost = next(seq for seq in gap if seq not in scars)
            return Verdict(lost - first, lost, "missing", expected - 1, tuple(met))
        met += gap
        if gap or not holds(previous, row):
            if row.seq not in scars:
                return Verdict(row.seq - first, row.seq, "changed", row.seq - 1, tuple(met))
            met.append(row.seq)
        previous = row.hash
        expected = row.seq + 1
    return Verdict(expected - first, head=expected - 1, scars=tuple(met))


def rows_from(
    connection: sqlite3.Connection, from_seq: int, *, pause: Callable[[], None] | None = None
) -> Iterator[Row]:
    """Yield stored rows from a number on, in short reads; a `pause` between them leaves the machine to others.

    Raises:
        sqlite3.Error: when a page cannot be read.
    """
    reached = from_seq - 1
    while True:
        # COLUMNS is a constant of ours.
        query = f"SELECT {COLUMNS} FROM record WHERE seq > ? ORDER BY seq LIMIT {_CHUNK}"  # noqa: S608
        chunk = connection.execute(query, (reached,)).fetchall()
        if not chunk:
            return
        yield from map(Row._make, chunk)
        reached = chunk[-1][0]
        if pause is not None:
            pause()


def check_file(
    connection: sqlite3.Connection, from_seq: int = 1, *, pause: Callable[[], None] | None = None
) -> Verdict:
    """Check the chain from a number to the end, in short reads."""
    first = max(1, from_seq)
    previous = BEGINNING
    if first > 1:
        before = connection.execute("SELECT hash FROM record WHERE seq = ?", (first - 1,)).fetchone()
        if before is None:
            return Verdict(0, first - 1, "missing", 0)
        previous = before[0]
    scars = frozenset(seq for (seq,) in connection.execute("SELECT seq FROM scar"))
    return check(rows_from(connection, first, pause=pause), previous, first, scars)
