"""Our own line without a network: whatever comes in whatever pieces, only the right answer is a value."""

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.modbus.agenda import Agenda
from collectors.modbus.readplan import Request
from collectors.modbus.tcp import STALL_MS, TcpLine
from collectors.modbus.wire import questions
from facility.equipment import Line
from facility.scan import Reason

ASKED = Request(3, 100, 3)
DATA = b"abcdef"


class Clock:
    at = 1_000

    def now(self):
        return self.at


class Transport:
    def __init__(self):
        self.sent, self.aborted = [], False

    def write(self, data):
        assert not self.aborted
        self.sent.append(data)

    def abort(self):
        self.aborted = True


class Bench:
    """A line with one question under way."""

    def __init__(self, loop, request=ASKED):
        self.clock = Clock()
        self.agenda = Agenda(self.clock)
        self.line = TcpLine(Line("l", "modbus-tcp", "h", 502, timeout_ms=100), self.clock, self.agenda)
        self.loop, self.replies = loop, []
        self.question = questions(1, [request])[0]

    async def connect(self):
        async def made(factory, _host, _port):
            self.protocol, self.transport = factory(), Transport()
            self.protocol.connection_made(self.transport)

        self.loop.create_connection = made
        try:
            assert await self.line.connect()
        finally:
            del self.loop.create_connection
        return self

    def ask(self):
        self.line.ask(self.question, self.replies.append)
        return self.transport.sent[-1][:2]

    def right(self, id):
        return id + b"\0\0\0\x09\x01\x03\x06" + DATA

    def look(self, at_ms, late_ms=0):
        """Do what the agenda would at that moment, so many milliseconds late."""
        self.clock.at = at_ms + late_ms
        for slot in [s for s in self.agenda._slots if s <= at_ms]:
            for moment, call in self.agenda._slots.pop(slot):
                self.agenda._order.remove(slot)
                call(moment, self.clock.at)


async def bench(request=ASKED):
    return await Bench(asyncio.get_running_loop(), request).connect()


def in_pieces(data, cuts):
    edges = [0, *sorted(c % (len(data) + 1) for c in cuts), len(data)]
    return [data[a:b] for a, b in pairwise(edges) if a < b]


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 14), st.integers(0, 255)), max_size=2),
    st.integers(0, 15),
    st.binary(max_size=300),
    st.lists(st.integers(0, 400), max_size=4),
)
def test_a_value_is_only_ever_what_the_right_frame_brings(changes, keep, more, cuts):
    async def play():
        one = await bench()
        right = one.right(one.ask())
        frame = bytearray(right)
        for at, byte in changes:
            frame[at] = byte
        said = bytes(frame[:keep]) + more
        for piece in in_pieces(said, cuts):
            one.protocol.data_received(piece)
            assert len(one.protocol._rest) <= 260
        taken = [r for r in one.replies if isinstance(r, bytes)]
        whole = said[:9] == right[:9] and len(said) >= len(right)
        assert taken == ([said[9 : len(right)]] if whole else [])
        assert len(one.replies) <= 1
        if one.replies and not taken and one.replies[0] is Reason.MALFORMED:
            assert one.transport.aborted
            assert not one.line.connected

    asyncio.run(play())


@pytest.mark.parametrize("cut", range(16))
async def test_an_answer_in_two_pieces_is_put_together_and_the_line_goes_on(cut):
    one = await bench()
    for _ in range(3):
        said = one.right(one.ask())
        for piece in (said[:cut], said[cut:]):
            if piece:
                one.protocol.data_received(piece)
    assert one.replies == [DATA] * 3
    assert one.line.connected


async def test_a_right_answer_with_more_behind_it_counts_and_the_line_begins_afresh():
    one = await bench()
    said = one.right(one.ask())
    one.protocol.data_received(said + said)
    assert one.replies == [DATA]
    assert one.transport.aborted
    assert not one.line.connected


async def test_bytes_that_nobody_asked_for_end_the_connection_and_tell_nobody():
    one = await bench()
    one.protocol.data_received(one.right(one.ask()))
    one.protocol.data_received(one.right(b"\0\2"))
    assert one.replies == [DATA]
    assert one.transport.aborted
    assert not one.line.connected


async def test_what_comes_after_the_end_is_not_heard():
    one = await bench()
    id = one.ask()
    one.line.close()
    one.protocol.data_received(one.right(id))
    one.protocol.connection_lost(None)
    assert one.replies == []


async def test_transaction_ids_count_on_over_connections_and_never_are_zero():
    one = await bench()
    one.line._id = 0xFFFE
    ids = []
    for _ in range(3):
        await one.connect()
        ids.append(int.from_bytes(one.ask(), "big"))
    assert ids == [0xFFFF, 1, 2]


async def test_silence_ends_at_the_timeout_and_an_old_look_does_not_end_a_younger_question():
    one = await bench()
    one.protocol.data_received(one.right(one.ask()))
    one.clock.at += 60
    one.ask()
    one.look(1_100)
    assert one.replies == [DATA]
    one.look(1_160)
    assert one.replies == [DATA, Reason.NO_ANSWER]
    assert not one.line.connected


async def test_who_stood_still_himself_reads_first_and_blames_nobody():
    one = await bench()
    id = one.ask()
    one.look(1_100, late_ms=STALL_MS)
    assert one.replies == []
    one.protocol.data_received(one.right(id))
    assert one.replies == [DATA]


async def test_but_only_once():
    one = await bench()
    one.ask()
    one.look(1_100, late_ms=STALL_MS)
    one.look(one.clock.at + 10, late_ms=STALL_MS)
    assert one.replies == [Reason.NO_ANSWER]


async def test_a_connection_that_is_made_too_late_is_ended():
    one = await bench()
    late = Transport()
    one.line.close()
    one.protocol.connection_made(late)
    assert late.aborted
    assert not one.line.connected


async def test_one_place_sends_and_it_sends_the_frame_that_the_guard_let_pass():
    one = await bench(Request(2, 0x1234, 9))
    id = one.ask()
    assert one.transport.sent == [id + bytes.fromhex("0000 0006 01 02 1234 0009")]
    one.protocol.data_received(id + bytes.fromhex("0000 0005 01 02 02 ff01"))
    assert one.replies == [b"\xff\x01"]
