"""The one clock, with the wall clock pulled from under it."""

import asyncio

import pytest

from dutyroom import clock as clock_file
from dutyroom.clock import SystemClock


class Times:
    """Wall and monotonic time as the test wants them."""

    def __init__(self) -> None:
        self.wall, self.mono = 1_000_000.0, 50.0

    def time(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.mono

    def pass_(self, seconds: float) -> None:
        self.wall += seconds
        self.mono += seconds


@pytest.fixture
def times(monkeypatch):
    fake = Times()
    monkeypatch.setattr(clock_file, "time", fake)
    return fake


def test_it_tells_the_wall_clock(times) -> None:
    clock = SystemClock()
    times.pass_(12.5)
    assert clock.now() == 1_000_012_500


@pytest.mark.parametrize("jump", [-3600, 86_400])
def test_a_jump_of_the_wall_clock_is_told_once_and_moves_nothing(times, jump) -> None:
    clock = SystemClock()
    times.pass_(10)
    times.wall += jump
    before = clock.now()
    assert clock.lead_in() == jump * 1000
    assert abs(clock.now() - before) <= 1
    times.pass_(10)
    assert abs(clock.now() - before - 10_000) <= 60
    assert clock.lead_in() == 0


def test_it_never_runs_backwards_while_a_step_is_led_in(times) -> None:
    clock = SystemClock()
    times.wall -= 60
    seen = []
    for _ in range(4000):
        clock.lead_in()
        times.pass_(10)
        seen.append(clock.now())
    assert seen == sorted(seen)
    assert abs(clock.offset()) < 1_000


def test_it_never_starts_before_the_newest_record(times) -> None:
    assert SystemClock(not_before=2_000_000_000).now() == 2_000_000_000


async def test_a_wait_is_cut_short_by_its_event() -> None:
    clock, event = SystemClock(), asyncio.Event()
    asyncio.get_running_loop().call_later(0.01, event.set)
    async with asyncio.timeout(2):
        await clock.woken(event, clock.now() + 60_000)
    assert not event.is_set()


async def test_a_moment_that_has_passed_is_not_waited_for() -> None:
    clock = SystemClock()
    async with asyncio.timeout(1):
        await clock.until(clock.now() - 5)
        await clock.woken(asyncio.Event(), clock.now())
