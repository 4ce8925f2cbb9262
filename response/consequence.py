"""What one cause brought with it: counted, in a sentence; and incidents that turn out to be consequences of another."""

from collections import Counter
from collections.abc import Iterator

from facility import records
from facility.records import Record
from facility.rule import AlarmClass
from facility.site import Site
from facility.text import Text
from response import sweep
from response.context import Context
from response.incident import CONFIRMED, Incident
from response.lines import write
from response.opening import SEEN_BEFORE_CAUSE_MS
from response.plans.plan import owner_rule
from response.quarantine import CONSEQUENCE, Quarantine
from response.running import Running
from response.sweeplists import SweepLists


class Consequences:
    """The incidents that may be consequences of another, since an alarm joined that explains others."""

    def __init__(self) -> None:
        self._joined: list[tuple[str, str]] = []  # (incident, alarm) of what joined since causes were looked for
        self._doubted: dict[str, None] = {}
        self._explaining = False
        self._quarantine = Quarantine(CONSEQUENCE, tries=1)

    def joined(self, incident: str, alarm: str) -> None:
        """Take note of an alarm that opened or joined an incident."""
        self._joined.append((incident, alarm))

    def decide(self, running: Running, context: Context, lists: SweepLists) -> list[Record]:
        """Return what moves an incident into that of its cause, where the cause became known after its symptom.

        `lists` hears of the alarms that tell of lost lifts.
        """
        if out := self._joined_explained(context, lists):
            return out
        if self._explaining:
            self._doubted.update((i.id, None) for i in running.values() if i.closed_ms is None)
            self._explaining = False
        while self._doubted:
            which = next(iter(self._doubted))
            incident = running.get(which)
            try:
                out = taken_over(incident, running, context) if incident is not None else []
            except Exception as error:  # noqa: BLE001 - it keeps no other incident here
                out = self._failed(which, error, context)
                del self._doubted[which]
            else:
                if not out:
                    del self._doubted[which]
            if out:
                return out
        return []

    def _joined_explained(self, context: Context, lists: SweepLists) -> list[Record]:
        """Take note of which of the alarms that joined explain others; return what is set aside of them."""
        while self._joined:
            which, alarm = self._joined[0]
            out: list[Record] = []
            try:
                explained = explains(alarm, context.site)
                if explained or sweep.mains_lost(alarm, context.site):
                    lists.tells(which, alarm)
                self._explaining = self._explaining or explained
            except Exception as error:  # noqa: BLE001 - it keeps no other incident here
                out = self._failed(which, error, context)
            del self._joined[0]
            if out:
                return out
        return []

    def _failed(self, incident: str, error: Exception, context: Context) -> list[Record]:
        """Return the record, once, that the question is set aside: the incident goes on by itself."""
        return self._quarantine.noted(incident, error, context.now, f"site:{context.site.id}")


def sentence(site: Site, incident: Incident) -> Text | None:
    """Return the named cause with its counted consequences; None while nothing but itself is concerned.

    "10 kV feeder 2, protection trip: 14 lifts, Chiller 1, 212 alarms".
    """
    machines = dict.fromkeys((*_machines(site, incident), *incident.sweep))
    machines.pop(incident.equipment, None)
    if not machines:
        return None
    kinds = Counter(site.equipment[m].kind for m in machines if m in site.equipment)
    only = {site.equipment[m].kind: m for m in machines if m in site.equipment}
    zh, en = [], []
    for kind, count in sorted(kinds.items(), key=lambda found: -found[1]):
        name = site.owner_name(only[kind])
        text = site.kinds[kind].text
        zh.append(name.zh if count == 1 else f"{count} 台{text.zh}")
        en.append(name.en if count == 1 else f"{count} × {text.en}")
    others = sum(m not in site.equipment for m in machines)
    if others:
        zh.append(f"{others} 个装置")
        en.append(f"{others} devices")
    first = _first(site, incident)
    alarms = len(incident.alarms)
    return Text(f"{first.zh}：{'、'.join(zh)}，共 {alarms} 条报警", f"{first.en}: {', '.join(en)}, {alarms} alarms")


def explains(alarm: str, site: Site) -> bool:
    """Say whether an alarm may be the cause of others: it is of what feeds them, or tells of silence."""
    owner, rule = owner_rule(alarm)
    known = site.rules.get(rule)
    return owner in site.supply.feeds or (known is not None and known.class_ is AlarmClass.COMMUNICATION)


def taken_over(incident: Incident, running: Running, context: Context) -> list[Record]:
    """Return what moves an incident into that of its cause, when all its alarms turn out to be consequences.

    Not one that is about a life, that somebody opened by hand, that the desk is asked about, or that somebody has
    accepted or worked on: people who are on their way are not called back. Its lifts that are presumed occupied are
    listed anew where its alarms go.
    """
    site = context.site
    plan = context.plan(incident)
    if (
        incident.closed_ms is not None
        or incident.stage != CONFIRMED
        or not incident.active_alarms
        or not incident.opened_by_alarm
        or plan is None
        or plan.class_ is AlarmClass.LIFE_SAFETY
        or incident.accepted
        or incident.arrived
        or incident.steps
        or any(swept.cleared_ms is not None for swept in incident.sweep.values())
    ):
        return []
    into: Incident | None = None
    for subject in incident.active_alarms:
        found = _cause(subject, incident, running, context)
        if found is None or (into is not None and found.id != into.id):
            return []
        into = found
    if into is None or into.priority > incident.priority:
        return []
    supply = into.equipment in site.supply.nodes
    if supply and incident.opened_ms + SEEN_BEFORE_CAUSE_MS < into.opened_ms:
        return []  # it stood before: it has a cause of its own
    at = max(incident.last_ms, into.last_ms)
    out = []
    for subject in incident.alarms:
        if subject in incident.active_alarms:
            owner, rule = owner_rule(subject)
            why = "supply" if supply else ("line" if _same_line(site, owner, into.equipment) else "network")
            data = records.IncidentJoined(subject, why, int(site.rules[rule].priority))
            out.append(write(into, at, data, owner, request=f"{into.id}/took/{subject}@{incident.opened_ms}"))
    first = _first(site, into)
    closed = records.IncidentClosed(f"{first.zh} {first.en}", f"→ {into.id}", into.id)
    return [*out, write(incident, at, closed)]


def _same_line(site: Site, one: str, other: str) -> bool:
    return one in site.devices and other in site.devices and site.devices[one].line == site.devices[other].line


def _cause(subject: str, incident: Incident, running: Running, context: Context) -> Incident | None:
    """Return the running incident about what explains an alarm."""
    owner, rule = owner_rule(subject)
    known = context.site.rules.get(rule)
    if known is None or known.class_ is AlarmClass.LIFE_SAFETY:
        return None
    for machine in dict.fromkeys((owner, *_of(context.site, owner))):
        cause = context.cause(machine, rule)
        if cause is None or cause == owner:
            continue
        found = next((i for i in running.about(cause) if i.id != incident.id and i.stage == CONFIRMED), None)
        if found is not None:
            return found
    return None


def _machines(site: Site, incident: Incident) -> Iterator[str]:
    for subject in incident.alarms:
        yield from _of(site, owner_rule(subject)[0])


def _of(site: Site, owner: str) -> tuple[str, ...]:
    """Return the machines an alarm is about: of a silent device, those it speaks for."""
    if owner in site.equipment or owner not in site.devices:
        return (owner,)
    return tuple(dict.fromkeys(point.rpartition("/")[0] for point in site.devices[owner].points))


def _first(site: Site, incident: Incident) -> Text:
    """Return the first-out cause: the incident's machine, and the alarm that opened it."""
    owner, rule = owner_rule(incident.opened_by_alarm) if incident.opened_by_alarm else (incident.equipment, "")
    name = site.owner_name(incident.equipment or owner)
    what = site.rules[rule].name if rule in site.rules else Text("", "")
    return Text(f"{name.zh} {what.zh}".strip(), f"{name.en}, {what.en}".strip(", "))
