"""A text message back from the shaft, where one bar of signal is enough for it: 1 accepts, 2 cannot come, 3 is there."""

from dataclasses import replace

import pytest
from night_shift import PEOPLE, Night, site

from dutyroom.replies import command_of
from facility.commands import Accept, Arrive, Decline
from facility.site import Site

PHONES = {"zhao": "13900000001", "li": "13900000002", "sun": "13900000009", "chen": "13900000009"}


def with_phones() -> Site:
    return site(people=tuple(replace(p, phone=PHONES.get(p.id, "")) for p in PEOPLE))


@pytest.fixture
def night() -> Night:
    night = Night()
    night.site = with_phones()
    return night.at("02:13").alarm("lift-1a", "lift-trapped").at("02:14")


def reply(night: Night, text: str, number: str = "+8613900000001"):
    return command_of(number, text, "r", night.site, night.incidents.open().values())


def test_one_accepts_the_newest_page(night: Night) -> None:
    asked = reply(night, "1")
    assert asked == Accept("person:zhao", "r", night.incident.id, "zhao")


def test_two_declines_with_the_words_after_it(night: Night) -> None:
    assert reply(night, " 2 在外地 ") == Decline("person:zhao", "r", night.incident.id, "zhao", "在外地")


def test_three_has_arrived(night: Night) -> None:
    assert reply(night, "3") == Arrive("person:zhao", "r", night.incident.id, "zhao")


@pytest.mark.parametrize("text", ["", "好的", "4", "11", "1,"])
def test_anything_else_is_no_reply(night: Night, text: str) -> None:
    assert reply(night, text) is None


def test_a_stranger_and_a_number_that_two_share_change_nothing(night: Night) -> None:
    assert reply(night, "1", "13811111111") is None
    assert reply(night, "1", "13900000009") is None
    assert reply(night, "1", "") is None


def test_who_was_not_paged_has_nothing_to_accept() -> None:
    night = Night()
    night.site = with_phones()
    night.at("02:13").alarm("ch-1", "chiller-fault").at("02:14")
    assert reply(night, "1") is None


def test_three_is_said_of_where_he_is_on_his_way_to_and_one_of_what_he_left_open(night: Night) -> None:
    first = night.incident.id
    night.accepts("zhao").at("02:20").alarm("lift-1b", "lift-trapped").at("02:21")
    second = night.incident.id
    assert first != second
    assert reply(night, "3") == Arrive("person:zhao", "r", first, "zhao")
    assert reply(night, "1") == Accept("person:zhao", "r", second, "zhao")
    assert reply(night, "2").incident == second


def test_the_same_word_twice_says_nothing_of_what_he_left_open(night: Night) -> None:
    first = night.incident.id
    night.alarm("lift-1b", "lift-trapped").at("02:15")
    second = night.incident.id
    assert first != second
    meant = reply(night, "1").incident
    night.does(reply(night, "1"))
    night.at("02:15:20")
    assert reply(night, "1") == Accept("person:zhao", "r", meant, "zhao")
    assert reply(night, "2").incident != meant


def test_the_next_call_is_answered_by_the_next_word(night: Night) -> None:
    first = night.incident.id
    night.declines("zhao").at("02:20").alarm("lift-1b", "lift-trapped").at("02:21")
    assert night.incident.id != first
    assert reply(night, "2").incident == night.incident.id
