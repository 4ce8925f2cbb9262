"""The answer to another question is no answer, and what is no read does not leave."""

import pytest

from collectors.modbus.guard import WriteRefusedError, answer, may_leave, out_of_step, refusal
from collectors.modbus.readplan import Request
from facility.scan import Reason

ASKED = Request(3, 0, 2)


def test_the_right_answer_is_its_data():
    assert answer(ASKED, 1, 9, (3, 1, 9), b"\4abcd") == b"abcd"


@pytest.mark.parametrize("heard", [(4, 1, 9), (3, 2, 9), (3, 1, 8), (3, 1, 0), (3, 0, 9)])
def test_another_function_unit_or_transaction_is_malformed(heard):
    assert answer(ASKED, 1, 9, heard, b"\4abcd") is Reason.MALFORMED


@pytest.mark.parametrize("data", [b"", b"\4", b"\4abc", b"\4abcde", b"\2ab", b"\6abcdef", b"\3abcd"])
def test_another_count_is_malformed(data):
    assert answer(ASKED, 1, 9, (3, 1, 9), data) is Reason.MALFORMED


@pytest.mark.parametrize("function", [5, 6, 15, 16, 22, 23, 43, 0, 131])
def test_only_reads_may_leave(function):
    with pytest.raises(WriteRefusedError):
        may_leave(bytes([0, 1, 0, 0, 0, 6, 1, function, 0, 0, 0, 1]))


@pytest.mark.parametrize("function", [1, 2, 3, 4])
def test_reads_leave(function):
    may_leave(bytes([0, 1, 0, 0, 0, 6, 1, function, 0, 0, 0, 1]))


def test_the_beginning_of_a_good_frame_is_in_step_at_every_length():
    frame = bytes.fromhex("0001000000070103044142 4344")
    assert not any(out_of_step(frame[:n]) for n in range(len(frame) + 1))


@pytest.mark.parametrize(
    "frame",
    [
        b"HTTP/1.1 400",
        b"\0\1\0\1",
        bytes.fromhex("00010000000201 83"),
        bytes.fromhex("0001000000070155044142"),
        bytes.fromhex("000100000000 0103"),
        bytes.fromhex("00010000ffff 0103"),
        bytes.fromhex("0001000000070103ff"),
    ],
)
def test_what_cannot_become_an_answer_is_out_of_step(frame):
    assert out_of_step(frame)


def test_exceptions_mean():
    assert [refusal(code) for code in (1, 2, 4, 5, 6, 10, 11)] == [
        Reason.EXCEPTION,
        Reason.DISABLED,
        Reason.EXCEPTION,
        Reason.BUSY,
        Reason.BUSY,
        Reason.NO_ANSWER,
        Reason.NO_ANSWER,
    ]
