"""From scans to transitions: the rules of a whole site, and what they remember.

Two clocks meet here. What a device says is judged by the device's own time (never later than ours); a delay runs on
our clock from the moment we heard, and its end is told in the device's time. So an alarm is raised at exactly
since + delay, with or without another message, whether the gateway's clock is right or a backlog comes in late.
Conditions that time itself changes (flat, runs, starts) keep to the same two clocks. What says something of a value
that is being read (flat, missing) comes true only while its device is heard.
"""

from collections.abc import Callable, Iterable, Sequence

from alarms import memory
from alarms.compiled import Compiled
from alarms.delays import Delays
from alarms.instance import Instance, Phase, Watchlist
from alarms.judge import Judge
from alarms.timed import Runs
from alarms.transition import Heard, Transition
from alarms.watch import NEVER_QUIET
from facility.scan import COMMUNICATION, Reason, Scan, put_in
from facility.site import Site

CLOCK_SET_BACK_MS = 30_000
"""Nothing but scans older than the newest one for so long: the device's clock was set back, and its word counts."""

_CLOCK = int(Reason.CLOCK)
_CLOCK_BELIEVED = bytes(Reason.GOOD if r == Reason.CLOCK else r for r in range(256))
_NO_PROOF_OF_LIFE = COMMUNICATION | {Reason.RETAINED, Reason.NEVER}


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
        self._delays = Delays(self._instances, self._lists)
        self._timers = self._delays.timers
        self._judge = Judge(self._instances, self._lists, self._delays)
        self._flowing = frozenset(i.order for i in self._instances.values() if i.flows)
        self._kept: dict[int, bytes] = {}  # what the memory says of those that remember anything
        self.late = 0
        self.foreign = 0

    def step(self, scan: Scan) -> Sequence[Transition]:
        """Judge one scan on arrival; return what moved, the empty tuple when nothing did."""
        received_ms = scan.received_ms
        moved: Sequence[Transition] = self.ripen(received_ms) if received_ms >= self._timers.next_ms else ()
        here = self._lists.get(scan.device)
        if here is None or scan.width != here.size:
            self.foreign += 1
            return moved
        at_ms = min(received_ms, scan.at_ms)
        if scan.reasons != here.all_good and _CLOCK in scan.reasons:
            # Its clock is wrong, its values are fresh: judged at the moment they came, or a lift would go unguarded.
            reasons = scan.reasons.translate(_CLOCK_BELIEVED)
            scan = Scan(scan.device, received_ms, received_ms, scan.values, reasons, scan.seq, scan.texts)
            at_ms = received_ms
        if here.odd or scan.reasons != here.all_good or at_ms < here.newest_ms:
            return (*moved, *self._step_with_care(here, scan, at_ms))
        if at_ms >= here.next_ms:
            moved = (*moved, *self._ended_here(here, at_ms))
        here.newest_ms = at_ms
        before, here.last = here.last, scan.image
        out = here.out_of_band(scan)
        if not out:
            return moved
        return (*moved, *self._look(here, scan, at_ms, out, before, ()))

    def ripen(self, now_ms: int) -> Sequence[Transition]:
        """Let the delays end that are over by now, in the order in which they end."""
        if now_ms < self._timers.next_ms:
            return ()
        return tuple(t for ended in self._timers.ended(now_ms) for t in self._judge.ripe(*ended))

    def due(self) -> int | None:
        """Return when `ripen` is next needed, on our clock."""
        first = self._timers.first()
        return None if first is None else first[0]

    def memory(self) -> bytes:
        """Return all that a restart must know, to be kept beside the scans; never ahead of the log book."""
        return self.remembered()()

    def remembered(self) -> Callable[[], bytes]:
        """Take what a restart must know as of now; the result makes the bytes of it, in any thread."""
        self.tidy(len(self._judge.touched))
        for order in self._flowing:
            self._keep(order)
        kept, devices, late = self._kept.copy(), memory.seen(self._lists.values()), self.late
        return lambda: memory.pack([kept[order] for order in sorted(kept)], devices, late)

    def tidy(self, most: int) -> None:
        """Do a part of what `remembered` has to do, for so many rules: a flood touches thousands."""
        touched = self._judge.touched
        for _ in range(min(most, len(touched))):
            self._keep(touched.pop())

    def _keep(self, order: int) -> None:
        if self._instances[order].remembers:
            self._kept[order] = memory.keep(self._instances[order])
        else:
            self._kept.pop(order, None)

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
            instance = self._compiled.find(entry.owner, entry.rule, entry.rung)
            if instance is None or not memory.fits(instance, entry):
                continue
            memory.restore_instance(instance, entry)
            self._judge.touched.add(instance.order)
            if instance.due_ms is not None:
                self._delays.arm(instance, instance.due_ms)
            self._delays.restore(instance)

    def force(self, owner: str, rule: str, rung: int = 0, *, active: bool, since_ms: int) -> bool:
        """Take the log book's word for whether an alarm stands by this rung; the next good value judges it again.

        Returns:
            Whether the site has such a rung of such a rule on such a machine; if not, it must be withdrawn.
        """
        instance = self._compiled.find(owner, rule, rung)
        if instance is None:
            return False
        if instance.active is not active:
            self._delays.disarm(instance)
            instance.phase = Phase.ACTIVE if active else Phase.NORMAL
            instance.since_ms = since_ms
            instance.recheck = True
            if active:
                instance.raised_ms = max(instance.raised_ms, since_ms)
            else:
                instance.cleared_ms = max(instance.cleared_ms, since_ms)
            for _, watch in instance.timed:
                watch.force(holds=active)
            self._judge.touched.add(instance.order)
            for here in instance.lists:
                here.odd = True
                here.reset_bands()
        return True

    def reset(self, owner: str, rule: str, now_ms: int) -> Sequence[Transition]:
        """Begin the run hours of a rule anew, and return what ends by that; for `alarm.reset`."""
        moved: list[Transition] = []
        rungs = [i for i in self._instances.values() if (i.owner, i.rule.id) == (owner, rule)]
        for instance in rungs:
            hours = [watch for _, watch in instance.timed if isinstance(watch, Runs)]
            for watch in hours:
                here = self._lists[watch.device]
                watch.force(holds=False)
                here.set_band(watch.position, *NEVER_QUIET)
            if hours:
                here = self._lists[hours[0].device]
                moved += self._judge.judge(instance, Heard(here.device, here.newest_ms, now_ms), here.newest_ms)
        return moved

    def active(self) -> set[tuple[str, str]]:
        """Return (owner, rule) of every alarm that stands, by whichever rung."""
        return {(i.owner, i.rule.id) for i in self._instances.values() if i.active}

    def standing(self) -> set[tuple[str, str, int]]:
        """Return (owner, rule, rung) of every rung that stands."""
        return {(i.owner, i.rule.id, i.rung) for i in self._instances.values() if i.active}

    def moved_ms(self, owner: str, rule: str) -> int:
        """Return when a rule last came or went on a machine, by whichever rung; -1 when it never did."""
        rungs = (i for i in self._instances.values() if (i.owner, i.rule.id) == (owner, rule))
        return max((max(i.raised_ms, i.cleared_ms) for i in rungs), default=-1)

    def pairs(self) -> set[tuple[str, str]]:
        """Return (owner, rule) of all that is watched."""
        return self._compiled.pairs()

    def alone(self, moves: Iterable[Transition]) -> frozenset[str] | None:
        """Return the devices that moved these rules; None where one of them matters to a rule of several devices."""
        devices = set()
        for move in moves:
            instance = self._compiled.find(move.owner, move.rule, move.rung)
            if instance is None or len(instance.lists) != 1 or instance.lists[0].shared:
                return None
            devices.add(instance.lists[0].device)
        return frozenset(devices)

    @property
    def skipped(self) -> int:
        """How many counts were not made alarms of their own because a counter jumped too far at once."""
        return sum(c.skipped for i in self._instances.values() for c in i.counts)

    def _ended_here(self, here: Watchlist, at_ms: int) -> list[Transition]:
        return [t for ended in self._delays.ended_here(here, at_ms) for t in self._judge.ripe(*ended)]

    # A scan that is not simply good and in order.

    def _step_with_care(self, here: Watchlist, scan: Scan, at_ms: int) -> list[Transition]:
        if not scan.reached:
            here.silent = here.odd = True
            self._judge.blind(here, here.timed)
            return self._judge_silence(here, scan)
        moved: list[Transition] = []
        also: list[Instance] = []
        answered = any(reason not in _NO_PROOF_OF_LIFE for reason in scan.reasons)
        if answered:
            also += here.shared if here.silent else ()
            here.silent = False
            moved += self._judge_silence(here, scan)
        if at_ms < here.newest_ms:
            here.odd = True
            here.late_since_ms = scan.received_ms if here.late_since_ms is None else here.late_since_ms
            if scan.received_ms - here.late_since_ms < CLOCK_SET_BACK_MS:
                self.late += 1
                return [*moved, *self._look(here, scan, here.newest_ms, (), here.last, also)]
        here.late_since_ms = None
        moved += self._ended_here(here, at_ms)
        bad = here.bad_positions(scan.reasons)
        if here.timed and bad:
            self._judge.blind(here, [watch for watch in here.timed if watch.position in bad])
        if here.missing and answered:
            also += self._missed(here, scan.reasons, at_ms)
        here.odd = here.silent or any(watch.holds for watch in here.missing)
        here.newest_ms = at_ms
        before = here.last
        here.last = put_in(scan.image, before, bad) if bad else scan.image
        return moved + self._look(here, scan, at_ms, here.out_of_band(scan), before, also)

    def _missed(self, here: Watchlist, reasons: bytes, at_ms: int) -> list[Instance]:
        """Tell who asked which values were not good, and return whose rules must be judged."""
        changed = [watch for watch in here.missing if watch.look(float(reasons[watch.position] != 0), at_ms)]
        asked = {watch.instance for watch in changed}
        asked.update(w.instance for w in here.missing if self._instances[w.instance].recheck)
        return [self._instances[order] for order in asked]

    def _judge_silence(self, here: Watchlist, scan: Scan) -> list[Transition]:
        moved = []
        for instance in here.silences:
            changed = [w.look(float(here.silent), scan.received_ms) for w in instance.watches]
            if any(changed) or instance.recheck:
                # Silence has no time of the device; it is ours alone.
                moved += self._judge.judge(instance, scan, scan.received_ms)
        return moved

    # The slow path.

    def _look(
        self,
        here: Watchlist,
        scan: Scan,
        at_ms: int,
        positions: Iterable[int],
        before: bytes,
        also: Iterable[Instance],
    ) -> list[Transition]:
        """Show the values that left their bands to their watches, then judge each rule once."""
        touched = {i.order for i in also}
        instances, reasons = self._instances, scan.reasons
        numbers = []
        for position in positions:
            value = scan.value(position)
            if reasons[position]:  # 0 is good; an enum here would cost more than all the rest
                continue
            if value != value:  # noqa: PLR0124 - good, and yet not a number: the last one stays
                here.last = put_in(here.last, before, (position,))
                continue
            numbers.append((position, value))
        for position, value in numbers:
            touched.update(self._compiled.stir(here, position))
            watches = here.watches.get(position, ())
            touched.update(w.instance for w in watches if w.look(value, at_ms) or instances[w.instance].recheck)
            here.fit(position)
        moved = []
        for order in sorted(touched):
            moved += self._judge.judge(instances[order], scan, at_ms)
        return moved
