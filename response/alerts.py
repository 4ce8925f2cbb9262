"""The alarms that hold, as incidents care; and which of them belong to no incident yet."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from heapq import heappop, heappush

from facility import records
from facility.records import Record
from response.context import Context
from response.opening import Alert, place
from response.quarantine import ALARM, Quarantine
from response.running import Running

BY_HAND = "by-hand"
"""Why an alarm came off the shelf: somebody took it back, and so has seen it."""

RETRY_MS = 1_000
"""In a flood, alarms that belong nowhere yet are looked at again at most so often."""

MANY = 200
"""So many alarms that belong nowhere are a flood; fewer are looked at again whenever anything happens."""


class Alerts:
    """What the log book tells of alarms, and the queue of those that are to be placed."""

    def __init__(self) -> None:
        self._hold: dict[str, Alert] = {}  # by subject
        self._taken_back: dict[str, Alert] = {}  # hold, and an operator took them off the shelf: nobody is called
        # Those that came and went before anybody decided, by subject and rise: a pulse is an alarm too.
        self._passed: dict[str, dict[int, Alert]] = {}
        # To be placed: those just told, in the order of their placing, and those that found no place.
        self._fresh: dict[str, Alert] = {}
        self._pulses: list[Alert] = []
        self._queue: list[tuple[int, int, str, Alert]] = []
        self._loose: dict[str, Alert] = {}
        self._stirred = False  # something happened since the loose ones were looked at
        self._retry_ms = 0
        self._quarantine = Quarantine(ALARM)

    def __contains__(self, subject: str) -> bool:
        return subject in self._hold

    # -- believing ------------------------------------------------------------------------------------------

    def tell(self, record: Record) -> None:
        """Believe one more record of an alarm; of a clearing, see `cleared`."""
        self._stirred = True
        subject = record.subject
        match record.data:
            case records.AlarmRaised(hidden="") as data:
                self._hold[subject] = self._fresh[subject] = Alert.of(record, data)
            case records.AlarmUnshelved(active=True) | records.AlarmShown(active=True) as data:
                told = Alert.of(record, data)
                if isinstance(data, records.AlarmUnshelved) and data.why == BY_HAND:
                    self._taken_back[subject] = told  # whoever took it back has seen it
                else:
                    self._hold[subject] = self._fresh[subject] = told
            case records.AlarmGraded() as data:
                self._tell_graded(record, data)
            case records.AlarmShelved() | records.AlarmHidden():
                self._forget(subject)

    def cleared(self, subject: str, joined_ms: Iterable[int], *, live: bool) -> None:
        """Let an alarm hold no more; `joined_ms` is when incidents took it that still had it.

        If none took it since it rose and this is `live`, not read back from the book, it is to be placed all the same.
        """
        self._stirred = True
        ended = self._forget(subject)
        if live and ended is not None and not any(at >= ended.raised_ms for at in joined_ms):
            self._passed.setdefault(subject, {})[ended.raised_ms] = ended
            self._pulses.append(ended)

    def taken(self, subject: str, at_ms: int) -> None:
        """Believe that an incident took an alarm, and all that had passed of it by then."""
        self._passed[subject] = {at: a for at, a in self._passed.pop(subject, {}).items() if at > at_ms}

    def given_back(self, subjects: Iterable[str]) -> None:
        """Believe that an incident is closed: what it held and still holds belongs nowhere now."""
        self._fresh.update((s, self._hold[s]) for s in subjects if s in self._hold)

    def stir(self) -> None:
        """Take note that something happened to an incident: what belonged nowhere may belong to it."""
        self._stirred = True

    def _forget(self, subject: str) -> Alert | None:
        """Let an alarm be no matter of anybody's; the incident that took it keeps it until it clears."""
        self._fresh.pop(subject, None)
        self._loose.pop(subject, None)
        self._taken_back.pop(subject, None)
        return self._hold.pop(subject, None)

    def _tell_graded(self, record: Record, data: records.AlarmGraded) -> None:
        """Tell a graver alarm anew; one that is less grave goes on as it is, and a hidden one disturbs nobody."""
        subject = record.subject
        before = self._hold.get(subject) or self._taken_back.get(subject)
        if before is None:
            return
        if data.priority < before.priority:
            self._taken_back.pop(subject, None)
            self._hold[subject] = self._fresh[subject] = Alert.of(record, data)
        elif subject in self._hold:
            self._hold[subject] = self._fresh[subject] = replace(before, priority=data.priority)
        else:
            self._taken_back[subject] = replace(before, priority=data.priority)

    # -- deciding -------------------------------------------------------------------------------------------

    def place(self, running: Running, context: Context, new_id: Callable[[int], str]) -> list[Record]:
        """Return what the next alarm makes that belongs nowhere yet, causes before what they cause.

        One that fails is tried again with those that found no place; after some tries it is said to be set aside.
        """
        if self._stirred and self._loose and (len(self._loose) < MANY or context.now >= self._retry_ms):
            self._fresh.update(self._loose)
            self._loose.clear()
            self._retry_ms = context.now + RETRY_MS
        self._stirred = self._stirred and bool(self._loose)
        for alert in (*self._pulses, *self._fresh.values()):
            # A life waits for nothing; causes come before what they cause.
            depth = -1 if alert.life_safety else len(context.site.supply.upstream(alert.owner))
            heappush(self._queue, (depth, alert.raised_ms, alert.subject, alert))
        self._fresh.clear()
        self._pulses.clear()
        while self._queue:
            alert = self._queue[0][-1]
            holds = self._hold.get(alert.subject) is alert
            passed = self._passed.get(alert.subject, {}).get(alert.raised_ms) is alert
            if passed or (holds and not _belongs(alert, running)):
                try:
                    out, placed = place(alert, running, self._hold.values(), context, new_id), True
                    self._quarantine.forget(alert.subject)
                except Exception as error:  # noqa: BLE001 - one that cannot be placed keeps no other from its place
                    out, placed = self._failed(alert, error, context, again=holds), False
                heappop(self._queue)
                if holds and not (placed and out):
                    self._loose[alert.subject] = alert
                if out:
                    return out
            else:
                heappop(self._queue)
        self._passed.clear()  # looked at, and of no consequence
        return []

    def _failed(self, alert: Alert, error: Exception, context: Context, *, again: bool) -> list[Record]:
        """Count a failure; return the record that sets the alarm aside: at once if it is over and not tried `again`."""
        out: list[Record] = []
        while not out and alert.subject not in self._quarantine:
            out = self._quarantine.noted(alert.subject, error, context.now, f"site:{context.site.id}")
            if again and not out:
                self._stirred = True
                break
        return out

    def due(self) -> int | None:
        """Return when those that found no place are looked at again; None when nothing happened since."""
        return self._retry_ms if self._stirred and self._loose else None


def _belongs(alert: Alert, running: Running) -> bool:
    """Say whether an incident has taken the alarm since it rose."""
    subject = alert.subject
    taken = (i for i in running.with_alarm(subject) if subject in i.active_alarms)
    return any(i.joined_ms[subject] >= alert.raised_ms for i in taken)
