"""Completeness and merges against the plainest account of the same readings."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hands import Hands

from facility.scan import Reason, Scan, missed
from stores.telemetry import segments, upkeep
from stores.telemetry.archive import Archive
from stores.telemetry.completeness import Completeness
from stores.telemetry.segments import ARRIVAL, HOUR, MINUTE, RAW, Folder
from stores.telemetry.spool import Spool

_DAY = 86_400_000
_START = 20_700 * _DAY
_MINUTE, _HOUR = 60_000, 3_600_000
_END = _START + 8 * _HOUR


def _plain(point: str, scans: Sequence[Scan], from_ms: int, to_ms: int) -> tuple[str, int, int, int]:
    """Point, believed, bad, longest silence: of the minutes that begin in the time."""
    inside = [s for s in scans if from_ms <= s.at_ms // _MINUTE * _MINUTE < to_ms]
    good = sorted({s.at_ms // _MINUTE * _MINUTE for s in inside if not s.reasons[0]})
    edges = [from_ms, *(minute + _MINUTE for minute in good)], [*good, to_ms]
    silence = max(0, *(stop - start for start, stop in zip(*edges, strict=True)))
    return point, sum(not s.reasons[0] for s in inside), sum(bool(s.reasons[0]) for s in inside), silence


def _said(found: Completeness) -> tuple[str, int, int, int]:
    return found.point, found.count, found.bad, found.hole_ms


@pytest.fixture
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Row groups, files and merges as of a large site, in small."""
    monkeypatch.setattr(segments, "ROW_GROUP", {RAW: 11, MINUTE: 7, HOUR: 5, ARRIVAL: 3})
    monkeypatch.setattr(upkeep, "_MANY", 3)
    monkeypatch.setitem(upkeep.CLOSED_ROWS, RAW, 60)
    monkeypatch.setitem(upkeep.CLOSED_ROWS, MINUTE, 25)


@pytest.mark.parametrize(("seed", "late"), [(1, False), (2, True)])
@pytest.mark.usefixtures("small_files")
def test_hours_and_minutes_tell_what_every_reading_told(seed: int, late: bool) -> None:
    roll = np.random.default_rng(seed)
    clock = Hands(_START)
    clock.ms = _START
    scans: dict[str, list[Scan]] = {"a": [], "b/1": [], "b": []}
    with tempfile.TemporaryDirectory() as folder:
        spool = Spool(Path(folder) / "spool.db", clock)
        for device in scans:
            spool.layout(device, (f"{device}/v",), "v1")
        archive = Archive(Path(folder) / "archive", spool)
        for turn in range(16):
            # Half an hour each, with silences, and some of it late: it lies in what others left empty.
            now = _START + (turn + 1) * 1_800_000
            some = []
            for device, told in scans.items():
                for _ in range(int(roll.integers(0, 9))):
                    at = int(now - roll.integers(0, 1_800_000 if roll.random() < 0.8 else 4 * _HOUR))
                    at = max(at, _START)
                    if any(s.at_ms == at for s in told):
                        continue
                    good = Scan(device, at, at, (float(turn),), bytes(1))
                    told.append(good if roll.random() < 0.9 else missed(device, at, 1, Reason.NO_ANSWER))
                    some.append(told[-1])
            clock.ms = now
            spool.commit(some)
            while archive.compact(spool, now + (400_000 if turn < 14 else 0)):
                pass
        for hours in (10, 12) if late else ():
            while archive.compact(spool, _START + _DAY + hours * _HOUR):
                pass
        kinds = [s.kind for s in Folder(Path(folder) / "archive").manifest().segments]
        assert HOUR in kinds
        assert not late or kinds.count(HOUR) == 1, "the hours of a day become one file"
        for _ in range(40):
            first = int(roll.integers(_START - _HOUR, _END))
            last = int(roll.integers(first + 1, _END + _HOUR))
            names = sorted(f"{device}/v" for device in scans)
            found = archive.completeness(names, first, last)
            assert [_said(f) for f in found] == [_plain(n, scans[n[:-2]], first, last) for n in names]
        for device, told in scans.items():
            chart = archive.history(f"{device}/v", _START, _END + 1, 1)[0]
            assert (chart.count, chart.bad) == _plain("", told, _START, _END + 1)[1:3], "long"
            hour = archive.history(f"{device}/v", _START + _HOUR, _START + 3 * _HOUR, 120)
            inside = [s for s in told if _START + _HOUR <= s.at_ms < _START + 3 * _HOUR and not s.reasons[0]]
            assert sum(b.count for b in hour) == len(inside), "short"
        archive.close()
        spool.close()
