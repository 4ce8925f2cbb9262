"""Fault 51: the computer starts in 1970. Nothing is stamped until the clock can be right; devices are read meanwhile."""

import time

import pytest
from serving import eventually
from shifted import LIBRARY, Shifted
from small import placed

from dutyroom import clock as clock_file
from dutyroom import doubt
from dutyroom.clock import PLAUSIBLE_MS, SystemClock, believable
from facility.records import Kind
from stores.logbook import LogBook

DAY_MS = 86_400_000


@pytest.mark.skipif(not LIBRARY, reason="libfaketime is not installed")
def test_a_start_in_1970_reads_devices_and_writes_nothing_until_the_clock_is_set(tmp_path) -> None:
    """Fault 51, whole process: an alarm that comes meanwhile is paged once there is a time, with that time."""
    with placed(tmp_path) as place:
        plain = place.service
        service = place.service = Shifted(plain.site, plain.data, log=plain.log)
        service.set("@1970-01-01 00:10:00")
        service.start()
        service.reading("l0")
        place.contact.closed = 1
        health = service.health()
        assert health["status"] == "degraded"
        assert any("时钟" in r["zh"] and "clock" in r["en"] for r in health["reasons"]), health["reasons"]
        scans = service.figures()["scans_total"]
        eventually(lambda: service.figures()["scans_total"] > scans + 4, 10)
        assert service.records() == []
        assert place.keys() == []
        began = int(time.time() * 1000)
        service.set("+0")
        eventually(lambda: len(place.keys()) >= 2, 15, service.log.read_text)
        records = service.records()
        assert {Kind.CLOCK_DOUBTED, Kind.SERVICE_STARTED} <= {r.kind for r in records}
        assert min(r.at_ms for r in records) > began - 60_000, "what came meanwhile has the right time, too"
        assert max(r.at_ms for r in records) < began + 60_000
        assert max(r.data.waited_ms for r in records if r.kind is Kind.CLOCK_DOUBTED) > 500
        assert service.health()["status"] == "ok"
        assert service.stop()[0] == 0
    book = LogBook.reader(plain.data / "logbook.db")
    assert book.verify().ok
    book.close()


@pytest.mark.parametrize(
    ("wall", "newest", "right"),
    [
        (0, 0, False),
        (PLAUSIBLE_MS - 1, 0, False),
        (PLAUSIBLE_MS, 0, True),
        (PLAUSIBLE_MS + DAY_MS, PLAUSIBLE_MS + 3 * DAY_MS, False),
        (PLAUSIBLE_MS + DAY_MS, PLAUSIBLE_MS + DAY_MS + 3_600_000, True),
    ],
    ids=["1970", "before the program", "after it", "two days behind the book", "an hour behind it: led in"],
)
def test_a_clock_is_believed_that_is_later_than_the_program_and_the_newest_record(wall, newest, right) -> None:
    assert believable(wall, newest) is right


async def test_a_clock_that_never_comes_does_not_silence_the_service_for_ever(monkeypatch) -> None:
    """Fault 51: after five minutes times go on from the newest record, in order, and every screen says so."""

    class Dead:
        mono = 0.0

        def time(self) -> float:
            return 600.0 + self.mono

        def monotonic(self) -> float:
            return self.mono

    times = Dead()
    monkeypatch.setattr(clock_file, "time", times)
    newest = PLAUSIBLE_MS + DAY_MS
    clock = SystemClock(not_before=doubt.floor(newest))

    async def pass_(at_ms: int) -> None:
        times.mono += max(0, at_ms - clock.now()) / 1000 + 0.001

    monkeypatch.setattr(clock, "until", pass_)
    held = doubt.Doubt(clock, newest)
    assert held.waiting
    moved, record = await held.over(lambda: None)
    assert (moved, held.waiting, held.words) == (0, False, doubt.UNSET)
    assert record.waited_ms >= doubt.PATIENCE_MS
    assert clock.now() >= newest
