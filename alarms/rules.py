"""From scans to transitions: the rules of a whole site, and what they remember.

Two clocks meet here. What a device says is judged by the device's own time (never later than ours); a delay runs on
our clock from the moment we heard, and its end is told in the device's time. So an alarm is raised at exactly
since + delay, with or without another message, whether the gateway's clock is right or a backlog comes in late.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from math import inf

from alarms import memory
from alarms.compiled import Compiled, Instance, Phase, Watchlist
from alarms.watch import NEVER_QUIET, Silence, Watch
from facility.scan import COMMUNICATION, Reason, Scan
from facility.site import Site

CLOCK_SET_BACK_MS = 30_000
"""Nothing but scans older than the newest one for so long: the device's clock was set back, and its word counts."""

_CLOCK = int(Reason.CLOCK)
_CLOCK_BELIEVED = bytes(Reason.GOOD if r == Reason.CLOCK else r for r in range(256))
_NO_PROOF_OF_LIFE = COMMUNICATION | {Reason.RETAINED, Reason.NEVER}


@dataclass(frozen=True, slots=True)
class Transition:
    """A rule came true on a machine (`raised`), or no longer holds.

    `value` and `point` are of the first condition that decided. `device` and `scan_ms` name the scan that moved it;
    after a delay, the scan that started the delay. `at_ms` is strictly later than the one before of the same kind.
    """

    owner: str
    rule: str
    raised: bool
    at_ms: int
    value: float | None = None
    point: str = ""
    device: str = ""
    scan_ms: int = 0


class Evaluator:
    """All rules of a site.

    The same scans in the same order give the same transitions with the same times, whatever calls of `ripen` lay
    between, as long as none was ahead of the next scan's `received_ms`. `late` counts scans that were older than the
    newest one of their device, `foreign` those of an unknown device or another layout; neither moves a rule.
    """

    def __init__(self, site: Site) -> None:
        self._compiled = Compiled(site)
        self._instances = self._compiled.instances
        self._lists = self._compiled.lists
        self._timers: list[tuple[int, int]] = []  # (due on our clock, instance); entries out of date are skipped
        self._running = 0
        self._next_ms: float = inf
        self._flowing = frozenset(i.order for i in self._instances.values() if i.flows)
        self._touched: set[int] = set()  # something of them changed since the memory was taken
        self._kept: dict[int, bytes] = {}  # what the memory says of those that remember anything
        self.late = 0
        self.foreign = 0

    def step(self, scan: Scan) -> Sequence[Transition]:
        """Judge one scan on arrival; return what moved, the empty tuple when nothing did."""
        received_ms = scan.received_ms
        moved: Sequence[Transition] = self.ripen(received_ms) if received_ms >= self._next_ms else ()
        here = self._lists.get(scan.device)
        values = scan.values
        if here is None or len(values) != here.size:
            self.foreign += 1
            return moved
        at_ms = min(received_ms, scan.at_ms)
        if scan.reasons != here.all_good and _CLOCK in scan.reasons:
            # Its clock is wrong, its values are fresh: judged at the moment they came, or a lift would go unguarded.
            reasons = scan.reasons.translate(_CLOCK_BELIEVED)
            scan = Scan(scan.device, received_ms, received_ms, values, reasons, scan.seq, scan.texts)
            at_ms = received_ms
        if here.odd or scan.reasons != here.all_good or at_ms < here.newest_ms:
            return (*moved, *self._step_with_care(here, scan, at_ms))
        here.newest_ms = at_ms
        if here.waiting:
            moved = (*moved, *self._ripen_here(here, at_ms))
        before, here.last = here.last, values
        out = here.out_of_band(scan)
        if not out:
            return moved
        return (*moved, *self._look(here, scan, at_ms, out, before, ()))

    def ripen(self, now_ms: int) -> Sequence[Transition]:
        """Let the delays end that are over by now, in the order in which they end."""
        if now_ms < self._next_ms:
            return ()
        moved = []
        while self._timers and self._timers[0][0] <= now_ms:
            due_ms, order = heappop(self._timers)
            instance = self._instances[order]
            if instance.due_ms == due_ms:
                moved.append(self._ripe(instance))
        self._next_ms = self._timers[0][0] if self._timers else inf
        return tuple(moved)

    def due(self) -> int | None:
        """Return when `ripen` is next needed, on our clock."""
        while self._timers and self._instances[self._timers[0][1]].due_ms != self._timers[0][0]:
            heappop(self._timers)
        self._next_ms = self._timers[0][0] if self._timers else inf
        return self._timers[0][0] if self._timers else None

    def memory(self) -> bytes:
        """Return all that a restart must know, to be kept beside the scans; never ahead of the log book."""
        instances = self._instances
        for order in self._touched | self._flowing:
            if instances[order].remembers:
                self._kept[order] = memory.keep(instances[order])
            else:
                self._kept.pop(order, None)
        self._touched.clear()
        return memory.pack([self._kept[order] for order in sorted(self._kept)], self._lists.values(), self.late)

    def remember(self, memory_: bytes) -> None:
        """Take back what `memory` gave, on a fresh evaluator. A rule whose version changed starts afresh.

        Raises:
            ValueError: these bytes are no such memory; nothing was taken.
        """
        kept = memory.unpack(memory_)
        self.late = kept.late
        for name, device in kept.devices.items():
            if here := self._lists.get(name):
                memory.restore_device(here, device)
        for entry in kept.instances:
            instance = self._compiled.find(entry.owner, entry.rule)
            if instance is None or not memory.fits(instance, entry):
                continue
            memory.restore_instance(instance, entry)
            self._touched.add(instance.order)
            if instance.due_ms is not None:
                self._arm(instance, instance.due_ms)

    def force(self, owner: str, rule: str, active: bool, since_ms: int) -> bool:  # noqa: FBT001 - the seam's shape
        """Take the log book's word for whether an alarm stands; the next good value judges it again.

        Returns:
            Whether the site has such a rule on such a machine; if not, the book's alarm must be withdrawn.
        """
        instance = self._compiled.find(owner, rule)
        if instance is None:
            return False
        if instance.active is not active:
            self._disarm(instance)
            instance.phase = Phase.ACTIVE if active else Phase.NORMAL
            instance.since_ms = since_ms
            instance.recheck = True
            if active:
                instance.raised_ms = max(instance.raised_ms, since_ms)
            else:
                instance.cleared_ms = max(instance.cleared_ms, since_ms)
            self._touched.add(instance.order)
            for here in instance.lists:
                here.odd = True
                here.reset_bands()
        return True

    def active(self) -> set[tuple[str, str]]:
        """Return (owner, rule) of every alarm that stands."""
        return {(i.owner, i.rule.id) for i in self._instances.values() if i.active}

    def pairs(self) -> set[tuple[str, str]]:
        """Return (owner, rule) of all that is watched."""
        return self._compiled.pairs()

    @property
    def skipped(self) -> int:
        """How many counts were not made alarms of their own because a counter jumped too far at once."""
        return sum(c.skipped for i in self._instances.values() for c in i.counts)

    # A scan that is not simply good and in order.

    def _step_with_care(self, here: Watchlist, scan: Scan, at_ms: int) -> list[Transition]:
        if not scan.reached:
            here.silent = here.odd = True
            return self._judge_silence(here, scan)
        moved: list[Transition] = []
        woken: tuple[Instance, ...] = ()
        if any(reason not in _NO_PROOF_OF_LIFE for reason in scan.reasons):
            woken = here.shared if here.silent else ()
            here.silent = False
            moved += self._judge_silence(here, scan)
        if at_ms < here.newest_ms:
            here.odd = True
            here.late_since_ms = scan.received_ms if here.late_since_ms is None else here.late_since_ms
            if scan.received_ms - here.late_since_ms < CLOCK_SET_BACK_MS:
                self.late += 1
                return [*moved, *self._look(here, scan, here.newest_ms, (), here.last, woken)]
        here.late_since_ms = None
        here.odd = here.silent
        here.newest_ms = at_ms
        moved += self._ripen_here(here, at_ms)
        before = here.last
        last = list(scan.values)
        for position in here.bad_positions(scan.reasons):
            last[position] = before[position]
        here.last = tuple(last)
        return moved + self._look(here, scan, at_ms, here.out_of_band(scan), before, woken)

    def _judge_silence(self, here: Watchlist, scan: Scan) -> list[Transition]:
        moved = []
        for instance in here.silences:
            changed = [w.look(float(here.silent), scan.received_ms) for w in instance.watches]
            if any(changed) or instance.recheck:
                # Silence has no time of the device; it is ours alone.
                moved += self._judge(instance, scan, scan.received_ms)
        return moved

    # The slow path.

    def _look(
        self,
        here: Watchlist,
        scan: Scan,
        at_ms: int,
        positions: Iterable[int],
        before: tuple[float, ...],
        also: Iterable[Instance],
    ) -> list[Transition]:
        """Show the values that left their bands to their watches, then judge each rule once."""
        touched = {i.order for i in also}
        instances, reasons, values = self._instances, scan.reasons, scan.values
        for position in positions:
            value = values[position]
            if reasons[position]:  # 0 is good; an enum here would cost more than all the rest
                continue
            if value != value:  # noqa: PLR0124 - good, and yet not a number: the last one stays
                last = list(here.last)
                last[position] = before[position]
                here.last = tuple(last)
                continue
            touched.update(self._compiled.stir(here, position))
            watches = here.watches.get(position, ())
            touched.update(w.instance for w in watches if w.look(value, at_ms) or instances[w.instance].recheck)
            here.set_band(position, *_overlap(watches))
        moved = []
        for order in sorted(touched):
            moved += self._judge(instances[order], scan, at_ms)
        return moved

    def _judge(self, instance: Instance, scan: Scan, at_ms: int) -> list[Transition]:
        self._touched.add(instance.order)
        if len(instance.lists) > 1 and any(here.silent for here in instance.lists):
            return []  # judged again when the silent device is back
        holds = instance.holds()
        if holds is None:
            return []
        instance.recheck = False
        if instance.counts:
            return self._judge_counts(instance, scan, at_ms, holds=holds)
        rule = instance.rule
        if holds and instance.phase is Phase.NORMAL:
            return self._begin(instance, Phase.RISING, rule.on_delay_ms, scan, at_ms)
        if not holds and instance.phase is Phase.ACTIVE:
            return self._begin(instance, Phase.FALLING, rule.off_delay_ms, scan, at_ms)
        if not holds and instance.phase is Phase.RISING:
            self._disarm(instance)
            instance.phase = Phase.NORMAL
        elif holds and instance.phase is Phase.FALLING:
            self._disarm(instance)
            instance.phase = Phase.ACTIVE
        return []

    def _judge_counts(self, instance: Instance, scan: Scan, at_ms: int, *, holds: bool) -> list[Transition]:
        """Every count is an alarm of its own, over at once; several of one scan get a millisecond each."""
        moved = []
        if instance.phase is Phase.ACTIVE:  # the book knew the first half only
            instance.device, instance.scan_ms = scan.device, scan.at_ms
            moved.append(self._end(instance, at_ms))
        for watch in instance.counts:
            fresh = watch.take()
            if not holds or watch.baseline is None:
                continue
            for count in range(fresh - 1, -1, -1):
                value = watch.baseline - count
                raised_ms = max(at_ms - count, instance.raised_ms + 1, instance.cleared_ms)
                cleared_ms = max(raised_ms, instance.cleared_ms + 1)
                instance.raised_ms, instance.cleared_ms = raised_ms, cleared_ms
                names = (instance.owner, instance.rule.id)
                moved += [
                    Transition(*names, True, raised_ms, value, watch.point, scan.device, scan.at_ms),  # noqa: FBT003
                    Transition(*names, False, cleared_ms, value, watch.point, scan.device, scan.at_ms),  # noqa: FBT003
                ]
        return moved

    # Delays.

    def _begin(self, instance: Instance, phase: Phase, delay_ms: int, scan: Scan, at_ms: int) -> list[Transition]:
        instance.phase = phase
        instance.since_ms = at_ms
        instance.device, instance.scan_ms = scan.device, scan.at_ms
        if delay_ms <= 0:
            return [self._ripe(instance)]
        self._arm(instance, scan.received_ms + delay_ms)
        return []

    def _arm(self, instance: Instance, due_ms: int) -> None:
        instance.due_ms = due_ms
        if not isinstance(instance.watches[0], Silence) and (here := self._lists.get(instance.device)):
            here.waiting[instance.order] = instance
        self._running += 1
        heappush(self._timers, (due_ms, instance.order))
        if len(self._timers) > 64 + 4 * self._running:  # chatter leaves entries that are out of date
            self._timers = [(due, order) for due, order in self._timers if self._instances[order].due_ms == due]
            heapify(self._timers)
        self._next_ms = self._timers[0][0]

    def _disarm(self, instance: Instance) -> None:
        if instance.due_ms is not None:
            instance.due_ms = None
            self._running -= 1
            if here := self._lists.get(instance.device):
                here.waiting.pop(instance.order, None)

    def _ripen_here(self, here: Watchlist, at_ms: int) -> list[Transition]:
        """Let the delays end that are over in the device's own time: a backlog is judged by its own clock."""
        ends = [(i.since_ms + _delay(i), i.order) for i in here.waiting.values()]
        return [self._ripe(self._instances[order]) for end, order in sorted(ends) if end <= at_ms]

    def _ripe(self, instance: Instance) -> Transition:
        self._touched.add(instance.order)
        self._disarm(instance)
        at_ms = instance.since_ms + _delay(instance)
        return self._end(instance, at_ms) if instance.phase is Phase.FALLING else self._raise(instance, at_ms)

    # Transitions. Their times never go back, so that each has a name of its own in the book.

    def _raise(self, instance: Instance, at_ms: int) -> Transition:
        instance.phase = Phase.ACTIVE
        instance.raised_ms = max(at_ms, instance.raised_ms + 1, instance.cleared_ms)
        return self._told(instance, instance.watches[0], instance.raised_ms)

    def _end(self, instance: Instance, at_ms: int) -> Transition:
        instance.phase = Phase.NORMAL
        instance.cleared_ms = max(at_ms, instance.cleared_ms + 1, instance.raised_ms)
        decided = next((w for w in instance.watches if w.holds is False), instance.watches[0])
        return self._told(instance, decided, instance.cleared_ms)

    def _told(self, instance: Instance, watch: Watch, at_ms: int) -> Transition:
        value = self._lists[watch.device].last[watch.position] if watch.point else None
        if value is not None and value != value:  # noqa: PLR0124 - set by hand before a first value
            value = None
        raised = instance.phase is Phase.ACTIVE
        return Transition(
            instance.owner, instance.rule.id, raised, at_ms, value, watch.point, instance.device, instance.scan_ms
        )


def _delay(instance: Instance) -> int:
    return instance.rule.off_delay_ms if instance.phase is Phase.FALLING else instance.rule.on_delay_ms


def _overlap(watches: Sequence[Watch]) -> tuple[float, float]:
    if len(watches) == 1:
        return watches[0].low, watches[0].high
    low, high = max((w.low for w in watches), default=-inf), min((w.high for w in watches), default=inf)
    return (low, high) if low <= high else NEVER_QUIET
