"""Messages of lift gateways, literally; clocks that are wrong, words that come late or twice; and the way back."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.mqtt.memory import Memory
from collectors.mqtt.message import MessageDecoder, absent, encode
from collectors.mqtt.payload import MOST_BYTES, UndecodableError
from collectors.mqtt.receipts import Word
from collectors.profile import MqttField, MqttMap, MqttMessage, Payload, Reads, Retained
from facility.point import Point, PointType
from facility.scan import Reason
from facility.text import NOTHING
from sitefolder.finding import Problems
from sitefolder.profiles import read_profiles

LIBRARY = Path(__file__).parents[3] / "library" / "profiles"
NOW = 1_780_000_000_000
A = {
    "registerNumber": "31105301042017010001",
    "timeStamp": NOW,
    "seq": 42,
    "realtime": {
        "floor": "B2",
        "doorStatus": 0,
        "runingStatus": 2,
        "isPerson": 1,
        "speed": 1.75,
        "electric": "battery",
        "safetyLoop": "break",
        "overhaul": "N",
        "temperature": 31,
        "runTotal": 120033,
        "faults": [21, 8],
    },
}
B = {
    "Id": "42",
    "Version": "1.0",
    "Method": "thing.event.property.post",
    "Params": {
        "Time": NOW,
        "Value": {
            "Service_Mode": 5,
            "Car_Status": 0,
            "Car_Direction": 0,
            "Door_Zone": True,
            "Car_Position": -1,
            "Door_Status": False,
            "Passenger_Status": True,
            "Present_Counter_Value": 9,
            "Total_Running_Time": 8120,
            "Message_Code": ["F9994", 90],
        },
    },
}


@pytest.fixture(scope="module")
def library():
    problems = Problems()
    found = read_profiles(LIBRARY, problems)
    assert not problems.findings
    return found


def decoder(mqtt):
    return MessageDecoder(mqtt, mqtt.messages[0], list(mqtt.fields))


def heard(profile, body, memory=None, now=NOW, **more):
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    return decoder(profile.mqtt).read("lift", payload, now, memory or Memory(), **more)


def by_channel(profile, scan):
    return dict(zip(profile.mqtt.fields, scan.values, strict=True))


def test_gateway_a_says(library):
    profile = library["lift-gateway-json-a"]
    scan = heard(profile, A).scan
    assert scan.reasons == bytes(len(scan.values))
    assert (scan.at_ms, scan.seq, scan.texts) == (NOW, 42, None)
    assert by_channel(profile, scan) == {
        "service_mode": 1,
        "running": 1,
        "direction": 2,
        "floor": -2,
        "doors_closed": 1,
        "occupied": 1,
        "speed": 1.75,
        "power_source": 1,
        "safety_loop_open": 1,
        "fault_code": 71,
        "bell": 1,
        "temperature": 31,
        "run_count": 120033,
    }


def test_gateway_b_says(library):
    profile = library["lift-gateway-json-b"]
    scan = heard(profile, B).scan
    assert scan.reasons == bytes(len(scan.values))
    assert (scan.at_ms, scan.seq) == (NOW, 42)
    assert by_channel(profile, scan) == {
        "service_mode": 5,
        "running": 0,
        "direction": 0,
        "door_zone": 1,
        "floor": -1,
        "doors_closed": 0,
        "occupied": 1,
        "fault_code": 71,
        "bell": 1,
        "run_count": 9,
        "run_time": 8120,
    }


def test_no_fault_no_bell(library):
    quiet = {**A, "realtime": {**A["realtime"], "faults": []}}
    values = by_channel(library["lift-gateway-json-a"], heard(library["lift-gateway-json-a"], quiet).scan)
    assert (values["fault_code"], values["bell"]) == (0, 0)


def test_a_bell_alone_does_not_hide_that_there_is_no_fault(library):
    profile = library["lift-gateway-json-b"]
    rung = {**B, "Params": {**B["Params"], "Value": {**B["Params"]["Value"], "Message_Code": [90]}}}
    values = by_channel(profile, heard(profile, rung).scan)
    assert (values["fault_code"], values["bell"]) == (0, 1)


def test_a_word_nobody_knows_is_uncertain_and_kept(library):
    profile = library["lift-gateway-json-a"]
    odd = {**A, "realtime": {**A["realtime"], "floor": "大堂", "electric": "solar", "faults": [77]}}
    scan = heard(profile, odd).scan
    places = {channel: i for i, channel in enumerate(profile.mqtt.fields)}
    for channel, word in (("floor", "大堂"), ("power_source", "solar"), ("fault_code", "77")):
        at = places[channel]
        assert scan.reasons[at] == Reason.UNKNOWN_TEXT
        assert scan.texts[at] == word
        assert math.isnan(scan.values[at])


def test_what_is_left_out_or_null_is_not_given(library):
    profile = library["lift-gateway-json-a"]
    scan = heard(profile, {"seq": 1, "timeStamp": NOW, "realtime": {"floor": None, "isPerson": 0}}).scan
    reasons = dict(zip(profile.mqtt.fields, scan.reasons, strict=True))
    assert reasons.pop("occupied") == Reason.GOOD
    assert set(reasons.values()) == {Reason.NOT_GIVEN}


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"{}",
        b'"text"',
        b"[" * 50_000,
        b'{"a":' * 9_000,
        b'{"realtime": 5}',
        b'{"realtime": {"speed": NaN}}',
        b"x" * (MOST_BYTES + 1),
    ],
)
def test_what_says_nothing_is_undecodable(library, payload):
    with pytest.raises(UndecodableError):
        heard(library["lift-gateway-json-a"], payload)


@settings(max_examples=150, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda c: st.lists(c) | st.dictionaries(st.text(), c),
        max_leaves=8,
    )
)
def test_whatever_stands_where_a_value_belongs_never_raises(library, thing):
    profile = library["lift-gateway-json-a"]
    body = {"seq": thing, "timeStamp": thing, "realtime": dict.fromkeys(A["realtime"], thing)}
    try:
        payload = json.dumps(body).encode()
    except UnicodeEncodeError:
        return
    try:
        scan = heard(profile, payload).scan
    except UndecodableError:
        return
    for value, reason in zip(scan.values, scan.reasons, strict=True):
        assert math.isfinite(value) is (reason in {Reason.GOOD, Reason.CLOCK})


# -- clocks, repeats, late words ---------------------------------------------------------------------------------------


def at(profile, memory, stamp, seq, now, **more):
    return heard(profile, {**A, "timeStamp": stamp, "seq": seq}, memory, now, **more)


@pytest.mark.parametrize("stamp", [0, 1000, NOW + 301_000, NOW - 301_000])
def test_a_clock_that_cannot_be_right_gives_way_to_ours(library, stamp):
    scan = at(library["lift-gateway-json-a"], Memory(), stamp, 1, NOW).scan
    assert (scan.at_ms, scan.received_ms) == (NOW, NOW)
    assert set(scan.reasons) == {Reason.CLOCK}


def test_a_device_without_a_clock_stands_at_our_time(library):
    body = {k: v for k, v in A.items() if k != "timeStamp"}
    scan = heard(library["lift-gateway-json-a"], body).scan
    assert scan.at_ms == NOW
    assert set(scan.reasons) == {Reason.GOOD}


def test_the_same_number_and_time_again_is_a_repeat(library):
    profile, memory = library["lift-gateway-json-a"], Memory()
    assert not at(profile, memory, NOW, 1, NOW).repeated
    assert at(profile, memory, NOW, 1, NOW + 5000).repeated
    assert not at(profile, memory, NOW + 1000, 1, NOW + 1000).repeated, "a gateway that restarted counts from one again"


def test_what_a_gateway_numbered_in_its_outbox_is_no_stale_copy_whatever_the_broker_says(library):
    profile, memory = library["lift-gateway-json-a"], Memory()
    kept = {**A, "outbox": 7, "oldest": 1}
    for seq in (1, 2):  # amqtt marks as retained what it kept for a session
        again = heard(profile, {**kept, "seq": seq, "timeStamp": NOW + seq}, memory, retained=True)
        assert not again.repeated
        assert (again.scan.seq, again.scan.epoch, again.scan.oldest, again.scan.at_ms) == (seq, 7, 1, NOW + seq)
        assert set(again.scan.reasons) == {Reason.GOOD}
    memory.seen.clear()  # a service that was started again
    assert heard(profile, {**kept, "seq": 1, "timeStamp": NOW + 1}, memory, retained=True).repeated


def test_a_retained_copy_counts_when_it_is_newer_than_all_that_came(library):
    profile, memory = library["lift-gateway-json-a"], Memory()
    at(profile, memory, NOW, 7, NOW)
    newer = at(profile, memory, NOW + 1000, 8, NOW + 2000, retained=True).scan
    assert newer.seq == 8
    assert Reason.GOOD not in newer.reasons
    older = at(profile, memory, NOW - 60_000, 900, NOW + 2000, retained=True).scan
    assert older.seq == 0
    assert (memory.hearing.numbers.newest, memory.hearing.numbers.epoch) == (8, 0)


def test_an_older_word_after_a_newer_one_is_late_and_keeps_its_time(library):
    profile, memory = library["lift-gateway-json-a"], Memory()
    at(profile, memory, NOW + 2000, 3, NOW + 2000)
    scan = at(profile, memory, NOW + 1000, 2, NOW + 2100).scan
    assert scan.at_ms == NOW + 1000
    assert set(scan.reasons) == {Reason.LATE}


def test_a_backlog_after_an_outage_keeps_its_own_times(library):
    profile, memory = library["lift-gateway-json-a"], Memory()
    at(profile, memory, NOW, 1, NOW)
    for n in range(2, 5):
        scan = at(profile, memory, NOW + n * 1000, n, NOW + 3_600_000).scan
        assert scan.at_ms == NOW + n * 1000
        assert set(scan.reasons) == {Reason.GOOD}


def test_a_clock_set_back_a_little_does_not_silence_the_gateway(library):
    profile, memory = library["lift-gateway-json-a"], Memory()
    at(profile, memory, NOW + 60_000, 1, NOW)
    scan = at(profile, memory, NOW + 1000, 2, NOW + 1000).scan
    assert scan.at_ms == NOW + 60_000
    assert set(scan.reasons) == {Reason.GOOD}


def test_a_clock_that_jumps_far_back_while_the_gateway_counts_on_is_wrong(library):
    profile, memory = library["lift-gateway-json-a"], Memory()
    at(profile, memory, NOW, 1, NOW)
    scan = at(profile, memory, NOW - 3_600_000, 2, NOW + 1000).scan
    assert scan.at_ms == NOW + 1000
    assert set(scan.reasons) == {Reason.CLOCK}


def test_the_brokers_old_copy_is_uncertain_unless_the_profile_keeps_its_state_there(library):
    profile = library["lift-gateway-json-a"]
    assert set(heard(profile, A, retained=True).scan.reasons) == {Reason.RETAINED}
    kept = MqttMap((MqttMessage("m", "t", retained=Retained.STATE),), {"v": MqttField("v", ("v",), message="m")})
    scan = MessageDecoder(kept, kept.messages[0], ["v"]).read("d", b'{"v":1}', NOW, Memory(), retained=True).scan
    assert scan.reasons == b"\0"


# -- shapes ------------------------------------------------------------------------------------------------------------


def test_plain_values_one_per_topic():
    mqtt = MqttMap(
        (
            MqttMessage("floor", "b/{device}/floor", Payload.PLAIN),
            MqttMessage("door", "b/{device}/door", Payload.PLAIN),
        ),
        {
            "floor": MqttField("floor", (), message="floor", reads=Reads.FLOOR),
            "door": MqttField("door", (), message="door"),
        },
    )
    read = MessageDecoder(mqtt, mqtt.messages[0], ["floor", "door"]).read("d", b"B1", NOW, Memory())
    assert read.scan.values[0] == -1
    assert [Reason(r) for r in read.scan.reasons] == [Reason.GOOD, Reason.NOT_GIVEN]
    assert encode(mqtt, mqtt.messages[0], {"floor": -1.0}, at_ms=NOW, seq=1) == b"B1"


@pytest.mark.parametrize(
    ("word", "floor"),
    [("12", 12), ("12F", 12), ("F3", 3), ("B2", -2), ("-1", -1), ("b1", -1), ("1.0", None), ("G", None), ("B2M", None)],
)
def test_floors(word, floor):
    mqtt = MqttMap((MqttMessage("m", "t"),), {"f": MqttField("f", ("f",), message="m", reads=Reads.FLOOR)})
    scan = MessageDecoder(mqtt, mqtt.messages[0], ["f"]).read("d", json.dumps({"f": word}).encode(), NOW, Memory()).scan
    assert scan.values[0] == floor if floor is not None else scan.reasons[0] == Reason.UNKNOWN_TEXT


def test_the_physical_range_holds_here_too():
    mqtt = MqttMap(
        (MqttMessage("m", "t"),), {"v": MqttField("v", ("v",), message="m"), "s": MqttField("s", ("s",), message="m")}
    )
    points = [Point("v", NOTHING, low=0, high=10), Point("s", NOTHING, PointType.STATE)]
    scan = MessageDecoder(mqtt, mqtt.messages[0], ["v", "s"], points).read("d", b'{"v":11,"s":2}', NOW, Memory()).scan
    assert set(scan.reasons) == {Reason.OUT_OF_RANGE}


def test_presence_words(library):
    a, b = (library[f"lift-gateway-json-{x}"].mqtt.presence for x in "ab")
    assert [absent(a, p) for p in (b"offline", b"online", b"what")] == [True, False, None]
    assert [absent(b, p) for p in (b'{"Status":"offline"}', b'{"Status":"online"}', b"{}")] == [True, False, None]


def test_topics_carry_product_and_device(library):
    a, b = (library[f"lift-gateway-json-{x}"].mqtt for x in "ab")
    assert a.topic(a.messages[0].topic, "l1a") == "lift/l1a/live"
    assert b.topic(b.messages[0].topic, "l1a") == "/sys/jtgw/l1a/thing/event/property/post"
    assert b.topic(b.messages[0].topic, "pk9/l1a") == "/sys/pk9/l1a/thing/event/property/post"


@pytest.mark.parametrize("which", ["a", "b"])
def test_what_was_written_is_read_again(library, which):
    profile = library[f"lift-gateway-json-{which}"]
    wanted = {
        "service_mode": 1.0,
        "running": 1.0,
        "direction": 1.0,
        "floor": -2.0,
        "doors_closed": 1.0,
        "occupied": 1.0,
        "fault_code": 71.0,
        "bell": 1.0,
        "run_count": 77.0,
    }
    payload = encode(profile.mqtt, profile.mqtt.messages[0], wanted, at_ms=NOW, seq=7, extra={"registerNumber": "311"})
    scan = heard(profile, payload).scan
    values = by_channel(profile, scan)
    assert {c: values[c] for c in wanted} == wanted
    assert (scan.at_ms, scan.seq) == (NOW, 7)


def test_a_clock_set_back_is_believed_again_after_half_a_minute_of_nothing_but_late_words() -> None:
    memory = Memory()
    assert memory.judge(NOW, Word.UNCOUNTED, NOW) == (NOW, Reason.GOOD)
    back = NOW - 60_000
    said = [memory.judge(back + s * 1000, Word.UNCOUNTED, NOW + s * 1000)[1] for s in range(1, 40)]
    assert set(said[:30]) == {Reason.LATE}
    assert set(said[30:]) == {Reason.GOOD}
