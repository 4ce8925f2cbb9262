"""A night on duty, on a virtual clock: alarms rise, people answer or do not, and the pages tell.

The night keeps its own log book and lets `Incidents` decide at exactly the moments it asks for (or, with
`tick_ms`, on every tick), like the desk does: decide until nothing is new, then send what was requested.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import count
from zoneinfo import ZoneInfo

from facility import commands as ask
from facility import records
from facility.commands import Refused
from facility.duty import Layer, Leave, Roster, Shift
from facility.equipment import Card, Device, Equipment
from facility.person import Certificate, Channel, Party, Person
from facility.plan import Call, Level, Plan, Proof, Step
from facility.point import Kind as MachineKind
from facility.point import System
from facility.records import Kind, Record, alarm_subject, incident_subject
from facility.rule import AlarmClass, Compare, Priority, Rule, Start
from facility.site import Site
from facility.supply import Node, Role, Supply
from facility.text import Text
from response.context import Context
from response.incident import Incident
from response.incidents import Incidents
from response.paging.bundling import Letter
from response.paging.page import UNSENT

ZONE = ZoneInfo("Asia/Shanghai")
NIGHT = date(2026, 11, 22)


def ms(words: str) -> int:
    """Return a duration in words as milliseconds."""
    number, unit = words.split()
    return int(float(number) * {"s": 1_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}[unit])


def moment(words: str, day: date = NIGHT) -> int:
    """Return a time of that night as UTC milliseconds: "02:13" or "02:13:20"; "+1 07:00" is the next day's."""
    if words.startswith("+"):
        days, words = words[1:].split()
        day += timedelta(days=int(days))
    parts = [int(p) for p in words.split(":")]
    at = datetime(day.year, day.month, day.day, *parts, tzinfo=ZONE)
    return int(at.timestamp() * 1000)


def text(words: str) -> Text:
    return Text(f"（{words}）", words)


def person(
    id: str, *roles: str, channels: str = "demo", certificates: tuple[Certificate, ...] = (), standby: bool = False
) -> Person:
    ways = tuple(Channel(kind, f"{id}@{kind}") for kind in channels.split())
    return Person(id, f"Name of {id}", roles, ways, certificates=certificates, standby=standby)


def licence(kind: str, until: date | None = date(2027, 12, 31)) -> Certificate:
    return Certificate(kind, "n", until)


LIFT = licence("lift-technician")
HV = licence("hv-electrician")

PEOPLE = (
    person("zhao", "lift-technician", certificates=(LIFT,), channels="demo sms"),
    person("qian", "lift-technician", certificates=(LIFT,), channels="demo sms"),
    person("sun", "lift-technician", certificates=(LIFT,), standby=True),
    person("li", "leader-on-duty", channels="demo sms"),
    person("zhou", "project-manager"),
    person("wu", "guard", channels="radio demo"),
    person("zheng", "electrician", certificates=(HV,)),
    person("wang", "electrician", certificates=(HV,)),
    person("feng", "electrician"),
    person("chen", "hvac-technician", channels="demo sms"),
    person("chu", "hvac-technician", channels="demo"),
)

PARTIES = (
    Party("lift-co", text("lift company"), ("lift-company",), (Channel("demo", "lift-co"),), "400", "lift-co-2"),
    Party("lift-co-2", text("its deputy"), (), (Channel("demo", "lift-co-2"),), "401"),
    Party("power-co", text("power company"), ("power-company",), (Channel("demo", "power-co"),), "95598"),
)

ROSTER = Roster(
    shifts=(Shift("day", 8 * 60, 20 * 60), Shift("night", 20 * 60, 8 * 60)),
    layers=(
        Layer("lift-technician", date(2026, 1, 1), ("night",), (("zhao",),), (0,)),
        Layer("lift-technician", date(2026, 1, 1), ("day",), (("qian",),), (0,)),
        Layer("leader-on-duty", date(2026, 1, 1), ("always",), (("li",),), (0,)),
        Layer("project-manager", date(2026, 1, 1), ("always",), (("zhou",),), (0,)),
        Layer("guard", date(2026, 1, 1), ("always",), (("wu",),), (0,)),
        Layer("electrician", date(2026, 1, 1), ("always",), (("zheng", "wang", "feng"),), (0,), 2, (("hv-electrician", 2),)),
        Layer("hvac-technician", date(2026, 1, 1), ("always",), (("chen", "chu"),), (0,)),
    ),
)  # fmt: skip

ENTRAPMENT = Plan(
    "lift-entrapment", "v1", Text("电梯困人", "People trapped in a lift"), Priority.LIFE, AlarmClass.LIFE_SAFETY,
    levels=(
        Level(
            (
                Call("lift-technician", certificates=("lift-technician",)),
                Call("contractor"),
                Call("leader-on-duty", responder=False),
                Call("project-manager", responder=False),
            ),
            ms("2 min"),
        ),
        Level((Call("deputy"), Call("guard")), ms("2 min")),
        Level((Call("project-manager"),), ms("2 min")),
    ),
    steps=(
        Step("intercom", "operator", text("talk"), ms("1 min")),
        Step("arrived", "lift-technician", text("on site"), contract="lift_arrival", arrival=True,
             certificates=("lift-technician",)),
        Step("isolate", "lift-technician", text("switch off"), after=("arrived",), certificates=("lift-technician",)),
        Step("freed", "lift-technician", text("everybody out"), ms("30 min"), after=("isolate",), persons=2),
        Step("level", "lift-technician", text("car level"), mandatory=False, after=("freed",),
             proof=(Proof("door_zone", Compare.IS, 1), Proof("speed", Compare.BELOW, 0.1))),
        Step("care", "customer-service", text("stay with them"), mandatory=False),
    ),
    repeat_ms=ms("60 s"), arrival="lift_arrival", accept_expires_ms=ms("10 min"), kinds=("lift",), stable_ms=ms("5 min"),
)  # fmt: skip

HV_TRIP = Plan(
    "hv-trip", "v1", Text("高压跳闸", "10 kV trip"), Priority.LIFE, AlarmClass.EQUIPMENT,
    levels=(
        Level((Call("electrician", count=2, certificates=("hv-electrician",)), Call("leader-on-duty", responder=False)), ms("2 min")),
        Level((Call("guard"), Call("power-company", responder=False)), ms("5 min")),
    ),
    steps=(Step("pair", "electrician", text("pair on site"), contract="electric_arrival", arrival=True,
                certificates=("hv-electrician",), persons=2),),
    repeat_ms=ms("60 s"), arrival="electric_arrival", accept_expires_ms=ms("10 min"), stable_ms=ms("30 min"),
)  # fmt: skip

CHILLER = Plan(
    "chiller-trip", "v1", Text("冷机跳机", "Chiller trip"), Priority.HIGH, AlarmClass.EQUIPMENT,
    levels=(
        Level((Call("hvac-technician"),), ms("5 min")),
        Level((Call("leader-on-duty"),), ms("10 min")),
    ),
    steps=(Step("code", "hvac-technician", text("read the code"), ms("15 min")),),
    repeat_ms=ms("5 min"), arrival="hvac_arrival", accept_expires_ms=ms("30 min"),
)  # fmt: skip

SILENCE = Plan(
    "communication-loss", "v1", Text("通讯中断", "Communication lost"), Priority.MEDIUM, AlarmClass.COMMUNICATION,
    levels=(Level((Call("electrician"),), ms("15 min")),), steps=(), repeat_ms=ms("15 min"), arrival="",
    accept_expires_ms=ms("30 min"),
)  # fmt: skip


def rule(
    id: str,
    kind: str,
    plan: str,
    priority: Priority,
    start: Start = Start.AUTO,
    class_: AlarmClass = AlarmClass.EQUIPMENT,
    corroborates: tuple[str, ...] = (),
) -> Rule:
    return Rule(
        id, kind, text(id), (), priority, class_, text("cause"), text("consequence"), text("action"), 60_000, plan,
        start, corroborates=corroborates,
    )  # fmt: skip


RULES = (
    rule("lift-bell", "lift", "lift-entrapment", Priority.HIGH, Start.DESK),
    rule("lift-trapped", "lift", "lift-entrapment", Priority.LIFE, class_=AlarmClass.LIFE_SAFETY),
    rule("lift-fault-stop", "lift", "chiller-trip", Priority.HIGH, corroborates=("lift-bell",)),
    rule("lift-power-lost", "lift", "chiller-trip", Priority.HIGH),
    rule("lift-dirty", "lift", "communication-loss", Priority.LOW, Start.OPERATOR),
    rule("hv-trip", "switchgear", "hv-trip", Priority.LIFE),
    rule("chiller-fault", "chiller", "chiller-trip", Priority.HIGH),
    rule("chiller-fire", "chiller", "chiller-trip", Priority.LIFE),
    rule(
        "communication-lost", "device", "communication-loss", Priority.MEDIUM, Start.OPERATOR, AlarmClass.COMMUNICATION
    ),
)

CARD = Card(contractor="lift-co")

MACHINES = (
    Equipment("f1", "switchgear", text("feeder 1"), text("10 kV room")),
    Equipment("lift-1a", "lift", text("lift 1A"), text("tower 1 hall"), fed_by=("f1",), card=CARD),
    Equipment("lift-1b", "lift", text("lift 1B"), text("tower 1 hall"), fed_by=("f1",), card=CARD),
    Equipment("ch-1", "chiller", text("chiller 1"), text("plant room"), fed_by=("f1",)),
)

CONTRACT = {
    "somebody_at_place": ms("3 min"),
    "lift_arrival": ms("15 min"),
    "electric_arrival": ms("15 min"),
    "hvac_arrival": ms("30 min"),
    "bell_answer": ms("60 s"),
}


def site(
    people: tuple[Person, ...] = PEOPLE,
    plans: tuple[Plan, ...] = (ENTRAPMENT, HV_TRIP, CHILLER, SILENCE),
    roster: Roster = ROSTER,
    leaves: tuple[Leave, ...] = (),
    timezone: str = "Asia/Shanghai",
) -> Site:
    return Site(
        id="test",
        name=text("test site"),
        timezone=timezone,
        hash="h",
        contract=CONTRACT,
        kinds={k: MachineKind(k, text(k), System.LIFT) for k in ("lift", "switchgear", "chiller")},
        equipment={m.id: m for m in MACHINES},
        lines={},
        devices={"gw-1a": Device("gw-1a", "p", "mqtt", 1000, ("a",), ("lift-1a/door_zone",))},
        rules={r.id: r for r in RULES},
        plans={p.id: p for p in plans},
        people={p.id: p for p in people},
        parties={p.id: p for p in PARTIES},
        roster=replace(roster, leaves=leaves),
        supply=Supply({m.id: Node(m.id, Role.THROUGH, m.fed_by) for m in MACHINES}),
    )


class Night:
    """Plays people, machines and providers against the incidents; the clock moves only when told to."""

    def __init__(self, site: Site | None = None, start: str = "02:00", tick_ms: int | None = None) -> None:
        self.site = site or globals()["site"]()
        self.now = self.mark = moment(start)
        self.log: list[Record] = []
        self.incidents = Incidents()
        self.incidents.restored()
        self.channels: dict[
            str, Callable[[int], str]
        ] = {}  # kind -> answer: "" is taken, words are a refusal, "…" hangs
        self.readings: dict[str, tuple[float, int, int]] = {}
        self.changed: dict[str, int] = {}
        self.plans: dict[tuple[str, str], Plan] = {}
        self.without_power: str | None = None
        self.tick_ms = tick_ms
        self.posted: list[tuple[int, Letter]] = []
        self._requests = count(1)
        self._closed: set[str] = set()

    # -- time

    def at(self, words: str) -> "Night":
        self.play(moment(words))
        self.mark = self.now
        return self

    def within(self, words: str) -> "Expect":
        self.play(self.now + ms(words))
        return Expect(self)

    def play(self, until: int) -> None:
        while self.now < until:
            self.settle()
            self.now = self._wake(until)
        self.settle()

    def _wake(self, until: int) -> int:
        if self.tick_ms:
            return min(until, self.now + self.tick_ms)
        due = self.incidents.due(self.context())
        letters = self.incidents.letters(self.now)
        retries = [one.not_before_ms for one in letters if self._answer(one.pages[0].channel) != "…"]
        moments = [m for m in (due, self.incidents.next_letter(self.now), *retries) if m is not None]
        assert all(m > self.now for m in moments), "something is due that deciding does not do"
        return min([until, *moments])

    # -- the desk

    def context(self) -> Context:
        cause = self.without_power
        dark = self.site.supply.downstream(cause) if cause else frozenset()
        return Context(
            self.site,
            self.now,
            self.readings.get,
            lambda owner, _rule: cause if owner != cause else None,
            lost=lambda machine: cause if machine in dark else None,
            changed=self.changed.get,
            plans=self.plans,
        )

    def settle(self) -> None:
        while True:
            while more := self.incidents.decide(self.context()):
                self.write(*more)
            if not self._send():
                break
        for over in self.incidents.drop_closed():
            self._closed.add(over.id)

    def write(self, *new: Record) -> None:
        for record in new:
            assert record.at_ms <= self.now, "a record from the future"
            self.log.append(record)
            self.incidents.tell(record)

    def _answer(self, channel: str) -> str:
        return self.channels.get(channel, lambda _at: "")(self.now)

    def _send(self) -> bool:
        sent = False
        for page in (page for letter in self._leaving() for page in letter.pages):
            said = self._answer(page.channel)
            sent = True
            data = records.PageRefused(page.key, said, page.attempts + 1) if said else records.PageSent(page.key, "ok")
            kind = Kind.PAGE_REFUSED if said else Kind.PAGE_SENT
            request = f"{page.key}/refused/{page.attempts + 1}" if said else f"{page.key}/sent"
            self.write(Record(self.now, kind, incident_subject(page.incident), data, request=request))
        return sent

    def _leaving(self) -> list[Letter]:
        """What leaves now; each message is written down for those who count them."""
        ready = [one for one in self.incidents.letters(self.now) if self._answer(one.pages[0].channel) != "…"]
        self.posted += [(self.now, one) for one in ready]
        return ready

    def restart(self, seen_ms: int | None = None) -> "Night":
        """Come up again from nothing but the records of what is open; telemetry was looked at until `seen_ms`."""
        self.incidents = Incidents()
        active: dict[str, bool] = {}
        for record in self.log:
            if record.kind in {Kind.ALARM_RAISED, Kind.ALARM_CLEARED}:
                active[record.subject] = record.kind is Kind.ALARM_RAISED
        for record in self.log:
            gone = not active.get(record.subject, True) or record.subject.removeprefix("incident:") in self._closed
            if not gone:
                self.incidents.tell(record)
        newest = [r.subject for r in self.log if r.kind is Kind.INCIDENT_OPENED]
        self.incidents.restored(newest[-1] if newest else "", self.now if seen_ms is None else seen_ms)
        return self

    # -- machines

    def alarm(self, owner: str, rule: str, device: str = "") -> "Night":
        r = self.site.rules[rule]
        data = records.AlarmRaised(rule, owner, r.priority, r.class_, device=device)
        self.write(Record(self.now, Kind.ALARM_RAISED, alarm_subject(owner, rule), data, about=(owner,)))
        self.settle()
        return self

    def clears(self, owner: str, rule: str) -> "Night":
        data = records.AlarmCleared(rule, owner)
        self.write(Record(self.now, Kind.ALARM_CLEARED, alarm_subject(owner, rule), data, about=(owner,)))
        self.settle()
        return self

    def reads(self, point: str, value: float, reason: int = 0) -> "Night":
        if point not in self.readings or self.readings[point][:2] != (value, reason):
            self.changed[point] = self.now
        self.readings[point] = (value, reason, self.now)
        self.settle()
        return self

    # -- people

    def does(self, command: ask.Command) -> "list[Record] | Refused":
        said = self.incidents.ask(self.context(), command)
        if not isinstance(said, Refused):
            self.write(*said)
            self.settle()
        self.mark = self.now
        return said

    def request(self) -> str:
        return f"r{next(self._requests)}"

    def _did(self, command: ask.Command) -> "Night":
        said = self.does(command)
        assert not isinstance(said, Refused), said.why.en
        return self

    def starts(self, plan: str, equipment: str = "", place: str = "", caller: str = "") -> "Night":
        return self._did(ask.StartPlan("user:op", self.request(), plan, equipment, place, caller))

    def answers_bell(self, *, trapped: bool) -> "Night":
        return self._did(ask.AnswerBell("user:op", self.request(), self.incident.id, trapped))

    def accepts(self, who: str, heard_by: str = "") -> "Night":
        actor = "user:op" if heard_by else f"person:{who}"
        return self._did(ask.Accept(actor, self.request(), self.incident.id, who, heard_by))

    def declines(self, who: str) -> "Night":
        return self._did(ask.Decline(f"person:{who}", self.request(), self.incident.id, who))

    def arrives(self, who: str) -> "Night":
        return self._did(ask.Arrive(f"person:{who}", self.request(), self.incident.id, who))

    def ticks(self, step: str, who: str) -> "Night":
        return self._did(ask.TickStep(f"person:{who}", self.request(), self.incident.id, step))

    def records(self, step: str, who: str = "", answer: str = "") -> "Night":
        """The operator ticks a step, for whoever told him so by voice."""
        heard = bool(who)
        return self._did(
            ask.TickStep("user:op", self.request(), self.incident.id, step, who, answer=answer, heard=heard)
        )

    def skips(self, step: str, reason: str) -> "Night":
        return self._did(ask.SkipStep("user:op", self.request(), self.incident.id, step, reason))

    def finishes(self, who: str) -> "Night":
        return self._did(ask.Finish(f"person:{who}", self.request(), self.incident.id, who, "done"))

    def closes(self, cause: str = "door lock") -> "Night":
        return self._did(ask.CloseIncident("user:op", self.request(), self.incident.id, cause))

    def confirms_false(self, how: str, who: str = "") -> "Night":
        return self._did(ask.ConfirmFalse("user:op", self.request(), self.incident.id, how, who))

    # -- what can be seen

    @property
    def incident(self) -> Incident:
        """The newest open incident."""
        return list(self.incidents.open().values())[-1]

    def of(self, machine: str) -> Incident:
        return next(i for i in self.incidents.open().values() if i.equipment == machine)

    def told(self, kind: Kind, since: int | None = None) -> list[Record]:
        return [r for r in self.log if r.kind is kind and (since is None or r.at_ms >= since)]

    def paged(self, since: int | None = None) -> list[str]:
        """Who was called or told by the levels of a plan; what is told beside them is `told_of`."""
        return [r.data.person for r in self.told(Kind.PAGE_REQUESTED, since) if not r.data.why]  # type: ignore[attr-defined]

    def told_of(self, why: str, since: int | None = None) -> list[str]:
        """Who was told beside the levels, for a reason that begins with these words."""
        pages = [r.data for r in self.told(Kind.PAGE_REQUESTED, since)]
        return list(dict.fromkeys(p.person for p in pages if p.why.startswith(why) and p.why))  # type: ignore[attr-defined]

    def levels(self) -> list[tuple[str, int, int, str]]:
        zone = ZoneInfo(self.site.timezone)
        return [
            (f"{datetime.fromtimestamp(r.at_ms / 1000, zone):%H:%M:%S}", r.data.level, r.data.round, r.data.why)  # type: ignore[attr-defined]
            for r in self.told(Kind.LEVEL_REACHED)
        ]

    def missing(self) -> str:
        return " | ".join(t.en for t in self.incidents.missing(self.incident, self.context()))

    def unsent(self) -> list[str]:
        return [p.person for i in self.incidents.open().values() for p in i.pages.values() if p.state in UNSENT]


class Expect:
    """What must have happened since the night's last mark."""

    def __init__(self, night: Night) -> None:
        self.night = night

    def pages(self, *who: str) -> Night:
        """Exactly these people were called (each on however many channels)."""
        assert set(self.night.paged(self.night.mark)) == set(who)
        return self.night

    def pages_nobody(self) -> Night:
        return self.pages()

    def records(self, *kinds: str) -> Night:
        """These kinds were recorded, in this order; others may stand between."""
        have = iter([str(r.kind) for r in self.night.log if r.at_ms >= self.night.mark])
        assert all(kind in have for kind in kinds), [str(r.kind) for r in self.night.log if r.at_ms >= self.night.mark]
        return self.night

    def does_not_record(self, *kinds: str) -> Night:
        have = {str(r.kind) for r in self.night.log if r.at_ms >= self.night.mark}
        assert not have & set(kinds)
        return self.night
