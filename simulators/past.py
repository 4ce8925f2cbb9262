"""The demo site's past month, lived through by the real decisions on a clock of its own.

Nothing here is written by hand but the stories: which alarm, when, and how quickly people came.
"""

import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from alarms.board import Board
from facility.commands import (
    Accept,
    AcknowledgeAlarm,
    Arrive,
    CheckEquipment,
    CloseIncident,
    Command,
    ConfirmClose,
    EndPermit,
    Finish,
    IssuePermit,
    Refused,
    ReleaseEquipment,
    SkipStep,
    TickStep,
)
from facility.records import (
    AlarmCleared,
    AlarmRaised,
    Kind,
    PageSent,
    Record,
    alarm_subject,
    incident_subject,
)
from facility.site import Site
from response import duty
from response.context import Context
from response.incident import Incident
from response.incidents import Incidents
from response.permits.planned import Planned
from response.plans import crew
from response.plans.outofservice import OutOfService, may_release
from response.plans.plan import state

DAY_MS = 86_400_000
MINUTE_MS = 60_000
GUARD_MINUTES = 2.1
"""How long a guard walks."""


@dataclass(frozen=True, slots=True)
class Story:
    """So many days ago at so many hours after midnight UTC; minutes until accepted, arrived and put right."""

    days: int
    hours: float
    owner: str
    rule: str
    accepted: float = 1.0
    arrived: float = 6.0
    right: float = 15.0
    cause: str = "已查明并处理"


STORIES = (
    Story(28, 3.2, "lift-2b", "lift-fault-stop", 2, 31, 48, "门锁回路接触不良"),
    Story(26, 9.5, "pit-1", "pit-water", 1, 7, 40, "集水坑泵浮球卡住"),
    Story(23, 14.1, "lift-p1", "lift-trapped", 0.6, 9, 17, "地坎异物卡门"),
    Story(20, 6.0, "chiller-2", "chiller-trip", 3, 14, 52, "冷冻水流量开关误动"),
    Story(17, 22.4, "lift-1a", "lift-fault-stop", 2, 13, 30, "层门门锁调整"),
    Story(13, 11.7, "pump-room-1", "pump-room-flood", 1, 5, 28, "泵组机械密封漏水"),
    Story(9, 2.3, "hv-f2", "hv-trip", 1.5, 6, 75, "电缆终端受潮，已更换"),
    Story(6, 15.9, "lift-2a", "lift-trapped", 0.4, 7, 13, "门机皮带松弛"),
    Story(3, 8.2, "chiller-1", "chiller-trip", 2, 12, 41, "冷凝器结垢高压跳机"),
    Story(1, 19.6, "lift-p2", "lift-fault-stop", 2, 10, 25, "轿门光幕故障"),
)


def incidents(site: Site, now_ms: int) -> Iterator[tuple[list[Record], list[str]]]:
    """Yield each story's records in order, with the subjects that are over at its end."""
    numbers = Incidents()
    for story in STORIES:
        if story.owner in site.equipment and story.rule in site.rules:
            told = _Telling(site, numbers, story, now_ms - story.days * DAY_MS + int(story.hours * 3_600_000) - DAY_MS)
            yield told.live()


def planned(site: Site, now_ms: int) -> tuple[list[Record], list[str]]:
    """Return a permit of last week, ended and checked, and an inspection day that is announced; with what is over."""
    lifts = [e.id for e in site.equipment.values() if e.kind == "lift"]
    hands = [p.id for p in site.people.values() if "lift-technician" in p.roles]
    if not lifts or not hands:
        return [], []
    works, records = Planned(), list[Record]()

    def ask(at_ms: int, command: Command) -> None:
        context = Context(site, at_ms)
        said = works.ask(context, command, {})
        assert not isinstance(said, Refused), said.why.en
        tell(said)
        while more := works.decide(context):
            tell(more)

    def tell(more: Iterable[Record]) -> None:
        for record in more:
            works.tell(record)
            records.append(record)

    lift, who = lifts[-1], hands[0]
    begun = now_ms - 5 * DAY_MS
    ends = begun + 180 * MINUTE_MS
    ask(begun, IssuePermit("user:operator", "past-permit-1", "permit", (lift,), who, begun, ends, "更换门机皮带"))
    (id,) = works.permits()
    done = ends - 20 * MINUTE_MS
    ask(done, EndPermit("user:operator", "past-permit-2", id))
    ask(done + 9 * MINUTE_MS, CheckEquipment("user:operator", "past-permit-3", id, lift, works=True, person=who))
    over = works.drop_closed()
    morning = (now_ms // DAY_MS + 2) * DAY_MS + 60 * MINUTE_MS
    task = "年度定期检验（检验机构到场）"
    announced = IssuePermit(
        "user:operator", "past-permit-4", "inspection", (lift,), who, morning, morning + 240 * MINUTE_MS, task
    )
    ask(now_ms - DAY_MS // 2, announced)
    return records, over


@dataclass
class _Telling:
    """One story on a virtual clock."""

    site: Site
    incidents: Incidents
    story: Story
    at: int
    records: list[Record] = field(default_factory=list)
    later: list[tuple[int, int, Callable[[int], None]]] = field(default_factory=list)
    count: "itertools.count[int]" = field(default_factory=itertools.count)
    board: Board = field(init=False)

    def __post_init__(self) -> None:
        """Give the story its own alarms."""
        self.board = Board(self.site)

    def live(self) -> tuple[list[Record], list[str]]:
        """Play it to the end."""
        s, began = self.story, self.at
        rule = self.site.rules[s.rule]
        subject = alarm_subject(s.owner, s.rule)
        raised = AlarmRaised(
            rule=s.rule, owner=s.owner, priority=int(rule.priority), class_=str(rule.class_), value=1.0
        )
        self._say(Record(began, Kind.ALARM_RAISED, subject, raised, request=f"{s.rule}/{s.owner}/raised@{began}",
                         about=(s.owner,)))  # fmt: skip
        self._decide(began)
        self._at(0.3, lambda t: self._acknowledge(t, subject))
        for minutes in (0.4, 1.2, GUARD_MINUTES + 0.5):
            self._at(minutes, self._work)
        self._at(GUARD_MINUTES, self._guard)
        self._at(s.accepted, lambda t: self._by_first(t, Accept))
        self._at(s.arrived, self._arrive)
        for k in range(24):
            self._at(s.arrived + 1 + (s.right - s.arrived - 2) * k / 24, self._work)
        cleared = AlarmCleared(rule=s.rule, owner=s.owner, value=0.0)
        self._at(s.right, lambda t: self._say(Record(t, Kind.ALARM_CLEARED, subject, cleared,
                 request=f"{s.rule}/{s.owner}/cleared@{t}", about=(s.owner,))))  # fmt: skip
        self._at(s.right + 1, lambda t: self._by_first(t, Finish))
        for k in range(8):
            self._at(s.right + 2 + 10 * k, self._close)
        while self.later:
            at, _, deed = heapq.heappop(self.later)
            while (due := self.incidents.due(self._context(at))) is not None and due < at:
                self._decide(due)
            deed(at)
            self._decide(at)
        closed = [incident_subject(i.id) for i in self.incidents.drop_closed()]
        return self.records, [*closed, subject, *self._released(began + int((s.right + 180) * MINUTE_MS))]

    def _released(self, now: int) -> list[str]:
        """Let the machines that were held run again, hours later; return what is over with it."""
        holds = OutOfService()
        for record in self.records:
            holds.tell(record)
        for machine in list(holds.open()):
            known = self.site.equipment[machine].card
            who = [known.contractor, *self.site.parties, *self.site.people]
            by = next(person for person in who if person and may_release(self.site, machine, person))
            ask = ReleaseEquipment("user:operator", self._request(), machine, by, "试运行正常")
            said = holds.ask(self._context(now), ask, {})
            for record in () if isinstance(said, Refused) else said:
                self.records.append(record)
                holds.tell(record)
        return holds.drop_closed()

    def _at(self, minutes: float, deed: Callable[[int], None]) -> None:
        heapq.heappush(self.later, (self.at + int(minutes * MINUTE_MS), next(self.count), deed))

    def _context(self, now: int) -> Context:
        return Context(site=self.site, now=now)

    def _incident(self) -> Incident | None:
        return next((i for i in self.incidents.open().values() if i.closed_ms is None), None)

    def _say(self, *records: Record) -> None:
        for record in records:
            self.records.append(record)
            self.incidents.tell(record)
            self.board.tell(record)

    def _decide(self, now: int) -> None:
        while more := self.incidents.decide(self._context(now)):
            self._say(*more)
            for page in self.incidents.unsent(now):
                sent = PageSent(page.key, "demo phone")
                if page.not_before_ms > now:
                    continue
                at = max(page.requested_ms, page.not_before_ms) + 900
                self._say(Record(at, Kind.PAGE_SENT, incident_subject(page.incident), sent,
                                 request=f"{page.key}/sent", about=(page.person,)))  # fmt: skip

    def _ask(self, now: int, command: Command) -> bool:
        said = self.incidents.ask(self._context(now), command)
        if isinstance(said, Refused):
            return False
        self._say(*said)
        self._decide(now)
        return True

    def _request(self) -> str:
        return f"past/{self.story.owner}/{self.story.days}/{next(self.count)}"

    def _acknowledge(self, now: int, subject: str) -> None:
        said = self.board.ask(AcknowledgeAlarm("user:operator", self._request(), subject), now)
        self._say(*(() if isinstance(said, Refused) else said))

    def _responders(self, incident: Incident) -> Iterable[str]:
        return dict.fromkeys(p.person for p in incident.pages.values() if p.responder and p.person in self.site.people)

    def _arrive(self, now: int) -> None:
        """Let those who were called come, as many as the plan's arrival steps wait for; one in any case."""
        incident = self._incident()
        plan = self.site.plans.get(incident.plan) if incident else None
        if incident is None or plan is None:
            return
        for person in self._responders(incident):
            lacking = [
                s
                for s in plan.steps
                if s.arrival and crew.strength(incident, self.site, s, incident.arrived) < s.persons
            ]
            if not lacking and set(self._responders(incident)) & incident.arrived.keys():
                break
            self._ask(now, Arrive(f"person:{person}", self._request(), incident.id, person))
            incident = self._incident() or incident

    def _by_first(self, now: int, act: type[Accept] | type[Finish]) -> None:
        incident = self._incident()
        if incident is not None:
            for person in self._responders(incident):
                if self._ask(now, act(f"person:{person}", self._request(), incident.id, person)):
                    break

    def _guard(self, now: int) -> None:
        """Let the guard, who is in the house, be the first at the place, called or not."""
        incident = self._incident()
        guard = next(iter(duty.on_duty(self.site, "guard", now)), None)
        if incident is not None and guard is not None:
            self._ask(now, Arrive("user:operator", self._request(), incident.id, guard))

    def _work(self, now: int) -> None:
        """Whoever can do the next open step does it; what nobody here can do is left out with its reason."""
        incident = self._incident()
        plan = self.site.plans.get(incident.plan) if incident else None
        if incident is None or plan is None:
            return
        people = [*self._responders(incident), *(p for p in self.site.people if p not in incident.accepted)]
        for step in plan.steps:
            if step.arrival or state(incident, plan, step) != "open":
                continue
            answer = step.answers[0].id if step.answers else ""
            done = 0
            for person in people:
                for actor in (f"person:{person}", "user:operator"):  # by phone, or by voice to the desk
                    if self._ask(now, self._tick(actor, incident.id, step.id, person, answer)):
                        done += 1
                        break
                if done >= step.persons:
                    return
            if now > self.at + int((self.story.right - 3) * MINUTE_MS):
                self._ask(now, SkipStep("user:operator", self._request(), incident.id, step.id, "本次无需执行"))
                return

    def _tick(self, actor: str, incident: str, step: str, person: str, answer: str) -> TickStep:
        heard = actor.startswith("user:")
        return TickStep(actor, self._request(), incident, step, person, answer=answer, heard=heard)

    def _close(self, now: int) -> None:
        incident = self._incident()
        if incident is not None:
            self._work(now)
            self._vouch(now, incident)
            cause = self.story.cause
            self._ask(now, CloseIncident("user:manager", self._request(), incident.id, cause, "设备恢复正常"))

    def _vouch(self, now: int, incident: Incident) -> None:
        """Let two of those who came or were called say what telemetry would show: the past has none."""
        plan = self.site.plans.get(incident.plan)
        asked = dict.fromkeys([*incident.arrived, *incident.called])
        for check in range(len(plan.close) if plan else 0):
            for person in [p for p in asked if p in self.site.people][:2]:
                ask = ConfirmClose("user:operator", self._request(), incident.id, check, person)
                self._ask(now, ask)
