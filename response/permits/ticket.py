"""Switching tickets (操作票): one task, operations in their order, two certified people, every position read back.

The supervisor orders an operation, the operator says that it is done, telemetry shows its position; only then comes the
next. Nothing is switched from here: the product only reads.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from facility import records
from facility.commands import Command, IssueTicket, Refused, SignOperation, StopTicket
from facility.equipment import point_id
from facility.records import Kind, Payload, Record, SwitchStep, ticket_subject
from facility.site import Site
from facility.text import Text
from response import duty
from response.context import Context
from response.naming import named_after
from response.permits import outage, switching

LONGEST_STEPS = 60

WAITING = "waiting"  # for its turn
NEXT = "next"  # to be ordered by the supervisor
ORDERED = "ordered"  # the operator is at it
DONE = "done"  # and its position is awaited
WRONG = "wrong"  # telemetry does not show it
SEEN = "seen"
CONFIRMED = "confirmed"  # by both people with a reason, where telemetry does not show it

SETTLED = frozenset({SEEN, CONFIRMED})

NOT_FOUND = Refused(
    "not-found",
    Text("没有这张操作票，可能已终结。请刷新页面。", "There is no such ticket; it may be over. Reload the page."),
)


@dataclass(frozen=True, slots=True)
class Operation:
    """What was said and seen of one operation. Times are UTC milliseconds."""

    ordered_ms: int | None = None
    done_ms: int | None = None
    seen_ms: int | None = None  # of the newest word of telemetry on it
    right: bool | None = None  # None: telemetry has not spoken
    value: float | None = None
    confirmed: tuple[str, ...] = ()  # who stands for the position instead of telemetry
    reason: str = ""
    expected: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        """Return next, ordered, done, wrong, seen or confirmed; the ticket knows which of them waits for its turn."""
        if len(self.confirmed) > 1:
            return CONFIRMED
        if self.right is not None:
            return SEEN if self.right else WRONG
        if self.done_ms is not None:
            return DONE
        return NEXT if self.ordered_ms is None else ORDERED


@dataclass(frozen=True, slots=True)
class Ticket:
    """A switching ticket as its records tell it."""

    id: str
    task: str
    steps: tuple[SwitchStep, ...]
    operator: str
    supervisor: str
    issued_ms: int
    issued_by: str
    operations: Mapping[int, Operation] = field(default_factory=dict)
    ended_ms: int | None = None
    why: str = ""
    note: str = ""
    requests: frozenset[str] = frozenset()
    last_ms: int = 0

    def operation(self, step: int) -> Operation:
        """Return what is known of an operation."""
        return self.operations.get(step, Operation())

    @property
    def current(self) -> int:
        """Return the operation that is at hand, counted from 0; the number of steps when all are settled."""
        return next((n for n in range(len(self.steps)) if self.operation(n).state not in SETTLED), len(self.steps))

    def state(self, step: int) -> str:
        """Return how an operation stands."""
        return WAITING if step > self.current else self.operation(step).state


class Tickets:
    """All switching tickets that are not over, as the records tell them."""

    def __init__(self) -> None:
        self._open: dict[str, Ticket] = {}
        self._last = ""

    # -- believing ------------------------------------------------------------------------------------------

    def tell(self, record: Record) -> None:
        """Believe one more record; what is not about a ticket is passed over."""
        if not record.subject.startswith("ticket:"):
            return
        id = record.subject.removeprefix("ticket:")
        if isinstance(record.data, records.TicketIssued):
            data = record.data
            steps = tuple(data.steps)
            self._open[id] = Ticket(id, data.task, steps, data.operator, data.supervisor, record.at_ms, record.actor)
            self._last = max(self._last, id)
        elif id not in self._open:
            return
        self._open[id] = _tell(self._open[id], record)

    def open(self) -> Mapping[str, Ticket]:
        """Return the tickets by id that are not over, and those just over until `drop_closed`."""
        return self._open

    def drop_closed(self) -> list[str]:
        """Forget what is over; return its subjects."""
        over = [id for id, t in self._open.items() if t.ended_ms is not None]
        for id in over:
            del self._open[id]
        return [ticket_subject(id) for id in over]

    # -- deciding -------------------------------------------------------------------------------------------

    def decide(self, context: Context) -> list[Record]:
        """Return what must be recorded next; to be called, telling it, until nothing comes."""
        for ticket in self._open.values():
            if (found := _next(ticket, context)) is not None:
                at, data = found
                return [_write(ticket, max(at, ticket.last_ms), data)]
        return []

    def due(self, context: Context) -> int | None:
        """Return the earliest moment at which time alone will change something; None when it never will."""
        waits = context.site.works.read_back_ms
        at_hand = (t.operation(t.current) for t in self._open.values() if t.ended_ms is None)
        return min((o.done_ms + waits for o in at_hand if o.state == DONE and o.done_ms is not None), default=None)

    def watched(self) -> frozenset[str]:
        """Return the site point ids whose next reading may show an operation."""
        running = (t for t in self._open.values() if t.ended_ms is None and t.current < len(t.steps))
        return frozenset(
            point_id(t.steps[t.current].equipment, t.steps[t.current].point)
            for t in running
            if t.state(t.current) in {DONE, WRONG}
        )

    # -- what people ask ------------------------------------------------------------------------------------

    def ask(self, context: Context, command: Command) -> list[Record] | Refused:
        """Return the records of a command, or why not; a request that an open ticket has seen changes nothing."""
        if any(command.request in t.requests for t in self._open.values()):
            return []
        if isinstance(command, IssueTicket):
            return self._issue(context, command)
        ticket = self._open.get(str(getattr(command, "ticket", "")))
        if ticket is None or ticket.ended_ms is not None:
            return NOT_FOUND
        said: Payload | Refused
        if isinstance(command, StopTicket):
            note = command.note.strip()
            no = _invalid("请写明停止原因。", "Say why it is not carried on.")
            said = records.TicketEnded("stopped", command.actor, note) if note else no
        elif isinstance(command, SignOperation):
            said = _sign(ticket, context, command)
        else:
            raise TypeError(type(command).__name__)
        if isinstance(said, Refused):
            return said
        at = max(context.now, ticket.last_ms)
        return [_write(ticket, at, said, request=command.request, actor=command.actor)]

    def _issue(self, context: Context, command: IssueTicket) -> list[Record] | Refused:
        steps = tuple(SwitchStep(*step) for step in command.steps)
        no = next(self._against(context, command, steps), None)
        if no is not None:
            return no
        data = records.TicketIssued(command.task.strip(), steps, command.operator, command.supervisor)
        id = named_after(context.site, context.now, self._last)
        about = _about(steps, command.operator, command.supervisor)
        subject = ticket_subject(id)
        return [Record(context.now, Kind.TICKET_ISSUED, subject, data, command.actor, command.request, about)]

    def _against(self, context: Context, command: IssueTicket, steps: tuple[SwitchStep, ...]) -> Iterator[Refused]:
        """Yield what speaks against issuing a ticket."""
        if not command.task.strip():
            yield _invalid("请写明操作任务：一票一任务。", "Say the task: one ticket, one task.")
        if not 0 < len(steps) <= LONGEST_STEPS:
            yield _invalid("操作项目须有 1 至 60 步。", "A ticket has 1 to 60 operations.")
        if command.operator == command.supervisor:
            yield _invalid("操作人和监护人须为两人。", "Operator and supervisor are two people.")
        for who in (command.operator, command.supervisor):
            if no := _uncertified(context.site, who, context.now):
                yield no
        for other in self._open.values():
            both = {s.equipment for s in other.steps} & {s.equipment for s in steps}
            if other.ended_ms is None and both:
                yield _conflict(
                    f"设备已在操作票 {other.id} 中：先终结它。",
                    f"Ticket {other.id} is already about this equipment: end it first.",
                )
        for remark in switching.rehearse(context.site, steps, _at(context)):
            if remark.grave:
                n = remark.step + 1
                yield Refused("conflict", Text(f"第 {n} 步：{remark.text.zh}", f"Step {n}: {remark.text.en}"))


def _tell(t: Ticket, record: Record) -> Ticket:
    at = record.at_ms
    requests = t.requests | {record.request} if record.request and record.actor != "system" else t.requests
    t = replace(t, requests=requests, last_ms=max(t.last_ms, at))
    match record.data:
        case records.TicketStepDone() as data:
            return _with(t, data.step, _said(t.operation(data.step), at, data))
        case records.TicketStepSeen(step=step, value=value, right=right):
            return _with(t, step, replace(t.operation(step), seen_ms=at, value=value, right=right))
        case records.TicketEnded(why=why, note=note):
            return replace(t, ended_ms=at, why=why, note=note)
    return t


def _said(operation: Operation, at: int, data: records.TicketStepDone) -> Operation:
    if data.reason:
        confirmed = tuple(dict.fromkeys((*operation.confirmed, data.by)))
        return replace(operation, confirmed=confirmed, reason=data.reason)
    if data.complete:
        return replace(operation, done_ms=at)
    return replace(operation, ordered_ms=at, expected=data.expected)


def _with(t: Ticket, step: int, operation: Operation) -> Ticket:
    return replace(t, operations={**t.operations, step: operation})


def _next(t: Ticket, context: Context) -> tuple[int, Payload] | None:
    """Return what telemetry or time say of the operation at hand, and when."""
    if t.ended_ms is not None:
        return None
    if t.current == len(t.steps):
        return t.last_ms, records.TicketEnded("finished")
    step, operation = t.steps[t.current], t.operation(t.current)
    if operation.state not in {DONE, WRONG} or operation.done_ms is None or operation.ordered_ms is None:
        return None
    reading = context.read(point_id(step.equipment, step.point))
    value = reading[0] if reading is not None and reading[1] == 0 else None
    late = operation.done_ms + context.site.works.read_back_ms
    # A reading from before the order shows where it stood, not that it moved.
    if reading is not None and value == step.value and reading[2] >= operation.ordered_ms:
        at = min(max(operation.done_ms, reading[2]), context.now)
        if operation.state == WRONG or at <= late:
            return at, records.TicketStepSeen(t.current, value, right=True)
    if operation.state == DONE and late <= context.now:
        return late, records.TicketStepSeen(t.current, value, right=False)
    return None


def _sign(t: Ticket, context: Context, command: SignOperation) -> Payload | Refused:  # noqa: PLR0911 - one no after the other
    site, n = context.site, t.current
    if command.step != n:
        return _conflict(
            f"按顺序操作：现在是第 {n + 1} 步。", f"Operations go in their order: step {n + 1} is at hand."
        )
    if command.person not in {t.operator, t.supervisor}:
        return Refused(
            "forbidden",
            Text("只有本票的操作人和监护人可以签字。", "Only the operator and the supervisor of this ticket sign it."),
        )
    if no := _uncertified(site, command.person, context.now):
        return no
    operation = t.operation(n)
    match operation.state:
        case "next":
            return _order(t, context, command)
        case "ordered":
            if command.person != t.operator:
                return _conflict("由操作人确认已执行。", "The operator says that it is done.")
            return records.TicketStepDone(n, command.person, complete=True)
        case "done":
            return _conflict(
                "正在等待遥信回读位置。请稍候。", "The position is being read back. Wait until it is seen, or missed."
            )
    if not command.reason.strip():
        return _conflict(
            "遥信与操作结果不符或未知：停止操作，现场核对。确属正常，须两人写明理由确认。",
            "Telemetry does not show the position: stop and look at the place. "
            "If it is right all the same, both confirm it with a reason.",
        )
    if command.person in operation.confirmed:
        return _conflict("须由另一人确认。", "The other person must confirm it.")
    second = bool(operation.confirmed)
    return records.TicketStepDone(n, command.person, second, reason=command.reason.strip())


def _order(t: Ticket, context: Context, command: SignOperation) -> Payload | Refused:
    """Let the supervisor order an operation, unless what stands now forbids it."""
    site, step = context.site, t.steps[command.step]
    if command.person != t.supervisor:
        return _conflict(
            "先由监护人唱票下令，再由操作人复诵执行。",
            "The supervisor orders it first; then the operator repeats and does it.",
        )
    grave = next((text for bad, text in switching.judge(site, step, _at(context)) if bad), None)
    if grave is not None:
        return Refused("conflict", grave)
    stands = outage.position(site, _at(context))
    expected = outage.moved_by(site, step.equipment, step.point, step.value, stands)
    return records.TicketStepDone(command.step, command.person, expected=expected)


def _uncertified(site: Site, who: str, now: int) -> Refused | None:
    person = site.people.get(who)
    if person is None:
        return Refused("not-found", Text(f"人员名册中没有：{who}。", f"The site knows nobody by the id {who}."))
    kind = site.works.certificate
    if duty.certified(person, (kind,), duty.local_day(site, now)):
        return None
    paper = site.certificates.get(kind) or Text(kind, kind)
    return Refused(
        "forbidden",
        Text(
            f"{person.name}今日没有有效的{paper.zh}。请换持证人员。",
            f"{person.name} holds no valid certificate today: {paper.en}. Choose somebody who does.",
        ),
    )


def _at(context: Context) -> switching.At:
    return lambda point: outage.value(context.read, point)


def _about(steps: tuple[SwitchStep, ...], *people: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*(s.equipment for s in steps), *people)))


def _write(t: Ticket, at_ms: int, data: Payload, *, request: str | None = None, actor: str = "system") -> Record:
    about = _about(t.steps, t.operator, t.supervisor)
    return Record(at_ms, _KIND_OF[type(data)], ticket_subject(t.id), data, actor, request, about)


_KIND_OF = {payload: kind for kind, payload in records.PAYLOADS.items()}


def _invalid(zh: str, en: str) -> Refused:
    return Refused("invalid", Text(zh, en))


def _conflict(zh: str, en: str) -> Refused:
    return Refused("conflict", Text(zh, en))
