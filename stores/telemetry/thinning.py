"""Which readings need not be kept because they say nothing new, and how a chart gets them back. Pure.

Rollups are made before anything is left out: counts and completeness know nothing of it. A minute that touches a
silence is kept whole, so that what is missing from any other minute was left out, and the reading before stands for it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stores.telemetry.batch import Floats, Ints, Octets
from stores.telemetry.columns import Rows
from stores.telemetry.completeness import Pieces
from stores.telemetry.rollup import MINUTE_MS

_SILENCE = 2.5  # usual gaps without a reading


@dataclass(frozen=True, slots=True)
class Policy:
    """One reading is kept at least every `heartbeat_ms`; `deadband` says of a point how far a left-out one may lie off.

    None: the point is kept whole. 0: every change is kept.
    """

    heartbeat_ms: int
    deadband: Callable[[str], float | None]


class Thinner:
    """Leaves out readings by a policy; remembers the bands of the names it saw last."""

    def __init__(self, policy: Policy) -> None:
        self.hold_ms = policy.heartbeat_ms
        self._policy = policy
        self._names: Sequence[str] = ()
        self._bands: Floats = np.zeros(0)

    def thinned(self, rows: Rows) -> Rows:
        """Return the rows that must be kept; the first of each point always is."""
        if rows.names is not self._names:
            bands = (self._policy.deadband(name) for name in rows.names)
            self._bands = np.array([np.nan if band is None else band for band in bands])
            self._names = rows.names
        band = self._bands[rows.code]
        whole = np.isnan(band)
        if whole.all():
            return rows
        forced = whole | _telling(rows, self.hold_ms) | _by_silences(rows)
        return rows.where(_kept(rows.value, band, forced))


Mask = NDArray[np.bool_]


def _telling(rows: Rows, heartbeat_ms: int) -> Mask:
    """Mark the first reading of each point and heartbeat, every change of quality, and what moved a rule."""
    forced = np.ones(len(rows), np.bool_)
    same = (rows.code[1:] == rows.code[:-1]) & (rows.at_ms[1:] // heartbeat_ms == rows.at_ms[:-1] // heartbeat_ms)
    nothing = np.isnan(rows.value)
    forced[1:] = ~same | (rows.reason[1:] != rows.reason[:-1]) | (nothing[1:] != nothing[:-1])
    if rows.moved is not None:
        forced |= rows.moved
    return forced


def _by_silences(rows: Rows) -> Mask:
    """Mark the minutes in which a silence begins or ends, and points of which nobody knows how often they speak."""
    silent = (rows.code[1:] == rows.code[:-1]) & (np.diff(rows.at_ms) > _SILENCE * rows.gap_ms[1:])
    whole: Mask = rows.gap_ms == 0
    if not silent.any():
        return whole
    minute = rows.at_ms // MINUTE_MS
    part = np.concatenate(([0], np.cumsum((rows.code[1:] != rows.code[:-1]) | (minute[1:] != minute[:-1]))))
    after = np.flatnonzero(silent) + 1
    touched = np.zeros(int(part[-1]) + 1, np.bool_)
    touched[part[after]] = touched[part[after - 1]] = True
    whole |= touched[part]
    return whole


def _kept(value: Floats, band: Floats, forced: Mask) -> Mask:
    """Mark, besides those that are forced, each reading that lies further than the band from the last kept one."""
    kept = forced.copy()
    changes = ~forced
    changes[1:] &= (value[1:] != value[:-1]) & ~(np.isnan(value[1:]) & np.isnan(value[:-1]))
    any_change = band == 0
    kept |= any_change & changes
    # What lies between two forced readings depends on nothing outside: all such stretches are walked side by side.
    starts = np.flatnonzero(forced)
    lengths = np.diff(np.append(starts, len(value)))
    walked = (lengths > 1) & ~any_change[starts]
    starts, lengths = starts[walked], lengths[walked]
    order = np.argsort(-lengths, kind="stable")
    starts, lengths = starts[order], lengths[order]
    last = value[starts].copy()
    for step in range(1, int(lengths[0]) if len(lengths) else 0):
        n = int(np.searchsorted(-lengths, -step, side="left"))
        place = starts[:n] + step
        new = value[place]
        far = np.abs(new - last[:n]) > band[place]
        kept[place] |= far
        last[:n][far] = new[far]
    return kept


def filled(
    kept: tuple[Ints, Floats, Octets], hold_ms: int, minute_ms: Ints, total: Ints, gap_ms: Ints
) -> tuple[Ints, Floats, Octets]:
    """Return stand-ins for the readings that were left out: as many as each minute had more than are kept of it.

    `kept` are the readings of one point, from before the first minute on, sorted by time; each stands for what follows
    it, but not for longer than `hold_ms`: then it is itself missing, and with it what it stood for.
    """
    at, value, reason = kept
    count = np.searchsorted(at, minute_ms + MINUTE_MS) - np.searchsorted(at, minute_ms)
    times: list[Ints] = [np.zeros(0, np.int64)]
    for minute, missing, gap in zip(minute_ms.tolist(), (total - count).tolist(), gap_ms.tolist(), strict=True):
        if missing <= 0 or not gap:
            continue
        inside = at[np.searchsorted(at, minute) : np.searchsorted(at, minute + MINUTE_MS)]
        before = at[: np.searchsorted(at, minute)][-1:]
        phase = int(inside[0] if len(inside) else before[0] if len(before) else minute) % gap
        slots = np.arange(minute + (phase - minute) % gap, minute + MINUTE_MS, gap)
        near = np.searchsorted(inside, slots - gap // 2) < np.searchsorted(inside, slots + gap - gap // 2)
        times.append(slots[~near][:missing])
    new = np.concatenate(times)
    holder = np.searchsorted(at, new, side="right") - 1
    held = holder >= 0
    held[held] = new[held] - at[holder[held]] <= hold_ms
    return new[held], value[holder[held]], reason[holder[held]]


def of_each_minute(pieces: Pieces) -> tuple[Ints, Ints, Ints]:
    """Return minute, number of readings and usual gap of a point's minutes, parts of one minute added up."""
    minute, starts = np.unique(pieces.from_ms, return_index=True)
    if not len(minute):
        return minute, minute, minute
    return minute, np.add.reduceat(pieces.count + pieces.bad, starts), np.maximum.reduceat(pieces.gap_ms, starts)
