"""Machines that stay out of service when their incident is over, until the contractor's test run is signed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from facility import records
from facility.commands import Refused, ReleaseEquipment
from facility.equipment import Card
from facility.plan import Plan
from facility.records import Kind, Record, held_subject
from facility.site import Site
from facility.text import Text
from response import duty
from response.context import Context
from response.incident import Incident
from response.plans import plan as steps
from response.plans.drill import PAPER

NOT_HELD = Refused(
    "not-found", Text("这台设备没有停用待检。请刷新页面。", "This machine is not held. Reload the page.")
)


@dataclass(frozen=True, slots=True)
class Hold:
    """A machine that may not run: since when, by which incident, until what is signed."""

    equipment: str
    incident: str
    since_ms: int
    until: Text


class OutOfService:
    """All machines that are held, as the records tell it."""

    def __init__(self) -> None:
        self._held: dict[str, Hold] = {}
        self._released: list[str] = []

    def tell(self, record: Record) -> None:
        """Believe one more record; what is not about a hold is passed over."""
        if not record.subject.startswith("held:"):
            return
        machine = record.subject.removeprefix("held:")
        match record.data:
            case records.EquipmentHeld(incident=incident, until_zh=zh, until_en=en):
                self._held[machine] = Hold(machine, incident, record.at_ms, Text(zh, en))
            case records.EquipmentReleased() if machine in self._held:
                del self._held[machine]
                self._released.append(record.subject)

    def open(self) -> Mapping[str, Hold]:
        """Return the holds by machine."""
        return self._held

    def drop_closed(self) -> list[str]:
        """Return the subjects of what was released since the last call."""
        released, self._released = self._released, []
        return [subject for subject in released if subject.removeprefix("held:") not in self._held]

    def ask(
        self, context: Context, command: ReleaseEquipment, incidents: Mapping[str, Incident]
    ) -> list[Record] | Refused:
        """Return the record of a signed test run, or why it does not count; `incidents` are the open ones."""
        held = self._held.get(command.equipment)
        if held is None:
            return NOT_HELD
        note, by = command.note.strip(), command.person
        if not note:
            return Refused("invalid", Text("请写明试运行结果。", "Say what the test run showed."))
        if command.actor.startswith("person:") and command.actor != f"person:{by}":
            return Refused(
                "forbidden", Text("此链接属于另一人，请用自己的链接。", "This link is another person's; use your own.")
            )
        if not may_release(context.site, command.equipment, by):
            who = list(signatories(context.site, command.equipment))
            zh, en = "、".join(w.zh for w in who), ", ".join(w.en for w in who)
            return Refused(
                "forbidden",
                Text(f"须由{zh}签字才能恢复运行。", f"Only {en} can sign for it to run again."),
            )
        if no := _valid(context, held, by) or _unsafe(context, incidents, command.equipment):
            return no
        at = max(context.now, held.since_ms)
        data = records.EquipmentReleased(by, note)
        about = (command.equipment, by)
        subject = held_subject(command.equipment)
        return [Record(at, Kind.EQUIPMENT_RELEASED, subject, data, command.actor, command.request, about)]


SUPERVISOR = "engineering-supervisor"
"""Signs for a machine whose card names neither a contractor nor anybody who may reset it."""


def may_release(site: Site, machine: str, who: str) -> bool:
    """Say whether somebody's signature lets a machine run again: its contractor's, or of a role that may reset it."""
    known = site.equipment.get(machine)
    if known is None:
        return who in site.people or who in site.parties
    if who in duty.party_of(site, duty.CONTRACTOR, known.card):
        return True
    person = site.people.get(who)
    return person is not None and bool(set(person.roles) & set(_roles(site, known.card)))


def _valid(context: Context, held: Hold, who: str) -> Refused | None:
    """Return why somebody's papers do not let him sign: his trade's certificate is not valid that day."""
    site, person = context.site, context.site.people.get(who)
    step = next((s for p in site.plans.values() if p.hold for s in p.steps if s.id == p.hold.after), None)
    machine = site.equipment.get(held.equipment)
    if (
        person is None
        or step is None
        or machine is None
        or not {*person.roles} & {*_roles(site, machine.card)} <= {step.role}
    ):
        return None  # he signs as something else, which asks for no certificate
    if duty.certified(person, step.certificates, duty.local_day(site, context.now)):
        return None
    papers = [site.certificates.get(c) or Text(c, c) for c in step.certificates]
    zh, en = "、".join(p.zh for p in papers), ", ".join(p.en for p in papers)
    return Refused("forbidden", Text(f"须持有效证件（{zh}）。", f"It takes a valid certificate ({en})."))


def _unsafe(context: Context, incidents: Mapping[str, Incident], machine: str) -> Refused | None:
    """Return why no test run can have been made yet: in some incident people are not free, or its alarm stands."""
    about = [i for i in incidents.values() if i.equipment == machine and i.closed_ms is None and i.drill != PAPER]
    return next((no for i in about if (no := _held_by(context, i, machine)) is not None), None)


def _held_by(context: Context, incident: Incident, machine: str) -> Refused | None:
    plan = context.plan(incident)
    if plan is None:
        return None
    until = steps.step_of(plan, plan.life_clock.until) if plan.life_clock else None
    if until is not None and steps.state(incident, plan, until) in {"open", "waiting", "skipped"}:
        return Refused(
            "conflict",
            Text(
                "人员尚未确认救出，不能恢复运行。",
                "Nobody has said yet that the people are free; it stays out of service.",
            ),
        )
    for subject in incident.active_alarms:
        owner, rule = steps.owner_rule(subject)
        known = context.site.rules.get(rule)
        if owner == machine and known is not None and known.priority <= incident.priority:
            return Refused(
                "conflict",
                Text(f"报警未恢复：{known.name.zh}。", f"Its alarm is still active: {known.name.en}."),
            )
    return None


def signatories(site: Site, machine: str) -> Iterator[Text]:
    """Yield who may sign, by name of party or role."""
    known = site.equipment.get(machine)
    if known is not None:
        yield from (site.parties[p].name for p in duty.party_of(site, duty.CONTRACTOR, known.card))
        yield from (site.roles.get(role) or Text(role, role) for role in _roles(site, known.card))


def _roles(site: Site, card: Card) -> tuple[str, ...]:
    return card.may_reset or (() if duty.party_of(site, duty.CONTRACTOR, card) else (SUPERVISOR,))


def holding(incident: Incident, plan: Plan, site: Site, step: str, at: int, actor: str, request: str) -> list[Record]:
    """Return the record that holds the incident's machine, when the step after which it is held was done.

    Where that step was left out, it is held when the people are free.
    """
    after = {plan.hold.after} if plan.hold else set()
    if plan.hold and plan.life_clock and not steps.done(incident, plan.hold.after):
        after.add(plan.life_clock.until)
    if plan.hold is None or step not in after or incident.equipment not in site.equipment:
        return []
    data = records.EquipmentHeld(incident.id, plan.hold.until.zh, plan.hold.until.en)
    subject = held_subject(incident.equipment)
    return [Record(at, Kind.EQUIPMENT_HELD, subject, data, actor, request, (incident.equipment,))]
