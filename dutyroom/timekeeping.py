"""Whether this computer's clock is led by anybody, and how far it is off: by the kernel's word and by time servers.

What nobody can tell is unknown, not good. Nothing is set here: that is the work of chrony or systemd-timesyncd.
"""

import asyncio
import ctypes
import re
import socket
import struct
import sys
from statistics import median

import structlog

from dutyroom.clock import SystemClock
from facility.ports import Beat

log = structlog.get_logger(__name__)

EVERY_MS = 64_000
TIMEOUT_S = 2.0
PORT = 123

_UNSYNCHRONISED = 0x40  # STA_UNSYNC of adjtimex(2)
_STATUS = 40  # where `status` stands in struct timex of 64-bit Linux
_SINCE_1900_S = 2_208_988_800
_ASK = b"\x23" + bytes(39)  # version 4, client; the time of sending follows
_SERVER, _ALARM, _FARTHEST_STRATUM = 4, 3, 15


class TimeSources:
    """What is known of the clock. `unsynchronised` and `offset_ms` are None while nobody can tell."""

    def __init__(self, servers: str, clock: SystemClock) -> None:
        """Take the names of time servers ("ntp.example, 192.0.2.1:123") and our clock; nothing is asked yet."""
        self.servers = [name for name in re.split(r"[\s,]+", servers) if name]
        self.offset_ms: float | None = None
        self.unsynchronised: bool | None = None
        self._clock = clock

    async def run(self, beat: Beat) -> None:
        """Ask again and again, for ever."""
        while True:
            beat()
            await asyncio.to_thread(self.ask)
            await self._clock.until(self._clock.now() + EVERY_MS)

    def ask(self) -> None:
        """Ask once. For a thread: a server that does not answer takes two seconds."""
        offsets = [o for server in self.servers if (o := offset_of(server, self._clock)) is not None]
        if self.servers and not offsets and self.offset_ms is not None:
            log.warning("no time server answers", servers=self.servers)
        self.offset_ms = median(offsets) if offsets else None
        self.unsynchronised = False if offsets else kernel_unsynchronised()


def offset_of(server: str, clock: SystemClock) -> float | None:
    """Return how many milliseconds the wall clock is ahead of a time server; None when it gives no usable answer."""
    host, _, port = server.partition(":")
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
            wire.settimeout(TIMEOUT_S)
            wire.connect((host, int(port or PORT)))
            sent = clock.wall()
            stamp = _stamp(sent)
            wire.send(_ASK + stamp)
            answer = wire.recv(256)
            heard = clock.wall()
    except (OSError, ValueError):
        return None
    return _offset(answer, stamp, sent, heard)


def kernel_unsynchronised() -> bool | None:
    """Return whether the kernel says that nobody leads its clock; None where it cannot be asked."""
    if not sys.platform.startswith("linux") or struct.calcsize("l") != 8:  # noqa: PLR2004 - the layout below is that one
        return None
    told = ctypes.create_string_buffer(512)  # modes 0: only asks
    if ctypes.CDLL(None).adjtimex(told) < 0:
        return None
    (status,) = struct.unpack_from("<i", told.raw, _STATUS)
    return bool(status & _UNSYNCHRONISED)


def _offset(answer: bytes, stamp: bytes, sent_ms: int, heard_ms: int) -> float | None:
    """Return half of what the two ways differ by; None for an answer to another question, or of no use."""
    if len(answer) < 48 or answer[24:32] != stamp or answer[0] & 7 != _SERVER:  # noqa: PLR2004 - bytes of a message
        return None
    if answer[0] >> 6 == _ALARM or not 1 <= answer[1] <= _FARTHEST_STRATUM:
        return None
    received, replied = _moment(answer[32:40]), _moment(answer[40:48])
    return ((sent_ms - received) + (heard_ms - replied)) / 2


def _stamp(at_ms: int) -> bytes:
    return struct.pack(">II", (at_ms // 1000 + _SINCE_1900_S) & 0xFFFFFFFF, (at_ms % 1000) * 0x100000000 // 1000)


def _moment(stamp: bytes) -> float:
    seconds, part = struct.unpack(">II", stamp)
    return float((seconds - _SINCE_1900_S) % 0x100000000 * 1000 + part * 1000 / 0x100000000)
