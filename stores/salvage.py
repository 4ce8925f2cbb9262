"""What can still be read in a damaged log book, in order, and how far each record can be believed.

A record that matches its hash is whole. One that does not is kept when the next one was chained to the hash it
carries: its place and its hash are then certain, only its words are not. It becomes a *scar*: the book admits it
for ever, and every check names it. What cannot be read leaves a scar too. Later records are never given up for the
sake of an earlier one: open alarms and pages stand at the end.
"""

import re
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from stores.chain import COLUMNS, Row, holds

_CHUNK = 500
_BROKEN = re.compile("[\ud800-\udfff]")  # what was no UTF-8
_FARTHEST = 1 << 40
_FROM = f"SELECT {COLUMNS} FROM record WHERE seq >= ? ORDER BY seq LIMIT ?"  # noqa: S608 - constants of ours


@dataclass
class Found:
    """How the reading of a damaged file went."""

    doubtful: list[int] = field(default_factory=list)  # kept, but not as written
    lost: list[int] = field(default_factory=list)  # gone, though later ones were kept
    dropped: int = 0  # at the end, and nobody vouches for them
    to_the_end: bool = True  # False: there may have been more


def readable(connection: sqlite3.Connection, after: int, found: Found) -> Iterator[Row]:
    """Yield every row after a number that SQLite can still read, stepping over the pages it cannot."""
    # Bytes that are no UTF-8 come as they are; such a row fails its hash instead of stopping the reading.
    connection.text_factory = lambda stored: stored.decode("utf-8", "surrogateescape")
    at = after + 1
    size = _CHUNK
    while True:
        try:
            rows = connection.execute(_FROM, (at, size)).fetchall()
        except sqlite3.Error:
            if size > 1:
                size = 1
                continue
            onward = _next_readable(connection, at)
            if onward is None:
                found.to_the_end = False
                return
            at, size = onward, _CHUNK
            continue
        yield from map(Row._make, rows)
        if len(rows) < size:
            return
        at = rows[-1][0] + 1


def believe(rows: Iterable[Row], previous: bytes, expected: int, found: Found) -> Iterator[Row]:
    """Yield the rows of a damaged file that are to be kept; the first should follow the hash `previous`."""
    waiting: Row | None = None  # does not match; the next row may vouch for its hash
    for row in rows:
        if not _sound(row) or row.seq < expected:
            continue
        if waiting is not None and row.seq == waiting.seq + 1 and holds(waiting.hash, row):
            found.lost += range(expected, waiting.seq)
            found.doubtful.append(waiting.seq)
            yield waiting
            previous, expected = waiting.hash, row.seq
        waiting = None
        if row.seq == expected and holds(previous, row):
            yield row
            previous, expected = row.hash, row.seq + 1
        else:
            waiting = row
    if waiting is not None:
        found.dropped = waiting.seq + 1 - expected


def _next_readable(connection: sqlite3.Connection, at: int) -> int | None:
    step = 1
    while step < _FARTHEST:
        if (seq := _first_from(connection, at + step)) is not None:
            break
        step *= 2
    else:
        return None
    low, high = at + step // 2, seq  # low cannot be read, high can
    while high - low > 1:
        middle = (low + high) // 2
        if (seq := _first_from(connection, middle)) is not None:
            high = seq if seq < high else middle
        else:
            low = middle
    return high


def _first_from(connection: sqlite3.Connection, at: int) -> int | None:
    try:
        row = connection.execute(_FROM, (at, 1)).fetchone()
    except sqlite3.Error:
        return None
    return row[0] if row else None


_TYPES = (int, str, int, int, str, str, str, str | None, str, str, bytes)


def _sound(row: Row) -> bool:
    values: tuple[object, ...] = row
    return all(isinstance(value, type_) for value, type_ in zip(values, _TYPES, strict=True)) and not any(
        isinstance(value, str) and _BROKEN.search(value) for value in values
    )
