"""A broker's bytes, however they are cut: every message once and whole, everything else untouched, nothing too long."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mqtt_script import packet, text

from collectors.mqtt.packets import Cutter, MalformedError, message

MOST = 1000


class Ears:
    """Remembers what was cut."""

    def __init__(self, *, v5):
        self.heard, self.other = [], []
        self.cutter = Cutter(lambda *what: self.heard.append(what), self.other.append, most=MOST, v5=v5)


def publish(topic, payload, mid, retained, v5, properties=b""):
    number = mid.to_bytes(2, "big") if mid else b""
    head = text(topic) + number + (bytes([len(properties)]) + properties if v5 else b"")
    return packet(0x30 | (2 if mid else 0) | retained, head + payload)


MESSAGES = st.tuples(
    st.binary(min_size=1, max_size=200), st.binary(max_size=300), st.integers(0, 65_535), st.booleans()
)
OTHERS = st.sampled_from([b"\xd0\x00", b"\x90\x03\x00\x01\x01", b"\x40\x02\x00\x07"])


@given(
    st.lists(MESSAGES | OTHERS, max_size=8),
    st.booleans(),
    st.lists(st.integers(1, 400), min_size=1),
    st.binary(max_size=9),
)
def test_however_the_bytes_are_cut_every_message_comes_once_and_whole(packets, v5, sizes, properties):
    data = b"".join(p if isinstance(p, bytes) else publish(*p, v5, properties) for p in packets)
    ears, at, turn = Ears(v5=v5), 0, 0
    while at < len(data):
        size = sizes[turn % len(sizes)]
        ears.cutter.feed(data[at : at + size])
        at, turn = at + size, turn + 1
    assert ears.heard == [p for p in packets if isinstance(p, tuple)]
    assert ears.other == [p for p in packets if isinstance(p, bytes)]


@pytest.mark.parametrize("size", [MOST, MOST + 1, 200_000, 1_000_000])
@pytest.mark.parametrize("piece", [7_000, 65_536, 3_000_000])
def test_of_a_message_that_is_too_long_only_so_much_is_kept_as_shows_it(size, piece):
    ears = Ears(v5=True)
    data = publish(b"t", b"x" * size, 7, False, True) + publish(b"t", b"next", 8, False, True)
    for at in range(0, len(data), piece):
        ears.cutter.feed(data[at : at + piece])
    (topic, payload, mid, _), after = ears.heard
    assert (topic, mid, len(payload)) == (b"t", 7, min(size, MOST + 1))
    assert after[1] == b"next"


@given(st.binary(max_size=300), st.booleans())
def test_whatever_comes_is_cut_or_said_not_to_be_mqtt(data, v5):
    ears = Ears(v5=v5)
    with contextlib.suppress(MalformedError):
        ears.cutter.feed(data)


@given(st.text(min_size=1, max_size=90), st.binary(max_size=300), st.booleans())
def test_what_we_say_is_what_is_heard(topic, payload, v5):
    ears = Ears(v5=v5)
    ears.cutter.feed(message(topic, payload, v5=v5))
    assert ears.heard == [(topic.encode(), payload, 0, False)]
