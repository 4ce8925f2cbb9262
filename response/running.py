"""The open incidents, and how the one is found that an alarm belongs to, however many there are."""

from collections.abc import Iterable, Iterator, Mapping

from response.drill import PAPER
from response.fold import UNSENT, Incident
from response.plan import owner_rule


class Running(Mapping[str, Incident]):
    """Open incidents by id in the order of their opening; those just closed stay until `drop`.

    Whatever is asked by alarm or machine is answered with those that are not closed, the oldest first.
    """

    def __init__(self) -> None:
        self._open: dict[str, Incident] = {}
        self._by_alarm: dict[str, list[str]] = {}
        self._by_equipment: dict[str, list[str]] = {}  # "": called in by words only
        self._by_owner: dict[str, list[str]] = {}  # machine -> incidents with an alarm of it
        self._by_rule: dict[str, list[str]] = {}  # rule -> incidents that an alarm of it opened
        self._by_page: dict[str, str] = {}
        self._unsent: dict[str, None] = {}
        self._closed: dict[str, None] = {}

    def __getitem__(self, id: str) -> Incident:
        return self._open[id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._open)

    def __len__(self) -> int:
        return len(self._open)

    def put(self, incident: Incident) -> None:
        """Take an incident as it is now."""
        id, before = incident.id, self._open.get(incident.id)
        self._open[id] = incident
        if (
            before is None and incident.drill != PAPER
        ):  # what is played on paper is nothing's cause, and joined by nothing
            _note(self._by_equipment, incident.equipment, id)
            if incident.opened_by_alarm:
                _note(self._by_rule, owner_rule(incident.opened_by_alarm)[1], id)
        if before is None or incident.alarms is not before.alarms:
            for alarm in incident.alarms if before is None else incident.alarms[len(before.alarms) :]:
                _note(self._by_alarm, alarm, id)
                _note(self._by_owner, owner_rule(alarm)[0], id)
        if before is None or incident.pages is not before.pages:
            self._by_page.update(dict.fromkeys(incident.pages, id))
            if any(page.state in UNSENT for page in incident.pages.values()):
                self._unsent[id] = None
            else:
                self._unsent.pop(id, None)
        if incident.closed_ms is not None:
            self._closed[id] = None

    def drop_closed(self) -> list[Incident]:
        """Forget the closed incidents and return them."""
        gone = [self._open.pop(id) for id in self._closed]
        self._closed.clear()
        for incident in gone:
            _forget(self._by_equipment, incident.equipment, incident.id)
            if incident.opened_by_alarm:
                _forget(self._by_rule, owner_rule(incident.opened_by_alarm)[1], incident.id)
            for alarm in incident.alarms:
                _forget(self._by_alarm, alarm, incident.id)
                _forget(self._by_owner, owner_rule(alarm)[0], incident.id)
            for key in incident.pages:
                self._by_page.pop(key, None)
            self._unsent.pop(incident.id, None)
        return gone

    def with_alarm(self, subject: str) -> list[Incident]:
        """Return those that an alarm opened or joined."""
        return self._running(self._by_alarm.get(subject, ()))

    def on(self, machines: Iterable[str]) -> list[Incident]:
        """Return those whose machine is one of these."""
        return self._running(id for m in dict.fromkeys(machines) for id in self._by_equipment.get(m, ()))

    def called(self) -> list[Incident]:
        """Return those that somebody called in by words, without naming a machine."""
        return self._running(self._by_equipment.get("", ()))

    def about(self, machine: str) -> list[Incident]:
        """Return those on a machine, or with an alarm of it."""
        return self._running((*self._by_equipment.get(machine, ()), *self._by_owner.get(machine, ())))

    def opened_by(self, rule: str) -> list[Incident]:
        """Return those that an alarm of this rule opened."""
        return self._running(self._by_rule.get(rule, ()))

    def with_page(self, key: str) -> Incident:
        """Return the incident of a page; KeyError when no open one has it."""
        incident = self._open[self._by_page[key]]
        incident.pages[key]
        return incident

    def unsent(self) -> list[Incident]:
        """Return those with pages that wait to be sent."""
        return [self._open[id] for id in self._unsent]

    def _running(self, ids: Iterable[str]) -> list[Incident]:
        found = [self._open[id] for id in dict.fromkeys(ids)]
        running = [i for i in found if i.closed_ms is None]
        return running if len(running) < 2 else sorted(running, key=_opening)  # noqa: PLR2004 - one needs no order


def _opening(incident: Incident) -> tuple[str, int]:
    """Order incidents by number: "YYMMDD-n"."""
    day, _, number = incident.id.partition("-")
    return day, int(number) if number.isdecimal() else 0


def _note(table: dict[str, list[str]], key: str, id: str) -> None:
    ids = table.setdefault(key, [])
    if id not in ids:
        ids.append(id)


def _forget(table: dict[str, list[str]], key: str, id: str) -> None:
    ids = table.get(key)
    if ids and id in ids:
        ids.remove(id)
        if not ids:
            del table[key]
