"""The board: every alarm of the site, what comes of a transition, and what time alone does to them.

What one more transition costs does not grow with what is open, and a turn without news costs one comparison. All that
the board knows it was told by records, except what chatters: that it counts itself, and nobody wrote it down.
"""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from heapq import heappop, heappush
from math import inf

from msgspec.structs import replace

from alarms import life, shelf
from alarms.chatter import QUIET_MS, Chatter, Raises
from alarms.hiding import ONLY_WHILE, Hidden, Hiding
from alarms.life import Alarm
from alarms.rules import Evaluator, Transition
from facility import records
from facility.commands import Command, IssuePermit, Refused, ShelveAlarm
from facility.records import Kind, Payload, Record, alarm_subject
from facility.rule import AlarmClass, Rule
from facility.site import Site


class Board:
    """All alarms, as the records tell them; the same records and moments always make the same records."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.active: dict[str, set[str]] = {}  # owner -> rules that hold there, in sight or not
        self.since: dict[tuple[str, str], int] = {}  # (owner, rule) of what is active, and since when
        self._alarms: dict[str, Alarm] = {}
        self._at: dict[str, dict[str, None]] = {}  # owner -> its alarms
        self._hiding = Hiding(site)
        self._raises = Raises()
        self._chatter: dict[str, Chatter] = {}
        self._ended: dict[str, None] = {}  # alarms that may be over, by subject
        self._review: dict[str, int] = {}  # alarms whose hiding may have changed, and when
        self._due: dict[str, int] = {}  # alarm -> when time alone may do something to it
        self._calendar: list[tuple[int, str]] = []  # entries that are out of date are skipped
        self._next_ms: float = inf

    # -- what is so ---------------------------------------------------------------------------------------

    def open(self) -> Mapping[str, Alarm]:
        """Return the alarms by subject: the open ones, and those just over until they are dropped."""
        return self._alarms

    def hiding(self, now_ms: int) -> list[Hidden]:
        """Return everything that disturbs nobody now, and why: the gravest first.

        A rule that means nothing but while its machine is out of use keeps nothing from anybody: it is not listed.
        """
        found = [h for a in self._alarms.values() if life.is_open(a) for h in self._hidden(a, now_ms)]
        found = [h for h in found if h.by != ONLY_WHILE]
        return sorted(found, key=lambda h: (not h.active, h.priority, h.subject))

    def preview(
        self, command: Command, now_ms: int, expected: AbstractSet[str] = frozenset()
    ) -> list[Hidden] | Refused:
        """Return what a shelf or a permit would keep out of sight if it were set now; or why it would be refused.

        `expected` are the alarms (subjects) that a power cut causes: those, and no others, it would suppress.
        """
        if isinstance(command, ShelveAlarm):
            alarm = self._open(command.alarm)
            if no := shelf.why_not(self.site, command, alarm):
                return no
            minutes = shelf.MOST_MINUTES if command.until_clear else command.minutes
            until = now_ms + minutes * 60_000
            return [self._would(command.alarm, "shelved", command.actor, now_ms, until, command.reason)]
        if isinstance(command, IssuePermit):
            how, subjects = self._hiding.would_hide(command.work, frozenset(command.equipment), expected)
            begins, ends = command.from_ms, command.until_ms
            return [self._would(s, how, command.actor, begins, ends, command.task) for s in subjects]
        return []

    def due(self, now_ms: int) -> int | None:
        """Return the earliest moment at which `decide` has something to do; None when only records can say."""
        if self._review:
            return now_ms
        while self._calendar and self._due.get(self._calendar[0][1]) != self._calendar[0][0]:
            heappop(self._calendar)
        self._next_ms = self._calendar[0][0] if self._calendar else inf
        return self._calendar[0][0] if self._calendar else None

    def ended(self) -> list[str]:
        """Return the subjects that were over when last told, and forget that they were asked for."""
        over = [s for s in self._ended if s in self._alarms and not life.is_open(self._alarms[s])]
        self._ended.clear()
        return over

    def drop(self, subject: str) -> None:
        """Forget an alarm that is over."""
        alarm = self._alarms.pop(subject, None)
        if alarm is not None and (here := self._at.get(alarm.owner)) is not None:
            here.pop(subject, None)
            if not here:
                del self._at[alarm.owner]
        self._due.pop(subject, None)
        self._review.pop(subject, None)

    def look_again(self, subject: str) -> None:
        """Let `ended` name an alarm again, if it is over: whatever else held it holds it no longer."""
        self._ended[subject] = None

    # -- deciding -----------------------------------------------------------------------------------------

    def take(self, move: Transition) -> list[Record]:
        """Return what a transition makes of its alarm; empty when it is only counted.

        What is due before it (`decide` with its moment) comes first. The first record's request is the transition's
        own: a book that holds it has seen this transition.
        """
        subject = alarm_subject(move.owner, move.rule)
        alarm = self._alarms.get(subject)
        rule = self.site.rules[move.rule]
        if (chatter := self._chatter.get(subject)) is not None and alarm is not None:
            return self._damped(alarm, rule, chatter, move)
        held = frozenset(alarm.rungs) if alarm is not None and alarm.active else frozenset[int]()
        rung = move.rung
        rungs = held | {rung} if move.raised else held - {rung}
        if rungs == held:
            return []
        if not held:
            return self._raise(alarm, rule, rungs, move, subject)
        if not rungs:
            assert alarm is not None
            data = records.AlarmCleared(
                move.rule, move.owner, move.value, move.device, move.scan_ms, latched=rule.latching
            )
            cleared = Record(
                move.at_ms, Kind.ALARM_CLEARED, subject, data, request=request_of(move), about=(move.owner,)
            )
            return [cleared, *self._off_the_shelf(alarm, move.at_ms, "cleared")]
        assert alarm is not None
        return self._graded(alarm, rule, rungs, move)

    def decide(self, now_ms: int) -> list[Record]:
        """Return what time, permits or other alarms make of the alarms, the first moment first.

        To be called until nothing comes. Each record carries the moment at which it was due, however late this is.
        """
        while True:
            looked_ms = next(iter(self._review.values())) if self._review else inf
            if self._next_ms <= min(now_ms, looked_ms):
                out = self._ripen_first()
            elif self._review:
                subject = next(iter(self._review))
                out = self._sight(subject, self._review.pop(subject))
            else:
                return []
            if out:
                return out

    def ask(self, command: Command, now_ms: int) -> list[Record] | Refused:
        """Return the records of a command about an alarm, or why not; empty when this very press was written before."""
        subject = str(getattr(command, "alarm", ""))
        return shelf.ask(self.site, self._open(subject), command, now_ms)

    def reconcile(self, evaluator: Evaluator, moves: Iterable[Transition], now_ms: int) -> list[Record]:
        """Bring the rules' memory and the board together after a restart; where they differ, the board's word wins.

        `moves` are what the evaluator found since its memory was taken. Of what chatters the rules know better.

        Returns:
            What ends the alarms whose rule, rung or machine the site no longer has.
        """
        moving: dict[tuple[str, str], list[Transition]] = {}
        for move in moves:
            moving.setdefault((move.owner, move.rule), []).append(move)
        standing: dict[tuple[str, str], set[int]] = {}
        for owner, rule, rung in evaluator.standing():
            standing.setdefault((owner, rule), set()).add(rung)
        known = evaluator.pairs()
        out: list[Record] = []
        for alarm in self._alarms.values():
            key = alarm.owner, alarm.rule
            if key not in known:
                out += self._withdraw(alarm, now_ms) if life.is_open(alarm) else []
            elif (chatter := self._chatter.get(alarm.subject)) is not None:
                rungs = frozenset(standing.get(key, ()))
                for move in moving.get(key, ()):  # as it was before them: they are still to be taken
                    rungs ^= {move.rung}
                chatter.rungs = rungs
                chatter.changed_ms = max(chatter.changed_ms, evaluator.moved_ms(*key))
            elif key not in moving:
                out += self._forced(alarm, standing.get(key, set()), evaluator, now_ms)
        # What was hidden and shown stands in the book; but the site's files may be others now.
        self._review = {a.subject: now_ms for a in self._alarms.values() if life.is_open(a)}
        for key in standing.keys() - {(a.owner, a.rule) for a in self._alarms.values()} - moving.keys():
            for rung in standing[key]:
                evaluator.force(*key, rung, active=False, since_ms=now_ms)
        return out

    def _forced(self, alarm: Alarm, standing: set[int], evaluator: Evaluator, now_ms: int) -> list[Record]:
        """Make the rules hold what the alarm says holds; return what takes rungs away that the rule no longer has."""
        held = set(alarm.rungs) if alarm.active else set[int]()
        key = alarm.owner, alarm.rule
        gone = {r for r in held - standing if not evaluator.force(*key, r, active=True, since_ms=alarm.raised_ms)}
        for rung in standing - held:
            evaluator.force(*key, rung, active=False, since_ms=now_ms)
        if not gone:
            return []
        if gone == held:
            return self._withdraw(alarm, now_ms)
        rule, rungs = self.site.rules[alarm.rule], tuple(sorted(held - gone))
        data = records.AlarmGraded(
            rule.id, alarm.owner, _priority(rule, rungs), rule.class_.value, rungs, alarm.value, alarm.point
        )
        return [_line(now_ms, Kind.ALARM_GRADED, alarm.owner, rule.id, data, "rule-withdrawn")]

    # -- believing ----------------------------------------------------------------------------------------

    def tell(self, record: Record) -> None:
        """Believe one more record; what is about neither an alarm nor a permit nor a ticket is passed over."""
        if record.subject.startswith("alarm:"):
            self._tell_alarm(record)
        elif record.subject.startswith(("permit:", "ticket:")):
            work = self._hiding.tell(record)
            if work is not None:
                subjects = [s for owner in work.owners for s in self._at.get(owner, ())]
                for subject in dict.fromkeys((*subjects, *(s for s in work.expected if s in self._alarms))):
                    self._review[subject] = record.at_ms

    def _tell_alarm(self, record: Record) -> None:
        subject = record.subject
        before = self._alarms.get(subject)
        alarm = life.tell(before, record)
        if alarm is None or alarm is before:
            return
        self._alarms[subject] = alarm
        if before is None:
            self._at.setdefault(alarm.owner, {})[subject] = None
        match record.kind:
            case Kind.ALARM_RAISED:
                if alarm.class_ != AlarmClass.LIFE_SAFETY:
                    self._raises.tell(subject, record.at_ms)
            case Kind.ALARM_CHATTERING:
                self._chatter[subject] = Chatter(frozenset(alarm.rungs), record.at_ms)
            case Kind.ALARM_SETTLED:
                self._chatter.pop(subject, None)
                self._raises.forget(subject)
        self._stands(alarm, record.at_ms, changed=alarm.active is not (before is not None and before.active))
        self._date(alarm, record.at_ms)

    def _stands(self, alarm: Alarm, at_ms: int, *, changed: bool) -> None:
        """Keep by machine what is active, for those who ask for causes and for what it makes meaningless."""
        key = alarm.owner, alarm.rule
        if not life.is_open(alarm):
            self._ended[alarm.subject] = None
            self._chatter.pop(alarm.subject, None)
        if alarm.active:
            self.since[key] = alarm.raised_ms
            self.active.setdefault(alarm.owner, set()).add(alarm.rule)
        elif self.since.pop(key, None) is not None:
            self.active[alarm.owner].discard(alarm.rule)
        if changed:
            for other in self._hiding.suppresses.get(alarm.rule, ()):
                subject = alarm_subject(alarm.owner, other)
                if subject in self._alarms:
                    self._review[subject] = at_ms

    def _date(self, alarm: Alarm, at_ms: int) -> None:
        """Enter in the calendar when time alone may next do something to an alarm, after that moment."""
        if alarm.shelf is None and not alarm.chattering and not self._seasonal(alarm):
            if self._due:
                self._due.pop(alarm.subject, None)
            return
        moments = [alarm.shelf.until_ms] if alarm.shelf is not None else []
        if (chatter := self._chatter.get(alarm.subject)) is not None:
            moments.append(chatter.changed_ms + QUIET_MS)
        rule = self.site.rules.get(alarm.rule)
        if rule is not None and life.is_open(alarm) and (change := self._hiding.next_change(rule, at_ms)) is not None:
            moments.append(change)
        if not moments:
            self._due.pop(alarm.subject, None)
            return
        due = min(moments)
        if self._due.get(alarm.subject) != due:
            self._due[alarm.subject] = due
            heappush(self._calendar, (due, alarm.subject))
        self._next_ms = min(self._next_ms, due)

    def _seasonal(self, alarm: Alarm) -> bool:
        rule = self.site.rules.get(alarm.rule)
        return rule is not None and rule.season is not None

    # -- what becomes of one alarm ------------------------------------------------------------------------

    def _open(self, subject: str) -> Alarm | None:
        alarm = self._alarms.get(subject)
        return alarm if life.is_open(alarm) else None

    def _raise(
        self, alarm: Alarm | None, rule: Rule, rungs: frozenset[int], move: Transition, subject: str
    ) -> list[Record]:
        at, owner = move.at_ms, move.owner
        shelved = alarm is not None and alarm.shelf is not None
        hide = self._hiding.of(owner, rule, at, self.active.get(owner, frozenset()))
        data = records.AlarmRaised(
            rule.id,
            owner,
            _priority(rule, rungs),
            rule.class_.value,
            move.value,
            move.point,
            move.device,
            move.scan_ms,
            tuple(sorted(rungs)),
            "shelved" if shelved else (hide[0] if hide else ""),
            "" if shelved or not hide else hide[1],
        )
        out = [Record(at, Kind.ALARM_RAISED, subject, data, request=request_of(move), about=(owner,))]
        if shelved and hide:
            out.append(
                _line(at, Kind.ALARM_HIDDEN, owner, rule.id, records.AlarmHidden(rule.id, owner, *hide), hide[1])
            )
        if alarm is not None and shelved and data.priority < alarm.priority:
            out.append(self._unshelved(alarm, at, "graver", priority=data.priority, active=hide is None))
        if rule.class_ is not AlarmClass.LIFE_SAFETY and (count := self._raises.chatters(subject, at)):
            out.append(_line(at, Kind.ALARM_CHATTERING, owner, rule.id, records.AlarmChattering(rule.id, owner, count)))
        return out

    def _graded(self, alarm: Alarm, rule: Rule, rungs: frozenset[int], move: Transition) -> list[Record]:
        data = records.AlarmGraded(
            rule.id,
            alarm.owner,
            _priority(rule, rungs),
            rule.class_.value,
            tuple(sorted(rungs)),
            move.value,
            move.point,
            move.device,
            move.scan_ms,
        )
        out = [
            Record(move.at_ms, Kind.ALARM_GRADED, alarm.subject, data, request=request_of(move), about=(alarm.owner,))
        ]
        if alarm.shelf is not None and data.priority < alarm.priority:
            # What was put away was something less.
            out.append(self._unshelved(alarm, move.at_ms, "graver", priority=data.priority))
        return out

    def _damped(self, alarm: Alarm, rule: Rule, chatter: Chatter, move: Transition) -> list[Record]:
        """Count what is not told; only what is graver than anything so far is."""
        before = chatter.rungs
        chatter.rungs = before | {move.rung} if move.raised else before - {move.rung}
        chatter.changed_ms = max(chatter.changed_ms, move.at_ms)
        if chatter.rungs and not before:
            chatter.untold += 1
            self._alarms[alarm.subject] = replace(alarm, chattering=alarm.chattering + 1)
        if move.raised and _priority(rule, chatter.rungs) < alarm.priority:
            return self._graded(alarm, rule, chatter.rungs | frozenset(alarm.rungs), move)
        return []

    def _ripen_first(self) -> list[Record]:
        """Return what the first moment of the calendar brings; telling it dates its alarm anew."""
        at_ms, subject = self._calendar[0]
        if self._due.get(subject) == at_ms:
            if out := self._ripe(subject, at_ms):
                return out
            self._date(self._alarms[subject], at_ms)
        if self._due.get(subject) != at_ms:
            heappop(self._calendar)
        self._next_ms = self._calendar[0][0] if self._calendar else inf
        return []

    def _ripe(self, subject: str, at_ms: int) -> list[Record]:
        """Return what that moment does to an alarm: its shelf ends, it has settled, its season begins or ends."""
        alarm = self._alarms[subject]
        if alarm.shelf is not None and alarm.shelf.until_ms <= at_ms:
            return [self._unshelved(alarm, at_ms, "expired")]
        chatter = self._chatter.get(subject)
        if chatter is not None and chatter.changed_ms + QUIET_MS <= at_ms:
            return self._settled(alarm, chatter, at_ms)
        return self._sight(subject, at_ms)

    def _sight(self, subject: str, at_ms: int) -> list[Record]:
        """Return what brings an alarm out of sight, or back, as the design and the works want it at that moment."""
        alarm = self._open(subject)
        rule = self.site.rules.get(alarm.rule) if alarm else None
        if alarm is None or rule is None:
            return []
        stands = alarm.active or alarm.latched
        active = self.active.get(alarm.owner, frozenset[str]())
        wanted = self._hiding.of(alarm.owner, rule, at_ms, active) if stands else None
        is_ = (alarm.hide.how, alarm.hide.by) if alarm.hide else None
        if wanted == is_:
            return []
        owner = alarm.owner
        if wanted is not None:
            data: Payload = records.AlarmHidden(rule.id, owner, *wanted)
            return [_line(at_ms, Kind.ALARM_HIDDEN, owner, rule.id, data, wanted[1])]
        by = is_[1] if is_ else ""
        data = records.AlarmShown(rule.id, owner, by, alarm.active and not alarm.shelf, alarm.priority, alarm.class_)
        return [_line(at_ms, Kind.ALARM_SHOWN, owner, rule.id, data, by)]

    def _settled(self, alarm: Alarm, chatter: Chatter, at_ms: int) -> list[Record]:
        """Return what ends chattering; where the rule no longer holds, the alarm is over with it."""
        owner, rule_id, holds = alarm.owner, alarm.rule, bool(chatter.rungs)
        settled = records.AlarmSettled(rule_id, owner, chatter.untold, holds)
        out = [_line(at_ms, Kind.ALARM_SETTLED, owner, rule_id, settled)]
        rule = self.site.rules.get(rule_id)
        if not holds:
            cleared = records.AlarmCleared(rule_id, owner, why="settled", latched=bool(rule and rule.latching))
            out.append(_line(at_ms, Kind.ALARM_CLEARED, owner, rule_id, cleared, "settled"))
            out += self._off_the_shelf(alarm, at_ms, "cleared")
        elif rule is not None and chatter.rungs != frozenset(alarm.rungs):
            rungs = tuple(sorted(chatter.rungs))
            data = records.AlarmGraded(
                rule_id, owner, _priority(rule, chatter.rungs), rule.class_.value, rungs, alarm.value, alarm.point
            )
            out.append(_line(at_ms, Kind.ALARM_GRADED, owner, rule_id, data, "settled"))
        return out

    def _off_the_shelf(self, alarm: Alarm, at_ms: int, why: str) -> list[Record]:
        if alarm.shelf is None or not alarm.shelf.until_clear:
            return []
        return [self._unshelved(alarm, at_ms, why, active=False)]

    def _unshelved(
        self, alarm: Alarm, at_ms: int, why: str, *, priority: int | None = None, active: bool | None = None
    ) -> Record:
        data = records.AlarmUnshelved(
            alarm.rule,
            alarm.owner,
            why,
            alarm.active and alarm.hide is None if active is None else active,
            alarm.priority if priority is None else priority,
            alarm.class_,
        )
        return _line(at_ms, Kind.ALARM_UNSHELVED, alarm.owner, alarm.rule, data)

    def _withdraw(self, alarm: Alarm, now_ms: int) -> list[Record]:
        """Return the lines that end an alarm whose rule, machine or reading the site no longer has."""
        out: list[Record] = []
        if alarm.active:
            data = records.AlarmCleared(alarm.rule, alarm.owner, why="rule-withdrawn")
            name = f"{alarm.rule}/{alarm.owner}/cleared@{now_ms}"
            out.append(Record(now_ms, Kind.ALARM_CLEARED, alarm.subject, data, request=name, about=(alarm.owner,)))
        if alarm.shelf is not None:
            out.append(self._unshelved(alarm, now_ms, "rule-withdrawn", active=False))
        if alarm.latched:
            data_ = records.AlarmReset("")
            out.append(_line(now_ms, Kind.ALARM_RESET, alarm.owner, alarm.rule, data_))
        return out

    # -- lists --------------------------------------------------------------------------------------------

    def _hidden(self, alarm: Alarm, now_ms: int) -> Iterable[Hidden]:
        rule = self.site.rules.get(alarm.rule)
        if (put := alarm.shelf) is not None:
            yield _row(alarm, "shelved", put.by, put.at_ms, put.until_ms, put.reason)
        if (hide := alarm.hide) is not None:
            until, reason = self._hiding.until(rule, hide.by, now_ms)
            yield _row(alarm, hide.how, hide.by, hide.since_ms, until, reason)
        if (chatter := self._chatter.get(alarm.subject)) is not None:
            yield _row(alarm, "chattering", "", alarm.raised_ms, chatter.changed_ms + QUIET_MS, "")

    def _would(self, subject: str, how: str, by: str, since: int, until: int, reason: str) -> Hidden:
        alarm = self._open(subject)
        if alarm is not None:
            return _row(alarm, how, by, since, until, reason)
        owner, rule_id = subject.removeprefix("alarm:").rpartition("/")[::2]
        rule = self.site.rules[rule_id]
        return Hidden(
            subject, owner, rule_id, int(rule.priority), rule.class_.value, how, by, since, until, reason, active=False
        )


def request_of(move: Transition) -> str:
    """Return the request id of a transition's record; the same transition gives the same one, always."""
    said = "raised" if move.raised else "cleared"
    rung = f".{move.rung}" if move.rung else ""
    return f"{move.rule}/{move.owner}/{said}{rung}@{move.at_ms}"


def _priority(rule: Rule, rungs: Iterable[int]) -> int:
    """Return the priority of the gravest rung; 0 is the rule itself, and a rung that is no more counts as it."""
    ladder = rule.ladder
    return min((int(ladder[r - 1].priority if 0 < r <= len(ladder) else rule.priority) for r in rungs),
               default=int(rule.priority))  # fmt: skip


def _line(at_ms: int, kind: Kind, owner: str, rule: str, data: Payload, name: str = "") -> Record:
    """Return a record of the board's own; the same one has the same request id, always."""
    said = f"{kind.removeprefix('alarm.')}:{name}" if name else kind.removeprefix("alarm.")
    request = f"{rule}/{owner}/{said}@{at_ms}"
    return Record(at_ms, kind, alarm_subject(owner, rule), data, request=request, about=(owner,))


def _row(alarm: Alarm, how: str, by: str, since: int, until: int | None, reason: str) -> Hidden:
    return Hidden(
        alarm.subject,
        alarm.owner,
        alarm.rule,
        alarm.priority,
        alarm.class_,
        how,
        by,
        since,
        until,
        reason,
        alarm.active,
        alarm.chattering,
    )
