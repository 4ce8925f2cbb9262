"""What keeps alarms out of sight by design, or while somebody works on their machine. Life-safety: nothing does.

The strongest reason counts: a permit (out of service), a planned power cut that expects the alarm, a rule that means
nothing here and now, an alarm of the same machine that makes this one meaningless.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from alarms import season
from facility import records
from facility.equipment import split_point
from facility.records import Record, alarm_subject
from facility.rule import AlarmClass, Rule
from facility.site import Site

OUT_OF_SERVICE = "out-of-service"
SUPPRESSED = "suppressed"
ONLY_WHILE = "only-while"

TAKES_OUT = frozenset({"permit", "inspection", "genset-test"})
"""Works that take their machines out of service; 报停 hides nothing."""

TICKET = "switching"
EXPECTS = frozenset({"power-cut", TICKET})
"""Works that suppress the alarms they expect, by name: a planned power cut, the operations of a ticket."""


@dataclass(frozen=True, slots=True)
class Work:
    """Planned work as its records tell it; it hides while it is `started`."""

    work: str
    equipment: frozenset[str]
    until_ms: int | None
    task: str
    owners: frozenset[str]  # its machines, and devices that speak for no others
    started: bool = False
    expected: frozenset[str] = frozenset()
    overdue: bool = False  # its window is over, and nobody has ended it: it hides nothing until it is extended


class Hiding:
    """The design of a site and the works that run: whether an alarm may disturb anybody."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._zone = ZoneInfo(site.timezone)
        self._works: dict[str, Work] = {}
        self._changes: dict[str, tuple[int, int | None]] = {}  # rule -> (asked at, next change), as last computed
        # For each rule those whose alarm it makes meaningless, to be looked at when it comes or goes.
        self.suppresses: dict[str, tuple[str, ...]] = {}
        for rule in site.rules.values():
            for other in rule.suppressed_by:
                self.suppresses[other] = (*self.suppresses.get(other, ()), rule.id)

    @property
    def works(self) -> Mapping[str, Work]:
        """Announced and running works, by the subject of their records."""
        return self._works

    def tell(self, record: Record) -> Work | None:
        """Believe the record of a permit or ticket; return the work whose hiding begins, ends or changes with it."""
        work = self._works.get(record.subject)
        match record.data:
            case records.PermitIssued() as data:
                machines = frozenset(data.equipment)
                self._works[record.subject] = Work(
                    data.work, machines, data.until_ms, data.task, self._owners(machines)
                )
            case records.PermitStarted(expected=expected) if work:
                self._works[record.subject] = replace(work, started=True, expected=frozenset(expected))
                return self._works[record.subject]
            case records.PermitExtended(until_ms=until_ms) if work:
                again = work.started or work.overdue
                self._works[record.subject] = replace(work, until_ms=until_ms, started=again, overdue=False)
                return work if work.overdue else None
            case records.PermitOverdue(why="overdue") if work:
                self._works[record.subject] = replace(work, started=False, overdue=True)
                return work
            case records.TicketIssued(task=task):
                self._works[record.subject] = Work(TICKET, frozenset(), None, task, frozenset())
            case records.TicketStepDone(expected=expected) if work and expected:
                both = work.expected | frozenset(expected)
                self._works[record.subject] = replace(work, started=True, expected=both)
                return self._works[record.subject]
            case records.PermitEnded() | records.TicketEnded() if work:
                del self._works[record.subject]
                return work if work.started else None
        return None

    def of(self, owner: str, rule: Rule, at_ms: int, active: AbstractSet[str]) -> tuple[str, str] | None:
        """Return how and by what an alarm is out of sight at a moment; `active` rules hold on its owner."""
        if rule.class_ is AlarmClass.LIFE_SAFETY:
            return None
        if self._works and (found := self._by_work(owner, rule)):
            return found
        if rule.only_while and not self._runs(owner, rule.only_while):
            return SUPPRESSED, ONLY_WHILE
        if rule.season is not None and not season.holds(rule.season, at_ms, self._zone):
            return SUPPRESSED, "hours" if season.in_days(rule.season, at_ms, self._zone) else "season"
        by = next((r for r in rule.suppressed_by if r in active), None)
        return (SUPPRESSED, f"rule:{by}") if by is not None else None

    def next_change(self, rule: Rule, at_ms: int) -> int | None:
        """Return when a rule's season or hours next begin or end, after that moment; None: never."""
        if rule.season is None or rule.class_ is AlarmClass.LIFE_SAFETY:
            return None
        asked, change = self._changes.get(rule.id, (0, 0))
        if not asked <= at_ms or (change is not None and change <= at_ms):
            change = season.next_change(rule.season, at_ms, self._zone)
            self._changes[rule.id] = (at_ms, change)
        return change

    def until(self, rule: Rule | None, by: str, at_ms: int) -> tuple[int | None, str]:
        """Return until when something hides, and its reason in words; None where nobody can say."""
        if (work := self._works.get(by)) is not None:
            return work.until_ms, work.task
        return (self.next_change(rule, at_ms) if rule and by in {"season", "hours"} else None), ""

    def would_hide(self, work: str, machines: AbstractSet[str], expected: AbstractSet[str]) -> tuple[str, list[str]]:
        """Return how a work would keep which alarms (subjects) out of sight, whether they stand or not."""
        if work not in TAKES_OUT:
            return SUPPRESSED, sorted(s for s in expected if work in EXPECTS and self._hideable(s))
        owners = self._owners(frozenset(machines))
        return OUT_OF_SERVICE, sorted(
            alarm_subject(owner, rule.id)
            for owner in owners
            for rule in self._site.rules.values()
            if rule.class_ is not AlarmClass.LIFE_SAFETY and rule.kind == self._kind(owner)
        )

    def _by_work(self, owner: str, rule: Rule) -> tuple[str, str] | None:
        expected: tuple[str, str] | None = None
        for subject, work in self._works.items():
            if not work.started:
                continue
            if work.work in TAKES_OUT and owner in work.owners:
                return OUT_OF_SERVICE, subject
            if work.work in EXPECTS and alarm_subject(owner, rule.id) in work.expected:
                expected = SUPPRESSED, subject
        return expected

    def _runs(self, owner: str, work: str) -> bool:
        return any(w.started and w.work == work and owner in w.owners for w in self._works.values())

    def _kind(self, owner: str) -> str:
        machine = self._site.equipment.get(owner)
        return machine.kind if machine else "device"

    def _hideable(self, subject: str) -> bool:
        rule = self._site.rules.get(subject.rpartition("/")[2])
        return rule is not None and rule.class_ is not AlarmClass.LIFE_SAFETY

    def _owners(self, machines: frozenset[str]) -> frozenset[str]:
        """Return the machines, and the devices that speak for nothing else: switched off, they fall silent."""
        devices = (
            d.id
            for d in self._site.devices.values()
            if d.points and all(split_point(point)[0] in machines for point in d.points)
        )
        return machines | frozenset(devices)
