"""The spool: an acknowledged row is never lost, and goes only when nobody needs it any more."""

import math
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hands import Hands

from facility.ports import Settled
from facility.scan import Gap, Reason, Scan, missed
from stores.errors import StoreDamagedError, StoreFullError, StoreNewerError
from stores.telemetry.spool import Spool

_START = 1_790_000_000_000


@pytest.fixture
def clock() -> Hands:
    return Hands(_START)


@pytest.fixture
def spool(tmp_path: Path, clock: Hands) -> Iterator[Spool]:
    spool = Spool(tmp_path / "spool.db", clock)
    spool.layout("lift-1", ("L1/floor", "L1/speed"), "v1")
    yield spool
    spool.close()


def _scan(at: int, *values: float, device: str = "lift-1") -> Scan:
    values = values or (3.0, 1.5)
    return Scan(device, at, at, values, bytes(len(values)))


def _times(scans: object) -> list[int]:
    return [scan.at_ms for scan in scans]  # type: ignore[attr-defined]  # an iterable of scans


def _reopened(spool: Spool, tmp_path: Path, clock: Hands) -> Spool:
    spool.close()
    return Spool(tmp_path / "spool.db", clock)


def test_what_was_committed_is_there_after_a_restart_in_its_order(spool: Spool, tmp_path: Path, clock: Hands) -> None:
    first = spool.commit([_scan(2), _scan(1), missed("lift-1", 3, 2, Reason.BUSY)])
    second = spool.commit([_scan(4)])
    assert second > first
    again = _reopened(spool, tmp_path, clock)
    memory, scans = again.restore()
    assert memory is None
    assert _times(scans) == [2, 1, 3, 4]
    assert not again.opening.created
    again.close()


def test_after_a_checkpoint_only_what_came_later_is_played_again(spool: Spool, tmp_path: Path, clock: Hands) -> None:
    row = spool.commit([_scan(1)])
    spool.checkpoint(row, b"one")
    spool.commit([_scan(2)])
    spool.checkpoint(row - 1, b"older")
    again = _reopened(spool, tmp_path, clock)
    memory, scans = again.restore()
    assert memory == b"one"
    assert _times(scans) == [2]
    again.close()


def test_a_checkpoint_or_a_cursor_is_never_ahead_of_what_is_committed(spool: Spool) -> None:
    row = spool.commit([_scan(1)])
    with pytest.raises(ValueError, match="ahead"):
        spool.checkpoint(row + 1, b"")
    with pytest.raises(ValueError, match="cannot pass"):
        spool.advance("archive", row + 1)


def test_a_row_goes_when_all_have_it_it_is_a_minute_old_and_checkpointed(spool: Spool, clock: Hands) -> None:
    assert spool.cursor("archive") == 0
    assert spool.cursor("influx") == 0
    row = spool.commit([_scan(1)])
    clock.ms += 60_000
    kept = spool.commit([_scan(2)])
    assert spool.trim(clock.ms) == 0
    spool.advance("archive", kept)
    assert spool.trim(clock.ms) == 0, "the other reader has not got it"
    spool.advance("influx", row)
    assert spool.trim(clock.ms) == 0, "the rule memory does not cover it"
    spool.checkpoint(kept, b"m")
    assert spool.trim(clock.ms) == 1
    assert (spool.size().rows, spool.oldest_ms()) == (1, clock.ms)
    clock.ms += 60_000
    assert spool.trim(clock.ms) == 0, "influx has not got the second"
    spool.forget("influx")
    assert spool.trim(clock.ms) == 1
    assert (spool.size().rows, spool.oldest_ms()) == (0, None)


def test_a_spool_beyond_its_budget_gives_up_its_oldest_rows_and_says_what_whom_fails(
    spool: Spool, clock: Hands
) -> None:
    assert (spool.cursor("archive"), spool.cursor("influx")) == (0, 0)
    rows = []
    for n in range(200):
        clock.ms += 1000
        scans = [
            Scan("lift-1", clock.ms + k, clock.ms + k, (k * math.pi * n, k / (n + 7)), bytes(2)) for k in range(400)
        ]
        rows.append(spool.commit(scans))
    spool.checkpoint(rows[-1], b"m")
    full = spool.size().bytes
    assert spool.shed(full) == {}
    spool.advance("archive", rows[-1])
    given_up = spool.shed(full // 2)
    assert set(given_up) == {"influx"}, "the archive has them all"
    lost, first = given_up["influx"], spool.cursor("influx") + 1
    gone = rows.index(first)
    assert 80 < gone < 125
    assert (lost.scans, lost.readings) == (gone * 400, gone * 800)
    assert (lost.from_ms, lost.to_ms) == (_START + 1000, _START + 1000 * gone)
    (gap,) = spool.gaps(10, "store/influx")
    assert (gap.gap.missing, gap.gap.from_ms, gap.gap.to_ms) == (lost.scans, lost.from_ms, lost.to_ms)
    assert spool.trim(clock.ms + 60_000) == gone
    assert spool.batches(spool.cursor("influx"), 1)[0][0] == first
    while spool.shed(full // 2):
        spool.trim(clock.ms + 60_000)
    assert full // 3 < spool.size().bytes <= full // 2


def test_what_the_rule_memory_needs_is_never_given_up(spool: Spool) -> None:
    spool.cursor("influx")
    for n in range(50):
        spool.commit([_scan(n)])
    assert spool.shed(1) == {}


def test_row_ids_never_repeat_after_everything_was_trimmed(spool: Spool, tmp_path: Path, clock: Hands) -> None:
    row = spool.commit([_scan(1)])
    spool.checkpoint(row, b"m")
    clock.ms += 60_000
    assert spool.trim(clock.ms) == 1
    again = _reopened(spool, tmp_path, clock)
    assert again.commit([_scan(2)]) == row + 1
    again.close()


def test_a_reader_reads_bounded_portions_and_goes_on_where_it_was(spool: Spool) -> None:
    rows = [spool.commit([_scan(10 * n + k) for k in range(4)]) for n in range(5)]
    spool.cursor("archive")
    portion = spool.read("archive", 8)
    assert [row for row, _, _ in portion] == rows[:2]
    assert spool.read("archive", 1)[0][0] == rows[0], "one row at least, however large"
    spool.advance("archive", rows[1])
    spool.advance("archive", rows[0])
    assert spool.cursor("archive") == rows[1], "never back"
    assert _times(spool.read("archive", 4)[0][2]) == [20, 21, 22, 23]
    pending = spool.pending(rows[1])
    assert (pending.rows, pending.scans, pending.readings, pending.oldest_ms) == (3, 12, 24, _START)


def test_old_rows_survive_a_profile_edit(spool: Spool, tmp_path: Path, clock: Hands) -> None:
    spool.commit([_scan(1)])
    assert spool.layout("lift-1", ("L1/floor", "L1/speed"), "v1").id == 1
    new = spool.layout("lift-1", ("L1/speed", "L1/floor", "L1/bell"), "v2")
    spool.commit([_scan(2, 1.5, 3.0, 0.0)])
    again = _reopened(spool, tmp_path, clock)
    assert again.layouts() == {"lift-1": new}
    old_row, new_row = again.read("archive", 10)
    assert old_row[1]["lift-1"].points == ("L1/floor", "L1/speed")
    assert new_row[1]["lift-1"] == new
    assert new_row[2][0].values == (1.5, 3.0, 0.0)
    again.close()


def test_a_scan_that_fits_no_layout_is_a_dead_letter_and_holds_nobody_up(spool: Spool) -> None:
    row = spool.commit([_scan(1), _scan(2, 1.0), _scan(3, device="stranger"), _scan(4)])
    assert _times(spool.restore()[1]) == [1, 4]
    assert spool.dead_counts() == {"scan/lift-1": 1, "scan/stranger": 1}
    assert spool.commit([_scan(5, 1.0)]) == row, "no row was needed"
    assert spool.commit([]) == row


def test_dead_letters_are_kept_cut_and_counted(spool: Spool) -> None:
    for n in range(3):
        spool.dead_letter("mqtt", b"x" * (100_000 * n), f"broken {n}", n)
    newest = spool.dead_letters(2)
    assert [(letter.why, len(letter.payload)) for letter in newest] == [("broken 2", 65_536), ("broken 1", 65_536)]
    assert spool.dead_counts() == {"mqtt": 3}


def test_a_full_disk_is_said_loses_nothing_and_heals_by_itself(spool: Spool) -> None:
    row = spool.commit([_scan(1)])
    noise = random.Random(1)
    big = [_scan(n, noise.random(), noise.random()) for n in range(5_000)]
    spool.limit(spool.size().bytes + 40_000)
    with pytest.raises(StoreFullError):
        spool.commit(big)
    assert _times(spool.restore()[1]) == [1], "reading goes on"
    spool.limit(1 << 30)
    assert spool.commit(big) == row + 1
    assert len(_times(spool.restore()[1])) == 5_001


def test_a_broken_file_is_set_aside_and_a_new_one_started(spool: Spool, tmp_path: Path, clock: Hands) -> None:
    spool.cursor("archive")
    last = [spool.commit([_scan(n)]) for n in range(50)][-1]
    spool.advance("archive", last)
    spool.close()
    path = tmp_path / "spool.db"
    damaged = bytearray(path.read_bytes())
    damaged[100:200] = b"\xff" * 100
    path.write_bytes(damaged)
    clock.ms += 60_000
    again = Spool(path, clock)
    assert again.opening.created
    assert again.opening.set_aside == tmp_path / f"spool.db.corrupt-{clock.ms}"
    assert again.opening.set_aside.read_bytes()[100:200] == b"\xff" * 100
    again.layout("lift-1", ("L1/floor", "L1/speed"), "v1")
    assert again.commit([_scan(1)]) > last, "a reader that remembers the old file's rows misses nothing"
    again.close()


def test_a_file_of_another_program_is_set_aside_too(tmp_path: Path, clock: Hands) -> None:
    path = tmp_path / "spool.db"
    path.write_bytes(b"not a database at all" * 100)
    spool = Spool(path, clock)
    assert spool.opening.set_aside is not None
    assert spool.restore()[0] is None
    spool.close()


def test_a_file_of_a_later_version_is_left_alone(spool: Spool, tmp_path: Path, clock: Hands) -> None:
    spool.commit([_scan(1)])
    spool.close()
    with sqlite3.connect(tmp_path / "spool.db") as later:
        later.execute("PRAGMA user_version = 99")
    later.close()
    with pytest.raises(StoreNewerError):
        Spool(tmp_path / "spool.db", clock)


def test_a_row_that_rotted_is_counted_and_the_rest_goes_on(spool: Spool, tmp_path: Path, clock: Hands) -> None:
    rows = [spool.commit([_scan(n)]) for n in range(3)]
    spool.close()
    with sqlite3.connect(tmp_path / "spool.db") as hand:
        hand.execute("UPDATE row SET blob = x'0102' WHERE id = ?", (rows[1],))
    hand.close()
    again = Spool(tmp_path / "spool.db", clock)
    assert _times(again.restore()[1]) == [0, 2]
    assert again.dead_counts() == {"spool": 1}
    again.close()


def test_commits_go_on_while_another_thread_reads_and_trims(spool: Spool, clock: Hands) -> None:
    seen: list[int] = []
    spool.cursor("archive")

    def follow() -> None:
        while len(seen) < 600:
            for row, _, scans in spool.read("archive", 50):
                seen.extend(_times(scans))
                spool.advance("archive", row)
            spool.trim(clock.ms + 60_000)

    reader = threading.Thread(target=follow)
    reader.start()
    for n in range(200):
        spool.checkpoint(spool.commit([_scan(3 * n + k) for k in range(3)]), b"m")
    reader.join(30)
    assert seen == list(range(600))


def test_a_known_spool_opens_at_once(spool: Spool, tmp_path: Path, clock: Hands) -> None:
    for n in range(100):
        spool.commit([_scan(n * 50 + k, k * 0.1, n / 7) for k in range(50)])
    spool.close()
    took = []
    for _ in range(3):
        began = time.process_time()
        Spool(tmp_path / "spool.db", clock).close()
        took.append(time.process_time() - began)
    assert min(took) < 0.05


_WRITER = """
import sys, random
from pathlib import Path
from facility.scan import Scan
from stores.telemetry.spool import Spool
class Hands:
    def now(self): return 1_790_000_000_000
spool = Spool(Path(sys.argv[1]), Hands())
assert spool.opening.set_aside is None, spool.opening
spool.layout("d", tuple(f"d/{n}" for n in range(108)), "v")
have = sum(1 for _ in spool.restore()[1])
noise = random.Random(have)
n = have
while True:
    scans = [Scan("d", n + k, n + k, tuple(noise.random() for _ in range(108)), bytes(108)) for k in range(20)]
    row = spool.commit(scans)
    n += 20
    print(n, flush=True)  # acknowledged only now
"""


def test_ten_kills_in_mid_write_lose_nothing_that_was_acknowledged(tmp_path: Path, clock: Hands) -> None:
    dice = random.Random(35)
    acknowledged = 0
    for _ in range(10):
        writer = subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(tmp_path / "spool.db")], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        acknowledged = max(acknowledged, int(writer.stdout.readline()))
        time.sleep(dice.uniform(0.0, 0.08))
        writer.send_signal(signal.SIGKILL)
        lines = [line for line in writer.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
        acknowledged = max([acknowledged, *map(int, lines)])
        writer.wait()
        writer.stdout.close()
        spool = Spool(tmp_path / "spool.db", clock)
        times = _times(spool.restore()[1])
        assert times == list(range(len(times))), "whole rows, in order, none twice"
        assert len(times) >= acknowledged
        assert spool.opening.set_aside is None
        spool.close()


def test_damage_met_while_running_is_said_and_the_next_opening_looks_at_the_whole_file(
    spool: Spool, tmp_path: Path, clock: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = random.Random(2)
    for n in range(200):
        spool.commit([_scan(n * 100 + k, noise.random(), noise.random()) for k in range(100)])
    spool.close()
    path = tmp_path / "spool.db"
    damaged = bytearray(path.read_bytes())
    middle = len(damaged) // 2 // 8192 * 8192
    damaged[middle : middle + 10 * 8192] = bytes(10 * 8192)
    path.write_bytes(damaged)
    monkeypatch.setattr("stores.telemetry.spoolfile._CHECKED_BYTES", 0)  # as if it were too large to check at a start
    large = Spool(path, clock)
    with pytest.raises(StoreDamagedError):
        list(large.restore()[1])
    large.close()
    again = Spool(path, clock)
    assert again.opening.set_aside is not None
    again.close()
    third = Spool(path, clock)
    assert third.opening.set_aside is None
    third.close()


def test_what_a_commit_settles_is_there_after_a_restart_and_counted(spool: Spool, tmp_path: Path, clock: Hands) -> None:
    gap = Gap("lift-1", Reason.LOST, 1, 9, 3, 0, 7)
    spool.commit([_scan(1)], Settled({"lift-1": b"a"}, [gap], [], []))
    spool.commit([_scan(2)], Settled({"lift-1": b"b"}, [], [("lift-1", 0, 8)], []))
    spool.commit([_scan(3)], Settled({"lift-2": b"c"}, [Gap("lift-2", Reason.NOT_CONNECTED, 2, 4)], [], []))
    spool.close()
    again = Spool(tmp_path / "spool.db", clock)
    assert again.numbers() == {"lift-1": b"b", "lift-2": b"c"}
    (first,) = again.gaps(10, "lift-1")
    assert (first.gap, first.filled) == (gap, 1)
    assert [found.gap.device for found in again.gaps(10)] == ["lift-2", "lift-1"]
    counts = again.gap_counts()
    assert (counts["lift-1"].gaps, counts["lift-1"].missing, counts["lift-1"].filled) == (1, 3, 1)
    assert (counts["lift-2"].gaps, counts["lift-2"].missing) == (1, 0)
    again.close()


def test_heard_until_is_the_row_before_the_newest(spool: Spool, clock: Hands) -> None:
    assert spool.heard_until_ms() == 0
    moments = []
    for n in range(3):
        clock.ms += 500
        moments.append(clock.ms)
        spool.commit([_scan(n)])
    assert spool.heard_until_ms() == moments[-2]


def test_a_spool_of_the_first_version_learns_the_tables_of_the_second(tmp_path: Path, clock: Hands) -> None:
    path = tmp_path / "spool.db"
    old = Spool(path, clock)
    old.layout("lift-1", ("a", "b"), "v1")
    row = old.commit([_scan(1)])
    old.close()
    with closing(sqlite3.connect(path)) as file:
        for table in ("numbers", "gap", "gap_count"):
            file.execute(f"DROP TABLE {table}")
        file.execute("ALTER TABLE row DROP COLUMN part")
        file.execute("PRAGMA user_version = 1")
        file.commit()
    new = Spool(path, clock)
    assert new.last_row == row
    assert new.numbers() == {}
    new.commit([_scan(2)], Settled({"lift-1": b"x"}, [], [], []))
    assert new.numbers() == {"lift-1": b"x"}
    new.close()


def test_what_was_written_ahead_is_replayed_where_it_came(tmp_path: Path, clock: Hands) -> None:
    path = tmp_path / "spool.db"
    spool = Spool(path, clock)
    for device in ("a", "b", "c"):
        spool.layout(device, (f"{device}/x",), "v1")

    def said(device: str, at: int) -> Scan:
        return Scan(device, at, at, (float(at),), b"\0")

    spool.commit([said("a", 1), said("b", 2)])
    spool.commit([said("a", 7)], part=True)
    spool.commit([said("c", 8), said("a", 9)], part=True)
    spool.commit([said("b", 3), said("b", 7), said("c", 10)])
    spool.commit([said("b", 12), said("c", 11)])
    spool.commit([said("a", 14)], part=True)
    assert [(s.device, s.at_ms) for s in spool.restore()[1]] == [
        ("a", 1), ("b", 2), ("b", 3), ("a", 7), ("b", 7), ("c", 8), ("a", 9), ("c", 10), ("b", 12), ("c", 11), ("a", 14)
    ]  # fmt: skip
    clock.ms += 500
    spool.commit([said("a", 15)], part=True)
    assert spool.heard_until_ms() == clock.ms - 500, "a part says nothing of the others"
    spool.close()
