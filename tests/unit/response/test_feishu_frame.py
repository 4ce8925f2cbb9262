"""Frames of Feishu's long connection, byte by byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from response.pagers.feishu_frame import Frame, decoded, encoded

# As Google's protobuf writes it: SeqID 1, LogID 300, service 33, method 1, header type=event, payload "{}".
BYTES = bytes.fromhex("080110ac02182120012a0d0a047479706512056576656e7442027b7d")
FRAME = Frame(1, 300, 33, 1, (("type", "event"),), payload=b"{}")


def test_a_frame_is_the_bytes_of_protocol_buffers() -> None:
    assert encoded(FRAME) == BYTES
    assert decoded(BYTES) == FRAME


def test_required_numbers_are_written_though_they_are_zero() -> None:
    assert encoded(Frame()) == bytes.fromhex("0800100018002000")


def test_fields_that_are_not_known_are_passed_over() -> None:
    assert decoded(BYTES + bytes.fromhex("50075d010203046101020304050607086a0178")) == FRAME


@pytest.mark.parametrize("raw", ["08", "0aff", "42057b7d", "5d01", "0b", "08" + "ff" * 11])
def test_what_breaks_off_or_is_none_is_said(raw: str) -> None:
    with pytest.raises(ValueError, match="a frame"):
        decoded(bytes.fromhex(raw))


WORD = st.integers(0, 2**64 - 1)
INT = st.integers(-(2**31), 2**31 - 1)
TEXT = st.text(max_size=20)


@given(
    st.builds(Frame, WORD, WORD, INT, INT, st.lists(st.tuples(TEXT, TEXT)).map(tuple), TEXT, TEXT, st.binary(), TEXT)
)
def test_every_frame_comes_back_as_it_was(frame: Frame) -> None:
    assert decoded(encoded(frame)) == frame


@given(st.binary(max_size=60))
def test_no_bytes_do_more_than_be_refused(raw: bytes) -> None:
    try:
        decoded(raw)
    except ValueError:
        return
