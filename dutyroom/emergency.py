"""The way to the leader on duty that needs neither the log book nor a plan: for the loss of the book itself.

"Record first" is the rule, and this its one exception (docs/adr): while the book takes no records, nothing is acted on,
so somebody must come and look. Whom it pages, and with which words, is recorded as soon as the book takes records.
The key depends on what is told alone: a repeat, by us or by a restarted service, is no second page.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import structlog

from alarms.transition import Transition
from dutyroom.dispatch import Address
from facility.person import Party, Person
from facility.ports import Beat, Clock, Message, Pager, PageRefusedError
from facility.records import AlarmRaised, EmergencyPaged, IncidentOpened, Kind, Record
from facility.rule import Priority
from facility.site import Site
from facility.text import Text
from response import duty

log = structlog.get_logger(__name__)

AFTER_MS = 5_000
"""So long the book may refuse before somebody is called: a lock of another program ends by itself."""
APART_MS = 30_000
"""What comes up meanwhile is told again at most so often."""
RETRY_MS = 5_000
LOOK_MS = 1_000
LEADERS = ("leader-on-duty", "project-manager")
"""Who is called: those on duty for the first of these roles that anybody can be reached for."""


@dataclass(frozen=True, slots=True)
class Unwritten:
    """What the desk has decided, or seen, and cannot write down."""

    records: tuple[Record, ...] = ()
    moves: tuple[Transition, ...] = ()


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
        self._told: frozenset[str] | None = None
        self._calls: set[asyncio.Task[None]] = set()
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
                matters = matters_of(self._site(), unwritten())
                if self._told is None or not matters.keys() <= self._told:
                    self._told = frozenset(matters)
                    self._next_ms = now + APART_MS
                    self.call(f"book/{'/'.join(sorted(matters))}", _book_lost(self._site(), matters.values()))
            await self._clock.until(self._clock.now() + LOOK_MS)

    def call(self, about: str, words: Text) -> None:
        """Page everybody who leads, on all channels, until each has taken it."""
        site, now = self._site(), self._clock.now()
        for who in leaders(site, now):
            for channel in dict.fromkeys(c.kind for c in who.channels if c.kind in self._pagers):
                said = f"emergency/{site.id}/{about}/{who.id}/{channel}"
                key = hashlib.sha256(said.encode()).hexdigest()[:24]
                task = asyncio.create_task(self._page(key, who.id, channel, words), name=f"emergency:{key}")
                self._calls.add(task)
                task.add_done_callback(self._calls.discard)

    async def stop(self) -> None:
        """Break off what is under way."""
        for task in self._calls:
            task.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)

    def _found(self) -> None:
        """The book takes records: write down what was done without it."""
        self._lost_ms, self._told, self._next_ms = None, None, 0
        paged, self._paged = self._paged, {}
        for record in paged.values():
            self._report(record)

    async def _page(self, key: str, person: str, channel: str, words: Text) -> None:
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
        now = self._clock.now()
        log.warning("paged without a record", person=person, channel=channel)
        data = EmergencyPaged(key, person, channel, text, now, said)
        site = f"site:{self._site().id}"
        self._paged[key] = Record(now, Kind.EMERGENCY_PAGED, site, data, request=f"{key}/emergency", about=(person,))


def leaders(site: Site, now: int) -> list[Person | Party]:
    """Return whom to call past everything else: who leads now; failing that whoever may; failing that everybody."""
    for role in LEADERS:
        found = [site.people[p] for p in duty.on_duty(site, role, now) if site.people[p].channels]
        if found:
            return list(found)
    may = [p for p in site.people.values() if p.channels and set(p.roles) & set(LEADERS)]
    return list(may or [p for p in site.people.values() if p.channels])


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


def undecided(site: Site, incident: str) -> Text:
    """Return what the leader is told of an incident that the program cannot work on."""
    return Text(
        f"【事件无法自动处理】{site.name.zh}：事件 {incident} 反复出错，已隔离，系统不再为它呼叫任何人。请人工接手。",
        f"[Incident set aside] {site.name.en}: the program fails at incident {incident} again and again and calls"
        " nobody for it any more. Take it over by hand.",
    )


def _line(site: Site, owner: str, name: Text) -> Text:
    machine = site.owner_name(owner)
    return Text(f"{machine.zh}：{name.zh}", f"{machine.en}: {name.en}")


def _book_lost(site: Site, matters: Iterable[Text]) -> Text:
    lines = list(matters)
    zh = "；".join(line.zh for line in lines) or "暂无"
    en = "; ".join(line.en for line in lines) or "none so far"
    return Text(
        f"【值班记录不可写】{site.name.zh}：磁盘拒绝写入，系统无法记录，因此不再按预案呼叫任何人。"
        f"请立即人工值守并检查磁盘。未记录的紧急报警：{zh}。",
        f"[Log book lost] {site.name.en}: the disk takes no records, so nobody is paged by plan any more."
        f" Man the room now and look at the disk. Grave alarms not recorded: {en}.",
    )
