"""The board: every alarm of the site, what comes of a transition, and what time alone does to them.

What one more transition costs does not grow with what is open, and a turn without news costs one comparison. All that
the board knows it was told by records, except what chatters: that it counts itself, and nobody wrote it down.
"""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from math import inf

from msgspec.structs import replace

from alarms import hidden, life, lines, restart, shelf
from alarms.chatter import QUIET_MS, Chatter, Raises
from alarms.hidden import Hidden, Why
from alarms.hiding import Hiding
from alarms.life import Alarm
from alarms.rules import Evaluator
from alarms.transition import Transition
from facility.agenda import Agenda
from facility.commands import Command, IssuePermit, Refused, ShelveAlarm
from facility.records import Kind, Record, alarm_subject
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
        self._agenda = Agenda()  # when time alone may do something to which alarm

    # -- what is so ---------------------------------------------------------------------------------------

    def open(self) -> Mapping[str, Alarm]:
        """Return the alarms by subject: the open ones, and those just over until they are dropped."""
        return self._alarms

    def hiding(self, now_ms: int) -> list[Hidden]:
        """Return everything that disturbs nobody now, and why: the gravest first.

        A rule that means nothing but while its machine is out of use keeps nothing from anybody: it is not listed.
        """
        return hidden.listed(self.site, self._alarms.values(), self._hiding, self._chatter, now_ms)

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
            why = Why("shelved", command.actor, now_ms, until, command.reason)
            return [hidden.would_be(self.site, command.alarm, alarm, why)]
        if isinstance(command, IssuePermit):
            how, subjects = self._hiding.would_hide(command.work, frozenset(command.equipment), expected)
            why = Why(how, command.actor, command.from_ms, command.until_ms, command.task)
            return [hidden.would_be(self.site, s, self._open(s), why) for s in subjects]
        return []

    def due(self, now_ms: int) -> int | None:
        """Return the earliest moment at which `decide` has something to do; None when only records can say."""
        if self._review:
            return now_ms
        first = self._agenda.first()
        return first[0] if first is not None else None

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
        self._agenda.strike(subject)
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
            return [lines.cleared(rule, move), *lines.off_the_shelf(alarm, move.at_ms, "cleared")]
        assert alarm is not None
        return self._graded(alarm, rule, rungs, move)

    def decide(self, now_ms: int) -> list[Record]:
        """Return what time, permits or other alarms make of the alarms, the first moment first.

        To be called until nothing comes. Each record carries the moment at which it was due, however late this is.
        """
        while True:
            looked_ms = next(iter(self._review.values())) if self._review else inf
            if (due := self._agenda.by(min(now_ms, looked_ms))) is not None:
                out = self._ripe(*due)
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
        """Bring the rules' memory and the board together after a restart; return what ends what the site has no more.

        `moves` are what the evaluator found since its memory was taken, still to be taken here.
        """
        out = restart.reconcile(self.site, self._alarms, self._chatter, evaluator, moves, now_ms)
        # What was hidden and shown stands in the book; but the site's files may be others now.
        self._review = {a.subject: now_ms for a in self._alarms.values() if life.is_open(a)}
        return out

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
        """Enter in the agenda when time alone may next do something to an alarm, after that moment."""
        if alarm.shelf is None and not alarm.chattering and not self._seasonal(alarm):
            self._agenda.strike(alarm.subject)
            return
        moments = [alarm.shelf.until_ms] if alarm.shelf is not None else []
        if (chatter := self._chatter.get(alarm.subject)) is not None:
            moments.append(chatter.changed_ms + QUIET_MS)
        rule = self.site.rules.get(alarm.rule)
        if rule is not None and life.is_open(alarm) and (change := self._hiding.next_change(rule, at_ms)) is not None:
            moments.append(change)
        if moments:
            self._agenda.enter(alarm.subject, min(moments))
        else:
            self._agenda.strike(alarm.subject)

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
        out = [lines.raised(rule, rungs, move, ("shelved", "") if shelved else hide)]
        if shelved and hide:
            out.append(lines.hidden(owner, rule.id, hide, at))
        priority = lines.priority_of(rule, rungs)
        if alarm is not None and shelved and priority < alarm.priority:
            out.append(lines.unshelved(alarm, at, "graver", priority=priority, active=hide is None))
        if rule.class_ is not AlarmClass.LIFE_SAFETY and (count := self._raises.chatters(subject, at)):
            out.append(lines.chattering(rule, owner, count, at))
        return out

    def _graded(self, alarm: Alarm, rule: Rule, rungs: frozenset[int], move: Transition) -> list[Record]:
        out = [lines.graded(rule, rungs, move)]
        priority = lines.priority_of(rule, rungs)
        if alarm.shelf is not None and priority < alarm.priority:
            # What was put away was something less.
            out.append(lines.unshelved(alarm, move.at_ms, "graver", priority=priority))
        return out

    def _damped(self, alarm: Alarm, rule: Rule, chatter: Chatter, move: Transition) -> list[Record]:
        """Count what is not told; only what is graver than anything so far is."""
        before = chatter.rungs
        chatter.rungs = before | {move.rung} if move.raised else before - {move.rung}
        chatter.changed_ms = max(chatter.changed_ms, move.at_ms)
        if chatter.rungs and not before:
            chatter.untold += 1
            self._alarms[alarm.subject] = replace(alarm, chattering=alarm.chattering + 1)
        if move.raised and lines.priority_of(rule, chatter.rungs) < alarm.priority:
            return self._graded(alarm, rule, chatter.rungs | frozenset(alarm.rungs), move)
        return []

    def _ripe(self, at_ms: int, subject: str) -> list[Record]:
        """Return what that moment does to an alarm: its shelf ends, it has settled, its season begins or ends.

        Telling that dates the alarm anew; where nothing comes of the moment, it is dated here.
        """
        alarm = self._alarms[subject]
        if alarm.shelf is not None and alarm.shelf.until_ms <= at_ms:
            return [lines.unshelved(alarm, at_ms, "expired")]
        chatter = self._chatter.get(subject)
        if chatter is not None and chatter.changed_ms + QUIET_MS <= at_ms:
            return lines.settled(alarm, self.site.rules.get(alarm.rule), chatter, at_ms)
        out = self._sight(subject, at_ms)
        if not out:
            self._date(alarm, at_ms)
        return out

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
        return [lines.shown(alarm, at_ms) if wanted is None else lines.hidden(alarm.owner, rule.id, wanted, at_ms)]
