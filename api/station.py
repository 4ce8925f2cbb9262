"""What the web needs of the running station: its values, its truth, and one way to ask for a change."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from alarms.figures import Report
from alarms.hidden import Hidden
from alarms.life import Alarm
from facility.commands import Command, Refused
from facility.duty import Roster
from facility.plan import Plan
from facility.ports import Bucket, Clock, Message, Written
from facility.records import Kind
from facility.site import Site
from facility.text import Text
from response.duty import Ahead
from response.duty.change import Change
from response.incident import Incident
from response.paging.tryout import Tryout
from response.permits.permit import Permit
from response.permits.ticket import Ticket
from response.plans.outofservice import Hold
from stores.accounts import Accounts
from stores.files import FileStore
from stores.live import Live
from stores.telemetry.gaps import RecordedGap


@dataclass(frozen=True, slots=True)
class Notice:
    """A standing word about the product itself, shown on every screen until it no longer holds.

    `id` is ASCII and stable while it stands ("page-refused:sms"); `level` is info, warning or error.
    """

    id: str
    level: str
    text: Text
    since_ms: int


@dataclass(frozen=True, slots=True)
class View:
    """What is true after one commit; never changed afterwards, so every reader may keep it.

    `alarms` holds the open ones by subject ("alarm:<owner>/<rule>"), `incidents` the open ones by id, likewise
    `permits` and `tickets`, and `changes` to the roster that are not long over; `seq` is the newest record in them.
    `roster` is the roster as changed (None: as the files say), `calendars` the generation of links to calendars that
    were revoked, by whose they are.
    """

    at_ms: int
    seq: int
    alarms: Mapping[str, Alarm]
    incidents: Mapping[str, Incident]
    notices: Sequence[Notice] = ()
    permits: Mapping[str, Permit] = field(default_factory=dict)
    tickets: Mapping[str, Ticket] = field(default_factory=dict)
    changes: Mapping[str, Change] = field(default_factory=dict)
    calendars: Mapping[str, int] = field(default_factory=dict)
    roster: Roster | None = None
    tryouts: Mapping[tuple[str, str], Tryout] = field(default_factory=dict)  # newest test page by person and channel
    out_of_service: Mapping[str, Hold] = field(default_factory=dict)  # machines, until something is signed
    plans: Mapping[tuple[str, str], Plan] = field(default_factory=dict)  # every version at hand, by id and version
    held: frozenset[str] = frozenset()  # incidents that came out of a backup: their pages wait for a person

    def site(self, site: Site) -> Site:
        """Return the site with the roster as changed."""
        return site if self.roster is None else site.with_roster(self.roster, site.hash)


@dataclass(frozen=True, slots=True)
class TaskHealth:
    """One supervised task: how long ago it last made progress, and how long it may take."""

    name: str
    age_ms: int
    limit_ms: int


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with a site's files; `line` is 1-based, None where no line can be named."""

    file: str
    line: int | None
    place: str
    text: Text


@dataclass(frozen=True, slots=True)
class Touched:
    """Ids of one sort of thing that other files add, remove or change."""

    added: Sequence[str] = ()
    removed: Sequence[str] = ()
    changed: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What came of reading the site folder again.

    `changed` names the parts that differ, `touched` which lines, devices, machines and profiles do. `restart` names
    what waits for a restart, and why: then, and with `errors`, nothing was adopted.
    """

    hash: str
    adopted: bool
    changed: Sequence[str] = ()
    touched: Mapping[str, Touched] = field(default_factory=dict)
    restart: Mapping[str, Text] = field(default_factory=dict)
    errors: Sequence[Finding] = ()
    dry: bool = False


class Status(StrEnum):
    """How the service is: all well, running with something missing, or standing still."""

    OK = "ok"
    DEGRADED = "degraded"
    FAILING = "failing"


class StoreLag(Protocol):
    """How far a store behind the spool lags (dutyroom.backlog.Lag has these)."""

    @property
    def reader(self) -> str:
        """The store's name."""

    @property
    def rows(self) -> int:
        """Batches that it lacks."""

    @property
    def oldest_ms(self) -> int | None:
        """When the oldest of them was committed."""

    @property
    def trouble(self) -> str:
        """What is wrong with it, in its own words; empty when nothing is."""


@dataclass(frozen=True, slots=True)
class SpoolHealth:
    """What the spool holds, of how many bytes allowed, and how far each store behind it lags."""

    rows: int
    oldest_ms: int | None
    bytes: int
    budget: int
    stores: Sequence[StoreLag] = ()


@dataclass(frozen=True, slots=True)
class Health:
    """Progress, not life. `reasons` says what is missing while the service still does its work (a line is down…)."""

    at_ms: int
    tasks: Sequence[TaskHealth]
    spool: SpoolHealth
    book_seq: int
    book_head: str
    instance: str
    reasons: Sequence[Text] = ()

    @property
    def status(self) -> Status:
        """Failing when a task is over its limit, degraded when something is missing."""
        if any(task.age_ms > task.limit_ms for task in self.tasks):
            return Status.FAILING
        return Status.DEGRADED if self.reasons else Status.OK


@dataclass(frozen=True, slots=True)
class PhoneMessage:
    """A page as a demo phone received it."""

    at_ms: int
    message: Message


class LineState(Protocol):
    """What is known of one wire (collectors.supervisor.LineStatus has these)."""

    @property
    def line(self) -> str:
        """The line's id."""

    @property
    def connected(self) -> bool:
        """Whether it is up now."""

    @property
    def last_good_ms(self) -> int | None:
        """When the last good answer came."""

    @property
    def reads(self) -> int:
        """Polls and messages so far."""

    @property
    def failures(self) -> Mapping[str, int]:
        """Missed reads by reason."""

    @property
    def dead_letters(self) -> int:
        """Payloads that could not be decoded."""


class Book(Protocol):
    """The log book as readers see it; every method may be called from a thread."""

    def tail(self, after_seq: int, limit: int) -> Sequence[Written]:
        """Return records after a number, oldest first."""

    def find(
        self,
        subject: str | None = None,
        about: str | None = None,
        kinds: Iterable[Kind] | None = None,
        from_ms: int | None = None,
        to_ms: int | None = None,
        limit: int = 100,
        before_seq: int | None = None,
    ) -> Sequence[Written]:
        """Return matching records, newest first."""


class History(Protocol):
    """The past of one point; called from a thread."""

    def history(self, point: str, from_ms: int, to_ms: int, buckets: int) -> list[Bucket]:
        """Return min, mean and max per bucket, gaps as gaps."""


class Settings(Protocol):
    """How this instance is run."""

    @property
    def demo(self) -> bool:
        """Whether this is the demo: demo phones exist, and demo users may be offered."""

    @property
    def host(self) -> str:
        """The address it is bound to; demo log-ins are offered on loopback only."""

    @property
    def base_url(self) -> str:
        """The origin under which browsers and phones reach it ("https://duty.example"), without a slash at the end."""

    @property
    def secret(self) -> bytes:
        """The site secret behind phone tokens."""

    @property
    def site_folder(self) -> Path:
        """Where the site's files are."""

    @property
    def demo_users(self) -> Sequence[str]:
        """User ids offered as buttons in the demo; their password is "demo"."""


class Station(Protocol):
    """The running station: read its view at will, change it only by asking."""

    @property
    def site(self) -> Site:
        """The site as adopted."""

    @property
    def clock(self) -> Clock:
        """The one clock."""

    @property
    def live(self) -> Live:
        """The newest value of every point."""

    @property
    def book(self) -> Book:
        """The log book, for reading."""

    @property
    def telemetry(self) -> History:
        """History."""

    @property
    def accounts(self) -> Accounts:
        """Users and their sessions."""

    @property
    def files(self) -> FileStore:
        """Photos by their hash. Called in threads."""

    @property
    def settings(self) -> Settings:
        """How this instance is run."""

    async def ask(self, command: Command) -> Sequence[Written] | Refused:
        """Carry out a command; the empty sequence means that its request id was already carried out."""

    async def reload(self, actor: str, *, dry: bool = False) -> Reloaded:
        """Read the site folder again and adopt all of it or nothing; `dry`: only say what would come of it."""

    def view(self) -> View:
        """Return what was published after the newest commit; cheap."""

    def hiding(self) -> Sequence[Hidden]:
        """Return every alarm that disturbs nobody now, and why."""

    def preview(self, command: Command) -> Sequence[Hidden] | Refused:
        """Return what a shelf or a permit would keep out of sight if it were set now; or why it would be refused."""

    def missing(self, incident: str) -> Sequence[Text]:
        """Return what still forbids closing this open incident; empty when it may be closed."""

    def health(self) -> Health:
        """Return who made progress when."""

    def lines(self) -> Sequence[LineState]:
        """Return the state of every line."""

    def gaps(self, device: str, limit: int) -> Sequence[RecordedGap]:
        """Return the newest recorded gaps of a device, newest first. Called in a thread."""

    def metrics(self) -> Mapping[str, float]:
        """Return figures by name for /metrics; a name that ends in `_total` only rises."""

    def ahead(self) -> Sequence[Ahead]:
        """Return what duty will lack if nobody does anything, the soonest first; cheap."""

    def reached(self) -> Mapping[str, int]:
        """Return when each person last answered a page or a test page; UTC milliseconds."""

    def performance(self, last: date, days: int, console: str) -> Report:
        """Return alarm performance of `days` local days up to `last`, of one system or of all. Called in a thread."""

    def phones(self) -> Sequence[PhoneMessage]:
        """Return what the demo phones received, oldest first; empty outside the demo. Called in a thread."""

    def subscribe(self, told: Callable[[Sequence[Written]], Any]) -> Callable[[], None]:
        """Call `told` in the loop after each commit, when `view` already shows it; return how to stop that."""
