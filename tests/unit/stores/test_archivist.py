"""The archivist: a process that may be killed, hang or be asked too much, and neither loses nor doubles anything."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hands import Hands

from facility.scan import Scan
from stores.errors import HistoryAwayError, HistoryBusyError, HistoryTooLargeError, StoreError
from stores.telemetry.archivist import archivist as module
from stores.telemetry.archivist.archivist import Archivist
from stores.telemetry.archivist.spoolview import SpoolView
from stores.telemetry.archivist.words import Begin, Turned
from stores.telemetry.source import CURSOR
from stores.telemetry.spool import Spool

_START = 20_700 * 86_400_000
_ROOT = Path(__file__).parents[3]
_POINTS = tuple(f"M/p{n:03}" for n in range(100))


@pytest.fixture
def clock() -> Hands:
    return Hands(_START)


@pytest.fixture
def spool(tmp_path: Path, clock: Hands) -> Iterator[Spool]:
    spool = Spool(tmp_path / "spool.db", clock)
    spool.layout("meter", _POINTS, "meter@1")
    yield spool
    spool.close()


@pytest.fixture
def begin(tmp_path: Path) -> Begin:
    return Begin(str(tmp_path / "archive"), str(tmp_path / "spool.db"))


@pytest.fixture
def archivist() -> Iterator[Archivist]:
    archivist = Archivist()
    yield archivist
    archivist.kill()


def _commit(spool: Spool, clock: Hands, scans: int) -> None:
    """Commit so many scans, one a second."""
    rng = np.random.default_rng(clock.ms)
    values = np.round(rng.uniform(0, 100, (scans, len(_POINTS))), 1).tolist()
    some = [Scan("meter", clock.ms + 1000 * n, clock.ms, tuple(v), bytes(len(_POINTS))) for n, v in enumerate(values)]
    spool.checkpoint(spool.commit(some), b"")
    clock.ms += 1000 * scans


def _adopt(spool: Spool, turned: Turned) -> None:
    spool.cursor(CURSOR)
    spool.advance(CURSOR, turned.row)


def _eventually(holds: Callable[[], object], seconds: float = 10.0) -> None:
    until, pause = time.monotonic() + seconds, threading.Event()
    while not holds():
        assert time.monotonic() < until
        pause.wait(0.01)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_killed_at_any_instant_of_its_turns_it_neither_loses_nor_doubles(
    spool: Spool, clock: Hands, begin: Begin, archivist: Archivist
) -> None:
    dice = random.Random(46)
    spool.cursor(CURSOR)
    kills = committed = rounds = 0
    while kills < 3:  # a fast machine is often done before it is killed
        rounds += 1
        assert rounds < 40
        _commit(spool, clock, 3000)
        committed += 3000
        clock.ms += 600_000  # old enough to be moved
        archivist.start(begin)
        archivist.points()  # it is up
        wait = dice.uniform(0.0, 0.2)
        killer = threading.Timer(wait, os.kill, (archivist.pid, signal.SIGKILL))
        killer.start()
        try:
            while (turned := archivist.turn(clock.ms)).moved:
                _adopt(spool, turned)
                spool.trim(clock.ms)
        except HistoryAwayError:
            kills += 1
        killer.join()
    archivist.start(begin)
    while (turned := archivist.turn(clock.ms)).moved:
        _adopt(spool, turned)
    assert spool.cursor(CURSOR) == spool.last_row
    spool.trim(clock.ms + 60_000)
    assert spool.size().rows == 0, "nothing is left but what the files hold"
    found = archivist.completeness(_POINTS, _START, clock.ms + 1)
    assert {f.count for f in found} == {committed}
    buckets = archivist.history(_POINTS[7], _START, _START + 3_600_000, 3_600)
    assert [b.count for b in buckets[:3000]] == [1] * 3000


def test_the_line_is_whole_again_after_a_kill_and_says_meanwhile_that_history_is_away(
    spool: Spool, clock: Hands, begin: Begin, archivist: Archivist
) -> None:
    with pytest.raises(HistoryAwayError, match="归档进程没有运行"):
        archivist.points()
    _commit(spool, clock, 60)
    archivist.start(begin)
    assert archivist.points() == list(_POINTS)
    os.kill(archivist.pid, signal.SIGKILL)
    _eventually(lambda: not archivist.pid)
    assert archivist.exit_code == -signal.SIGKILL
    with pytest.raises(HistoryAwayError, match="is started again by itself"):
        archivist.history(_POINTS[0], _START, _START + 60_000, 1)
    archivist.start(begin)
    (bucket,) = archivist.history(_POINTS[0], _START, _START + 60_000, 1)
    assert bucket.count == 60, "what is committed and in no file yet"
    _commit(spool, clock, 60)
    assert archivist.history(_POINTS[0], _START, _START + 120_000, 1)[0].count == 120


def test_who_hangs_is_not_waited_for_and_who_asks_too_much_is_refused(
    spool: Spool, clock: Hands, begin: Begin, archivist: Archivist, monkeypatch: pytest.MonkeyPatch
) -> None:
    _commit(spool, clock, 1)
    monkeypatch.setattr(module, "MOST_QUESTIONS", 3)
    began = time.monotonic()
    archivist.start(begin)
    archivist.points()
    usual = time.monotonic() - began
    os.kill(archivist.pid, signal.SIGSTOP)
    with ThreadPoolExecutor(3) as people:
        waiting = [people.submit(archivist.points) for _ in range(3)]
        child = archivist._child
        _eventually(lambda: len(child._waiting) == 3)
        with pytest.raises(HistoryBusyError, match="已有 3 个"):
            archivist.points()
        os.kill(archivist.pid, signal.SIGCONT)
        assert [one.result() for one in waiting] == [list(_POINTS)] * 3
    os.kill(archivist.pid, signal.SIGSTOP)
    monkeypatch.setattr(module, "PATIENCE_S", 0.1)
    with pytest.raises(HistoryAwayError):
        archivist.points()
    assert not child._waiting
    monkeypatch.undo()
    began = time.monotonic()
    archivist.start(begin)
    assert archivist.points() == list(_POINTS), "another one, with the same folder"
    assert time.monotonic() - began < 1 + 3 * usual, "who hangs costs the next one nothing"


def test_refusals_keep_their_words(begin: Begin, spool: Spool, archivist: Archivist, tmp_path: Path) -> None:
    archivist.start(begin)
    with pytest.raises(ValueError, match="history"):
        archivist.history("M/p000", _START, _START, 1)
    assert isinstance(module._error(module.words.Fault("large", "", "", 10.0)), HistoryTooLargeError)
    archivist.start(Begin(str(tmp_path / "archive"), str(tmp_path / "no-such-spool.db")))
    with pytest.raises(StoreError, match=r"no-such-spool\.db"):
        archivist.points()


def test_a_stop_lets_the_turn_end_and_a_hanging_process_does_not_hold_it_up(
    spool: Spool, clock: Hands, begin: Begin, archivist: Archivist
) -> None:
    _commit(spool, clock, 3000)
    archivist.start(begin)
    archivist.points()
    with ThreadPoolExecutor(1) as service:
        turn = service.submit(archivist.turn, clock.ms + 600_000)
        _eventually(lambda: archivist._child._waiting or turn.done())
        archivist.finish(10.0)
        assert turn.result().moved == 3000
    assert (archivist.pid, archivist.exit_code) == (0, 0)
    archivist.start(begin)
    archivist.points()
    os.kill(archivist.pid, signal.SIGSTOP)
    began = time.monotonic()
    archivist.finish(0.2)
    assert time.monotonic() - began < 3
    assert archivist.exit_code == -signal.SIGKILL


_PARENT = """
import sys
from stores.telemetry.archivist.archivist import Archivist
from stores.telemetry.archivist.words import Begin
archivist = Archivist()
archivist.start(Begin(sys.argv[1]))
archivist.points()
archivist.history("M/p000", 0, 60_000, 1)
heavy = {"pyarrow", "stores.telemetry.archive", "stores.telemetry.query"}.intersection(sys.modules)
print(archivist.pid, *heavy, flush=True)
sys.stdin.read()
"""


def test_it_ends_with_its_service_however_that_ends_and_keeps_its_libraries_to_itself(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _PARENT, str(tmp_path / "archive")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=_ROOT,
    ) as service:  # fmt: skip
        assert service.stdout is not None
        pid, *heavy = service.stdout.readline().split()
        assert not heavy
        assert _alive(int(pid))
        assert int(Path(f"/proc/{pid}/oom_score_adj").read_text()) >= 500, "rather it than the service"
        for sign in (signal.SIGINT, signal.SIGTERM):  # meant for the service
            os.kill(int(pid), sign)
        assert _alive(int(pid))
        service.kill()
    _eventually(lambda: not _alive(int(pid)), 5.0)


def test_the_view_of_the_spool_learns_layouts_as_they_come_and_tells_what_is_damaged(
    spool: Spool, clock: Hands, tmp_path: Path
) -> None:
    _commit(spool, clock, 5)
    view = SpoolView(tmp_path / "spool.db")
    assert view.id == spool.id
    assert dict(view.layouts()) == dict(spool.layouts())
    first = spool.last_row
    spool.layout("lift", ("L/floor",), "lift@1")
    spool.commit([Scan("lift", clock.ms, clock.ms, (3.0,), bytes(1))])
    assert [len(batch) for _, batch in view.batches(0, 100)] == [5, 1]
    assert [row for row, _ in view.batches(0, 1)] == [first], "at least one"
    assert view.layout_of(2).points == ("L/floor",)
    assert dict(view.layouts()) == dict(spool.layouts())
    assert view.pending(first) == spool.pending(first)
    assert view.row_before(0, clock.ms + 1) == view.last_row == spool.last_row
    with spool._file.lock, spool._file.transaction():
        spool._file.writer.execute("UPDATE row SET blob = x'00' WHERE id = ?", (first,))
    assert [len(batch) for _, batch in view.batches(0, 100)] == [0, 1]
    assert view.damaged == {first}
    spool.batches(first - 1, 1)
    assert [row for row, _ in view.batches(0, 100)] == [first + 1], "set aside by who writes"
    assert spool.dead_counts() == {"spool": 1}
    view.close()
