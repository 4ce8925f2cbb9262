"""What the station says of itself: its health, its notices and figures, its look at itself, and its sign of life."""

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from api.station import Health, Notice, SpoolHealth, TaskHealth
from dutyroom import backlog
from dutyroom import notices as words
from dutyroom.backlog import Backlog
from dutyroom.clock import SystemClock
from dutyroom.desk import Desk
from dutyroom.doubt import Doubt
from dutyroom.forwarding import Forwarding
from dutyroom.heartbeat import FAILED_AFTER, Heart, Sign
from dutyroom.outlook import Outlook
from dutyroom.process import open_files
from dutyroom.supervisor import Supervisor
from dutyroom.timekeeping import TimeSources
from facility.person import Party, Person
from facility.ports import Pager
from facility.site import Site
from facility.text import Text
from response.pagers.longline import LongLine
from stores.logbook import LogBook
from stores.reserve import disk_state
from stores.telemetry.spool import Spool

if TYPE_CHECKING:
    from collectors.supervisor import Collectors, LineStatus

log = structlog.get_logger(__name__)

UNCLEAN_SHOWN_MS = 60_000
LINES_MS = 10_000
"""How long after the start a line that was not asked anything yet is not called down."""


@dataclass(slots=True, kw_only=True)
class Condition:
    """Looks at the station's parts and says how it is.

    `collectors` and `heart` come later, or never; `clean` and `damaged` say how the log book was found.
    """

    site: Site
    data: Path
    clock: SystemClock
    book: LogBook
    spool: Spool
    desk: Desk
    supervisor: Supervisor
    backlog: Backlog
    forwarding: Forwarding | None
    ways: Mapping[str, Pager]
    damaged: bool
    doubt: Doubt
    times: TimeSources
    outlook: Outlook
    long_lines: Sequence[LongLine] = ()
    clean: bool = False
    collectors: "Collectors | None" = None
    heart: Heart | None = None
    _started: int = field(init=False)
    _lines_from: int = field(init=False)  # since when the lines are these
    _told_down: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Remember when this began."""
        self._started = self._lines_from = self.clock.now()

    def adopt(self, site: Site) -> None:
        """Look at another site from now on; its new lines have the time of a start."""
        self.site, self._lines_from = site, self.clock.now()

    def notices(self) -> list[Notice]:
        """Return what every screen must say about the product itself."""
        now = self.clock.now()
        standing = words.standing(self.outlook.ahead(), now, self.unpaged())
        passing = words.passing(self.desk.standing.incidents, self._troubles(), now)
        tests, incidents = self.desk.standing.tryouts, self.desk.standing.incidents
        standing += words.untried(tests.values(), self.site, now)
        standing += words.unheard(incidents, self.site) + words.uncalled(incidents, self.site)
        passing += [words.long_line_down(long.name, long.why, long.since_ms) for long in self._silent(now)]
        first = words.held(self.desk.standing.held, now) + words.without_time(self.doubt.words, now)
        return first + standing + passing + backlog.notices(self.backlog.held, now)

    def health(self) -> Health:
        """Return who made progress when, and what is missing."""
        loop = asyncio.get_running_loop().time()
        tasks = [TaskHealth(t.name, t.age_ms(loop), t.limit_ms) for t in self.supervisor.tasks.values()]
        seq, head = self.book.head()
        reasons = [n.text for n in self.notices() if n.level == "error" or n.id.startswith("line:")]
        held = self.backlog.held
        spool = SpoolHealth(held.rows, held.oldest_ms, held.bytes, held.budget, held.lags)
        return Health(self.clock.now(), tasks, spool, seq, head, self.site.id, reasons)

    def sign(self) -> Sign:
        """Return the sign of life that leaves the house."""
        health = self.health()
        reasons = [f"{t.name} {t.age_ms // 1000} s" for t in health.tasks if t.age_ms > t.limit_ms]
        reasons += [reason.en for reason in health.reasons]
        return Sign(self.site.id, health.at_ms, health.book_seq, health.book_head, health.status.value, reasons)

    def metrics(self) -> Mapping[str, float]:
        """Return figures for /metrics."""
        counts, now, held = self.desk.counts, self.clock.now(), self.backlog.held
        figures: dict[str, float] = {
            "scans_total": counts.scans,
            "scans_lost_total": counts.scans_lost,
            "transitions_total": counts.transitions,
            "promises_kept_total": counts.promises_kept,
            "promises_broken_total": counts.promises_broken,
            "records_total": counts.records,
            "commits_total": counts.commits,
            "commands_total": counts.commands,
            "pages_sent_total": counts.pages_sent,
            "pages_refused_total": counts.pages_refused,
            "dead_letters_total": counts.dead_letters,
            "book_failures_total": counts.book_failures,
            "spool_failures_total": counts.spool_failures,
            "scans_waiting": self.desk.ledger.waiting,
            "spool_rows": held.rows,
            "spool_bytes": held.bytes,
            "spool_budget_bytes": held.budget,
            "spool_oldest_seconds": (now - held.oldest_ms) / 1000 if held.oldest_ms else 0.0,
            "alarms_open": len(self.desk.standing.alarms),
            "alarms_active": sum(a.active for a in self.desk.standing.alarms.values()),
            "incidents_open": len(self.desk.standing.incidents),
            "task_restarts_total": self._restarts(),
            "quarantined_total": counts.quarantined,
            "audit_found_total": counts.audit_found,
            "open_files_percent": open_files(),
            "clock_offset_seconds": self.clock.offset() / 1000,
        }
        for lag in held.lags:
            figures[f'store_behind_seconds{{store="{lag.reader}"}}'] = (now - (lag.oldest_ms or now)) / 1000
            figures[f'store_scans_given_up_total{{store="{lag.reader}"}}'] = held.given_up.get(lag.reader, 0)
        if self.forwarding:
            figures.update(self.forwarding.figures())
        for line in self.lines():
            figures[f'line_up{{line="{line.line}"}}'] = float(line.connected)
        for long in self.long_lines:
            figures[f'line_up{{line="{long.name}"}}'] = float(long.connected)
        for device, had in self.spool.gap_counts().items():
            figures[f'gaps_total{{device="{device}"}}'] = float(had.gaps)
            figures[f'messages_missing_total{{device="{device}"}}'] = float(had.missing)
            figures[f'messages_filled_total{{device="{device}"}}'] = float(had.filled)
        return figures

    def look(self) -> Mapping[str, float]:
        """Return what the station reads of itself as a device, and tell the log which lines went or came."""
        self._tell_lines()
        counts, held = self.desk.counts, self.backlog.held
        refused = sum(
            page.state == "refused" for i in self.desk.standing.incidents.values() for page in i.pages.values()
        )
        return {
            "disk_used": disk_state(self.data).used_percent,
            "spool_age": (self.clock.now() - held.oldest_ms) / 1000 if held.oldest_ms else 0.0,
            "spool_used": held.used_percent,
            "readings_given_up": float(sum(held.given_up.values())),
            "task_restarts": float(self._restarts()),
            "scans_lost": float(counts.scans_lost),
            "dead_letters": float(counts.dead_letters),
            "pages_refused": float(refused),
            "store_failures": float(counts.book_failures + counts.spool_failures),
            "store_damaged": float(self.damaged),
            "unclean_start": float(not self.clean and self.clock.now() < self._started + UNCLEAN_SHOWN_MS),
            "clock_offset": abs(self.clock.offset()) / 1000,
            "clock_unsynchronised": math.nan if (alone := self.times.unsynchronised) is None else float(alone),
            "ntp_offset": math.nan if (off := self.times.offset_ms) is None else abs(off) / 1000,
            "open_files": open_files(),
            "quarantined": float(counts.quarantined),
            "audit_found": float(counts.audit_found),
            **self.outlook.figures(),
        }

    def lines(self) -> "Sequence[LineStatus]":
        """Return the state of every line."""
        return self.collectors.status() if self.collectors else ()

    def unpaged(self) -> dict[str, int]:
        """Count, by kind of channel that this service cannot use, whom it would not reach."""
        everybody: tuple[Person | Party, ...] = (*self.site.people.values(), *self.site.parties.values())
        kinds = [c.kind for one in everybody for c in one.channels if c.kind not in self.ways]
        return {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}

    def _restarts(self) -> int:
        return sum(t.restarts for t in self.supervisor.tasks.values())

    def _troubles(self) -> words.Troubles:
        return words.Troubles(
            disk_state(self.data).used_percent,
            self.desk.ledger.refused,
            self.desk.ledger.stuck,
            self.desk.counts.scans_lost,
            self._lines_down(),
            self._remarks(),
            self.heart.why if self.heart and self.heart.failures >= FAILED_AFTER else "",
        )

    def _tell_lines(self) -> None:
        """Say in the log, once each time, that a line went down or came back."""
        down = set(self._lines_down())
        for line in sorted(down - self._told_down):
            log.warning("a line is down; it is tried again by itself", line=line)
        back = self._told_down - down
        here = {line.line for line in self.lines()} if back else set()
        for line in sorted(back & here):
            log.warning("a line is back", line=line)
        self._told_down = down

    def _silent(self, now: int) -> list[LongLine]:
        """Return the long connections that are down, and not only while the provider changes them."""
        return [long for long in self.long_lines if not long.connected and long.why and now - long.since_ms > LINES_MS]

    def _lines_down(self) -> list[str]:
        """Return the lines that are not connected; one that was not tried yet is not down."""
        tried = self.clock.now() >= self._lines_from + LINES_MS
        return [line.line for line in self._troubled() if not line.connected and (tried or line.failures)]

    def _remarks(self) -> list[tuple[str, Text]]:
        return [(line.line, remark) for line in self._troubled() for remark in line.remarks]

    def _troubled(self) -> "Sequence[LineStatus]":
        return self.collectors.troubled() if self.collectors else ()
