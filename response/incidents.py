"""All open incidents: a fold of the log book that decides what comes next and says when to ask again."""

from collections.abc import Callable, Collection
from dataclasses import replace
from heapq import heappop, heappush
from itertools import chain

from facility import records
from facility.commands import AnswerBell, ClearLift, Command, Refused, StartDrill, StartPlan
from facility.plan import Plan
from facility.records import Record
from facility.site import Site
from facility.text import Text
from response import (
    agenda,
    bundling,
    closing,
    commands,
    consequence,
    course,
    drill,
    escalation,
    fold,
    relief,
    shiftchange,
    sweep,
)
from response import plan as steps
from response.context import Context
from response.holder import Calls
from response.incident import DESK, Incident
from response.lines import write
from response.opening import Alert, day_of, open_by_hand, place
from response.page import LONGEST_BACK_OFF_MS, UNSENT, PageState
from response.quarantine import Quarantine
from response.running import Running
from response.steady import Steady

_STIRRING = (records.IncidentOpened, records.IncidentJoined, records.IncidentConfirmed, records.BellAnswered)
"""After these, an alarm that belonged nowhere may belong to the incident."""


BY_HAND = "by-hand"
"""Why an alarm came off the shelf: somebody took it back, and so has seen it."""

RETRY_MS = 1_000
"""In a flood, alarms that belong nowhere yet are looked at again at most so often."""

SWEEP_MS = 1_000
"""Whether a lift on a sweep list has proved itself empty is looked at so often, not at every scan of every lift."""

MANY = 200
"""So many alarms that belong nowhere are a flood; fewer are looked at again whenever anything happens."""


class Incidents:
    """Everything that is open, as the records tell it; the same records always make the same decisions.

    What one more record costs does not grow with what is open: only what a record touched, or whose moment has come,
    is decided anew.
    """

    def __init__(self) -> None:
        self._open = Running()
        self._alerts: dict[str, Alert] = {}  # alarms that hold now, by subject
        self._taken_back: dict[str, Alert] = {}  # hold, and an operator took them off the shelf: nobody is called
        # Alarms that came and went before anybody decided, by subject and rise: a pulse is an alarm too.
        self._passed: dict[str, dict[int, Alert]] = {}
        self._calls = Calls()
        self._live = False  # what was told before is from the book, and was decided then
        self._last = ("", 0)  # day and number of the newest incident
        # Alarms to be placed: those just told, in the order of their placing, and those that found no place.
        self._fresh: dict[str, Alert] = {}
        self._pulses: list[Alert] = []
        self._queue: list[tuple[int, int, str, Alert]] = []
        self._loose: dict[str, Alert] = {}
        self._stirred = False  # something happened since the loose ones were looked at
        self._retry_ms = 0
        # Incidents to be looked at: those that records touched, and when time alone will change the others.
        self._touched: dict[str, None] = {}
        self._undated: dict[str, None] = {}
        self._due_ms: dict[str, int] = {}
        self._calendar: list[tuple[int, str]] = []  # entries that are out of date are skipped
        self._watch: dict[str, frozenset[str]] = {}  # the points whose readings may prove a step
        self._watched: frozenset[str] | None = frozenset()
        self._joined: list[tuple[str, str]] = []  # (incident, alarm) of what joined since causes were looked for
        self._doubted: dict[str, None] = {}  # incidents that may be consequences of another
        self._steady = Steady()
        self._sweeping: dict[str, None] = {}  # incidents with lifts that are presumed occupied
        self._unswept: dict[str, None] = {}  # incidents whose list may lack a lift, or hold one too many
        self._telling: dict[str, dict[str, None]] = {}  # incident -> those of its alarms that tell of lost lifts
        self._sweep_ms = 0  # when their readings are looked at next
        self._ration = bundling.Ration()
        self._context: Context | None = None  # whose readings were looked at
        self._quarantine = Quarantine()
        self._hash = ""  # of the site by whose plans the calendar stands

    # -- believing ------------------------------------------------------------------------------------------

    def tell(self, record: Record) -> None:
        """Believe one more record; what is not about alarms or incidents is passed over."""
        if record.subject.startswith("alarm:"):
            self._tell_alarm(record)
        elif record.subject.startswith("incident:"):
            self._tell_incident(record)
        elif record.subject.startswith("permit:"):
            self._calls.tell(record, live=self._live)

    def restored(self, newest: str = "") -> None:
        """Say that all that was told so far came from the book, so that alarms that are over open nothing again.

        `newest` is the id or subject of the newest incident in the book, open or not: its number is not given again.
        """
        self._live = True
        self._number_after(newest)

    def open(self) -> Running:
        """Return the open incidents by id, and those just closed until `drop_closed`."""
        return self._open

    def holds(self, alarm: str) -> bool:
        """Say whether an open incident needs an alarm, by its subject."""
        return bool(self._open.with_alarm(alarm))

    def drop_closed(self) -> list[Incident]:
        """Forget the closed incidents; return them."""
        closed = self._open.drop_closed()
        for over in closed:
            self._calls.closed(over.id)
            self._unswept.pop(over.id, None)
            self._telling.pop(over.id, None)
            self._touched.pop(over.id, None)
            self._undated.pop(over.id, None)
            self._due_ms.pop(over.id, None)
            self._watches(over.id, frozenset())
            self._ration.forget(over.pages)
            self._steady.forget(over.id)
        return closed

    def _tell_alarm(self, record: Record) -> None:
        self._stirred = True
        subject = record.subject
        match record.data:
            case records.AlarmRaised(hidden="") as data:
                self._alerts[subject] = self._fresh[subject] = Alert.of(record, data)
            case records.AlarmUnshelved(active=True) | records.AlarmShown(active=True) as data:
                told = Alert.of(record, data)
                if isinstance(data, records.AlarmUnshelved) and data.why == BY_HAND:
                    self._taken_back[subject] = told  # whoever took it back has seen it
                else:
                    self._alerts[subject] = self._fresh[subject] = told
            case records.AlarmGraded() as data:
                self._tell_graded(record, data)
            case records.AlarmShelved() | records.AlarmHidden():
                self._forget_alert(subject)
            case records.AlarmCleared():
                self._tell_cleared(record)

    def _forget_alert(self, subject: str) -> Alert | None:
        """Let an alarm be no matter of anybody's; the incident that took it keeps it until it clears."""
        self._fresh.pop(subject, None)
        self._loose.pop(subject, None)
        self._taken_back.pop(subject, None)
        return self._alerts.pop(subject, None)

    def _tell_graded(self, record: Record, data: records.AlarmGraded) -> None:
        """Tell a graver alarm anew; one that is less grave goes on as it is, and a hidden one disturbs nobody."""
        subject = record.subject
        before = self._alerts.get(subject) or self._taken_back.get(subject)
        if before is None:
            return
        if data.priority < before.priority:
            self._taken_back.pop(subject, None)
            self._alerts[subject] = self._fresh[subject] = Alert.of(record, data)
        elif subject in self._alerts:
            self._alerts[subject] = self._fresh[subject] = replace(before, priority=data.priority)
        else:
            self._taken_back[subject] = replace(before, priority=data.priority)

    def _tell_cleared(self, record: Record) -> None:
        ended = self._forget_alert(record.subject)
        taken = [i for i in self._open.with_alarm(record.subject) if record.subject in i.active_alarms]
        for incident in taken:
            self._put(fold.tell(incident, record))
        if self._live and ended is not None and not any(i.joined_ms[ended.subject] >= ended.raised_ms for i in taken):
            self._passed.setdefault(ended.subject, {})[ended.raised_ms] = ended
            self._pulses.append(ended)

    def _tell_incident(self, record: Record) -> None:
        which = record.subject.removeprefix("incident:")
        data = record.data
        alarm = data.alarm if isinstance(data, records.IncidentOpened | records.IncidentJoined) else ""
        if alarm:
            self._passed[alarm] = {at: a for at, a in self._passed.pop(alarm, {}).items() if at > record.at_ms}
        if isinstance(data, records.IncidentOpened):
            self._number_after(which)
            self._calls.opened(which, data)
            self._put(fold.opened(which, record, data, active=alarm in self._alerts))
        elif which in self._open:
            self._put(fold.tell(self._open[which], record, active=alarm in self._alerts))
            if self._open[which].drill != drill.PAPER:  # a drill takes no turn from what is real
                self._ration.tell(record)
        if isinstance(data, _STIRRING):
            self._stirred = True
        if alarm:
            self._joined.append((which, alarm))
        if isinstance(data, records.IncidentOpened | records.IncidentConfirmed):
            self._look_at_lists()  # it may be about people in a listed lift

    def _look_at_lists(self) -> None:
        self._touched.update(self._sweeping)
        self._unswept.update(self._sweeping)

    def _put(self, incident: Incident) -> None:
        before = self._open.get(incident.id)
        self._open.put(incident)
        if before is None or before.sweep is not incident.sweep or incident.closed_ms is not None:
            if incident.sweep and incident.closed_ms is None and sweep.left(incident):
                self._sweeping[incident.id] = None
            else:
                self._sweeping.pop(incident.id, None)
        self._touched[incident.id] = self._undated[incident.id] = None
        if incident.closed_ms is not None:  # what it held and still holds belongs nowhere now
            self._fresh.update((s, self._alerts[s]) for s in incident.active_alarms if s in self._alerts)

    # -- deciding -------------------------------------------------------------------------------------------

    def decide(self, context: Context) -> list[Record]:
        """Return what must be recorded next, in order; nothing is believed until it is told.

        To be called, with the same context, until nothing comes. Each record carries the moment at which it was due,
        however late this is called.
        """
        self._live = True
        if context is not self._context:  # new readings may prove steps
            self._touched.update(dict.fromkeys(self._watch))
            self._context = context
        if self._sweeping and context.now >= self._sweep_ms:
            self._look_at_lists()
            self._sweep_ms = context.now + SWEEP_MS
        called = self._calls.decide(context.site, self._namer(context))
        if more := called or self._placed(context) or self._merged(context) or self._moved(context):
            of = self._open.get(more[0].subject.removeprefix("incident:"))
            return more if of is not None and of.drill == drill.PAPER else self._ration.held(more)
        return self._ration.decide(context.now, self._open, self._page, context.site)

    def due(self, context: Context) -> int | None:
        """Return the earliest moment at which time alone will change something; None when it never will."""
        self._date(context)
        while self._calendar and self._due_ms.get(self._calendar[0][1]) != self._calendar[0][0]:
            heappop(self._calendar)
        moments = [self._calendar[0][0]] if self._calendar else []
        if self._sweeping:
            moments.append(self._sweep_ms)
        if self._stirred and self._loose:
            moments.append(self._retry_ms)
        if (leaves := self._ration.due()) is not None:
            moments.append(leaves)
        return min(moments, default=None)

    def watched(self) -> frozenset[str]:
        """Return the site point ids whose next reading may prove a step, as of the last decision."""
        if self._watched is None:
            self._watched = frozenset(chain.from_iterable(self._watch.values()))
        return self._watched

    def missing(self, incident: Incident, context: Context) -> list[Text]:
        """Return what still forbids closing an incident; empty when it may be closed."""
        return closing.missing(incident, self._with_steady(context))

    def _with_steady(self, context: Context) -> Context:
        return replace(context, shown_since=self._steady.since)

    def _placed(self, context: Context) -> list[Record]:
        """Return what the next alarm makes that belongs nowhere yet, causes before what they cause."""
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
            holds = self._alerts.get(alert.subject) is alert
            passed = self._passed.get(alert.subject, {}).get(alert.raised_ms) is alert
            if passed or (holds and not self._belongs(alert)):
                out = place(alert, self._open, self._alerts.values(), context, self._namer(context))
                heappop(self._queue)
                if out:
                    return out
                if holds:
                    self._loose[alert.subject] = alert
            else:
                heappop(self._queue)
        self._passed.clear()  # looked at, and of no consequence
        return []

    def _belongs(self, alert: Alert) -> bool:
        """Say whether an incident has taken the alarm since it rose."""
        subject = alert.subject
        taken = (i for i in self._open.with_alarm(subject) if subject in i.active_alarms)
        return any(i.joined_ms[subject] >= alert.raised_ms for i in taken)

    def _merged(self, context: Context) -> list[Record]:
        """Return what moves an incident into that of its cause, where the cause became known after its symptom."""
        explaining = False
        for which, alarm in self._joined:
            explains = consequence.explains(alarm, context.site)
            if explains or sweep.mains_lost(alarm, context.site):
                self._telling.setdefault(which, {})[alarm] = self._unswept[which] = None
            explaining = explaining or explains
        self._joined.clear()
        if explaining:
            self._doubted.update((i.id, None) for i in self._open.values() if i.closed_ms is None)
        while self._doubted:
            which = next(iter(self._doubted))
            incident = self._open.get(which)
            if incident is not None and (out := consequence.taken_over(incident, self._open, context)):
                return out
            del self._doubted[which]
        return []

    def _moved(self, context: Context) -> list[Record]:
        """Return the records of what comes first in an incident that was touched, or whose moment has come."""
        self._date(context)
        while self._calendar and self._calendar[0][0] <= context.now:
            moment, which = heappop(self._calendar)
            if self._due_ms.get(which) == moment:
                self._touched[which] = self._undated[which] = None
                del self._due_ms[which]
        while self._touched:
            which = next(iter(self._touched))
            incident = self._open.get(which)
            try:
                out = self._next(incident, context) if incident and which not in self._quarantine else []
            except Exception as error:  # noqa: BLE001 - it is raised again, until it is the incident's own fault
                return self._quarantine.failed(which, error, context.now)
            if out:
                return out  # telling them touches it again
            del self._touched[which]
            plan = context.plan(incident) if incident and incident.closed_ms is None else None
            points = steps.watched(incident, plan, context.site) if incident and plan else ()
            self._watches(which, frozenset(points))
        return []

    def _date(self, context: Context) -> None:
        """Enter in the calendar when time alone will change the incidents that changed."""
        if context.site.hash != self._hash:
            self._hash = context.site.hash
            self._undated.update(dict.fromkeys(self._open))
        for which in self._undated:
            incident = self._open.get(which) if which not in self._quarantine else None
            plan = context.plan(incident) if incident and incident.closed_ms is None else None
            dues = [due.at_ms for due in agenda.agenda(incident, plan, context.site)] if incident and plan else []
            turn = shiftchange.following(incident, plan, context.site) if incident and plan else None
            dues += [turn.at_ms] if turn else []
            if dues:
                self._due_ms[which] = min(dues)
                heappush(self._calendar, (min(dues), which))
            else:
                self._due_ms.pop(which, None)
        self._undated.clear()

    def _watches(self, which: str, points: frozenset[str]) -> None:
        if points != self._watch.get(which, frozenset()):
            self._watched = None
            if points:
                self._watch[which] = points
            else:
                del self._watch[which]

    def _next(self, incident: Incident, context: Context) -> list[Record]:
        """Return the records of what comes first, if it is due."""
        plan = context.plan(incident)
        if incident.closed_ms is not None or plan is None:
            return []
        if incident.alarms and not incident.active_alarms and incident.normal_ms is None:
            at = max(incident.cleared_ms or 0, incident.last_ms)
            return [write(incident, at, records.IncidentNormal())]
        if incident.id in self._unswept:
            if swept := sweep.listed(incident, self._telling.get(incident.id, ()), context) or sweep.cleared(
                incident, self._open, context
            ):
                return swept
            del self._unswept[incident.id]
        first = agenda.first(incident, plan, context.site, context.now)
        late = first is not None and first.at_ms <= context.now
        turn = shiftchange.following(incident, plan, context.site)
        if turn and turn.at_ms <= context.now and (first is None or turn.at_ms < first.at_ms):
            turn = shiftchange.newest(turn, incident, plan, context.site, context.now)
            return shiftchange.told(incident, plan, context.site, turn)
        before = first.at_ms if first is not None and late else None
        if shown := course.shown(incident, plan, context, self._steady, before):
            return shown
        return escalation.carry_out(first, incident, plan, context.site) if first and late else []

    def _namer(self, context: Context) -> Callable[[int], str]:
        return lambda at_ms: self._new_id(context, at_ms)

    def _new_id(self, context: Context, at_ms: int) -> str:
        """Return the next number of the day; a day never comes back, whatever a late alarm says."""
        day = max(day_of(context.site, max(at_ms, context.now)), self._last[0])
        return f"{day}-{self._last[1] + 1 if day == self._last[0] else 1}"

    def _number_after(self, newest: str) -> None:
        day, _, number = newest.removeprefix("incident:").partition("-")
        if number.isdigit():
            self._last = max(self._last, (day, int(number)))

    # -- what people ask ------------------------------------------------------------------------------------

    def ask(self, context: Context, command: Command) -> list[Record] | Refused:
        """Return the records of a command, or why not; what follows from them is left to `decide`.

        A request that an open incident has already seen changes nothing: the answer is empty.
        """
        if any(command.request in incident.requests for incident in self._open.values()):
            return []
        if isinstance(command, StartPlan):
            return self._start(context, command)
        if isinstance(command, StartDrill):
            return self._drill(context, command)
        incident = self._open.get(str(getattr(command, "incident", "")))
        if isinstance(command, relief.EVEN_OVER):
            return relief.ask_even_over(incident, context, command)
        if incident is None:
            return commands.NOT_FOUND
        said = commands.ask(incident, self._with_steady(context), command)
        if isinstance(command, ClearLift) and command.how == sweep.TRAPPED and not isinstance(said, Refused):
            said += self._entrapped(context, command)
        return said

    def _entrapped(self, context: Context, command: ClearLift) -> list[Record]:
        """Return what begins when somebody is found in a lift; nothing where its own incident runs already."""
        plan = sweep.plan_for(context.site, command.lift)
        if plan is None or commands.running(self._open, plan.id, command.lift, "") is not None:
            return []
        data = records.IncidentOpened(plan.id, command.lift, plan.priority, note=command.note.strip())
        name, request = self._new_id(context, context.now), f"{command.request}/trapped"
        return open_by_hand(name, context.now, plan, context.site, data, command.actor, request)

    def _start(self, context: Context, command: StartPlan) -> list[Record] | Refused:
        site, place_words = context.site, command.place.strip()
        plan = site.plans.get(command.plan)
        if plan is None:
            return Refused("not-found", Text("没有这个预案。", "There is no such plan."))
        if no := _wrong_place(site, plan, command.equipment, place_words):
            return no
        twin = commands.running(self._open, plan.id, command.equipment, place_words)
        if twin is not None and twin.stage == DESK:
            # Somebody calls about the very bell that rings: that is its answer.
            note = " ".join(part for part in (place_words, command.note) if part)
            bell = AnswerBell(command.actor, command.request, twin.id, trapped=True, note=note)
            return commands.ask(twin, context, bell)
        if twin is not None:
            return Refused(
                "conflict",
                Text(
                    f"该预案已在运行：事件 {twin.id}。请在其中继续。",
                    f"This plan is already running: incident {twin.id}. Go on there.",
                ),
            )
        data = records.IncidentOpened(
            plan=plan.id,
            equipment=command.equipment,
            priority=plan.priority,
            place=place_words,
            caller=command.caller,
            note=command.note,
        )
        name = self._new_id(context, context.now)
        return open_by_hand(name, context.now, plan, site, data, command.actor, command.request)

    def _drill(self, context: Context, command: StartDrill) -> list[Record] | Refused:
        site, plan = context.site, context.site.plans.get(command.plan)
        if plan is None:
            return Refused("not-found", Text("没有这个预案。", "There is no such plan."))
        no = _wrong_place(site, plan, command.equipment, command.place.strip())
        no = no or drill.refused(command, site, self._open)
        if no:
            return no
        data = drill.opened(command, plan)
        name = self._new_id(context, context.now)
        return open_by_hand(name, context.now, plan, site, data, command.actor, command.request)

    # -- pages ----------------------------------------------------------------------------------------------

    def unsent(self, now_ms: int) -> list[PageState]:
        """Return the pages that were requested and neither sent nor overtaken, the longest due first.

        One that was refused is listed with the moment of its next try (`not_before_ms`), up to a minute ahead.
        """
        return self._open.unsent(now_ms + LONGEST_BACK_OFF_MS)

    def mend(self, incident: Incident) -> None:
        """Believe of an incident what the book says; what is due by it is decided anew."""
        self._put(incident)

    def letters(self, now_ms: int, held: Collection[str] = ()) -> list[bundling.Letter]:
        """Return the messages that may leave by now; pages of the incidents in `held` make none.

        A flood leaves thousands of pages that wait for their moment: those are not looked at.
        """

        def waits(key: str) -> PageState | None:
            page = self._page(key)
            return page if page and page.state in UNSENT and page.incident not in held else None

        due = [page for page in self._open.unsent(now_ms) if page.incident not in held]
        return self._ration.letters(due, waits)

    def next_letter(self, after_ms: int) -> int | None:
        """Return the first moment after another at which a message may leave."""
        return self._open.next_unsent(after_ms)

    def _page(self, key: str) -> PageState | None:
        try:
            return self.page(key)[1]
        except KeyError:
            return None

    def page(self, key: str) -> tuple[Incident, PageState]:
        """Return a page and its incident; KeyError when no open incident has it."""
        incident = self._open.with_page(key)
        return incident, incident.pages[key]


def _wrong_place(site: Site, plan: Plan, equipment: str, words: str) -> Refused | None:
    machine = site.equipment.get(equipment)
    if equipment and machine is None:
        return Refused("not-found", Text("没有这台设备。", "There is no such machine."))
    if machine is None and not words:
        return Refused("invalid", Text("请选设备或写明地点。", "Choose the machine or say the place."))
    if machine and plan.kinds and machine.kind not in plan.kinds:
        return Refused(
            "invalid",
            Text(f"预案“{plan.name.zh}”不适用于该设备。", f"The plan {plan.name.en} is not for this machine."),
        )
    return None
