"""Talks to systemd, where it started us: ready, still making progress, stopping; see deploy/dutyroom.service."""

import contextlib
import os
import socket
from collections.abc import Callable, Mapping

from facility.ports import Clock

READY, STOPPING, ALIVE = "READY=1", "STOPPING=1", "WATCHDOG=1"


class ServiceManager:
    """Says how we are on the socket that systemd named; silent where it named none."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        name = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + name[1:] if name.startswith("@") else name  # "@": in the abstract name space
        usec, pid = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
        meant = pid in {"", str(os.getpid())}
        self.every_ms = int(usec) // 2000 if self._address and usec.isdigit() and meant else 0
        """How often it wants to hear that we make progress; 0: never."""

    def say(self, word: str) -> None:
        """Say one word; systemd restarts whoever says nothing, so a word that cannot be said is no error of ours."""
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
            line.settimeout(0)
            with contextlib.suppress(OSError):
                line.sendto(word.encode(), self._address)

    async def run(self, well: Callable[[], bool], clock: Clock, beat: Callable[[], None]) -> None:
        """Say for ever that we are alive, as long as `well` says that we make progress."""
        while True:
            beat()
            if well():
                self.say(ALIVE)
            await clock.until(clock.now() + self.every_ms)
