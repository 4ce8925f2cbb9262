"""When the holder of a permit is called: overdue, machines nobody checked, a machine that does not work afterwards.

The call is an incident of its own, so that it repeats, climbs and survives a restart like every other page. It is about
the permit and on no machine: an alarm of the machine never becomes part of it.
"""

from collections.abc import Callable

from facility import records
from facility.records import Kind, Record, incident_subject
from facility.site import Site
from facility.text import Text
from response.opening import open_by_hand
from response.permits.permit import CLOSED, Permit, issued, tell

PLAN = "permit-overdue"
REPAIR = "equipment-fault"


class Calls:
    """What permits ask of the incidents: calls that are due, and calls that are over."""

    def __init__(self) -> None:
        self._permits: dict[str, Permit] = {}
        self._running: dict[str, str] = {}  # permit -> the incident of its call
        self._due: list[Record] = []  # overdue or failed checks that no incident has taken up
        self._over: list[tuple[str, Record]] = []  # incidents whose reason is gone, by what

    def tell(self, record: Record, *, live: bool) -> None:
        """Believe a permit's record; what was told before `live` was decided then."""
        id = record.subject.removeprefix("permit:")
        if isinstance(record.data, records.PermitIssued):
            self._permits[id] = issued(id, record, record.data)
            return
        if id not in self._permits:
            return
        now = self._permits[id] = tell(self._permits[id], record)
        match record.data:
            case records.PermitOverdue() | records.PermitChecked(stage="after", works=False) if live:
                self._due.append(record)
            case _:
                pass
        settled = isinstance(record.data, records.PermitExtended | records.PermitEnded) or now.state == CLOSED
        if live and settled and id in self._running:
            self._over.append((self._running.pop(id), record))
        if now.state == CLOSED:
            del self._permits[id]

    def opened(self, incident: str, data: records.IncidentOpened) -> None:
        """Hear that an incident was opened for a permit."""
        if data.permit and data.plan == PLAN:
            self._running[data.permit] = incident

    def closed(self, incident: str) -> None:
        """Hear that an incident is over."""
        self._running = {permit: id for permit, id in self._running.items() if id != incident}

    def decide(self, site: Site, new_id: Callable[[int], str]) -> list[Record]:
        """Return the records of the next call that begins or ends."""
        while self._over:
            incident, record = self._over.pop(0)
            closed = records.IncidentClosed(_WHY_OVER[record.kind])
            return [Record(record.at_ms, Kind.INCIDENT_CLOSED, incident_subject(incident), closed)]
        while self._due:
            record = self._due.pop(0)
            if out := self._open(site, record, new_id):
                return out
        return []

    def _open(self, site: Site, record: Record, new_id: Callable[[int], str]) -> list[Record]:
        id = record.subject.removeprefix("permit:")
        permit = self._permits.get(id)
        data = record.data
        request = f"{record.subject}/{record.kind}@{record.at_ms}"
        if isinstance(data, records.PermitChecked):
            plan = site.plans.get(REPAIR)
            machine, note = data.equipment, f"工作票 {id} 复验不正常 permit {id}, check failed: {data.note}"
            opened = records.IncidentOpened(plan.id, machine, plan.priority, note=note, permit=id) if plan else None
        else:
            plan = site.plans.get(PLAN)
            what = _what(site, permit, data) if permit else ""
            unheld = permit is None or id in self._running
            holder = "" if permit is None else permit.holder
            opened = (
                records.IncidentOpened(plan.id, "", plan.priority, place=what, permit=id, holder=holder)
                if plan and not unheld
                else None
            )
        if plan is None or opened is None:
            return []
        return open_by_hand(new_id(record.at_ms), record.at_ms, plan, site, opened, "system", request)


_WHY_OVER = {
    Kind.PERMIT_EXTENDED: "工作票已延期 the permit was extended",
    Kind.PERMIT_ENDED: "工作票已终结 the work has ended",
    Kind.PERMIT_CHECKED: "设备已复验 the machines were checked",
}


def _what(site: Site, permit: Permit, data: object) -> str:
    """Return permit and machines in one line, as a page says it; no personal names."""
    unchecked = isinstance(data, records.PermitOverdue) and data.why == "unchecked"
    machines = data.machines if unchecked and isinstance(data, records.PermitOverdue) else permit.equipment
    names = [site.owner_name(machine) for machine in machines]
    why = (
        Text("工作已终结，设备未复验", "work ended, machines not checked")
        if unchecked
        else Text("到时未终结", "not ended in time")
    )
    zh = f"工作票 {permit.id} {why.zh}：{'、'.join(n.zh for n in names)}"
    return f"{zh} / permit {permit.id}, {why.en}: {', '.join(n.en for n in names)}"
