"""Which files of the archive should become one, and which should go. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from stores.telemetry.segments import MINUTE, RAW, Segment
from stores.telemetry.stacks import DAY_MS

CLOSED_ROWS = 500_000
"""A file of this size is left alone: it is one good read, and a merge of it would hold too much memory."""

_MERGED_ROWS = 1_000_000  # 80 MB while it runs
_MANY = 8  # files of like size that become one: each row is rewritten once per factor of eight
_SETTLED_MS = 3_600_000  # a day takes late readings for this long before its files become one


@dataclass(frozen=True, slots=True)
class Merge:
    """Files of one kind and day that should become one; `closing` when nothing more is expected of the day."""

    segments: tuple[Segment, ...]
    closing: bool


def merge_due(segments: Iterable[Segment], now_ms: int) -> Merge | None:
    """Return the next merge that is worth its work, or None.

    While a day runs, files of like size are merged by eights, so that their number grows with the logarithm of its
    readings; an hour after it is over its small files become one.
    """
    days: dict[tuple[int, str, bool], list[Segment]] = {}
    for segment in segments:
        if segment.kind in {RAW, MINUTE} and segment.rows < CLOSED_ROWS:
            days.setdefault((segment.day, segment.kind, segment.noise), []).append(segment)
    for (day, *_), small in sorted(days.items()):
        waiting = [s for s in small if not s.closed]
        if not waiting:
            continue
        over = now_ms >= (day + 1) * DAY_MS + _SETTLED_MS
        if over and now_ms - max(s.made_ms for s in waiting) >= _SETTLED_MS:
            return Merge(_within(sorted(small, key=lambda s: (s.closed, s.rows))), closing=True)
        tiers: dict[int, list[Segment]] = {}
        for segment in waiting:
            tiers.setdefault(segment.rows.bit_length() // 3, []).append(segment)
        for _, like in sorted(tiers.items()):
            if len(like) >= _MANY:
                return Merge(_within(sorted(like, key=lambda s: s.rows)), closing=False)
    return None


def _within(segments: list[Segment]) -> tuple[Segment, ...]:
    """Return as many from the front as one merge may hold, one at least."""
    chosen, rows = segments[:1], segments[0].rows
    for segment in segments[1:]:
        rows += segment.rows
        if rows > _MERGED_ROWS:
            break
        chosen.append(segment)
    return tuple(chosen)


def outlived(segments: Iterable[Segment], now_ms: int, raw_days: int, rollup_days: int) -> list[Segment]:
    """Return the files whose whole day lies more than so many days back."""
    today = now_ms // DAY_MS
    return [s for s in segments if s.day < today - (raw_days if s.kind == RAW else rollup_days)]
