"""Channels become few requests, and no value is ever split."""

from collectors.modbus.readplan import Request, locate, plan
from collectors.profile import Block, ModbusField, ModbusMap, Type


def field(channel, address, type=Type.U16, function=3, **more):
    return ModbusField(channel, address, function, type, **more)


def modbus(*fields, **more):
    return ModbusMap({f.channel: f for f in fields}, **more)


def test_neighbours_share_a_request():
    device = modbus(field("a", 10), field("b", 11), field("c", 12, Type.F32))
    assert plan(device, ["c", "a", "b"]) == (Request(3, 10, 4),)


def test_a_gap_is_read_along_only_as_far_as_the_device_allows():
    fields = field("a", 10), field("b", 14)
    assert plan(modbus(*fields, max_gap=3), ["a", "b"]) == (Request(3, 10, 5),)
    assert plan(modbus(*fields, max_gap=2), ["a", "b"]) == (Request(3, 10, 1), Request(3, 14, 1))


def test_a_value_is_never_split_over_two_requests():
    device = modbus(*(field(f"v{n}", 2 * n, Type.U32) for n in range(5)), max_registers=5)
    assert plan(device, device.fields) == (Request(3, 0, 4), Request(3, 4, 4), Request(3, 8, 2))


def test_function_codes_do_not_mix():
    device = modbus(field("a", 0), field("b", 1, function=4), field("c", 0, Type.BIT, function=2))
    assert plan(device, ["a", "b", "c"]) == (Request(2, 0, 1), Request(3, 0, 1), Request(4, 1, 1))


def test_only_what_is_wanted_is_asked_with_all_it_is_computed_from():
    device = modbus(
        field("a", 0),
        field("exponent", 50),
        field("v", 10, scale_from="exponent"),
        field("c", 20, Type.BIT),
        field("o", 20, Type.BIT, bit=1),
        field("cb", 0, Type.PAIR, closed="c", open="o"),
    )
    assert plan(device, ["v"]) == (Request(3, 10, 1), Request(3, 50, 1))
    assert plan(device, ["cb"]) == (Request(3, 20, 1),)


def test_two_readings_of_one_register_ask_once():
    device = modbus(field("word", 5), field("bit", 5, Type.BIT, bit=3), field("wide", 5, Type.U32))
    requests = plan(device, device.fields)
    assert requests == (Request(3, 5, 2),)
    assert locate(requests, device.fields["wide"]) == (0, 0)


def test_bits_are_read_along_over_small_gaps_and_split_at_the_limit():
    device = modbus(*(field(f"b{n}", n, Type.BIT, function=1) for n in (0, 40, 300)), max_bits=100)
    assert plan(device, device.fields) == (Request(1, 0, 41), Request(1, 300, 1))
    assert Request(1, 0, 41).reply_bytes == 6


def test_a_device_that_gives_whole_blocks_is_asked_for_them_and_nothing_else():
    blocks = Block(3, 100, 20), Block(4, 0, 8), Block(3, 200, 10)
    device = modbus(field("a", 118, Type.U32), field("b", 203), field("c", 7, function=4), blocks=blocks)
    assert plan(device, ["b"]) == (Request(3, 200, 10),)
    assert plan(device, ["b", "a", "c"]) == (Request(3, 100, 20), Request(4, 0, 8), Request(3, 200, 10))
    assert locate(plan(device, ["b", "a"]), device.fields["a"]) == (0, 18)
