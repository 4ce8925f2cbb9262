"""What waits for a store that is behind is shown, alarmed, and bounded; on a clock moved by hand."""

import math
from collections.abc import Iterator
from pathlib import Path

import pytest
from building import Building, StoppedClock, demo_site

from dutyroom.backlog import BEHIND_MS, FILLING, Backlog, Reader, notices
from dutyroom.selfwatch import HOST, with_host
from facility.scan import Scan
from stores.telemetry.spool import Spool

_START = 1_790_000_000_000
_BUDGET = 2 << 20


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock(_START)


@pytest.fixture
def spool(tmp_path: Path, clock: StoppedClock) -> Iterator[Spool]:
    spool = Spool(tmp_path / "spool.db", clock)
    spool.layout("meter", [f"M/p{n}" for n in range(100)], "v1")
    yield spool
    spool.close()


def _fill(spool: Spool, clock: StoppedClock, rows: int) -> None:
    for n in range(rows):
        clock.time += 1000
        values = [tuple(math.sin(n + k * p) for p in range(100)) for k in range(20)]
        row = spool.commit([Scan("meter", clock.time + k, clock.time + k, v, bytes(100)) for k, v in enumerate(values)])
    spool.checkpoint(row, b"")


def _backlog(spool: Spool, clock: StoppedClock, trouble: str = "") -> Backlog:
    readers = {
        "archive": Reader(lambda: spool.cursor("archive"), str),
        "influx": Reader(lambda: spool.cursor("influx"), lambda: trouble),
    }
    return Backlog(spool, _BUDGET, clock, readers)


def test_a_store_that_is_behind_is_named_with_what_it_says(spool: Spool, clock: StoppedClock) -> None:
    backlog = _backlog(spool, clock, "connection refused")
    _fill(spool, clock, 5)
    spool.advance("archive", spool.last_row)
    backlog.tidy(roomy=True)
    assert notices(backlog.held, clock.time) == [], "five minutes are nothing"
    archive, influx = backlog.held.lags
    assert (archive.rows, archive.oldest_ms) == (0, None)
    assert (influx.rows, influx.oldest_ms) == (5, _START + 1000)
    (notice,) = notices(backlog.held, _START + 1000 + BEHIND_MS)
    assert (notice.id, notice.level) == ("behind:influx", "warning")
    assert "10 分钟（connection refused）" in notice.text.zh
    assert "InfluxDB is 10 min behind (connection refused)" in notice.text.en


def test_a_spool_that_fills_up_is_said_at_half_and_never_takes_more_than_its_budget(
    spool: Spool, clock: StoppedClock
) -> None:
    backlog = _backlog(spool, clock)
    while backlog.held.used_percent < 50:
        assert not [n for n in notices(backlog.held, clock.time) if n.id == "spool-filling"]
        _fill(spool, clock, 5)
        spool.advance("archive", spool.last_row)
        backlog.tidy(roomy=True)
    (notice,) = [n for n in notices(backlog.held, clock.time) if n.id == "spool-filling"]
    assert notice.level == "error"
    assert not any(backlog.held.given_up.values())
    told = 0
    for _ in range(30):
        _fill(spool, clock, 5)
        told = spool.last_row
        spool.advance("archive", told)
        backlog.tidy(roomy=True)
        assert backlog.held.used_percent < 101
    first = spool.cursor("influx") + 1
    assert backlog.held.given_up == {"influx": 20 * (first - spool.id - 1)}, "each scan is there or counted"
    assert backlog.held.lags[1].rows == told - first + 1
    assert sum(len(batch) for _, batch in spool.batches(first - 1, 1 << 20)) == 20 * (told - first + 1)


def test_nothing_is_deleted_where_the_disk_has_no_room_for_it(spool: Spool, clock: StoppedClock) -> None:
    backlog = _backlog(spool, clock)
    _fill(spool, clock, 3)
    spool.advance("archive", spool.last_row)
    spool.advance("influx", spool.last_row)
    clock.time += 70_000
    backlog.tidy(roomy=False)
    assert backlog.held.rows == 3
    backlog.tidy(roomy=True)
    assert backlog.held.rows == 0


async def test_a_spool_that_is_half_full_old_or_given_up_is_an_alarm_of_the_monitoring_computer(tmp_path: Path) -> None:
    night = await Building.open(tmp_path, "02:13", with_host(demo_site()))

    async def alarms(**points: float) -> set[str]:
        await night.reads(HOST, **points)
        return {alarm.rule for alarm in night.desk.standing.alarms.values() if alarm.active}

    assert not await alarms(spool_used=FILLING - 1, spool_age=300, readings_given_up=7)
    assert not await alarms(spool_used=FILLING + 1, spool_age=901)
    await night.until("02:13:31")
    assert await alarms() == {"host-spool-filling", "host-spool-old"}
    assert "host-readings-given-up" in await alarms(readings_given_up=27)
    await night.close()
