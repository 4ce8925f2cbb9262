"""What systemd hears of us, on a socket like its own."""

import os
import socket

import pytest

from dutyroom.servicemanager import ALIVE, READY, ServiceManager


@pytest.fixture
def systemd(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(str(tmp_path / "notify"))
        line.setblocking(False)
        yield line


def heard(line: socket.socket) -> list[str]:
    words = []
    while True:
        try:
            words.append(line.recv(100).decode())
        except BlockingIOError:
            return words


def environment(line: socket.socket, **more: str) -> dict[str, str]:
    return {"NOTIFY_SOCKET": line.getsockname(), **more}


def test_it_hears_that_we_are_ready(systemd) -> None:
    ServiceManager(environment(systemd)).say(READY)
    assert heard(systemd) == ["READY=1"]


async def test_it_hears_that_we_are_alive_only_while_we_make_progress(systemd) -> None:
    manager = ServiceManager(environment(systemd, WATCHDOG_USEC="30000000", WATCHDOG_PID=str(os.getpid())))
    assert manager.every_ms == 15_000
    well = iter([True, False, True])

    class Steps:
        at = 0

        def now(self) -> int:
            return self.at

        async def until(self, at_ms: int) -> None:
            self.at = at_ms

    with pytest.raises(RuntimeError):  # the iterator's end, inside a coroutine
        await manager.run(lambda: next(well), Steps(), lambda: None)
    assert heard(systemd) == [ALIVE, ALIVE]


@pytest.mark.parametrize("said", [{}, {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "soon"}])
def test_no_watchdog_no_word(systemd, said) -> None:
    assert ServiceManager(environment(systemd, **said)).every_ms == 0


def test_without_systemd_nothing_is_said() -> None:
    manager = ServiceManager({})
    manager.say(READY)
    assert manager.every_ms == 0


def test_nobody_at_the_socket_is_no_error_of_ours(tmp_path) -> None:
    ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "gone")}).say(READY)
