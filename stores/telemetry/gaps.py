"""What publishers are known to have said, and when words of theirs were missed: three tables of the spool's file.

The caller holds the file's lock; what is written is part of its transaction.
"""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from facility.ports import Settled
from facility.scan import Gap, Reason

SCHEMA = """
CREATE TABLE numbers (device TEXT PRIMARY KEY, state BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE gap (id INTEGER PRIMARY KEY, device TEXT NOT NULL, why INTEGER NOT NULL, from_ms INTEGER NOT NULL,
    to_ms INTEGER NOT NULL, missing INTEGER NOT NULL, filled INTEGER NOT NULL DEFAULT 0, epoch INTEGER NOT NULL,
    first INTEGER NOT NULL);
CREATE INDEX gap_of ON gap (device, id);
CREATE TABLE gap_count (device TEXT PRIMARY KEY, gaps INTEGER NOT NULL, missing INTEGER NOT NULL,
    filled INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
"""
_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class RecordedGap:
    """A gap as it was recorded; `filled` of its missing messages came later after all."""

    id: int
    gap: Gap
    filled: int


@dataclass(frozen=True, slots=True)
class GapCount:
    """How many gaps a device has had since the file was made, and how many messages were missing and came later."""

    gaps: int
    missing: int
    filled: int


def write(connection: sqlite3.Connection, settled: Settled) -> None:
    """Write what a commit settles; of the gaps themselves the newest 10,000 are kept, the counts for ever."""
    connection.executemany(
        "INSERT INTO numbers VALUES (?, ?) ON CONFLICT (device) DO UPDATE SET state = excluded.state",
        settled.numbers.items(),
    )
    for gap in settled.gaps:
        connection.execute(
            "INSERT INTO gap (device, why, from_ms, to_ms, missing, epoch, first) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (gap.device, int(gap.why), gap.from_ms, gap.to_ms, gap.missing, gap.epoch, gap.first),
        )
        connection.execute(
            "INSERT INTO gap_count (device, gaps, missing) VALUES (?, 1, ?) ON CONFLICT (device) DO UPDATE"
            " SET gaps = gaps + 1, missing = missing + excluded.missing",
            (gap.device, gap.missing),
        )
    if settled.gaps:
        connection.execute("DELETE FROM gap WHERE id <= (SELECT max(id) FROM gap) - ?", (_KEPT,))
    for device, epoch, seq in settled.filled:
        connection.execute(
            "UPDATE gap SET filled = filled + 1"
            " WHERE device = ? AND epoch = ? AND first <= ? AND first + missing > ? AND missing > 0",
            (device, epoch, seq, seq),
        )
        connection.execute("UPDATE gap_count SET filled = filled + 1 WHERE device = ?", (device,))


def newest(connection: sqlite3.Connection, limit: int, device: str = "") -> list[RecordedGap]:
    """Return the newest gaps, newest first; of one device, or of all."""
    rows = connection.execute(
        "SELECT id, device, why, from_ms, to_ms, missing, epoch, first, filled FROM gap"
        " WHERE ? IN ('', device) ORDER BY id DESC LIMIT ?",
        (device, limit),
    )
    return [RecordedGap(row[0], Gap(row[1], Reason(row[2]), *row[3:8]), row[8]) for row in rows]


def counts(connection: sqlite3.Connection) -> Mapping[str, GapCount]:
    """Return the counts of every device that ever had a gap."""
    rows = connection.execute("SELECT device, gaps, missing, filled FROM gap_count")
    return {device: GapCount(*figures) for device, *figures in rows}
