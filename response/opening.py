"""Which alarm opens an incident, and which belongs to one that runs: one incident per cause, and one per life."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from msgspec.structs import replace

from facility import records
from facility.equipment import Equipment
from facility.plan import Plan
from facility.records import Kind, Record, incident_subject
from facility.rule import AlarmClass, Priority, Rule, Start
from facility.site import Site
from response import duty, fold
from response.context import Context
from response.fold import RANG_AGAIN
from response.incident import CONFIRMED, DESK, Incident
from response.lines import write
from response.paging import responders
from response.paging.levels import reach, tell_also
from response.plans import plan as steps
from response.plans.plan import later, owner_rule, spans
from response.running import Running

SEEN_BEFORE_CAUSE_MS = 60_000
"""A consequence may be read so long before its cause: devices are polled at their own intervals."""

PERMIT_ALARM = "permit-alarm"
"""The plan of a life-safety alarm that the desk is to judge, while somebody works on its machine."""

INFORM_MS = 300_000
"""While somebody works at it, the same life-safety alarm is told to everybody at most so often."""


Told = records.AlarmRaised | records.AlarmGraded | records.AlarmUnshelved | records.AlarmShown
"""What tells of an alarm that holds, as news."""


@dataclass(frozen=True, slots=True)
class Alert:
    """An alarm that holds now, as far as incidents care."""

    subject: str
    owner: str
    rule: str
    priority: int
    life_safety: bool
    raised_ms: int

    @classmethod
    def of(cls, record: Record, data: Told) -> "Alert":
        """Return what an alarm's record says."""
        life = data.class_ == AlarmClass.LIFE_SAFETY
        return cls(record.subject, data.owner, data.rule, data.priority, life, record.at_ms)


def place(
    alert: Alert,
    running: Running,
    alerts: Iterable[Alert],
    context: Context,
    new_id: Callable[[int], str],
) -> list[Record]:
    """Return what an alarm that belongs nowhere yet makes: it joins, opens, or (empty) stays on the console alone.

    `running` are the open incidents, `alerts` everything that holds now, `new_id(at_ms)` names a new incident.
    """
    rule = context.site.rules.get(alert.rule)
    if rule is None:
        return []
    holders = context.holders(alert.owner) if alert.life_safety else ()
    found = _where(alert, rule, running, context)
    if found is not None:
        out = _join(alert, rule, *found, alerts, context)
        return [*out, *_told(found[0], out, holders, context)]
    plan = context.site.plans.get(PERMIT_ALARM if rule.start is Start.OPERATOR else rule.plan)
    if plan is None or (rule.start is Start.OPERATOR and not holders):
        return []
    id = new_id(alert.raised_ms)
    out = _open(alert, rule, plan, alerts, context, id, holders[0] if plan.id == PERMIT_ALARM else "")
    return [*out, *_told(None, out, holders, context)]


def open_by_hand(
    id: str, at: int, plan: Plan, site: Site, data: records.IncidentOpened, actor: str, request: str
) -> list[Record]:
    """Return the records of an incident that somebody opens."""
    about = (data.equipment,) if data.equipment else ()
    subject = incident_subject(id)
    started = records.PlanStarted(plan.id, plan.version, spans(plan, site.contract), later(plan, site.contract))
    return [
        Record(at, Kind.INCIDENT_OPENED, subject, data, actor, request, about),
        Record(at, Kind.PLAN_STARTED, subject, started, actor, f"{request}/2" if request else None, about),
    ]


def _where(alert: Alert, rule: Rule, running: Running, context: Context) -> tuple[Incident, str] | None:
    """Return the running incident that an alarm belongs to, and why."""
    # An alarm that rests in an incident, cleared, and rises again is the same matter.
    if mine := [i for i in running.with_alarm(alert.subject) if not _settled(alert, i, context)]:
        return mine[0], "same-equipment"
    machines = _machines(alert.owner, context.site)
    near = [i for i in running.on((alert.owner, *machines)) if not _settled(alert, i, context)]
    here = next((i for i in near if _same_matter(alert, rule, i)), None)
    if here is not None:
        return here, "same-equipment"
    words = running.called()
    called = next((i for i in words if i.plan == rule.plan and _same_place(i, machines, context.site, alert)), None)
    if called is not None:
        return called, "plan"
    # Lost supply explains machines that stand still, never a life in danger.
    cause = None if alert.life_safety else _cause(alert, machines, context)
    found = next((i for i in running.about(cause) if _in_time(alert, rule, i)), None) if cause else None
    return (found, "supply") if found is not None else _with_others(alert, rule, running, context)


def _with_others(alert: Alert, rule: Rule, running: Running, context: Context) -> tuple[Incident, str] | None:
    """Return the incident of the devices that fell silent together with this one: its line's first, and why."""
    devices = context.site.devices
    if rule.class_ is not AlarmClass.COMMUNICATION or alert.owner not in devices:
        return None
    first = context.cause(alert.owner, alert.rule) or alert.owner
    found: tuple[Incident, str] | None = None
    # A silent lift may be part of an entrapment; the rest of its line is not.
    for incident in running.opened_by(alert.rule):
        silent = [o for o, r in map(owner_rule, incident.alarms) if r == alert.rule and o in devices]
        same = [o for o in silent if (context.cause(o, alert.rule) or o) == first]
        if any(devices[o].line == devices[alert.owner].line for o in same):
            return incident, "line"
        if same and found is None:
            found = incident, "network" if first in devices else "supply"
    return found


def _same_matter(alert: Alert, rule: Rule, incident: Incident) -> bool:
    """Say whether an alarm belongs to an incident that runs on the same machine."""
    if incident.plan == rule.plan or (incident.stage == DESK and _corroborates(alert, rule, incident)):
        return True
    if alert.life_safety:
        return False
    if rule.start is Start.OPERATOR:  # what stood on the console before is no part of what came later
        return incident.opened_ms <= alert.raised_ms
    # What is less grave than the matter in hand is part of it, not a second matter.
    return incident.stage == CONFIRMED and incident.priority < alert.priority


def _settled(alert: Alert, incident: Incident, context: Context) -> bool:
    """Say whether people were freed, or nobody was held: whoever is held now is another matter, with its own clock."""
    rule = context.site.rules.get(alert.rule)
    plan = context.plan(incident)
    if plan is None or plan.life_clock is None or rule is None or rule.plan != plan.id:
        return False
    if incident.stage != CONFIRMED or alert.subject in incident.active_alarms:
        return False
    freed = steps.step_of(plan, plan.life_clock.until)
    nobody = incident.claims.false_ms is not None or (freed and steps.needed(incident, plan, freed) is False)
    return bool(nobody) or steps.done(incident, plan.life_clock.until)


def _in_time(alert: Alert, rule: Rule, incident: Incident) -> bool:
    """Say whether an alarm rose with the cause; one that stood on the console for days did not."""
    return rule.start is not Start.OPERATOR or incident.opened_ms <= alert.raised_ms + SEEN_BEFORE_CAUSE_MS


def _cause(alert: Alert, machines: Iterable[str], context: Context) -> str | None:
    """Return the upstream machine that explains an alarm; for a silent device, one that explains its machines."""
    for machine in dict.fromkeys((alert.owner, *machines)):
        cause = context.cause(machine, alert.rule)
        if cause and cause not in machines and (cause in context.site.equipment or cause not in context.site.devices):
            return cause
    return None


def _machines(owner: str, site: Site) -> tuple[str, ...]:
    """Return the machine an alarm is about; for a silent device, the machines it speaks for."""
    if owner in site.equipment or owner not in site.devices:
        return (owner,)
    return tuple(dict.fromkeys(point.rpartition("/")[0] for point in site.devices[owner].points))


def _corroborates(alert: Alert, rule: Rule, incident: Incident) -> bool:
    """Say whether an alarm makes a desk-stage incident certain; a second bell does not."""
    bell = owner_rule(incident.ringing or incident.opened_by_alarm)[1]
    return rule.start is not Start.DESK and (alert.life_safety or bell in rule.corroborates)


def _same_place(incident: Incident, machines: Iterable[str], site: Site, alert: Alert) -> bool:
    """Say whether an incident that was called in by words is about this machine.

    Words that name the machine are enough; words that only name its place are not where a life is at stake:
    two lifts stand in one hall.
    """
    if incident.equipment or not incident.place:
        return False
    said = incident.place.strip()
    for machine in (site.equipment[m] for m in machines if m in site.equipment):
        if said in _names(machine) or (not alert.life_safety and said in _places(machine)):
            return True
    return False


def _names(machine: Equipment) -> set[str]:
    return {machine.id, machine.name.zh, machine.name.en} - {""}


def _places(machine: Equipment) -> set[str]:
    return {machine.place.zh, machine.place.en} - {""}


def _join(
    alert: Alert, rule: Rule, incident: Incident, why: str, alerts: Iterable[Alert], context: Context
) -> list[Record]:
    at = max(alert.raised_ms, incident.last_ms)
    plan = context.plan(incident)
    asked = rule.start is Start.DESK and not any(_supports(other, alert, context.site) for other in alerts)
    grave = _is_grave(alert, rule, incident)
    called = plan is not None and bool(plan.levels) and incident.level >= 0
    over = called and incident.stage == CONFIRMED and plan is not None and responders.over(incident, plan, context.site)
    joined = records.IncidentJoined(alert.subject, RANG_AGAIN if over and asked and grave else why, alert.priority)
    request = f"{incident.id}/joined/{alert.subject}@{alert.raised_ms}"
    out = [write(incident, at, joined, alert.owner, request=request)]
    if incident.stage == DESK:
        if _corroborates(alert, rule, incident) or (incident.rang_again and grave and not asked):
            out.append(write(incident, at, records.IncidentConfirmed("telemetry")))
        return out
    if plan is None or not called or joined.why == RANG_AGAIN:
        return out
    level, why = incident.level, ""
    if over and grave:
        level, why = 0, "again"
    elif alert.priority < incident.priority:
        why = "worse"  # whoever is on the way was called to something smaller
    elif (
        alert.life_safety
        and responders.at_work(incident, plan, context.site)
        and (alert.subject not in incident.joined_ms or at >= incident.round_ms + INFORM_MS)
    ):
        why = "inform"
    if why:
        out += reach(_with(incident, alert), plan, context.site, at, level, why)
    return out


def _is_grave(alert: Alert, rule: Rule, incident: Incident) -> bool:
    """Say whether an alarm calls people back who had finished."""
    own = alert.priority <= incident.priority and rule.start is not Start.OPERATOR
    return alert.priority <= Priority.HIGH or own


def _with(incident: Incident, alert: Alert) -> Incident:
    alarms = incident.alarms if alert.subject in incident.joined_ms else (*incident.alarms, alert.subject)
    return replace(incident, priority=min(alert.priority, incident.priority), alarms=alarms)


def _told(before: Incident | None, out: list[Record], holders: Collection[str], context: Context) -> list[Record]:
    """Return the pages to the holders of permits on the machine, while others are called or the desk still asks."""
    incident = before
    for record in out if holders else ():
        if isinstance(record.data, records.IncidentOpened):
            incident = fold.opened(record.subject.removeprefix("incident:"), record, record.data, active=True)
        elif incident is not None:
            incident = fold.tell(incident, record)
    plan = context.plan(incident) if incident is not None else None
    if not (holders and out) or incident is None or plan is None:
        return []
    people = [who for who in holders if who != incident.holder]  # whom its own plan calls
    return tell_also(incident, plan, context.site, out[0].at_ms, people, duty.HOLDER)


def _open(
    alert: Alert, rule: Rule, plan: Plan, alerts: Iterable[Alert], context: Context, id: str, holder: str
) -> list[Record]:
    at = alert.raised_ms
    desk = rule.start is Start.DESK
    machines = _machines(alert.owner, context.site)
    data = records.IncidentOpened(
        plan=plan.id,
        # A device that speaks for several machines is itself what is silent.
        equipment=machines[0] if len(machines) == 1 else alert.owner,
        priority=min(plan.priority, Priority(alert.priority)),
        alarm=alert.subject,
        stage=DESK if desk else CONFIRMED,
        confirm_by_ms=at + rule.confirm_ms if desk else 0,
        holder=holder,
    )
    request = f"{alert.subject}/incident@{alert.raised_ms}"
    out = open_by_hand(id, at, plan, context.site, data, "system", request)
    if desk and any(_supports(other, alert, context.site) for other in alerts):
        about = (data.equipment,)
        out.append(
            Record(
                at, Kind.INCIDENT_CONFIRMED, incident_subject(id), records.IncidentConfirmed("telemetry"), about=about
            )
        )
    return out


def _supports(other: Alert, bell: Alert, site: Site) -> bool:
    """Say whether an alarm that already holds makes a bell certain at once."""
    rule = site.rules.get(other.rule)
    if rule is None or other.owner != bell.owner or rule.start is Start.DESK:
        return False
    return other.life_safety or bell.rule in rule.corroborates
