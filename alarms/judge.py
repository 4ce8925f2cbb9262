"""What becomes of a rule on a machine when a condition changed: whether it holds, its delay, its transition."""

from collections.abc import Iterable, Mapping

from alarms.delays import Delays, delay_of
from alarms.instance import Instance, Phase, Watchlist
from alarms.timed import Flat, Timed
from alarms.transition import Heard, Transition
from alarms.watch import NEVER_QUIET, Missing
from facility.scan import Scan


class Judge:
    """Judges instances one by one. `touched` are those of which something changed since it was last emptied."""

    def __init__(self, instances: Mapping[int, Instance], lists: Mapping[str, Watchlist], delays: Delays) -> None:
        self._instances = instances
        self._lists = lists
        self._delays = delays
        self.touched: set[int] = set()

    def judge(self, instance: Instance, scan: Scan | Heard, at_ms: int) -> list[Transition]:
        """Judge a rule by what its conditions know now; return what moved at once."""
        self.touched.add(instance.order)
        if instance.timed:
            self._delays.start(instance, scan, at_ms)
        if len(instance.lists) > 1 and any(here.silent for here in instance.lists):
            return []  # judged again when the silent device is back
        holds = instance.holds()
        if holds is None:
            return []
        instance.recheck = False
        if instance.counts:
            return self._judge_counts(instance, scan, at_ms, holds=holds)
        if holds and instance.phase is Phase.NORMAL:
            return self._begin(instance, Phase.RISING, instance.form.on_delay_ms, scan, at_ms)
        if not holds and instance.phase is Phase.ACTIVE:
            return self._begin(instance, Phase.FALLING, instance.rule.off_delay_ms, scan, at_ms)
        if not holds and instance.phase is Phase.RISING:
            self._delays.disarm(instance)
            instance.phase = Phase.NORMAL
        elif holds and instance.phase is Phase.FALLING:
            self._delays.disarm(instance)
            instance.phase = Phase.ACTIVE
        return []

    def _judge_counts(self, instance: Instance, scan: Scan | Heard, at_ms: int, *, holds: bool) -> list[Transition]:
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

    def ripe(self, due_ms: int, order: int, n: int) -> list[Transition]:
        """Return what comes of the end of a delay (n is 0), or of the time of the n-th condition."""
        instance = self._instances[order]
        if n == 0:
            return self._end_delay(instance)
        watch = instance.watches[n - 1]
        assert isinstance(watch, Timed), "only those have clocks"
        here, ripe_ms = self._lists[watch.device], watch.ripe_ms
        assert ripe_ms is not None, "it has a clock"
        here.clocks.pop((order, n), None)
        self.touched.add(order)
        if watch.reads and ripe_ms - here.newest_ms > here.patience_ms:
            self.blind(here, [watch])  # nothing was heard for too long, and nobody said so
            return []
        if not watch.ends():
            return []
        return self.judge(instance, Heard(here.device, watch.scan_ms, due_ms), ripe_ms)

    def blind(self, here: Watchlist, watches: Iterable[Timed]) -> None:
        """Stop the time of what is not read; the next good value is looked at again."""
        for watch in watches:
            instance = self._instances[watch.instance]
            if watch.blind(here.newest_ms):
                here.set_band(watch.position, *NEVER_QUIET)
                here.clocks.pop((instance.order, instance.watches.index(watch) + 1), None)
                self.touched.add(instance.order)
            if isinstance(watch, Flat) and watch.holds and instance.phase is Phase.NORMAL:
                watch.holds = False

    def _begin(
        self, instance: Instance, phase: Phase, delay_ms: int, scan: Scan | Heard, at_ms: int
    ) -> list[Transition]:
        instance.phase = phase
        instance.since_ms = at_ms
        instance.device, instance.scan_ms = scan.device, scan.at_ms
        if delay_ms <= 0:
            return self._end_delay(instance)
        self._delays.arm(instance, scan.received_ms + delay_ms)
        return []

    def _end_delay(self, instance: Instance) -> list[Transition]:
        self.touched.add(instance.order)
        self._delays.disarm(instance)
        at_ms = instance.since_ms + delay_of(instance)
        if instance.phase is Phase.FALLING:
            return [self._end(instance, at_ms)]
        unread = [w for w in instance.watches if isinstance(w, Flat | Missing) and self._unread(w)]
        if not unread:
            return [self._raise(instance, at_ms)]
        instance.phase = Phase.NORMAL
        for watch in unread:
            watch.holds = False  # until it is heard again
        return []

    def _unread(self, watch: Flat | Missing) -> bool:
        return self._lists[watch.device].silent or (isinstance(watch, Flat) and watch.blind_ms is not None)

    # Transitions. Their times never go back, so that each has a name of its own in the book.

    def _raise(self, instance: Instance, at_ms: int) -> Transition:
        instance.phase = Phase.ACTIVE
        instance.raised_ms = max(at_ms, instance.raised_ms + 1, instance.cleared_ms)
        return self._told(instance, instance.raised_ms)

    def _end(self, instance: Instance, at_ms: int) -> Transition:
        instance.phase = Phase.NORMAL
        instance.cleared_ms = max(at_ms, instance.cleared_ms + 1, instance.raised_ms)
        return self._told(instance, instance.cleared_ms)

    def _told(self, instance: Instance, at_ms: int) -> Transition:
        watch = instance.decider()
        value = self._lists[watch.device].known(watch.position) if watch.point else None
        if value is not None and value != value:  # noqa: PLR0124 - set by hand before a first value
            value = None
        raised = instance.phase is Phase.ACTIVE
        return Transition(
            instance.owner,
            instance.rule.id,
            raised,
            at_ms,
            value,
            watch.point,
            instance.device,
            instance.scan_ms,
            instance.rung,
        )
