"""The archive's files: Parquet that pandas or DuckDB opens anywhere, and the manifest that says which of them count.

A file is written under a temporary name, reaches the disk, and is renamed; the manifest that names it follows the same
way. What the manifest does not name does not exist: a kill at any moment leaves the old state or the new one.
"""

import json
import os
import sys
from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stores.telemetry.arrivals import Arrivals, in_order
from stores.telemetry.batch import Floats, Ints
from stores.telemetry.columns import Rows
from stores.telemetry.memory import arrow
from stores.telemetry.names import Codes, Names
from stores.telemetry.rollup import HOUR_MS, MINUTE_MS, Sums

RAW, MINUTE, HOUR, ARRIVAL = "raw", "minute", "hour", "arrival"
SPANS = {RAW: 0, MINUTE: MINUTE_MS - 1, HOUR: HOUR_MS - 1, ARRIVAL: 0}
"""How far beyond its time a row of a kind reaches."""
BIRTH = b"dutyroom"
"""The key of a file's `Birth` in its Parquet metadata."""

MANIFEST = "manifest.json"
_VERSION = 2
ROW_GROUP = {RAW: 1 << 15, MINUTE: 1 << 13, HOUR: 1 << 14, ARRIVAL: 1 << 17}
"""Rows that a question about one point has to unpack; the fewer, the more names and footers there are to read."""
_DICTIONARY_BYTES = 4096  # a column of more different numbers than fit here packs better as they are
_PIECE = 1 << 20
_LAST = chr(sys.maxunicode)
_RUN = 8  # rows of a point from which on numbers that stand for names are a run: Parquet packs fewer bit by bit
_SPARE_BITS = 20  # of a total's mantissa: a mean is given to ten digits


@dataclass(frozen=True, slots=True)
class Segment:
    """One file. `day` is its UTC day (days since 1970); times are of its oldest and newest row.

    A closed minute file has a `twin`: a file of hours that holds its sums too, and stands for it in long charts. A raw
    file holds either decimals of few digits or `noise`. Where `hold_ms` is not 0, a reading stands for those left out
    after it, for at most so long. Times of arrivals are when they came.
    """

    name: str
    kind: str
    day: int
    rows: int
    from_ms: int
    to_ms: int
    made_ms: int
    closed: bool = False
    twin: str = ""
    noise: bool = False
    hold_ms: int = 0


@dataclass(frozen=True, slots=True)
class Birth:
    """What a file says of itself, so that the manifest can be made again from the files.

    It holds spool rows up to `row`, takes the place of the files it `replaces`, and a file of hours is the twin `of`
    some files of minutes.
    """

    kind: str
    day: int
    made_ms: int
    spool: int = 0
    row: int = 0
    replaces: tuple[str, ...] = ()
    of: tuple[str, ...] = ()
    noise: bool = False
    hold_ms: int = 0


@dataclass(frozen=True, slots=True)
class Manifest:
    """The files that count, and the row of which spool up to which they hold everything.

    Immutable: a reader's snapshot.
    """

    spool: int = 0
    row: int = 0
    next: int = 1
    segments: tuple[Segment, ...] = ()

    def of(self, kind: str, from_ms: int, to_ms: int) -> list[Segment]:
        """Return the files of a kind that may hold something of [from_ms, to_ms)."""
        return [s for s in self.segments if s.kind == kind and s.from_ms < to_ms and s.to_ms >= from_ms]

    def but(self, gone: Sequence[Segment], new: Sequence[Segment], twin_of: Sequence[str] = ()) -> "Manifest":
        """Return the manifest without some files and with others; one new file of hours may be the twin of some."""
        names = {s.name for s in gone}
        kept = [s for s in self.segments if s.name not in names]
        kept = [replace(s, twin=new[0].name) if s.name in twin_of else s for s in kept]
        kept = [replace(s, twin="") if s.twin in names else s for s in kept]
        return replace(self, segments=(*kept, *new))


class Folder:
    """The folder of an archive: writes and reads its files."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def has_manifest(self) -> bool:
        """Say whether there is one: who opens a folder for writing puts one there first."""
        return (self.path / MANIFEST).exists()

    def manifest(self) -> Manifest:
        """Return the manifest on the disk; an empty one where there is none.

        Raises:
            ValueError: it is damaged, or of a later version.
        """
        try:
            said = json.loads((self.path / MANIFEST).read_bytes())
        except FileNotFoundError:
            return Manifest()
        if said.get("version") != _VERSION:
            raise ValueError(f"{MANIFEST}: version {said.get('version')} is not known here")
        segments = tuple(Segment(**segment) for segment in said["segments"])
        return Manifest(said["spool"], said["row"], said["next"], segments)

    def keep(self, manifest: Manifest) -> None:
        """Make this the manifest, durably and at once."""
        segments = [asdict(segment) for segment in manifest.segments]
        said = {"version": _VERSION, "spool": manifest.spool, "row": manifest.row, "next": manifest.next}
        said |= {"segments": segments}  # type: ignore[dict-item]  # JSON
        part = self.path / (MANIFEST + ".part")
        with part.open("w") as file:
            json.dump(said, file, separators=(",", ":"))
            file.flush()
            os.fsync(file.fileno())
        part.replace(self.path / MANIFEST)
        sync_folder(self.path)

    def points(self) -> set[str]:
        """Return every point that was ever written."""
        return set(self._points()) - {""}

    def add_points(self, names: Sequence[str]) -> None:
        """Add those of some points, which are sorted, that were not written yet.

        A line cut short by a kill names no point and harms nothing.
        """
        new = np.flatnonzero(~_known(names, self._points())).tolist()
        if not new:
            return
        with (self.path / "points.txt").open("a", encoding="utf-8") as file:
            file.write("\n")
            file.writelines(names[i] + "\n" for i in new)
            file.flush()
            os.fsync(file.fileno())

    def _points(self) -> Iterator[str]:
        # A kill may cut a line in the middle of a character.
        with (
            suppress(FileNotFoundError),
            (self.path / "points.txt").open(encoding="utf-8", errors="replace", newline="\n") as file,
        ):
            for line in file:
                yield line.removesuffix("\n")

    def sweep(self, manifest: Manifest, but: set[str]) -> int:
        """Delete what a kill left behind, `but` not what readers may still open; return how many files that were."""
        named = {s.name for s in manifest.segments} | but
        lost = [f for f in self.path.iterdir() if f.suffix in {".parquet", ".part"} and f.name not in named]
        for file in lost:
            file.unlink(missing_ok=True)
        return len(lost)

    def remove(self, names: Sequence[str]) -> None:
        """Delete files that no manifest names any more."""
        for name in names:
            (self.path / name).unlink(missing_ok=True)

    def writer(self, name: str, birth: Birth) -> "Writer":
        """Begin a file; it counts for nothing before it is finished."""
        return Writer(self.path, name, birth)

    def rows(self, names: Sequence[str]) -> Iterator[Rows]:
        """Return the readings of some raw files as one, sorted by point and time, in portions of whole points."""
        for found in self._merged(names):
            points, code, order = _sort(found)
            late = found["received_ms"]
            yield Rows(
                points,
                code[order],
                found["at_ms"].to_numpy()[order],
                found["value"].to_numpy()[order],
                found["reason"].to_numpy()[order],
                None if late.null_count == len(late) else _or_zero(late.to_numpy())[order],
                np.zeros(len(order), np.int32),
            )

    def sums(self, names: Sequence[str]) -> Iterator[Sums]:
        """Return the sums of some files as one, likewise; parts of one span are still apart."""
        for found in self._merged(names):
            points, code, order = _sort(found)
            low, high, total, count, bad, gap = (
                found[name].to_numpy()[order]  # nothing is NaN
                for name in ("low", "high", "total", "count", "bad", "gap_ms")
            )
            yield Sums(points, code[order], found["at_ms"].to_numpy()[order], low, high, total, count, bad, gap)

    def arrivals(self, names: Sequence[str]) -> Arrivals:
        """Return the arrivals of some files of one day, in the order in which they were committed."""
        return in_order([part for name in names for part in _arrivals(self.path / name)])

    def committed(self, names: Sequence[str]) -> Iterator[Arrivals]:
        """Return the same part by part: each file holds the rows of one turn, so that mostly they just follow."""
        files = sorted(_rows_of(self.path / name) for name in names)
        if any(before[1] >= after[0] for before, after in pairwise(files)):
            yield self.arrivals(names)
            return
        for *_, path in files:
            yield from _arrivals(path)

    def _merged(self, names: Sequence[str]) -> Iterator[Any]:
        """Return the rows of several files, each sorted by point, as tables that each hold some points whole."""
        pa, _ = arrow()

        parts = [_Part(self.path / name) for name in names]
        try:
            while reaches := [part.reach for part in parts if part.reach is not None]:
                tables = [table for part in parts if len(table := part.upto(min(reaches)))]
                yield pa.concat_tables(tables).unify_dictionaries().combine_chunks()
        finally:
            for part in parts:
                part.close()


class _Part:
    """One of several files, each sorted by point, that are read side by side."""

    def __init__(self, path: Path) -> None:
        _, pq = arrow()

        self._file = pq.ParquetFile(path, read_dictionary=["point"])
        said = self._file.metadata
        stands = [said.row_group(i).column(0).statistics for i in range(said.num_row_groups)]
        self._coming = deque((i, stand.min, stand.max) for i, stand in enumerate(stands))
        self._rest = self._file.schema_arrow.empty_table()

    @property
    def reach(self) -> str | None:
        """How far it can be read with one more row group; None when there is no more."""
        if self._coming:
            return str(self._coming[0][2])
        return str(self._rest["point"][-1].as_py()) if len(self._rest) else None

    def upto(self, last: str) -> Any:
        """Return the rows up to a point that were not returned yet."""
        pa, _ = arrow()

        tables = [self._rest] if len(self._rest) else []
        while self._coming and self._coming[0][1] <= last:
            tables.append(self._file.read_row_group(self._coming.popleft()[0], use_threads=False))
        if not tables:
            return self._rest
        table = pa.concat_tables(tables).unify_dictionaries().combine_chunks()
        point = table["point"].chunk(0)
        inside = np.array([name <= last for name in point.dictionary.to_pylist()], np.bool_)
        rows = int(inside[point.indices.to_numpy()].sum())
        self._rest = _own_names(pa, table.slice(rows))
        return table.slice(0, rows)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def _own_names(pa: Any, table: Any) -> Any:
    """Return a table with no other names than those of its points: what is left over would gather all of a file's."""
    if not len(table):
        return table
    point = table["point"].chunk(0)
    used, code = np.unique(point.indices.to_numpy(), return_inverse=True)
    known = point.dictionary
    names = pa.array([known[i].as_py() for i in used.tolist()], pa.string())
    return table.set_column(0, "point", pa.DictionaryArray.from_arrays(pa.array(code.astype(np.int32)), names))


class Writer:
    """Writes one file, portion by portion, so that it is there whole or not at all."""

    def __init__(self, folder: Path, name: str, birth: Birth) -> None:
        pa, _ = arrow()

        self.name, self.rows, self.from_ms, self.to_ms = name, 0, 0, 0
        self.birth = birth
        self._kind, self._noise = birth.kind, birth.noise
        self._folder, self._part = folder, folder / (name + ".part")
        schema = pa.schema(_schema(pa, birth.kind))
        self._schema = schema.with_metadata({BIRTH: json.dumps(asdict(birth))})
        self._file = self._part.open("wb")
        self._parquet: Any = None
        self._synced = 0

    def add(self, what: Rows | Sums | Arrivals) -> None:
        """Write rows behind those before; the whole must be sorted by point and time, or as it came."""
        pa, _ = arrow()

        if not len(what):
            return
        if self._parquet is None:
            self._parquet = self._opened(several=not isinstance(what, Sums) or _run(what.code) >= _RUN)
        times = what.received_ms if isinstance(what, Arrivals) else what.at_ms
        low, high = int(times.min()), int(times.max())
        self.from_ms = min(low, self.from_ms) if self.rows else low
        self.to_ms = max(high, self.to_ms) if self.rows else high
        self.rows += len(what)
        most = ROW_GROUP[self._kind]
        parts = -(-len(what) // most)
        for number in range(parts):
            part = slice(number * len(what) // parts, (number + 1) * len(what) // parts)
            columns = _arrived(pa, what, part) if isinstance(what, Arrivals) else _columns(pa, what, part)
            table = pa.Table.from_arrays(columns, schema=self._schema)
            self._parquet.write_table(table, row_group_size=most)
            self._sync()

    def _sync(self) -> None:
        """Bring what was written to the disk piece by piece: the service's commits beside it wait for one at most."""
        written = self._file.tell()
        if written - self._synced >= _PIECE:
            self._synced = written
            self._file.flush()
            os.fsync(self._file.fileno())

    def _opened(self, *, several: bool) -> Any:
        """Return what writes the columns; `several` rows of each point stand together, or readings."""
        _, pq = arrow()

        schema = self._schema
        # Runs of equal bytes fall together where each byte of a number has a plane of its own; decimals, whose bytes
        # are all different, repeat as a whole instead.
        shuffled = [n for n in schema.names if n in {"at_ms", "total"} or (n == "value" and self._noise)]
        plain = {"received_ms", "from_ms", "to_ms", "row", "whole", *shuffled}
        if not several:
            # Each with its number would be larger than the names, which resemble each other; but a chart that unpacks
            # many files of readings would have to number them, 0.4 ms a file.
            plain.add("point")
        encodings = dict.fromkeys(shuffled, "BYTE_STREAM_SPLIT")
        if self._kind == ARRIVAL:  # moments that follow each other
            encodings = dict.fromkeys(("received_ms", "at_ms", "row"), "DELTA_BINARY_PACKED")
        return pq.ParquetWriter(
            self._file,
            schema,
            compression="zstd",
            compression_level=1,
            use_dictionary=[n for n in schema.names if n not in plain],
            dictionary_pagesize_limit=_DICTIONARY_BYTES,
            column_encoding=encodings,
            write_statistics=schema.names[:2],
        )

    def finish(self) -> None:
        """Bring the file to the disk under its name."""
        if self._parquet is None:
            self._parquet = self._opened(several=True)
        self._parquet.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._part.replace(self._folder / self.name)
        sync_folder(self._folder)

    def give_up(self) -> None:
        """Leave no trace of an unfinished file."""
        with suppress(Exception):  # the disk may be full, and closing writes the footer
            if self._parquet is not None:
                self._parquet.close()
        with suppress(OSError):
            self._file.close()
        self._part.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _known(names: Sequence[str], lines: Iterator[str]) -> NDArray[np.bool_]:
    """Say which of some sorted names are among the lines; these are in order for the most part."""
    known = np.zeros(len(names), np.bool_)
    at, before, here = 0, "", names[0] if names else ""  # `here` is the name at `at`
    for line in lines:
        if not (before < line <= here):
            at = bisect_left(names, line)
            here = names[at] if at < len(names) else _LAST
            before = names[at - 1] if at else ""
        if line == here:
            known[at] = True
            before, at = here, at + 1
            here = names[at] if at < len(names) else _LAST
    return known


def _schema(pa: Any, kind: str) -> list[tuple[str, Any]]:
    if kind == ARRIVAL:
        times = [(name, pa.int64()) for name in ("received_ms", "at_ms", "row")]
        return [("device", pa.dictionary(pa.int32(), pa.string())), *times, ("whole", pa.binary())]
    head = [("point", pa.dictionary(pa.int32(), pa.string())), ("at_ms", pa.int64())]
    if kind == RAW:
        return [*head, ("value", pa.float64()), ("reason", pa.uint8()), ("received_ms", pa.int64())]
    sums = [*((name, pa.float64()) for name in ("low", "high", "total"))]
    sums += [(name, pa.int32()) for name in ("count", "bad", "gap_ms")]
    spoken = [("from_ms", pa.int64()), ("to_ms", pa.int64()), ("hole_ms", pa.int32())] if kind == HOUR else []
    return [*head, *sums, *spoken]


def _columns(pa: Any, what: Rows | Sums, part: slice) -> list[Any]:
    """Return a slice as Arrow columns; the dictionary of points holds only what the slice needs."""
    code = what.code[part]
    first = np.concatenate(([True], code[1:] != code[:-1]))
    names = _strings(pa, what.names, code[first])
    point = pa.DictionaryArray.from_arrays(pa.array(np.cumsum(first, dtype=np.int32) - 1), names)
    at = pa.array(what.at_ms[part])
    if isinstance(what, Rows):
        late = pa.nulls(len(code), pa.int64())
        if what.received_ms is not None:
            received = what.received_ms[part]
            late = pa.array(received, mask=received == 0)
        return [point, at, pa.array(what.value[part]), pa.array(what.reason[part]), late]
    empty = what.count[part] == 0
    values = [
        *(pa.array(column[part], mask=empty) for column in (what.low, what.high)),
        pa.array(_ten(what.total[part])),
    ]
    counts = [pa.array(column[part]) for column in (what.count, what.bad, what.gap_ms)]
    spoken = what.spoken
    ends = [pa.array(c[part]) for c in (spoken.from_ms, spoken.to_ms, spoken.hole_ms)] if spoken else []
    return [point, at, *values, *counts, *ends]


def _run(code: Codes) -> float:
    """Return how many rows of a point stand together."""
    return len(code) / (1 + np.count_nonzero(code[1:] != code[:-1]))


def _strings(pa: Any, names: Sequence[str], codes: Codes) -> Any:
    if isinstance(names, Names):
        ends, text = names.some(codes)
        return pa.StringArray.from_buffers(len(codes), pa.py_buffer(ends), pa.py_buffer(text))
    return pa.array([names[i] for i in codes.tolist()], pa.string())


def _arrived(pa: Any, what: Arrivals, part: slice) -> list[Any]:
    """Return a slice of arrivals as Arrow columns."""
    used, code = np.unique(what.code[part], return_inverse=True)
    names = pa.array([what.names[i] for i in used.tolist()], pa.string())
    device = pa.DictionaryArray.from_arrays(pa.array(code.astype(np.int32)), names)
    whole = pa.array([what.whole.get(i) for i in range(part.start, part.stop)], pa.binary())
    return [device, *(pa.array(column[part]) for column in (what.received_ms, what.at_ms, what.row)), whole]


def _arrivals(path: Path) -> Iterator[Arrivals]:
    """Return the arrivals of a file, row group by row group."""
    _, pq = arrow()

    with pq.ParquetFile(path, read_dictionary=["device"], pre_buffer=False) as file:
        for number in range(file.num_row_groups):
            table = file.read_row_group(number, use_threads=False).unify_dictionaries().combine_chunks()
            device, whole = table["device"].chunk(0), table["whole"]
            received, at, row = (table[name].to_numpy() for name in ("received_ms", "at_ms", "row"))
            held = {} if whole.null_count == len(whole) else dict(enumerate(whole.to_pylist()))
            yield Arrivals(
                device.dictionary.to_pylist(), device.indices.to_numpy(), received, at, row,
                {i: scan for i, scan in held.items() if scan is not None},
            )  # fmt: skip


def _rows_of(path: Path) -> tuple[int, int, Path]:
    """Return the first and the last spool row of a file of arrivals."""
    _, pq = arrow()

    with pq.ParquetFile(path, pre_buffer=False) as file:
        row = file.read(columns=["row"], use_threads=False)["row"].to_numpy()
    return (int(row[0]), int(row[-1]), path) if len(row) else (0, 0, path)


def _or_zero(times: NDArray[Any]) -> Ints:
    """Return times, 0 where there is none; pyarrow gives them as floats then, which hold every millisecond."""
    known: Ints = np.nan_to_num(times, nan=0.0).astype(np.int64)
    return known


def _ten(total: Floats) -> Floats:
    """Return totals to ten digits: the noise behind them would be most of a file of sums."""
    bits = total.view(np.int64) + (1 << (_SPARE_BITS - 1))
    return (bits & ~((1 << _SPARE_BITS) - 1)).view(np.float64)


def _sort(table: Any) -> tuple[list[str], Codes, Ints]:
    """Return the sorted names of a table's points, each row's position among them, and the rows' order."""
    chunks = table["point"].combine_chunks()
    chunk = chunks.chunk(0) if hasattr(chunks, "chunk") else chunks
    names = chunk.dictionary.to_pylist()
    by_name = sorted(range(len(names)), key=names.__getitem__)
    rank = np.empty(len(names), np.int32)
    rank[by_name] = np.arange(len(names), dtype=np.int32)
    code = rank[chunk.indices.to_numpy()]
    at = table["at_ms"].to_numpy()
    first = int(at.min()) if len(at) else 0
    bits = max(1, (int(at.max()) - first).bit_length()) if len(at) else 1
    if bits + len(names).bit_length() < 63:  # noqa: PLR2004 - both fit one signed 64-bit key
        # Runs that are already sorted merge quickly under one key.
        return (
            [names[i] for i in by_name],
            code,
            np.argsort((code.astype(np.int64) << bits) | (at - first), kind="stable"),
        )
    return [names[i] for i in by_name], code, np.lexsort((at, code))
