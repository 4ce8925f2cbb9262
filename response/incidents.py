"""All open incidents: a fold of the log book that decides what comes next and says when to ask again."""

from collections.abc import Collection
from dataclasses import replace
from itertools import chain

from facility import records
from facility.commands import ClearLift, Command, Refused, StartDrill, StartPlan
from facility.records import Record
from facility.text import Text
from response import agenda, byhand, commands, fold, sweep
from response.alerts import Alerts
from response.calendar import Calendar
from response.consequence import Consequences
from response.context import Context
from response.duty import shiftchange
from response.incident import Incident
from response.lines import write
from response.naming import Numbers
from response.paging import bundling, escalation
from response.paging.page import LONGEST_BACK_OFF_MS, UNSENT, PageState
from response.permits.holder import Calls
from response.phone import relief
from response.plans import closing, course, drill
from response.plans import plan as steps
from response.plans.steady import Steady
from response.quarantine import LETTER, Quarantine, quarantined
from response.running import Running
from response.sweeplists import SweepLists

_STIRRING = (records.IncidentOpened, records.IncidentJoined, records.IncidentConfirmed, records.BellAnswered)
"""After these, an alarm that belonged nowhere may belong to the incident."""


class Incidents:
    """Everything that is open, as the records tell it; the same records always make the same decisions.

    What one more record costs does not grow with what is open: only what a record touched, or whose moment has come,
    is decided anew.
    """

    def __init__(self) -> None:
        self._open = Running()
        self._alerts = Alerts()
        self._calls = Calls()
        self._live = False  # what was told before is from the book, and was decided then
        self._numbers = Numbers()
        # Incidents to be looked at: those that records touched, and when time alone will change the others.
        self._touched: dict[str, None] = {}
        self._calendar = Calendar()
        self._watch: dict[str, frozenset[str]] = {}  # the points whose readings may prove a step
        self._watched: frozenset[str] | None = frozenset()
        self._consequences = Consequences()
        self._steady = Steady()
        self._lists = SweepLists()
        self._ration = bundling.Ration()
        self._context: Context | None = None  # whose readings were looked at
        self._quarantine = Quarantine()
        self._unbundled: set[str] = (
            set()
        )  # incidents whose pages could not be put together with others, and that is said

    # -- believing ------------------------------------------------------------------------------------------

    def tell(self, record: Record) -> None:
        """Believe one more record; what is not about alarms or incidents is passed over."""
        if isinstance(record.data, records.AlarmCleared):
            self._tell_cleared(record)
        elif record.subject.startswith("alarm:"):
            self._alerts.tell(record)
        elif record.subject.startswith("incident:"):
            self._tell_incident(record)
        elif record.subject.startswith("permit:"):
            self._calls.tell(record, live=self._live)

    def restored(self, newest: str = "", seen_ms: int = 0) -> None:
        """Say that all that was told so far came from the book, so that alarms that are over open nothing again.

        `newest` is the id or subject of the newest incident in the book, open or not: its number is not given again.
        Until `seen_ms` telemetry was looked at before.
        """
        self._live = True
        self._steady.until(seen_ms)
        self._numbers.after(newest)

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
            self._lists.forget(over.id)
            self._touched.pop(over.id, None)
            self._calendar.forget(over.id)
            self._watches(over.id, frozenset())
            self._ration.forget(over.pages)
            self._steady.forget(over.id)
            self._unbundled.discard(over.id)
        return closed

    def _tell_cleared(self, record: Record) -> None:
        taken = [i for i in self._open.with_alarm(record.subject) if record.subject in i.active_alarms]
        for incident in taken:
            self._put(fold.tell(incident, record))
        self._alerts.cleared(record.subject, [i.joined_ms[record.subject] for i in taken], live=self._live)

    def _tell_incident(self, record: Record) -> None:
        which = record.subject.removeprefix("incident:")
        data = record.data
        alarm = data.alarm if isinstance(data, records.IncidentOpened | records.IncidentJoined) else ""
        if alarm:
            self._alerts.taken(alarm, record.at_ms)
        if isinstance(data, records.IncidentOpened):
            self._numbers.after(which)
            self._calls.opened(which, data)
            self._put(fold.opened(which, record, data, active=alarm in self._alerts))
        elif which in self._open:
            self._put(fold.tell(self._open[which], record, active=alarm in self._alerts))
            if self._open[which].drill != drill.PAPER:  # a drill takes no turn from what is real
                self._ration.tell(record)
        if isinstance(data, _STIRRING):
            self._alerts.stir()
        if alarm:
            self._consequences.joined(which, alarm)
        if isinstance(data, records.IncidentOpened | records.IncidentConfirmed):
            self._touched.update(dict.fromkeys(self._lists.look()))  # it may be about people in a listed lift

    def _put(self, incident: Incident) -> None:
        before = self._open.get(incident.id)
        self._open.put(incident)
        if before is None or before.sweep is not incident.sweep or incident.closed_ms is not None:
            self._lists.put(incident)
        self._touched[incident.id] = None
        self._calendar.change(incident.id)
        if incident.closed_ms is not None:  # what it held and still holds belongs nowhere now
            self._alerts.given_back(incident.active_alarms)

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
        self._touched.update(dict.fromkeys(self._lists.look_by(context.now)))
        new_id = self._numbers.of(context)
        more = self._calls.decide(context.site, new_id) or self._alerts.place(self._open, context, new_id)
        if more := more or self._consequences.decide(self._open, context, self._lists) or self._moved(context):
            of = self._open.get(more[0].subject.removeprefix("incident:"))
            return more if of is not None and of.drill == drill.PAPER else self._held(more, context)
        return self._bundled(context)

    def due(self, context: Context) -> int | None:
        """Return the earliest moment at which time alone will change something; None when it never will."""
        if failed := self._calendar.date(self._open, context, self._quarantine):
            self._touched.update(dict.fromkeys(failed))
            return context.now  # the next turn counts it
        moments = (self._calendar.due(), self._lists.due(), self._alerts.due(), self._ration.due())
        return min((at for at in moments if at is not None), default=None)

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

    def _moved(self, context: Context) -> list[Record]:
        """Return the records of what comes first in an incident that was touched, or whose moment has come."""
        for which, error in self._calendar.date(self._open, context, self._quarantine).items():
            return self._quarantine.failed(which, error, context.now)
        for which in self._calendar.come(context.now):
            self._touched[which] = None
            self._calendar.change(which)
        while self._touched:
            which = next(iter(self._touched))
            incident = self._open.get(which)
            try:
                incident = incident if which not in self._quarantine else None
                out = self._next(incident, context) if incident else []
                plan = context.plan(incident) if incident and incident.closed_ms is None else None
                points = steps.watched(incident, plan, context.site) if incident and plan and not out else ()
            except Exception as error:  # noqa: BLE001 - it is raised again, until it is the incident's own fault
                return self._quarantine.failed(which, error, context.now)
            self._quarantine.worked(which)
            if out:
                return out  # telling them touches it again
            del self._touched[which]
            self._watches(which, frozenset(points))
        return []

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
        if swept := self._lists.decide(incident, self._open, context):
            return swept
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

    def _held(self, asked: list[Record], context: Context) -> list[Record]:
        """Return the records with their pages put off to when each person may be called; at once, if that fails."""
        try:
            return self._ration.held(asked)
        except Exception as error:  # noqa: BLE001 - a message too many is better than none
            return [*asked, *self._unbundle(asked[0].subject.removeprefix("incident:"), error, context.now)]

    def _bundled(self, context: Context) -> list[Record]:
        """Return which pages leave together; those that cannot be put together leave one by one, as they are."""
        looked: list[str] = []

        def page(key: str) -> PageState | None:
            looked.append(key)
            return self._page(key)

        try:
            return self._ration.decide(context.now, self._open, page, context.site)
        except Exception as error:  # the words of one keep nobody else from being called
            if not looked:
                raise
            found = [p.incident for key in looked if (p := self._page(key))]
            self._ration.forget(looked)
            more = [record for which in dict.fromkeys(found) for record in self._unbundle(which, error, context.now)]
            return more or self._bundled(context)

    def _unbundle(self, incident: str, error: Exception, now: int) -> list[Record]:
        """Say once of an incident that its pages leave by themselves."""
        if incident in self._unbundled:
            return []
        self._unbundled.add(incident)
        return [quarantined(LETTER, incident, error, now)]

    # -- what people ask ------------------------------------------------------------------------------------

    def ask(self, context: Context, command: Command) -> list[Record] | Refused:
        """Return the records of a command, or why not; what follows from them is left to `decide`.

        A request that an open incident has already seen changes nothing: the answer is empty.
        """
        if any(command.request in incident.requests for incident in self._open.values()):
            return []
        if isinstance(command, StartPlan):
            return byhand.start(self._numbers.next(context), self._open, context, command)
        if isinstance(command, StartDrill):
            return byhand.start_drill(self._numbers.next(context), self._open, context, command)
        incident = self._open.get(str(getattr(command, "incident", "")))
        if isinstance(command, relief.EVEN_OVER):
            return relief.ask_even_over(incident, context, command)
        if incident is None:
            return commands.NOT_FOUND
        said = commands.ask(incident, self._with_steady(context), command)
        if isinstance(command, ClearLift) and command.how == sweep.TRAPPED and not isinstance(said, Refused):
            said += byhand.entrapped(self._numbers.next(context), self._open, context, command)
        return said

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
        try:
            return self._ration.letters(due, waits)
        except Exception:  # noqa: BLE001 - what cannot be put together leaves one by one, in the words of each page
            return [bundling.Letter(p.key, p.not_before_ms, p.text, (p,)) for p in due if waits(p.key)]

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
