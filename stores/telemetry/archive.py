"""The archive: months of readings in Parquet files, with rollups, read by an in-memory DuckDB and by anything else.

A compactor reads the spool by the cursor "archive" and writes long rows; what it has not reached yet is read from the
spool, so an answer is complete to the last commit. One thread writes; readers work on an immutable list of files and
never wait: a file that was merged away stays on the disk for two minutes more.
"""

import errno
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from facility.ports import Bucket, Layout
from facility.scan import Scan
from stores.errors import StoreDamagedError, StoreFullError
from stores.telemetry.batch import Floats, Ints, decode, encode
from stores.telemetry.buckets import Buckets, checked
from stores.telemetry.columns import RowMaker, Rows, columns_as_rows, without_repeats
from stores.telemetry.head import Head
from stores.telemetry.query import Query
from stores.telemetry.rollup import HOUR_MS, MINUTE_MS, Sums, joined, minutes, regrouped
from stores.telemetry.segments import HOUR, MINUTE, RAW, Folder, Manifest, Segment, Writer
from stores.telemetry.spool import Spool
from stores.telemetry.upkeep import CLOSED_ROWS, Merge, merge_due, outlived

CURSOR = "archive"
TURN_READINGS = 1_000_000
"""Readings that one turn moves at most: about 60 MB while it runs."""
HEAD_MS = 300_000
"""How long readings wait in the spool for company."""
RAW_SPAN_MS = 6 * HOUR_MS
"""Up to this span a chart is made of the readings themselves."""
GRACE_MS = 120_000
"""How long a reader may still open files that were merged away."""
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
    """Implements `facility.ports.Telemetry` in a folder; `spool` is where its newest readings still are.

    Raises:
        StoreDamagedError: the manifest cannot be read.
    """

    def __init__(self, folder: Path, spool: Spool | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = Folder(folder)
        try:
            self._manifest = self._folder.manifest()
        except (ValueError, KeyError, TypeError) as error:
            raise StoreDamagedError(folder / "manifest.json", str(error)) from error
        self._known = self._folder.points()
        self._query = Query(folder)
        self._head = Head(spool) if spool else None
        self._writing = threading.Lock()
        self._maker: RowMaker | None = None
        self._swept = False
        self._merged_away: list[tuple[int, list[str]]] = []
        self._last_names: Sequence[str] = ()

    # Writing.

    def compact(self, spool: Spool, now_ms: int) -> int:
        """Do one bounded turn of work and return how many scans or rows it moved; 0 when there is nothing to do.

        A turn moves a portion of the spool into files when there is a file's worth or the oldest has waited five
        minutes, or merges small files. To be called in a thread; a kill at any moment neither loses nor doubles.
        """
        with self._writing, self._disk_trouble():
            self._begin(spool, now_ms)
            manifest = self._manifest
            if spool.cursor(CURSOR) < manifest.row:
                # The files were complete, and only the cursor did not hear of it before the kill.
                spool.advance(CURSOR, manifest.row)
            pending = spool.pending(manifest.row)
            waited = now_ms - pending.oldest_ms if pending.oldest_ms is not None else 0
            if pending.rows and (pending.readings >= TURN_READINGS or waited >= HEAD_MS):
                return self._take(spool, manifest, max(1, TURN_READINGS * pending.scans // pending.readings), now_ms)
            merge = merge_due(manifest.segments, now_ms)
            return self._merge(merge, now_ms) if merge else 0

    def _begin(self, spool: Spool | None, now_ms: int) -> None:
        if spool and (self._head is None or self._maker is None):
            self._head = self._head or Head(spool)
            self._maker = RowMaker(spool.layout_of)
        if not self._swept:
            self._folder.sweep(self._manifest, {name for _, names in self._merged_away for name in names})
            self._swept = True
        due = [names for at_ms, names in self._merged_away if now_ms - at_ms >= GRACE_MS]
        self._merged_away = [(at_ms, names) for at_ms, names in self._merged_away if now_ms - at_ms < GRACE_MS]
        for names in due:
            self._folder.remove(names)

    def _take(self, spool: Spool, manifest: Manifest, most_scans: int, now_ms: int) -> int:
        """Move a portion of the spool into files: files, then the manifest, then the cursor."""
        assert self._maker is not None
        portion = spool.batches(manifest.row, most_scans)
        last = portion[-1][0]
        self._publish(self._written(self._maker.rows(batch for _, batch in portion), now_ms), [], last, now_ms)
        spool.advance(CURSOR, last)
        return sum(len(batch) for _, batch in portion)

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
        with self._writing, self._disk_trouble():
            self._begin(None, now_ms)
            fresh = (self._fresh(rows) for rows in RowMaker(by_id.__getitem__).rows([batch]))
            self._publish(self._written(fresh, now_ms), [], None, now_ms)

    def _fresh(self, rows: Rows) -> Rows:
        files = self._manifest.of(RAW, int(rows.at_ms.min()), int(rows.at_ms.max()) + 1)
        return rows.where(~self._query.held([s.name for s in files], rows))

    def import_columns(self, columns: Iterable[tuple[str, Ints, Floats]]) -> int:
        """Store whole columns of history (point, times, values; NaN is bad) and return the number of readings.

        For history that comes from elsewhere, once: a repeat doubles it. About 2 million readings a few seconds.
        """
        total = 0
        held: list[tuple[str, Ints, Floats]] = []
        with self._writing, self._disk_trouble():
            self._begin(None, 0)
            for column in columns:
                held.append(column)
                if sum(len(at) for _, at, _ in held) >= _IMPORT_READINGS:
                    total += self._import(held)
                    held = []
            return total + self._import(held)

    def _import(self, columns: list[tuple[str, Ints, Floats]]) -> int:
        rows = columns_as_rows(columns, _median_gap)
        made = int(rows.at_ms.max()) if len(rows) else 0
        self._publish(self._written([rows], made, closed=True), [], None, made)
        return len(rows)

    def _written(self, portions: Iterable[Rows], now_ms: int, *, closed: bool = False) -> list[Segment]:
        """Write the readings and their minutes, a file of each per day."""
        days: dict[int, tuple[Writer, list[Sums]]] = {}
        try:
            for rows in portions:
                self._learn(rows.names)
                for day, part in rows.by_day():
                    if day not in days:
                        days[day] = self._begun(RAW, day), []
                    writer, sums = days[day]
                    writer.add(part)
                    sums.append(minutes(part))
            new: list[Segment] = []
            for day, (writer, sums) in sorted(days.items()):
                new.append(_finished(writer, RAW, day, now_ms, closed=closed))
                new += self._write_minutes(day, joined(sums), now_ms, closed=closed)
        except BaseException:
            for writer, _ in days.values():
                writer.give_up()
            raise
        return new

    def _learn(self, names: Sequence[str]) -> None:
        if names is not self._last_names:
            self._last_names = names
            if fresh := set(names) - self._known:
                self._folder.add_points(sorted(fresh))
                self._known |= fresh

    def _write_minutes(self, day: int, sums: Sums, now_ms: int, *, closed: bool) -> list[Segment]:
        """Write a file of minutes, and when it is closed its twin of hours."""
        segment = self._write(MINUTE, day, sums, now_ms, closed=closed)
        if not segment.closed:
            return [segment]
        twin = self._write(HOUR, day, regrouped(sums, HOUR_MS), now_ms, closed=True)
        return [replace(segment, twin=twin.name), twin]

    def _write(self, kind: str, day: int, what: Rows | Sums, now_ms: int, *, closed: bool) -> Segment:
        writer = self._begun(kind, day)
        try:
            writer.add(what)
            return _finished(writer, kind, day, now_ms, closed=closed)
        except BaseException:
            writer.give_up()
            raise

    def _begun(self, kind: str, day: int) -> Writer:
        number = self._manifest.next
        self._manifest = replace(self._manifest, next=number + 1)
        return self._folder.writer(f"{kind}-{np.datetime64(day, 'D')}-{number:08}.parquet", kind)

    def _publish(self, new: Sequence[Segment], gone: Sequence[Segment], row: int | None, now_ms: int) -> None:
        """Make the new files count and the old ones not, in one step; the old ones are deleted later."""
        if not new and not gone and row is None:
            return
        manifest = self._manifest.but(gone, new, row)
        self._folder.keep(manifest)
        self._manifest = manifest
        if gone:
            self._merged_away.append((now_ms, [s.name for s in gone]))

    def _merge(self, merge: Merge, now_ms: int) -> int:
        """Make one file of several."""
        old = list(merge.segments)
        kind, day, names = old[0].kind, old[0].day, [s.name for s in old]
        twins = {s.twin for s in old}
        old += [s for s in self._manifest.segments if s.name in twins]
        if kind == RAW:
            rows = without_repeats(self._folder.read_rows(names))
            new = [self._write(RAW, day, rows, now_ms, closed=merge.closing)]
        else:
            sums = regrouped(self._folder.read_sums(names), MINUTE_MS)
            new = self._write_minutes(day, sums, now_ms, closed=merge.closing)
        self._publish(new, old, None, now_ms)
        return sum(s.rows for s in merge.segments)

    def retain(self, now_ms: int, raw_days: int, rollup_days: int) -> int:
        """Forget readings and rollups older than so many days; return the number of files that went."""
        with self._writing, self._disk_trouble():
            gone = outlived(self._manifest.segments, now_ms, raw_days, rollup_days)
            self._publish([], gone, None, now_ms)
            return len(gone)

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
        return sorted(self._known | (self._head.points() if self._head else set()))

    def close(self) -> None:
        """Let go of the reader; what was written is on the disk."""
        with self._writing:
            self._query.close()

    def _steady(self, ask: Callable[[Manifest], _Answer]) -> _Answer:
        """Ask on one snapshot; again when a compaction moved the border between files and spool meanwhile."""
        for _ in range(_ATTEMPTS):
            manifest = self._manifest
            answer = ask(manifest)
            if self._manifest.row == manifest.row:
                break
        return answer

    @contextmanager
    def _disk_trouble(self) -> Iterator[None]:
        """Say a full disk by its name; the unfinished file goes with the next sweep."""
        try:
            yield
        except OSError as error:
            self._swept = False
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise StoreFullError(self._folder.path) from error
            raise


def _finished(writer: Writer, kind: str, day: int, now_ms: int, *, closed: bool) -> Segment:
    writer.finish()
    last = writer.to_ms + {RAW: 0, MINUTE: MINUTE_MS - 1, HOUR: HOUR_MS - 1}[kind]
    closed = closed or writer.rows >= CLOSED_ROWS
    return Segment(writer.name, kind, day, writer.rows, writer.from_ms, last, now_ms, closed)


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
