"""What the desk needs from the outside world, said as protocols."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from facility.commands import Command, Refused
from facility.records import Record
from facility.scan import Gap, Scan


class Clock(Protocol):
    """Tells the time and waits; tests bring their own."""

    def now(self) -> int:
        """Return the current moment in UTC milliseconds; never runs backwards."""

    async def until(self, at_ms: int) -> None:
        """Return at that moment, or at once when it has passed."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A device's point order, kept for ever; every stored batch names its layout."""

    id: int
    device: str
    points: tuple[str, ...]
    profile: str  # profile id and hash


@dataclass(frozen=True, slots=True)
class Written:
    """A record as the book holds it."""

    seq: int
    record: Record
    hash: str


@dataclass(frozen=True, slots=True)
class Settled:
    """What becomes known of publishers when scans become durable; written in the same transaction.

    `numbers` is the new state of each device, to be given back at the next start; `filled` names (device, epoch,
    number) of messages that came after they were recorded missing; `rows` are the missed scans of the gaps.
    """

    numbers: Mapping[str, bytes]
    gaps: Sequence[Gap]
    filled: Sequence[tuple[str, int, int]]
    rows: Sequence[Scan]


class ScanSink(Protocol):
    """Where collectors hand over what devices said."""

    def scan(self, scan: Scan, done: Callable[[], None] | None = None) -> None:
        """Take a scan; `done` is called once it is durable (an MQTT message may then be acknowledged)."""

    def dead_letter(self, source: str, payload: bytes, why: str) -> None:
        """Keep, and count, what could not be decoded."""


class LogBook(Protocol):
    """Keeps the records."""

    def append(self, records: Sequence[Record], closed: Iterable[str] = ()) -> list[Written]:
        """Write the records in one durable transaction, in order, and mark `closed` subjects as no longer open.

        A record whose `request` the book already holds is left out of the result and not written again.
        """

    def open_records(self) -> Iterable[Written]:
        """Return the records of all open subjects, in order."""

    def has(self, request: str) -> bool:
        """Say whether a record with this request id was written."""


class Spool(Protocol):
    """Keeps scans until everybody who needs them has them."""

    def commit(self, scans: Sequence[Scan], settled: Settled | None = None, *, part: bool = False) -> int:
        """Write the scans, and what they settle, in one durable transaction; return the row's id.

        A `part` is of some devices; what came of others before it follows.
        """

    def checkpoint(self, row: int, memory: bytes) -> None:
        """Remember the rule memory as of this row."""

    def restore(self) -> tuple[bytes | None, Iterable[Scan]]:
        """Return the newest rule memory and the scans committed after it."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """One span of a history answer; `count` 0 is a gap. `bad` counts values that could not be believed."""

    from_ms: int
    count: int
    bad: int
    low: float | None
    mean: float | None
    high: float | None


class Telemetry(Protocol):
    """Keeps and gives back history; the archive, and InfluxDB, are two of them."""

    def write(self, scans: Sequence[Scan], layouts: Mapping[str, Layout]) -> None:
        """Store the scans; safe to repeat."""

    def history(self, point: str, from_ms: int, to_ms: int, buckets: int) -> list[Bucket]:
        """Return `buckets` spans of equal length over [from_ms, to_ms)."""


class PageRefusedError(Exception):
    """The channel did not take the page; the message says why, in its own words."""


@dataclass(frozen=True, slots=True)
class Message:
    """A page as a channel sees it. `key` is the same on every retry; providers that know keys drop doubles."""

    key: str
    address: str
    person: str
    incident: str
    title: str
    text: str
    link: str
    priority: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a provider says of a page after it took it: delivered, opened (a read receipt), or failed.

    `key` is the page's; a provider that returns only its own `number` is understood if the words with which it took
    the page hold that number.
    """

    state: str
    key: str = ""
    number: str = ""
    said: str = ""


class Pager(Protocol):
    """Reaches one person over one channel."""

    async def page(self, message: Message) -> str:
        """Hand the page over and return the provider's words; raise PageRefusedError when it refuses."""


Beat = Callable[[], None]
"""A task calls its beat at every turn: health is progress, not life."""


class Tasks(Protocol):
    """Keeps named tasks running: one that dies or makes no progress for `limit_ms` is started again, and said."""

    def keep(self, name: str, run: Callable[[Beat], Awaitable[None]], limit_ms: int) -> None:
        """Run it for ever, or until it is dropped; one that is kept already goes on, with this limit."""

    def drop(self, name: str) -> None:
        """End it, and let it rest."""


class Desk(Protocol):
    """Where people's commands go."""

    async def ask(self, command: Command) -> "Sequence[Written] | Refused":
        """Carry out a command; return what was written, or why not. A repeated request id changes nothing twice."""
