"""Tasks that die, stand still or block the loop (fault 46)."""

import asyncio
import time

from dutyroom.supervisor import LoopWatch, Supervisor


async def until(holds, seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.005)


async def test_a_task_that_dies_lives_again_and_it_is_told() -> None:
    told, lives = [], []

    async def run(beat) -> None:
        beat()
        lives.append(1)
        if len(lives) < 3:
            raise ValueError("no such register")
        await asyncio.Event().wait()

    supervisor = Supervisor(lambda *said: told.append(said))
    supervisor.keep("line", run, limit_ms=60_000)
    await until(lambda: len(lives) == 3)
    assert told == [("line", "ValueError: no such register", 1), ("line", "ValueError: no such register", 2)]
    await supervisor.stop()


async def test_a_task_that_ends_by_itself_is_started_again() -> None:
    lives = []

    async def run(beat) -> None:
        beat()
        lives.append(1)

    supervisor = Supervisor()
    supervisor.keep("line", run, limit_ms=60_000)
    await until(lambda: len(lives) >= 2)
    await supervisor.stop()


async def test_a_task_that_stands_still_is_started_again() -> None:
    told, lives = [], []

    async def run(beat) -> None:
        beat()
        lives.append(1)
        if len(lives) == 1:
            await asyncio.Event().wait()  # hangs, and never beats again
        while True:
            beat()
            await asyncio.sleep(0.01)

    supervisor = Supervisor(lambda *said: told.append(said))
    supervisor.keep("line", run, limit_ms=100)
    watch = asyncio.create_task(supervisor.watch(every_s=0.02))
    await until(lambda: len(lives) == 2)
    assert told[0][0] == "line"
    assert "no progress" in told[0][1]
    watch.cancel()
    await supervisor.stop()


async def test_one_task_that_dies_leaves_its_neighbours_alone() -> None:
    turns = []

    async def dies(beat) -> None:
        raise RuntimeError("gone")

    async def lives(beat) -> None:
        while True:
            beat()
            turns.append(1)
            await asyncio.sleep(0.005)

    supervisor = Supervisor()
    supervisor.keep("dies", dies, limit_ms=60_000)
    supervisor.keep("lives", lives, limit_ms=60_000)
    await until(lambda: len(turns) > 20)
    assert supervisor.tasks["lives"].restarts == 0
    assert supervisor.tasks["dies"].restarts >= 1
    await supervisor.stop()


async def test_stopping_cancels_what_runs_and_tells_nobody() -> None:
    told = []

    async def run(beat) -> None:
        beat()
        await asyncio.Event().wait()

    supervisor = Supervisor(lambda *said: told.append(said))
    supervisor.keep("line", run, limit_ms=60_000)
    await asyncio.sleep(0)
    await supervisor.stop()
    assert told == []


async def test_a_blocked_loop_ends_the_process(capfd) -> None:
    ended = []
    watch = LoopWatch(limit_s=0.2, end=ended.append)
    watch.start()
    beat = asyncio.create_task(watch.beat(every_s=0.02))
    await asyncio.sleep(0.05)
    time.sleep(1.2)  # one synchronous call too many
    assert ended == [70]
    assert "stood still" in capfd.readouterr().err
    beat.cancel()


async def test_a_turning_loop_is_left_alone() -> None:
    ended = []
    watch = LoopWatch(limit_s=0.6, end=ended.append)
    watch.start()
    beat = asyncio.create_task(watch.beat(every_s=0.02))
    await asyncio.sleep(0.9)
    watch.stop()
    beat.cancel()
    assert ended == []
