"""The service's end of the line to its archivist.

The archivist reads the spool by itself and is told nothing but what to do; of the spool it writes nothing, so that a
commit never waits for it: it says how far the files go, and the service moves the cursor.
"""

import itertools
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

import msgspec

import stores
from facility.ports import Bucket, Layout
from facility.records import HistoryForgotten
from facility.scan import Scan
from facility.text import Text
from stores.errors import HistoryAwayError, HistoryBusyError, HistoryTooLargeError, StoreError
from stores.telemetry.archivist import words
from stores.telemetry.batch import encode
from stores.telemetry.completeness import Completeness

MOST_QUESTIONS = 32
"""So many may wait for their answers at a time; one more is refused at once."""
PATIENCE_S = 12.0
"""A question is waited for so long: a little longer than the archivist takes at most."""
WORK_S = 600.0
"""A turn is waited for so long. Who looks after this process loses patience earlier."""
_MODULE = "stores.telemetry.archivist"
_REAP_S = 1.0
_GONE_S = 5.0  # the system takes longer only when its disk hangs

_Answer = TypeVar("_Answer")


class ArchivistFailedError(Exception):
    """The archivist met an error that nobody foresaw; its traceback is the message."""


class Archivist:
    """Implements `facility.ports.Telemetry` in another process; safe from several threads.

    Whoever asks while there is no such process is told so (HistoryAwayError) and may ask again later.
    """

    def __init__(self) -> None:
        self._child: _Child | None = None

    @property
    def pid(self) -> int:
        """The process, 0 when there is none."""
        child = self._child
        return child.process.pid if child and not child.gone.is_set() else 0

    @property
    def exit_code(self) -> int | None:
        """How the process ended, negative for a signal; None while it runs, or before the first."""
        return self._child.process.returncode if self._child else None

    def start(self, begin: words.Begin) -> None:
        """Start the process, in place of the one before. It answers as soon as it is up; questions wait meanwhile."""
        self.kill()
        self._child = _Child(begin)

    def kill(self) -> None:
        """End the process at once: what a turn had begun is done again by the next."""
        if self._child:
            self._child.kill()
            self._child.gone.wait(_GONE_S)

    def finish(self, patience_s: float) -> None:
        """Let it end the turn that is going on, but not for longer than this. Blocking."""
        child = self._child
        if child:
            child.end()
            if not child.gone.wait(patience_s):
                self.kill()

    # Work.

    def turn(self, now_ms: int) -> words.Turned:
        """Do one bounded turn of work. Blocking.

        Raises:
            HistoryAwayError: there is no process, or it ended meanwhile.
            StoreError: the archive cannot be written now; the readings stay in the spool.
            ArchivistFailedError: it met an error that nobody foresaw.
        """
        return self._ask(words.Turn(now_ms), words.Turned, WORK_S)[0]

    def retain(self, now_ms: int, raw_days: int, rollup_days: int) -> HistoryForgotten | None:
        """Forget readings and rollups older than so many days; return what went, None when nothing did. Blocking.

        Raises: as `turn`.
        """
        return next(iter(self._ask(words.Retain(now_ms, raw_days, rollup_days), HistoryForgotten, WORK_S)), None)

    def write(self, scans: Sequence[Scan], layouts: Mapping[str, Layout]) -> None:
        """Store scans that are in no spool; safe to repeat.

        Raises:
            ValueError: a scan has no layout, or does not fit it.
        """
        used = {scan.device: layouts[scan.device] for scan in scans if scan.device in layouts}
        for scan in scans:
            if scan.device not in used or len(used[scan.device].points) != scan.width:
                raise ValueError(f"device {scan.device}: no layout of these {scan.width} values")
        batch = encode(scans, [used[scan.device].id for scan in scans])
        named = [(layout.id, layout.device, layout.points, layout.profile) for layout in used.values()]
        self._ask(words.Write(batch, named), bool, WORK_S)

    # Questions.

    def history(self, point: str, from_ms: int, to_ms: int, buckets: int) -> list[Bucket]:
        """Return `buckets` spans of equal length over [from_ms, to_ms): low, mean and high of what was believed.

        Raises:
            ValueError: the span or the number of buckets makes no sense.
            StoreError: there is no answer now, or the question is too large.
        """
        return self._ask(words.History(point, from_ms, to_ms, buckets), Bucket, PATIENCE_S)

    def completeness(self, points: Iterable[str], from_ms: int, to_ms: int) -> list[Completeness]:
        """Say of each point how much of [from_ms, to_ms) it has spoken for, to the minute.

        Raises:
            ValueError: the span makes no sense, or there are too many points.
            StoreError: there is no answer now, or the question is too large.
        """
        return self._ask(words.Completeness(list(points), from_ms, to_ms), Completeness, PATIENCE_S)

    def points(self) -> list[str]:
        """Return every point that has history, sorted.

        Raises:
            StoreError: there is no answer now.
        """
        return self._ask(words.Points(), str, PATIENCE_S)

    def _ask(self, what: words.Question | words.Work, kind: type[_Answer], patience_s: float) -> list[_Answer]:
        child = self._child
        if child is None:
            raise HistoryAwayError
        answer = child.ask(what, patience_s)
        if answer.fault:
            raise _error(answer.fault)
        decoder = msgspec.msgpack.Decoder(list[kind])  # type: ignore[valid-type]  # a type given as a value
        return [one for part in answer.parts for one in decoder.decode(part)]


class _Child:
    """One life of the process. `gone` is set when it has ended, and everybody who waited was told."""

    def __init__(self, begin: words.Begin) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            # The end of this process, however it ends, closes our end of the line: that is what ends the other.
            self.process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-P", "-m", _MODULE],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                env=_environment(),
            )
        self.gone = threading.Event()
        self._line = words.Line(ours)
        self._lock = threading.Lock()
        self._waiting: dict[int, Future[words.Answer]] = {}
        self._ids = itertools.count(1)
        self._over = False
        threading.Thread(target=self._listen, name="archivist", daemon=True).start()
        try:
            self._line.send(begin)
        except OSError:
            self.kill()

    def ask(self, what: words.Question | words.Work, patience_s: float) -> words.Answer:
        until = time.monotonic() + patience_s
        id_, waits = next(self._ids), Future[words.Answer]()
        with self._lock:
            if self._over:
                raise HistoryAwayError
            if len(self._waiting) >= MOST_QUESTIONS:
                raise HistoryBusyError(MOST_QUESTIONS)
            self._waiting[id_] = waits
        try:
            self._line.send(words.Asked(id_, until, what))
            return waits.result(max(0.0, until - time.monotonic()))
        except TimeoutError:
            raise HistoryAwayError from None
        except OSError:
            self.kill()  # half a message may be on the line
            raise HistoryAwayError from None
        finally:
            with self._lock:
                self._waiting.pop(id_, None)

    def end(self) -> None:
        try:
            self._line.send(words.Asked(0, 0.0, words.End()))
        except OSError:
            self.kill()

    def kill(self) -> None:
        self.process.kill()
        self._line.hang_up()

    def _listen(self) -> None:
        try:
            while (answer := self._line.receive(words.Answer)) is not None:
                with self._lock:
                    waits = self._waiting.pop(answer.id, None)
                if waits:
                    waits.set_result(answer)
        finally:
            with self._lock:
                self._over = True
                waiting, self._waiting = self._waiting, {}
            self._line.hang_up()
            try:
                self._reap()
            finally:  # whoever waits must hear of it, however it ended
                self._line.close()
                for waits in waiting.values():
                    waits.set_exception(HistoryAwayError())
                self.gone.set()

    def _reap(self) -> None:
        try:
            self.process.wait(_REAP_S)
        except (subprocess.TimeoutExpired, OSError):  # no pause is possible on a clock that is set at that moment
            self.process.kill()
            self.process.wait()


def _environment() -> dict[str, str]:
    """Return ours, with what lets it find our packages and nobody else's, and keeps it small."""
    root = str(Path(stores.__file__).parent.parent)
    paths = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    # Arenas: two threads work in it, and each arena keeps what it once had.
    return {"MALLOC_ARENA_MAX": "2", "OPENBLAS_NUM_THREADS": "1", **os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def _error(fault: words.Fault) -> Exception:
    match fault.kind:
        case "value":
            return ValueError(fault.en)
        case "large":
            return HistoryTooLargeError(fault.seconds)
        case "store":
            return StoreError(Text(fault.zh, fault.en))
        case _:
            return ArchivistFailedError(fault.en)
