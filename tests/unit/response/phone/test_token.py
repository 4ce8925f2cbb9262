"""The phone page's token: the same after a crash, and nobody else can make one."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from response.phone.token import phone_token, read_token

SECRET = b"s" * 32


def test_it_is_the_same_every_time_and_says_who_and_what() -> None:
    token = phone_token(SECRET, "261122-1", "zhao")
    assert token == phone_token(SECRET, "261122-1", "zhao")
    assert read_token(SECRET, token) == ("261122-1", "zhao", 0)
    assert len(base64.urlsafe_b64decode(token.split(".")[1] + "==")) * 8 >= 128


def test_it_fits_a_link_as_it_is() -> None:
    assert all(c.isalnum() or c in "-_." for c in phone_token(SECRET, "261122-1", "lift-co", 3))


def test_a_new_generation_is_a_new_token() -> None:
    assert phone_token(SECRET, "261122-1", "zhao", 1) != phone_token(SECRET, "261122-1", "zhao", 0)


def test_another_secret_reads_nothing() -> None:
    assert read_token(b"other", phone_token(SECRET, "261122-1", "zhao")) is None


def test_another_persons_name_under_an_old_signature_reads_nothing() -> None:
    said, signature = phone_token(SECRET, "261122-1", "zhao").split(".")
    forged = base64.urlsafe_b64encode(base64.urlsafe_b64decode(said + "==").replace(b"zhao", b"qian")).decode()
    assert read_token(SECRET, f"{forged.rstrip('=')}.{signature}") is None


@given(st.integers(0, 200), st.sampled_from("Aa0-_=. 好"))
def test_no_changed_character_goes_unseen(position: int, other: str) -> None:
    token = phone_token(SECRET, "261122-1", "zhao")
    position %= len(token)
    changed = token[:position] + other + token[position + 1 :]
    assert read_token(SECRET, changed) is None or changed == token


@given(st.text(max_size=100))
def test_nonsense_is_no_token(words: str) -> None:
    assert read_token(SECRET, words) is None


def test_an_id_that_could_be_read_two_ways_is_refused() -> None:
    with pytest.raises(ValueError, match="not an id"):
        phone_token(SECRET, "261122-1|zhao", "x")
    with pytest.raises(ValueError, match="secret"):
        phone_token(b"", "261122-1", "zhao")


def test_without_a_secret_nothing_can_be_read() -> None:
    assert read_token(b"", phone_token(SECRET, "261122-1", "zhao")) is None
