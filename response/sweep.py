"""Lifts that lost their supply or fell silent: presumed occupied until something or somebody says otherwise.

A lift is listed in the incident of its cause, at once: topology knows that it is dark before it falls silent. What
clears it: readings from after its listing that prove it empty, somebody who answered its intercom, a guard who looked,
or an entrapment of its own, for which people are on the way already.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from facility import records
from facility.commands import ClearLift, Refused
from facility.equipment import point_id
from facility.plan import Plan
from facility.records import Payload, Record
from facility.rule import AlarmClass, Compare, Condition
from facility.scan import Reason
from facility.site import Site
from facility.text import Text
from response.context import Context
from response.incident import CONFIRMED, TELEMETRY, Incident
from response.lines import write
from response.plans.plan import owner_rule
from response.running import Running

LIFT = "lift"
"""The kind of machine that people ride in."""

MAINS_LOST = "mains-lost"
"""The word of library/kinds/lift.toml for the controller's code."""

ONE_LOSS_MS = 60_000
"""Alarms of one machine that come within so long of each other tell of one loss."""

SUPPLY, SILENT = "supply", "silent"
INTERCOM, GUARD, TRAPPED = "intercom", "guard", "trapped"


@dataclass(frozen=True, slots=True)
class Affected:
    """A lift to be listed, why, and since when that is so."""

    lift: str
    why: str
    at_ms: int


def left(incident: Incident) -> list[str]:
    """Return the lifts of an incident that are still presumed occupied."""
    return [lift for lift, swept in incident.sweep.items() if swept.cleared_ms is None]


def listed(incident: Incident, alarms: Iterable[str], context: Context) -> list[Record]:
    """Return the records of lifts that belong on the list and are not there; `alarms` are those that tell of them."""
    if incident.stage != CONFIRMED:
        return []
    out = []
    first: dict[str, Affected] = {}
    for found in _affected(incident, alarms, context):  # a dark lift that falls silent later is no new loss
        first.setdefault(found.lift, found)
    for found in first.values():
        swept = incident.sweep.get(found.lift)
        if swept is None or (swept.cleared_ms is not None and swept.cleared_ms < found.at_ms):
            at = max(incident.last_ms, found.at_ms)
            data = records.SweepListed(found.lift, found.why)
            out.append(write(incident, at, data, found.lift, request=f"{incident.id}/sweep/{found.lift}@{found.at_ms}"))
    return out


def cleared(incident: Incident, running: Running, context: Context) -> list[Record]:
    """Return the records of lifts that telemetry, or an entrapment of their own, takes off the list."""
    out = []
    for lift in left(incident):
        own = _entrapment(lift, running, context.site)
        seen = _empty(lift, incident.sweep[lift].since_ms, context)
        if own is not None and own.id != incident.id:
            data = records.SweepCleared(lift, TRAPPED, TELEMETRY, own.id)
            out.append(write(incident, max(incident.last_ms, own.opened_ms), data, lift))
        elif seen is not None:
            at = max(incident.last_ms, min(seen[0], context.now))
            out.append(write(incident, at, records.SweepCleared(lift, TELEMETRY, TELEMETRY, seen[1]), lift))
    return out


def ask(incident: Incident, site: Site, command: ClearLift) -> list[tuple[Payload, str]] | Refused:
    """Return what somebody's word on a listed lift makes; each payload with the person or lift that it tells of."""
    swept = incident.sweep.get(command.lift)
    if swept is None:
        return Refused("not-found", Text("排查清单上没有这台电梯。", "This lift is not on the sweep list."))
    if swept.cleared_ms is not None:
        return Refused(
            "conflict", Text("这台电梯已排查，未重复记录。", "This lift has been swept; nothing was recorded again.")
        )
    if command.how not in {INTERCOM, GUARD, TRAPPED}:
        return Refused("invalid", Text("请说明怎样排查的。", "Say how the lift was swept."))
    if command.person and command.person not in site.people:
        return Refused("not-found", Text("没有这个人。", "There is no such person."))
    by = command.person or command.actor.rpartition(":")[2]
    return [(records.SweepCleared(command.lift, command.how, by, command.note.strip()), command.lift)]


def plan_for(site: Site, lift: str) -> Plan | None:
    """Return the plan for people who are trapped in a lift."""
    machine = site.equipment.get(lift)
    kind = machine.kind if machine else LIFT
    plans = (p for p in site.plans.values() if p.class_ is AlarmClass.LIFE_SAFETY and kind in p.kinds)
    return next(plans, None)


def _affected(incident: Incident, alarms: Iterable[str], context: Context) -> Iterator[Affected]:
    """Yield the lifts that the alarms of an incident leave dark or unseen, each with when the newest loss began."""
    site = context.site
    since = _losses(incident, alarms, site)
    feeding = [owner for owner in since if owner in site.supply.feeds]
    behind = {lift for owner in feeding for lift in site.fed_by(owner, LIFT)}
    for lift in site.by_kind.get(LIFT, ()) if behind else ():
        if lift in behind and (cause := context.lost(lift)) is not None and cause in since:
            yield Affected(lift, SUPPLY, since[cause])
    for owner, at in since.items():
        if owner in site.devices and owner not in site.equipment:
            machines = dict.fromkeys(point.rpartition("/")[0] for point in site.devices[owner].points)
            yield from (Affected(m, SILENT, at) for m in machines if _is_lift(m, site))
        elif _is_lift(owner, site) and context.lost(owner) is None:  # its own switch may be open
            yield Affected(owner, SUPPLY, at)


def _losses(incident: Incident, alarms: Iterable[str], site: Site) -> dict[str, int]:
    """Return when the newest loss began of whatever feeds others, fell silent, or is a lift without mains."""
    since: dict[str, list[int]] = {}
    for subject in alarms:
        if subject not in incident.active_alarms:
            continue
        owner, rule = owner_rule(subject)
        known = site.rules.get(rule)
        silent = known is not None and known.class_ is AlarmClass.COMMUNICATION and owner in site.devices
        if silent or owner in site.supply.feeds or mains_lost(subject, site):
            since.setdefault(owner, []).append(incident.joined_ms[subject])
    return {owner: _newest(moments) for owner, moments in since.items()}


def _is_lift(machine: str, site: Site) -> bool:
    return machine in site.equipment and site.equipment[machine].kind == LIFT


def mains_lost(alarm: str, site: Site) -> bool:
    """Say whether an alarm is a lift's own word that its mains are gone."""
    owner, id = owner_rule(alarm)
    rule = site.rules.get(id)
    if rule is None or not _is_lift(owner, site):
        return False
    return any(_of_mains(c, site) for c in (*rule.when, *rule.any_of))


def _of_mains(condition: Condition, site: Site) -> bool:
    """Say whether a condition speaks of a lift's mains: its source of power, or its controller's code for it."""
    if condition.point == "power_source":
        return True
    kind = site.kinds.get(LIFT)
    code = kind.points.get(condition.point) if kind and condition.compare is Compare.IS else None
    return code is not None and any(c.id == MAINS_LOST and c.value == condition.limit for c in code.codes)


def _newest(moments: list[int]) -> int:
    """Return when the newest loss began: what a machine says within a minute is one loss, told by several alarms."""
    ranked = sorted(moments, reverse=True)
    for later, earlier in pairwise(ranked):
        if later - earlier > ONE_LOSS_MS:
            return later
    return ranked[-1]


def _entrapment(lift: str, running: Running, site: Site) -> Incident | None:
    """Return the running incident about people in this very lift."""
    for incident in running.on((lift,)):
        plan = site.plans.get(incident.plan)
        if plan is not None and plan.class_ is AlarmClass.LIFE_SAFETY and incident.stage == CONFIRMED:
            return incident
    return None


_PROOFS = (("occupied", 0.0), ("doors_closed", 0.0), ("running", 0.0))
"""What an empty lift says: nobody in it, doors open, standing. One flag alone may be a sensor that lost its supply."""

_MORE = (("door_zone", 1.0), ("power_source", 0.0))
"""What it says as well, where it is read: level with a floor, on its normal supply."""


def _empty(lift: str, since_ms: int, context: Context) -> tuple[int, str] | None:
    """Return when readings from after a moment said that nobody is shut in a lift, and what they said.

    All of them must be there, good and newer; and a lift without power says nothing that could be believed.
    """
    seen = []
    more = [(name, wanted) for name, wanted in _MORE if point_id(lift, name) in context.site.device_of]
    for name, wanted in (*_PROOFS, *more):
        reading = context.read(point_id(lift, name))
        if reading is None or reading[1] != Reason.GOOD or reading[2] <= since_ms or reading[0] != wanted:
            return None
        seen.append((reading[2], f"{name}={reading[0]:g}"))
    return (
        None if context.lost(lift) is not None else (max(at for at, _ in seen), ", ".join(words for _, words in seen))
    )
