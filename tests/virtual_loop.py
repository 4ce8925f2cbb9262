"""An event loop whose time moves on only when nothing is left to do, for tests of real sockets with real patience.

A device that hangs for ten minutes costs a test a second, and a busy machine does not change what happens: before the
time jumps to the next timer, whatever was sent is given real time to arrive. Peers must live on the same loop; threads
and other processes live in real time and see none of this.
"""

import asyncio
import os
import select
import selectors
import time
import tty
from asyncio.selector_events import _SelectorSocketTransport

REST_S = 0.005
"""So long, in real time, bytes may be under way before the time jumps."""
STUCK_S = 10
BEGIN_MS = 1_700_000_000_000


class VirtualLoop(asyncio.SelectorEventLoop):
    """`longest_turn_s` is the CPU time of the longest turn, which nobody else on the machine can make longer."""

    def __init__(self):
        self._terminals: tuple[int, ...] = ()
        self.longest_turn_s = 0.0
        self._at = 1000.0
        self._under_way = 0  # what was sent and, as far as can be told, not heard yet
        super().__init__(_Jumping(self))

    def time(self) -> float:
        return self._at

    def stir(self):
        """Something was put on a wire: let it arrive before the time moves on."""
        self._under_way += 1

    def select(self, selector: selectors.BaseSelector, timeout: float):
        """Wait for events or, in no time, for the next timer."""
        ready = selector(0)
        if not ready and self._under_way and timeout > 0:
            self._pass_terminals()
            ready = selector(REST_S)
            if not ready:
                self._under_way = 0
        self._under_way = max(0, self._under_way - len(ready))
        if not ready:
            self._at += max(timeout, 0)
        return ready

    def use_terminals(self):
        """Bytes go through pseudo terminals as well: workers of the kernel pass them on, late on a busy machine."""
        if not self._terminals:
            self._terminals = os.openpty()
            for end in self._terminals:
                tty.setraw(end)

    def _pass_terminals(self):
        """Send a byte after those under way, both ways: where it is through, they are."""
        for write, read in (self._terminals, self._terminals[::-1]) if self._terminals else ():
            os.write(write, b"?")
            arrived, _, _ = select.select([read], [], [], STUCK_S)
            assert arrived, "a terminal does not pass anything on"
            os.read(read, 1)

    def close(self):
        super().close()
        for end in self._terminals:
            os.close(end)
        self._terminals = ()

    def _make_socket_transport(self, sock, protocol, waiter=None, *, extra=None, server=None):
        return _Stirring(self, sock, protocol, waiter, extra, server)


class _Stirring(_SelectorSocketTransport):
    def write(self, data):
        self._loop.stir()
        super().write(data)


class _Jumping(selectors.DefaultSelector):
    """Connecting, accepting and closing show as registrations, and so does what waits until it can be written."""

    def __init__(self, loop: VirtualLoop):
        super().__init__()
        self._loop = loop
        self._began = time.thread_time()

    def register(self, *args):
        self._loop.stir()
        return super().register(*args)

    def modify(self, *args):
        self._loop.stir()
        return super().modify(*args)

    def unregister(self, *args):
        self._loop.stir()
        return super().unregister(*args)

    def select(self, timeout=None):
        self._loop.longest_turn_s = max(self._loop.longest_turn_s, time.thread_time() - self._began)
        try:
            if timeout is None:
                ready = super().select(STUCK_S)
                assert ready, "everybody waits for somebody, and nobody for the time"
                return ready
            return self._loop.select(super().select, timeout)
        finally:
            self._began = time.thread_time()


class LoopClock:
    """The product's clock on the time of the running loop."""

    def now(self) -> int:
        return BEGIN_MS + round(asyncio.get_running_loop().time() * 1000)

    async def until(self, at_ms: int):
        while (left := at_ms - self.now()) > 0:
            await asyncio.sleep(left / 1000)
