"""The archive: months of readings in Parquet files, with rollups, which anything else can read as well.

A compactor reads the spool by the cursor "archive" and writes long rows; what it has not reached yet is read from the
spool, so an answer is complete to the last commit.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np

from facility.ports import Bucket, Layout
from facility.records import HistoryForgotten
from facility.scan import Scan
from stores.telemetry.arrivals import Arrivals, Register
from stores.telemetry.batch import Batch, Floats, Ints, Octets, decode, encode
from stores.telemetry.buckets import Buckets, checked
from stores.telemetry.catalogue import Catalogue
from stores.telemetry.columns import RowMaker, Rows, columns_as_rows
from stores.telemetry.completeness import Completeness, Pieces, answer, doubtful, of_head, together
from stores.telemetry.head import Head
from stores.telemetry.memory import arrow, give_back
from stores.telemetry.query import Query, UnreadableError
from stores.telemetry.rollup import HOUR_MS, MINUTE_MS
from stores.telemetry.segments import HOUR, MINUTE, RAW, Manifest, Segment
from stores.telemetry.source import CURSOR, Source
from stores.telemetry.spool import Spool
from stores.telemetry.stacks import DAY_MS
from stores.telemetry.thinning import Policy, Thinner, filled, of_each_minute
from stores.telemetry.upkeep import first_day, merge_due

TURN_READINGS = 4_000_000
"""Readings that are worth files of their own: the more of one point stand together, the smaller they are."""
WHOLE_READINGS = 8_000_000
"""So many may wait for the end of their minute: its sums are made once."""
MOST_READINGS = 5_600_000
"""What one turn moves of more than these: about 50 MB while it runs."""
HEAD_MS = 300_000
"""How long readings wait in the spool for company."""
MOST_POINTS = 300_000
"""A count of completeness is about so many points at most."""
_PORTION = 5_000  # scans decoded at a time
RAW_SPAN_MS = 6 * HOUR_MS
"""Up to this span a chart is made of the readings themselves."""
_IMPORT_READINGS = 2_000_000
_POINTS = 5_000  # asked for at a time: 72 h of hours of so many are 40 MB
_ATTEMPTS = 5

_Answer = TypeVar("_Answer")


class Archive:
    """Implements `facility.ports.Telemetry` in a folder; `spool` is where its newest readings still are.

    What the `policy` calls nothing new is left out when readings come from the spool.
    """

    def __init__(self, folder: Path, spool: Source | None = None, policy: Policy | None = None) -> None:
        self._files = Catalogue(folder)
        self._query = Query(folder)
        self._head: Head | None = None
        self._maker: RowMaker | None = None
        self._register: Register | None = None
        self._thinner = Thinner(policy) if policy else None
        if spool:
            self._follow(spool)

    @property
    def set_aside(self) -> Sequence[Path]:
        """Broken files that were found and set aside: their readings are missing from the history."""
        return tuple(self._files.aside)

    # Writing.

    @property
    def row(self) -> int:
        """The spool's row up to which the files hold everything."""
        return self._files.manifest.row

    def compact(self, spool: Spool, now_ms: int) -> int:
        """Do one `turn`, and let the spool know what it may forget. In the process that writes the spool.

        Raises:
            StoreFullError: no space; the readings stay in the spool, and the next turn tries again.
        """
        moved = self.turn(spool, now_ms)
        if spool.cursor(CURSOR) < self.row:
            # Also when the files were complete, and only the cursor did not hear of it before a kill.
            spool.advance(CURSOR, self.row)
        return moved

    def turn(self, spool: Source, now_ms: int) -> int:
        """Do one bounded turn of work and return how many scans or rows it moved; 0 when there is nothing to do.

        A turn moves a portion of the spool into files when there is a file's worth or the oldest has waited five
        minutes, or merges small files. It ends with a whole minute where it can, so that a minute's sums are made
        once. To be called in a thread; a kill at any moment neither loses nor doubles: first come the files, then the
        manifest, and last the cursor, which whoever writes the spool moves to `row`.

        Raises:
            StoreFullError: no space; the readings stay in the spool, and the next turn tries again.
        """
        arrow()  # its import takes 0.2 s: better now, with the first turn, than under load
        with self._files.writing(now_ms):
            maker, register = self._follow(spool)
            manifest = self._files.manifest
            row, batches = _portion(spool, manifest.row, now_ms)
            if batches:
                moved = sum(len(batch) for _, batch in batches) or len(batches)
                maker.learn({layout for _, batch in batches for layout in np.unique(batch.layout).tolist()})
                arrivals = register.arrivals(batches)
                numbered = [batch for _, batch in batches]
                portions = _lean(maker.rows(numbered))
                self._files.add(portions, now_ms, row=row, thinner=self._thinner, arrivals=_last(arrivals, batches))
                give_back()
                return moved
            if merge := merge_due(manifest.segments, now_ms):
                moved = self._files.merge(merge, now_ms)
                give_back()
                return moved
            return 0

    def write(self, scans: Sequence[Scan], layouts: Mapping[str, Layout]) -> None:
        """Store scans that are in no spool; what is already there in every detail is not stored again.

        Raises:
            ValueError: a scan has no layout, or does not fit it.
        """
        for scan in scans:
            layout = layouts.get(scan.device)
            if layout is None or len(layout.points) != scan.width:
                raise ValueError(f"device {scan.device}: no layout of {scan.width} points")
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
        readings = sum(len(at) for _, at, _ in columns)
        if readings:
            newest = max(int(np.max(at)) for _, at, _ in columns if len(at))
            self._files.add(columns_as_rows(columns, _median_gap), newest, closed=True)
        return readings

    def retain(self, now_ms: int, raw_days: int, rollup_days: int) -> HistoryForgotten | None:
        """Forget readings and rollups older than so many days; return what went, None when nothing did."""
        with self._files.writing(now_ms):
            gone = self._files.forget(now_ms, raw_days, rollup_days)
        if not gone:
            return None
        readings = sum(s.rows for s in gone if s.kind == RAW)
        sums = sum(s.rows for s in gone if s.kind in {MINUTE, HOUR})
        kept = (first_day(now_ms, days) * DAY_MS for days in (raw_days, rollup_days))
        return HistoryForgotten(readings, sums, *kept)

    def _follow(self, spool: Source) -> tuple[RowMaker, Register]:
        if self._head is None or self._maker is None or self._register is None:
            self._files.follow(spool.id)
            self._head, self._maker = Head(spool), RowMaker(spool.layout_of, spool.layouts())
            self._register = Register(spool.layout_of)
        return self._maker, self._register

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
            chart = Buckets(from_ms, to_ms, buckets)
            wants_raw = to_ms - from_ms <= RAW_SPAN_MS or width < MINUTE_MS
            if wants_raw and _covered(manifest, from_ms, to_ms):
                chart.add_readings(*self._readings(manifest, point, from_ms, to_ms))
            else:
                files = manifest.of(MINUTE, from_ms, to_ms)
                if width >= HOUR_MS:
                    self._add_sums(chart, manifest.of(HOUR, from_ms, to_ms), point, HOUR_MS, from_ms, to_ms)
                    files = [s for s in files if not s.twin]
                self._add_sums(chart, files, point, MINUTE_MS, from_ms, to_ms)
            if self._head:
                chart.add_readings(*self._head.readings(point, manifest.row))
            return chart.answer()

        return self._steady(ask)

    def _readings(self, manifest: Manifest, point: str, from_ms: int, to_ms: int) -> tuple[Ints, Floats, Octets]:
        """Return a point's readings in the files, with stand-ins for those that were left out."""
        raw = manifest.of(RAW, from_ms, to_ms)
        hold = max((s.hold_ms for s in raw), default=0)
        if not hold:
            return self._query.readings([s.name for s in raw], point, from_ms, to_ms)
        # What was left out is known by whole minutes, and the reading that stands for it may lie before them.
        from_ms, to_ms = from_ms // MINUTE_MS * MINUTE_MS, -(-to_ms // MINUTE_MS) * MINUTE_MS
        earlier = from_ms - 2 * hold
        names = [s.name for s in manifest.of(RAW, earlier, to_ms)]
        at, value, reason = self._query.readings(names, point, earlier, to_ms)
        order = np.argsort(at, kind="stable")
        kept = at[order], value[order], reason[order]
        minutes = [s.name for s in manifest.of(MINUTE, from_ms, to_ms)]
        some = self._query.minutes(minutes, [point], from_ms, to_ms)
        times, values, reasons = filled(kept, 2 * hold, *of_each_minute(together([some])))
        return np.append(kept[0], times), np.append(kept[1], values), np.append(kept[2], reasons)

    def _add_sums(self, chart: Buckets, files: list[Segment], point: str, span: int, from_ms: int, to_ms: int) -> None:
        names = [s.name for s in files]
        at, count, bad, low, high, total = self._query.sums(names, point, from_ms - span, to_ms)
        chart.add_sums(at + span // 2, count, bad, low, high, total)

    def completeness(self, points: Iterable[str], from_ms: int, to_ms: int) -> list[Completeness]:
        """Say of each point how much of [from_ms, to_ms) it has spoken for, to the minute; never reads raw rows.

        Raises:
            ValueError: the span makes no sense, or there are too many points.
        """
        checked(from_ms, to_ms, 1)
        wanted = sorted(set(islice(points, MOST_POINTS + 1)))
        if len(wanted) > MOST_POINTS:
            raise ValueError(f"completeness is counted for at most {MOST_POINTS} points at a time")

        def ask(manifest: Manifest) -> list[Completeness]:
            head = self._head.minutes(manifest.row, wanted) if self._head and wanted else None
            found: list[Completeness] = []
            for start in range(0, len(wanted), _POINTS):
                some = wanted[start : start + _POINTS]
                pieces = self._pieces(manifest, some, from_ms, to_ms)
                if head is not None:
                    pieces = together([pieces, of_head(head, some, from_ms, to_ms)])
                found += answer(some, pieces, from_ms, to_ms)
            return found

        return self._steady(ask)

    def _pieces(self, manifest: Manifest, points: Sequence[str], from_ms: int, to_ms: int) -> Pieces:
        """Return what the files say of some points: by the hour where whole hours tell, else by the minute."""
        first, last = -(-from_ms // HOUR_MS) * HOUR_MS, to_ms // HOUR_MS * HOUR_MS
        files = manifest.of(MINUTE, from_ms, to_ms)
        names = [s.name for s in files]
        if first >= last:
            return together([self._query.minutes(names, points, from_ms, to_ms)])
        # `at_ms` is the start of a span: one that holds `from_ms` lies before it.
        edges = [s.name for s in files if s.twin and (s.from_ms < first or s.to_ms >= last)]
        parts = [
            self._query.hours([s.name for s in manifest.of(HOUR, first, last)], points, first, last),
            self._query.minutes([s.name for s in files if not s.twin], points, from_ms, to_ms),
            self._query.minutes(edges, points, from_ms, first),
            self._query.minutes(edges, points, last, to_ms),
        ]
        pieces = together(parts)
        if len(unsure := doubtful(pieces)):
            again = self._query.minutes(names, [points[i] for i in unsure.tolist()], from_ms, to_ms)
            again.place = unsure[again.place]
            pieces = together([pieces.where(~np.isin(pieces.place, unsure)), again])
        return pieces

    def points(self) -> list[str]:
        """Return every point that has history, sorted."""
        return sorted(self._files.points() | (self._head.points() if self._head else set()))

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
                with self._query.asked():
                    answer = ask(manifest)
            except UnreadableError as error:
                # Merged away and deleted while we read, or truly broken.
                if self._files.manifest is manifest and not self._files.mend(error.files):
                    raise
                continue
            if self._files.manifest.row == manifest.row:
                return answer
        with self._query.asked():
            return ask(self._files.manifest)


def _portion(spool: Source, after_row: int, now_ms: int) -> tuple[int, list[tuple[int, Batch]]]:
    """Return what is due to be moved out of the spool, and the row it ends with; nothing when nothing is."""
    pending = spool.pending(after_row)
    if pending.oldest_ms is None or (pending.readings < TURN_READINGS and now_ms - pending.oldest_ms < HEAD_MS):
        return after_row, []
    last = spool.row_before(after_row, now_ms // MINUTE_MS * MINUTE_MS)
    if last <= after_row:
        if pending.readings < WHOLE_READINGS:
            return after_row, []
        last = spool.last_row
    most = WHOLE_READINGS if pending.readings <= WHOLE_READINGS else MOST_READINGS
    batches: list[tuple[int, Batch]] = []
    readings, row = 0, after_row
    while row < last and readings < most and (found := spool.batches(row, _PORTION)):
        for number, batch in found:
            if number > last:
                return row, batches
            row, readings = number, readings + batch.readings
            batches.append((number, batch))
    return row, batches


def _last(arrivals: Iterator[Arrivals], batches: list[tuple[int, Batch]]) -> Iterator[Arrivals]:
    """Return the same, and empty the list behind them: what a batch holds is then only where its rows are made."""
    yield from arrivals
    batches.clear()


def _lean(portions: Iterator[Rows]) -> Iterator[Rows]:
    """Return the same, with what the batches took given back first: their pieces lie among what stays."""
    for number, rows in enumerate(portions):
        if not number:
            give_back()
        yield rows


def _covered(manifest: Manifest, from_ms: int, to_ms: int) -> bool:
    """Say whether the readings themselves are still there for all that the minutes know of."""
    days = {s.day for s in manifest.of(MINUTE, from_ms, to_ms)}
    return days <= {s.day for s in manifest.segments if s.kind == RAW}


def _median_gap(at: Ints) -> int:
    return int(min(np.median(np.diff(at)), np.iinfo(np.int32).max)) if len(at) > 1 else 0
