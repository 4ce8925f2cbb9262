"""Phones that do not ring: refusals, hung providers, and people nobody can find."""

from dataclasses import replace
from datetime import date

from night_shift import CHILLER, HV, PEOPLE, Night, licence, moment, ms, person, site

from facility.duty import Leave
from facility.plan import Call, Level
from facility.records import Kind
from response.paging import silence


def requested(night: Night) -> list[tuple[str, str]]:
    return [(r.data.person, r.data.channel) for r in night.told(Kind.PAGE_REQUESTED)]


def test_below_life_the_first_channel_is_tried_alone() -> None:
    night = Night().at("03:00").alarm("ch-1", "chiller-fault").at("03:01")
    assert requested(night) == [("chen", "demo")]


def test_a_refused_channel_is_followed_by_the_next_at_once() -> None:
    night = Night()
    night.channels["demo"] = lambda _at: "500 server error"
    night.at("03:00").alarm("ch-1", "chiller-fault")
    assert requested(night) == [("chen", "demo"), ("chen", "sms")]
    assert [p.state for p in night.incident.pages.values()] == ["overtaken", "sent"]


def test_a_channel_that_hangs_is_followed_by_the_next_after_half_a_minute() -> None:
    night = Night()
    night.channels["demo"] = lambda _at: "…"
    night.at("03:00").alarm("ch-1", "chiller-fault").at("03:00:29")
    assert requested(night) == [("chen", "demo")]
    night.at("03:00:30")
    assert requested(night) == [("chen", "demo"), ("chen", "sms")]


def test_a_refused_page_is_tried_again_under_its_key_until_it_is_taken() -> None:
    night = Night()
    night.channels["demo"] = lambda at: "429 too many" if at < moment("03:02") else ""
    night.site = site(people=(*(p for p in PEOPLE if p.id != "chen"),))
    night.at("03:00").alarm("ch-1", "chiller-fault").at("03:04")
    refusals = night.told(Kind.PAGE_REFUSED)
    assert [(r.at_ms - moment("03:00")) // 1000 for r in refusals] == [0, 2, 6, 14, 30, 62]
    assert [r.data.attempt for r in refusals] == [1, 2, 3, 4, 5, 6]
    assert len({r.data.key for r in [*refusals, *night.told(Kind.PAGE_SENT)]}) == 1
    assert night.told(Kind.PAGE_SENT)[0].at_ms == moment("03:02:02")


def test_after_an_hour_without_a_provider_each_phone_rings_once() -> None:
    night = Night()
    night.channels["demo"] = night.channels["sms"] = night.channels["radio"] = lambda _at: "…"
    night.at("02:00").alarm("lift-1a", "lift-trapped").at("03:00")
    night.channels.clear()
    night.settle()
    rung = [
        (p.person, p.channel, p.why.partition("/")[0])
        for i in night.incidents.open().values()
        for p in i.pages.values()
        if p.state == "sent"
    ]
    assert len(rung) == len(set(rung))


def test_an_hour_asleep_is_not_an_hour_of_calls_at_once() -> None:
    night = Night().at("02:00").alarm("lift-1a", "lift-trapped").at("02:10")
    before = len(night.levels())
    night.now = moment("03:10")
    night.settle()
    assert len(night.levels()) == before + 1
    assert night.levels()[-1][0] == "03:10:00"


def test_what_was_not_sent_is_overtaken_by_the_answer_and_by_the_end() -> None:
    night = Night()
    night.channels["sms"] = lambda _at: "no credit"
    night.at("02:00").alarm("lift-1a", "lift-trapped").accepts("zhao")
    assert "zhao" not in night.unsent()
    assert "li" in night.unsent()
    night.clears("lift-1a", "lift-trapped")
    for step in ("intercom", "arrived", "isolate", "freed"):
        night.skips(step, "exercise")
    incident = night.incident.id
    night.at("02:06").closes("exercise")
    assert incident not in night.incidents.open()
    night.within("1 h").pages_nobody()


def test_an_expired_certificate_is_passed_over_and_said() -> None:
    out_of_date = licence("hv-electrician", date(2026, 11, 20))
    people = tuple(replace(p, certificates=(out_of_date,)) if p.id == "wang" else p for p in PEOPLE)
    night = Night(site(people=people)).at("03:00").alarm("f1", "hv-trip")
    night.within("0 s").pages("zheng", "li")
    unfilled = night.told(Kind.DUTY_UNFILLED)[0].data
    assert unfilled.tried["wang"] == "certificate-expired:hv-electrician"
    assert unfilled.tried["feng"] == "no-certificate:hv-electrician"
    assert "不要动设备" in night.told(Kind.PAGE_REQUESTED)[0].data.text


def test_with_nobody_certified_the_next_level_comes_at_once_and_touches_nothing() -> None:
    people = tuple(replace(p, certificates=tuple(c for c in p.certificates if c != HV)) for p in PEOPLE)
    night = Night(site(people=people)).at("03:00").alarm("f1", "hv-trip")
    night.within("0 s").pages("li", "wu", "power-co")
    assert night.levels() == [("03:00:00", 0, 0, "start"), ("03:00:00", 1, 0, "unfilled")]
    assert all("do not touch" in r.data.text for r in night.told(Kind.PAGE_REQUESTED))


def test_with_nobody_on_any_level_the_supervisor_hears_of_it_at_once() -> None:
    people = (*(p for p in PEOPLE if p.id not in {"chen", "chu", "li"}), person("sup", "engineering-supervisor"))
    night = Night(site(people=people)).at("03:00").alarm("ch-1", "chiller-fault")
    assert [level[3] for level in night.levels()] == ["start", "unfilled"]
    assert night.told_of("nobody") == ["sup"]
    assert "nobody to call" in night.told(Kind.PAGE_REQUESTED)[-1].data.text
    assert silence.nobody(night.incident, CHILLER, night.site)
    night.within("14 min")
    assert len(night.told(Kind.PAGE_REQUESTED)) == 1  # once, not at every round


def test_when_all_have_declined_whoever_stands_above_hears_of_it() -> None:
    people = (*PEOPLE, person("sup", "engineering-supervisor"))
    night = Night(site(people=people)).at("10:00").alarm("ch-1", "chiller-fault")
    night.at("10:01").declines("chen").declines("chu").within("1 s")
    assert night.told_of("nobody") == []  # the leader is still being asked
    night.declines("li").within("1 s")
    assert night.told_of("nobody") == ["sup"]
    assert silence.nobody(night.incident, CHILLER, night.site)


def test_for_a_life_with_nobody_on_duty_all_who_have_such_a_role_are_told_off_duty_or_not() -> None:
    away = tuple(Leave(p.id, moment("00:00"), moment("04:00")) for p in PEOPLE)
    night = Night(site(leaves=away)).at("03:00").alarm("f1", "hv-trip")
    assert set(night.told_of("nobody")) == {"li", "zhou", "wu", "zheng", "wang", "feng"}
    assert night.paged() == ["power-co"]  # which is only told
    assert len(night.told(Kind.DUTY_UNFILLED)) == 3


def test_a_level_that_only_informs_and_finds_nobody_is_passed_at_once() -> None:
    quiet = replace(CHILLER, levels=(Level((Call("customer-service", responder=False),), ms("5 min")), *CHILLER.levels))
    night = Night(site(plans=(quiet,))).at("03:00").alarm("ch-1", "chiller-fault")
    night.within("0 s").pages("chen")
    assert night.levels() == [("03:00:00", 0, 0, "start"), ("03:00:00", 1, 0, "unfilled")]


def test_with_nobody_on_duty_the_levels_are_climbed_at_once_and_it_is_tried_again_for_ever() -> None:
    away = tuple(Leave(p.id, moment("00:00"), moment("04:00")) for p in PEOPLE)
    night = Night(site(leaves=away)).at("03:00").alarm("ch-1", "chiller-fault")
    assert [level[3] for level in night.levels()] == ["start", "unfilled"]
    night.at("03:50").within("0 s").pages_nobody()
    assert len(night.told(Kind.DUTY_UNFILLED)) == 2  # said once, not at every round
    night.at("04:00").within("5 min").pages("chen", "li", "chu")  # chu only hears that it runs: chen is called


def test_somebody_without_a_channel_is_passed_over() -> None:
    people = tuple(replace(p, channels=()) if p.id == "chen" else p for p in PEOPLE)
    night = Night(site(people=people)).at("03:00").alarm("ch-1", "chiller-fault").within("0 s").pages("chu")
    assert not night.told(Kind.DUTY_UNFILLED)


def test_when_the_last_of_all_said_no_all_are_asked_again() -> None:
    night = Night().at("03:00").alarm("ch-1", "chiller-fault").declines("chen").declines("chu")
    assert night.levels()[-1] == ("03:00:00", 1, 0, "declined")
    night.declines("li")
    night.at("03:01").within("4 min").pages("chen", "li")
    assert night.levels()[-1] == ("03:05:00", 1, 1, "unanswered")


def test_what_is_unsent_at_the_end_is_dropped_where_all_can_see_it() -> None:
    night = Night()
    night.channels["demo"] = lambda _at: "…"
    night.at("03:00").starts("hv-trip", place="gate").skips("pair", "exercise").at("03:01")
    drop, night.incidents.drop_closed = night.incidents.drop_closed, list  # type: ignore[method-assign]
    night.closes("exercise")
    assert {p.state for p in night.incident.pages.values() if p.channel == "demo"} == {"overtaken"}
    assert night.incidents.unsent(night.now) == []
    assert [i.id for i in drop()] == ["261122-1"]


def test_an_incident_that_rings_for_days_stays_small_and_counts_on() -> None:
    night = Night().at("02:00").alarm("lift-1a", "lift-trapped").at("08:00")
    assert len(night.incident.pages) <= 200
    assert "第 361 次" in [r.data.text for r in night.told(Kind.PAGE_REQUESTED) if r.data.person == "lift-co"][-1]
