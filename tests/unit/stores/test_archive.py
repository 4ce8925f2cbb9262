"""The archive: spool to files without loss or doubles, files that stay few, answers that are complete to the last commit."""

import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from hands import Hands

from facility.records import HistoryForgotten
from facility.scan import Reason, Scan, missed
from stores.errors import StoreFullError
from stores.telemetry.archive import Archive
from stores.telemetry.catalogue import GRACE_MS
from stores.telemetry.segments import Folder, Segment, Writer
from stores.telemetry.source import CURSOR
from stores.telemetry.spool import Spool
from stores.telemetry.upkeep import merge_due

_DAY = 86_400_000
_START = 20_700 * _DAY
_HOUR = 3_600_000


@pytest.fixture
def clock() -> Hands:
    return Hands(_START)


@pytest.fixture
def spool(tmp_path: Path, clock: Hands) -> Iterator[Spool]:
    spool = Spool(tmp_path / "spool.db", clock)
    spool.layout("meter", ("M/v", "M/i"), "v1")
    spool.layout("lift-1", ("L1/floor", "L1/speed", "L1/bell"), "v1")
    yield spool
    spool.close()


@pytest.fixture
def archive(tmp_path: Path, spool: Spool) -> Iterator[Archive]:
    archive = Archive(tmp_path / "archive", spool)
    yield archive
    archive.close()


def _minute(start: int, every: int = 1000) -> list[Scan]:
    """A minute of both devices."""
    scans = []
    for at in range(start, start + 60_000, every):
        scans.append(Scan("meter", at, at + 5, (230.0 + at % 7, 0.1 * (at // 1000 % 10)), bytes(2)))
        scans.append(Scan("lift-1", at + 1, at + 6, (3.0, 1.5, 0.0), bytes(3)))
    return scans


def _count(archive: Archive, point: str, start: int, end: int) -> int:
    return sum(bucket.count for bucket in archive.history(point, start, end, 1))


def _files(tmp_path: Path, kind: str) -> list[Path]:
    return sorted((tmp_path / "archive").glob(f"{kind}-*.parquet"))


def test_answers_are_complete_before_during_and_after_compaction(
    archive: Archive, spool: Spool, clock: Hands, tmp_path: Path
) -> None:
    for minute in range(4):
        spool.commit(_minute(_START + 60_000 * minute))
    assert archive.compact(spool, clock.ms) == 0, "nothing is in a hurry"
    before = archive.history("M/v", _START, _START + 240_000, 24)
    assert [bucket.count for bucket in before] == [10] * 24
    clock.ms += 300_000
    assert archive.compact(spool, clock.ms) == 4 * 120
    assert spool.cursor(CURSOR) == spool.commit([])
    assert archive.history("M/v", _START, _START + 240_000, 24) == before
    spool.commit(_minute(_START + 240_000))
    assert _count(archive, "M/v", _START, _START + 300_000) == 300, "files and head together"
    assert _count(archive, "M/v", _START, _START + 7 * _HOUR) == 300, "also of minutes"
    assert len(_files(tmp_path, "raw")) == len(_files(tmp_path, "minute")) == 1


def test_the_files_open_anywhere_and_say_everything(
    archive: Archive, spool: Spool, clock: Hands, tmp_path: Path
) -> None:
    at = _START + 500
    spool.commit([missed("meter", at + 1000, 2, Reason.BUSY), Scan("meter", at, at + 60_000, (1.5, -0.0), bytes(2))])
    clock.ms += 300_000
    archive.compact(spool, clock.ms)
    rows = duckdb.connect().execute(f"SELECT * FROM '{tmp_path}/archive/raw-*.parquet'").fetchall()
    assert [row[:2] for row in rows] == [("M/i", at), ("M/i", at + 1000), ("M/v", at), ("M/v", at + 1000)]
    assert [row[3] for row in rows] == [0, Reason.BUSY, 0, Reason.BUSY]
    assert [row[4] for row in rows] == [at + 60_000, None, at + 60_000, None], "arrival only of what came late"
    assert rows[2][2] == 1.5
    assert archive.points() == ["L1/bell", "L1/floor", "L1/speed", "M/i", "M/v"]


def test_a_kill_between_files_and_cursor_gives_no_doubles(
    archive: Archive, spool: Spool, clock: Hands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.cursor(CURSOR)
    spool.commit(_minute(_START))
    clock.ms += 300_000

    class _Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise _Killed

    # Between the parquet files and the manifest: the files are orphans.
    with monkeypatch.context() as patch:
        patch.setattr(Folder, "keep", killed)
        with pytest.raises(_Killed):
            archive.compact(spool, clock.ms)
    assert _files(tmp_path, "raw")
    second = Archive(tmp_path / "archive", spool)
    assert _count(second, "M/v", _START, _START + 60_000) == 60
    # Between the manifest and the cursor: the cursor is late.
    with monkeypatch.context() as patch:
        patch.setattr(Spool, "advance", killed)
        with pytest.raises(_Killed):
            second.compact(spool, clock.ms)
    third = Archive(tmp_path / "archive", spool)
    assert _count(third, "M/v", _START, _START + 60_000) == 60
    assert spool.cursor(CURSOR) == 0
    assert third.compact(spool, clock.ms) == 0
    assert spool.cursor(CURSOR) == spool.commit([]), "the cursor has heard"
    assert _count(third, "M/v", _START, _START + 60_000) == 60
    assert len(_files(tmp_path, "raw")) == 1, "orphans are swept"
    second.close()
    third.close()


def test_a_kill_anywhere_in_the_work_of_days_neither_loses_nor_doubles(
    tmp_path: Path, spool: Spool, clock: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every durable step may be the last: the seeded dice decide."""
    dice = random.Random(43)

    class _Killed(BaseException):
        pass

    def dying(real: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **more: Any) -> Any:
            if dice.random() < 0.08:
                raise _Killed
            done = real(*args, **more)
            if dice.random() < 0.08:
                raise _Killed
            return done

        return step

    monkeypatch.setattr(Folder, "keep", dying(Folder.keep))
    monkeypatch.setattr(Folder, "add_points", dying(Folder.add_points))
    monkeypatch.setattr(Spool, "advance", dying(Spool.advance))
    monkeypatch.setattr("stores.telemetry.segments.sync_folder", dying(lambda _: None))
    kills = 0

    def opened() -> Archive:
        nonlocal kills
        while True:
            try:
                return Archive(tmp_path / "archive", spool)
            except _Killed:
                kills += 1

    archive = opened()
    for turn in range(60):
        start = _START + 1_800_000 * turn
        clock.ms = start + 360_000
        row = spool.commit(_minute(start, every=5000))
        spool.checkpoint(row, b"")
        try:
            while archive.compact(spool, clock.ms):
                pass
            spool.trim(clock.ms)
        except _Killed:
            kills += 1
            archive.close()
            archive = opened()
    end = clock.ms + 60_000
    assert kills > 10
    assert _count(archive, "M/v", _START, end) == 12 * 60, "of the rollups"
    hours = [_count(archive, "L1/floor", at, at + _HOUR) for at in range(_START, end, _HOUR)]
    assert sum(hours) == 12 * 60, "of the readings"
    archive.close()


def test_the_number_of_files_stays_small(archive: Archive, spool: Spool, clock: Hands, tmp_path: Path) -> None:
    """A day of heads would be 96 files of each kind; merged, a few; the day over, one."""
    for turn in range(96):
        clock.ms = _START + 900_000 * turn
        at = clock.ms
        spool.commit([Scan("meter", at + k * 180_000, at + k * 180_000, (float(k), 1.0), bytes(2)) for k in range(5)])
        clock.ms += 900_000
        while archive.compact(spool, clock.ms):
            pass
    kept = Folder(tmp_path / "archive").manifest().segments
    assert len(kept) < 35
    assert _count(archive, "M/v", _START, _START + _DAY) == 96 * 5
    clock.ms = _START + _DAY + 3 * _HOUR
    while archive.compact(spool, clock.ms):
        pass
    clock.ms += GRACE_MS
    archive.compact(spool, clock.ms)
    for kind in ("raw", "minute", "hour"):
        assert len(_files(tmp_path, kind)) == 1
    month = archive.history("M/v", _START - 14 * _DAY, _START + 16 * _DAY, 30)
    assert [bucket.count for bucket in month] == [96 * 5 if day == 14 else 0 for day in range(30)]
    assert _count(archive, "M/v", _START, _START + _HOUR) == 20


def test_a_late_reading_of_a_closed_day_is_added_and_not_counted_twice(
    archive: Archive, spool: Spool, clock: Hands, tmp_path: Path
) -> None:
    for day in (0, 1):
        at = _START + 60_000 * day  # both readings are of the first day, the second comes a day late
        spool.commit([Scan("meter", at, _START + day * _DAY, (float(day), 1.0), bytes(2))])
        for hours in (1, 3, 27, 30):
            clock.ms = _START + day * _DAY + hours * _HOUR
            while archive.compact(spool, clock.ms):
                pass
        assert _count(archive, "M/v", _START - 10 * _DAY, _START + 10 * _DAY) == day + 1
    files = Folder(tmp_path / "archive").manifest().segments
    days = sorted((s.kind, s.closed) for s in files if s.kind != "arrival")
    assert days == [("hour", True), ("minute", True), ("raw", True)]


def test_retention_deletes_days_and_charts_fall_back_on_rollups(
    archive: Archive, spool: Spool, clock: Hands, tmp_path: Path
) -> None:
    for day in range(4):
        spool.commit(_minute(_START + day * _DAY))
    clock.ms = _START + 4 * _DAY
    while archive.compact(spool, clock.ms):
        pass
    assert len(_files(tmp_path, "raw")) == 4
    gone = archive.retain(clock.ms, raw_days=2, rollup_days=3)
    assert gone == HistoryForgotten(2 * 300, 5, _START + 2 * _DAY, _START + _DAY), "what went is told"
    assert archive.retain(clock.ms, raw_days=2, rollup_days=3) is None
    clock.ms += GRACE_MS
    archive.compact(spool, clock.ms)
    assert len(_files(tmp_path, "raw")) == 2
    assert len(_files(tmp_path, "minute")) == 3
    counts = [_count(archive, "M/v", _START + day * _DAY, _START + day * _DAY + _HOUR) for day in range(4)]
    assert counts == [0, 60, 60, 60], "the second day lives on in its minutes"


def test_completeness_counts_what_was_said_what_was_missed_and_the_longest_hole(
    archive: Archive, spool: Spool, clock: Hands
) -> None:
    for minute in range(10):
        if minute not in {4, 5}:
            spool.commit(_minute(_START + 60_000 * minute, every=5000))
        if minute == 6:
            clock.ms += 300_000
            archive.compact(spool, clock.ms)
    spool.commit([missed("meter", _START + 60_000 * 10 + k * 5000, 2, Reason.NO_ANSWER) for k in range(12)])
    floor, volt, none = archive.completeness(["M/v", "L1/floor", "no/such"], _START, _START + 11 * 60_000)
    assert (floor.count, floor.bad, floor.gap_ms, floor.expected) == (96, 0, 5000, 132)
    assert floor.ratio == pytest.approx(96 / 132)
    assert (volt.count, volt.bad, volt.hole_ms) == (96, 12, 120_000)
    assert (none.count, none.ratio, none.hole_ms) == (0, None, 11 * 60_000)


@pytest.mark.parametrize("other", ["M/b", "A/old"])
def test_completeness_is_right_where_a_profile_was_changed_and_nothing_is_in_files_yet(
    tmp_path: Path, clock: Hands, other: str
) -> None:
    """Older layouts came up in a later portion of the spool, and one point's readings counted for another."""
    spool = Spool(tmp_path / "changed.db", clock)
    spool.layout("a", ("M/a",), "v1")
    spool.layout("b", (other,), "v1")
    archive = Archive(tmp_path / "changed", spool)

    def says(device: str) -> None:
        for _ in range(25):
            spool.commit([Scan(device, clock.ms, clock.ms, (1.0,), bytes(1))])
            clock.ms += 1000

    says("a")
    says("b")
    spool.layout("b", ("B/new",), "v2")
    says("b")
    found = archive.completeness(["M/a", other, "B/new"], _START, _START + _HOUR)
    assert {f.point: f.count for f in found} == {"M/a": 25, other: 25, "B/new": 25}
    archive.close()
    spool.close()


def test_years_from_elsewhere_are_imported_with_a_few_open_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_, most = 0, 0

    class Counted(Writer):
        def __init__(self, *said: Any) -> None:
            nonlocal open_, most
            super().__init__(*said)
            open_ += 1
            most = max(most, open_)

        def finish(self) -> None:
            nonlocal open_
            super().finish()
            open_ -= 1

    monkeypatch.setattr("stores.telemetry.segments.Writer", Counted)
    archive = Archive(tmp_path / "archive")
    at = _START + np.arange(0, 60 * _DAY, _HOUR)
    assert archive.import_columns([("M/v", at, np.round(np.sin(at / _DAY), 1))]) == len(at)
    assert [b.count for b in archive.history("M/v", _START, _START + 60 * _DAY, 60)] == [24] * 60
    assert (open_, most <= 3) == (0, True)
    archive.close()


def test_history_from_elsewhere_is_imported_by_the_column(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    at = _START + np.arange(0, 10 * _DAY, 900_000)
    waves = [(f"T{n}/temp", at, 60 + 10 * np.sin(at / _DAY * 6.28 + n)) for n in range(20)]
    waves.append(("T0/alarm", at[::-1], np.where(np.arange(len(at)) % 100 == 0, np.nan, 0.0)))
    assert archive.import_columns(waves) == 21 * len(at)
    again = Archive(tmp_path / "archive")
    days = again.history("T3/temp", _START, _START + 10 * _DAY, 10)
    assert [bucket.count for bucket in days] == [96] * 10
    assert 50 <= (days[0].low or 0) < (days[0].mean or 0) < (days[0].high or 0) <= 70
    assert sum(b.bad for b in again.history("T0/alarm", _START, _START + 10 * _DAY, 10)) == 10
    (complete,) = again.completeness(["T3/temp"], _START, _START + 10 * _DAY)
    assert (complete.ratio, complete.gap_ms) == (1.0, 900_000)
    assert len(again.points()) == 21
    with pytest.raises(ValueError, match="3 times but 2 values"):
        again.import_columns([("x", np.arange(3), np.zeros(2))])
    archive.close()
    again.close()


def test_readers_are_never_wrong_while_compactions_run(archive: Archive, spool: Spool, clock: Hands) -> None:
    wrong: list[int] = []
    done = threading.Event()
    committed = [0]

    def read() -> None:
        while not done.is_set():
            least = committed[0]
            seen = _count(archive, "M/v", _START, _START + _DAY)
            if not least <= seen <= committed[0] + 12:
                wrong.append(seen - least)

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(30):
        start = _START + 600_000 * turn
        clock.ms = start + 400_000
        row = spool.commit(_minute(start, every=5000))
        committed[0] += 12
        spool.checkpoint(row, b"")
        while archive.compact(spool, clock.ms + 300_000):
            pass
        spool.trim(clock.ms + 300_000)
    done.set()
    reader.join()
    assert wrong == []


def test_a_full_disk_is_said_and_the_turn_is_done_later(
    archive: Archive, spool: Spool, clock: Hands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.commit(_minute(_START))
    clock.ms += 300_000

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("stores.telemetry.segments.sync_folder", full)
        with pytest.raises(StoreFullError):
            archive.compact(spool, clock.ms)
    assert _count(archive, "M/v", _START, _START + 60_000) == 60
    assert archive.compact(spool, clock.ms) == 120
    assert _count(archive, "M/v", _START, _START + 60_000) == 60
    assert not list((tmp_path / "archive").glob("*.part"))


def _days(archive: Archive, spool: Spool, clock: Hands) -> None:
    """Two days in closed files, a third in open ones and in the spool."""
    for day in range(3):
        for half in range(2):
            clock.ms = _START + day * _DAY + half * _HOUR
            spool.commit(_minute(clock.ms, every=5000))
            clock.ms += 300_000
            while archive.compact(spool, clock.ms):
                pass
    spool.commit(_minute(clock.ms, every=5000))


def test_a_broken_manifest_is_made_again_from_what_the_files_say(
    archive: Archive, spool: Spool, clock: Hands, tmp_path: Path
) -> None:
    _days(archive, spool, clock)
    manifest = tmp_path / "archive" / "manifest.json"
    manifest.write_text(manifest.read_text()[:-40])
    again = Archive(tmp_path / "archive", spool)
    assert [file.name for file in again.set_aside] == ["manifest.json.corrupt-1"]
    for buckets in (3, 72, 3 * 1440):
        assert sum(b.count for b in again.history("M/v", _START, _START + 3 * _DAY, buckets)) == 7 * 12
    clock.ms = _START + 10 * _DAY
    while again.compact(spool, clock.ms):
        pass
    assert [b.count for b in again.history("M/v", _START, _START + 3 * _DAY, 3)] == [24, 24, 36]
    assert [_count(again, "M/v", _START + n * _DAY, _START + n * _DAY + 6 * _HOUR) for n in range(3)] == [24, 24, 36]
    again.close()


@pytest.mark.parametrize("broken", [b'{"version"', None])
def test_what_was_recovered_once_outlives_the_next_start_and_a_manifest_that_is_missing_was_lost(
    archive: Archive, spool: Spool, clock: Hands, tmp_path: Path, broken: bytes | None
) -> None:
    """What no manifest names is swept away: the second start after a broken one took all history for leftovers."""
    _days(archive, spool, clock)
    manifest = tmp_path / "archive" / "manifest.json"
    if broken is None:
        manifest.unlink()
    else:
        manifest.write_bytes(broken)
    for _ in range(2):
        Archive(tmp_path / "archive", spool).close()
    again = Archive(tmp_path / "archive", spool)
    assert again.set_aside == ()
    clock.ms = _START + 10 * _DAY
    while again.compact(spool, clock.ms):
        pass
    assert [b.count for b in again.history("M/v", _START, _START + 3 * _DAY, 3)] == [24, 24, 36]
    again.close()


def test_a_name_that_a_kill_cut_inside_a_character_harms_nothing(
    archive: Archive, spool: Spool, clock: Hands, tmp_path: Path
) -> None:
    _days(archive, spool, clock)
    with (tmp_path / "archive" / "points.txt").open("ab") as names:
        names.write("梯/楼层".encode()[:1])
    again = Archive(tmp_path / "archive", spool)
    assert {"M/v", "L1/floor"} < set(again.points())
    clock.ms += 300_000
    assert again.compact(spool, clock.ms)
    again.close()


def test_a_kill_in_the_first_turn_of_all_leaves_nothing_that_counts(
    archive: Archive, spool: Spool, clock: Hands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.commit(_minute(_START))
    clock.ms += 300_000

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Folder, "keep", killed)
        patch.setattr(Folder, "remove", killed)
        with pytest.raises(KeyboardInterrupt):
            archive.compact(spool, clock.ms)
    assert _files(tmp_path, "raw")
    again = Archive(tmp_path / "archive", spool)
    assert _count(again, "M/v", _START, _START + 60_000) == 60
    assert again.compact(spool, clock.ms) == 120
    assert _count(again, "M/v", _START, _START + 60_000) == 60
    again.close()


@pytest.mark.parametrize("kind", ["raw", "minute", "hour"])
def test_a_broken_file_is_set_aside_and_costs_no_other_days(
    archive: Archive, spool: Spool, clock: Hands, tmp_path: Path, kind: str
) -> None:
    _days(archive, spool, clock)
    clock.ms += GRACE_MS
    archive.compact(spool, clock.ms)
    bad = _files(tmp_path, kind)[0]
    content = bytearray(bad.read_bytes())
    content[4:-60] = b"\x55" * (len(content) - 64)
    bad.write_bytes(content)
    again = Archive(tmp_path / "archive", spool)
    month = [b.count for b in again.history("M/v", _START, _START + 3 * _DAY, 3)]
    day = [_count(again, "M/v", _START + n * _DAY, _START + n * _DAY + 6 * _HOUR) for n in range(3)]
    assert month == [24, 24, 36], "hours and minutes stand for each other"
    assert day == [24, 24, 36], "the readings, or else their minutes"
    (complete,) = again.completeness(["M/v"], _START, _START + 3 * _DAY)
    assert complete.count == 84
    clock.ms = _START + 10 * _DAY
    while again.compact(spool, clock.ms):
        pass
    assert _count(again, "M/v", _START + _DAY, _START + 3 * _DAY) == 60
    again.history("M/v", _START, _START + _DAY, 48)  # by the minute
    assert len(again.set_aside) == 1
    again.close()


def test_a_new_spool_is_read_from_its_beginning(archive: Archive, spool: Spool, clock: Hands, tmp_path: Path) -> None:
    """The old file was set aside as corrupt, or the clock went back: no row of the new one is taken for an old one."""
    spool.commit(_minute(_START, every=5000))
    clock.ms += 300_000
    archive.compact(spool, clock.ms)
    clock.ms = _START - _HOUR
    fresh = Spool(tmp_path / "fresh.db", clock)
    fresh.layout("meter", ("M/v", "M/i"), "v1")
    fresh.commit([Scan("meter", _START + 60_000, _START + 60_000, (1.0, 1.0), bytes(2))])
    again = Archive(tmp_path / "archive", fresh)
    assert _count(again, "M/v", _START, _START + _HOUR) == 13
    clock.ms += 300_000
    assert again.compact(fresh, clock.ms) == 1
    assert _count(again, "M/v", _START, _START + _HOUR) == 13
    again.close()
    fresh.close()


def test_a_clock_far_off_does_not_scatter_files_over_the_years(
    archive: Archive, spool: Spool, clock: Hands, tmp_path: Path
) -> None:
    spool.commit([Scan("meter", _DAY * n, _START, (1.0, 1.0), bytes(2)) for n in range(100)])
    clock.ms += 300_000
    archive.compact(spool, clock.ms)
    assert len(_files(tmp_path, "raw")) == 1
    assert _count(archive, "M/v", 0, 100 * _DAY) == 100


def _segment(name: str, rows: int, *, day: int = 0, closed: bool = False, made_ms: int = 0) -> Segment:
    return Segment(name, "raw", day, rows, 0, 1, made_ms, closed)


def test_like_files_are_merged_by_eights_and_large_ones_left_alone() -> None:
    small = [_segment(f"s{n}", 1000) for n in range(7)]
    assert merge_due(small, now_ms=_HOUR) is None
    merge = merge_due([*small, _segment("s7", 1001), _segment("big", 400_000)], now_ms=_HOUR)
    assert merge is not None
    assert len(merge.segments) == 8
    assert not merge.closing
    assert merge_due([_segment(f"b{n}", 900_000, closed=True) for n in range(20)], now_ms=10 * _DAY) is None


def test_a_day_that_is_over_becomes_one_file_when_nothing_comes_any_more() -> None:
    files = [_segment("a", 10), _segment("b", 20, made_ms=_DAY + _HOUR), _segment("old", 30, closed=True)]
    assert merge_due(files, now_ms=_DAY + _HOUR) is None
    merge = merge_due(files, now_ms=_DAY + 2 * _HOUR)
    assert merge is not None
    assert [s.name for s in merge.segments] == ["a", "b", "old"]
    assert merge.closing
