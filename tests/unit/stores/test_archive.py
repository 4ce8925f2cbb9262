"""The archive: spool to files without loss or doubles, files that stay few, answers that are complete to the last commit."""

import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from archived import DAY, HOUR, START, count_of, files_of, minute_of
from hands import Hands

from facility.records import HistoryForgotten
from facility.scan import Reason, Scan, missed
from stores.telemetry.archive import Archive
from stores.telemetry.catalogue import GRACE_MS
from stores.telemetry.segments import Folder, Segment, Writer
from stores.telemetry.source import CURSOR
from stores.telemetry.spool import Spool
from stores.telemetry.upkeep import merge_due


def test_answers_are_complete_before_during_and_after_compaction(
    archive: Archive, spool: Spool, clock: Hands, tmp_path: Path
) -> None:
    for minute in range(4):
        spool.commit(minute_of(START + 60_000 * minute))
    assert archive.compact(spool, clock.ms) == 0, "nothing is in a hurry"
    before = archive.history("M/v", START, START + 240_000, 24)
    assert [bucket.count for bucket in before] == [10] * 24
    clock.ms += 300_000
    assert archive.compact(spool, clock.ms) == 4 * 120
    assert spool.cursor(CURSOR) == spool.commit([])
    assert archive.history("M/v", START, START + 240_000, 24) == before
    spool.commit(minute_of(START + 240_000))
    assert count_of(archive, "M/v", START, START + 300_000) == 300, "files and head together"
    assert count_of(archive, "M/v", START, START + 7 * HOUR) == 300, "also of minutes"
    assert len(files_of(tmp_path, "raw")) == len(files_of(tmp_path, "minute")) == 1


def test_the_files_open_anywhere_and_say_everything(
    archive: Archive, spool: Spool, clock: Hands, tmp_path: Path
) -> None:
    at = START + 500
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
    spool.commit(minute_of(START))
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
    assert files_of(tmp_path, "raw")
    second = Archive(tmp_path / "archive", spool)
    assert count_of(second, "M/v", START, START + 60_000) == 60
    # Between the manifest and the cursor: the cursor is late.
    with monkeypatch.context() as patch:
        patch.setattr(Spool, "advance", killed)
        with pytest.raises(_Killed):
            second.compact(spool, clock.ms)
    third = Archive(tmp_path / "archive", spool)
    assert count_of(third, "M/v", START, START + 60_000) == 60
    assert spool.cursor(CURSOR) == 0
    assert third.compact(spool, clock.ms) == 0
    assert spool.cursor(CURSOR) == spool.commit([]), "the cursor has heard"
    assert count_of(third, "M/v", START, START + 60_000) == 60
    assert len(files_of(tmp_path, "raw")) == 1, "orphans are swept"
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
        start = START + 1_800_000 * turn
        clock.ms = start + 360_000
        row = spool.commit(minute_of(start, every=5000))
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
    assert count_of(archive, "M/v", START, end) == 12 * 60, "of the rollups"
    hours = [count_of(archive, "L1/floor", at, at + HOUR) for at in range(START, end, HOUR)]
    assert sum(hours) == 12 * 60, "of the readings"
    archive.close()


def test_the_number_of_files_stays_small(archive: Archive, spool: Spool, clock: Hands, tmp_path: Path) -> None:
    """A day of heads would be 96 files of each kind; merged, a few; the day over, one."""
    for turn in range(96):
        clock.ms = START + 900_000 * turn
        at = clock.ms
        spool.commit([Scan("meter", at + k * 180_000, at + k * 180_000, (float(k), 1.0), bytes(2)) for k in range(5)])
        clock.ms += 900_000
        while archive.compact(spool, clock.ms):
            pass
    kept = Folder(tmp_path / "archive").manifest().segments
    assert len(kept) < 35
    assert count_of(archive, "M/v", START, START + DAY) == 96 * 5
    clock.ms = START + DAY + 3 * HOUR
    while archive.compact(spool, clock.ms):
        pass
    clock.ms += GRACE_MS
    archive.compact(spool, clock.ms)
    for kind in ("raw", "minute", "hour"):
        assert len(files_of(tmp_path, kind)) == 1
    month = archive.history("M/v", START - 14 * DAY, START + 16 * DAY, 30)
    assert [bucket.count for bucket in month] == [96 * 5 if day == 14 else 0 for day in range(30)]
    assert count_of(archive, "M/v", START, START + HOUR) == 20


def test_a_late_reading_of_a_closed_day_is_added_and_not_counted_twice(
    archive: Archive, spool: Spool, clock: Hands, tmp_path: Path
) -> None:
    for day in (0, 1):
        at = START + 60_000 * day  # both readings are of the first day, the second comes a day late
        spool.commit([Scan("meter", at, START + day * DAY, (float(day), 1.0), bytes(2))])
        for hours in (1, 3, 27, 30):
            clock.ms = START + day * DAY + hours * HOUR
            while archive.compact(spool, clock.ms):
                pass
        assert count_of(archive, "M/v", START - 10 * DAY, START + 10 * DAY) == day + 1
    files = Folder(tmp_path / "archive").manifest().segments
    days = sorted((s.kind, s.closed) for s in files if s.kind != "arrival")
    assert days == [("hour", True), ("minute", True), ("raw", True)]


def test_retention_deletes_days_and_charts_fall_back_on_rollups(
    archive: Archive, spool: Spool, clock: Hands, tmp_path: Path
) -> None:
    for day in range(4):
        spool.commit(minute_of(START + day * DAY))
    clock.ms = START + 4 * DAY
    while archive.compact(spool, clock.ms):
        pass
    assert len(files_of(tmp_path, "raw")) == 4
    gone = archive.retain(clock.ms, raw_days=2, rollup_days=3)
    assert gone == HistoryForgotten(2 * 300, 5, START + 2 * DAY, START + DAY), "what went is told"
    assert archive.retain(clock.ms, raw_days=2, rollup_days=3) is None
    clock.ms += GRACE_MS
    archive.compact(spool, clock.ms)
    assert len(files_of(tmp_path, "raw")) == 2
    assert len(files_of(tmp_path, "minute")) == 3
    counts = [count_of(archive, "M/v", START + day * DAY, START + day * DAY + HOUR) for day in range(4)]
    assert counts == [0, 60, 60, 60], "the second day lives on in its minutes"


def test_completeness_counts_what_was_said_what_was_missed_and_the_longest_hole(
    archive: Archive, spool: Spool, clock: Hands
) -> None:
    for minute in range(10):
        if minute not in {4, 5}:
            spool.commit(minute_of(START + 60_000 * minute, every=5000))
        if minute == 6:
            clock.ms += 300_000
            archive.compact(spool, clock.ms)
    spool.commit([missed("meter", START + 60_000 * 10 + k * 5000, 2, Reason.NO_ANSWER) for k in range(12)])
    floor, volt, none = archive.completeness(["M/v", "L1/floor", "no/such"], START, START + 11 * 60_000)
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
    found = archive.completeness(["M/a", other, "B/new"], START, START + HOUR)
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
    at = START + np.arange(0, 60 * DAY, HOUR)
    assert archive.import_columns([("M/v", at, np.round(np.sin(at / DAY), 1))]) == len(at)
    assert [b.count for b in archive.history("M/v", START, START + 60 * DAY, 60)] == [24] * 60
    assert (open_, most <= 3) == (0, True)
    archive.close()


def test_history_from_elsewhere_is_imported_by_the_column(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    at = START + np.arange(0, 10 * DAY, 900_000)
    waves = [(f"T{n}/temp", at, 60 + 10 * np.sin(at / DAY * 6.28 + n)) for n in range(20)]
    waves.append(("T0/alarm", at[::-1], np.where(np.arange(len(at)) % 100 == 0, np.nan, 0.0)))
    assert archive.import_columns(waves) == 21 * len(at)
    again = Archive(tmp_path / "archive")
    days = again.history("T3/temp", START, START + 10 * DAY, 10)
    assert [bucket.count for bucket in days] == [96] * 10
    assert 50 <= (days[0].low or 0) < (days[0].mean or 0) < (days[0].high or 0) <= 70
    assert sum(b.bad for b in again.history("T0/alarm", START, START + 10 * DAY, 10)) == 10
    (complete,) = again.completeness(["T3/temp"], START, START + 10 * DAY)
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
            seen = count_of(archive, "M/v", START, START + DAY)
            if not least <= seen <= committed[0] + 12:
                wrong.append(seen - least)

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(30):
        start = START + 600_000 * turn
        clock.ms = start + 400_000
        row = spool.commit(minute_of(start, every=5000))
        committed[0] += 12
        spool.checkpoint(row, b"")
        while archive.compact(spool, clock.ms + 300_000):
            pass
        spool.trim(clock.ms + 300_000)
    done.set()
    reader.join()
    assert wrong == []


def test_a_new_spool_is_read_from_its_beginning(archive: Archive, spool: Spool, clock: Hands, tmp_path: Path) -> None:
    """The old file was set aside as corrupt, or the clock went back: no row of the new one is taken for an old one."""
    spool.commit(minute_of(START, every=5000))
    clock.ms += 300_000
    archive.compact(spool, clock.ms)
    clock.ms = START - HOUR
    fresh = Spool(tmp_path / "fresh.db", clock)
    fresh.layout("meter", ("M/v", "M/i"), "v1")
    fresh.commit([Scan("meter", START + 60_000, START + 60_000, (1.0, 1.0), bytes(2))])
    again = Archive(tmp_path / "archive", fresh)
    assert count_of(again, "M/v", START, START + HOUR) == 13
    clock.ms += 300_000
    assert again.compact(fresh, clock.ms) == 1
    assert count_of(again, "M/v", START, START + HOUR) == 13
    again.close()
    fresh.close()


def test_a_clock_far_off_does_not_scatter_files_over_the_years(
    archive: Archive, spool: Spool, clock: Hands, tmp_path: Path
) -> None:
    spool.commit([Scan("meter", DAY * n, START, (1.0, 1.0), bytes(2)) for n in range(100)])
    clock.ms += 300_000
    archive.compact(spool, clock.ms)
    assert len(files_of(tmp_path, "raw")) == 1
    assert count_of(archive, "M/v", 0, 100 * DAY) == 100


def _segment(name: str, rows: int, *, day: int = 0, closed: bool = False, made_ms: int = 0) -> Segment:
    return Segment(name, "raw", day, rows, 0, 1, made_ms, closed)


def test_like_files_are_merged_by_eights_and_large_ones_left_alone() -> None:
    small = [_segment(f"s{n}", 1000) for n in range(7)]
    assert merge_due(small, now_ms=HOUR) is None
    merge = merge_due([*small, _segment("s7", 1001), _segment("big", 400_000)], now_ms=HOUR)
    assert merge is not None
    assert len(merge.segments) == 8
    assert not merge.closing
    assert merge_due([_segment(f"b{n}", 900_000, closed=True) for n in range(20)], now_ms=10 * DAY) is None


def test_a_day_that_is_over_becomes_one_file_when_nothing_comes_any_more() -> None:
    files = [_segment("a", 10), _segment("b", 20, made_ms=DAY + HOUR), _segment("old", 30, closed=True)]
    assert merge_due(files, now_ms=DAY + HOUR) is None
    merge = merge_due(files, now_ms=DAY + 2 * HOUR)
    assert merge is not None
    assert [s.name for s in merge.segments] == ["a", "b", "old"]
    assert merge.closing
