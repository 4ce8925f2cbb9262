"""How much of a time a point has spoken for: the figure a handover stands on, made of rollups. Pure.

The pieces are hours, where hours lie whole inside the time, and minutes elsewhere. Both say when somebody spoke, so
that the longest silence is found across pieces as within them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from stores.telemetry.batch import Ints
from stores.telemetry.rollup import MINUTE_MS, Sums

_GAP_BITS = 31  # a gap is less than 2^31 ms


@dataclass(frozen=True, slots=True)
class Completeness:
    """How much of a time a point has spoken for.

    `count` believed and `bad` readings; `gap_ms` the usual time between two (0 unknown) and `expected` the readings
    that it promises; `ratio` is count over expected, at most 1, None where nothing tells what to expect. `hole_ms` is
    the longest time without a believed reading, to the minute.
    """

    point: str
    count: int
    bad: int
    gap_ms: int
    expected: int
    ratio: float | None
    hole_ms: int


@dataclass(slots=True, eq=False)
class Pieces:
    """Parts of the time, of many points: `place` says whose. Where count is 0 nobody spoke from `from_ms` to `to_ms`.

    `hole_ms` is the longest silence inside the part, 0 in a minute.
    """

    place: Ints
    from_ms: Ints
    to_ms: Ints
    count: Ints
    bad: Ints
    gap_ms: Ints
    hole_ms: Ints

    def where(self, which: "NDArray[np.bool_] | Ints") -> "Pieces":
        """Return some of the pieces."""
        return Pieces(*(getattr(self, field.name)[which] for field in fields(self)))


def together(parts: Sequence[Pieces]) -> Pieces:
    """Return the pieces of all parts in the order of place and time."""
    pieces = Pieces(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Pieces)))
    if not len(pieces.place):
        return pieces
    # One number to sort by, as sorting by two takes five times as long.
    first = int(pieces.from_ms.min())
    key = pieces.place * (int(pieces.from_ms.max()) - first + 1) + (pieces.from_ms - first)
    return pieces.where(np.argsort(key, kind="stable"))


def of_minutes(place: Ints, at: Ints, count: Ints, bad: Ints, gap: Ints) -> Pieces:
    """Return minutes as pieces."""
    return Pieces(place, at, at + MINUTE_MS, count, bad, gap, np.zeros(len(place), np.int64))


def of_head(head: Sums, points: Sequence[str], from_ms: int, to_ms: int) -> Pieces:
    """Return the minutes of the sorted points, of sums that are still in memory."""
    names = np.array(list(head.names), np.str_)
    wanted = np.asarray(points, np.str_)
    place = np.minimum(np.searchsorted(wanted, names), len(points) - 1)
    place = np.where(wanted[place] == names, place, -1)[head.code]
    inside = (head.at_ms >= from_ms) & (head.at_ms < to_ms) & (place >= 0)
    columns = (place, head.at_ms, head.count, head.bad, head.gap_ms)
    return of_minutes(*(column[inside].astype(np.int64) for column in columns))


def doubtful(pieces: Pieces) -> Ints:
    """Return the places of which one piece lies inside the silence of another: only their minutes can tell.

    The pieces are in order, as `together` gives them.
    """
    if not pieces.hole_ms.any():
        return np.zeros(0, np.int64)
    spoken = pieces.where(pieces.count > 0)
    if len(spoken.place) < 2:  # noqa: PLR2004 - one piece overlaps no other
        return np.zeros(0, np.int64)
    same = spoken.place[1:] == spoken.place[:-1]
    over = same & (spoken.from_ms[1:] < _reach(spoken)[:-1])
    silent = (spoken.hole_ms[1:] > 0) | (_silence(spoken)[:-1] > 0)
    return np.unique(spoken.place[1:][over & silent])


def answer(points: Sequence[str], pieces: Pieces, from_ms: int, to_ms: int) -> list[Completeness]:
    """Return what the pieces of the points, in order, come to over [from_ms, to_ms)."""
    n = len(points)
    count = np.bincount(pieces.place, pieces.count, n).astype(np.int64)
    bad = np.bincount(pieces.place, pieces.bad, n).astype(np.int64)
    gap = _usual(n, pieces)
    expected = np.where(gap > 0, (to_ms - from_ms) // np.maximum(gap, 1), 0)
    hole = _holes(n, pieces, from_ms, to_ms)
    columns = (column.tolist() for column in (count, bad, gap, expected, hole))
    return [
        Completeness(point, c, b, g, e, min(1.0, c / e) if e else None, h)
        for point, c, b, g, e, h in zip(points, *columns, strict=True)
    ]


def _usual(n: int, pieces: Pieces) -> Ints:
    """Return the median gap of each place; 0 where none is known."""
    known = pieces.gap_ms > 0
    both = np.sort((pieces.place[known] << _GAP_BITS) | pieces.gap_ms[known])
    place, gap = both >> _GAP_BITS, both & ((1 << _GAP_BITS) - 1)
    found, starts, counts = np.unique(place, return_index=True, return_counts=True)
    usual = np.zeros(n, np.int64)
    usual[found] = gap[starts + (counts - 1) // 2]
    return usual


def _holes(n: int, pieces: Pieces, from_ms: int, to_ms: int) -> Ints:
    """Return the longest silence of each place."""
    longest = np.full(n, to_ms - from_ms, np.int64)
    spoken = pieces.where(pieces.count > 0)
    if not len(spoken.place):
        return longest
    edge = spoken.place[1:] != spoken.place[:-1]
    starts = np.concatenate(([0], np.flatnonzero(edge) + 1))
    before = np.concatenate(([from_ms], _reach(spoken)[:-1]))
    before[starts] = from_ms
    inner = np.maximum.reduceat(np.maximum(spoken.from_ms - before, spoken.hole_ms), starts)
    last = to_ms - np.maximum.reduceat(spoken.to_ms, starts)
    longest[spoken.place[starts]] = np.maximum(np.maximum(inner, last), 0)
    return longest


def _reach(spoken: Pieces) -> Ints:
    """Return how far the pieces of a place up to each one reach."""
    return _running(spoken.place, spoken.to_ms)


def _silence(spoken: Pieces) -> Ints:
    """Return the longest silence inside the pieces of a place up to each one."""
    return _running(spoken.place, spoken.hole_ms)


def _running(place: Ints, number: Ints) -> Ints:
    """Return the highest number so far, anew for each place."""
    low = int(number.min())
    step = int(number.max()) - low + 1
    raised: Ints = np.maximum.accumulate((number - low) + place * step)
    return raised - place * step + low
