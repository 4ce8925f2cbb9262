"""What a line makes of bad answers: a reason, never a wrong value, and the next good answer is taken again."""

import asyncio
import time

import pytest
from modbus_asking import FIRST, SECOND, ask, asked, right
from modbus_script import BAD, Scripted, good, refusal, reply

from collectors.modbus.agenda import Agenda
from collectors.modbus.guard import WriteRefusedError
from collectors.modbus.readplan import Request
from collectors.modbus.tcp import TcpLine
from collectors.modbus.wire import Wire, questions
from dutyroom.clock import SystemClock
from facility.equipment import Line
from facility.scan import Reason

TIMEOUT_MS = 60


@pytest.fixture
async def line_to():
    """Return what makes a line to a scripted server."""
    clock = SystemClock()
    agenda = Agenda(clock)
    looking = asyncio.create_task(agenda.run(lambda: None))
    lines = []

    def make(server: Scripted, timeout_ms=TIMEOUT_MS, **more) -> Wire:
        line = Line("l", "modbus-tcp", "127.0.0.1", server.port, timeout_ms=timeout_ms, **more)
        lines.append(TcpLine(line, clock, agenda, (2, 4, 8)))
        return lines[-1]

    yield make
    for line in lines:
        line.close()
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)


async def test_a_good_answer_is_its_bytes(line_to):
    async with Scripted() as server:
        line = line_to(server)
        a, b = questions(7, [FIRST, SECOND])
        assert await ask(line, a) == right(FIRST)
        assert await ask(line, b) == right(SECOND)
        assert server.asked == [(7, 3, 0), (7, 3, 100)]
        assert server.connections == 1


@pytest.mark.parametrize("mode", BAD)
async def test_a_bad_answer_becomes_a_reason_and_the_next_good_one_a_value(line_to, mode):
    async with Scripted(BAD[mode]) as server:
        line = line_to(server)
        a, b = questions(1, [FIRST, SECOND])
        for _ in range(2):
            assert await ask(line, a) in {Reason.MALFORMED, Reason.NO_ANSWER, Reason.NOT_CONNECTED}
            assert await ask(line, b) in {Reason.MALFORMED, Reason.NO_ANSWER, Reason.NOT_CONNECTED}
        server.answer = good
        assert await ask(line, a) == right(FIRST)
        assert await ask(line, b) == right(SECOND)


@pytest.mark.parametrize(
    "mode",
    [
        "other function code",
        "too few registers",
        "too many registers",
        "byte count too low",
        "odd byte count",
        "transaction 0",
    ],
)
async def test_the_six_answers_that_the_library_believes_are_told_at_once(line_to, mode):
    async with Scripted(BAD[mode]) as server:
        line = line_to(server)
        began = time.perf_counter()
        assert await ask(line, questions(1, [FIRST])[0]) is Reason.MALFORMED
        assert time.perf_counter() - began < TIMEOUT_MS / 1000


@pytest.mark.parametrize("tid", [None, 0])
async def test_an_answer_later_than_its_timeout_never_answers_the_next_question(line_to, tid):
    async with Scripted(lambda f: [0.08, reply(f, tid=tid)]) as server:
        line = line_to(server)
        a, b = questions(1, [FIRST, SECOND])
        for _ in range(4):
            for question in (a, b):
                assert await ask(line, question) in {Reason.NO_ANSWER, Reason.NOT_CONNECTED}
        assert len(server.asked) <= server.connections, "after a timeout nothing more is asked on the same connection"


async def test_after_a_question_that_was_given_up_the_next_one_gets_its_own_answer(line_to):
    slow = True
    async with Scripted(lambda f: [0.03 if slow else 0.0, reply(f, tid=0 if slow else None)]) as server:
        line = line_to(server)
        a, b = questions(1, [FIRST, SECOND])
        await line.connect()
        heard = asked(line, a)
        await asyncio.sleep(0.01)
        line.close()
        assert not line.connected
        slow = False
        assert await ask(line, b) == right(SECOND)
        assert not heard.done()


async def test_an_answer_byte_by_byte_is_put_together(line_to):
    def drip(frame):
        return [part for byte in good(frame) for part in (bytes([byte]), 0.001)]

    async with Scripted(drip) as server:
        line = line_to(server, timeout_ms=1_000)
        assert await ask(line, questions(1, [FIRST])[0]) == right(FIRST)


@pytest.mark.parametrize("end", [["close"], ["reset"], [b"\0\1\0\0\0\x0d\1\3", "close"]])
async def test_a_connection_that_ends_under_a_question_is_told_without_waiting_for_the_timeout(line_to, end):
    async with Scripted(lambda _f: end) as server:
        line = line_to(server)
        question = questions(1, [FIRST])[0]
        began = time.perf_counter()
        assert await ask(line, question) is Reason.NOT_CONNECTED
        assert time.perf_counter() - began < TIMEOUT_MS / 1000
        server.answer = good
        assert await ask(line, question) == right(FIRST)


async def test_silence_is_told_after_the_timeout_and_closes_the_line(line_to):
    async with Scripted(lambda _f: None) as server:
        line = line_to(server)
        assert await ask(line, questions(1, [FIRST])[0]) is Reason.NO_ANSWER
        assert not line.connected


@pytest.mark.parametrize(
    ("code", "why", "times"),
    [
        (1, Reason.EXCEPTION, 1),
        (2, Reason.DISABLED, 1),
        (3, Reason.EXCEPTION, 1),
        (4, Reason.EXCEPTION, 1),
        (5, Reason.BUSY, 4),
        (6, Reason.BUSY, 4),
        (8, Reason.EXCEPTION, 1),
        (10, Reason.NO_ANSWER, 1),
        (11, Reason.NO_ANSWER, 1),
    ],
)
async def test_an_exception_becomes_its_reason_and_only_a_busy_unit_is_asked_again(line_to, code, why, times):
    async with Scripted(lambda f: refusal(f, code)) as server:
        line = line_to(server)
        assert await ask(line, questions(1, [FIRST])[0]) is why
        assert len(server.asked) == times
        assert line.connected, "the line itself is well"


async def test_a_unit_that_was_busy_answers_when_asked_again(line_to):
    answers = iter([6, 5, 0])

    def busy(frame):
        code = next(answers)
        return refusal(frame, code) if code else good(frame)

    async with Scripted(busy) as server:
        line = line_to(server)
        assert await ask(line, questions(1, [FIRST])[0]) == right(FIRST)


async def test_a_gateway_gets_its_silence_between_two_questions(line_to):
    async with Scripted() as server:
        line = line_to(server, gap_ms=20)
        question = questions(1, [FIRST])[0]
        await line.connect()
        began = time.perf_counter()
        for _ in range(3):
            await asked(line, question)
        assert time.perf_counter() - began >= 0.038


@pytest.mark.parametrize("function", [5, 6, 15, 16, 22, 23, 43, 0, 131])
def test_a_question_that_writes_cannot_be_made(function):
    with pytest.raises(WriteRefusedError):
        questions(1, [Request(function, 0, 1)])


async def test_only_the_four_reads_are_on_the_wire(line_to):
    async with Scripted() as server:
        line = line_to(server)
        for function in (1, 2, 3, 4):
            count = 8 if function < 3 else 2
            assert isinstance(await ask(line, questions(1, [Request(function, 0, count)])[0]), bytes)
        assert server.functions == {1: 1, 2: 1, 3: 1, 4: 1}


async def test_a_closed_line_says_so(line_to):
    async with Scripted() as server:
        assert await asked(line_to(server), questions(1, [FIRST])[0]) is Reason.NOT_CONNECTED


async def test_an_answer_said_twice_is_taken_once_and_never_for_the_next_question(line_to):
    async with Scripted(lambda f: good(f) + good(f)) as server:
        line = line_to(server)
        a, b = questions(1, [FIRST, SECOND])
        for _ in range(3):
            assert await ask(line, a) in {right(FIRST), Reason.MALFORMED}
            assert await ask(line, b) in {right(SECOND), Reason.MALFORMED}


async def test_bytes_that_nobody_asked_for_never_become_an_answer(line_to):
    async with Scripted(lambda f: [good(f), 0.01, reply(f, tid=int.from_bytes(f[:2], "big") + 1)]) as server:
        line = line_to(server)
        a, b = questions(1, [FIRST, SECOND])
        assert await ask(line, a) == right(FIRST)
        await asyncio.sleep(0.03)
        server.answer = good
        assert await ask(line, b) in {right(SECOND), Reason.MALFORMED}
        assert await ask(line, b) == right(SECOND)


async def test_nobody_there_is_no_connection(line_to):
    async with Scripted() as server:
        pass
    line = line_to(server)
    assert not await line.connect()
    assert line.taken, "refused: perhaps somebody else has the only place"
