"""`python -m stores.telemetry.archivist`: started by the service, with the line to it as standard input.

One thread works, one answers, and the first one listens: when the line is cut the service is gone, and this process
ends in the same moment. A turn that is cut off is done again by the next archivist; what counts is on the disk.
"""

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any, assert_never

from stores.telemetry.archivist import words

NICE, NICEST = 10, 19
"""Collecting, judging and paging go first; of this process, questions."""
FIRST_TO_GO = 500
"""For the system, when memory runs out (Linux): it kills this process before the service, which starts another one."""
SWITCH_S = 0.0005
"""How long the thread that works may hold the interpreter while a question waits."""
PART = 500  # things that the other end unpacks at a stretch
_IN_USE_S = 5.0
_LOOK_S = 0.05


def main() -> None:
    """Serve until the line is cut, or until told to end."""
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, signal.SIG_IGN)  # meant for the service, which ends us in its own time
    os.nice(NICE)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(f"{FIRST_TO_GO}\n", encoding="ascii")
    sys.setswitchinterval(SWITCH_S)
    line = words.inherited()
    begin = line.receive(words.Begin)
    if begin is None:
        return
    work: SimpleQueue[words.Asked | None] = SimpleQueue()
    questions: SimpleQueue[words.Asked | None] = SimpleQueue()
    opening = _Opening(begin)
    workers = [
        threading.Thread(target=_work, args=(line, opening, work), daemon=True),
        threading.Thread(target=_serve, args=(line, opening, questions), daemon=True),
    ]
    for worker in workers:
        worker.start()
    while (asked := line.receive(words.Asked)) is not None:
        match asked.what:
            case words.End():
                work.put(None)
                workers[0].join()
                break
            case words.Turn() | words.Retain() | words.Write():
                work.put(asked)
            case _:
                questions.put(asked)
    os._exit(0)  # no thread is waited for, and nothing is tidied up: a kill would do no harm either


class _Opening:
    """Opens the archive once, in the first thread that needs it: who listens must hear at once that the line is cut."""

    def __init__(self, begin: words.Begin) -> None:
        self._begin = begin
        self._lock = threading.Lock()
        self._opened: _Opened | None = None

    def opened(self) -> "_Opened":
        with self._lock:
            if self._opened is None:
                self._opened = _Opened(self._begin)
            return self._opened


class _Opened:
    """The archive, and what answers are made of."""

    def __init__(self, begin: words.Begin) -> None:
        from stores.telemetry.archive import Archive
        from stores.telemetry.archivist.spoolview import SpoolView
        from stores.telemetry.thinning import Policy

        folder = Path(begin.folder)
        self._lock = _taken(folder)
        self.spool = SpoolView(Path(begin.spool)) if begin.spool else None
        policy = Policy(begin.heartbeat_ms, begin.bands.get) if begin.heartbeat_ms else None
        self.archive = Archive(folder, self.spool, policy)

    def answer(self, what: words.Question | words.Work) -> Sequence[Any]:
        """Do what is asked and return the things the answer consists of."""
        archive = self.archive
        match what:
            case words.Turn(now_ms):
                return [self._turn(now_ms)]
            case words.Retain(now_ms, raw_days, rollup_days):
                gone = archive.retain(now_ms, raw_days, rollup_days)
                return [gone] if gone else []
            case words.Write():
                self._write(what)
                return []
            case words.History(point, from_ms, to_ms, buckets):
                return archive.history(point, from_ms, to_ms, buckets)
            case words.Completeness(points, from_ms, to_ms):
                return archive.completeness(points, from_ms, to_ms)
            case words.Points():
                return archive.points()
            case _:
                assert_never(what)

    def _turn(self, now_ms: int) -> words.Turned:
        if self.spool is None:
            return words.Turned(0, 0, [])
        moved = self.archive.turn(self.spool, now_ms)
        damaged, self.spool.damaged = self.spool.damaged, set()
        return words.Turned(moved, self.archive.row, sorted(damaged))

    def _write(self, what: words.Write) -> None:
        from facility.ports import Layout
        from stores.telemetry.batch import decode

        layouts = {device: Layout(id_, device, points, profile) for id_, device, points, profile in what.layouts}
        names = {layout.id: layout.device for layout in layouts.values()}
        self.archive.write(decode(what.batch).scans(names), layouts)


def _taken(folder: Path) -> object:
    """Be the only archivist of this folder; one whose service was killed may still be about to end."""
    from stores.errors import StoreInUseError
    from stores.lock import InstanceLock

    lock, until = InstanceLock(folder), time.monotonic() + _IN_USE_S
    while True:
        try:
            lock.acquire()
        except StoreInUseError:
            if time.monotonic() > until:
                raise
            threading.Event().wait(_LOOK_S)
        else:
            return lock


def _work(line: words.Line, opening: _Opening, queue: "SimpleQueue[words.Asked | None]") -> None:
    """Serve with what the others leave, answers to questions included: two seconds of every minute of a full load."""
    if sys.platform == "linux":  # where it is per thread; in a class of its own (SCHED_IDLE) it could starve
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICEST)
    _serve(line, opening, queue)


def _serve(line: words.Line, opening: _Opening, queue: "SimpleQueue[words.Asked | None]") -> None:
    """Answer one after the other until there is a None; nothing that goes wrong ends this."""
    import msgspec

    encode = msgspec.msgpack.Encoder().encode
    while (asked := queue.get()) is not None:
        if time.monotonic() > asked.until or isinstance(asked.what, words.End):
            continue
        try:
            said = opening.opened().answer(asked.what)
            parts = [msgspec.Raw(encode(said[start : start + PART])) for start in range(0, len(said), PART)]
            answer = words.Answer(asked.id, parts)
        except Exception as error:  # noqa: BLE001 - said to whoever asked
            answer = words.Answer(asked.id, [], _fault(error))
        try:
            line.send(answer)
        except OSError:
            os._exit(1)  # nobody listens, or half a message is on the line


def _fault(error: Exception) -> words.Fault:
    from stores.errors import HistoryTooLargeError, StoreError
    from stores.telemetry.query import PATIENCE_S

    match error:
        case HistoryTooLargeError():
            return words.Fault("large", error.text.zh, error.text.en, PATIENCE_S)
        case StoreError():
            return words.Fault("store", error.text.zh, error.text.en)
        case ValueError():
            return words.Fault("value", "", str(error))
        case _:
            return words.Fault("bug", "", traceback.format_exc(limit=-8))


if __name__ == "__main__":
    main()
