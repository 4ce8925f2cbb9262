"""Planned work: permits, power cuts, genset tests, machines out of use, inspection days. A fold that decides.

What hides alarms reads the same records; nothing here hides anything. The moments of the records are those at which
things were due, however late `decide` is called.
"""

from collections.abc import Iterable, Iterator, Mapping

from facility import records
from facility.commands import CheckEquipment, Command, EndPermit, ExtendPermit, IssuePermit, Refused
from facility.records import Kind, Payload, Record, permit_subject
from facility.site import Site
from facility.text import Text
from response.context import Context
from response.naming import named_after
from response.permits import outage, permit
from response.permits.permit import (
    AFTER,
    BEFORE,
    CHECKING,
    CLOSED,
    GENSET_TEST,
    ISSUED,
    LONGEST_MS,
    OUT_OF_USE,
    OVERDUE,
    POWER_CUT,
    RUNNING,
    Permit,
)

__all__ = ["CHECKING", "CLOSED", "ISSUED", "OVERDUE", "RUNNING", "Permit", "Works"]

FURTHEST_MS = 366 * 86_400_000
"""So far ahead work may be announced."""

NOT_FOUND = Refused(
    "not-found",
    Text("没有这张工作票，可能已终结归档。请刷新页面。", "There is no such permit; it may be over. Reload the page."),
)


class Works:
    """All permits and planned events that are not over, as the records tell them."""

    def __init__(self) -> None:
        self._open: dict[str, Permit] = {}
        self._last = ""

    # -- believing ------------------------------------------------------------------------------------------

    def tell(self, record: Record) -> None:
        """Believe one more record; what is not about a permit is passed over."""
        if not record.subject.startswith("permit:"):
            return
        id = record.subject.removeprefix("permit:")
        if isinstance(record.data, records.PermitIssued):
            self._open[id] = permit.issued(id, record, record.data)
            self._last = max(self._last, id)
        elif id in self._open:
            self._open[id] = permit.tell(self._open[id], record)

    def open(self) -> Mapping[str, Permit]:
        """Return the permits by id that are not over, and those just over until `drop_closed`."""
        return self._open

    def drop_closed(self) -> list[str]:
        """Forget what is over; return its subjects."""
        over = [id for id, p in self._open.items() if p.state == CLOSED]
        for id in over:
            del self._open[id]
        return [permit_subject(id) for id in over]

    def holders(self, machine: str) -> tuple[str, ...]:
        """Return who answers for the work that runs on a machine; a machine that is out of use has nobody at it."""
        here = (p for p in self._open.values() if p.runs and p.work != OUT_OF_USE and machine in p.equipment)
        return tuple(dict.fromkeys(p.holder for p in here))

    # -- deciding -------------------------------------------------------------------------------------------

    def decide(self, context: Context) -> list[Record]:
        """Return what must be recorded next; to be called, telling it, until nothing comes."""
        moments = [(due, p.id) for p in self._open.values() if (due := _due(p, context.site)) is not None]
        due, id = min(moments, default=(context.now + 1, ""))
        if due > context.now:
            return []
        found = self._open[id]
        return [permit.write(found, max(due, found.last_ms), _what_is_due(found, context))]

    def due(self, context: Context) -> int | None:
        """Return the earliest moment at which time alone will change something; None when it never will."""
        moments = (_due(p, context.site) for p in self._open.values())
        return min((m for m in moments if m is not None), default=None)

    # -- what people ask ------------------------------------------------------------------------------------

    def ask(self, context: Context, command: Command) -> list[Record] | Refused:
        """Return the records of a command, or why not; what follows from them is left to `decide`.

        A request that an open permit has already seen changes nothing: the answer is empty.
        """
        if any(command.request in p.requests for p in self._open.values()):
            return []
        if isinstance(command, IssuePermit):
            return self._issue(context, command)
        found = self._open.get(str(getattr(command, "permit", "")))
        if found is None or found.state == CLOSED:
            return NOT_FOUND
        match command:
            case ExtendPermit():
                said = _extend(found, context.now, command)
            case EndPermit():
                said = _end(found, command)
            case CheckEquipment():
                said = _check(found, context, command)
            case _:
                raise TypeError(type(command).__name__)
        if isinstance(said, Refused):
            return said
        at = max(context.now, found.last_ms)
        return [permit.write(found, at, data, request=command.request, actor=command.actor) for data in said]

    def _issue(self, context: Context, command: IssuePermit) -> list[Record] | Refused:
        from_ms = max(command.from_ms, context.now)  # a form that was open for a minute announces no past
        no = next(_against(context, command, from_ms), None)
        if no is not None:
            return no
        data = records.PermitIssued(
            command.work,
            command.equipment,
            command.holder,
            command.people,
            from_ms,
            command.until_ms,
            command.task.strip(),
            command.number.strip(),
        )
        id = named_after(context.site, context.now, self._last)
        about = tuple(dict.fromkeys((*command.equipment, command.holder, *command.people)))
        subject = permit_subject(id)
        return [Record(context.now, Kind.PERMIT_ISSUED, subject, data, command.actor, command.request, about)]


def _due(p: Permit, site: Site) -> int | None:
    if p.state == ISSUED:
        return p.from_ms
    if p.state == RUNNING:
        return p.until_ms
    if p.state == CHECKING and p.reminded_ms is None:
        return (p.ended_ms or 0) + site.works.recheck_ms
    return None


def _what_is_due(p: Permit, context: Context) -> Payload:
    if p.state == ISSUED:
        return _started(p, context)
    if p.state == CHECKING:
        return records.PermitOverdue(p.holder, "unchecked", p.unchecked)
    if p.work == OUT_OF_USE:
        return records.PermitEnded("expired")
    return records.PermitOverdue(p.holder)


def _started(p: Permit, context: Context) -> records.PermitStarted:
    if p.work != POWER_CUT:
        return records.PermitStarted()
    return records.PermitStarted(expected(p.work, p.equipment, context), unparked(p, context))


def expected(work: str, machines: Iterable[str], context: Context) -> tuple[str, ...]:
    """Return the alarms (subjects, sorted) that such a work would suppress if it began now: those a cut causes."""
    if work != POWER_CUT:
        return ()
    site, read = context.site, context.read
    stands = outage.position(site, lambda point: outage.value(read, point))
    return outage.expected(site, [m for m in machines if m in site.equipment], stands)


def unparked(p: Permit, context: Context) -> tuple[str, ...]:
    """Return the lifts that a power cut will stop and that neither telemetry nor a named person showed to be empty."""
    site, read = context.site, context.read
    stands = outage.position(site, lambda point: outage.value(read, point))
    return tuple(
        lift
        for lift in outage.lifts(site, p.equipment, stands)
        if not (lift in p.parked and p.parked[lift].works) and not outage.parked(site, lift, read)
    )


def _against(context: Context, command: IssuePermit, from_ms: int) -> Iterator[Refused]:
    """Yield what speaks against issuing a permit."""
    site = context.site
    if command.work not in LONGEST_MS:
        yield _invalid(f"没有这种工作：{command.work}。", f"There is no such kind of work: {command.work}.")
        return
    if not command.task.strip():
        yield _invalid("请写明工作内容。", "Say what is to be done.")
    if not command.equipment or len(set(command.equipment)) < len(command.equipment):
        yield _invalid("请选择设备，每台一次。", "Choose the machines, each once.")
    for machine in command.equipment:
        if machine not in site.equipment:
            yield Refused("not-found", Text(f"没有这台设备：{machine}。", f"There is no such machine: {machine}."))
    for who in (command.holder, *command.people):
        if who not in site.people and who not in site.parties:
            yield Refused("not-found", Text(f"名册中没有：{who}。", f"The site knows nobody by the id {who}."))
    holder = site.people.get(command.holder) or site.parties.get(command.holder)
    if holder is not None and not holder.channels:
        yield _invalid(
            "负责人没有可用的呼叫方式，超时无法找到。请换负责人，或在 people.toml 补上。",
            "The holder cannot be paged, so an overdue permit would reach nobody. Choose another or add a channel.",
        )
    yield from _machines_against(site, command)
    yield from _window_against(command.work, from_ms, command.until_ms, context.now)


def _machines_against(site: Site, command: IssuePermit) -> Iterator[Refused]:
    kinds = {m: site.kinds[site.equipment[m].kind] for m in command.equipment if m in site.equipment}
    for machine, kind in kinds.items():
        name = site.equipment[machine].name
        if command.work == GENSET_TEST and not (kind.supplies and "running" in kind.points):
            yield _invalid(f"{name.zh}不是发电机组。", f"{name.en} is no genset.")
        if command.work == POWER_CUT and machine not in site.supply.nodes:
            yield _invalid(f"供电图中没有{name.zh}。", f"{name.en} is not in the supply graph.")


def _window_against(work: str, from_ms: int, until_ms: int, now: int) -> Iterator[Refused]:
    if until_ms <= max(from_ms, now):
        yield _invalid("结束时间须晚于开始时间和现在。", "The end must be after the begin, and after now.")
    if from_ms > now + FURTHEST_MS:
        yield _invalid("最多提前一年登记。", "Work is announced a year ahead at most.")
    longest = LONGEST_MS[work]
    if until_ms - from_ms > longest:
        hours = longest // 3_600_000
        yield _invalid(
            f"此类工作最长 {hours} 小时。请缩短，或到时另开一张。",
            f"This kind of work lasts {hours} h at most. Make it shorter, or issue another one then.",
        )


def _extend(p: Permit, now: int, command: ExtendPermit) -> list[Payload] | Refused:
    if p.ended_ms is not None:
        return _conflict("工作已终结，不能延期。请另开一张。", "The work has ended; issue another permit instead.")
    if not command.reason.strip():
        return _invalid("请写明延期原因。", "Say why it takes longer.")
    if command.until_ms <= p.until_ms and command.until_ms <= now:
        return _invalid("新的结束时间已过去。", "The new end lies in the past.")
    if command.until_ms <= p.until_ms:
        return _invalid("新的结束时间须晚于原定时间。", "The new end must be after the old one.")
    no = next(_window_against(p.work, p.from_ms, command.until_ms, now), None)
    return no or [records.PermitExtended(command.until_ms, command.reason.strip())]


def _end(p: Permit, command: EndPermit) -> list[Payload] | Refused:
    if p.ended_ms is not None:
        return _conflict("工作已终结；还须逐台复验。", "The work has ended already; its machines wait for their check.")
    if command.why not in {"finished", "cancelled"}:
        return _invalid("请选择“终结”或“作废”。", "It is either finished or cancelled.")
    if command.why == "cancelled" and p.started_ms is not None:
        return _conflict(
            "工作已开始，不能作废。请终结并逐台复验。",
            "The work has begun and cannot be cancelled. End it and check each machine.",
        )
    if command.why == "finished" and p.started_ms is None:
        return _conflict("工作尚未开始。不做了请作废。", "The work has not begun. Cancel it if it will not be done.")
    return [records.PermitEnded(command.why, command.actor, command.note.strip())]


def _check(  # noqa: PLR0911 - one no after the other
    p: Permit, context: Context, command: CheckEquipment
) -> list[Payload] | Refused:
    site, machine = context.site, command.equipment
    if command.person not in site.people and command.person not in site.parties:
        return Refused("not-found", Text("名册中没有此人。", "The site knows nobody by this id."))
    note = command.note.strip()
    if p.ended_ms is None:
        stands = outage.position(site, lambda point: outage.value(context.read, point))
        if p.work != POWER_CUT or machine not in outage.lifts(site, p.equipment, stands):
            return _conflict("工作尚未终结：先终结，再复验。", "The work has not ended: end it first, then check.")
        return [records.PermitChecked(machine, command.works, command.person, note, BEFORE)]
    if machine not in p.equipment:
        return Refused("not-found", Text("此票没有这台设备。", "This permit does not name that machine."))
    if machine in p.checks:
        return _conflict("这台设备已复验。", "This machine was checked already.")
    if not command.works and not note:
        return _invalid("请写明哪里不正常。", "Say what is wrong with it.")
    return [records.PermitChecked(machine, command.works, command.person, note, AFTER)]


def _invalid(zh: str, en: str) -> Refused:
    return Refused("invalid", Text(zh, en))


def _conflict(zh: str, en: str) -> Refused:
    return Refused("conflict", Text(zh, en))
