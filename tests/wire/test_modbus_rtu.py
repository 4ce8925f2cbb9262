"""Lines whose answers do not say whose question they answer: no bad or late one ever becomes a value.

RTU over TCP, a serial port, and Modbus TCP with transaction ids that mean nothing.
"""

import asyncio
import random
import time

import pytest
from modbus_asking import FIRST, SECOND, ask, asked, right, up
from modbus_bus import BAD_UNNUMBERED, Bus
from modbus_script import BAD_RTU, good, refusal, reply

from collectors.modbus.readplan import Request
from collectors.modbus.rtu import REST, RtuLine
from collectors.modbus.wire import Question, Wire, questions
from dutyroom.clock import SystemClock
from facility.equipment import Line, Serial
from facility.scan import Reason

TIMEOUT_MS = 50
NOTHING = {Reason.MALFORMED, Reason.NO_ANSWER, Reason.NOT_CONNECTED}


BUSES = ["modbus-rtu-tcp", "modbus-rtu"]
BAD = {**dict.fromkeys(BUSES, BAD_RTU), "modbus-tcp": BAD_UNNUMBERED}


@pytest.fixture(params=BAD)
async def bus_of(request):
    """Return what makes a bus, and the line to it."""
    made = []

    async def make(answer=good, timeout_ms=TIMEOUT_MS, **more) -> tuple[Bus, Wire]:
        bus = Bus(answer, unnumbered=request.param == "modbus-tcp")
        serial = None
        if request.param == "modbus-rtu":
            await bus.start_serial()
            serial = Serial(bus.path, 115_200, "none")
        else:
            await bus.start()
        told = Line("l", request.param, "127.0.0.1", bus.port, timeout_ms, serial=serial, **more)
        line = RtuLine(told, SystemClock(), (2, 4, 8))
        made.append((bus, line))
        return bus, line

    yield make
    for bus, line in made:
        line.close()
        await bus.stop()


async def ask_until_good(line: Wire, question: Question, within_s=3.0):
    """Ask as a poller does; everything but the right answer must be a reason."""
    began = time.perf_counter()
    while True:
        heard = await ask(line, question)
        if isinstance(heard, bytes):
            assert heard == right(question.request)
            return time.perf_counter() - began
        assert heard in NOTHING
        assert time.perf_counter() - began < within_s
        await asyncio.sleep(0.01)


async def test_a_good_answer_is_its_bytes(bus_of):
    bus, line = await bus_of(timeout_ms=2_000)
    a, b = questions(7, [FIRST, SECOND])
    assert await ask(line, a) == right(FIRST)
    assert await ask(line, b) == right(SECOND)
    assert bus.asked == [(7, 3, 0), (7, 3, 100)]


@pytest.mark.parametrize(("bus_of", "mode"), [(on, mode) for on in BAD for mode in BAD[on]], indirect=["bus_of"])
async def test_a_bad_answer_becomes_a_reason_and_the_next_good_one_a_value(request, bus_of, mode):
    bus, line = await bus_of({**BAD_UNNUMBERED, **BAD_RTU}[mode])
    a, b = questions(1, [FIRST, SECOND])
    assert await ask(line, a) in NOTHING
    assert await ask(line, b) in NOTHING
    bus.answer = good
    await ask_until_good(line, a)
    await ask_until_good(line, b)  # a loaded machine may take one answer more than its time


TOLD = [
    "other function code", "too few registers", "too many registers", "byte count too low", "odd byte count",
    "wrong unit", "wrong check sum", "a bit fallen over in the data", "its own question", "write echo",
]  # fmt: skip


@pytest.mark.parametrize(
    ("bus_of", "mode"), [(on, mode) for on in BAD for mode in TOLD if mode in BAD[on]], indirect=["bus_of"]
)
async def test_what_cannot_be_the_answer_is_told_at_once(request, bus_of, mode):
    _, line = await bus_of({**BAD_UNNUMBERED, **BAD_RTU}[mode], timeout_ms=2_000)
    began = time.perf_counter()
    assert await ask(line, questions(1, [FIRST])[0]) is Reason.MALFORMED
    assert time.perf_counter() - began < 1.0


@pytest.mark.parametrize("late_s", [0.06, 0.08, 0.12])
async def test_a_unit_that_is_always_late_never_answers_another_question(bus_of, late_s):
    bus, line = await bus_of(lambda f: [late_s, good(f)])
    a, b = questions(1, [FIRST, SECOND])
    for _ in range(8):
        for question in (a, b):
            heard = await ask(line, question)
            assert heard in NOTHING or heard == right(question.request)
    bus.answer = good
    await ask_until_good(line, b)
    assert await ask(line, a) == right(FIRST)


async def test_on_a_bus_where_everything_goes_wrong_no_answer_is_another_questions(bus_of):
    dice = random.Random(5)

    def answer(frame):
        late_s = dice.uniform(0, 1.3) * 0.02
        doubled = [good(frame), dice.uniform(0, 0.006), good(frame)]
        kinds = [good(frame)] * 6 + [[late_s, good(frame)]] * 2 + [[late_s, refusal(frame, 4)], doubled, None]
        return dice.choice(kinds)

    bus, line = await bus_of(answer, timeout_ms=20)
    asked_for = [
        q for unit in (1, 2) for q in questions(unit, [Request(f, a, 5) for f in (3, 4) for a in (0, 100, 200)])
    ]
    end = time.perf_counter() + 1.0
    while time.perf_counter() < end:
        question = dice.choice(asked_for)
        heard = await ask(line, question)
        assert not isinstance(heard, bytes) or heard == right(question.request)
        if dice.random() < 0.05:
            line.close()
    bus.answer = good
    await ask_until_good(line, asked_for[0])


async def test_a_late_answer_meets_no_other_question_of_its_shape_and_costs_only_one_more(bus_of):
    slow = True
    bus, line = await bus_of(lambda f: [0.06, good(f)] if slow else good(f))
    a, b = questions(1, [FIRST, SECOND])
    assert await ask(line, a) is Reason.NO_ANSWER
    slow = False
    assert await ask(line, b) == right(SECOND), "its own, though the late one came first"
    assert [function for _, function, *_ in bus.asked] == [3, 4, 3]
    assert await ask(line, a) == right(FIRST)
    assert len(bus.asked) == 4


async def test_the_late_answer_of_one_unit_costs_its_neighbour_nothing(bus_of):
    _, line = await bus_of(lambda f: [0.07, good(f)] if f[6] == 1 else good(f))
    (slow,), (well,) = questions(1, [FIRST]), questions(2, [FIRST])
    assert await ask(line, slow) is Reason.NO_ANSWER
    for _ in range(3):
        assert await ask(line, well) == right(FIRST)


async def test_a_unit_that_stays_silent_to_the_other_function_is_left_alone_and_then_asked_again(bus_of):
    bus, line = await bus_of(lambda f: None)
    (a,) = questions(1, [FIRST])
    assert await ask(line, a) is Reason.NO_ANSWER
    bus.answer = lambda f: good(f) if f[7] == 3 else None
    assert await ask_until_good(line, a) < (REST + 4) * TIMEOUT_MS / 1000 + 0.3
    assert [function for _, function, *_ in bus.asked] == [3, 4, 2, 3]


async def test_a_refusal_of_the_other_function_is_an_answer_too(bus_of):
    bus, line = await bus_of(lambda f: None)
    (a,) = questions(1, [FIRST])
    assert await ask(line, a) is Reason.NO_ANSWER
    bus.answer = lambda f: good(f) if f[7] == 3 else refusal(f, 1)
    assert await ask(line, a) == right(FIRST)


async def test_after_a_question_that_was_given_up_the_next_one_gets_its_own_answer(bus_of):
    slow = True
    _, line = await bus_of(lambda f: [0.03 if slow else 0.0, good(f)])
    a, b = questions(1, [FIRST, SECOND])
    await up(line)
    heard = asked(line, a)
    await asyncio.sleep(0.01)
    line.close()
    assert not line.connected
    slow = False
    assert await ask(line, b) == right(SECOND)
    assert not heard.done()


async def test_an_answer_byte_by_byte_is_put_together(bus_of):
    def drip(frame):
        return [part for byte in good(frame) for part in (bytes([byte]), 0.001)]

    _, line = await bus_of(drip, timeout_ms=1_000)
    assert await ask(line, questions(1, [FIRST])[0]) == right(FIRST)


@pytest.mark.parametrize("bus_of", BUSES, indirect=True)
@pytest.mark.parametrize("noise", [b"\0", b"\xff", b"\0\xff\0"])
async def test_noise_of_a_bus_without_bias_resistors_is_not_taken_for_an_answer(bus_of, noise):
    bus, line = await bus_of(lambda f: [noise + good(f), noise])
    a, b = questions(1, [FIRST, SECOND])
    for _ in range(2):
        assert await ask(line, a) == right(FIRST)
        assert await ask(line, b) == right(SECOND)
    assert {function for _, function, *_ in bus.asked} == {3}


async def test_an_answer_said_twice_is_taken_once_and_never_for_the_next_question(bus_of):
    _, line = await bus_of(lambda f: [good(f), good(f)])
    a, b = questions(1, [FIRST, SECOND])
    for _ in range(4):
        assert await ask(line, a) in {right(FIRST), *NOTHING}
        assert await ask(line, b) in {right(SECOND), *NOTHING}


async def test_an_answer_said_again_under_the_next_question_is_not_taken_for_its_answer(bus_of):
    bus, line = await bus_of()
    a, b = questions(1, [FIRST, SECOND])
    bus.answer = lambda f: [good(f), 0.006, good(f)] if f[9] == 0 else [0.01, good(f)]
    for _ in range(4):
        for question in (a, b):
            heard = await ask(line, question)
            assert heard in NOTHING or heard == right(question.request)
    bus.answer = good
    await ask_until_good(line, b)


async def test_blocks_that_say_the_same_are_believed_when_they_say_so_again(bus_of):
    bus, line = await bus_of(lambda f: reply(f, data=bytes(2 * f[11])))
    for question in questions(1, [FIRST, SECOND]):
        assert await ask(line, question) == bytes(10)
    assert [function for _, function, *_ in bus.asked] == [3, 3, 4, 3]
    for question in questions(2, [FIRST]):
        assert await ask(line, question) == bytes(10)
    assert len(bus.asked) == 5


async def test_what_somebody_else_asked_is_no_answer_and_makes_the_line_careful(bus_of):
    bus, line = await bus_of()
    a, b = questions(1, [FIRST, SECOND])
    assert await ask(line, a) == right(FIRST)
    bus.say(good(bus.frame(b"\1\3\0\0\0\5")))
    await asyncio.sleep(0.02)
    assert await ask(line, b) == right(SECOND)
    assert [function for _, function, *_ in bus.asked] == [3, 4, 3]


async def test_silence_is_told_after_the_timeout_and_closes_the_line(bus_of):
    _, line = await bus_of(lambda f: None)
    began = time.perf_counter()
    assert await ask(line, questions(1, [FIRST])[0]) is Reason.NO_ANSWER
    assert TIMEOUT_MS / 1000 <= time.perf_counter() - began < 4 * TIMEOUT_MS / 1000
    assert not line.connected


@pytest.mark.parametrize("begun", [0, 4])
async def test_a_line_that_ends_under_a_question_is_told_without_waiting_for_the_timeout(bus_of, begun):
    _, line = await bus_of(lambda f: [good(f)[:begun], "close"], timeout_ms=3_000)
    began = time.perf_counter()
    assert await ask(line, questions(1, [FIRST])[0]) is Reason.NOT_CONNECTED
    assert time.perf_counter() - began < 1.5
    assert not line.connected


@pytest.mark.parametrize(
    ("code", "why", "times"),
    [(1, Reason.EXCEPTION, 1), (2, Reason.DISABLED, 1), (6, Reason.BUSY, 4), (11, Reason.NO_ANSWER, 1)],
)
async def test_exceptions_mean_the_same_as_over_tcp_and_leave_the_line_up(bus_of, code, why, times):
    bus, line = await bus_of(lambda f: refusal(f, code))
    assert await ask(line, questions(1, [FIRST])[0]) is why
    assert (len(bus.asked), line.connected) == (times, True)


async def test_the_bus_gets_its_silence_between_two_questions(bus_of):
    _, line = await bus_of(gap_ms=20)
    (question,) = questions(1, [FIRST])
    await up(line)
    began = time.perf_counter()
    for _ in range(3):
        await asked(line, question)
    assert time.perf_counter() - began >= 0.038


async def test_only_the_four_reads_are_on_the_wire(bus_of):
    bus, line = await bus_of()
    for function in (1, 2, 3, 4):
        count = 8 if function < 3 else 2
        assert isinstance(await ask(line, questions(1, [Request(function, 0, count)])[0]), bytes)
    assert bus.functions == {1: 1, 2: 1, 3: 1, 4: 1}


async def test_a_closed_line_says_so(bus_of):
    _, line = await bus_of()
    assert await asked(line, questions(1, [FIRST])[0]) is Reason.NOT_CONNECTED


async def test_nobody_there_is_no_connection_and_somebody_else_there_is_said():
    clock = SystemClock()
    bus = await Bus().start()
    await bus.stop()
    refused = RtuLine(Line("l", "modbus-rtu-tcp", "127.0.0.1", bus.port, timeout_ms=100), clock)
    assert not await refused.connect()
    assert refused.taken
    none = RtuLine(Line("l", "modbus-rtu", serial=Serial("/dev/no-such-port", 9600, "none"), timeout_ms=100), clock)
    assert not await none.connect()
    assert not none.taken


async def test_a_serial_port_that_another_program_reads_is_taken():
    clock = SystemClock()
    bus = await Bus().start_serial()
    told = Line("l", "modbus-rtu", serial=Serial(bus.path, 9600, "none"), timeout_ms=100)
    first, second = RtuLine(told, clock), RtuLine(told, clock)
    assert await first.connect()
    assert not await second.connect()
    assert second.taken
    first.close()
    assert await second.connect()
    assert not second.taken
    second.close()
    await bus.stop()


async def test_units_of_one_port_are_told_apart():
    bus = await Bus(lambda f: reply(f, data=bytes([f[6], f[6]]))).start_serial()
    line = RtuLine(Line("l", "modbus-rtu", serial=Serial(bus.path, 19_200, "none"), timeout_ms=100), SystemClock())
    for unit in (1, 2, 17, 247):
        assert await ask(line, questions(unit, [Request(3, 0, 1)])[0]) == bytes([unit, unit])
    line.close()
    await bus.stop()
