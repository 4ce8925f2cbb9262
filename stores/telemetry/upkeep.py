"""Which files of the archive should become one, and which should go. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from stores.telemetry.segments import ARRIVAL, HOUR, MINUTE, RAW, Segment
from stores.telemetry.stacks import DAY_MS

CLOSED_ROWS = {RAW: 2_000_000, MINUTE: 500_000, HOUR: 0, ARRIVAL: 500_000}
"""A file of this size is left alone: writing it again gains nothing, and the edges of a time would read too much."""

_MANY = 8  # files of like size that become one: each row is rewritten once per factor of eight
_MOST_FILES = 64  # of minutes that get hours together: a megabyte each, while they are read side by side
_WORTH_MS = 1_800_000  # hours of fewer minutes than these would be as many rows as the minutes
_SETTLED_MS = 3_600_000  # a day takes late readings for this long before its files become one


@dataclass(frozen=True, slots=True)
class Merge:
    """Files of one kind and day that should become one; `closing` when nothing more is expected of the day.

    With `hours` they are minutes, stay, and get one file of hours together.
    """

    segments: tuple[Segment, ...]
    closing: bool
    hours: bool = False


def merge_due(segments: Sequence[Segment], now_ms: int) -> Merge | None:
    """Return the next merge that is worth its work, or None.

    While a day runs, files of like size are merged by eights, so that their number grows with the logarithm of its
    readings; an hour after it is over its small files become one. Minutes to which nothing is added any more get their
    hours, once they are half an hour, and the hours of a day become few files in the same way.
    """
    days: dict[tuple[int, str, bool], list[Segment]] = {}
    for segment in segments:
        if segment.rows < CLOSED_ROWS[segment.kind]:
            days.setdefault((segment.day, segment.kind, segment.noise), []).append(segment)
    for (day, *_), small in sorted(days.items()):
        waiting = [s for s in small if not s.closed]
        if not waiting:
            continue
        if _over(day, now_ms) and now_ms - max(s.made_ms for s in waiting) >= _SETTLED_MS:
            return Merge(_within(sorted(small, key=lambda s: (s.closed, s.rows))), closing=True)
        tiers: dict[int, list[Segment]] = {}
        for segment in waiting:
            tiers.setdefault(segment.rows.bit_length() // 3, []).append(segment)
        for _, like in sorted(tiers.items()):
            if len(like) >= _MANY:
                return Merge(_within(sorted(like, key=lambda s: s.rows)), closing=False)
    return _hours_due(segments, now_ms)


def _hours_due(segments: Sequence[Segment], now_ms: int) -> Merge | None:
    days: dict[int, list[Segment]] = {}
    for segment in segments:
        if segment.kind == MINUTE:
            days.setdefault(segment.day, []).append(segment)
    for day, minutes in sorted(days.items()):
        closed = [s for s in minutes if s.closed]
        by_twin: dict[str, list[Segment]] = {}
        for segment in closed:
            by_twin.setdefault(segment.twin, []).append(segment)
        bare = by_twin.pop("", [])
        over = _over(day, now_ms)
        if bare and (over or max(s.to_ms for s in bare) - min(s.from_ms for s in bare) >= _WORTH_MS):
            return Merge(tuple(bare[:_MOST_FILES]), closing=False, hours=True)
        if chosen := _twins_due(by_twin.values(), alike=over and len(closed) == len(minutes)):
            return Merge(tuple(chosen), closing=False, hours=True)
    return None


def _twins_due(groups: Iterable[list[Segment]], *, alike: bool) -> list[Segment]:
    """Return the minutes whose hours should become one file: eight of like size, or any where all count as `alike`."""
    tiers: dict[int, list[list[Segment]]] = {}
    for those in groups:
        tiers.setdefault(0 if alike else sum(s.rows for s in those).bit_length() // 3, []).append(those)
    for _, like in sorted(tiers.items()):
        chosen, files = list[list[Segment]](), 0
        for those in sorted(like, key=len):
            files += len(those)
            if files > _MOST_FILES:
                break
            chosen.append(those)
        if len(chosen) >= (2 if alike else _MANY):
            return list(chain.from_iterable(chosen))
    return []


def _over(day: int, now_ms: int) -> bool:
    return now_ms >= (day + 1) * DAY_MS + _SETTLED_MS


def _within(segments: list[Segment]) -> tuple[Segment, ...]:
    """Return as many from the front as one merge may hold, one at least."""
    chosen, rows = segments[:1], segments[0].rows
    for segment in segments[1:]:
        rows += segment.rows
        if rows > 2 * CLOSED_ROWS[segment.kind]:
            break
        chosen.append(segment)
    return tuple(chosen)


def outlived(segments: Iterable[Segment], now_ms: int, raw_days: int, rollup_days: int) -> list[Segment]:
    """Return the files whose whole day lies more than so many days back."""
    first = dict.fromkeys((RAW, ARRIVAL), first_day(now_ms, raw_days))
    rollups = first_day(now_ms, rollup_days)
    return [s for s in segments if s.day < first.get(s.kind, rollups)]


def first_day(now_ms: int, days: int) -> int:
    """Return the first UTC day of which everything is kept."""
    return now_ms // DAY_MS - days
