"""The generated reading of a message answers nothing, or just what the slow reading answers."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.mqtt.memory import Memory
from collectors.mqtt.message import MessageDecoder
from collectors.mqtt.payload import UndecodableError
from collectors.profile import MqttField, MqttMap, MqttMessage, Payload
from facility.point import Code, Point, PointType
from facility.text import NOTHING
from sitefolder.finding import Problems
from sitefolder.profiles import read_profiles

LIBRARY = Path(__file__).parents[3] / "library" / "profiles"
PROFILES = {id: p for id, p in read_profiles(LIBRARY, Problems()).items() if p.mqtt}
NOW = 1_780_000_000_000
ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 130), st.integers(), st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", "1", "ON", "OFF", "on", "B2", "12F", "12.5", " 7 ", "true", "N", "normal", "大堂"]),
    st.lists(st.sampled_from([0, 8, 21, 90, "F9994", "E9898"]), max_size=3), st.just({"deep": 1}),
)  # fmt: skip


def read(decoder, payload):
    try:
        scan = decoder.read("d", payload, NOW, Memory()).scan
    except UndecodableError as error:
        return str(error)
    values = tuple("nan" if math.isnan(v) else v for v in scan.values)
    return values, scan.reasons, scan.texts, scan.seq, scan.at_ms


def both(mqtt, message, channels, payload, points=(), inverted=frozenset()):
    quick, slow = (MessageDecoder(mqtt, message, channels, points, inverted) for _ in range(2))
    used = quick._quick is not None
    slow._quick = None
    assert read(quick, payload) == read(slow, payload)
    return used


def put(body, path, value):
    for step in path[:-1]:
        body = body.setdefault(step, {})
    body[path[-1]] = value


@pytest.mark.parametrize(
    "id", [id for id, p in PROFILES.items() if any(m.payload is Payload.JSON for m in p.mqtt.messages)]
)
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_quick_and_slow_are_one_for_every_profile_of_the_library(id, data):
    mqtt = PROFILES[id].mqtt
    message = data.draw(st.sampled_from([m for m in mqtt.messages if m.payload is Payload.JSON]))
    body = {}
    for path in (mqtt.time, mqtt.seq, *(f.path for f in mqtt.fields.values() if f.message == message.name)):
        if path and data.draw(st.integers(0, 20)):
            put(body, path, data.draw(ODD))
    both(mqtt, message, list(mqtt.fields), json.dumps(body).encode(), inverted=frozenset({0}))


CODES = {"0": 0.0, "1": 1.0, "8": 5.0, "ON": 1.0, "-3": 2.0, "07": 4.0}


@settings(max_examples=150, deadline=None)
@given(ODD, ODD, ODD, st.booleans())
def test_quick_and_slow_are_one_for_every_kind_of_field_and_point(a, b, c, inverted):
    mqtt = MqttMap(
        (MqttMessage("m", "t/{device}"),),
        {
            "a": MqttField("a", ("o", "a"), message="m", codes=CODES, inverted=inverted),
            "b": MqttField("b", ("o", "b"), message="m", scale=0.1, offset=-40.0),
            "c": MqttField("c", ("c",), message="m"),
        },
    )
    points = [
        Point("a", NOTHING, PointType.ENUM, codes=tuple(Code(n, str(n), NOTHING) for n in (0, 1, 5))),
        Point("b", NOTHING, low=-40.0, high=85.0),
        Point("c", NOTHING, PointType.STATE),
    ]
    payload = json.dumps({"o": {"a": a, "b": b}, "c": c}).encode()
    assert both(mqtt, mqtt.messages[0], ["a", "b", "c"], payload, points, frozenset({2}))


def test_a_path_through_a_list_is_read_slowly():
    mqtt = MqttMap((MqttMessage("m", "t/{device}"),), {"a": MqttField("a", ("l", "1"), message="m")})
    assert not both(mqtt, mqtt.messages[0], ["a"], b'{"l":[1,2]}')
    assert read(MessageDecoder(mqtt, mqtt.messages[0], ["a"]), b'{"l":[1,2]}')[0] == (2,)
