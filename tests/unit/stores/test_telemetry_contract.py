"""What every telemetry store promises, whichever it is: one test, a parameter per store."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from timeseries_servers import INFLUXD, InfluxDb

from facility.ports import Bucket, Layout, Telemetry
from facility.scan import Reason, Scan, missed
from stores.telemetry.archive import Archive
from stores.telemetry.archivist.archivist import Archivist
from stores.telemetry.archivist.words import Begin
from stores.telemetry.buckets import LONGEST_MS, MOST_BUCKETS
from stores.telemetry.influx import Influx
from stores.telemetry.influxserver import Address

_START = 1_790_000_040_000 - 1_790_000_040_000 % 3_600_000  # a full hour
_METER = Layout(1, "meter", ("M/v", "M/i"), "meter@1")
_LIFT = Layout(2, "lift-1", ("L1/floor",), "lift@1")
_LAYOUTS = {"meter": _METER, "lift-1": _LIFT}

_STORES: dict[str, Callable[[Path], Iterator[Telemetry]]] = {}


def _archive(folder: Path) -> Iterator[Telemetry]:
    archive = Archive(folder / "archive")
    yield archive
    archive.close()


def _archivist(folder: Path) -> Iterator[Telemetry]:
    archivist = Archivist()
    archivist.start(Begin(str(folder / "archive")))
    yield archivist
    archivist.kill()


_STORES["archive"] = _archive
_STORES["archivist"] = _archivist


@pytest.fixture(scope="session")
def influxdb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxDb]:
    if INFLUXD is None:
        pytest.skip("no influxd here")
    server = InfluxDb(tmp_path_factory.mktemp("influxdb"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(params=[*sorted(_STORES), pytest.param("influx", marks=pytest.mark.real)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Telemetry]:
    if request.param != "influx":
        yield from _STORES[request.param](tmp_path)
        return
    server = request.getfixturevalue("influxdb")
    server.database(tmp_path.name)
    influx = Influx(Address(server.url, tmp_path.name, "1"), "test-site", {"M": "lv_meter"})
    yield influx
    influx.close()


def _meter(second: int, v: float, i: float = 1.0, *, late_by: int = 0) -> Scan:
    at = _START + 1000 * second
    return Scan("meter", at, at + late_by, (v, i), bytes(2))


def _counts(buckets: list[Bucket]) -> list[int]:
    return [bucket.count for bucket in buckets]


def test_what_was_written_is_the_history(store: Telemetry) -> None:
    store.write([_meter(n, 230.0 + n) for n in range(4)], _LAYOUTS)
    first, second = store.history("M/v", _START, _START + 4000, 2)
    assert first == Bucket(_START, 2, 0, 230.0, 230.5, 231.0)
    assert second == Bucket(_START + 2000, 2, 0, 232.0, 232.5, 233.0)
    assert store.history("M/i", _START, _START + 4000, 1) == [Bucket(_START, 4, 0, 1.0, 1.0, 1.0)]


def test_the_end_of_the_time_asked_for_is_not_in_it(store: Telemetry) -> None:
    store.write([_meter(n, float(n)) for n in range(10)], _LAYOUTS)
    assert _counts(store.history("M/v", _START + 2000, _START + 5000, 3)) == [1, 1, 1]


def test_a_repeat_changes_nothing(store: Telemetry) -> None:
    scans = [_meter(n, 230.0) for n in range(5)] + [missed("lift-1", _START, 1, Reason.NO_ANSWER)]
    for _ in range(3):
        store.write(scans, _LAYOUTS)
    store.write([*scans, *scans, _meter(5, 231.0)], _LAYOUTS)
    assert store.history("M/v", _START, _START + 6000, 1) == [Bucket(_START, 6, 0, 230.0, 1381 / 6, 231.0)]
    day = store.history("M/v", _START, _START + 7 * 3_600_000, 7)
    assert _counts(day) == [6, 0, 0, 0, 0, 0, 0]
    assert store.history("L1/floor", _START, _START + 1000, 1) == [Bucket(_START, 0, 1, None, None, None)]


def test_a_gap_is_a_gap_and_never_a_zero(store: Telemetry) -> None:
    store.write([_meter(0, 230.0), _meter(30, 0.0)], _LAYOUTS)
    answer = store.history("M/v", _START, _START + 40_000, 4)
    assert _counts(answer) == [1, 0, 0, 1]
    assert answer[1] == Bucket(_START + 10_000, 0, 0, None, None, None)
    assert answer[3].mean == 0.0
    assert store.history("no/such", _START, _START + 1000, 1) == [Bucket(_START, 0, 0, None, None, None)]


def test_what_cannot_be_believed_is_counted_and_never_drawn(store: Telemetry) -> None:
    at = _START
    scans = [
        Scan("meter", at, at, (math.nan, 1.0), bytes([Reason.SENTINEL, 0])),
        Scan("meter", at + 1000, at + 1000, (99999.0, 1.0), bytes([Reason.OUT_OF_RANGE, 0])),
        Scan("meter", at + 2000, at + 2000, (math.inf, 1.0), bytes(2)),
        Scan("meter", at + 3000, at + 3000, (5.0, 1.0), bytes([Reason.LATE, 0])),
        missed("meter", at + 4000, 2, Reason.NO_ANSWER),
    ]
    store.write(scans, _LAYOUTS)
    assert store.history("M/v", at, at + 5000, 1) == [Bucket(at, 1, 4, 5.0, 5.0, 5.0)]
    assert store.history("M/i", at, at + 5000, 1) == [Bucket(at, 4, 1, 1.0, 1.0, 1.0)]


def test_late_and_disordered_readings_stand_at_their_own_time(store: Telemetry) -> None:
    store.write([_meter(5, 5.0), _meter(3, 3.0)], _LAYOUTS)
    store.write([_meter(1, 1.0, late_by=3_600_000), _meter(4, 4.0)], _LAYOUTS)
    store.write([_meter(-86_400 * 3, 7.0, late_by=86_400_000 * 3)], _LAYOUTS)
    answer = store.history("M/v", _START, _START + 6000, 6)
    assert [bucket.mean for bucket in answer] == [None, 1.0, None, 3.0, 4.0, 5.0]
    assert store.history("M/v", _START - 86_400_000 * 3, _START - 86_400_000 * 3 + 1000, 1)[0].mean == 7.0


def test_a_long_chart_counts_the_same_readings_as_a_short_one(store: Telemetry) -> None:
    scans = [_meter(30 * n, float(n % 7)) for n in range(2 * 60 * 10)]  # ten hours, every half minute
    store.write(scans, _LAYOUTS)
    hours = store.history("M/v", _START, _START + 36_000_000, 10)
    assert _counts(hours) == [120] * 10
    assert (hours[0].low, hours[0].high) == (0.0, 6.0)
    again = [store.history("M/v", _START + 3_600_000 * h, _START + 3_600_000 * (h + 1), 1)[0] for h in range(10)]
    assert [b.mean for b in hours] == pytest.approx([b.mean for b in again])
    days = store.history("M/v", _START - 86_400_000 * 15, _START + 86_400_000 * 15, 720)
    assert sum(_counts(days)) == 1200


def test_a_profile_edit_changes_no_history(store: Telemetry) -> None:
    store.write([_meter(0, 230.0, 1.5)], _LAYOUTS)
    edited = Layout(3, "meter", ("M/i", "M/p", "M/v"), "meter@2")
    store.write([Scan("meter", _START + 1000, _START + 1000, (2.5, 7.0, 231.0), bytes(3))], {"meter": edited})
    assert [b.mean for b in store.history("M/v", _START, _START + 2000, 2)] == [230.0, 231.0]
    assert [b.mean for b in store.history("M/i", _START, _START + 2000, 2)] == [1.5, 2.5]


@pytest.mark.parametrize(("span", "buckets"), [(0, 1), (-1, 1), (1000, 0), (1000, 5001), (10**15, 10)])
def test_a_question_without_sense_is_refused(store: Telemetry, span: int, buckets: int) -> None:
    with pytest.raises(ValueError, match="history"):
        store.history("M/v", _START, _START + span, buckets)


def test_as_many_buckets_as_may_be_asked_for_are_answered(store: Telemetry) -> None:
    store.write([_meter(n, float(n)) for n in range(3)], _LAYOUTS)
    answer = store.history("M/v", _START, _START + 5_000_000, MOST_BUCKETS)
    assert len(answer) == MOST_BUCKETS
    assert _counts(answer)[:4] == [1, 1, 1, 0]
    assert sum(_counts(store.history("M/v", _START + 60_000 - LONGEST_MS, _START + 60_000, 2))) == 3


def test_a_scan_that_fits_no_layout_is_refused_before_anything_is_written(store: Telemetry) -> None:
    with pytest.raises(ValueError, match="stranger"):
        store.write([_meter(0, 1.0), Scan("stranger", _START, _START, (1.0,), bytes(1))], _LAYOUTS)
    assert _counts(store.history("M/v", _START, _START + 1000, 1)) == [0]
