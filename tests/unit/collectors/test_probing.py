"""Registers of which nobody knows the type: the reading that the display confirms comes first."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.modbus.probing import guesses
from collectors.profile import Order, Type


def words(raw: str):
    data = bytes.fromhex(raw)
    return struct.unpack(f">{len(data) // 2}H", data)


@pytest.mark.parametrize(
    ("raw", "known", "at", "type", "order", "scale"),
    [
        ("43676666", 231.4, 100, Type.F32, Order.ABCD, 1.0),
        ("66664367", 231.4, 100, Type.F32, Order.CDAB, 1.0),
        ("67436666", 231.4, 100, Type.F32, Order.BADC, 1.0),
        ("66666743", 231.4, 100, Type.F32, Order.DCBA, 1.0),
        ("0000090a", 231.4, 101, Type.U16, Order.ABCD, 0.1),
        ("ff9c", -10.0, 100, Type.I16, Order.ABCD, 0.1),
        ("000e0d40", 9209.28, 100, Type.U32, Order.ABCD, 0.01),
        ("0d40000e", 9209.28, 100, Type.U32, Order.CDAB, 0.01),
        ("fffffc18", -1.0, 100, Type.I32, Order.ABCD, 0.001),
        ("40c81c8000000000", 12345.0, 100, Type.F64, Order.ABCD, 1.0),
        ("00000000", 0.0, 100, Type.U16, Order.ABCD, 1.0),
    ],
)
def test_the_display_tells_which_reading_is_right(raw, known, at, type, order, scale):
    best = guesses(words(raw), 100, known)[0]
    if known == -1.0:  # the low word alone says the same
        assert best.value == pytest.approx(known)
        return
    assert (best.address, best.type, best.order, best.scale) == (at, type, order, scale)
    assert best.value == pytest.approx(known, rel=1e-3)


def test_what_the_engineer_copies_into_the_profile():
    assert guesses(words("66664367"), 3027, 231.4)[0].toml == 'at = 3027, type = "f32", order = "CDAB"'
    assert guesses(words("090a"), 0x61, 231.4)[0].toml == 'at = 97, type = "u16", scale = 0.1'


def test_nothing_comes_near():
    assert guesses(words("0001ffff"), 0, 231.4) == []


def test_without_a_known_value_every_plausible_reading_is_shown_unscaled():
    found = guesses(words("43676666"), 0)
    assert {g.scale for g in found} == {1.0}
    assert any(g.type is Type.F32 and g.value == pytest.approx(231.4) for g in found)
    assert not any(g.type is Type.I16 for g in found), "it cannot be told from the unsigned one"


@given(st.lists(st.integers(0, 0xFFFF), max_size=8), st.none() | st.floats(allow_nan=False))
def test_whatever_stands_there_it_does_not_raise(registers, known):
    for guess in guesses(registers, 0, known):
        assert guess.value == guess.value
