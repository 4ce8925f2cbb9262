"""The way to the leader on duty that needs neither the log book nor a plan: for the loss of the book itself.

"Record first" is the rule, and this its one exception (docs/adr): while the book takes no records, nothing is acted on,
so somebody must come and look. Whom it pages, and with which words, is recorded as soon as the book takes records.
Nobody can answer such a call, since an answer could not be written: so it is repeated, and more people are called,
as long as the book is lost. The key depends on what is told, and how often, alone: what is tried again, by us or by a
restarted service, is no second page.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain

import structlog

from alarms.transition import Transition
from dutyroom.dispatch import Address
from facility.person import Person
from facility.ports import Beat, Clock, Message, Pager, PageRefusedError
from facility.records import AlarmRaised, EmergencyPaged, IncidentOpened, Kind, Record
from facility.rule import Priority
from facility.site import Site
from facility.text import Text
from response import duty
from response.quarantine import ALARM, INCIDENT, PAGE

log = structlog.get_logger(__name__)

AFTER_MS = 5_000
"""So long the book may refuse before somebody is called: a lock of another program ends by itself."""
REPEAT_MS = 60_000
"""The call is repeated so often, OFTEN times; from then on every SELDOM_MS, as long as the book is lost."""
OFTEN = 10
SELDOM_MS = 1_800_000
NEXT_MS = 120_000
"""So much later the next people are called, too."""
APART_MS = 30_000
"""What comes up meanwhile is told again at most so often."""
RETRY_MS = 5_000
LOOK_MS = 1_000
LEADERS = ("leader-on-duty", "project-manager")
"""Who is called first: those on duty for the first of these roles that anybody can be reached for."""


@dataclass(frozen=True, slots=True)
class Unwritten:
    """What the desk has decided, or seen, and cannot write down."""

    records: tuple[Record, ...] = ()
    moves: tuple[Transition, ...] = ()
    seq: int = 0  # of the newest record in the book: another loss of the book is another matter


class Emergency:
    """Pages the leader on duty past the book. `report` takes the records once the book is back."""

    def __init__(
        self,
        site: Callable[[], Site],
        clock: Clock,
        pagers: Mapping[str, Pager],
        address: Address,
        report: Callable[[Record], None],
    ) -> None:
        self._site, self._clock, self._pagers, self._address, self._report = site, clock, pagers, address, report
        self._lost_ms: int | None = None
        self._next_ms = 0
        self._told: frozenset[str] = frozenset()
        self._began_ms: int | None = None  # the first call about the loss that lasts
        self._rounds = 0
        self._calls: dict[str, asyncio.Task[None]] = {}  # under way, by page key
        self._paged: dict[str, Record] = {}  # by page key, until the book holds them

    async def run(self, lost: Callable[[], bool], unwritten: Callable[[], Unwritten], beat: Beat) -> None:
        """Watch over the book, for ever; `lost` says that it refuses, `unwritten` what waits for it."""
        while True:
            beat()
            now = self._clock.now()
            if not lost():
                self._found()
            elif self._lost_ms is None:
                self._lost_ms = now
            elif now >= self._lost_ms + AFTER_MS and now >= self._next_ms:
                waiting = unwritten()
                self._loss(now, waiting.seq, matters_of(self._site(), waiting))
            await self._clock.until(self._clock.now() + LOOK_MS)

    def _loss(self, now: int, seq: int, matters: Mapping[str, Text]) -> None:
        """Call about the loss of the book if it is time: first, again, or because more came up meanwhile."""
        began = self._began_ms = now if self._began_ms is None else self._began_ms
        often = REPEAT_MS * min(self._rounds, OFTEN)
        again = began + often + SELDOM_MS * max(self._rounds - OFTEN, 0)
        if now < again and matters.keys() <= self._told:
            return
        self._rounds += now >= again
        self._told = frozenset(matters)
        self._next_ms = now + APART_MS
        rounds = self._rounds

        def over() -> bool:
            """Say that the book is back, or that the next round has begun: what is not taken by then is let go."""
            return self._rounds != rounds

        about = f"book@{seq}/{'/'.join(sorted(matters))}/{rounds}"
        self._call(about, _book_lost(self._site(), matters.values(), rounds), (now - began) // NEXT_MS, over)

    def call(self, about: str, words: Text) -> None:
        """Page everybody who leads, on all channels, until each has taken it."""
        self._call(about, words, 0, lambda: False)

    def _call(self, about: str, words: Text, level: int, over: Callable[[], bool]) -> None:
        site, now = self._site(), self._clock.now()
        for who in chain.from_iterable(levels(site, now)[: level + 1]):
            for channel in dict.fromkeys(c.kind for c in who.channels if c.kind in self._pagers):
                said = f"emergency/{site.id}/{about}/{who.id}/{channel}"
                key = hashlib.sha256(said.encode()).hexdigest()[:24]
                if key in self._calls:
                    continue
                page = self._page(key, who.id, channel, words, over)
                self._calls[key] = asyncio.create_task(page, name=f"emergency:{key}")
                self._calls[key].add_done_callback(partial(self._ended, key))

    def _ended(self, key: str, _: asyncio.Task[None]) -> None:
        self._calls.pop(key, None)

    async def stop(self) -> None:
        """Break off what is under way."""
        calls = list(self._calls.values())
        for task in calls:
            task.cancel()
        await asyncio.gather(*calls, return_exceptions=True)

    def _found(self) -> None:
        """The book takes records: write down what was done without it."""
        self._lost_ms, self._told, self._next_ms = None, frozenset(), 0
        self._began_ms, self._rounds = None, 0
        paged, self._paged = self._paged, {}
        for record in paged.values():
            self._report(record)

    async def _page(self, key: str, person: str, channel: str, words: Text, over: Callable[[], bool]) -> None:
        text = f"{words.zh}\n{words.en}"
        title = words.zh.partition("】")[0].removeprefix("【")
        while True:
            try:
                where = self._address(person, channel, "")
                if where is None:
                    return
                message = Message(key, where.address, person, "", title, text, "", int(Priority.LIFE))
                said = await self._pagers[channel].page(message)
                break
            except PageRefusedError as error:
                log.error("an emergency page was refused", person=person, channel=channel, why=str(error))
            except Exception as error:  # the last resort has no other
                log.error("an emergency page failed", person=person, channel=channel, exc_info=error)
            await self._clock.until(self._clock.now() + RETRY_MS)
            if over():
                return
        now = self._clock.now()
        log.warning("paged without a record", person=person, channel=channel)
        data = EmergencyPaged(key, person, channel, text, now, said)
        site = f"site:{self._site().id}"
        self._paged[key] = Record(now, Kind.EMERGENCY_PAGED, site, data, request=f"{key}/emergency", about=(person,))


def levels(site: Site, now: int) -> list[list[Person]]:
    """Return whom to call past everything else, one level after the other: who leads now; whoever may; who is on duty.

    Everybody, where none of these can be reached. Nobody is in two levels.
    """
    people = [p for p in site.people.values() if p.channels]
    groups = [[site.people[p] for p in duty.on_duty(site, role, now)] for role in LEADERS]
    groups.append([p for p in people if set(p.roles) & set(LEADERS)])
    groups.append([site.people[p] for role in duty.roles(site) for p in duty.on_duty(site, role, now)])
    seen: set[str] = set()
    found: list[list[Person]] = []
    for group in groups:
        level = {p.id: p for p in group if p.channels and p.id not in seen}
        seen |= level.keys()
        found += [list(level.values())] if level else []
    return found or [people]


def leaders(site: Site, now: int) -> list[Person]:
    """Return who is called first."""
    return levels(site, now)[0]


def matters_of(site: Site, waiting: Unwritten) -> dict[str, Text]:
    """Return the grave things that wait to be written, each by a name of its own."""
    out: dict[str, Text] = {}
    for record in waiting.records:
        if isinstance(record.data, AlarmRaised | IncidentOpened) and record.data.priority <= Priority.HIGH:
            owner = record.data.owner if isinstance(record.data, AlarmRaised) else record.data.equipment
            rule = site.rules.get(record.data.rule) if isinstance(record.data, AlarmRaised) else None
            if rule is not None:
                out[f"{owner}/{rule.id}"] = _line(site, owner, rule.name)
    for move in waiting.moves:
        rule = site.rules.get(move.rule)
        if rule is not None and rule.priority <= Priority.HIGH and move.raised:
            out[f"{move.owner}/{move.rule}"] = _line(site, move.owner, rule.name)
    return out


def undecided(site: Site, which: str, what: str = INCIDENT) -> Text | None:
    """Return what the leader is told of what the program cannot work on; None where nobody is left uncalled by it."""
    if what == INCIDENT:
        return Text(
            f"【事件无法自动处理】{site.name.zh}：事件 {which} 反复出错，已隔离，系统不再为它呼叫任何人。请人工接手。",
            f"[Incident set aside] {site.name.en}: the program fails at incident {which} again and again and calls"
            " nobody for it any more. Take it over by hand.",
        )
    if what == ALARM:
        owner, rule = which.removeprefix("alarm:").rpartition("/")[::2]
        line = _line(site, owner, site.rules[rule].name if rule in site.rules else Text(rule, rule))
        return Text(
            f"【报警无法自动处理】{site.name.zh}：{line.zh}。系统处理该报警反复出错，没有启动预案，也没有呼叫任何人。"
            "请立即查看，需要时在控制台手动启动预案。",
            f"[Alarm set aside] {site.name.en}: {line.en}. The program fails at this alarm again and again: no plan was"
            " begun and nobody is called. Look at it now, and start a plan by hand if it needs one.",
        )
    if what == PAGE:
        return Text(
            f"【呼叫发不出】{site.name.zh}：事件 {which} 有一条呼叫反复出错，发不出去。请打电话通知应到的人。",
            f"[A page cannot leave] {site.name.en}: the program fails at a page of incident {which} again and again."
            " Phone whoever should come.",
        )
    return None


def _line(site: Site, owner: str, name: Text) -> Text:
    machine = site.owner_name(owner)
    return Text(f"{machine.zh}：{name.zh}", f"{machine.en}: {name.en}")


def _book_lost(site: Site, matters: Iterable[Text], rounds: int) -> Text:
    lines = list(matters)
    zh = "；".join(line.zh for line in lines) or "暂无"
    en = "; ".join(line.en for line in lines) or "none so far"
    again = Text(f"第 {rounds} 次呼叫。", f" Call {rounds}.") if rounds > 1 else Text("", "")
    return Text(
        f"【值班记录不可写】{site.name.zh}：{again.zh}磁盘拒绝写入，系统无法记录，因此不再按预案呼叫任何人。"
        f"请立即人工值守并检查磁盘。未记录的紧急报警：{zh}。此呼叫无法应答，磁盘恢复前会重复，并逐级增加被呼叫的人。",
        f"[Log book lost] {site.name.en}:{again.en} The disk takes no records, so nobody is paged by plan any more."
        f" Man the room now and look at the disk. Grave alarms not recorded: {en}. This call cannot be answered: it is"
        " repeated, and more people are called, until the disk takes records.",
    )
