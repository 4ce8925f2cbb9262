"""Alarms counted by local day: a fold of alarm records, and of nothing else.

What counts as one alarm is one call on an operator's attention: a raise that nothing hides, a graver grade, and what
comes back into sight while active.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from alarms.life import Alarm
from facility import records
from facility.records import Payload, Record

MINUTE_MS = 60_000
SLOT_MS = 10 * MINUTE_MS
DAY_MS = 86_400_000
STALE_MS = DAY_MS
"""An alarm that stands in sight for longer is stale."""
CHATTERS = 3
"""So many times active and clear within a minute is chattering."""

SHELVED, SUPPRESSED, OUT_OF_SERVICE = "shelved", "suppressed", "out-of-service"


@dataclass(slots=True)
class Day:
    """What one console was told on one local day; sets hold subjects, `waits` the milliseconds until acknowledged."""

    slots: Counter[int] = field(default_factory=Counter)  # alarms by ten minutes since the day began
    alarms: Counter[str] = field(default_factory=Counter)
    priorities: Counter[int] = field(default_factory=Counter)
    waits: list[int] = field(default_factory=list)
    stale: set[str] = field(default_factory=set)
    chattering: set[str] = field(default_factory=set)
    away: dict[str, set[str]] = field(default_factory=dict)  # out of sight at some time, by how

    def add(self, other: "Day") -> None:
        """Take in another console's day, or another day; slots are added only where both are of one day."""
        self.slots.update(other.slots)
        self.alarms.update(other.alarms)
        self.priorities.update(other.priorities)
        self.waits += other.waits
        self.stale |= other.stale
        self.chattering |= other.chattering
        for how, subjects in other.away.items():
            self.away.setdefault(how, set()).update(subjects)


@dataclass(slots=True)
class _Standing:
    """What is known of one alarm between its records."""

    console: str
    priority: int = 0
    raised_ms: int | None = None  # active since
    asked_ms: int | None = None  # wants to be seen since
    in_sight_ms: int = 0
    away: dict[str, int] = field(default_factory=dict)  # how it is hidden, and since when
    clears: deque[int] = field(default_factory=lambda: deque(maxlen=CHATTERS))
    last_ms: int = 0

    def idle(self, before_ms: int) -> bool:
        """Say whether nothing is open and nothing happened since."""
        return self.raised_ms is None and self.asked_ms is None and not self.away and self.last_ms < before_ms


class Days:
    """The local days of a zone."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._known = (0, 0, date.min)  # the day asked for last: its start, its end, and its date

    def of(self, at_ms: int) -> date:
        """Return the local date of a moment (UTC milliseconds)."""
        return self.around(at_ms)[2]

    def around(self, at_ms: int) -> tuple[int, int, date]:
        """Return the local day around a moment: its start, its end (not included) and its date."""
        if not self._known[0] <= at_ms < self._known[1]:
            day = datetime.fromtimestamp(at_ms / 1000, self._zone).date()
            self._known = (self.start(day), self.start(day + timedelta(1)), day)
        return self._known

    def start(self, day: date) -> int:
        """Return when a local date begins (UTC milliseconds)."""
        return round(datetime.combine(day, time(), self._zone).timestamp() * 1000)

    def between(self, first: date, last: date) -> Iterable[date]:
        """Return the dates from the first to the last, both included."""
        return (first + timedelta(n) for n in range((last - first).days + 1))


class Tally:
    """Folds alarm records into days by console; keeps `keep` days, the newest included.

    `console_of` says which console an alarm's owner belongs to. Records before `from_ms` are not counted. Not for two
    threads at once.
    """

    def __init__(self, zone: ZoneInfo, from_ms: int, console_of: Callable[[str], str], keep: int = 31) -> None:
        self.days = Days(zone)
        self.from_ms = from_ms
        self._console_of, self._keep = console_of, keep
        self._first = self.days.of(from_ms)
        self._told: dict[date, dict[str, Day]] = {}
        self._standing: dict[str, _Standing] = {}
        self._handlers: Mapping[type[Payload], Callable[[Record], None]] = {
            records.AlarmRaised: self._raised,
            records.AlarmCleared: self._cleared,
            records.AlarmAcknowledged: self._acknowledged,
            records.AlarmGraded: self._graded,
            records.AlarmShelved: self._shelved,
            records.AlarmUnshelved: self._unshelved,
            records.AlarmHidden: self._hidden,
            records.AlarmShown: self._shown,
            records.AlarmChattering: self._chattering,
        }

    def stand(self, alarms: Iterable[Alarm]) -> None:
        """Take what stood before the first record told: open alarms that are older than `from_ms`."""
        for alarm in alarms:
            if not alarm.active or alarm.raised_ms >= self.from_ms:
                continue
            asked = None if alarm.acknowledged else alarm.raised_ms
            away = {alarm.hide.how: alarm.hide.since_ms} if alarm.hide else {}
            if alarm.shelf and alarm.shelf.at_ms < self.from_ms:
                away[SHELVED] = alarm.shelf.at_ms
            self._standing[alarm.subject] = _Standing(
                self._console_of(alarm.owner), alarm.priority, alarm.raised_ms, asked, away=away
            )

    def tell(self, record: Record) -> None:
        """Take one more record; what is not of an alarm's life, or came before all, changes nothing."""
        handler = self._handlers.get(type(record.data))
        if handler is not None and record.at_ms >= self.from_ms:
            handler(record)

    def settle(self, now: int) -> None:
        """Let go of days that are no longer kept, and of alarms about which nothing is open."""
        today = self.days.of(now)
        self._first = max(self._first, today - timedelta(self._keep - 1))
        for day in [day for day in self._told if day < self._first]:
            del self._told[day]
        began = self.days.start(today)
        for subject in [s for s, standing in self._standing.items() if standing.idle(began)]:
            del self._standing[subject]

    def day(self, day: date, now: int, console: str = "") -> Day:
        """Return a day as it is known now, of one console or of all of them."""
        told = self._told.get(day, {})
        whole = Day()
        for name, one in told.items():
            if console in {"", name}:
                whole.add(one)
        began, over = self.days.start(day), min(now + 1, self.days.start(day + timedelta(1)))
        for subject, standing in self._standing.items():
            if console not in {"", standing.console}:
                continue
            for how, since in standing.away.items():
                if since < over:
                    whole.away.setdefault(how, set()).add(subject)
            stale = self._stale_from(standing)
            if stale is not None and began < over and stale < over:
                whole.stale.add(subject)
        return whole

    def waiting(self, console: str = "") -> int:
        """Return how many alarms nobody has acknowledged, now."""
        return sum(s.asked_ms is not None and console in {"", s.console} for s in self._standing.values())

    def standing_stale(self, now: int, console: str = "") -> dict[str, int]:
        """Return what stands in sight for more than a day, now: subject -> since when it is active."""
        return {
            subject: standing.raised_ms
            for subject, standing in self._standing.items()
            if console in {"", standing.console}
            and standing.raised_ms is not None
            and (stale := self._stale_from(standing)) is not None
            and stale <= now
        }

    # -- one kind of record each ----------------------------------------------------------------------------

    def _raised(self, record: Record) -> None:
        data = record.data
        assert isinstance(data, records.AlarmRaised)
        standing = self._of(record, data.owner)
        standing.raised_ms, standing.priority = record.at_ms, data.priority
        if data.hidden:
            standing.away.setdefault(data.hidden, record.at_ms)
        else:
            self._calls(record, standing)

    def _cleared(self, record: Record) -> None:
        data = record.data
        assert isinstance(data, records.AlarmCleared)
        if record.subject not in self._standing:  # raised before all that was told
            self._of(record, data.owner).raised_ms = self.from_ms
        standing = self._of(record, data.owner)
        self._note_stale(record, standing)
        standing.raised_ms = None
        if not data.latched:
            for how in (SUPPRESSED, OUT_OF_SERVICE):
                self._back(record, standing, how)
        if data.why:
            return  # settled, withdrawn: not the machine's word
        standing.clears.append(record.at_ms)
        if len(standing.clears) == CHATTERS and record.at_ms - standing.clears[0] <= MINUTE_MS:
            self._day(standing, record.at_ms).chattering.add(record.subject)

    def _acknowledged(self, record: Record) -> None:
        standing = self._standing.get(record.subject)
        if standing is not None and standing.asked_ms is not None:
            self._day(standing, record.at_ms).waits.append(max(0, record.at_ms - standing.asked_ms))
            standing.asked_ms = None

    def _graded(self, record: Record) -> None:
        data = record.data
        assert isinstance(data, records.AlarmGraded)
        standing = self._of(record, data.owner)
        graver, standing.priority = data.priority < standing.priority, data.priority
        if graver and standing.raised_ms is not None and not standing.away:
            self._calls(record, standing)

    def _shelved(self, record: Record) -> None:
        data = record.data
        assert isinstance(data, records.AlarmShelved)
        self._goes(record, self._of(record, data.owner), SHELVED)

    def _hidden(self, record: Record) -> None:
        data = record.data
        assert isinstance(data, records.AlarmHidden)
        self._goes(record, self._of(record, data.owner), data.how)

    def _unshelved(self, record: Record) -> None:
        data = record.data
        assert isinstance(data, records.AlarmUnshelved)
        standing = self._of(record, data.owner)
        standing.priority = data.priority
        self._back(record, standing, SHELVED)
        if data.active and data.why != "by-hand" and not standing.away:
            self._calls(record, standing)

    def _shown(self, record: Record) -> None:
        data = record.data
        assert isinstance(data, records.AlarmShown)
        standing = self._of(record, data.owner)
        standing.priority = data.priority
        for how in (SUPPRESSED, OUT_OF_SERVICE):
            self._back(record, standing, how)
        if data.active and not standing.away:
            self._calls(record, standing)

    def _chattering(self, record: Record) -> None:
        data = record.data
        assert isinstance(data, records.AlarmChattering)
        self._day(self._of(record, data.owner), record.at_ms).chattering.add(record.subject)

    # -- what they have in common ----------------------------------------------------------------------------

    def _of(self, record: Record, owner: str) -> _Standing:
        standing = self._standing.get(record.subject)
        if standing is None:
            standing = self._standing[record.subject] = _Standing(self._console_of(owner))
        standing.last_ms = record.at_ms
        return standing

    def _day(self, standing: _Standing, at_ms: int) -> Day:
        day = self.days.of(at_ms)
        if day < self._first:
            return Day()  # too late to be counted
        told = self._told.get(day)
        if told is None:
            told = self._told[day] = {}
        found = told.get(standing.console)
        if found is None:
            found = told[standing.console] = Day()
        return found

    def _calls(self, record: Record, standing: _Standing) -> None:
        """Count a call on the operator's attention."""
        day = self._day(standing, record.at_ms)
        day.slots[(record.at_ms - self.days.around(record.at_ms)[0]) // SLOT_MS] += 1
        day.alarms[record.subject] += 1
        day.priorities[standing.priority] += 1
        if standing.asked_ms is None:
            standing.asked_ms = record.at_ms

    def _goes(self, record: Record, standing: _Standing, how: str) -> None:
        """Out of sight: what was stale is noted, and nobody is asked to acknowledge it."""
        self._note_stale(record, standing)
        standing.asked_ms = None
        if how != SHELVED:  # by design or with its machine: one of the two
            self._back(record, standing, OUT_OF_SERVICE if how == SUPPRESSED else SUPPRESSED)
        standing.away.setdefault(how, record.at_ms)

    def _back(self, record: Record, standing: _Standing, how: str) -> None:
        """Back in sight: it was away on every day since it went."""
        since = standing.away.pop(how, None)
        if since is None:
            return
        standing.in_sight_ms = record.at_ms
        for at in self._days_of(since, record.at_ms):
            self._day(standing, at).away.setdefault(how, set()).add(record.subject)

    def _note_stale(self, record: Record, standing: _Standing) -> None:
        since = self._stale_from(standing)
        if since is not None and since <= record.at_ms:
            for at in self._days_of(since, record.at_ms):
                self._day(standing, at).stale.add(record.subject)

    @staticmethod
    def _stale_from(standing: _Standing) -> int | None:
        """Return from when on it is, or will be, stale; None while it is over or out of sight."""
        if standing.raised_ms is None or standing.away:
            return None
        return max(standing.raised_ms + STALE_MS, standing.in_sight_ms)

    def _days_of(self, from_ms: int, to_ms: int) -> Iterable[int]:
        """Return a moment of each kept day that a span touches."""
        first = max(self._first, self.days.of(from_ms))
        return (self.days.start(day) for day in self.days.between(first, self.days.of(to_ms)))
