"""`dutyroom drill`: play a plan's scenario to its end, and say what happened and which promises were kept."""

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from api.report.content import BUCKETS, Shown, points_of, span_of
from dutyroom.cast import Cast
from dutyroom.rehearsal import Rehearsal
from facility.equipment import split_point
from facility.records import IncidentClosed, IncidentOpened, Kind, PromiseBroken, PromiseKept, Record, incident_subject
from facility.site import Site
from response.incident import Incident
from response.incidents import Incidents
from response.plans.proven import unproven
from simulators import playbook
from simulators.faults import StagingError
from simulators.playbook import Playbook, PlaybookError

LIMIT_MS = 2 * 3_600_000
"""A drill that is not over by then has failed."""
QUIET_S = 5
"""The longest step while everybody waits: some readings of each device come less often than that anyway."""


@dataclass(slots=True)
class Played:
    """What came of a drill; `trouble` says why it did not run through, empty when it did."""

    plan: str
    machine: str
    began_ms: int
    incident: str = ""
    records: Sequence[Record] = ()
    refused: list[str] = field(default_factory=list)
    trouble: str = ""
    shown: Sequence[Shown] = ()

    def folded(self) -> Incident | None:
        """Return the incident as its records leave it."""
        told = Incidents()
        for record in self.records:
            told.tell(record)
        return told.open().get(self.incident)

    @property
    def lasted_ms(self) -> int:
        """From the beginning to the last record."""
        return self.records[-1].at_ms - self.began_ms if self.records else 0

    @property
    def kept(self) -> list[tuple[str, int]]:
        """Promises kept, each with how long it took."""
        return [(r.data.promise, r.data.took_ms) for r in self.records if isinstance(r.data, PromiseKept)]

    @property
    def broken(self) -> list[str]:
        """Promises broken."""
        return [r.data.promise for r in self.records if isinstance(r.data, PromiseBroken)]


def play(site: Site, plan: str, machine: str, day: str) -> Played:
    """Play a plan's scenario on a site, on its simulated machines.

    `day` is YYYY-MM-DD; without a `machine` it is the scenario's own.

    Raises:
        PlaybookError: there is no such plan, no scenario for it, or the site has no machine for it.
    """
    if plan not in site.plans:
        raise PlaybookError(f"the site has no plan {plan}")
    book = playbook.read(plan)
    machine = playbook.machine_for(site, book, machine)
    began = _moment(site, book.clock, day)
    with tempfile.TemporaryDirectory(prefix="dutyroom-drill-") as folder:
        return asyncio.run(_play(site, book, machine, began, Path(folder)))


async def _play(site: Site, book: Playbook, machine: str, began: int, folder: Path) -> Played:
    async with Rehearsal(site, folder, began) as stage:
        running = _Running(stage, book, machine)
        while not running.over:
            await running.on()
        await stage.second(1)
        return running.played()


class _Running:
    """A drill as it runs: the building's events and the people's deeds, until the incident is closed."""

    def __init__(self, stage: Rehearsal, book: Playbook, machine: str) -> None:
        self._stage, self._plan, self._machine = stage, book.plan, machine
        self._cast = Cast(stage.desk, book, machine)
        self._waiting = list(book.events)
        self._began = stage.clock.now()
        stage.watch(p for p in stage.site.device_of if split_point(p)[0] == machine)
        self._done: dict[str, int] = {}  # step -> when
        self._incident = ""
        self._refused: list[str] = []
        self._trouble = ""
        self.over = False

    async def on(self) -> None:
        """Play what is due, and go on to the next moment."""
        now = self._stage.clock.now()
        try:
            due = self._happens(now)
        except (StagingError, PlaybookError) as error:
            self._trouble, self.over = str(error), True
            return
        deeds = self._cast.deeds()
        moments = [due, self._cast.next_ms]
        longest = QUIET_S if self._incident else 1
        wait = min([longest, *(max(1, -((now - at) // 1000)) for at in moments if at is not None)])
        for command, no in await self._stage.second(wait, deeds):
            self._refused.append(f"{command}: {no.why.en}")
        self._look(now)

    def _happens(self, now: int) -> int | None:
        """Let happen in the building what is due; return when something comes next."""
        coming = []
        for event in tuple(self._waiting):
            since = self._done.get(event.after) if event.after else self._began
            if since is None:
                continue
            if since + event.wait_ms > now:
                coming.append(since + event.wait_ms)
                continue
            self._waiting.remove(event)
            on = playbook.target(self._stage.site, event, self._machine)
            self._stage.stage(event.fault, on, restore=event.restore)
        return min(coming, default=None)

    def _look(self, now: int) -> None:
        """See how far the incident has come."""
        open_ = self._stage.desk.standing.incidents
        if not self._incident:
            self._incident = next((i.id for i in open_.values() if i.plan == self._plan), "")
        elif self._incident not in open_:
            self.over = True
            return
        if self._incident in open_:
            for step in open_[self._incident].steps.values():
                if step.state in {"done", "skipped"}:
                    self._done.setdefault(step.id, step.at_ms)
        if now - self._began > LIMIT_MS:
            missing = "; ".join(t.en for t in self._stage.desk.missing(self._incident))
            why = missing or ("nobody closed it" if self._incident else "no incident of this plan began")
            self._trouble, self.over = f"not over after {LIMIT_MS // 3_600_000} h: {why}", True

    def played(self) -> Played:
        """Return what came of it."""
        found = self._stage.book.find(incident_subject(self._incident), limit=5000) if self._incident else ()
        played = Played(
            self._plan,
            self._machine,
            self._began,
            self._incident,
            [written.record for written in reversed(found)],
            self._refused,
        )
        played.trouble = self._trouble or _judged(played, self._stage.site)
        if (incident := played.folded()) is not None:
            from_ms, to_ms = span_of(incident, self._stage.clock.now())
            history, buckets = self._stage.history, min(BUCKETS, max(1, (to_ms - from_ms) // 10_000))
            points = points_of(self._stage.site, incident, self._stage.site.plans[self._plan])
            played.shown = [Shown(point, history(point, from_ms, to_ms, buckets)) for point in points]
        return played


def _judged(played: Played, site: Site) -> str:
    """Return what of the record is not as it should be; empty when the drill ran through."""
    incident = played.folded()
    opened = [r.data for r in played.records if isinstance(r.data, IncidentOpened)]
    closed = [r.data for r in played.records if isinstance(r.data, IncidentClosed)]
    if incident is None or not opened or not opened[0].drill:
        return "the incident is not marked as a drill"
    if not closed or closed[0].into:
        return f"the incident went into {closed[0].into}" if closed else "the incident was not closed"
    wrong = [f"skipped: {r.data}" for r in played.records if r.kind is Kind.STEP_SKIPPED]
    wrong += [f"refused: {no}" for no in played.refused]
    return "; ".join([*wrong, *unproven(incident, site.plans[incident.plan], site)])


def day_of(site: Site, now_ms: int) -> str:
    """Return the site's calendar day, YYYY-MM-DD."""
    return datetime.fromtimestamp(now_ms / 1000, ZoneInfo(site.timezone)).date().isoformat()


def _moment(site: Site, clock: str, day: str) -> int:
    zone = ZoneInfo(site.timezone)
    at = datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=zone)
    return int(at.timestamp() * 1000)
