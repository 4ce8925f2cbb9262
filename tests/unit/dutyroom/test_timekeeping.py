"""Whether the clock is led, and how far it is off: asked of a time server on loopback, and of the kernel."""

import socket
import struct
import threading

import pytest

from dutyroom import timekeeping
from dutyroom.clock import SystemClock
from dutyroom.timekeeping import TimeSources

SINCE_1900 = 2_208_988_800


class Server(threading.Thread):
    """A time server that is `ahead_s` ahead of us, or answers with what `change` makes of its answer."""

    def __init__(self, ahead_s: float = 0.0, change=lambda answer: answer) -> None:
        super().__init__(daemon=True)
        self.wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.wire.bind(("127.0.0.1", 0))
        self.name = f"127.0.0.1:{self.wire.getsockname()[1]}"
        self._ahead, self._change = ahead_s, change
        self.start()

    def run(self) -> None:
        try:
            while True:
                asked, whom = self.wire.recvfrom(256)
                now = SystemClock.wall() / 1000 + self._ahead + SINCE_1900
                stamp = struct.pack(">II", int(now), int(now % 1 * 2**32))
                self.wire.sendto(self._change(b"\x24\x02" + bytes(22) + asked[40:48] + stamp + stamp), whom)
        except OSError:
            return


@pytest.fixture
def sources():
    servers = []

    def ask(*made: Server) -> TimeSources:
        servers.extend(made)
        found = TimeSources(", ".join(s.name for s in made), SystemClock())
        found.ask()
        return found

    yield ask
    for server in servers:
        server.wire.shutdown(socket.SHUT_RDWR) if server.wire.fileno() < 0 else server.wire.close()


def test_a_clock_that_is_ahead_of_the_servers_is_told_by_how_much(sources) -> None:
    told = sources(Server(-3600), Server(-3600), Server(5))
    assert told.offset_ms == pytest.approx(3_600_000, abs=500), "the middle one: one liar is outvoted"
    assert told.unsynchronised is False


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a[:47],
        lambda a: a[:24] + bytes(8) + a[32:],
        lambda a: b"\x23" + a[1:],
        lambda a: b"\xe4" + a[1:],
        lambda a: a[:1] + b"\x00" + a[2:],
    ],
    ids=["cut", "not our question", "no server", "itself without time", "says go away"],
)
def test_an_answer_that_proves_nothing_is_none(sources, monkeypatch, change) -> None:
    monkeypatch.setattr(timekeeping, "kernel_unsynchronised", lambda: None)
    told = sources(Server(0, change))
    assert (told.offset_ms, told.unsynchronised) == (None, None), "unknown, not good"


def test_without_servers_the_kernel_s_word_counts(sources, monkeypatch) -> None:
    for said in (True, False, None):
        monkeypatch.setattr(timekeeping, "kernel_unsynchronised", lambda said=said: said)
        told = sources()
        assert (told.offset_ms, told.unsynchronised) == (None, said)


def test_the_kernel_can_be_asked_here() -> None:
    assert timekeeping.kernel_unsynchronised() in {True, False, None}
