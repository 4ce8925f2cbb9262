"""What the spool gives up when it has no more room: its oldest rows, and never without a word.

The caller holds the file's lock where something is written.
"""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from facility.ports import Settled
from facility.scan import Gap, Reason
from stores.telemetry import gaps


@dataclass(frozen=True, slots=True)
class Missed:
    """What a reader of the spool will never get: committed from one moment to another."""

    scans: int
    readings: int
    from_ms: int
    to_ms: int


def last_of(connection: sqlite3.Connection, bytes: int) -> int:
    """Return the row up to which the oldest take so many bytes; those that the rule memory does not cover stay.

    Small rows share a page, and then it is less than that: better to give up too little than too much.
    """
    last = 0
    page = connection.execute("PRAGMA page_size").fetchone()[0]
    rows = connection.execute(
        "SELECT id, length(blob) FROM row WHERE id <= ifnull((SELECT row FROM checkpoint), 0) ORDER BY id"
    )
    while bytes > 0 and (row := rows.fetchone()):
        last, bytes = row[0], bytes - (row[1] // page + 1) * page
    rows.close()
    return last


def missed(connection: sqlite3.Connection, last: int) -> Mapping[str, Missed]:
    """Return, for each reader that does not have all rows up to the last, what it would miss."""
    found: dict[str, Missed] = {}
    for name, after in connection.execute("SELECT name, row FROM cursor WHERE row < ?", (last,)).fetchall():
        scans, *figures = connection.execute(
            "SELECT sum(scans), sum(readings), min(at_ms), max(at_ms) FROM row WHERE id > ? AND id <= ?", (after, last)
        ).fetchone()
        if scans:
            found[name] = Missed(scans, *figures)
    return found


def give_up(connection: sqlite3.Connection, last: int, missing: Mapping[str, Missed]) -> None:
    """Move every reader past the row; what it misses is a gap of `store/<reader>`."""
    connection.execute("UPDATE cursor SET row = ? WHERE row < ?", (last, last))
    spans = [Gap(f"store/{name}", Reason.LOST, m.from_ms, m.to_ms, m.scans) for name, m in missing.items()]
    gaps.write(connection, Settled({}, spans, (), ()))
