"""A small station in memory: real folds of alarms and incidents, a list for a log book, and a clock that tests move."""

import asyncio
import dataclasses
import math
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx

from alarms.board import Board
from alarms.figures import Report
from alarms.hidden import Hidden
from alarms.shelf import ASKS
from api.station import Health, Notice, PhoneMessage, Reloaded, SpoolHealth, TaskHealth, View
from dutyroom.performance import Performance
from facility import records
from facility.commands import Command, IssuePermit, Refused, ReleasePages
from facility.duty import Layer, Roster, Shift
from facility.equipment import Card, Device, Equipment
from facility.person import Certificate, Channel, Party, Person
from facility.plan import Call, Level, Plan, Step
from facility.point import Code, Kind, Point, PointType, System
from facility.ports import Bucket, Layout, Message, Written
from facility.records import Record
from facility.rule import AlarmClass, Compare, Condition, Priority, Rule, Start
from facility.scan import Reason, Scan
from facility.site import Site
from facility.supply import Supply
from facility.text import Text
from response import duty
from response.context import Context
from response.duty import rota
from response.duty.rota import Rota
from response.incidents import Incidents
from response.paging import tryout
from response.paging.held import Held
from response.permits import planned, works
from response.permits.planned import Planned
from stores.files import FileStore
from stores.live import Live
from stores.telemetry.gaps import RecordedGap

FILES = tempfile.TemporaryDirectory(prefix="dutyroom-files-")
"""For the photos of all tests, by their hashes; gone when they end."""
NOW = 1_795_331_000_000
SECRET = b"0123456789abcdef0123456789abcdef"
Client = Callable[..., httpx.AsyncClient]
"""`client("operator")` is logged in, `client()` is nobody."""
XSS = "<script>alert(1)</script>"


def text(word: str) -> Text:
    return Text(word, f"{word} (en)")


def point(name: str, **more: Any) -> Point:
    return Point(name, text(name), **more)


KINDS = {
    "lift": Kind(
        "lift",
        text("电梯"),
        System.LIFT,
        {
            "occupied": point("occupied", type=PointType.STATE),
            "door_zone": point("door_zone", type=PointType.STATE),
            "service_mode": point("service_mode", type=PointType.ENUM, codes=(Code(1, "normal", text("正常")),)),
        },
    ),
    "transformer": Kind("transformer", text("变压器"), System.POWER, {"temp_a": point("temp_a", unit="°C")}),
}

RULES = {
    "lift-trapped": Rule(
        "lift-trapped", "lift", text("困人"), (Condition("occupied", Compare.IS, 1),), Priority.LIFE,
        AlarmClass.LIFE_SAFETY, text("门区外停梯"), text("乘客受困"), text("用五方通话安抚乘客"), 60_000, "lift-entrapment",
        Start.AUTO,
    ),
    "transformer-hot": Rule(
        "transformer-hot", "transformer", text("变压器超温"), (Condition("temp_a", Compare.ABOVE, 110),), Priority.HIGH,
        AlarmClass.EQUIPMENT, text("过载"), text("绝缘损坏"), text("检查风机"), 300_000, "transformer-hot", Start.OPERATOR,
    ),
}  # fmt: skip

PLAN = Plan(
    id="lift-entrapment",
    version="v1",
    name=text("电梯困人"),
    priority=Priority.LIFE,
    class_=AlarmClass.LIFE_SAFETY,
    levels=(
        Level((Call("lift-technician"), Call("project-manager", responder=False)), 180_000),
        Level((Call("lift-company"),), 180_000),
    ),
    steps=(
        Step("calm", "operator", text("用五方通话安抚乘客"), promise_ms=30_000),
        Step("free", "lift-technician", text("断开主电源，盘车放人"), after=("calm",), promise_ms=900_000),
        Step("report", "project-manager", text("情况上报"), mandatory=False),
    ),
    repeat_ms=60_000,
    arrival="lift_arrival",
    accept_expires_ms=900_000,
    kinds=("lift",),
    never=(text("不要强行扒门"),),
)

SITE = Site(
    id="demo",
    name=text("演示小区"),
    timezone="Asia/Shanghai",
    hash="site-1",
    contract={"lift_arrival": 900_000, "somebody_at_place": 180_000},
    kinds=KINDS,
    equipment={
        "lift-1a": Equipment(
            "lift-1a", "lift", Text(f"3号楼 2#电梯{XSS}", "Lift 3-2"), Text("12F", "floor 12"),
            card=Card(
                registration="31104403", rescue_code="A-0931", contractor="lift-co", intercom="8012",
                key_cabinet="K-31", next_inspection=date(2027, 1, 1), never=(text("不要复位安全回路"),),
            ),
        ),
        "t1": Equipment("t1", "transformer", text("1#变压器"), text("10kV 配电室")),
    },
    lines={},
    devices={
        "gw-lift-1a": Device(
            "gw-lift-1a", "p", "mqtt", 1000, ("o", "d", "m"),
            ("lift-1a/occupied", "lift-1a/door_zone", "lift-1a/service_mode"),
        ),
        "tc-1": Device("tc-1", "p", "bus", 1000, ("t",), ("t1/temp_a",)),
    },
    rules=RULES,
    plans={"lift-entrapment": PLAN},
    people={
        p.id: p
        for p in (
            Person(
                "zhaolei", "赵磊", ("lift-technician",), (Channel("demo", "1"),), "13800000001",
                (Certificate("lift-technician", "T-0931", date(2030, 1, 1)),),
            ),
            Person("sunwei", "孙伟", ("electrician",), (Channel("demo", "2"),), "13800000002"),
            Person("wangjing", "王经理", ("project-manager",), (Channel("demo", "3"),), "13800000003"),
            Person("chenjing", "陈静", ("operator",), (Channel("demo", "4"),), "8001"),
        )
    },
    parties={
        "lift-co": Party("lift-co", text("安达电梯"), ("lift-company",), (Channel("demo", "9"),), "4008000001"),
    },
    roster=Roster(
        (Shift("always", 0, 0),),
        tuple(
            Layer(role, date(2026, 1, 1), ("always",), ((who,),), (0,))
            for role, who in (
                ("lift-technician", "zhaolei"), ("electrician", "sunwei"), ("project-manager", "wangjing"),
                ("operator", "chenjing"),
            )
        ),
    ),
    supply=Supply(),
    roles={"lift-technician": text("电梯技工"), "operator": text("值班员"), "project-manager": text("项目经理")},
    promises={"lift_arrival": text("电梯维保到场")},
    certificates={"lift-technician": text("电梯修理证")},
)  # fmt: skip


class HandClock:
    """Tells the time it was given; waiting means waiting until a test moves it, or, when `real`, a moment."""

    def __init__(self, *, real: bool = False) -> None:
        self.at = NOW
        self._real = real

    def now(self) -> int:
        if self._real:
            self.at = max(self.at, NOW + round((asyncio.get_running_loop().time() % 3600) * 1000))
        return self.at

    async def until(self, at_ms: int) -> None:
        if not self._real:
            while self.at < at_ms:
                await asyncio.sleep(0.001)
            return
        while (left := at_ms - self.now()) > 0:
            await asyncio.sleep(left / 1000)


class ListBook:
    """The log book as a list."""

    def __init__(self) -> None:
        self.lines: list[Written] = []
        self.requests: set[str] = set()

    def append(self, new: Sequence[Record]) -> list[Written]:
        out = []
        for record in new:
            if record.request is not None and record.request in self.requests:
                continue
            self.requests.add(record.request or "")
            out.append(Written(len(self.lines) + 1, record, f"hash-{len(self.lines) + 1}"))
            self.lines.append(out[-1])
        return out

    def tail(self, after_seq: int, limit: int) -> list[Written]:
        return [w for w in self.lines if w.seq > after_seq][:limit]

    def told(self, family: str, after_seq: int, limit: int) -> list[tuple[int, Record]]:
        found = [(w.seq, w.record) for w in self.lines if w.seq > after_seq and w.record.kind.startswith(family)]
        return found[:limit]

    def number_at(self, at_ms: int) -> int:
        return next((w.seq for w in self.lines if w.record.at_ms >= at_ms), len(self.lines) + 1)

    def find(
        self,
        subject: str | None = None,
        about: str | None = None,
        kinds: Iterable[str] | None = None,
        from_ms: int | None = None,
        to_ms: int | None = None,
        limit: int = 100,
        before_seq: int | None = None,
    ) -> list[Written]:
        wanted = None if kinds is None else set(kinds)
        return [
            w
            for w in reversed(self.lines)
            if (subject is None or w.record.subject == subject)
            and (about is None or about in w.record.about)
            and (wanted is None or w.record.kind in wanted)
            and (from_ms is None or w.record.at_ms >= from_ms)
            and (to_ms is None or w.record.at_ms < to_ms)
            and (before_seq is None or w.seq < before_seq)
        ][:limit]


@dataclass
class FakeSettings:
    demo: bool = True
    host: str = "127.0.0.1"
    base_url: str = "http://127.0.0.1:8080"
    secret: bytes = SECRET
    site_folder: Path = Path()
    demo_users: Sequence[str] = ("operator", "zhaolei", "nobody")


@dataclass
class FakeTelemetry:
    answer: list[Bucket] = field(default_factory=lambda: [Bucket(NOW, 1, 0, math.nan, 2.0, math.inf)])

    def history(self, point: str, from_ms: int, to_ms: int, buckets: int) -> list[Bucket]:
        return self.answer


class FakeStation:
    """Implements api.station.Station."""

    def __init__(self, accounts: Any, *, real_clock: bool = False, **settings: Any) -> None:
        self.site = SITE
        self.clock = HandClock(real=real_clock)
        self.book = ListBook()
        self.telemetry = FakeTelemetry()
        self.accounts = accounts
        self.settings = FakeSettings(**settings)
        self.files = FileStore(Path(FILES.name))
        self.live = Live({d.id: Layout(i, d.id, d.points, "p") for i, d in enumerate(SITE.devices.values())})
        self.reloaded, self.reloads = Reloaded(SITE.hash, adopted=True), []
        self.incidents = Incidents()
        self.board = Board(SITE)
        self.planned = Planned()
        self.rota = Rota()
        self.tryouts = tryout.Tryouts()
        self.held = Held()
        self.messages: list[PhoneMessage] = []
        self.standing: list[Notice] = []
        self.tasks = [TaskHealth("desk", 10, 8000)]
        self.asked: list[Command] = []
        self._told: list[Callable[[Sequence[Written]], Any]] = []
        self.recorded: list[RecordedGap] = []

    def performance(self, last: date, days: int, console: str) -> Report:
        return Performance(self.site, self.clock, self.book, lambda: self.view().alarms).report(last, days, console)

    def gaps(self, device: str, limit: int) -> list[RecordedGap]:
        return [found for found in self.recorded if found.gap.device == device][:limit]

    # -- what a desk would do --------------------------------------------------------------------------------

    def context(self) -> Context:
        return Context(self.rota.site(self.site), self.clock.now())

    def write(self, new: Sequence[Record]) -> list[Written]:
        for record in new:
            self._tell(record)
        while (
            more := self.board.decide(self.clock.now())
            or self.planned.decide(self.context())
            or self.incidents.decide(self.context())
        ):
            for record in more:
                self._tell(record)
            new = [*new, *more]
        written = self.book.append(new)
        self.incidents.drop_closed()
        self.planned.drop_closed()
        for told in tuple(self._told):
            told(written)
        return written

    def _tell(self, record: Record) -> None:
        self.board.tell(record)
        self.planned.tell(record)
        self.rota.tell(record)
        self.tryouts.tell(record)
        self.held.tell(record)
        self.incidents.tell(record)

    def raise_alarm(self, owner: str = "lift-1a", rule: str = "lift-trapped", value: float = 1.0) -> str:
        known = self.site.rules[rule]
        data = records.AlarmRaised(rule, owner, int(known.priority), known.class_.value, value, device="d")
        at = self.clock.now()
        subject = records.alarm_subject(owner, rule)
        self.write([Record(at, records.Kind.ALARM_RAISED, subject, data, request=f"{subject}@{at}", about=(owner,))])
        return subject

    def clear_alarm(self, owner: str = "lift-1a", rule: str = "lift-trapped") -> None:
        at = self.clock.now()
        subject = records.alarm_subject(owner, rule)
        data = records.AlarmCleared(rule, owner, 0.0)
        self.write([Record(at, records.Kind.ALARM_CLEARED, subject, data, request=f"{subject}/c@{at}", about=(owner,))])

    def scan(self, device: str, values: tuple[float, ...], reason: int = Reason.GOOD) -> None:
        at = self.clock.now()
        self.live.update(Scan(device, at, at, values, bytes([reason]) * len(values)))

    # -- Station ---------------------------------------------------------------------------------------------

    async def reload(self, actor: str, *, dry: bool = False) -> Reloaded:
        self.reloads.append((actor, dry))
        return dataclasses.replace(self.reloaded, dry=dry)

    async def ask(self, command: Command) -> Sequence[Written] | Refused:
        self.asked.append(command)
        await asyncio.sleep(0)
        if command.request in self.book.requests:
            return []
        if isinstance(command, ASKS):
            said = self.board.ask(command, self.clock.now())
        elif isinstance(command, planned.ASKS):
            said = self.planned.ask(self.context(), command, self.incidents.open())
        elif isinstance(command, rota.ASKS):
            said = self.rota.ask(self.context(), command)
        elif isinstance(command, tryout.ASKS):
            said = self.tryouts.ask(self.context(), command)
        elif isinstance(command, ReleasePages):
            said = self.held.ask(command, self.incidents.open(), self.clock.now())
        else:
            said = self.incidents.ask(self.context(), command)
        if isinstance(said, Refused):
            return said
        mine = {r.request for r in said}
        return [w for w in self.write(said) if w.record.request in mine]

    def view(self) -> View:
        incidents = {id: i for id, i in self.incidents.open().items() if i.closed_ms is None}
        alarms, works = dict(self.board.open()), (dict(self.planned.permits()), dict(self.planned.tickets()))
        changed = dict(self.rota.changes()), self.rota.generations(), self.rota.site(self.site).roster
        now, told = self.clock.now(), (list(self.standing), *works, *changed, self.tryouts.newest())
        return View(now, len(self.book.lines), alarms, incidents, *told)

    def ahead(self) -> Sequence[duty.Ahead]:
        return duty.ahead(self.view().site(self.site), self.clock.now(), lambda _who: False)

    def reached(self) -> Mapping[str, int]:
        return {}

    def hiding(self) -> Sequence[Hidden]:
        return self.board.hiding(self.clock.now())

    def preview(self, command: Command) -> Sequence[Hidden] | Refused:
        now = self.clock.now()
        if not isinstance(command, IssuePermit):
            return self.board.preview(command, now)
        expected = works.expected(command.work, command.equipment, self.context())
        return self.board.preview(command, now, frozenset(expected))

    def missing(self, incident: str) -> Sequence[Text]:
        found = self.incidents.open().get(incident)
        return self.incidents.missing(found, self.context()) if found else ()

    def health(self) -> Health:
        return Health(
            self.clock.now(), self.tasks, SpoolHealth(3, None, 8192, 1 << 30), len(self.book.lines), "abc", "demo-1"
        )

    def lines(self) -> Sequence[Any]:
        return [
            SimpleNamespace(
                line="mqtt", connected=True, last_good_ms=NOW, reads=7, failures={"no-answer": 1}, dead_letters=0
            )
        ]

    def metrics(self) -> Mapping[str, float]:
        return {"scans_total": 12.0, 'line_up{line="mqtt"}': 1.0}

    def phones(self) -> Sequence[PhoneMessage]:
        return self.messages

    def subscribe(self, told: Callable[[Sequence[Written]], Any]) -> Callable[[], None]:
        self._told.append(told)
        return lambda: self._told.remove(told)

    def deliver(self, person: str, incident: str, link: str) -> None:
        message = Message(f"key-{len(self.messages)}", "1", person, incident, "电梯困人", "请到场", link, 1)
        self.messages.append(PhoneMessage(self.clock.now(), message))
