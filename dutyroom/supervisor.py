"""Keeps every task running, and says so when one did not: health is progress, not life."""

import asyncio
import faulthandler
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from facility.ports import Beat

log = structlog.get_logger(__name__)

BACK_OFF_MS = (100, 500, 1_000, 2_000, 5_000)
BLOCKED_EXIT = 70
"""Exit code when the loop itself stood still: whoever started us starts us again."""

MEMORY_EXIT = 71
"""Exit code when there was no memory left (ulimit, container): whoever started us starts us again."""


@dataclass(slots=True)
class Kept:
    """One task: its last sign of progress and how often it had to be started again."""

    name: str
    limit_ms: int
    run: Callable[[Beat], Awaitable[None]]
    beat_at: float
    restarts: int = 0
    why: str = ""
    current: "asyncio.Future[None] | None" = None

    def age_ms(self, now: float) -> int:
        """Return how long ago it last made progress."""
        return int((now - self.beat_at) * 1000)


class Supervisor:
    """Implements facility.ports.Tasks; `told` hears of every restart (task, why, times)."""

    def __init__(self, told: Callable[[str, str, int], None] | None = None) -> None:
        self.tasks: dict[str, Kept] = {}
        self._told = told or (lambda _task, _why, _times: None)
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._dropped: set[asyncio.Task[None]] = set()  # that are ending

    def keep(self, name: str, run: Callable[[Beat], Awaitable[None]], limit_ms: int) -> None:
        """Run it for ever; started again when it ends, raises, or makes no progress for `limit_ms`.

        One that is kept under this name already goes on, with the new limit.
        """
        if name in self.tasks:
            self.tasks[name].limit_ms = limit_ms
            return
        kept = Kept(name, limit_ms, run, time.monotonic())
        self.tasks[name] = kept
        self._keepers[name] = asyncio.create_task(self._keeper(kept), name=f"keep:{name}")

    def drop(self, name: str) -> None:
        """End a task that is not needed any more; another may be kept under its name at once."""
        if self.tasks.pop(name, None) is None:
            return
        keeper = self._keepers.pop(name)
        keeper.cancel()
        self._dropped.add(keeper)
        keeper.add_done_callback(self._dropped.discard)

    async def watch(self, every_s: float = 0.5) -> None:
        """Restart tasks that stand still, until cancelled; when everything stood still, nobody is to blame."""
        last = time.monotonic()
        while True:
            now = time.monotonic()
            late = now - last - every_s
            if late > every_s:
                for kept in self.tasks.values():
                    kept.beat_at = min(now, kept.beat_at + late)
            last = now
            for kept in tuple(self.tasks.values()):
                if kept.age_ms(now) > kept.limit_ms and kept.current is not None and not kept.current.done():
                    kept.why = f"no progress for {kept.age_ms(now)} ms (limit {kept.limit_ms} ms)"
                    kept.beat_at = now
                    kept.current.cancel()
            await asyncio.sleep(every_s)  # noqa: TID251 - measures real time, whatever the clock says

    async def stop(self) -> None:
        """Cancel everything and wait for it."""
        keepers = [*self._keepers.values(), *self._dropped]
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)

    async def _keeper(self, kept: Kept) -> None:
        def beat() -> None:
            kept.beat_at = time.monotonic()

        while True:
            beat()
            kept.why = ""
            kept.current = asyncio.ensure_future(kept.run(beat))
            try:
                await asyncio.wait({kept.current})
            except asyncio.CancelledError:
                kept.current.cancel()
                await asyncio.gather(kept.current, return_exceptions=True)
                raise
            why = self._ended(kept, kept.current)
            kept.restarts += 1
            self._told(kept.name, why, kept.restarts)
            delay = BACK_OFF_MS[min(kept.restarts - 1, len(BACK_OFF_MS) - 1)]
            await asyncio.sleep(delay / 1000)  # noqa: TID251 - a pause in real time

    @staticmethod
    def _ended(kept: Kept, task: "asyncio.Future[None]") -> str:
        if task.cancelled():
            return kept.why or "was cancelled"
        error = task.exception()
        if error is None:
            return "ended by itself"
        if isinstance(error, MemoryError):
            # What else is half done nobody can tell: a new process knows what is true, and is counted.
            print(f"dutyroom: no memory left in {kept.name}; ending to be started again", file=sys.stderr, flush=True)
            os._exit(MEMORY_EXIT)
        why = f"{type(error).__name__}: {error}"
        log.error("task died", task=kept.name, why=why, exc_info=error)
        return why


LOOK_S = 0.5
PAUSE_S = 5.0
"""A process whose threads all slept so long did not choose to: somebody stopped it, or the machine."""


class LoopWatch:
    """A thread that ends the process when the event loop stands still; nothing inside the loop could."""

    def __init__(self, limit_s: float = 8.0, end: Callable[[int], None] = os._exit) -> None:
        self._limit = limit_s
        self._end = end
        self.pauses: deque[tuple[float, float]] = deque()  # when everything stood still, by the monotonic clock
        self._seen = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="loop-watch", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """End the watch."""
        self._stop.set()

    async def beat(self, paused: Callable[[int, int], None] | None = None, every_s: float = 0.5) -> None:
        """Show from inside the loop that it turns, until cancelled.

        `paused` hears, of each time that the whole process stood still, how many milliseconds ago it began and ended.
        """
        while True:
            self._seen = now = time.monotonic()
            while self.pauses and paused is not None:
                began, ended = self.pauses.popleft()
                paused(int((now - began) * 1000), int((now - ended) * 1000))
            await asyncio.sleep(every_s)  # noqa: TID251 - measures real time

    def _run(self) -> None:
        seen, stood, last = self._seen, 0.0, time.monotonic()
        while not self._stop.wait(LOOK_S):
            now = time.monotonic()
            # A machine that starves us, or was paused, wakes this thread late too: that is not the loop's doing.
            stood = stood + min(now - last, 2 * LOOK_S) if self._seen == seen else 0.0
            if now - last > PAUSE_S:
                self.pauses.append((last, now))
            seen, last = self._seen, now
            if stood > self._limit:
                print(
                    f"dutyroom: the event loop stood still for {self._limit:.0f} s; ending to be started again",
                    file=sys.stderr,
                    flush=True,
                )
                faulthandler.dump_traceback(file=sys.stderr)
                self._end(BLOCKED_EXIT)
                return
