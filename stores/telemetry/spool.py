"""The spool: scans become durable here before anybody believes them, and stay until everybody has them.

One SQLite file (WAL, synchronous=FULL). A commit is one row: a batch of scans as one compact blob. Readers have named
cursors; the desk keeps its rule memory here as of a row; a row goes when all cursors have passed it, it is a minute old
(a store's "yes" is not always durable) and the rule memory covers it.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

from facility.ports import Clock, Layout, Settled
from facility.scan import Scan
from stores.errors import StoreFullError
from stores.reserve import disk_state
from stores.telemetry import gaps, shed
from stores.telemetry.batch import Batch, decode, encode
from stores.telemetry.gaps import GapCount, RecordedGap
from stores.telemetry.shed import Missed
from stores.telemetry.spoolfile import SpoolFile

Layouts = Mapping[str, Layout]

_KEPT_MS = 60_000  # VictoriaMetrics acknowledged writes that a kill 7 s later lost (reference/faults.md, fact 7)
_RESTORE_ROWS = 64
_TRIM_ROWS = 200
_VACUUM_PAGES = 512
_DEAD_KEPT = 10_000
_DEAD_PAYLOAD = 64 << 10


@dataclass(frozen=True, slots=True)
class Size:
    """Rows held, and bytes they take in the file."""

    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Pending:
    """What a cursor has still to read. `oldest_ms` is when its first row was committed."""

    rows: int
    scans: int
    readings: int
    oldest_ms: int | None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Something that could not be decoded, as it came."""

    id: int
    at_ms: int
    source: str
    why: str
    payload: bytes


class Spool:
    """Implements `facility.ports.Spool` and the cursors behind it.

    Two threads may commit, of different devices; others may read, advance and trim at the same time. `opening` says
    how the file was found.
    Row ids start at the moment the file was made, which is also the spool's `id`: a reader that remembers rows of
    another file can tell.
    Errors are those of `stores.errors`: StoreFullError when there is no space (nothing was written, and the same spool
    works once there is), StoreBusyError, StoreUnwritableError, StoreDamagedError.
    """

    def __init__(self, path: Path, clock: Clock, *, keep_free: int = 0) -> None:
        """Open the file; commits are refused as on a full disk while less than `keep_free` bytes are free there."""
        self._clock, self._path, self._keep_free = clock, path, keep_free
        self._file = SpoolFile(path, clock.now)
        self.opening = self._file.opening
        writer = self._file.writer
        self._last: int = writer.execute(
            "SELECT max((SELECT row FROM first), (SELECT ifnull(max(id), 0) FROM row),"
            " (SELECT ifnull(max(row), 0) FROM cursor), (SELECT ifnull(max(row), 0) FROM checkpoint))"
        ).fetchone()[0]
        self.id: int = writer.execute("SELECT row FROM first").fetchone()[0]
        self._stored: dict[int, tuple[str, int, str, str]] = {
            id_: (device, width, points, profile)
            for id_, device, width, points, profile in writer.execute("SELECT * FROM layout ORDER BY id")
        }
        self._device = {id_: stored[0] for id_, stored in self._stored.items()}
        # Device -> (layout id, width): all that a commit needs.
        self._newest = {stored[0]: (id_, stored[1]) for id_, stored in self._stored.items()}
        self._layouts: dict[int, Layout] = {}
        self._unwritten: list[tuple[int, str, int, str, str]] = []

    # Layouts.

    def layout(self, device: str, points: Sequence[str], profile: str) -> Layout:
        """Return the device's layout: a new one when its points or its profile are no longer the newest known.

        A new layout reaches the disk with the next commit, in the same transaction as the first row that names it.
        """
        with self._file.lock:
            text = json.dumps(list(points), ensure_ascii=False, separators=(",", ":"))
            wanted = (device, len(points), text, profile)
            known = self._newest.get(device)
            if known and self._stored[known[0]] == wanted:
                # The caller's own names: they are the site's, and a second copy of all of them is never made.
                return self._layouts.setdefault(known[0], Layout(known[0], device, tuple(points), profile))
            id_ = max(self._stored, default=0) + 1
            self._layouts[id_] = Layout(id_, device, tuple(points), profile)
            self._unwritten.append((id_, *wanted))
            self._stored[id_], self._device[id_] = wanted, device
            self._newest[device] = (id_, len(points))
            return self._layout(id_)

    def layouts(self) -> Layouts:
        """Return the newest layout of every device."""
        with self._file.lock:
            return {device: self._layout(id_) for device, (id_, _) in self._newest.items()}

    def layout_of(self, id: int) -> Layout:
        """Return a layout by its id, however old.

        Raises:
            KeyError: there never was such a layout.
        """
        return self._layout(id)

    def places_of(self, point: str, layouts: Iterable[int]) -> dict[int, int]:
        """Return in which of these layouts a point is, and where."""
        points = ((id_, self._layout(id_).points) for id_ in layouts)
        return {id_: names.index(point) for id_, names in points if point in names}

    def _layout(self, id_: int) -> Layout:
        if id_ not in self._layouts:
            device, _, points, profile = self._stored[id_]
            self._layouts[id_] = Layout(id_, device, tuple(json.loads(points)), profile)
        return self._layouts[id_]

    # The desk's side.

    def commit(self, scans: Sequence[Scan], settled: Settled | None = None, *, part: bool = False) -> int:
        """Write the scans, and what they settle of their publishers, in one transaction and return the row's id.

        A `part` is of some devices; what came of others before it follows in a later row.

        A scan that fits no layout of its device is kept as a dead letter in the same transaction, so that one bad
        scan cannot hold up the others.
        """
        self._refuse_the_last_room()
        fitting: list[Scan] = []
        ids: list[int] = []
        strays: list[Scan] = []
        newest = self._newest
        for scan in scans:
            known = newest.get(scan.device)
            if known is None or known[1] != scan.width or known[1] != len(scan.reasons):
                strays.append(scan)
            else:
                fitting.append(scan)
                ids.append(known[0])
        blob = encode(fitting, ids) if fitting else b""
        with self._file.lock:
            if not scans:
                return self._last
            row, now = self._last + bool(fitting), self._clock.now()
            with self._file.transaction():
                self._file.writer.executemany("INSERT INTO layout VALUES (?, ?, ?, ?, ?)", self._unwritten)
                if fitting:
                    readings = sum(scan.width for scan in fitting)
                    self._file.writer.execute(
                        "INSERT INTO row VALUES (?, ?, ?, ?, ?, ?)", (row, now, len(ids), readings, blob, part)
                    )
                for stray in strays:
                    why = f"{stray.width} values, {len(stray.reasons)} reasons: no layout of the device fits"
                    self._bury(f"scan/{stray.device}", repr(stray).encode(), why, now)
                if settled is not None:
                    gaps.write(self._file.writer, settled)
            self._last, self._unwritten = row, []
            return row

    @property
    def last_row(self) -> int:
        """The newest row that was ever committed."""
        return self._last

    def numbers(self) -> Mapping[str, bytes]:
        """Return what is known of each publisher, as it was settled last."""
        with self._file.reading() as reader:
            return dict(reader.execute("SELECT device, state FROM numbers").fetchall())

    def heard_until_ms(self) -> int:
        """Return a moment up to which all that came is in the file; 0 when nothing ever was.

        What came while the newest row was being written is in no row: that row's predecessor tells.
        """
        with self._file.reading() as reader:
            found = reader.execute(
                "SELECT min(at_ms) FROM (SELECT at_ms FROM row WHERE NOT part ORDER BY id DESC LIMIT 2)"
            ).fetchone()
        return found[0] or 0

    def gaps(self, limit: int, device: str = "") -> list[RecordedGap]:
        """Return the newest recorded gaps, newest first; of one device, or of all."""
        with self._file.reading() as reader:
            return gaps.newest(reader, limit, device)

    def gap_counts(self) -> Mapping[str, GapCount]:
        """Return how many gaps each device has had since the file was made."""
        with self._file.reading() as reader:
            return gaps.counts(reader)

    def checkpoint(self, row: int, memory: bytes) -> None:
        """Remember the rule memory as of this row; an older row than the one remembered changes nothing.

        Raises:
            ValueError: the row is not committed yet.
        """
        with self._file.lock:
            if row > self._last:
                raise ValueError(f"a checkpoint at row {row} would be ahead of the last committed row {self._last}")
            with self._file.transaction():
                self._file.writer.execute(
                    "INSERT INTO checkpoint VALUES (1, ?, ?) ON CONFLICT (one) DO UPDATE"
                    " SET row = excluded.row, memory = excluded.memory WHERE excluded.row >= checkpoint.row",
                    (row, memory),
                )

    def restore(self) -> tuple[bytes | None, Iterable[Scan]]:
        """Return the newest rule memory and, in order, the scans committed after it.

        The scans are read as they are asked for; a row that can no longer be decoded becomes a dead letter.
        """
        with self._file.reading() as reader:
            found = reader.execute("SELECT row, memory FROM checkpoint").fetchone()
        row, memory = found or (0, None)
        return memory, self._scans_after(row, self._last)

    def _scans_after(self, row: int, last: int) -> Iterator[Scan]:
        parts: list[Scan] = []
        while row < last:
            with self._file.reading() as reader:
                rows = reader.execute(
                    "SELECT id, blob, part FROM row WHERE id > ? AND id <= ? ORDER BY id LIMIT ?",
                    (row, last, _RESTORE_ROWS),
                ).fetchall()
            if not rows:
                break
            for id_, blob, part in rows:
                row = id_
                if part:
                    parts += self._readable(id_, blob)
                elif parts:
                    yield from as_heard(parts, self._readable(id_, blob))
                    parts = []
                else:
                    yield from self._readable(id_, blob)
        yield from parts

    def _readable(self, row: int, blob: bytes) -> list[Scan]:
        """Return the scans of a row but for those of an older layout: their positions mean something else now."""
        batch = self._decoded(row, blob)
        if batch is None:
            return []
        newest = {layout.device: layout.id for layout in self.layouts().values()}
        scans = zip(batch.layout.tolist(), batch.scans(self._device), strict=True)
        return [scan for layout, scan in scans if newest.get(scan.device) == layout]

    # The readers' side.

    def cursor(self, name: str) -> int:
        """Return the last row this reader has; a new reader starts before the oldest row, and is waited for."""
        with self._file.lock:
            found = self._file.writer.execute("SELECT row FROM cursor WHERE name = ?", (name,)).fetchone()
            if found:
                return int(found[0])
            with self._file.transaction():
                self._file.writer.execute("INSERT INTO cursor VALUES (?, 0)", (name,))
            return 0

    def forget(self, name: str) -> None:
        """Wait no longer for this reader."""
        with self._file.lock, self._file.transaction():
            self._file.writer.execute("DELETE FROM cursor WHERE name = ?", (name,))

    def pending(self, after_row: int) -> Pending:
        """Count what lies after a row."""
        with self._file.reading() as reader:
            rows, scans, readings, oldest = reader.execute(
                "SELECT count(*), ifnull(sum(scans), 0), ifnull(sum(readings), 0), min(at_ms) FROM row WHERE id > ?",
                (after_row,),
            ).fetchone()
        return Pending(rows, scans, readings, oldest)

    def read(self, cursor: str, max_scans: int) -> list[tuple[int, Layouts, list[Scan]]]:
        """Return the rows after the cursor, at least one and then up to `max_scans` scans, each with its layouts."""
        found: list[tuple[int, Layouts, list[Scan]]] = []
        for row, batch in self.batches(self.cursor(cursor), max_scans):
            layouts = {self._device[id_]: self._layout(id_) for id_ in set(batch.layout.tolist())}
            found.append((row, layouts, batch.scans(self._device)))
        return found

    def batches(self, after_row: int, max_scans: int) -> list[tuple[int, Batch]]:
        """Return the rows after a row as columns, at least one and then up to `max_scans` scans.

        A row that can no longer be decoded is an empty batch here and a dead letter.
        """
        with self._file.reading() as reader:
            sizes = reader.execute(
                "SELECT id, scans FROM row WHERE id > ? ORDER BY id LIMIT ?", (after_row, max(1, max_scans))
            )
            rows = total = 0
            for _, scans in sizes:
                total += scans
                if rows and total > max_scans:
                    break
                rows += 1
            sizes.close()
        return [(row, self._decoded(row, blob) or decode(encode([], []))) for row, blob in self._rows(after_row, rows)]

    def row_before(self, after_row: int, at_ms: int) -> int:
        """Return the last row, not before `after_row`, of those that were committed before a moment."""
        with self._file.reading() as reader:
            found = reader.execute(
                "SELECT id FROM row WHERE id > ? AND at_ms >= ? ORDER BY id LIMIT 1", (after_row, at_ms)
            ).fetchone()
        return found[0] - 1 if found else max(after_row, self._last)

    def advance(self, cursor: str, row: int) -> None:
        """Say that the reader has everything up to this row, durably; never moves back.

        Raises:
            ValueError: the row is not committed yet.
        """
        with self._file.lock:
            if row > self._last:
                raise ValueError(f"cursor {cursor} cannot pass the last committed row {self._last} (asked for {row})")
            with self._file.transaction():
                self._file.writer.execute(
                    "INSERT INTO cursor VALUES (?, ?) ON CONFLICT (name) DO UPDATE"
                    " SET row = excluded.row WHERE excluded.row > cursor.row",
                    (cursor, row),
                )

    def trim(self, now_ms: int) -> int:
        """Delete the rows that nobody needs any more and return how many; commits get their turn in between."""
        gone = 0
        while True:
            with self._file.lock, self._file.transaction():
                few = self._file.writer.execute(
                    "DELETE FROM row WHERE id IN (SELECT id FROM row WHERE at_ms <= ? AND id <="
                    " ifnull((SELECT row FROM checkpoint), 0) AND id <= ifnull((SELECT min(row) FROM cursor), id)"
                    " ORDER BY id LIMIT ?)",
                    (now_ms - _KEPT_MS, _TRIM_ROWS),
                ).rowcount
            gone += few
            if few < _TRIM_ROWS:
                break
        if gone:
            with self._file.lock:
                pages, free = (self._file.pragma(name) for name in ("page_count", "freelist_count"))
                # Space that a long outage took goes back to the disk; what tomorrow needs again is kept.
                if free > max(pages // 2, 8 * _VACUUM_PAGES):
                    self._file.writer.execute(f"PRAGMA incremental_vacuum({_VACUUM_PAGES})").fetchall()
        return gone

    def shed(self, bytes: int) -> Mapping[str, Missed]:
        """Give up the oldest rows when the spool takes more than so many bytes, and a twentieth more than needed.

        Returns what each reader will never get; that is a gap in the same transaction. `trim` deletes the rows.
        """
        over = self.size().bytes - bytes
        if over <= 0:
            return {}
        with self._file.reading() as reader:
            last = shed.last_of(reader, over + bytes // 20)
            missing = shed.missed(reader, last)
        if missing:
            with self._file.lock, self._file.transaction():
                shed.give_up(self._file.writer, last, missing)
        return missing

    # What could not be decoded.

    def dead_letter(self, source: str, payload: bytes, why: str, at_ms: int, *, once: bool = False) -> None:
        """Keep what could not be decoded (cut to 64 KiB; the newest 10,000), and count it for ever.

        With `once` a payload that is still kept is the same one, met again, and changes nothing.
        """
        self._refuse_the_last_room()
        with self._file.lock, self._file.transaction():
            known = "SELECT 1 FROM dead WHERE source = ? AND payload = ?"
            if once and self._file.writer.execute(known, (source, payload[:_DEAD_PAYLOAD])).fetchone():
                return
            self._bury(source, payload, why, at_ms)

    def dead_letters(self, limit: int) -> list[DeadLetter]:
        """Return the newest dead letters, newest first."""
        with self._file.reading() as reader:
            rows = reader.execute(
                "SELECT id, at_ms, source, why, payload FROM dead ORDER BY id DESC LIMIT ?", (limit,)
            ).fetchall()
        return [DeadLetter(*row) for row in rows]

    def dead_counts(self) -> Mapping[str, int]:
        """Return how many dead letters each source has sent since the file was made."""
        with self._file.reading() as reader:
            return dict(reader.execute("SELECT source, count FROM dead_count").fetchall())

    def _refuse_the_last_room(self) -> None:
        if self._keep_free and disk_state(self._path).free < self._keep_free:
            raise StoreFullError(self._path)

    def _bury(self, source: str, payload: bytes, why: str, at_ms: int) -> None:
        self._file.writer.execute(
            "INSERT INTO dead (at_ms, source, why, payload) VALUES (?, ?, ?, ?)",
            (at_ms, source, why, payload[:_DEAD_PAYLOAD]),
        )
        self._file.writer.execute(
            "INSERT INTO dead_count VALUES (?, 1) ON CONFLICT (source) DO UPDATE SET count = count + 1", (source,)
        )
        self._file.writer.execute("DELETE FROM dead WHERE id <= (SELECT max(id) FROM dead) - ?", (_DEAD_KEPT,))

    # The file.

    def size(self) -> Size:
        """Return what the spool holds."""
        with self._file.reading() as reader:
            first, last = reader.execute("SELECT (SELECT min(id) FROM row), (SELECT max(id) FROM row)").fetchone()
            used = reader.execute(
                "SELECT (page_count - freelist_count) * page_size"
                " FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
            ).fetchone()[0]
        return Size(0 if first is None else last - first + 1, used)

    def oldest_ms(self, after_row: int = 0) -> int | None:
        """Return when the oldest row, or the oldest after a row, was committed, or None when there is none."""
        with self._file.reading() as reader:
            found = reader.execute("SELECT at_ms FROM row WHERE id > ? ORDER BY id LIMIT 1", (after_row,)).fetchone()
        return found[0] if found else None

    def limit(self, bytes: int) -> None:
        """Let the file grow to this many bytes and no further (StoreFullError beyond)."""
        with self._file.lock:
            self._file.writer.execute(
                f"PRAGMA max_page_count = {max(1, bytes // self._file.pragma('page_size'))}"
            ).fetchall()

    def close(self) -> None:
        """Close the file; what was committed is in it."""
        self._file.close()

    def _rows(self, after_row: int, limit: int) -> list[tuple[int, bytes]]:
        with self._file.reading() as reader:
            return reader.execute(
                "SELECT id, blob FROM row WHERE id > ? ORDER BY id LIMIT ?", (after_row, limit)
            ).fetchall()

    def _decoded(self, row: int, blob: bytes) -> Batch | None:
        """Decode a row; damage found only now is counted and set aside, and the readers go on behind it."""
        try:
            batch = decode(blob)
            why = "" if set(batch.layout.tolist()) <= self._device.keys() else "its layout is not in the file"
        except ValueError as error:
            batch, why = None, str(error)
        if why:
            with self._file.lock, self._file.transaction():
                self._bury("spool", blob, f"row {row}: {why}", self._clock.now())
                self._file.writer.execute("DELETE FROM row WHERE id = ?", (row,))
            return None
        return batch


def as_heard(parts: Sequence[Scan], rest: Sequence[Scan]) -> list[Scan]:
    """Return scans in the order in which they came: parts that were written ahead, and what they overtook.

    Both have that order already, and of each device the parts come first.
    """
    keyed: list[tuple[int, Scan]] = []
    ahead: dict[str, int] = {}
    newest = 0
    for scan in parts:
        newest = ahead[scan.device] = max(newest, scan.received_ms)
        keyed.append((newest, scan))
    newest = 0
    for scan in rest:
        newest = max(newest, scan.received_ms, ahead.get(scan.device, 0))
        keyed.append((newest, scan))
    return [scan for _, scan in sorted(keyed, key=itemgetter(0))]
