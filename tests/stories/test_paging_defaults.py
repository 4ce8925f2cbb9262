"""The defaults of escalation, one by one: whom it calls at which second, how often, and what waits for the day."""

from dataclasses import replace
from datetime import datetime

import pytest
from night_shift import CHILLER, PEOPLE, RULES, ZONE, Call, Level, Night, Text, moment, ms, rule, site

from facility.records import Kind
from facility.rule import Priority, Start
from facility.site import Paging, Site

THREE_LEVELS = replace(
    CHILLER,
    levels=(
        Level((Call("hvac-technician"),), ms("5 min")),
        Level((Call("guard"),), ms("5 min")),
        Level((Call("leader-on-duty"),), ms("10 min")),
    ),
)
MEDIUM = replace(
    CHILLER,
    id="equipment-fault",
    name=Text("设备故障", "Equipment fault"),
    priority=Priority.MEDIUM,
    levels=(Level((Call("hvac-technician"),), ms("15 min")), Level((Call("leader-on-duty"),), ms("15 min"))),
    repeat_ms=ms("15 min"),
)


def place(*plans, paging: Paging = Site.paging):
    here = replace(site(plans=(*site().plans.values(), *plans)), paging=paging)
    fault = rule("chiller-warm", "chiller", "equipment-fault", Priority.MEDIUM)
    return replace(here, rules={r.id: r for r in (*RULES, fault)})


def rung(night: Night, who: str = "") -> list[str]:
    """When messages left, each a person on a channel."""
    return [
        f"{datetime.fromtimestamp(at / 1000, ZONE):%H:%M:%S}"
        for at, letter in night.posted
        if not who or letter.pages[0].person == who
    ]


def test_life_calls_everybody_on_all_channels_in_the_same_second() -> None:
    night = Night().at("02:00").alarm("lift-1a", "lift-trapped")
    first = {(p.person, p.channel) for at, one in night.posted for p in one.pages if at == moment("02:00")}
    assert first == {
        ("zhao", "demo"), ("zhao", "sms"), ("lift-co", "demo"), ("li", "demo"), ("li", "sms"), ("zhou", "demo"),
    }  # fmt: skip


def test_life_rings_every_60_s_and_the_next_level_comes_after_2_min_for_ever() -> None:
    night = Night().at("02:00").alarm("lift-1a", "lift-trapped").at("02:30")
    assert rung(night, "lift-co")[:4] == ["02:00:00", "02:01:00", "02:02:00", "02:03:00"]
    assert len(rung(night, "lift-co")) == 31
    assert rung(night, "lift-co-2")[:2] == ["02:02:00", "02:03:00"]


def test_only_a_responder_on_the_way_ends_it() -> None:
    night = Night().at("02:00").alarm("lift-1a", "lift-trapped").accepts("li").at("02:01")
    night.within("60 s").pages("zhao", "lift-co", "lift-co-2", "wu")
    night.at("02:05:30").accepts("zhao").at("02:05:31").within("9 min").pages_nobody()


def test_life_accepted_and_not_there_in_10_min_rings_again() -> None:
    night = Night().at("02:00").alarm("lift-1a", "lift-trapped").accepts("zhao").at("02:09:59")
    night.within("0 s").does_not_record("acceptance.expired")
    night.within("1 s").records("acceptance.expired", "page.requested")


def test_high_accepted_and_not_there_in_30_min_rings_again() -> None:
    night = Night().at("03:00").alarm("ch-1", "chiller-fault").accepts("chen").at("03:29:59")
    night.within("0 s").does_not_record("acceptance.expired")
    night.within("1 s").records("acceptance.expired", "page.requested")


def test_high_climbs_at_0_5_and_10_min_and_repeats_three_times_at_most() -> None:
    night = Night(place(THREE_LEVELS)).at("03:00").alarm("ch-1", "chiller-fault").at("06:00")
    first = {who: rung(night, who)[0] for who in ("chen", "wu", "li")}
    assert first == {"chen": "03:00:00", "wu": "03:05:00", "li": "03:10:00"}
    assert rung(night, "li") == ["03:10:00", "03:15:00", "03:20:00", "03:25:00"]


def test_medium_by_day_climbs_after_15_min() -> None:
    night = Night(place(MEDIUM), start="10:00").at("10:00").alarm("ch-1", "chiller-warm").at("10:30")
    assert rung(night, "chen")[0] == "10:00:00"
    assert rung(night, "li")[0] == "10:15:00"


def test_low_stays_on_the_console() -> None:
    here = place(MEDIUM)
    low = rule("chiller-dirty", "chiller", "equipment-fault", Priority.LOW, Start.OPERATOR)
    night = Night(replace(here, rules={**here.rules, low.id: low}), start="10:00").at("10:00")
    night.alarm("ch-1", "chiller-dirty").within("2 h").pages_nobody()


def test_a_medium_page_at_night_waits_for_the_day_and_shows_that_it_waits() -> None:
    night = Night(place(MEDIUM)).at("02:00").alarm("ch-1", "chiller-warm")
    page = next(iter(night.incident.pages.values()))
    assert (page.furthest, page.not_before_ms) == ("waiting", moment("08:00"))
    night.at("07:59:59")
    assert rung(night) == []
    night.at("08:40")
    assert rung(night, "chen")[0] == "08:00:00"
    assert rung(night, "li")[0] == "08:15:00"  # the levels count from the morning


def test_what_waits_is_for_those_who_are_on_duty_by_day() -> None:
    by_lift = replace(MEDIUM, levels=(Level((Call("lift-technician"),), ms("15 min")),))
    night = Night(place(by_lift)).at("02:00").alarm("ch-1", "chiller-warm")
    assert night.paged() == ["qian"]


def test_what_waits_rings_at_the_same_moment_after_a_restart() -> None:
    night = Night(place(MEDIUM)).at("02:00").alarm("ch-1", "chiller-warm").restart().at("08:01")
    assert rung(night) == ["08:00:00"]


def test_an_incident_that_grows_worse_at_night_rings_at_once() -> None:
    night = Night(place(MEDIUM)).at("02:00").alarm("ch-1", "chiller-warm").at("02:10")
    night.alarm("ch-1", "chiller-fire")
    assert rung(night, "chen") == ["02:10:00", "02:10:00"]  # both channels: it is a life now
    night.accepts("chen").at("02:19")
    assert rung(night, "chen") == ["02:10:00", "02:10:00"]
    assert "waiting" not in {p.furthest for p in night.incident.pages.values()}


def test_a_site_may_ring_at_night_for_everything() -> None:
    night = Night(place(MEDIUM, paging=Paging(wait_for_day=frozenset()))).at("02:00").alarm("ch-1", "chiller-warm")
    assert rung(night) == ["02:00:00"]


def test_what_is_over_before_the_morning_is_never_sent() -> None:
    night = Night(place(replace(MEDIUM, steps=()))).at("02:00").alarm("ch-1", "chiller-warm").at("03:00")
    night.clears("ch-1", "chiller-warm").at("03:30").closes("it was the sensor").at("09:00")
    assert rung(night) == []


@pytest.mark.parametrize("who", [p.id for p in PEOPLE if "hvac-technician" in p.roles])
def test_accepted_by_voice_counts_as_that_persons_and_expires_the_same_way(who: str) -> None:
    night = Night().at("03:00").alarm("ch-1", "chiller-fault").accepts(who, heard_by="op")
    said = night.told(Kind.PAGE_ACKNOWLEDGED)[0]
    assert (said.data.person, said.data.via, said.data.heard_by, said.actor) == (who, "voice", "op", "user:op")
    night.at("03:29:59").within("1 s").records("acceptance.expired", "page.requested")
