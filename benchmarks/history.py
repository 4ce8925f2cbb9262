"""How soon the past answers, and what it does to the present.

`python -m benchmarks.history [chart|completeness|lag]`, without a word all three, each in a process of its own. The
archive is kept, and asked, as the service does it: by its archivist, in another process:

chart         24 h of one 1 Hz point in 500 buckets, of 10,000 such points, while 10,000 readings/s come in and are
              compacted. Target: ≤ 100 ms. (The day before is written as its minutes, which is all that such a chart
              reads; the head is real.)
completeness  72 h of 10,000 points recorded every 10 s. Target: ≤ 1 s. (The three days are written as minutes and
              hours, in files as big as turns and merges leave them.)
lag           how late a task is that wants to run every millisecond on the loop, while 108,000 readings/s are
              committed, compacted, and asked about twice a second. Target: p99 ≤ 20 ms.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.machine import cpu_s, most_mb, rss_mb, threads_s
from benchmarks.running import load, part
from benchmarks.telemetry import Crowd, layouts
from dutyroom.clock import SystemClock
from dutyroom.process import settle
from facility.scan import Scan
from stores.telemetry.archive import Archive
from stores.telemetry.archivist.archivist import Archivist
from stores.telemetry.archivist.words import Begin
from stores.telemetry.rollup import Sums
from stores.telemetry.segments import MINUTE, Birth
from stores.telemetry.source import CURSOR
from stores.telemetry.spool import Spool

DEVICES, POINTS = 200, 50
DAY_MS = 86_400_000
TURN_MINUTES = 5
WHOLE_MINUTES = 80  # as many minutes of 10,000 points as make a file that is left alone


def _past(archive: Archive, names: Sequence[str], from_ms: int, to_ms: int, every_ms: int) -> None:
    """Write the minutes of a past in which every point spoke at equal steps; its last hours in small files."""
    at, day_end = from_ms // 60_000 * 60_000, 0
    rng = np.random.default_rng(1)
    files = archive._files  # noqa: SLF001 - a day of 864 million readings is not committed one by one
    while at < to_ms:
        day_end = (at // DAY_MS + 1) * DAY_MS
        whole = to_ms - at > 2 * WHOLE_MINUTES * 60_000
        end = min(at + (WHOLE_MINUTES if whole else TURN_MINUTES) * 60_000, day_end, to_ms)
        minutes = np.arange(at, end, 60_000)
        code = np.repeat(np.arange(len(names), dtype=np.int32), len(minutes))
        low = np.round(rng.uniform(0, 100, len(code)), 1)
        each = np.full(len(code), 60_000 // every_ms, np.int32)
        none = np.zeros(len(code), np.int32)
        sums = Sums(names, code, np.tile(minutes, len(names)), low, low + 1, low * each, each, none, none + every_ms)
        with files.writing(end):
            birth = Birth(MINUTE, at // DAY_MS, end, files.manifest.spool, files.manifest.row)
            parts = (_slice(sums, start) for start in range(0, len(sums), 1 << 17))
            files._publish([files._written(birth, parts, closed=whole)], [], end)  # noqa: SLF001 - as above
        at = end


def _slice(sums: Sums, start: int) -> Sums:
    some = slice(start, start + (1 << 17))
    columns = (sums.code, sums.at_ms, sums.low, sums.high, sums.total, sums.count, sums.bad, sums.gap_ms)
    return Sums(sums.names, *(column[some] for column in columns))


def _tidied(archive: Archive, spool: Spool, now_ms: int) -> None:
    while archive.compact(spool, now_ms):
        pass


def _kept(folder: Path, archive: Archive) -> Archivist:
    """Hand the archive over to an archivist."""
    archive.close()
    archivist = Archivist()
    archivist.start(Begin(str(folder / "archive"), str(folder / "spool.db")))
    archivist.points()
    return archivist


def _turned(archivist: Archivist, spool: Spool, now_ms: int) -> int:
    turned = archivist.turn(now_ms)
    if spool.cursor(CURSOR) < turned.row:
        spool.advance(CURSOR, turned.row)
    return turned.moved


def _memory(archivist: Archivist) -> dict[str, float]:
    return {
        "rss_mb": rss_mb(os.getpid()),
        "rss_archivist_mb": rss_mb(archivist.pid),
        "rss_archivist_most_mb": most_mb(archivist.pid),
    }


def _times(took: Sequence[float]) -> dict[str, float]:
    return {
        "n": len(took),
        "p50_ms": round(1000 * part(took, 0.5), 1),
        "p99_ms": round(1000 * part(took, 0.99), 1),
        "max_ms": round(1000 * max(took), 1),
    }


def chart(folder: Path, seconds: float) -> dict[str, object]:
    clock = SystemClock()
    spool = Spool(folder / "spool.db", clock)
    archive = Archive(folder / "archive", spool)
    names = sorted(f"machine-{d:04}/point_{p:03}" for d in range(DEVICES) for p in range(POINTS))
    for d in range(DEVICES):
        spool.layout(f"d{d}", [f"machine-{d:04}/point_{p:03}" for p in range(POINTS)], "v1")
    _past(archive, names, clock.now() - DAY_MS, clock.now(), 1_000)
    _tidied(archive, spool, clock.now())
    archivist = _kept(folder, archive)
    over = threading.Event()
    rng, good = np.random.default_rng(2), bytes(POINTS)
    began = time.monotonic()
    committed = 0

    def live() -> None:
        nonlocal committed
        while not over.wait(max(0.0, began + committed / DEVICES - time.monotonic())):
            now, some = clock.now(), range(committed % DEVICES, committed % DEVICES + DEVICES // 4)
            values = np.round(rng.uniform(0, 100, (len(some), POINTS)), 1).tolist()
            spool.commit([Scan(f"d{d}", now, now, tuple(v), good) for d, v in zip(some, values, strict=True)])
            committed += len(some)

    def compact() -> None:
        while not over.wait(2.0):
            while _turned(archivist, spool, clock.now()):
                pass
            spool.trim(clock.now())

    # Five minutes of head, as before a turn.
    for second in range(290, 0, -1):
        now = clock.now() - 1000 * second
        values = np.round(rng.uniform(0, 100, (DEVICES, POINTS)), 1).tolist()
        spool.commit([Scan(f"d{d}", now, now, tuple(v), good) for d, v in enumerate(values)])
    workers = [threading.Thread(target=live), threading.Thread(target=compact)]
    for worker in workers:
        worker.start()
    took: list[float] = []
    began_cpu = time.process_time() + cpu_s(archivist.pid)
    while time.monotonic() < began + seconds:
        name = names[int(rng.integers(len(names)))]
        asked = time.monotonic()
        now = clock.now()
        answer = archivist.history(name, now - DAY_MS, now, 500)
        took.append(time.monotonic() - asked)
        assert sum(b.count > 0 for b in answer) >= 498, sum(b.count > 0 for b in answer)
        over.wait(0.5)
    over.set()
    for worker in workers:
        worker.join()
    cpu, memory = time.process_time() + cpu_s(archivist.pid) - began_cpu, _memory(archivist)
    archivist.kill()
    spool.close()
    return {
        "chart": _times(took),
        "first_ms": round(1000 * took[0], 1),
        "readings_per_s": round(committed * POINTS / (time.monotonic() - began)),
        "cores": round(cpu / seconds, 2),
        **memory,
        "load": load(),
    }


def completeness(folder: Path, _: float) -> dict[str, object]:
    clock = SystemClock()
    spool = Spool(folder / "spool.db", clock)
    archive = Archive(folder / "archive", spool)
    names = sorted(f"machine-{d:04}/point_{p:03}" for d in range(DEVICES) for p in range(POINTS))
    for d in range(DEVICES):
        spool.layout(f"d{d}", [f"machine-{d:04}/point_{p:03}" for p in range(POINTS)], "v1")
    now = clock.now()
    _past(archive, names, now - 3 * DAY_MS - 7_200_000, now - 120_000, 10_000)
    _tidied(archive, spool, now)
    good = bytes(POINTS)
    for at in range(now - 120_000, now, 10_000):
        spool.commit([Scan(f"d{d}", at, at, (1.0,) * POINTS, good) for d in range(DEVICES)])
    files = archive._files.manifest.segments  # noqa: SLF001 - counts files, which no reader needs to
    archivist = _kept(folder, archive)
    took: list[float] = []
    before = 0.0
    for _turn in range(5):
        began, before = time.monotonic(), cpu_s(archivist.pid)
        found = archivist.completeness(names, now - 3 * DAY_MS, now)
        took.append(time.monotonic() - began)
        before = cpu_s(archivist.pid) - before
    assert all((f.ratio or 0) > 0.999 for f in found), found[0]
    memory = _memory(archivist)
    archivist.kill()
    spool.close()
    return {
        "completeness": _times(took),
        "cpu_ms": round(1000 * before),
        "files": len(files),
        **memory,
        "load": load(),
    }


async def _lag(folder: Path, seconds: float) -> dict[str, object]:
    clock = SystemClock()
    spool = Spool(folder / "spool.db", clock)
    source = Crowd(np.random.default_rng(1))
    layouts(spool, source)
    archivist = _kept(folder, Archive(folder / "archive", spool))
    good = bytes(source.points)
    turns = [[tuple(row) for row in source.turn().tolist()] for _ in range(8)]
    late: list[tuple[float, float]] = []
    busy: dict[str, list[tuple[float, float]]] = {"compaction": [], "query": []}
    committed = 0
    loop, over = asyncio.get_running_loop(), asyncio.Event()

    async def tick() -> None:
        """Want to run every millisecond; a late turn does not make the next one late too."""
        while not over.is_set():
            due = loop.time() + 0.001
            await asyncio.sleep(0.001)
            late.append((due, loop.time() - due))

    async def ingest() -> None:
        nonlocal committed
        batch = source.devices // 4
        due = loop.time()
        while not over.is_set():
            now, first = clock.now(), committed % source.devices
            values = turns[committed // source.devices % len(turns)]
            some = [Scan(f"d{d}", now, now, values[d], good) for d in range(first, first + batch)]
            row = await asyncio.to_thread(spool.commit, some)
            await asyncio.to_thread(spool.checkpoint, row, b"")
            committed += batch
            due += 0.25
            await asyncio.sleep(max(0.0, due - loop.time()))

    async def worked(what: str, work: Callable[..., object], *words: object) -> object:
        began = loop.time()
        done = await asyncio.to_thread(work, *words)
        busy[what].append((began, loop.time()))
        return done

    async def compact() -> None:
        while not over.is_set():
            began = loop.time()
            if await asyncio.to_thread(_turned, archivist, spool, clock.now()):
                busy["compaction"].append((began, loop.time()))
            await asyncio.to_thread(spool.trim, clock.now())
            await asyncio.sleep(2)

    async def ask() -> None:
        turn = 0
        while not over.is_set():
            turn += 1
            now = clock.now()
            name = f"machine-{turn % source.devices:04}/point_{turn % source.points:03}"
            if turn % 10:
                await worked("query", archivist.history, name, now - 6 * 3_600_000, now, 500)
            else:
                names = [f"machine-{d:04}/point_{p:03}" for d in range(20) for p in range(source.points)]
                await worked("query", archivist.completeness, names, now - 3_600_000, now)
            await asyncio.sleep(0.5)

    tasks = [asyncio.create_task(run()) for run in (tick, ingest, compact, ask)]
    await asyncio.sleep(seconds)
    over.set()
    await asyncio.gather(*tasks)
    memory = _memory(archivist)
    archivist.kill()
    spool.close()

    def within(spans: Sequence[tuple[float, float]]) -> list[float]:
        return [ms for at, ms in late if any(a <= at <= b for a, b in spans)] or [0.0]

    both = [(a, b) for a, b in busy["query"] if any(c <= b and a <= d for c, d in busy["compaction"])]
    return {
        "lag": _times([ms for _, ms in late]),
        "lag_in_compactions": _times(within(busy["compaction"])),
        "lag_in_queries": _times(within(busy["query"])),
        "lag_in_both": _times(within(both)),
        "compactions_s": [round(b - a, 1) for a, b in busy["compaction"]],
        "query": _times([b - a for a, b in busy["query"]]),
        "readings_per_s": round(committed * source.points / seconds),
        "threads_s": threads_s(),
        **memory,
        "load": load(),
    }


def lag(folder: Path, seconds: float) -> dict[str, object]:
    import uvloop

    settle()
    return uvloop.run(_lag(folder, seconds))


PARTS: dict[str, tuple[Callable[[Path, float], dict[str, object]], float]] = {
    "chart": (chart, 60.0),
    "completeness": (completeness, 0.0),
    "lag": (lag, 200.0),
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", choices=sorted(PARTS))
    parser.add_argument("--seconds", type=float)
    given = parser.parse_args(arguments)
    if given.part:
        measure, usual = PARTS[given.part]
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(measure(Path(folder), given.seconds or usual)))
        return
    for name in PARTS:
        subprocess.run([sys.executable, "-m", "benchmarks.history", name], check=True)


if __name__ == "__main__":
    main()
