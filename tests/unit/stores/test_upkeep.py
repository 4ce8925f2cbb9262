"""Which minutes get hours, and when: enough of them to be worth it, never more files than may be open side by side."""

from dataclasses import replace

from stores.telemetry.segments import HOUR, MINUTE, Segment
from stores.telemetry.stacks import DAY_MS
from stores.telemetry.upkeep import Merge, merge_due

_MINUTE_MS = 60_000
_ROWS = 1_000_000


def _minutes(first: int, many: int, twin: str = "", rows: int = _ROWS) -> list[Segment]:
    """Closed files of a minute each."""
    return [
        Segment(f"m{n}", MINUTE, 0, rows, n * _MINUTE_MS, (n + 1) * _MINUTE_MS - 1, 0, closed=True, twin=twin)
        for n in range(first, first + many)
    ]


def _hours(name: str) -> Segment:
    return Segment(name, HOUR, 0, _ROWS, 0, DAY_MS - 1, 0, closed=True)


def _due(segments: list[Segment], now_ms: int = DAY_MS // 2) -> Merge | None:
    return merge_due(segments, now_ms)


def test_minutes_wait_for_half_an_hour_of_them_while_the_day_runs() -> None:
    assert _due(_minutes(0, 29)) is None
    due = _due(_minutes(0, 31))
    assert due is not None
    assert (due.hours, len(due.segments)) == (True, 31)
    assert _due(_minutes(0, 3), now_ms=2 * DAY_MS) is not None, "the day is over: nothing more comes"


def test_hours_of_like_size_become_one_by_eights() -> None:
    some = [s for n in range(7) for s in [*_minutes(10 * n, 6, f"h{n}"), _hours(f"h{n}")]]
    assert _due(some) is None
    due = _due([*some, *_minutes(70, 6, "h7"), _hours("h7")])
    assert due is not None
    assert {s.twin for s in due.segments} == {f"h{n}" for n in range(8)}


def test_no_more_files_are_read_side_by_side_than_may_be() -> None:
    large = [s for n in range(9) for s in [*_minutes(31 * n, 31, f"h{n}"), _hours(f"h{n}")]]
    assert _due(large) is None, "eight of them would be 248 files"
    over = _due(large, now_ms=2 * DAY_MS)
    assert over is not None
    assert len(over.segments) == 62
    bare = _due([replace(s, twin="") for s in large if s.kind == MINUTE])
    assert bare is not None
    assert len(bare.segments) == 64


def test_a_day_comes_to_rest() -> None:
    segments = _minutes(0, 24 * 60)
    for number in range(1000):
        due = _due(segments, now_ms=2 * DAY_MS)
        if due is None:
            break
        chosen = {s.name for s in due.segments}
        gone = {s.twin for s in due.segments}
        kept = [replace(s, twin=f"h{number}") if s.name in chosen else s for s in segments if s.name not in gone]
        segments = [*kept, _hours(f"h{number}")]
    assert sum(s.kind == HOUR for s in segments) == -(-24 * 60 // 64)
    assert all(s.twin for s in segments if s.kind == MINUTE)
