"""When time alone will change which incident."""

from collections.abc import Iterator

from facility.agenda import Agenda
from response import agenda
from response.context import Context
from response.duty import shiftchange
from response.incident import Incident
from response.quarantine import Quarantine
from response.running import Running


class Calendar:
    """The next moment of every open incident, worked out anew only for those that changed."""

    def __init__(self) -> None:
        self._agenda = Agenda()
        self._undated: dict[str, None] = {}
        self._hash = ""  # of the site by whose plans it stands

    def change(self, incident: str) -> None:
        """Have an incident's moment worked out anew."""
        self._undated[incident] = None

    def forget(self, incident: str) -> None:
        """Let go of a closed incident."""
        self._undated.pop(incident, None)
        self._agenda.strike(incident)

    def date(self, running: Running, context: Context, set_aside: Quarantine) -> dict[str, Exception]:
        """Enter when time alone will change the incidents that changed; for those set aside it does nothing.

        Return those that cannot be dated, with the error: that of one incident keeps no other from its moment.
        """
        failed: dict[str, Exception] = {}
        if context.site.hash != self._hash:
            self._hash = context.site.hash
            self._undated.update(dict.fromkeys(running))
        for which in self._undated:
            incident = running.get(which) if which not in set_aside else None
            try:
                dues = list(_moments(incident, context)) if incident and incident.closed_ms is None else []
            except Exception as error:  # noqa: BLE001 - whoever asked counts it
                failed[which], dues = error, []
            if dues:
                self._agenda.enter(which, min(dues))
            else:
                self._agenda.strike(which)
        self._undated = dict.fromkeys(failed)
        return failed

    def come(self, now: int) -> Iterator[str]:
        """Yield the incidents whose moment has come, once."""
        while (due := self._agenda.by(now)) is not None:
            self._agenda.strike(due[1])
            yield due[1]

    def due(self) -> int | None:
        """Return the next moment of all; None when there is none."""
        first = self._agenda.first()
        return first[0] if first else None


def _moments(incident: Incident, context: Context) -> Iterator[int]:
    plan = context.plan(incident)
    if plan is None:
        return
    yield from (due.at_ms for due in agenda.agenda(incident, plan, context.site))
    turn = shiftchange.following(incident, plan, context.site)
    if turn is not None:
        yield turn.at_ms
