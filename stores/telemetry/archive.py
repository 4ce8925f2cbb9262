"""The archive: months of readings in Parquet files, with rollups, read by an in-memory DuckDB and by anything else.

A compactor reads the spool by the cursor "archive" and writes long rows; what it has not reached yet is read from the
spool, so an answer is complete to the last commit.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from facility.ports import Bucket, Layout
from facility.scan import Scan
from stores.telemetry.batch import Floats, Ints, decode, encode
from stores.telemetry.buckets import Buckets, checked
from stores.telemetry.catalogue import Catalogue
from stores.telemetry.columns import RowMaker, Rows, columns_as_rows
from stores.telemetry.head import Head
from stores.telemetry.query import Query, UnreadableError
from stores.telemetry.rollup import HOUR_MS, MINUTE_MS
from stores.telemetry.segments import HOUR, MINUTE, RAW, Manifest, Segment
from stores.telemetry.spool import Spool
from stores.telemetry.upkeep import merge_due

CURSOR = "archive"
TURN_READINGS = 1_000_000
"""Readings that one turn moves at most: about 60 MB while it runs."""
HEAD_MS = 300_000
"""How long readings wait in the spool for company."""
RAW_SPAN_MS = 6 * HOUR_MS
"""Up to this span a chart is made of the readings themselves."""
_IMPORT_READINGS = 2_000_000
_ATTEMPTS = 5

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Completeness:
    """How much of a time a point has spoken for.

    `count` believed and `bad` readings; `gap_ms` the usual time between two (0 unknown) and `expected` the readings
    that it promises; `ratio` is count over expected, at most 1, None where nothing tells what to expect. `hole_ms` is
    the longest time without a believed reading, to the minute.
    """

    point: str
    count: int
    bad: int
    gap_ms: int
    expected: int
    ratio: float | None
    hole_ms: int


class Archive:
    """Implements `facility.ports.Telemetry` in a folder; `spool` is where its newest readings still are."""

    def __init__(self, folder: Path, spool: Spool | None = None) -> None:
        self._files = Catalogue(folder)
        self._query = Query(folder)
        self._head: Head | None = None
        self._maker: RowMaker | None = None
        if spool:
            self._follow(spool)

    @property
    def set_aside(self) -> Sequence[Path]:
        """Broken files that were found and set aside: their readings are missing from the history."""
        return tuple(self._files.aside)

    # Writing.

    def compact(self, spool: Spool, now_ms: int) -> int:
        """Do one bounded turn of work and return how many scans or rows it moved; 0 when there is nothing to do.

        A turn moves a portion of the spool into files when there is a file's worth or the oldest has waited five
        minutes, or merges small files. To be called in a thread; a kill at any moment neither loses nor doubles.

        Raises:
            StoreFullError: no space; the readings stay in the spool, and the next turn tries again.
        """
        with self._files.writing(now_ms):
            maker = self._follow(spool)
            manifest = self._files.manifest
            if spool.cursor(CURSOR) < manifest.row:
                # The files were complete, and only the cursor did not hear of it before the kill.
                spool.advance(CURSOR, manifest.row)
            pending = spool.pending(manifest.row)
            waited = now_ms - pending.oldest_ms if pending.oldest_ms is not None else 0
            if pending.rows and (pending.readings >= TURN_READINGS or waited >= HEAD_MS):
                portion = spool.batches(manifest.row, TURN_READINGS * pending.scans // pending.readings)
                # Files, then the manifest, then the cursor.
                row = portion[-1][0]
                self._files.add(maker.rows(batch for _, batch in portion), now_ms, row=row)
                spool.advance(CURSOR, row)
                return sum(len(batch) for _, batch in portion) or len(portion)
            merge = merge_due(manifest.segments, now_ms)
            return self._files.merge(merge, now_ms) if merge else 0

    def write(self, scans: Sequence[Scan], layouts: Mapping[str, Layout]) -> None:
        """Store scans that are in no spool; what is already there in every detail is not stored again.

        Raises:
            ValueError: a scan has no layout, or does not fit it.
        """
        for scan in scans:
            layout = layouts.get(scan.device)
            if layout is None or len(layout.points) != len(scan.values):
                raise ValueError(f"device {scan.device}: no layout of {len(scan.values)} points")
        by_id = {layout.id: layout for layout in layouts.values()}
        batch = decode(encode(scans, [layouts[scan.device].id for scan in scans]))
        now_ms = max((scan.received_ms for scan in scans), default=0)
        with self._files.writing(now_ms):
            self._files.add(map(self._fresh, RowMaker(by_id.__getitem__).rows([batch])), now_ms)

    def _fresh(self, rows: Rows) -> Rows:
        files = self._files.manifest.of(RAW, int(rows.at_ms.min()), int(rows.at_ms.max()) + 1)
        return rows.where(~self._query.held([s.name for s in files], rows))

    def import_columns(self, columns: Iterable[tuple[str, Ints, Floats]]) -> int:
        """Store whole columns of history (point, times, values; NaN is bad) and return the number of readings.

        For history that comes from elsewhere, once: a repeat doubles it. About 2 million readings in 2 seconds.

        Raises:
            ValueError: a column has not as many values as times.
        """
        total = 0
        held: list[tuple[str, Ints, Floats]] = []
        with self._files.writing(0):
            for column in columns:
                held.append(column)
                if sum(len(at) for _, at, _ in held) >= _IMPORT_READINGS:
                    total += self._import(held)
                    held = []
            return total + self._import(held)

    def _import(self, columns: list[tuple[str, Ints, Floats]]) -> int:
        rows = columns_as_rows(columns, _median_gap)
        if len(rows):
            self._files.add([rows], int(rows.at_ms.max()), closed=True)
        return len(rows)

    def retain(self, now_ms: int, raw_days: int, rollup_days: int) -> int:
        """Forget readings and rollups older than so many days; return the number of files that went."""
        with self._files.writing(now_ms):
            return self._files.forget(now_ms, raw_days, rollup_days)

    def _follow(self, spool: Spool) -> RowMaker:
        if self._head is None or self._maker is None:
            self._files.follow(spool.id)
            self._head, self._maker = Head(spool), RowMaker(spool.layout_of)
        return self._maker

    # Reading.

    def history(self, point: str, from_ms: int, to_ms: int, buckets: int) -> list[Bucket]:
        """Return `buckets` spans of equal length over [from_ms, to_ms): low, mean and high of what was believed.

        Up to six hours, or where a bucket is shorter than a minute, it is made of the readings; then of minutes, and
        from buckets of an hour of hours, each counted where its middle falls. Where readings have aged out, of minutes.

        Raises:
            ValueError: the span or the number of buckets makes no sense.
        """
        checked(from_ms, to_ms, buckets)
        width = (to_ms - from_ms) / buckets

        def ask(manifest: Manifest) -> list[Bucket]:
            answer = Buckets(from_ms, to_ms, buckets)
            wants_raw = to_ms - from_ms <= RAW_SPAN_MS or width < MINUTE_MS
            if wants_raw and _covered(manifest, from_ms, to_ms):
                names = [s.name for s in manifest.of(RAW, from_ms, to_ms)]
                answer.add_readings(*self._query.readings(names, point, from_ms, to_ms))
            else:
                files = manifest.of(MINUTE, from_ms, to_ms)
                if width >= HOUR_MS:
                    self._add_sums(answer, manifest.of(HOUR, from_ms, to_ms), point, HOUR_MS, from_ms, to_ms)
                    files = [s for s in files if not s.twin]
                self._add_sums(answer, files, point, MINUTE_MS, from_ms, to_ms)
            if self._head:
                answer.add_readings(*self._head.readings(point, manifest.row))
            return answer.answer()

        return self._steady(ask)

    def _add_sums(self, answer: Buckets, files: list[Segment], point: str, span: int, from_ms: int, to_ms: int) -> None:
        names = [s.name for s in files]
        at, count, bad, low, high, total = self._query.sums(names, point, from_ms - span, to_ms)
        answer.add_sums(at + span // 2, count, bad, low, high, total)

    def completeness(self, points: Iterable[str], from_ms: int, to_ms: int) -> list[Completeness]:
        """Say of each point how much of [from_ms, to_ms) it has spoken for, to the minute; never reads raw rows.

        Raises:
            ValueError: the span makes no sense.
        """
        checked(from_ms, to_ms, 1)
        wanted = sorted(set(points))

        def ask(manifest: Manifest) -> list[Completeness]:
            names = [s.name for s in manifest.of(MINUTE, from_ms, to_ms)]
            head = self._head.minutes(manifest.row) if self._head else None
            return [
                _completeness(point, from_ms, to_ms, *columns)
                for point, columns in self._query.minutes(names, head, wanted, from_ms, to_ms)
            ]

        return self._steady(ask)

    def points(self) -> list[str]:
        """Return every point that has history, sorted."""
        return sorted(self._files.points | (self._head.points() if self._head else set()))

    def close(self) -> None:
        """Let go of the reader; what was written is on the disk."""
        self._query.close()

    def _steady(self, ask: Callable[[Manifest], _Answer]) -> _Answer:
        """Ask on one snapshot; again when a compaction moved the border between files and spool meanwhile.

        A file that turns out to be broken is set aside, so that one bad sector costs a day's chart and not all charts.
        """
        for _ in range(_ATTEMPTS):
            manifest = self._files.manifest
            try:
                answer = ask(manifest)
            except UnreadableError as error:
                if self._files.mend(error.files):
                    continue
                raise
            if self._files.manifest.row == manifest.row:
                return answer
        return ask(self._files.manifest)


def _covered(manifest: Manifest, from_ms: int, to_ms: int) -> bool:
    """Say whether the readings themselves are still there for all that the minutes know of."""
    days = {s.day for s in manifest.of(MINUTE, from_ms, to_ms)}
    return days <= {s.day for s in manifest.segments if s.kind == RAW}


def _median_gap(at: Ints) -> int:
    return int(min(np.median(np.diff(at)), np.iinfo(np.int32).max)) if len(at) > 1 else 0


def _completeness(point: str, from_ms: int, to_ms: int, at: Ints, count: Ints, bad: Ints, gap: Ints) -> Completeness:
    usual = gap[gap > 0]
    gap_ms = int(np.median(usual)) if len(usual) else 0
    expected = (to_ms - from_ms) // gap_ms if gap_ms else 0
    spoken = at[count > 0]
    edges = np.concatenate(([from_ms], np.minimum(spoken + MINUTE_MS, to_ms))), np.concatenate((spoken, [to_ms]))
    total = int(count.sum())
    return Completeness(
        point,
        total,
        int(bad.sum()),
        gap_ms,
        expected,
        min(1.0, total / expected) if expected else None,
        max(0, int((edges[1] - edges[0]).max())),
    )
