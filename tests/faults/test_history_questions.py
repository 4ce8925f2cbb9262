"""A question about the past that is too large: an answer of bounded size, or a refusal in time; never the machine."""

import resource
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from stores.errors import HistoryTooLargeError
from stores.telemetry import query
from stores.telemetry.archive import MOST_POINTS, Archive

_DAY = 86_400_000
_START = 20_000 * _DAY
_YEAR = 365 * _DAY


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """A year of one point every quarter of an hour, and a day of another every 80 ms: 10^6 readings."""
    archive = Archive(tmp_path_factory.mktemp("archive"))
    slow = _START + np.arange(0, _YEAR, 900_000)
    fast = _START + np.arange(0, _DAY, 80)
    archive.import_columns([("m/slow", slow, np.sin(slow / _DAY)), ("m/fast", fast, np.sin(fast / _DAY))])
    yield archive
    archive.close()


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def test_f34_a_year_and_a_million_readings_are_answered_in_buckets(archive: Archive) -> None:
    archive.history("m/slow", _START, _START + _DAY, 1)
    before, began = _peak_mb(), time.monotonic()
    year = archive.history("m/slow", _START, _START + _YEAR, 5_000)
    assert len(year) == 5_000
    assert sum(b.count for b in year) == 365 * 96
    million = archive.history("m/fast", _START, _START + _DAY, 5_000)
    assert sum(b.count for b in million) == 1_080_000
    assert time.monotonic() - began < query.PATIENCE_S
    assert _peak_mb() - before < 250
    for span, buckets in ((30 * _YEAR, 100), (_YEAR, 5_001), (_YEAR, 10**6)):
        with pytest.raises(ValueError, match="history"):
            archive.history("m/slow", _START, _START + span, buckets)


def test_f34_a_million_points_are_too_many_for_one_question(archive: Archive) -> None:
    with pytest.raises(ValueError, match=str(MOST_POINTS)):
        archive.completeness((f"m/{n}" for n in range(1_000_000)), _START, _START + _YEAR)
    (found,) = archive.completeness(["m/slow"], _START, _START + _YEAR)
    assert (found.count, found.ratio) == (365 * 96, 1.0)


def test_f34_what_would_bring_more_rows_than_there_is_room_for_is_given_up(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query, "MOST_ROWS", 20_000)
    with pytest.raises(HistoryTooLargeError, match="缩短时间范围"):
        archive.history("m/fast", _START, _START + _DAY // 4, 100)
    assert sum(b.count for b in archive.history("m/fast", _START, _START + _DAY // 100, 100)) == 10_800


def test_f34_what_takes_too_long_is_given_up_waiting_included(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query, "PATIENCE_S", 0.0)
    with pytest.raises(HistoryTooLargeError, match="Monitoring is not affected"):
        archive.history("m/fast", _START, _START + _DAY // 4, 100)
    monkeypatch.setattr(query, "PATIENCE_S", 0.05)
    reader, told = archive._query, threading.Event()

    def waits() -> None:
        with pytest.raises(HistoryTooLargeError):
            archive.history("m/slow", _START, _START + _DAY, 10)
        told.set()

    with reader.asked():
        other = threading.Thread(target=waits)
        other.start()
        assert told.wait(5), "somebody else's question is waited for, but not for ever"
    other.join()
    monkeypatch.undo()
    assert archive.history("m/slow", _START, _START + _DAY, 1)[0].count == 96, "and the next one is answered"
