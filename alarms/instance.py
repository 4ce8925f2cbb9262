"""A rule on a machine, and what is known of a device: what the evaluator works on."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from math import inf

import numpy as np
from numpy.typing import NDArray

from alarms.form import Form
from alarms.timed import Timed
from alarms.watch import NEVER_QUIET, Beyond, Count, Missing, Rate, Silence, Watch
from facility.rule import Condition, Rule
from facility.scan import Scan, value_in

Floats = NDArray[np.float64]
_DOUBLE = np.dtype("<f8")


class Phase(IntEnum):
    """Where a rule stands on its machine."""

    NORMAL = 0
    RISING = 1  # holds, the on-delay runs
    ACTIVE = 2
    FALLING = 3  # active, no longer holds, the off-delay runs


@dataclass(slots=True, eq=False)
class Instance:
    """One rung of a rule on one machine (or device). Times are UTC milliseconds.

    `since_ms` and `scan_ms` are the device's time, `due_ms` is ours: a delay is measured on our clock from the
    moment we heard, and told in the device's time. `raised_ms` and `cleared_ms` are of its newest transitions.
    """

    order: int
    owner: str
    form: Form
    watches: tuple[Watch, ...]  # one per condition of its form
    lists: tuple["Watchlist", ...]  # the devices it needs, without doubles
    counts: tuple[Count, ...]
    timed: tuple[tuple[int, Timed], ...]  # with their place among the watches, counted from 1
    phase: Phase = Phase.NORMAL
    since_ms: int = 0
    due_ms: int | None = None
    scan_ms: int = 0
    device: str = ""
    raised_ms: int = -1
    cleared_ms: int = -1
    recheck: bool = False  # was set by hand: the next good value judges it even when nothing changed

    @property
    def rule(self) -> Rule:
        """Whose rung it is."""
        return self.form.rule

    @property
    def rung(self) -> int:
        """Which: 0 is the rule itself."""
        return self.form.rung

    @property
    def active(self) -> bool:
        """Whether its alarm stands."""
        return self.phase >= Phase.ACTIVE

    @property
    def flows(self) -> bool:
        """Whether what it knows changes with every value."""
        return any(isinstance(w, Count | Rate) for w in self.watches)

    @property
    def remembers(self) -> bool:
        """Whether it has learnt anything that a new start would not know."""
        return (
            self.phase is not Phase.NORMAL
            or self.recheck
            or self.raised_ms >= 0
            or self.cleared_ms >= 0
            or self.flows
            or (self.form.needed < len(self.watches) and any(w.holds is not None for w in self.watches))
            or any(w.holds or (isinstance(w, Timed) and w.remembers) for w in self.watches)
        )

    def holds(self) -> bool | None:
        """Say whether all that must hold does, and one of the others; None when that hangs on a value never seen."""
        known = True
        needed = self.form.needed
        for watch in self.watches[:needed]:
            if watch.holds is False:
                return False
            known = known and (watch.holds is True or isinstance(watch, Count))
        if needed < len(self.watches):
            others = [watch.holds for watch in self.watches[needed:]]
            if True not in others:
                if None not in others:
                    return False
                known = False
        return True if known else None

    def decider(self) -> Watch:
        """Return the condition that is to be named: the one that ended it, or one that brought it."""
        if self.phase is Phase.ACTIVE:
            return next((w for w in self.watches[self.form.needed :] if w.holds), self.watches[0])
        return next((w for w in self.watches if w.holds is False), self.watches[0])


@dataclass(frozen=True, slots=True, eq=False)
class Resting:
    """One rung as it lies on every device of a shape, not yet watched: none of its conditions ever held.

    `owner` counts the device's machines, `positions` are those of each condition: two where two points are compared.
    """

    form: Form
    owner: int
    positions: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """What devices with the same machines and points have in common, so that a thousand of them share one table.

    `lows` and `highs` say per position where a value tells no resting rule anything; `at` names, per position, the
    resting rules that look there. `eager` are those that must see every value.
    """

    lows: Floats
    highs: Floats
    quiet: bytes  # what the comparison of a whole scan gives when every value is in its band
    at: Mapping[int, tuple[int, ...]]
    resting: tuple[Resting, ...]
    eager: tuple[Resting, ...]


@dataclass(slots=True, eq=False)
class Watchlist:
    """What is known of one device and of the rules on its points.

    `lows` and `highs` are, per position, where the quiet bands of all that looks there overlap; they are the shape's
    own arrays until something of this device differs. `made` are its resting rules that had to be looked at.
    """

    device: str
    points: tuple[str, ...]
    size: int
    shape: Shape
    owners: tuple[str, ...]
    all_good: bytes
    last: bytes  # image of the last good value of each point, NaN before the first
    lows: Floats
    highs: Floats
    own_bands: bool = False
    made: dict[int, Instance] = field(default_factory=dict)
    watches: dict[int, tuple[Watch, ...]] = field(default_factory=dict)
    silences: tuple[Instance, ...] = ()
    shared: tuple[Instance, ...] = ()  # instances that need other devices too
    missing: tuple[Missing, ...] = ()
    timed: tuple[Timed, ...] = ()
    waiting: dict[int, Instance] = field(default_factory=dict)  # delays that began with this device's word
    clocks: dict[tuple[int, int], Timed] = field(default_factory=dict)  # conditions that ripen in its time
    next_ms: float = inf  # no delay or condition of these ends before that, in its time
    patience_ms: int = 60_000  # longer than that between two words: it was not read meanwhile
    newest_ms: int = -1
    late_since_ms: int | None = None
    silent: bool = False
    odd: bool = False  # the next scan needs a closer look even when all its values are good
    checksum: int | None = None  # of the points; made when first asked for
    bad: tuple[bytes, tuple[int, ...]] = (b"", ())  # the newest reasons, and where they are not good

    def known(self, position: int) -> float:
        """Return the last good value of a point, NaN before the first."""
        return value_in(self.last, position)

    def bad_positions(self, reasons: bytes) -> tuple[int, ...]:
        """Return where the values are not good; mostly these are the same from scan to scan."""
        if self.bad[0] != reasons:
            self.bad = (reasons, tuple(p for p, reason in enumerate(reasons) if reason))
        return self.bad[1]

    def out_of_band(self, scan: Scan) -> list[int]:
        """Return the positions whose value left its quiet band, NaN among them."""
        values, quiet = np.frombuffer(scan.image, _DOUBLE), self.shape.quiet
        above, below = values >= self.lows, values <= self.highs
        if above.tobytes() == quiet and below.tobytes() == quiet:  # nearly always; one operation less than both in one
            return []
        return np.flatnonzero(~(above & below)).tolist()

    def reset_bands(self, positions: Iterable[int] | None = None) -> None:
        """Make whoever looks at these positions (at any) look at the next value."""
        for position in range(self.size) if positions is None else positions:
            self.set_band(position, *NEVER_QUIET)

    def set_band(self, position: int, low: float, high: float) -> None:
        """Set where values of a position say nothing new."""
        if not self.own_bands:
            self.lows, self.highs, self.own_bands = self.lows.copy(), self.highs.copy(), True
        self.lows[position], self.highs[position] = low, high

    def fit(self, position: int) -> None:
        """Set where all that looks there is quiet, after they have looked."""
        self.set_band(position, *_overlap(self.watches.get(position, ())))

    def awaits(self, position: int) -> bool:
        """Say whether the next value is to be looked at whatever it is."""
        return bool(self.lows[position] == inf)

    def watch(self, instance: Instance) -> None:
        """Let an instance see every next value of its points here."""
        for part in (part for watch in instance.watches for part in watch.parts if part.device == self.device):
            if isinstance(part, Missing):
                self.missing = (*self.missing, part)
            elif not isinstance(part, Silence):
                self.watches[part.position] = (*self.watches.get(part.position, ()), part)
                self.set_band(part.position, *NEVER_QUIET)
                if isinstance(part, Timed):
                    self.timed = (*self.timed, part)


def _overlap(watches: Sequence[Watch]) -> tuple[float, float]:
    if len(watches) == 1:
        return watches[0].low, watches[0].high
    low, high = max((w.low for w in watches), default=-inf), min((w.high for w in watches), default=inf)
    return (low, high) if low <= high else NEVER_QUIET


class Side(Watch):
    """One of the two points of a deviation, where it is looked at."""

    __slots__ = ("here", "whole")

    def __init__(self, whole: "Deviation", here: Watchlist, point: str, position: int) -> None:
        super().__init__(whole.condition, whole.instance, here.device, point, position)
        self.whole = whole
        self.here = here

    def look(self, value: float, at_ms: int) -> bool:
        """Compare both."""
        return self.whole.look(value, at_ms)


class Deviation(Beyond):
    """ABOVE and BELOW of what a point is more than another.

    Each side keeps half of what is left to the limit, so that both may move within their bands and nothing happens.
    """

    __slots__ = ("sides",)

    def __init__(
        self, condition: Condition, instance: int, places: Sequence[tuple[Watchlist, int]], points: Sequence[str]
    ) -> None:
        super().__init__(condition, instance, places[0][0].device, points[0], places[0][1])
        one, other = (Side(self, here, point, at) for (here, at), point in zip(places, points, strict=True))
        self.sides = (one, other)

    @property
    def parts(self) -> tuple[Watch, ...]:
        """Both sides."""
        return self.sides

    def look(self, value: float, at_ms: int) -> bool:  # noqa: ARG002 - the other one may have moved as well
        """Compare what both were last, whichever of them moved."""
        one, other = self.sides
        a, b = one.here.known(one.position), other.here.known(other.position)
        apart = a - b
        changed = False
        if apart != apart:  # noqa: PLR0124 - one of them was never seen
            one.low, one.high = other.low, other.high = NEVER_QUIET
        else:
            changed = super().look(apart, at_ms)
            up, down = (self.high - apart) * _SHARE, (apart - self.low) * _SHARE
            one.low, one.high = a - down, a + up
            other.low, other.high = b - up, b + down
        for side in self.sides:
            if not side.here.awaits(side.position):
                side.here.fit(side.position)
        return changed


_SHARE = 0.499
"""A little less than half, so that rounding cannot add up to more than the whole."""
