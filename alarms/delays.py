"""What ends when: a rule's delay, and a condition that time changes; each on its device's clock and on ours.

A delay runs on our clock from the moment we heard, and its end is told in the device's time. A backlog is judged by its
own clock: what ended in the device's time ends when the device says so, though our clock has not come so far.
"""

from collections.abc import Iterator, Mapping
from math import inf

from alarms.instance import Instance, Phase, Watchlist
from alarms.timed import Timed
from alarms.timers import Timer, Timers
from alarms.transition import Heard
from alarms.watch import Silence
from facility.scan import Scan


class Delays:
    """All that waits for its time, of all instances."""

    def __init__(self, instances: Mapping[int, Instance], lists: Mapping[str, Watchlist]) -> None:
        self._instances = instances
        self._lists = lists
        self.timers = Timers(self._due)

    def arm(self, instance: Instance, due_ms: int) -> None:
        """Have the delay that the instance has begun end at that moment of our clock."""
        instance.due_ms = due_ms
        if not isinstance(instance.watches[0], Silence) and (here := self._lists.get(instance.device)):
            here.waiting[instance.order] = instance
            here.next_ms = min(here.next_ms, instance.since_ms + delay_of(instance))
        self.timers.set(instance.order, 0, due_ms)

    def disarm(self, instance: Instance) -> None:
        """Let the delay of an instance end without anything coming of it."""
        if instance.due_ms is not None:
            instance.due_ms = None
            if here := self._lists.get(instance.device):
                here.waiting.pop(instance.order, None)

    def start(self, instance: Instance, scan: Scan | Heard, at_ms: int) -> None:
        """Put on our clock what a condition has just set on its device's."""
        for _, watch in instance.timed:
            if watch.ripe_ms is not None and watch.due_ms is None:
                watch.due_ms = scan.received_ms + watch.ripe_ms - at_ms
                watch.scan_ms = scan.at_ms
        self.restore(instance)

    def restore(self, instance: Instance) -> None:
        """Wait for the conditions of an instance as they stand."""
        for n, watch in instance.timed:
            here, key = self._lists[watch.device], (instance.order, n)
            if watch.ripe_ms is None or watch.due_ms is None:
                here.clocks.pop(key, None)
                continue
            here.clocks[key] = watch
            here.next_ms = min(here.next_ms, watch.ripe_ms)
            self.timers.set(*key, watch.due_ms)

    def _due(self, order: int, n: int) -> int | None:
        """Return when a delay (n is 0) or the n-th condition of an instance is due on our clock."""
        instance = self._instances[order]
        if n == 0:
            return instance.due_ms
        watch = instance.watches[n - 1]
        return watch.due_ms if isinstance(watch, Timed) else None

    def ended_here(self, here: Watchlist, at_ms: int) -> Iterator[Timer]:
        """Hand out what has ended in the device's own time, in order; what that makes end too comes in its turn."""
        while at_ms >= here.next_ms:
            ends = [(i.since_ms + delay_of(i), i.order, 0) for i in here.waiting.values()]
            ends += [(w.ripe_ms, *key) for key, w in here.clocks.items() if w.ripe_ms is not None]
            end_ms, order, n = min(ends, default=(inf, 0, 0))
            if end_ms > at_ms:
                here.next_ms = end_ms
                break
            due_ms = self._due(order, n)
            assert due_ms is not None, "it waits"
            yield due_ms, order, n


def delay_of(instance: Instance) -> int:
    """Return how long what the instance has begun must last, in milliseconds."""
    return instance.rule.off_delay_ms if instance.phase is Phase.FALLING else instance.form.on_delay_ms
