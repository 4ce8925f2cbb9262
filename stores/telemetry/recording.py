"""The recording: scans as they once came, whole and in order, put together again from the archive and the spool.

Beside a running service nothing is disturbed: the manifest says what counts, and what it does not hold yet is read from
the spool. A day is put together at a time; its values lie in a temporary file meanwhile.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import chain, pairwise
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from facility.scan import Reason, Scan
from stores.telemetry.archivist.spoolview import SpoolView
from stores.telemetry.arrivals import Arrivals, unfolded
from stores.telemetry.batch import Batch, Floats, Ints, Octets
from stores.telemetry.segments import ARRIVAL, RAW, Folder, Manifest

Points = Mapping[str, tuple[str, ...]]
"""The points of each device, in the order in which its values are wanted."""

_AT_ONCE = 32_768  # scans handed out at a time
_ATTEMPTS = 5
_PORTION = 5_000  # scans decoded at a time
_BYTES = np.dtype("<f8").itemsize


_Said = Mapping[int, Sequence[tuple[tuple[float, ...], bytes]]]


@dataclass(slots=True)
class _Sheet:
    """The scans of one device on one day: values and reasons, points x scans, and the moments of the scans.

    `others` are what its scans that are held whole said, by their moments.
    """

    at_ms: Ints
    values: Floats
    reasons: Octets
    others: _Said


class Recording:
    """Reads what a site's `archive` folder and `spool` file hold.

    `unclear` counts the scans that were left out because their device has other points by now.
    """

    def __init__(self, archive: Path, spool: Path) -> None:
        """Look at files that exist; none of them is changed."""
        self._folder = Folder(archive)
        self._spool = SpoolView(spool)
        self.unclear = 0

    def begin_ms(self) -> int | None:
        """Return since when there is a record of how scans came; None when there is none."""
        manifest, head = self._snapshot()
        known = [s.from_ms for s in manifest.segments if s.kind == ARRIVAL]
        known += [int(batch.received_ms.min()) for _, batch in head if len(batch)]
        return min(known, default=None)

    def scans(self, points: Points, from_ms: int, to_ms: int) -> Iterator[Scan]:
        """Return the scans that came in [from_ms, to_ms), in the order in which they came.

        The spool may hold scans of different devices in another order than that; those of one device it never does. Of
        an archive that leaves readings out, the reading kept before stands for them.

        Raises:
            OSError: a file cannot be read.
            StoreError: the spool cannot be read.
        """
        manifest, head = self._snapshot()
        days = sorted({s.day for s in manifest.of(ARRIVAL, from_ms, to_ms)})
        archived = (scan for day in days for scan in self._day(manifest, day, points, from_ms, to_ms))
        spooled = sorted(self._spooled(head, points, from_ms, to_ms), key=_came)
        newest = max((s.to_ms for s in manifest.segments if s.kind == ARRIVAL), default=0)
        if not spooled or newest <= spooled[0].received_ms:
            return chain(archived, spooled)
        return merge(archived, spooled, key=_came)

    def _spooled(self, head: Sequence[tuple[int, Batch]], points: Points, from_ms: int, to_ms: int) -> Iterator[Scan]:
        devices: dict[int, str] = {}
        for _, batch in head:
            for id_ in np.unique(batch.layout).tolist():
                devices[id_] = self._spool.layout_of(id_).device
            for layout, scan in zip(batch.layout.tolist(), batch.scans(devices), strict=True):
                if from_ms <= scan.received_ms < to_ms and scan.device in points:
                    yield self._arranged(scan, self._spool.layout_of(layout).points, points[scan.device])

    def _snapshot(self) -> tuple[Manifest, list[tuple[int, Batch]]]:
        """Return the manifest, and what the spool holds beyond it."""
        for _ in range(_ATTEMPTS):
            manifest = self._folder.manifest()
            row = manifest.row if manifest.spool == self._spool.id else 0
            head: list[tuple[int, Batch]] = []
            while found := self._spool.batches(head[-1][0] if head else row, _PORTION):
                head += found
            if self._folder.manifest().row == manifest.row:
                break
        return manifest, head

    def _day(self, manifest: Manifest, day: int, points: Points, from_ms: int, to_ms: int) -> Iterator[Scan]:
        last_row = manifest.row
        with tempfile.TemporaryFile() as file:
            for attempt in range(_ATTEMPTS):
                try:
                    arrivals = self._arrivals(manifest, day, points, from_ms, to_ms, last_row)
                    sheets = self._sheets(manifest, day, arrivals, points, file)
                    break
                except FileNotFoundError:  # merged away meanwhile: the files that took their place are named now
                    if attempt == _ATTEMPTS - 1:
                        raise
                    manifest = self._folder.manifest()
            yield from self._played(arrivals, sheets, points)

    def _arrivals(
        self, manifest: Manifest, day: int, points: Points, from_ms: int, to_ms: int, last_row: int
    ) -> Arrivals:
        names = [s.name for s in manifest.segments if s.kind == ARRIVAL and s.day == day]
        found = self._folder.arrivals(names)
        known = np.array([name in points for name in found.names], np.bool_)
        mine = known[found.code] & (found.received_ms >= from_ms) & (found.received_ms < to_ms)
        found = found.where(np.flatnonzero(mine & (found.row <= last_row)))
        return found.where(np.argsort(found.received_ms, kind="stable"))

    def _sheets(
        self, manifest: Manifest, day: int, arrivals: Arrivals, points: Points, file: IO[bytes]
    ) -> list[_Sheet]:
        """Return a sheet per device of the arrivals, filled with the readings of the day."""
        plain = _plain(arrivals)
        counts = np.bincount(arrivals.code[plain], minlength=len(arrivals.names)).tolist()
        widths = [len(points.get(name, ())) for name in arrivals.names]
        size = max(1, sum(n * width for n, width in zip(counts, widths, strict=True)))
        values, reasons = _space(file, size)
        at = arrivals.at_ms[plain]
        order = np.argsort(arrivals.code[plain], kind="stable")
        others = _others(arrivals)
        sheets: list[_Sheet] = []
        where: dict[str, tuple[int, int]] = {}
        first = cell = 0
        for number, (name, n, width) in enumerate(zip(arrivals.names, counts, widths, strict=True)):
            area = slice(cell, cell + n * width)
            sheets.append(
                _Sheet(
                    at[order[first : first + n]],
                    values[area].reshape(width, n),
                    reasons[area].reshape(width, n),
                    others.get(number, {}),
                )
            )
            if n:
                where.update({point: (number, column) for column, point in enumerate(points[name])})
            first, cell = first + n, cell + n * width
        files = [s for s in manifest.segments if s.kind == RAW and s.day == day]
        hold_ms = max((s.hold_ms for s in files), default=0)
        for rows in self._folder.rows([s.name for s in files]):
            edges = np.flatnonzero(np.diff(rows.code, prepend=-1, append=-1)).tolist()
            for start, end in pairwise(edges):
                place = where.get(rows.names[int(rows.code[start])])
                if place is not None:
                    some = slice(start, end)
                    _fill(
                        sheets[place[0]], place[1], rows.at_ms[some], rows.value[some], rows.reason[some], 2 * hold_ms
                    )
        return sheets

    def _played(self, arrivals: Arrivals, sheets: Sequence[_Sheet], points: Points) -> Iterator[Scan]:
        """Return the scans of arrivals in their order."""
        names, whole = arrivals.names, arrivals.whole
        plain = np.zeros(len(arrivals), np.bool_)
        plain[_plain(arrivals)] = True
        done = [0] * len(names)
        for start in range(0, len(arrivals), _AT_ONCE):
            some = slice(start, start + _AT_ONCE)
            codes = arrivals.code[some]
            coming: list[Iterator[tuple[list[float], bytes]]] = []
            for code, n in enumerate(np.bincount(codes[plain[some]], minlength=len(names)).tolist()):
                coming.append(_lines(sheets[code], done[code], done[code] + n))
                done[code] += n
            heads = zip(codes.tolist(), arrivals.at_ms[some].tolist(), arrivals.received_ms[some].tolist(), strict=True)
            for i, (code, at_ms, received_ms) in enumerate(heads, start):
                if plain[i]:
                    values, reasons = next(coming[code])
                    yield Scan(names[code], at_ms, received_ms, tuple(values), reasons)
                else:
                    held, reasons = unfolded(whole[i])
                    if len(held) == len(points[names[code]]):
                        yield Scan(names[code], at_ms, received_ms, held, reasons)
                    else:
                        self.unclear += 1

    def _arranged(self, scan: Scan, said: tuple[str, ...], wanted: tuple[str, ...]) -> Scan:
        """Return the scan of a layout in the order wanted; a point that the layout lacks was not given."""
        if said == wanted:
            return scan
        place = {point: i for i, point in enumerate(said)}
        values = tuple(scan.value(place[point]) if point in place else float("nan") for point in wanted)
        reasons = bytes(scan.reasons[place[point]] if point in place else Reason.NOT_GIVEN for point in wanted)
        return Scan(scan.device, scan.at_ms, scan.received_ms, values, reasons)


def _came(scan: Scan) -> int:
    return scan.received_ms


def _plain(arrivals: Arrivals) -> Ints:
    """Return the positions of those that are not held whole."""
    plain = np.ones(len(arrivals), np.bool_)
    plain[list(arrivals.whole)] = False
    return np.flatnonzero(plain)


def _space(file: IO[bytes], size: int) -> tuple[Floats, Octets]:
    """Return room for values and reasons in a file: NaN, not given."""
    file.truncate(size * (_BYTES + 1))
    room = np.memmap(file, np.uint8, "r+", shape=(size * (_BYTES + 1),))
    values: Floats = room[: size * _BYTES].view("<f8")
    reasons: NDArray[np.uint8] = room[size * _BYTES :]
    values[:] = np.nan
    reasons[:] = Reason.NOT_GIVEN
    return values, reasons


def _fill(sheet: _Sheet, column: int, at_ms: Ints, value: Floats, reason: Octets, hold_ms: int) -> None:
    """Put a point's readings of a day, sorted by time, where they were said."""
    place = np.searchsorted(at_ms, sheet.at_ms)
    if (at_ms[1:] == at_ms[:-1]).any():
        _choose(sheet, column, at_ms, value, reason, place)
    found = at_ms[np.minimum(place, len(at_ms) - 1)] == sheet.at_ms
    if not found.all() and hold_ms:
        before = np.maximum(place - 1, 0)
        held = ~found & (place > 0) & (sheet.at_ms - at_ms[before] <= hold_ms)
        place[held] = before[held]
        found |= held
    if found.all():
        sheet.values[column], sheet.reasons[column] = value[place], reason[place]
    else:
        sheet.values[column, found], sheet.reasons[column, found] = value[place[found]], reason[place[found]]


def _choose(sheet: _Sheet, column: int, at_ms: Ints, value: Floats, reason: Octets, place: Ints) -> None:
    """Let `place` name, where a moment has several readings, one that belongs to no scan that is held whole."""
    ends = np.searchsorted(at_ms, sheet.at_ms, side="right")
    bits = value.view(np.int64)
    for i in np.flatnonzero(ends - place > 1).tolist():
        theirs = {
            (int(np.float64(values[column]).view(np.int64)), reasons[column])
            for values, reasons in sheet.others.get(int(sheet.at_ms[i]), ())
            if column < len(values)
        }
        mine = (j for j in range(int(place[i]), int(ends[i])) if (int(bits[j]), int(reason[j])) not in theirs)
        place[i] = next(mine, place[i])


def _others(arrivals: Arrivals) -> dict[int, dict[int, list[tuple[tuple[float, ...], bytes]]]]:
    """Return what the scans that are held whole said, by device and moment."""
    found: dict[int, dict[int, list[tuple[tuple[float, ...], bytes]]]] = {}
    for i, whole in arrivals.whole.items():
        said = found.setdefault(int(arrivals.code[i]), {})
        said.setdefault(int(arrivals.at_ms[i]), []).append(unfolded(whole))
    return found


def _lines(sheet: _Sheet, first: int, last: int) -> Iterator[tuple[list[float], bytes]]:
    """Return values and reasons of some of a sheet's scans, one by one."""
    reasons = np.ascontiguousarray(sheet.reasons[:, first:last].T)
    values = sheet.values[:, first:last].T.tolist()
    if not reasons.any():
        good = bytes(reasons.shape[1])
        return ((row, good) for row in values)
    return ((row, why.tobytes()) for row, why in zip(values, reasons, strict=True))
