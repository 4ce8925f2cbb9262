"""A button pressed in Feishu or DingTalk is the person's answer: only theirs, only once, about the page on the card."""

from dataclasses import replace

import pytest
from msgspec import structs
from night_shift import PEOPLE, Night, site

from dutyroom.following import open_ends, pause
from dutyroom.replies import command_for, confirmed
from facility.commands import Accept, AnswerTest, Arrive, Decline
from facility.person import Channel
from response.pagers.answer import Answer
from response.paging.tryout import Tryout

ACCOUNTS = {"zhao": "ou_zhao", "li": "ou_li", "sun": "ou_two", "chen": "ou_two"}


def with_accounts():
    def own(person):
        account = ACCOUNTS.get(person.id)
        return replace(person, channels=(*person.channels, Channel("feishu-app", account))) if account else person

    return site(people=tuple(map(own, PEOPLE)))


@pytest.fixture
def night() -> Night:
    night = Night()
    night.site = with_accounts()
    return night.at("02:13").alarm("lift-1a", "lift-trapped").at("02:14")


def answer(night: Night, word: str, *accounts: str, kind: str = "feishu-app", incident: str = "", id: str = "e-1"):
    said = Answer(kind, accounts or ("ou_zhao",), word, id, incident)
    return command_for(said, night.site, night.incidents.open().values())


def test_the_three_buttons_and_words_with_them(night: Night) -> None:
    one = night.incident.id
    said = [answer(night, word, incident=one) for word in ("1", "2 在外地", "3", "１")]
    assert [type(command) for command in said] == [Accept, Decline, Arrive, Accept]
    assert {(c.actor, c.incident, c.person) for c in said} == {("person:zhao", one, "zhao")}
    assert said[1].why == "在外地"


def test_any_of_the_names_under_which_a_provider_knows_somebody_will_do(night: Night) -> None:
    assert answer(night, "1", "zhao_user_id", "ou_zhao").person == "zhao"


def test_the_same_answer_twice_is_one_request_and_another_is_another(night: Night) -> None:
    again = answer(night, "1").request == answer(night, "1").request
    assert again
    assert answer(night, "1", id="e-2").request != answer(night, "1").request
    night.does(answer(night, "1"))
    assert night.does(answer(night, "1")) == []


def test_a_forwarded_card_is_nobody_elses_answer(night: Night) -> None:
    assert answer(night, "1", "ou_stranger", incident=night.incident.id) is None
    assert answer(night, "1", "ou_two", incident=night.incident.id) is None
    assert answer(night, "1", kind="dingtalk-app") is None
    assert answer(night, "1", "") is None


def test_a_card_of_another_incident_answers_nothing_here(night: Night) -> None:
    assert answer(night, "1", incident="250101-1") is None


def test_a_key_in_a_call_counts_for_whoever_has_the_number(night: Night) -> None:
    people = {**night.site.people, "zhao": replace(night.site.people["zhao"], phone="13900000001")}
    night.site = replace(night.site, people=people)
    assert answer(night, "1", "8613900000001", kind="voice").person == "zhao"


def test_a_key_in_a_call_is_about_that_call(night: Night) -> None:
    page = next(p for p in night.incident.pages.values() if (p.person, p.channel) == ("zhao", "sms"))
    said = Answer("sms", (), "1", "e", number="116^1")
    assert command_for(said, night.site, [night.incident]) is None
    pages = {**night.incident.pages, page.key: structs.replace(page, said="OK: OK 116^1")}
    called = structs.replace(night.incident, pages=pages)
    assert command_for(said, night.site, [called]).person == "zhao"
    assert command_for(replace(said, number="116^11"), night.site, [called]) is None


def test_a_test_page_is_confirmed_by_its_own_channel_first() -> None:
    tests = [
        Tryout(key, "zhao", channel, "", "weekly", 0, 0, state="sent", at_ms=at)
        for key, channel, at in (("a", "feishu-app", 1), ("b", "sms", 2))
    ]
    said = confirmed(Answer("feishu-app", ("ou_zhao",), "1", "e"), with_accounts(), tests)
    assert isinstance(said, AnswerTest)
    assert (said.key, said.person) == ("a", "zhao")
    assert confirmed(Answer("feishu-app", ("ou_zhao",), "2", "e"), with_accounts(), tests) is None
    assert confirmed(Answer("feishu-app", ("ou_li",), "1", "e"), with_accounts(), tests) is None


# -- what providers are asked later -------------------------------------------------------------------------


def followed(night: Night, *kinds: str) -> list[tuple[str, str, int]]:
    return [(p.person, p.channel, p.round) for p in open_ends(night.incidents.open().values(), kinds, night.now)]


def test_only_the_newest_page_to_a_person_on_a_channel_is_followed() -> None:
    night = Night().at("02:00").alarm("lift-1a", "lift-trapped").at("02:03:30")
    rounds = [p.round for p in night.incident.pages.values() if (p.person, p.channel) == ("zhao", "sms")]
    assert len(rounds) > 1
    assert [row for row in followed(night, "sms") if row[0] == "zhao"] == [("zhao", "sms", max(rounds))]
    assert followed(night) == []


def test_nobody_asks_for_a_page_that_is_answered_or_an_hour_old() -> None:
    night = Night().at("02:00").alarm("lift-1a", "lift-trapped")
    assert "zhao" in {person for person, _, _ in followed(night, "sms")}
    night.accepts("zhao")
    assert "zhao" not in {person for person, _, _ in followed(night, "sms")}


def test_a_failure_is_seen_within_15_seconds_and_nobody_is_asked_for_ever() -> None:
    assert [pause(age * 1000) for age in (0, 20, 40, 600, 601)] == [3000, 5000, 10_000, 15_000, 60_000]
