"""A chart over InfluxDB while some readings are there, some only in the spool, and some in both: each counts once."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from timeseries_servers import INFLUXD, InfluxDb

from dutyroom.clock import SystemClock
from facility.scan import Reason, Scan, missed
from stores.telemetry.influx import Influx, StoreAwayError
from stores.telemetry.influxserver import Address
from stores.telemetry.spool import Spool

pytestmark = [pytest.mark.real, pytest.mark.skipif(not INFLUXD, reason="no influxd here")]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[InfluxDb]:
    server = InfluxDb(tmp_path / "influxdb")
    yield server
    server.kill()


def test_what_is_forwarded_what_waits_and_what_is_in_both(server: InfluxDb, tmp_path: Path) -> None:
    clock = SystemClock()
    spool = Spool(tmp_path / "spool.db", clock)
    spool.layout("d", ("M/v", "M/w"), "v1")
    start = clock.now() // 60_000 * 60_000 - 600_000

    def commit(numbers: range, late: int = 0) -> None:
        good = [Scan("d", start + 1000 * n, start + 1000 * n + late, (float(n), 1e22), bytes(2)) for n in numbers]
        spool.commit([*good, missed("d", start + 1000 * numbers.stop - 500, 2, Reason.NO_ANSWER)])

    def chart() -> list[tuple[int, int, float | None, float | None]]:
        return [(b.count, b.bad, b.low, b.high) for b in influx.history("M/v", start, start + 600_000, 6)]

    server.start()
    influx = Influx(Address(server.url, "test", "1"), "s", {"M": "pump"}, spool)
    commit(range(100))
    commit(range(100, 200), late=7)
    while influx.forwarder.sent(spool) < spool.last_row:
        assert influx.forward(spool, clock.now())
    commit(range(200, 300))
    whole = [(100, 1, 0.0, 99.0), (100, 1, 100.0, 199.0), (100, 1, 200.0, 299.0), *[(0, 0, None, None)] * 3]
    assert chart() == whole, "forwarded, and waiting"
    influx.close()
    influx = Influx(Address(server.url, "test", "1"), "s", {"M": "pump"}, spool)
    assert influx.forwarder.sent(spool) == 0
    assert chart() == whole, "after a restart all of it is in the spool too, and none counts twice"
    commit(range(50, 60), late=300_000)
    assert chart() == [(100, 2, 0.0, 99.0), *whole[1:]], "late repeats count once"
    server.kill()
    with pytest.raises(StoreAwayError, match="InfluxDB"):
        chart()
    server.start()
    assert chart()[1:] == whole[1:]
    assert influx.history("M/w", start, start + 100_000, 1)[0].high == 1e22
    influx.close()
    spool.close()
