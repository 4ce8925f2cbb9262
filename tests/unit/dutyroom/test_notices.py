"""The standing words of every screen: what happened, what it means and what to do, in both languages."""

from typing import Any

import pytest
from msgspec.structs import replace
from night_shift import PEOPLE, Night, moment, person, site

from api.station import Notice
from dutyroom import notices
from dutyroom.notices import Troubles
from facility.text import Text
from response import duty
from response.duty import Ahead
from response.paging.tryout import ATTEMPTS, UNANSWERED_MS, Tryout

NOW = moment("12:00")
CALM = Troubles(0.0, spool_refuses=False, book_refuses=False, scans_lost=0, lines_down=())


def well_said(found: list[Notice], *ids: str) -> list[Notice]:
    """These notices and no others, each in both languages and in whole sentences."""
    assert [one.id for one in found] == list(ids)
    for one in found:
        assert one.level in {"error", "warning"}
        assert any("一" <= letter <= "鿿" for letter in one.text.zh), one.text.zh
        assert not any("一" <= letter <= "鿿" for letter in one.text.en), one.text.en
        assert "{" not in one.text.zh + one.text.en, "a gap was not filled"
    return found


def ahead(what: str, count: int) -> list[Ahead]:
    return [Ahead(f"{what}:{n}", what, NOW + n, Text(f"缺{n}", f"lack {n}")) for n in range(count)]


@pytest.mark.parametrize("what", notices.MANY)
def test_three_of_a_sort_are_named_and_four_are_counted(what: str) -> None:
    three = well_said(notices.standing(ahead(what, 3), NOW, {}), *(f"{what}:{n}" for n in range(3)))
    assert all("lack" in one.text.en for one in three)
    well_said(notices.standing(ahead(what, 4), NOW, {}), f"{what}s")


def test_a_hole_stands_from_when_it_begins_and_says_that_it_is_one() -> None:
    (hole,) = well_said(notices.standing(ahead(duty.HOLE, 1), NOW - 5, {}), "hole:0")
    assert (hole.since_ms, hole.text.en) == (NOW, "Roster hole: lack 0")


def test_a_channel_that_this_service_cannot_do_is_an_error_with_how_many_it_leaves_out() -> None:
    (one,) = well_said(notices.standing([], NOW, {"voice": 7}), "channel:voice")
    assert (one.level, "7" in one.text.zh, "7" in one.text.en) == ("error", True, True)


def tried(who: str, **now: Any) -> Tryout:
    return replace(Tryout("k", who, "demo", "t", "weekly", NOW, NOW, at_ms=NOW), **now)


def test_failed_test_pages_name_people_and_contractors_in_the_readers_language() -> None:
    tests = [
        tried("zhao", state="refused", attempts=ATTEMPTS),
        tried("lift-co", state="sent", at_ms=NOW - UNANSWERED_MS),
        tried("li", state="answered"),
        tried("qian", state="refused", attempts=1),
    ]
    (one,) = well_said(notices.untried(tests, site(), NOW), "page-tests")
    assert "Name of zhao · demo; lift company · demo" in one.text.en
    assert "lift company" in one.text.zh
    assert one.text.en.startswith("2 channels")
    assert notices.untried(tests[2:], site(), NOW) == []


def test_an_incident_for_which_there_is_nobody_to_call_is_said_until_somebody_accepts() -> None:
    people = (*(p for p in PEOPLE if p.id not in {"chen", "chu", "li"}), person("off", "hvac-technician"))
    night = Night(site(people=people)).at("03:00").alarm("ch-1", "chiller-fault")

    def said() -> list[Notice]:
        return notices.uncalled(night.incidents.open(), night.site)

    (one,) = well_said(said(), f"nobody:{night.incident.id}")
    assert one.level == "error"
    night.accepts("off", heard_by="op")  # was called by telephone, off duty
    assert said() == []


def test_an_incident_that_was_rung_as_often_as_the_rules_say_is_the_desks_turn() -> None:
    night = Night().at("10:00").alarm("ch-1", "chiller-fault")
    assert notices.unheard(night.incidents.open(), night.site) == []
    night.within("1 h")
    (one,) = well_said(notices.unheard(night.incidents.open(), night.site), f"unheard:{night.incident.id}")
    assert night.incident.id in one.text.zh


def test_pages_from_a_backup_and_a_clock_in_doubt_are_said_and_nothing_is_said_of_nothing() -> None:
    (held,) = well_said(notices.held({"261122-2", "261122-1"}, NOW), "restored")
    assert "261122-1, 261122-2" in held.text.en
    assert notices.held((), NOW) == notices.without_time(None, NOW) == notices.passing({}, CALM, NOW) == []
    well_said(notices.without_time(Text("时钟不对", "the clock is wrong"), NOW), "clock")
    well_said([notices.long_line_down("feishu-app", "401", NOW)], "line:feishu-app")


def test_every_trouble_of_the_moment_has_its_words_and_the_worst_are_errors() -> None:
    night = Night()
    night.channels["demo"] = night.channels["sms"] = lambda _at: "429"
    night.at("10:00").alarm("ch-1", "chiller-fault")
    troubles = Troubles(
        93.4, spool_refuses=True, book_refuses=True, scans_lost=3, lines_down=("l1",),
        remarks=(("l2", Text("请检查", "look at it")),), unheard="timeout",
    )  # fmt: skip
    found = notices.passing(night.incidents.open(), troubles, NOW)
    refused = [one for one in found if one.id.startswith("page-refused:")]
    assert refused
    assert all("429" in one.text.zh and "429" in one.text.en for one in refused)
    well_said(found[len(refused) :], "book", "spool", "heartbeat", "disk", "line:l1", "remark:l2:0")
    assert {one.id for one in found if one.level == "error"} >= {"book", "spool", "disk"}
    assert "93 %" in next(one for one in found if one.id == "disk").text.zh
