"""The catalogue: the one place where the archive's files come to count, are merged, and go.

One thread writes, under `writing()`; readers take `manifest` as it is and never wait: a file that was merged away stays
on the disk for two minutes more.
"""

import errno
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from stores.errors import StoreFullError
from stores.telemetry.arrivals import Arrivals
from stores.telemetry.columns import Rows, without_repeats
from stores.telemetry.recovery import readable, recovered, set_aside
from stores.telemetry.rollup import Sums, hours, joined, minutes, regrouped
from stores.telemetry.segments import ARRIVAL, HOUR, MINUTE, RAW, ROW_GROUP, SPANS, Birth, Folder, Segment, Writer
from stores.telemetry.thinning import Thinner
from stores.telemetry.upkeep import CLOSED_ROWS, Merge, outlived

GRACE_MS = 120_000
"""How long a reader may still open files that were merged away."""
_LINES = 1 << 15  # sums of minutes that are written together

_Minutes = Iterable[tuple[int, Sums]]


class Catalogue:
    """The files of a folder. `manifest` is what counts now; `aside` names broken files that were set aside."""

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self._folder = Folder(path)
        self.aside: list[Path] = []
        found = None
        with suppress(ValueError, KeyError, TypeError):
            found = self._folder.manifest() if self._folder.has_manifest() else None
        if found is None:
            found, self.aside = recovered(path)
            # At once, and in a new folder too: what no manifest names is swept away, and one that is missing was lost.
            with suppress(OSError):  # the disk is full; the next start recovers it again
                self._folder.keep(found)
        self.manifest = found
        self._lock = threading.Lock()
        self._swept = False
        self._merged_away: list[tuple[int, list[str]]] = []
        self._last_names: Sequence[str] = ()

    @contextmanager
    def writing(self, now_ms: int) -> Iterator[None]:
        """Let one thread write; says a full disk by its name, and leaves no unfinished files behind."""
        with self._lock:
            if not self._swept:
                self._folder.sweep(self.manifest, {name for _, names in self._merged_away for name in names})
                self._swept = True
            for at_ms, names in list(self._merged_away):
                if now_ms - at_ms >= GRACE_MS:
                    self._folder.remove(names)
                    self._merged_away.remove((at_ms, names))
            try:
                yield
            except OSError as error:
                self._swept = False
                if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                    raise StoreFullError(self._folder.path) from error
                raise

    def points(self) -> set[str]:
        """Return every point that was ever written."""
        return self._folder.points()

    def follow(self, spool: int) -> None:
        """Take rows of this spool; of another than before, all rows are new."""
        if self.manifest.spool != spool:
            self.manifest = replace(self.manifest, spool=spool, row=0)

    def add(
        self,
        portions: Iterable[Rows],
        now_ms: int,
        *,
        row: int | None = None,
        closed: bool = False,
        thinner: Thinner | None = None,
        arrivals: Iterable[Arrivals] = (),
    ) -> None:
        """Add readings, with their minutes; `row` is the spool row up to which everything is then here.

        They come day by day, in the order of the portions' first points. Those of the spool bring along how they came
        (`arrivals`). The minutes are of all readings, also of those that the `thinner` leaves out.
        """
        birth = Birth(RAW, 0, now_ms, self.manifest.spool, self.manifest.row if row is None else row)
        hold_ms = thinner.hold_ms if thinner else 0
        writers: dict[tuple[str, int, bool], Writer] = {}
        sums = _Waiting()
        new: list[Segment] = []
        try:
            new += [
                self._written(replace(birth, kind=ARRIVAL, day=came.day), [came], closed=closed) for came in arrivals
            ]
            for rows in portions:
                if not len(rows):
                    continue
                self._learn(rows.names)
                self._add_minutes(writers, birth, sums.full(rows))
                if any(day != rows.day for _, day, _ in writers):  # years of history must not be years of open files
                    new.extend(_ended(writers, closed=closed))
                kind = RAW, rows.day, rows.noise
                if kind not in writers:
                    own = replace(birth, day=rows.day, noise=rows.noise, hold_ms=hold_ms)
                    writers[kind] = self._begun(own)
                writers[kind].add(thinner.thinned(rows) if thinner else rows)
                sums.add(rows)
                del rows
            self._add_minutes(writers, birth, sums.rest())
            new.extend(_ended(writers, closed=closed))
        except BaseException:
            for writer in writers.values():
                writer.give_up()
            self._folder.remove([segment.name for segment in new])
            raise
        if new or row is not None:
            self._publish(new, [], now_ms, row)

    def _add_minutes(self, writers: dict[tuple[str, int, bool], Writer], birth: Birth, some: _Minutes) -> None:
        for day, sums in some:
            if (MINUTE, day, False) not in writers:
                writers[MINUTE, day, False] = self._begun(replace(birth, kind=MINUTE, day=day))
            writers[MINUTE, day, False].add(sums)

    def merge(self, merge: Merge, now_ms: int) -> int:
        """Make one file of several, or hours of minutes, and return how many rows they had."""
        names = [s.name for s in merge.segments]
        twins = {s.twin for s in merge.segments if s.twin}
        gone = [s for s in self.manifest.segments if s.name in twins]
        first = merge.segments[0]
        birth = Birth(
            HOUR if merge.hours else first.kind, first.day, now_ms, self.manifest.spool, self.manifest.row,
            noise=first.noise, hold_ms=max(s.hold_ms for s in merge.segments),
        )  # fmt: skip
        try:
            if merge.hours:
                birth = replace(birth, replaces=tuple(twins), of=tuple(names))
                new = self._written(birth, map(hours, map(regrouped, self._folder.sums(names))), closed=True)
            else:
                gone += merge.segments
                birth = replace(birth, replaces=tuple(s.name for s in gone))
                rows, sums = self._folder.rows, self._folder.sums
                what: Iterable[Rows] | Iterable[Sums] | Iterable[Arrivals] = map(without_repeats, rows(names))
                if first.kind == ARRIVAL:
                    what = self._folder.committed(names)
                elif first.kind != RAW:
                    what = map(regrouped, sums(names))
                new = self._written(birth, what, closed=merge.closing)
        except (OSError, ValueError):
            if not self._mended(names):
                raise
            return 1  # without the broken file the next turn finds other work
        self._publish([new], gone, now_ms, twin_of=birth.of)
        return sum(s.rows for s in merge.segments)

    def forget(self, now_ms: int, raw_days: int, rollup_days: int) -> list[Segment]:
        """Let go of what is older than so many days and return which files that were."""
        gone = outlived(self.manifest.segments, now_ms, raw_days, rollup_days)
        if gone:
            self._publish([], gone, now_ms)
        return gone

    def mend(self, names: Iterable[str]) -> bool:
        """Set aside those of the files that cannot be read, and say whether there were any."""
        with self._lock:
            return self._mended(names)

    def _mended(self, names: Iterable[str]) -> bool:
        wanted = set(names)
        broken = [s for s in self.manifest.segments if s.name in wanted]
        broken = [s for s in broken if not readable(self._folder.path / s.name)]
        if broken:
            # A broken file of hours leaves its minutes, which get new ones; the hours of broken minutes stay.
            manifest = self.manifest.but(broken, [])
            self.aside += [set_aside(self._folder.path / s.name) for s in broken]
            self._folder.keep(manifest)
            self.manifest = manifest
        return bool(broken)

    def _learn(self, names: Sequence[str]) -> None:
        if names is not self._last_names:
            self._folder.add_points(names)
            self._last_names = names

    def _written(
        self, birth: Birth, portions: Iterable[Rows] | Iterable[Sums] | Iterable[Arrivals], *, closed: bool
    ) -> Segment:
        writer = self._begun(birth)
        try:
            for what in portions:
                writer.add(what)
            return _finished(writer, closed=closed)
        except BaseException:
            writer.give_up()
            raise

    def _begun(self, birth: Birth) -> Writer:
        number = self.manifest.next
        self.manifest = replace(self.manifest, next=number + 1)
        return self._folder.writer(f"{birth.kind}-{np.datetime64(birth.day, 'D')}-{number:08}.parquet", birth)

    def _publish(
        self,
        new: Sequence[Segment],
        gone: Sequence[Segment],
        now_ms: int,
        row: int | None = None,
        twin_of: Sequence[str] = (),
    ) -> None:
        """Make the new files count and the old ones not, in one step; the old ones are deleted later."""
        manifest = self.manifest.but(gone, new, twin_of)
        if row is not None:
            manifest = replace(manifest, row=row)
        self._folder.keep(manifest)
        self.manifest = manifest
        if gone:
            self._merged_away.append((now_ms, [s.name for s in gone]))


def _ended(writers: dict[tuple[str, int, bool], Writer], *, closed: bool) -> Iterator[Segment]:
    """Finish the files, and let go of each once it is finished."""
    for kind in sorted(writers, key=_raw_first):
        yield _finished(writers[kind], closed=closed)
        del writers[kind]


def _finished(writer: Writer, *, closed: bool) -> Segment:
    writer.finish()
    birth = writer.birth
    last = writer.to_ms + SPANS[birth.kind]
    closed = closed or writer.rows >= CLOSED_ROWS[birth.kind]
    return Segment(
        writer.name, birth.kind, birth.day, writer.rows, writer.from_ms, last, birth.made_ms, closed,
        noise=birth.noise, hold_ms=birth.hold_ms,
    )  # fmt: skip


def _raw_first(kind: tuple[str, int, bool]) -> tuple[bool, int, bool]:
    return kind[0] != RAW, *kind[1:]


class _Waiting:
    """Sums of minutes that wait for the points before them: a point's readings may be in either kind of portion."""

    def __init__(self) -> None:
        self._day = 0
        self._parts: list[Sums] = []
        self._many = 0

    def add(self, rows: Rows) -> None:
        """Take the minutes of a portion."""
        self._day = rows.day
        self._parts.append(minutes(rows))
        self._many += len(self._parts[-1])

    def full(self, coming: Rows) -> _Minutes:
        """Return what is complete, now that these come: those of the points before them, when they are many."""
        if not self._parts or (coming.day == self._day and self._many < _LINES):
            return
        if coming.day != self._day:
            yield from self.rest()
            return
        sums = joined(self._parts)
        done = int(np.searchsorted(sums.code, coming.code[0])) // ROW_GROUP[MINUTE] * ROW_GROUP[MINUTE]
        if done:
            yield self._day, sums.where(slice(0, done))
        self._parts, self._many = [sums.where(slice(done, None))], len(sums) - done

    def rest(self) -> _Minutes:
        """Return what is left."""
        if self._parts:
            yield self._day, joined(self._parts)
            self._parts, self._many = [], 0
