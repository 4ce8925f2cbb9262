"""All open incidents: a fold of the log book that decides what comes next and says when to ask again."""

from collections.abc import Callable, Mapping

from facility import records
from facility.commands import AnswerBell, Command, Refused, StartPlan
from facility.plan import Plan
from facility.records import Record
from facility.site import Site
from facility.text import Text
from response import commands, escalation, fold
from response import plan as steps
from response.context import Context
from response.fold import Incident, Note, PageState, PromiseState, Signature, StepState
from response.opening import Alert, day_of, open_by_hand, place

__all__ = [
    "Context",
    "Incident",
    "Incidents",
    "Note",
    "PageState",
    "PromiseState",
    "Signature",
    "StepState",
    "missing",
]

missing = steps.missing


class Incidents:
    """Everything that is open, as the records tell it; the same records always make the same decisions."""

    def __init__(self) -> None:
        self._open: dict[str, Incident] = {}
        self._alerts: dict[str, Alert] = {}  # alarms that hold now, by subject
        self._passed: list[Alert] = []  # came and went before anybody decided: a pulse is an alarm too
        self._live = False  # what was told before is from the book, and was decided then
        self._last = ("", 0)  # day and number of the newest incident
        self._dues: dict[str, tuple[Incident, str, int | None]] = {}  # per incident, as of which value and site
        self._watched: frozenset[str] = frozenset()

    # -- believing ------------------------------------------------------------------------------------------

    def tell(self, record: Record) -> None:
        """Believe one more record; what is not about alarms or incidents is passed over."""
        if record.subject.startswith("alarm:"):
            self._tell_alarm(record)
        elif record.subject.startswith("incident:"):
            self._tell_incident(record)

    def restored(self, newest: str = "") -> None:
        """Say that all that was told so far came from the book, so that alarms that are over open nothing again.

        `newest` is the id or subject of the newest incident in the book, open or not: its number is not given again.
        """
        self._live = True
        self._number_after(newest)

    def open(self) -> Mapping[str, Incident]:
        """Return the open incidents by id, and those just closed until `drop_closed`."""
        return self._open

    def drop_closed(self) -> list[str]:
        """Forget the closed incidents; return their ids."""
        closed = [i.id for i in self._open.values() if i.closed_ms is not None]
        for over in closed:
            del self._open[over]
            self._dues.pop(over, None)
        return closed

    def _tell_alarm(self, record: Record) -> None:
        if isinstance(record.data, records.AlarmRaised):
            self._alerts[record.subject] = Alert.of(record, record.data)
        elif isinstance(record.data, records.AlarmCleared):
            alert = self._alerts.pop(record.subject, None)
            taken = [i for i in self._open.values() if record.subject in i.active_alarms]
            for incident in taken:
                self._open[incident.id] = fold.tell(incident, record)
            if (
                self._live
                and alert is not None
                and not any(i.joined_ms[alert.subject] >= alert.raised_ms for i in taken)
            ):
                self._passed.append(alert)

    def _tell_incident(self, record: Record) -> None:
        which = record.subject.removeprefix("incident:")
        data = record.data
        alarm = data.alarm if isinstance(data, records.IncidentOpened | records.IncidentJoined) else ""
        if alarm:
            self._passed = [a for a in self._passed if a.subject != alarm or a.raised_ms > record.at_ms]
        if isinstance(data, records.IncidentOpened):
            self._number_after(which)
            self._open[which] = fold.opened(which, record, data, active=alarm in self._alerts)
        elif which in self._open:
            self._open[which] = fold.tell(self._open[which], record, active=alarm in self._alerts)

    # -- deciding -------------------------------------------------------------------------------------------

    def decide(self, context: Context) -> list[Record]:
        """Return everything that must be recorded by now, in order; nothing is believed until it is told.

        Each record carries the moment at which it was due, however late this is called.
        """
        self._live = True
        draft = self.copy()
        out = draft.settle(context)
        self._watched = draft.watched()
        if not out:
            self._passed.clear()  # looked at, and of no consequence
        return out

    def settle(self, context: Context) -> list[Record]:
        """Decide and believe at once until nothing is new; for copies, and for tests."""
        out: list[Record] = []
        for alert in self._unplaced(context):
            out += self._believe(place(alert, self._open, self._alerts.values(), context, self._namer(context)))
        for which in list(self._open):
            while more := self._believe(self._next(self._open[which], context)):
                out += more
        self._watched = frozenset(
            point
            for incident in self._open.values()
            if incident.closed_ms is None and (plan := context.plan(incident))
            for point in steps.watched(incident, plan)
        )
        return out

    def copy(self) -> "Incidents":
        """Return another fold of the same records."""
        twin = Incidents()
        twin.__dict__.update(self.__dict__)
        twin.__dict__.update(_open=dict(self._open), _alerts=dict(self._alerts), _passed=list(self._passed), _dues={})
        return twin

    def due(self, context: Context) -> int | None:
        """Return the earliest moment at which time alone will change something; None when it never will."""
        moments = [self._due(incident, context) for incident in self._open.values() if incident.closed_ms is None]
        return min((m for m in moments if m is not None), default=None)

    def watched(self) -> frozenset[str]:
        """Return the site point ids whose next reading may prove a step, as of the last decision."""
        return self._watched

    def missing(self, incident: Incident, context: Context) -> list[Text]:
        """Return what still forbids closing an incident; empty when it may be closed."""
        return missing(incident, context)

    def _believe(self, fresh: list[Record]) -> list[Record]:
        for record in fresh:
            self.tell(record)
        return fresh

    def _unplaced(self, context: Context) -> list[Alert]:
        """Return the alarms that no incident has taken since they rose, causes before what they cause."""
        running = [i for i in self._open.values() if i.closed_ms is None]
        placed = {s: at for i in running for s, at in i.joined_ms.items() if s in i.active_alarms}
        loose = [a for a in self._alerts.values() if placed.get(a.subject, -1) < a.raised_ms]
        supply = context.site.supply
        return sorted([*self._passed, *loose], key=lambda a: (len(supply.upstream(a.owner)), a.raised_ms, a.subject))

    def _next(self, incident: Incident, context: Context) -> list[Record]:
        """Return the records of what comes first, if it is due."""
        plan = context.plan(incident)
        if incident.closed_ms is not None or plan is None:
            return []
        if incident.alarms and not incident.active_alarms and incident.normal_ms is None:
            at = max(incident.cleared_ms or 0, incident.last_ms)
            return [escalation.write(incident, at, records.IncidentNormal())]
        first = escalation.first(incident, plan, context.site, context.now)
        late = first is not None and first.at_ms <= context.now
        for step, seen, shown in steps.proven(incident, plan, context.read):
            at = max(incident.last_ms, min(seen, context.now))
            if first is None or not late or at < first.at_ms:
                done = records.StepDone(step.id, fold.TELEMETRY, shown)
                kept = escalation.kept(incident, [steps.promise_of(step)], at)
                return [escalation.write(incident, at, payload) for payload in (done, *kept)]
        if first is None or not late:
            return []
        return escalation.carry_out(first, incident, plan, context.site)

    def _due(self, incident: Incident, context: Context) -> int | None:
        known = self._dues.get(incident.id)
        if known is None or known[0] is not incident or known[1] != context.site.hash:
            plan = context.plan(incident)
            dues = list(escalation.agenda(incident, plan, context.site)) if plan else []
            known = (incident, context.site.hash, min(dues).at_ms if dues else None)
            self._dues[incident.id] = known
        return known[2]

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
        incident = self._open.get(str(getattr(command, "incident", "")))
        return commands.NOT_FOUND if incident is None else commands.ask(incident, context, command)

    def _start(self, context: Context, command: StartPlan) -> list[Record] | Refused:
        site, place_words = context.site, command.place.strip()
        plan = site.plans.get(command.plan)
        if plan is None:
            return Refused("not-found", Text("没有这个预案。", "There is no such plan."))
        if no := _wrong_place(site, plan, command.equipment, place_words):
            return no
        twin = commands.running(self._open, plan.id, command.equipment, place_words)
        if twin is not None and twin.stage == fold.DESK:
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

    # -- pages ----------------------------------------------------------------------------------------------

    def unsent(self, now_ms: int) -> list[PageState]:
        """Return the pages that were requested and neither sent nor overtaken, the longest due first.

        One that was refused is listed with the moment of its next try (`not_before_ms`), up to a minute ahead.
        """
        waiting = [p for i in self._open.values() for p in i.pages.values() if p.state in fold.UNSENT]
        horizon = now_ms + fold.LONGEST_BACK_OFF_MS
        return sorted(
            (p for p in waiting if p.not_before_ms <= horizon), key=lambda p: (p.not_before_ms, p.requested_ms)
        )

    def page(self, key: str) -> tuple[Incident, PageState]:
        """Return a page and its incident; KeyError when no open incident has it."""
        for incident in self._open.values():
            if key in incident.pages:
                return incident, incident.pages[key]
        raise KeyError(key)


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
