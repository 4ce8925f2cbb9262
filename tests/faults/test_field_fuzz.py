"""The quick form of `python -m tests.torture.field_frames`: hurt answers on every framing, anything for the decoders."""

import pytest
from torture.field_frames import FRAMINGS, decode, expected, fuzz

RUNS = 6_000


@pytest.mark.parametrize("framing", FRAMINGS)
def test_no_hurt_late_or_foreign_answer_becomes_a_wrong_value(framing):
    result = fuzz(framing, RUNS, seed=7)
    assert not result.wrong
    assert not result.raised
    assert result.accepted > RUNS / 6, "and right ones are still believed"
    assert {"MALFORMED", "NO_ANSWER", "EXCEPTION"} <= set(result.said)


def test_no_registers_raise_in_a_decoder_or_become_a_good_value_that_is_none():
    result = decode(RUNS, seed=7)
    assert not result.wrong
    assert not result.raised
    assert result.said["GOOD"] > result.said["not good"] > RUNS


def test_the_judge_knows_a_right_answer_from_others():
    asked = bytes.fromhex("010300050001")
    assert expected(asked, bytes.fromhex("0007000000050103020102"), FRAMINGS[0], set()) == b"\1\2"
    assert expected(asked, bytes.fromhex("0007000100050103020102"), FRAMINGS[0], set()) is None
    assert expected(asked, bytes.fromhex("0007000000050203020102"), FRAMINGS[0], {2}) is None
    # From the Modbus over serial line guide: 02 07 has the check sum 41 12.
    assert expected(asked, bytes.fromhex("0103020102") + bytes.fromhex("39d5"), FRAMINGS[2], set()) is None
    assert expected(asked, bytes.fromhex("0103020102") + bytes.fromhex("3815"), FRAMINGS[2], set()) == b"\1\2"
