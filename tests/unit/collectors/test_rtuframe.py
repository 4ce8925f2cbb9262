"""RTU frames, and Modbus TCP frames without numbers: what is an answer, what is owed, what is noise."""

import random

import pytest

from collectors.modbus import rtuframe, unnumbered
from collectors.modbus.readplan import Request
from collectors.modbus.rtu import fence
from collectors.modbus.wire import questions
from facility.scan import Reason


def question(unit, function, address, count):
    return questions(unit, [Request(function, address, count)])[0]


ASKED = question(1, 3, 0, 3)
ANSWER = bytes.fromhex("01 03 06 02 2B 00 00 00 64 05 7A")


@pytest.mark.parametrize(
    ("body", "frame"),
    [
        ((1, 3, 0, 10), "01 03 00 00 00 0A C5 CD"),
        ((17, 3, 0x6B, 3), "11 03 00 6B 00 03 76 87"),
        ((17, 4, 8, 1), "11 04 00 08 00 01 B2 98"),
        ((17, 1, 0x13, 37), "11 01 00 13 00 25 0E 84"),
        ((17, 2, 0xC4, 22), "11 02 00 C4 00 16 BA A9"),
    ],
)
def test_questions_are_the_frames_of_the_textbooks(body, frame):
    assert rtuframe.frame(question(*body)) == bytes.fromhex(frame)


def test_an_answer_is_its_data():
    assert rtuframe.heard(ANSWER, ASKED, ()) == (ANSWER[3:-2], b"")
    assert rtuframe.heard(b"\0\xff" + ANSWER + b"\0", ASKED, ()) == (ANSWER[3:-2], b"\0")


def test_a_begun_answer_is_waited_for():
    for end in range(len(ANSWER)):
        reply, rest = rtuframe.heard(ANSWER[:end], ASKED, ())
        assert (reply, rest) == (None, ANSWER[:end])


def test_a_refusal_is_its_reason():
    assert rtuframe.heard(bytes.fromhex("01 83 02 C0 F1"), ASKED, ()) == (Reason.DISABLED, b"")
    assert rtuframe.heard(bytes.fromhex("01 83 02 C0 F2"), ASKED, ()) == (Reason.MALFORMED, b"")


def test_a_unit_that_is_255_is_not_taken_for_noise():
    other = question(255, 3, 0, 3)
    body = b"\xff" + ANSWER[1:-2]
    assert rtuframe.heard(b"\0" + body + rtuframe.check_sum(body), other, ()) == (ANSWER[3:-2], b"")


def test_what_a_unit_owed_is_let_pass_and_what_another_says_is_not():
    body = b"\2" + ANSWER[1:-2]
    late = body + rtuframe.check_sum(body)
    assert rtuframe.heard(late + ANSWER, ASKED, {2}) == (ANSWER[3:-2], b"")
    assert rtuframe.heard(late, ASKED, {2}) == (None, b"")
    assert rtuframe.heard(late + ANSWER, ASKED, {3})[0] is Reason.MALFORMED


def test_no_hurt_frame_is_an_answer():
    dice = random.Random(3)
    for _ in range(3_000):
        frame = bytearray(ANSWER)
        for _ in range(dice.randint(1, 3)):  # the check sum finds every three flipped bits
            frame[dice.randrange(len(frame))] ^= 1 << dice.randrange(8)
        if frame != ANSWER:
            assert not isinstance(rtuframe.heard(bytes(frame), ASKED, ())[0], bytes), frame.hex()
        at = dice.randrange(1, len(ANSWER))
        for hurt in (ANSWER[:at] + ANSWER[at + 1 :], ANSWER[:at] + dice.randbytes(1) + ANSWER[at:-1]):
            assert hurt == ANSWER or not isinstance(rtuframe.heard(hurt, ASKED, ())[0], bytes), hurt.hex()
        assert not isinstance(rtuframe.heard(dice.randbytes(11), ASKED, {1, 2})[0], bytes)


@pytest.mark.parametrize("function", [1, 2, 3, 4])
def test_a_fence_is_answered_like_nothing_that_is_owed(function):
    asked, owed = question(9, function, 100, 20), set()
    for _ in range(3):
        other = fence(asked, owed)
        assert other.request.function not in owed
        assert (other.unit, other.request.address, other.request.count) == (9, 100, 1)
        owed.add(other.request.function)
    assert fence(asked, {3}).request.function == 4
    assert fence(asked, {4}).request.function == 3


def test_without_numbers_an_answer_counts_whatever_its_number():
    body = bytes.fromhex("0000 0009 01 03 06 022B 0000 0064")
    assert unnumbered.frame(ASKED)[2:] == bytes.fromhex("0000 0006 01 03 0000 0003")
    for number in (b"\0\0", b"\0\1", b"\xff\xff"):
        assert unnumbered.heard(number + body, ASKED, ()) == (ANSWER[3:-2], b"")
        assert unnumbered.heard(number + body[:9], ASKED, ()) == (None, number + body[:9])
    assert unnumbered.heard(b"\0\0\0\0\0\3\1\x83\2", ASKED, ()) == (Reason.DISABLED, b"")
    assert unnumbered.heard(b"\0\0" + body.replace(b"\1\3", b"\2\3", 1), ASKED, ())[0] is Reason.MALFORMED
