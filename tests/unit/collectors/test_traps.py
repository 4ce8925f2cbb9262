"""The traps of real devices, each as literal bytes: what a careless reader would make wrong, and what must come out.

The numbers are those of the list of traps that the register maps were collected with; the profiles are the library's.
"""

import base64
import json
import struct
from pathlib import Path

import pytest

from collectors.modbus.decode import Decoder
from collectors.modbus.guard import WriteRefusedError, may_leave
from collectors.modbus.readplan import plan
from collectors.mqtt.memory import Memory
from collectors.mqtt.message import MessageDecoder, encode
from collectors.mqtt.payload import UndecodableError
from collectors.profile import ModbusField, ModbusMap, Order, Trust, Type
from facility.scan import Reason
from sitefolder.finding import Problems
from sitefolder.profiles import read_profiles

NOW = 1_780_000_000_000
LIBRARY = Path(__file__).parents[3] / "library" / "profiles"


@pytest.fixture(scope="module")
def library():
    problems = Problems()
    found = read_profiles(LIBRARY, problems)
    assert not problems.findings
    return found


def said(profile, channels, *replies, **more):
    """Decode the replies of one round, hexadecimal, one per request; reasons stand where a value is bad."""
    decoder = Decoder(profile.modbus if hasattr(profile, "modbus") else profile, channels, **more)
    raw = [r if isinstance(r, Reason) else bytes.fromhex(r) for r in replies]
    assert [len(r) for r in raw if isinstance(r, bytes)] == [
        q.reply_bytes for q, r in zip(decoder.requests, raw, strict=True) if isinstance(r, bytes)
    ]
    values, reasons, _ = decoder.decode(raw)
    return [pytest.approx(v, rel=1e-6) if not r else Reason(r) for v, r in zip(values, reasons, strict=True)]


def asked(profile, *channels):
    return [(q.function, q.address, q.count) for q in plan(profile.modbus, channels)]


# -- 1. printed and wire addresses


def test_trap_1_printed_numbers_are_one_more_than_the_wire_for_some_makers_only(library):
    assert asked(library["schneider-pm5xxx"], "i_a") == [(3, 2999, 2)]
    assert asked(library["daikin-microtech-iii"], "fault_code") == [(3, 29, 1)]
    assert asked(library["qualitrol-118"], "temp_a") == [(3, 0, 1)]
    assert asked(library["danfoss-fc102"], "freq") == [(3, 16129, 1)]
    assert asked(library["siemens-pac3200"], "v_an") == [(3, 1, 2)]
    assert asked(library["schneider-sepam-20"], "i_a") == [(3, 0x106, 1)]
    assert asked(library["eastron-sdm630"], "i_a") == [(4, 6, 2)]


# -- 2. word order


@pytest.mark.parametrize(
    ("order", "raw"),
    [
        (Order.ABCD, "436660cd"),  # MD30, TR4020: exponent first
        (Order.CDAB, "60cd4366"),
        (Order.BADC, "6643cd60"),
        (Order.DCBA, "cd606643"),  # Kron Konect: mantissa first, exponent last
    ],
)
def test_trap_2_all_four_word_orders_of_the_same_voltage(order, raw):
    modbus = ModbusMap({"v": ModbusField("v", 0, 4, Type.F32, order=order)})
    assert said(modbus, ["v"], raw) == [230.378128]


# -- 3. scale from another register, transformer ratios


def test_trap_3_the_point_of_a_panel_meter_stands_in_a_setting(library):
    acr = library["acrel-acr10r"]
    assert said(acr, ["v_ab"], "0003", "0f96") == [399.0]  # 3990 x 10^(3-4)
    assert said(acr, ["v_ab"], "0005", "03ea") == [10020.0]  # 1002 x 10^(5-4)
    assert said(acr, ["v_ab"], "ffff", "03ea") == [Reason.SENTINEL], "a point that cannot be spoils the value"


def test_trap_3_a_scale_register_multiplies_and_the_site_has_its_transformers(library):
    ion = ModbusMap(
        {"kw": ModbusField("kw", 119, 3, Type.I16, scale_from="k"), "k": ModbusField("k", 4013, 3, Type.U16)}
    )
    assert said(ion, ["kw"], "fff6", "000a") == [-100.0]
    adl = library["acrel-adl3000"]
    assert said(adl, ["i_a"], "01f4", multipliers={"ct": 40.0}) == [200.0]
    assert said(adl, ["p_total"], "ff38", multipliers={"ct": 40.0, "pt": 100.0}) == [-800.0]


# -- 4. offsets, half words, sentinels, pairs, nibbles, clocks


def test_trap_4_an_offset_below_zero(library):
    assert said(library["sf6-room-detector"], ["sf6", "oxygen", "temperature"], "0003 00d1 01d6") == [3.0, 20.9, -3.0]


def test_trap_4_a_low_byte_whose_register_may_be_invalid(library):
    assert said(library["qualitrol-118"], ["temp_a", "temp_b"], "0182 8000") == [130.0, Reason.SENTINEL]


def test_trap_4_the_makers_words_for_not_there(library):
    dse = library["deepsea-gencomm"]
    assert said(dse, ["oil_pressure", "coolant_temp"], "fff7 7ff7") == [65527.0, 32759.0]
    assert said(dse, ["oil_pressure", "coolant_temp"], "fff8 7fff") == [Reason.SENTINEL, Reason.SENTINEL]
    assert said(library["comap-intelilite"], ["coolant_temp"], "8000") == [Reason.SENTINEL]
    assert said(library["comap-intelilite"], ["coolant_temp"], "ff9c") == [-10.0]


def test_trap_4_degrees_in_one_register_and_tenths_in_another(library):
    assert said(library["carrier-aquasmart-30ev"], ["leaving_temp"], "0007", "0005") == [7.5]


def test_trap_4_two_values_in_one_register(library):
    fcu = library["domat-fc013"]
    values = said(fcu, ["heating", "cooling", "presence", "window_open", "heat_pct", "cool_pct"], "0202 0a46")
    assert values == [0.0, 1.0, 0.0, 1.0, 70.0, 10.0]


def test_trap_4_four_alarms_in_one_register():
    alarms = {f"a{i}": ModbusField(f"a{i}", 2049, 3, Type.BIT, bit=12 - 4 * i, width=4) for i in range(4)}
    alarms["shut"] = ModbusField("shut", 2049, 3, Type.BIT, bit=4, width=4, codes={1: 0, 2: 0, 3: 1, 4: 1})
    assert said(ModbusMap(alarms), list(alarms), "1234") == [1.0, 2.0, 3.0, 4.0, 1.0]


def test_trap_4_a_clock_in_packed_decimals():
    modbus = ModbusMap(
        {
            "yymm": ModbusField("yymm", 0x3C, 3, Type.BCD),
            "day": ModbusField("day", 0x3D, 3, Type.BIT, bit=12, width=4, scale=10, plus=("day_ones",)),
            "day_ones": ModbusField("day_ones", 0x3D, 3, Type.BIT, bit=8, width=4),
        }
    )
    assert said(modbus, ["yymm", "day"], "2611 2209") == [2611.0, 22.0]
    assert said(modbus, ["yymm"], "2f11") == [Reason.UNDECODABLE]


# -- 5. short trip bits


def test_trap_5_a_trip_is_a_bit_and_a_lost_answer_is_not_its_absence(library):
    sepam = library["schneider-sepam-20"]
    assert said(sepam, ["trip"], "0010") == [1.0]
    assert said(sepam, ["trip"], "0100") == [0.0], "the thermal alarm is no trip"
    assert said(sepam, ["trip"], Reason.NO_ANSWER) == [Reason.NO_ANSWER]


def test_trap_5_a_contact_counter_keeps_the_pulse_that_a_poll_missed(library):
    module = library["di-16"]
    assert said(module, ["di1", "di1_count"], "00", "0000002a") == [0.0, 42.0]


# -- 6. power factor


def test_trap_6_a_four_quadrant_power_factor_is_unfolded_and_power_says_it_better():
    coded = ModbusField("pf", 3083, 3, Type.F32, folded=True)
    assert said(ModbusMap({"pf": coded}), ["pf"], struct.pack(">f", 1.1).hex()) == [0.9]
    assert said(ModbusMap({"pf": coded}), ["pf"], struct.pack(">f", -1.1).hex()) == [-0.9]
    powers = ModbusMap(
        {
            "pf": ModbusField("pf", 0, 3, Type.I16, scale=0.1, over="s"),
            "s": ModbusField("s", 1, 3, Type.U16, scale=0.1),
        }
    )
    assert said(powers, ["pf"], "fe0c 03e8") == [-0.5]  # -50 kW of 100 kVA
    assert said(powers, ["pf"], "0000 0000") == [Reason.NOT_A_NUMBER], "nothing flows: there is no power factor"


# -- 7. inverted booleans


def roof_box(**bytes_at):
    frame = bytearray(25)
    frame[:4] = (NOW // 1000).to_bytes(4, "little")
    for place, byte in bytes_at.items():
        frame[int(place[1:])] = byte & 0xFF
    return bytes(frame)


def envelope(frame):
    return json.dumps({"TY": "M", "ST": "S", "D": base64.b64encode(frame).decode()}).encode()


def heard(profile, payload, name, memory=None, now=NOW):
    message = next(m for m in profile.mqtt.messages if m.name == name)
    decoder = MessageDecoder(profile.mqtt, message, list(profile.mqtt.fields))
    scan = decoder.read("lift", payload, now, memory or Memory()).scan
    return {
        c: v if not r else Reason(r)
        for c, v, r in zip(profile.mqtt.fields, scan.values, scan.reasons, strict=True)
        if r != Reason.NOT_GIVEN
    } | {"at": scan.at_ms}


def test_trap_7_zero_means_level_in_one_box_and_not_level_in_the_other(library):
    box, gateway = library["lift-roof-box"], library["lift-gateway-json-b"]
    assert heard(box, envelope(roof_box(b7=0)), "monitor")["door_zone"] == 1.0
    assert heard(box, envelope(roof_box(b7=1)), "monitor")["door_zone"] == 0.0
    body = {"Params": {"Time": NOW, "Value": {"Door_Zone": True, "Door_Status": True}}}
    assert heard(gateway, json.dumps(body).encode(), "live")["door_zone"] == 1.0
    assert heard(gateway, json.dumps(body).encode(), "live")["doors_closed"] == 1.0
    door = {"realtime": {"doorStatus": 0}}
    assert heard(library["lift-gateway-json-a"], json.dumps(door).encode(), "live")["doors_closed"] == 1.0


def test_a_frame_of_25_bytes_says_all_that_the_box_knows(library):
    box = library["lift-roof-box"]
    frame = roof_box(b4=1, b5=3, b6=1, b7=1, b8=17, b10=1, b11=1, b12=-2, b13=80, b14=55, b16=0, b17=1, b19=-5, b21=1)
    assert heard(box, envelope(frame), "monitor") == {
        "service_mode": 1.0, "running": 0.0, "direction": 1.0, "door_zone": 0.0, "floor": -2.0, "doors_closed": 1.0,
        "occupied": 1.0, "speed": pytest.approx(1.7), "power_source": 1.0, "safety_loop_open": 1.0, "fault_code": 71.0,
        "temperature": -5.0, "signal": 80.0, "battery": 55.0, "stop_outside_zone": 0.0, "unintended_movement": 0.0,
        "landing_lock_fault": 0.0, "at": NOW,
    }  # fmt: skip
    assert heard(box, envelope(roof_box()), "monitor")["temperature"] is Reason.SENTINEL


@pytest.mark.parametrize(
    "payload",
    [
        envelope(roof_box()[:24]),
        envelope(roof_box() + b"\0"),
        roof_box(),
        b'{"TY":"M","D":"%%%%"}',
        b'{"TY":"M","D":7}',
        b'{"TY":"M"}',
        b"",
    ],
)
def test_a_frame_that_is_not_whole_says_nothing(library, payload):
    with pytest.raises(UndecodableError):
        heard(library["lift-roof-box"], payload, "monitor")


def test_the_box_of_the_simulator_sends_what_the_decoder_reads(library):
    box = library["lift-roof-box"].mqtt
    payload = encode(
        box, box.messages[0], {"floor": -2.0, "door_zone": 1.0, "speed": 1.7, "service_mode": 2.0}, at_ms=NOW, seq=1
    )
    body = json.loads(payload)
    assert (body["TY"], body["ST"]) == ("M", "S")
    assert base64.b64decode(body["D"]) == roof_box(b8=17, b12=-2, b15=1)


# -- 8. unit systems switched at the panel


def test_trap_8_the_panels_unit_flag_is_read_along_and_shown(library):
    york = library["york-ylaa"]
    channels = ["leaving_temp", "units"]
    assert asked(york, *channels) == [(2, 1302, 1), (4, 514, 1)]
    assert said(york, channels, "01", "0046") == [7.0, 1.0]  # 7.0 °C
    assert said(york, channels, "00", "01bc") == [pytest.approx(6.8889, abs=1e-3), 0.0]  # 44.4 °F
    assert said(york, channels, Reason.NO_ANSWER, "0046") == [Reason.NO_ANSWER, Reason.NO_ANSWER]
    daikin = library["daikin-microtech-iii"]
    assert said(daikin, ["leaving_temp"], "0046", "0001") == [7.0]
    assert said(daikin, ["leaving_temp"], "01c2", "0000") == [pytest.approx(7.2222, abs=1e-3)]
    assert said(daikin, ["leaving_temp"], "01c2", "0007") == [Reason.UNKNOWN_TEXT]
    assert said(library["york-yhau"], ["leaving_temp"], "01bc") == [pytest.approx(6.8889, abs=1e-3)]


# -- 9. alarms in pairs, twice, late


def event(**value):
    return json.dumps({"Params": {"Value": value}}).encode()


def test_trap_9_an_alarm_begins_and_ends_with_its_own_times(library):
    gateway, memory = library["lift-gateway-events"], Memory()
    assert heard(gateway, event(LockTime=NOW), "lock", memory) == {"trapped": 1.0, "at": NOW}
    assert heard(gateway, event(LockTime=NOW), "lock", memory) == {"trapped": 1.0, "at": NOW}, "twice is once"
    later = NOW + 60_000
    assert heard(gateway, event(CloseTime=later), "lock-close", memory, later) == {"trapped": 0.0, "at": later}
    late = heard(gateway, event(LockTime=NOW - 5_000), "lock", memory, later + 1_000)
    assert late == {"trapped": Reason.LATE, "at": NOW - 5_000}, "a late word does not trap anybody again"


def test_trap_9_an_event_says_nothing_of_the_others(library):
    gateway = library["lift-gateway-events"]
    assert heard(gateway, event(ErrorTime=NOW, Code=90), "error")["bell"] == 1.0
    assert heard(gateway, event(CloseTime=NOW, Code="F9993"), "error-close")["bell"] == 0.0
    with pytest.raises(UndecodableError):
        heard(gateway, event(CloseTime=NOW, Code=12), "error-close")


# -- 10. suspected and confirmed


def test_trap_10_the_box_that_says_trapped_says_whether_there_is_somebody(library):
    said_ = heard(library["lift-roof-box"], envelope(roof_box(b5=2, b10=0, b17=1)), "monitor")
    assert (said_["fault_code"], said_["occupied"], said_["doors_closed"]) == (70.0, 0.0, 1.0)


# -- 11. maps of unknown worth


def test_trap_11_every_map_says_where_it_is_from_and_doubtful_ones_say_so(library):
    assert len(library) >= 35
    for profile in library.values():
        assert profile.source
        if profile.trust is Trust.MACHINE:
            assert profile.notes, f"{profile.id} must say what to prove"


# -- 12. block reads


def test_trap_12_no_read_is_longer_than_the_device_takes_and_none_splits_a_value(library):
    md500 = library["inovance-md500"]
    assert all(count <= 12 for _, _, count in asked(md500, *md500.modbus.fields))
    assert len(asked(md500, *md500.modbus.fields)) == 3
    for profile in library.values():
        if profile.modbus:
            requests = plan(profile.modbus, profile.modbus.fields)
            for spec in (s for s in profile.modbus.fields.values() if s.type is not Type.PAIR):
                assert any(
                    q.function == spec.function
                    and q.address <= spec.address
                    and spec.address + spec.registers <= q.address + q.count
                    for q in requests
                ), f"{profile.id}.{spec.channel}"
    pac = library["siemens-pac3200"]
    starts = {a for s in pac.modbus.fields.values() for a in (s.address, s.address + s.registers)}
    for _, address, count in asked(pac, *pac.modbus.fields):
        assert {address, address + count} <= starts, "half a value is an exception on these meters"


# -- 13. never write


@pytest.mark.parametrize("function", [5, 6, 15, 16, 22, 23])
def test_trap_13_no_write_leaves(function):
    with pytest.raises(WriteRefusedError):
        may_leave(bytes([0, 1, 0, 0, 0, 6, 1, function, 0x08, 0x0D, 0, 1]))
