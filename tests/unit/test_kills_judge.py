"""The judge of the kill torture finds what it is there to find."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from facility.records import IncidentOpened, Kind, LevelReached, PageAcknowledged, PageRequested, Record
from tests.torture.kills_pages import PEOPLE, REPEAT_S, Panel, _incidents, _lost, _rounds

INCIDENT = "incident:1"


def told(seconds: float, kind: Kind, data: Any, subject: str = INCIDENT) -> Record:
    return Record(round(seconds * 1000), kind, subject, data, request=f"{kind}/{seconds}/{data}")


def level(seconds: float, level: int, round_: int) -> Record:
    return told(seconds, Kind.LEVEL_REACHED, LevelReached(level, round_, "unanswered"))


def page(seconds: float, round_: int, person: str = PEOPLE[0], level: int = 0) -> Record:
    key = f"k{seconds}/{round_}/{person}"
    data = PageRequested(key, "1", person, "webhook", level, round_, responder=True, text="")
    return told(seconds, Kind.PAGE_REQUESTED, data)


def accepted(seconds: float) -> Record:
    return told(seconds, Kind.PAGE_ACKNOWLEDGED, PageAcknowledged(PEOPLE[0], "link"))


GOOD = [level(0, 0, 0), page(0, 0), level(REPEAT_S, 0, 1), page(REPEAT_S, 1), accepted(8)]


def wrong(records: list[Record]) -> list[str]:
    return list(_rounds(records, [r for r in records if r.kind is Kind.PAGE_REQUESTED]))


def test_a_night_as_it_should_be_is_right() -> None:
    assert wrong(GOOD) == []


@pytest.mark.parametrize(
    "night",
    [
        pytest.param([*GOOD[:2], level(2, 0, 1), page(2, 1), accepted(8)], id="a round before its time"),
        pytest.param([*GOOD, level(9, 0, 2), page(9, 2)], id="a round after somebody accepted"),
        pytest.param([*GOOD[:2], level(70, 0, 1), page(70, 1), accepted(71)], id="a round left out"),
        pytest.param([*GOOD[:2], accepted(90)], id="no round for a minute and a half"),
        pytest.param([*GOOD[:4], page(7, 1), accepted(8)], id="a page twice in a round"),
        pytest.param([*GOOD[:4], page(7, 2), accepted(8)], id="a page of no round"),
        pytest.param([*GOOD[:2], level(7, 1, 0), accepted(8)], id="a level before its time"),
    ],
)
def test_what_must_not_be_is_found(night: list[Record]) -> None:
    assert wrong(night)


def test_an_incident_too_many_is_found_wherever_it_shows() -> None:
    opened = told(0, Kind.INCIDENT_OPENED, IncidentOpened("trial", "p0", 1))
    again = replace(opened, subject="incident:2")
    posts = [{"text": "Trial: panel 0 (panel 0)", "incident": "1"}]
    night: Any = SimpleNamespace(panels=[Panel("panel 0", faults=1, paged=["1"])])
    assert list(_incidents(night, [opened], [posts])) == []
    assert list(_incidents(night, [opened, again], [posts]))
    assert list(_incidents(night, [opened], [posts, [{**posts[0], "incident": "2"}]]))


def test_a_page_that_was_never_posted_is_lost_unless_something_made_it_needless() -> None:
    assert list(_lost([page(0, 0)], [page(0, 0)]))
    assert list(_lost([page(0, 0), accepted(60)], [page(0, 0)]))
    assert not list(_lost([page(0, 0), accepted(5)], [page(0, 0)]))
