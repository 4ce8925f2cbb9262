"""An event loop whose time moves on only when nothing is left to do, for tests of real sockets with real patience.

A device that hangs for ten minutes costs a test a second, and a busy machine does not change what happens: before the
time jumps to the next timer, every socket is asked once more whether it has something to say. Peers must live on the
same loop; threads and other processes live in real time and see none of this.
"""

import asyncio
import selectors
import time

REST_S = 0.001
"""So long, in real time, bytes on loopback may take before the time jumps."""
STUCK_S = 10
BEGIN_MS = 1_700_000_000_000


class VirtualLoop(asyncio.SelectorEventLoop):
    """`rest_s` may be set to 0 where nothing is on any wire; `longest_turn_s` is the CPU time of the longest turn."""

    def __init__(self):
        self.rest_s = REST_S
        self.longest_turn_s = 0.0
        self._at = 1000.0
        super().__init__(_Jumping(self))

    def time(self) -> float:
        return self._at

    def jump(self, by_s: float):
        self._at += by_s

    def turned(self, cpu_s: float):
        self.longest_turn_s = max(self.longest_turn_s, cpu_s)


class _Jumping(selectors.DefaultSelector):
    def __init__(self, loop: VirtualLoop):
        super().__init__()
        self._loop = loop
        self._began = time.thread_time()

    def select(self, timeout=None):
        self._loop.turned(time.thread_time() - self._began)
        try:
            if timeout is None:
                ready = super().select(STUCK_S)
                assert ready, "everybody waits for somebody, and nobody for the time"
                return ready
            ready = super().select(min(max(timeout, 0), self._loop.rest_s))
            if not ready and timeout > 0:
                self._loop.jump(timeout)
            return ready
        finally:
            self._began = time.thread_time()


class LoopClock:
    """The product's clock on the time of the running loop."""

    def now(self) -> int:
        return BEGIN_MS + round(asyncio.get_running_loop().time() * 1000)

    async def until(self, at_ms: int):
        while (left := at_ms - self.now()) > 0:
            await asyncio.sleep(left / 1000)
