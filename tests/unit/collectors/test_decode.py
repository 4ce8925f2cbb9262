"""What the bytes of a reply mean, literally; and that the quick reading, the slow one and the way back agree."""

import math
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.modbus.decode import Decoder
from collectors.modbus.encode import encode
from collectors.profile import ModbusField, ModbusMap, Order, Type
from facility.point import Code, Point, PointType
from facility.scan import Reason
from facility.text import NOTHING


def read(raw: bytes, type: Type, *, point=None, function=3, at=0, inverted=frozenset(), multipliers=None, **more):
    """Decode one field at register `at` of a reply that begins at register 0; return value, reason, word."""
    spec = ModbusField("v", at, function, type, **more)
    pad = ModbusField("pad", 0, function, Type.BIT if function < 3 else Type.U16)
    decoder = Decoder(
        ModbusMap({"pad": pad, "v": spec}, max_gap=100),
        ["v", "pad"],
        [point, None] if point else (),
        inverted=inverted,
        multipliers=multipliers,
    )
    (request,) = decoder.requests
    values, reasons, texts = decoder.decode([raw.ljust(request.reply_bytes, b"\0")[: request.reply_bytes]])
    return values[0], Reason(reasons[0]), (texts or {}).get(0, "")


def value(raw: str, type: Type, **more):
    number, reason, _ = read(bytes.fromhex(raw), type, **more)
    assert reason is Reason.GOOD
    return number


@pytest.mark.parametrize(
    ("raw", "type", "expected"),
    [
        ("0102", Type.U16, 258),
        ("ffff", Type.U16, 65535),
        ("ffff", Type.I16, -1),
        ("8000", Type.I16, -32768),
        ("00010002", Type.U32, 65538),
        ("fffffffe", Type.I32, -2),
        ("0000000100000000", Type.U64, 2**32),
        ("ffffffffffffffff", Type.I64, -1),
        ("41200000", Type.F32, 10.0),
        ("4024000000000000", Type.F64, 10.0),
        ("12fe", Type.HI, 0x12),
        ("12fe", Type.LO, 0xFE),
        ("1234", Type.BCD, 1234),
        ("0008", Type.BIT, 0),
    ],
)
def test_types(raw, type, expected):
    assert value(raw, type) == expected


@pytest.mark.parametrize(
    ("order", "u32", "f32", "u64"),
    [
        (Order.ABCD, "0a0b0c0d", "42c80000", "0102030405060708"),
        (Order.CDAB, "0c0d0a0b", "000042c8", "0708050603040102"),
        (Order.BADC, "0b0a0d0c", "c8420000", "0201040306050807"),
        (Order.DCBA, "0d0c0b0a", "0000c842", "0807060504030201"),
    ],
)
def test_word_orders(order, u32, f32, u64):
    assert value(u32, Type.U32, order=order) == 0x0A0B0C0D
    assert value(f32, Type.F32, order=order) == 100.0
    assert value(u64, Type.U64, order=order) == float(0x0102030405060708)


def test_scale_offset_and_the_sites_transformers():
    assert value("02bc", Type.U16, scale=0.1, offset=-50.0) == pytest.approx(20.0)  # the SF6 room: raw/10 - 50
    assert value("0064", Type.U16, scale=0.1, multiplier="ct*pt", multipliers={"ct": 40, "pt": 100}) == pytest.approx(
        40_000
    )


def test_bits_halves_fields_and_polarity():
    assert value("0008", Type.BIT, bit=3) == 1
    assert read(bytes.fromhex("0008"), Type.BIT, bit=3, inverted=frozenset({0}))[0] == 0
    assert value("00f0", Type.BIT, bit=4, width=4) == 15
    assert value("0070", Type.BIT, bit=4, width=3, nonzero=True) == 1
    assert value("ff8f", Type.BIT, bit=4, width=3, nonzero=True) == 0
    assert value("012d", Type.U16, above=300.0) == 1
    assert value("012c", Type.U16, above=300.0) == 0


def test_discrete_inputs_stand_lowest_bit_first():
    assert [value("0502", Type.BIT, function=2, at=n) for n in range(10)] == [1, 0, 1, 0, 0, 0, 0, 0, 0, 1]


def test_codes_and_unknown_codes():
    codes = {2: 1.0, 3: 0.0}
    assert value("0002", Type.U16, codes=codes) == 1
    number, reason, word = read(bytes.fromhex("0009"), Type.U16, codes=codes)
    assert (math.isnan(number), reason, word) == (True, Reason.UNKNOWN_TEXT, "9")


def test_a_power_factor_in_four_quadrants_counts_back_beyond_one():
    assert value(struct.pack(">f", 0.5).hex(), Type.F32, folded=True) == 0.5
    assert value(struct.pack(">f", 1.25).hex(), Type.F32, folded=True) == 0.75
    assert value(struct.pack(">f", -1.25).hex(), Type.F32, folded=True) == -0.75


NUMBER = Point("v", NOTHING, low=-30, high=200)
STATE = Point("v", NOTHING, PointType.STATE)
ENUM = Point("v", NOTHING, PointType.ENUM, codes=(Code(1, "a", NOTHING), Code(2, "b", NOTHING)))


@pytest.mark.parametrize(
    ("raw", "type", "more", "why"),
    [
        ("7fc00000", Type.F32, {}, Reason.NOT_A_NUMBER),
        ("7f800000", Type.F32, {}, Reason.NOT_A_NUMBER),
        ("ff800000", Type.F32, {}, Reason.NOT_A_NUMBER),
        ("ffff", Type.U16, {"sentinels": ((0xFFF8, 0xFFFF),)}, Reason.SENTINEL),
        ("8000", Type.I16, {"sentinels": ((0x8000, 0x8000),)}, Reason.SENTINEL),
        ("8017", Type.LO, {"sentinels": ((0x8000, 0xFFFF),)}, Reason.SENTINEL),
        ("7fffffff", Type.I32, {"sentinels": ((0x7FFFFFF8, 0x7FFFFFFF),)}, Reason.SENTINEL),
        ("00c9", Type.U16, {"point": NUMBER}, Reason.OUT_OF_RANGE),
        ("ffe1", Type.I16, {"point": NUMBER}, Reason.OUT_OF_RANGE),
        ("00004120", Type.F32, {"point": Point("v", NOTHING, low=1)}, Reason.OUT_OF_RANGE),  # words the wrong way round
        ("0002", Type.U16, {"point": STATE}, Reason.OUT_OF_RANGE),
        ("0003", Type.U16, {"point": ENUM}, Reason.UNKNOWN_TEXT),
        ("12a4", Type.BCD, {}, Reason.UNDECODABLE),
    ],
)
def test_what_cannot_be_is_bad_with_its_reason_and_never_a_number(raw, type, more, why):
    number, reason, _ = read(bytes.fromhex(raw), type, **more)
    assert math.isnan(number)
    assert reason is why


def bay(**more):
    fields = [
        ModbusField("closed", 5, 3, Type.BIT, bit=0),
        ModbusField("open", 5, 3, Type.BIT, bit=1),
        ModbusField("breaker", 0, 3, Type.PAIR, closed="closed", open="open"),
    ]
    return Decoder(ModbusMap({f.channel: f for f in fields}), ["breaker"], **more)


@pytest.mark.parametrize(
    ("word", "position", "why"),
    [
        ("0001", 1.0, Reason.GOOD),
        ("0002", 0.0, Reason.GOOD),
        ("0000", None, Reason.INVALID_STATE),
        ("0003", None, Reason.INVALID_STATE),
    ],
)
def test_a_double_point_is_closed_open_or_invalid(word, position, why):
    (number,), reasons, _ = bay().decode([bytes.fromhex(word)])
    assert Reason(reasons[0]) is why
    assert math.isnan(number) if position is None else number == position


def test_a_scale_and_a_fraction_from_other_registers():
    fields = [
        ModbusField("decimals", 1, 3, Type.I16),
        ModbusField("u", 2, 3, Type.U16, scale_from="decimals", exponent=True),
        ModbusField("fraction", 4, 3, Type.U16, scale=0.01),
        ModbusField("t", 3, 3, Type.I16, plus=("fraction",)),
    ]
    decoder = Decoder(ModbusMap({f.channel: f for f in fields}), ["u", "t"])
    values, reasons, _ = decoder.decode([bytes.fromhex("ffff 0929 0007 0019")])
    assert values == pytest.approx((234.5, 7.25))
    assert reasons == bytes(2)


def test_a_request_without_an_answer_takes_down_only_its_own_values():
    fields = [
        ModbusField("a", 0, 3, Type.U16),
        ModbusField("b", 50, 3, Type.U16),
        ModbusField("c", 51, 3, Type.U16, sentinels=((9, 9),)),
    ]
    decoder = Decoder(ModbusMap({f.channel: f for f in fields}), ["a", "b", "c"])
    values, reasons, _ = decoder.decode([Reason.EXCEPTION, bytes.fromhex("00070009")])
    assert values[1] == 7
    assert [Reason(r) for r in reasons] == [Reason.EXCEPTION, Reason.GOOD, Reason.SENTINEL]
    assert math.isnan(values[0])


def test_a_scan_stands_at_the_moment_it_was_heard():
    scan = bay().scan("relay", 1234, [b"\0\1"])
    assert (scan.device, scan.at_ms, scan.received_ms, scan.values, scan.reasons) == (
        "relay",
        1234,
        1234,
        (1.0,),
        b"\0",
    )


def field_of(index: int) -> st.SearchStrategy[ModbusField]:
    def build(type, order, scale, offset, bit, sentinels, flag):
        return ModbusField(
            f"c{index}",
            4 * index,
            3,
            type,
            order=order,
            scale=scale,
            offset=offset,
            bit=bit,
            sentinels=((0xFFFF, 0xFFFF),) if sentinels and type not in {Type.F32, Type.F64} else (),
            inverted=flag and type is Type.BIT,
            codes={n: float(n % 2) for n in range(200)} if flag and type is Type.LO else {},
            nonzero=flag and type is Type.HI,
        )

    kinds = [t for t in Type if t is not Type.PAIR]
    return st.builds(
        build,
        st.sampled_from(kinds),
        st.sampled_from(Order),
        st.sampled_from([1.0, 0.1, -2.0]),
        st.sampled_from([0.0, -50.0]),
        st.integers(0, 15),
        st.booleans(),
        st.booleans(),
    )


POINTS = [None, NUMBER, STATE, ENUM]


@settings(max_examples=150, deadline=None)
@given(
    st.tuples(*(field_of(n) for n in range(4))),
    st.lists(st.sampled_from(POINTS), min_size=4, max_size=4),
    st.binary(min_size=32, max_size=32),
)
def test_the_quick_and_the_slow_reading_agree(fields, points, raw):
    decoder = Decoder(ModbusMap({f.channel: f for f in fields}, max_gap=4), [f.channel for f in fields], points)
    replies = [raw[2 * q.address : 2 * (q.address + q.count)] for q in decoder.requests]
    quick = decoder._quick(*replies)
    judged = [decoder._judge(p, replies) for p in decoder._positions]
    assert (quick is not None) == all(reason is Reason.GOOD for _, reason, _ in judged)
    values, reasons, _ = decoder.decode(replies)
    for got, why, (expected, reason, _) in zip(values, reasons, judged, strict=True):
        assert why == reason
        assert got == expected or (math.isnan(got) and math.isnan(expected))
        assert math.isfinite(got) is (reason is Reason.GOOD)


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from([t for t in Type if t is not Type.PAIR and t is not Type.BIT]),
    st.sampled_from(Order),
    st.integers(0, 255),
)
def test_what_was_encoded_is_decoded(type, order, number):
    fields = {"v": ModbusField("v", 9, 3, type, order=order, scale=0.5)}
    bank = encode(ModbusMap(fields), {"v": number / 2})
    decoder = Decoder(ModbusMap(fields), ["v"])
    (request,) = decoder.requests
    raw = b"".join(bank[3][a].to_bytes(2, "big") for a in range(9, 9 + request.count))
    assert decoder.decode([raw])[0] == (number / 2,)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.binary(max_size=260), min_size=1, max_size=3))
def test_no_bytes_of_the_right_length_can_raise(blobs):
    decoder = Decoder(
        ModbusMap({"f": ModbusField("f", 0, 3, Type.F32), "b": ModbusField("b", 2, 3, Type.BCD)}), ["f", "b"]
    )
    for blob in blobs:
        decoder.decode([blob.ljust(6, b"\x7f")[:6]])
