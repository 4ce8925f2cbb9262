"""The open incidents, and how the one is found that an alarm belongs to, however many there are."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Mapping

from response.incident import Incident
from response.paging.page import UNSENT, PageState
from response.plans.drill import PAPER
from response.plans.plan import owner_rule


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
        # Pages that are not sent, the longest due first: when each may leave, when it was requested, its key.
        self._unsent: list[tuple[int, int, str]] = []
        self._entry: dict[str, tuple[int, int, str]] = {}
        self._closed: dict[str, None] = {}

    def __getitem__(self, id: str) -> Incident:
        return self._open[id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._open)

    def __len__(self) -> int:
        return len(self._open)

    def copy(self) -> dict[str, Incident]:
        """Return them as they are now; in a flood a thousand times cheaper than asking for one after the other."""
        return self._open.copy()

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
            self._list(before.pages if before else {}, incident.pages)
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
            self._list(incident.pages, {})
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

    def unsent(self, until_ms: int) -> list[PageState]:
        """Return the pages that wait to be sent and may leave by a moment, the longest due first."""
        due = self._unsent[: bisect_right(self._unsent, until_ms, key=_moment)]
        return [self._open[self._by_page[key]].pages[key] for _, _, key in due]

    def next_unsent(self, after_ms: int) -> int | None:
        """Return the first moment after another at which a page that waits may leave."""
        place = bisect_right(self._unsent, after_ms, key=_moment)
        return self._unsent[place][0] if place < len(self._unsent) else None

    def _list(self, before: Mapping[str, PageState], now: Mapping[str, PageState]) -> None:
        """Enter the pages of an incident that are to be sent, and take out those that no longer are."""
        for key in before.keys() | now.keys():
            page = now.get(key)
            if page is not None and page is before.get(key):
                continue  # most are as they were
            was = self._entry.get(key)
            entry = (page.not_before_ms, page.requested_ms, key) if page and page.state in UNSENT else None
            if entry == was:
                continue
            if was is not None:
                del self._unsent[bisect_left(self._unsent, was)], self._entry[key]
            if entry is not None:
                insort(self._unsent, entry)
                self._entry[key] = entry

    def _running(self, ids: Iterable[str]) -> list[Incident]:
        found = [self._open[id] for id in dict.fromkeys(ids)]
        running = [i for i in found if i.closed_ms is None]
        return running if len(running) < 2 else sorted(running, key=_opening)  # noqa: PLR2004 - one needs no order


def _moment(entry: tuple[int, int, str]) -> int:
    return entry[0]


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
