"""All that is open at the desk: alarms, incidents, planned work, duty, pages held and tried; folds of the log book."""

from collections.abc import Iterable, Sequence
from functools import cache

from alarms.board import Board
from alarms.cause import Causes
from alarms.hidden import Hidden
from alarms.shelf import ASKS
from alarms.transition import Transition
from dutyroom.ledger import Counts
from dutyroom.standing import Standing
from facility.commands import Command, IssuePermit, Refused, ReleasePages
from facility.records import AuditFound, ItemQuarantined, Record, incident_subject
from facility.site import Site
from facility.text import Text
from response.context import Context
from response.duty import rota
from response.duty.rota import Rota
from response.incidents import Incidents
from response.paging import tryout
from response.paging.held import Held
from response.permits import planned, works
from response.permits.planned import Planned
from response.plans import drill
from stores.live import Live


class Matters:
    """Told the same records, asked the same commands, each decides its part; what is decided waits for a commit.

    In a `rehearsal` all incidents are drills.
    """

    def __init__(self, site: Site, live: Live, counts: Counts, *, rehearsal: bool) -> None:
        self.site = site
        self.board = Board(site)
        self.incidents = Incidents()
        self.planned = Planned()
        self.rota = Rota()
        self.held = Held()
        self.tryouts = tryout.Tryouts()
        self.plans = {(plan.id, plan.version): plan for plan in site.plans.values()}
        """Every version that an incident may have begun with; see `stores.plans`."""
        self.decided: list[Record] = []
        """Told, and not yet in a commit."""
        self._live, self._counts, self._rehearsal = live, counts, rehearsal

    # -- believing ----------------------------------------------------------------------------------------

    def tell(self, record: Record) -> None:
        """Believe one more record."""
        self.board.tell(record)
        self.planned.tell(record)
        self.rota.tell(record)
        self.held.tell(record)
        self.tryouts.tell(record)
        self.incidents.tell(record)

    def add(self, more: Iterable[Record]) -> None:
        """Believe what was decided, and have it committed."""
        for said in more:
            record = drill.rehearsed(said) if self._rehearsal else said
            self.tell(record)
            self._counts.quarantined += isinstance(record.data, ItemQuarantined)
            self._counts.audit_found += isinstance(record.data, AuditFound)
            self.decided.append(record)

    def adopt(self, site: Site, board: Board, told: Iterable[Record]) -> None:
        """Go on by another site, with a fresh board; `told` are all open records of the book."""
        for record in (*told, *self.decided):
            board.tell(record)
        self.site, self.board = site, board

    # -- the world ----------------------------------------------------------------------------------------

    def context(self, now: int) -> Context:
        """Return the world by which is decided: the site, the roster as changed, all versions of plans."""
        found: list[Causes] = []

        def causes() -> Causes:
            """Return who explains what, by supply and lines as they stand now; worked out once, and if asked."""
            if not found:
                found.append(Causes(self.site, self.board.active, self._position, self.board.since))
            return found[0]

        return Context(
            site=self.rota.site(self.site),
            now=now,
            read=self._read,
            cause=cache(lambda owner, rule: causes().of(owner, rule)),
            holders=self.planned.holders,
            lost=cache(lambda machine: causes().lost(machine)),
            changed=self._changed,
            plans=self.plans,
        )

    def _read(self, point: str) -> tuple[float, int, int] | None:
        seen = self._live.read(point)
        return None if seen is None else (seen.value, seen.reason, seen.at_ms)

    def _changed(self, point: str) -> int | None:
        seen = self._live.read(point)
        return None if seen is None else seen.changed_ms

    def _position(self, machine: str) -> float | None:
        equipment = self.site.equipment.get(machine)
        kind = self.site.kinds.get(equipment.kind) if equipment else None
        name = (kind.conducts or kind.selects) if kind else None
        seen = self._live.read(f"{machine}/{name}") if name else None
        return seen.value if seen is not None and seen.reason == 0 else None

    # -- deciding -----------------------------------------------------------------------------------------

    def take(self, move: Transition) -> None:
        """Let the board take what the rules moved, after what was due before it."""
        self.ripen(move.at_ms)
        self.add(self.board.take(move))

    def ask(self, command: Command, now: int) -> Sequence[Record] | Refused:
        """Return the records of a command, or why not."""
        if isinstance(command, ASKS):
            return self.board.ask(command, now)
        if isinstance(command, planned.ASKS):
            return self.planned.ask(self.context(now), command, self.incidents.open())
        if isinstance(command, rota.ASKS):
            return self.rota.ask(self.context(now), command)
        if isinstance(command, tryout.ASKS):
            return self.tryouts.ask(self.context(now), command)
        if isinstance(command, ReleasePages):
            return self.held.ask(command, self.incidents.open(), now)
        return self.incidents.ask(self.context(now), command)

    def settle(self, now: int) -> None:
        """Decide until nothing is new."""
        self.ripen(now)
        context = self.context(now)
        while more := self.incidents.decide(context) or self.tryouts.decide(context):
            self.add(more)
            self.ripen(now)  # a permit that begins or ends hides and shows

    def ripen(self, at_ms: int) -> None:
        """Let the board do what is due by then (shelves end, seasons begin), and what is planned begin or end."""
        while more := self.board.decide(at_ms) or self._planned_by(at_ms):
            self.add(more)

    def _planned_by(self, at_ms: int) -> list[Record]:
        return self.planned.decide(self.context(at_ms)) if self.planned.permits() or self.planned.tickets() else []

    def closed(self, now: int) -> list[str]:
        """Let go of what is over; return its subjects: closed incidents, alarms that none of them needs any more."""
        over = self.incidents.drop_closed()
        closed = [*(incident_subject(i.id) for i in over), *self.planned.drop_closed()]
        closed += self.rota.drop_over(now)
        closed += self.held.drop_over(self.incidents.open())
        closed += self.tryouts.drop_over()
        for subject in (alarm for i in over for alarm in i.alarms):
            self.board.look_again(subject)
        for subject in self.board.ended():
            if not self.incidents.holds(subject):
                self.board.drop(subject)
                closed.append(subject)
        return closed

    # -- what comes, and what stands -----------------------------------------------------------------------

    def due(self, now: int) -> int | None:
        """Return the earliest moment at which time alone will change something."""
        context = self.context(now)
        due = (self.incidents.due(context), self.planned.due(context), self.board.due(now), self.tryouts.due(context))
        return min((moment for moment in due if moment is not None), default=None)

    def devices_watched(self) -> frozenset[str]:
        """Return the devices whose next scan may prove a step or show an operation."""
        devices = (self.site.device_of.get(p) for p in self.incidents.watched() | self.planned.watched())
        return frozenset(d[0] for d in devices if d is not None)

    def standing(self, seq: int, now: int) -> Standing:
        """Return all of it as it stands after a commit."""
        incidents = self.incidents.open().copy()
        return Standing(
            at_ms=now,
            seq=seq,
            alarms=dict(self.board.open()),
            incidents=incidents,
            permits=dict(self.planned.permits()),
            tickets=dict(self.planned.tickets()),
            changes=dict(self.rota.changes()),
            calendars=self.rota.generations(),
            roster=self.rota.site(self.site).roster,
            held=self.held.incidents() & incidents.keys() if self.held else frozenset(),
            tryouts=self.tryouts.newest(),
            out_of_service=dict(self.planned.out_of_service()),
            plans=self.plans,
        )

    def preview(self, command: Command, now: int) -> Sequence[Hidden] | Refused:
        """Return what a shelf or a permit would keep out of sight if it were set now; or why it would be refused."""
        if not isinstance(command, IssuePermit):
            return self.board.preview(command, now)
        expected = works.expected(command.work, command.equipment, self.context(now))
        return self.board.preview(command, now, frozenset(expected))

    def missing(self, incident: str, now: int) -> Sequence[Text]:
        """Return what still forbids closing an open incident; empty when it may be closed."""
        found = self.incidents.open().get(incident)
        return () if found is None else self.incidents.missing(found, self.context(now))
