"""Storage policy: what says nothing new may be left out of the files, and nobody can tell by a chart or a count."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hands import Hands
from hypothesis import given, settings
from hypothesis import strategies as st

from facility.scan import FIRST_BAD, Reason, Scan, missed
from stores.telemetry.archive import Archive
from stores.telemetry.columns import Rows
from stores.telemetry.segments import RAW, Folder
from stores.telemetry.spool import Spool
from stores.telemetry.thinning import Policy, Thinner

_DAY = 86_400_000
_START = 20_700 * _DAY
_HEARTBEAT = 120_000
_BANDS = {"M/all": None, "M/state": 0.0, "M/volt": 0.5}


@st.composite
def _series(draw: st.DrawFn) -> Rows:
    """Three points that were read together, mostly every five seconds."""
    steps = draw(st.lists(st.sampled_from([5000] * 12 + [4990, 5200, 13_000, 400_000]), min_size=1, max_size=150))
    at = np.cumsum([_START, *steps])
    roll = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, names = len(at), sorted(_BANDS)
    value = np.concatenate([np.round(np.cumsum(roll.choice([0, 0, 0, 0.1, -0.2, 0.6, 5.0], n)), 1) for _ in names])
    value[n : 2 * n] = roll.integers(0, 2, n) * (roll.random(n) < 0.1)
    reason = np.where(roll.random(3 * n) < draw(st.sampled_from([0.0, 0.05])), Reason.NO_ANSWER, 0).astype(np.uint8)
    value[reason >= FIRST_BAD] = np.nan
    moved = np.tile(roll.random(n) < 0.02, 3)
    code = np.repeat(np.arange(3, dtype=np.int32), n)
    return Rows(names, code, np.tile(at, 3), value, reason, None, np.full(3 * n, 5000, np.int32), moved=moved)


@settings(deadline=None, max_examples=60)
@given(_series())
def test_a_left_out_reading_lies_within_the_deadband_of_the_kept_one_before_and_within_a_heartbeat(rows: Rows) -> None:
    kept = Thinner(Policy(_HEARTBEAT, _BANDS.__getitem__)).thinned(rows)
    for code, name in enumerate(rows.names):
        band = _BANDS[name]
        every, some = rows.where(rows.code == code), kept.where(kept.code == code)
        if band is None:
            assert len(some) == len(every)
            continue
        holder = np.searchsorted(some.at_ms, every.at_ms, side="right") - 1
        assert (holder >= 0).all(), "the first is kept"
        held, reason = some.value[holder], some.reason[holder]
        assert (reason == every.reason).all(), "quality is never thinned"
        assert (np.isnan(held) == np.isnan(every.value)).all()
        assert not (np.abs(held - every.value) > band).any(), "never further off than the deadband"
        assert (every.at_ms - some.at_ms[holder]).max() < _HEARTBEAT
        assert every.moved is not None
        assert set(every.at_ms[every.moved].tolist()) <= set(some.at_ms.tolist()), "what moved a rule is kept"


def test_much_is_left_out_of_what_stands_still() -> None:
    n = 600
    still = Rows(
        ["M/volt"], np.zeros(n, np.int32), _START + 1000 * np.arange(n), np.full(n, 230.0), np.zeros(n, np.uint8), None,
        np.full(n, 1000, np.int32),
    )  # fmt: skip
    assert len(Thinner(Policy(_HEARTBEAT, _BANDS.__getitem__)).thinned(still)) == 5
    assert len(Thinner(Policy(_HEARTBEAT, lambda _: None)).thinned(still)) == n


@pytest.fixture
def both(tmp_path: Path) -> Iterator[tuple[Archive, Archive, Path]]:
    """The same three hours in an archive that thins and in one that does not, of a service that was down for a while."""
    clock, archives, spools = Hands(_START), [], []
    roll = np.random.default_rng(5)
    speeds = np.cumsum(roll.choice([0.0, 0.0, 0.0, 0.3], 2160)).tolist()
    scans = [  # every five seconds; at first nobody is there, later the meter does not answer
        missed("meter", at, 3, Reason.NO_ANSWER)
        if 1000 <= i < 1003
        else Scan("meter", at, at + 3, (math.sin(i), float(i // 900 % 2), speeds[i]), bytes(3))
        for i, at in enumerate(range(_START, _START + 2160 * 5000, 5000))
        if not 700 <= i < 740
    ]
    for name, policy in (("thin", Policy(_HEARTBEAT, _BANDS.__getitem__)), ("whole", None)):
        clock.ms = _START
        spool = Spool(tmp_path / f"{name}.db", clock)
        spool.layout("meter", tuple(sorted(_BANDS)), "v1")
        archive = Archive(tmp_path / name, spool, policy)
        for start in range(0, len(scans), 75):
            some = scans[start : start + 75]
            clock.ms = some[-1].at_ms
            spool.commit(some)
            archive.compact(spool, clock.ms)
        clock.ms += 400_000
        archive.compact(spool, clock.ms)
        archives.append(archive)
        spools.append(spool)
    yield archives[0], archives[1], tmp_path
    for archive, spool in zip(archives, spools, strict=True):
        archive.close()
        spool.close()


def test_a_chart_of_what_was_thinned_has_no_gaps_but_those_that_were(both: tuple[Archive, Archive, Path]) -> None:
    thin, whole, folder = both
    rows = [sum(s.rows for s in Folder(folder / n).manifest().segments if s.kind == RAW) for n in ("thin", "whole")]
    assert rows[0] < 0.55 * rows[1], "a third, M/all, is kept whole"
    end = _START + 2160 * 5000
    spans = [
        (_START, end, 1),
        (_START, end, 180),
        (_START + 3_300_000, _START + 4_500_000, 240),
        (end - 60_000, end, 12),
    ]
    for point, band in (("M/state", 0.0), ("M/volt", 0.5), ("M/all", 0.0)):
        for start, stop, buckets in spans:
            pairs = list(
                zip(thin.history(point, start, stop, buckets), whole.history(point, start, stop, buckets), strict=True)
            )
            assert [t.count for t, _ in pairs] == [w.count for _, w in pairs], (point, buckets)
            assert [t.bad for t, _ in pairs] == [w.bad for _, w in pairs]
            assert all(
                abs(t.mean - w.mean) <= band + 1e-9 for t, w in pairs if t.mean is not None and w.mean is not None
            )
    silence = thin.history("M/volt", _START + 700 * 5000, _START + 740 * 5000, 40)
    assert [b.count for b in silence] == [0] * 40, "a silence stays one, to the second"


def test_counts_and_completeness_know_nothing_of_thinning(both: tuple[Archive, Archive, Path]) -> None:
    thin, whole, _ = both
    end = _START + 2160 * 5000
    assert thin.completeness(_BANDS, _START, end) == whole.completeness(_BANDS, _START, end)
    assert thin.history("M/volt", _START - _DAY, end, 24) == whole.history("M/volt", _START - _DAY, end, 24)
