"""Alarm performance follows the log book: at a start from what is there, in service from what was committed since."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from dutyroom.performance import PAGE, Performance
from facility import records
from facility.records import Kind, Record, alarm_subject
from facility.site import Site
from response.duty import local_day
from sitefolder import load
from stores.logbook import LogBook

NOW = 1_795_331_000_000
DAY_MS = 86_400_000
DEMO = Path(__file__).parents[3] / "simulators" / "sites" / "demo"


class Clock:
    def now(self) -> int:
        return NOW

    async def until(self, at_ms: int) -> None:
        raise AssertionError("nobody waits here")


@pytest.fixture(scope="module")
def site() -> Site:
    return load(DEMO).site


@pytest.fixture
def book(tmp_path: Path, site: Site) -> Iterator[LogBook]:
    made = LogBook(tmp_path / "logbook.db", site.id)
    yield made
    made.close()


def alarm(at: int, owner: str = "lift-1a", rule: str = "lift-trapped") -> list[Record]:
    subject = alarm_subject(owner, rule)
    return [
        Record(at, Kind.ALARM_RAISED, subject, records.AlarmRaised(rule, owner, 1, "life-safety"), about=(owner,)),
        Record(at + 1000, Kind.ALARM_ACKNOWLEDGED, subject, records.AlarmAcknowledged(), "user:chen"),
        Record(at + 2000, Kind.ALARM_CLEARED, subject, records.AlarmCleared(rule, owner), about=(owner,)),
    ]


def note(at: int) -> Record:
    return Record(at, Kind.SERVICE_STARTED, "site:demo", records.ServiceStarted("1", 0, clean=True))


def test_what_was_read_at_the_start_and_what_was_committed_since_count_alike(site: Site, book: LogBook) -> None:
    today = local_day(site, NOW)
    for day in range(40, 0, -1):
        book.append([note(NOW - day * DAY_MS), *alarm(NOW - day * DAY_MS)])
    following = Performance(site, Clock(), book, dict)
    assert following.report(today, 30).alarms == 29
    book.append([*alarm(NOW - 60_000), *alarm(NOW - 50_000), note(NOW)])
    told = following.report(today, 30)
    assert told.alarms == 31
    assert told == Performance(site, Clock(), book, dict).report(today, 30)
    assert following.report(today - timedelta(1), 1).alarms == 1


def test_more_than_a_page_is_read_to_its_end(site: Site, book: LogBook) -> None:
    book.append([r for k in range(PAGE) for r in alarm(NOW - DAY_MS + k * 10_000)])
    assert Performance(site, Clock(), book, dict).report(local_day(site, NOW), 30).alarms == PAGE


def test_an_empty_book_has_figures_too(site: Site, book: LogBook) -> None:
    told = Performance(site, Clock(), book, dict).report(local_day(site, NOW), 30)
    assert (told.alarms, told.since_ms) == (0, NOW)


def test_the_book_gives_one_family_from_a_moment_on(book: LogBook) -> None:
    book.append([note(1), *alarm(1000), note(5000), *alarm(6000)])
    assert [seq for seq, _ in book.told("alarm", 0, 10)] == [2, 3, 4, 6, 7, 8]
    assert [seq for seq, _ in book.told("alarm", 2, 2)] == [3, 4]
    whole = {w.seq: w.record for w in book.tail(0)}
    assert [r for _, r in book.told("alarm", 0, 10)] == [
        replace(whole[seq], request=None, about=()) for seq in (2, 3, 4, 6, 7, 8)
    ]
    assert [book.number_at(at) for at in (0, 1, 2, 5000, 6001, 99_999)] == [1, 1, 2, 5, 7, 9]
