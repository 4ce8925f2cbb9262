"""The numbers of publishers: which were heard, which are missing, and up to where a publisher may forget. Pure.

The scheme is told in docs/engineers/receipts.md. A publisher numbers its messages; one that keeps them also says which
outbox they come from (`epoch`) and the oldest number it still has. Two books are kept of each: `Hearing` of what came,
to tell repeats, and `Numbers` inside `Receipts` of what is durable, written in the same transaction as the scans. Only
the durable book is acknowledged, so a receipt never promises more than the disk holds.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NamedTuple

import msgspec

from facility.ports import Settled
from facility.scan import Gap, Reason, Scan, missed

NEVER = -1
"""The epoch of a publisher that was never heard."""
MOST_HOLES = 256
"""Holes remembered of one publisher; of one that keeps its messages the oldest is then given up, and recorded."""
GAP_ROWS = 60
"""A gap of a thousand messages needs no thousand rows to be seen in a chart; its record has the number."""
NOT_SURE_MS = 1_000
"""What a broker still held when it died was published up to so long before we last heard of it."""
_LINE = "line:"  # marks, among the states of devices, that of a line


class Hole(NamedTuple):
    """Numbers `first` to `last` that did not come, between two device times; none (0 to -1): nobody knows how many."""

    first: int
    last: int
    from_ms: int
    to_ms: int


@dataclass(slots=True)
class Numbers:
    """What is known of one publisher: every number of this epoch up to `newest`, but for the holes."""

    epoch: int = NEVER
    newest: int = 0
    at_ms: int = 0  # the newest one's time
    holes: list[Hole] = field(default_factory=list)

    @property
    def through(self) -> int:
        """The number up to which nothing is missing: the cumulative acknowledgement."""
        return self.holes[0].first - 1 if self.holes else self.newest

    def heard(self, seq: int) -> bool:
        """Say whether this number of the present epoch was heard, or given up."""
        return seq <= self.newest and not any(hole.first <= seq <= hole.last for hole in self.holes)

    def tell(self, epoch: int, seq: int, oldest: int, at_ms: int) -> list[Hole]:
        """Hear a number and return what is thereby known to be lost.

        Args:
            epoch: which outbox, or which run of a publisher that names none.
            seq: the number, from 1 on.
            oldest: the oldest number the publisher still keeps, at most `seq`; 0: it keeps none.
            at_ms: the message's time.
        """
        lost: list[Hole] = []
        if epoch != self.epoch:
            if self.epoch != NEVER:
                lost.append(Hole(0, -1, self.at_ms, at_ms))
            self.epoch, self.newest, self.holes = epoch, (oldest or seq) - 1, []
        if oldest:
            lost += self._given_up(oldest, at_ms)
        if seq <= self.newest:
            self._fill(seq)
            return lost
        if seq > self.newest + 1:
            hole = Hole(self.newest + 1, seq - 1, self.at_ms, at_ms)
            self.holes.append(hole)
            if not oldest:
                lost.append(hole)
            if len(self.holes) > MOST_HOLES:
                first = self.holes.pop(0)
                if oldest:
                    lost.append(first)
        self.newest, self.at_ms = seq, at_ms
        return lost

    def copy(self) -> "Numbers":
        """Return another one like it."""
        return Numbers(self.epoch, self.newest, self.at_ms, self.holes.copy())

    def _given_up(self, oldest: int, at_ms: int) -> list[Hole]:
        """Return the numbers that the publisher will not send again, and wait for them no more."""
        lost: list[Hole] = []
        while self.holes and self.holes[0].first < oldest:
            hole = self.holes.pop(0)
            lost.append(hole._replace(last=min(hole.last, oldest - 1)))
            if hole.last >= oldest:
                self.holes.insert(0, hole._replace(first=oldest))
        if self.newest < oldest - 1:
            lost.append(Hole(self.newest + 1, oldest - 1, self.at_ms, at_ms))
            self.newest = oldest - 1
        return lost

    def _fill(self, seq: int) -> None:
        for i, hole in enumerate(self.holes):
            if hole.first <= seq <= hole.last:
                halves = (hole._replace(last=seq - 1), hole._replace(first=seq + 1))
                self.holes[i : i + 1] = [half for half in halves if half.first <= half.last]
                return


class Word(Enum):
    """What a message is among those that came before it."""

    UNCOUNTED = auto()
    NEW = auto()
    LATE = auto()  # older than the newest, and heard for the first time
    AGAIN = auto()


@dataclass(slots=True)
class Hearing:
    """What came from one publisher, durable or not.

    One that names no epoch may begin again at any time. That is told by the number 1 and by a later time with a number
    that was there already; an older time with such a number is taken as a late word: twice is better than never. Exact
    repeats of it are told elsewhere (`collectors.mqtt.memory`).
    """

    numbers: Numbers = field(default_factory=Numbers)
    stamp: int = 0  # newest device time

    def hear(self, seq: int, stamp: int | None, epoch: int | None = None, oldest: int = 0) -> tuple[Word, int]:
        """Return what a message is, and the epoch it belongs to.

        Args:
            seq: its number.
            stamp: the device's time, where it has a clock.
            epoch: as the publisher names it; None: it does not.
            oldest: as in `Numbers.tell`.
        """
        numbers = self.numbers
        if seq == numbers.newest + 1 and numbers.newest and not numbers.holes and epoch in {None, numbers.epoch}:
            numbers.newest = seq  # what nearly every message is
            self.stamp = stamp or 0
            return Word.NEW, numbers.epoch
        if epoch is None:
            epoch = max(0, numbers.epoch)
            if numbers.epoch != NEVER and numbers.heard(seq):
                if seq > 1 and stamp is not None and stamp <= self.stamp:
                    return Word.LATE, epoch
                epoch += 1
        elif epoch == numbers.epoch and numbers.heard(seq):
            return Word.AGAIN, epoch
        new = epoch != numbers.epoch or seq > numbers.newest
        numbers.tell(epoch, seq, oldest, stamp or 0)
        if new:
            self.stamp = stamp or 0
        return (Word.NEW if new else Word.LATE), epoch


@dataclass(frozen=True, slots=True)
class _Settled(Settled):
    """With the new states as we know them; nobody changes them afterwards."""

    changed: Mapping[str, Numbers]


class Receipts:
    """The durable book of all publishers of a site. All calls on the event loop."""

    def __init__(self, kept: Mapping[str, bytes] | None = None, heard_until_ms: int = 0) -> None:
        """Take up what the spool holds.

        Args:
            kept: the state of each device, as `Settled.numbers` gave it.
            heard_until_ms: the last moment at which an earlier run of the service is known to have listened; 0: none.
        """
        kept = kept or {}
        self.heard_until_ms = heard_until_ms
        self.due: dict[str, tuple[int, int]] = {}
        """Receipts to be sent: epoch and number by device. Whoever sends one takes it out."""
        self._kept = {device: _read(blob) for device, blob in kept.items() if not device.startswith(_LINE)}
        self._lines: dict[str, int] = {
            key.removeprefix(_LINE): int(blob) for key, blob in kept.items() if key.startswith(_LINE)
        }
        self._unwritten: dict[str, int] = {}  # of lines: since when they are deaf, not durable yet
        self._hearings: dict[str, Hearing] = {}
        self._keepers: set[str] = set()
        self._deaf: list[tuple[Gap, Scan]] = []

    def hearing(self, device: str) -> Hearing:
        """Return the book of what came from a device, begun with what is durable."""
        if device not in self._hearings:
            self._hearings[device] = self._begun(device)
        return self._hearings[device]

    def again(self, device: str) -> None:
        """Tell a publisher that repeats itself, once more, up to where it may forget."""
        numbers = self._kept.get(device)
        if numbers is not None and device in self._keepers:
            self.due[device] = (numbers.epoch, numbers.through)

    def keeps(self, device: str) -> None:
        """Note that this publisher waits for receipts."""
        self._keepers.add(device)

    def deaf_since(self, line: str) -> int:
        """Return since when a line that begins now has heard nothing; 0: it never did."""
        since = max(self.heard_until_ms - NOT_SURE_MS, 0)
        return min(self._lines.get(line) or since, since)

    def deafened(self, line: str, since_ms: int) -> None:
        """Keep in mind, over a restart, since when a line hears nothing; 0: it hears."""
        self._unwritten[line] = since_ms

    def deaf(self, device: str, points: int, from_ms: int, to_ms: int) -> None:
        """Record, with the next commit, that nothing of a device that does not count could be heard for a time."""
        from_ms = min(from_ms, to_ms)
        row = missed(device, from_ms, points, Reason.NOT_CONNECTED)
        row.received_ms = to_ms
        self._deaf.append((Gap(device, Reason.NOT_CONNECTED, from_ms, to_ms), row))

    @property
    def silent(self) -> bool:
        """Whether nothing has to be recorded of those that could not be heard."""
        return not self._deaf

    def settle(self, scans: Iterable[Scan]) -> Settled:
        """Return what a commit of these scans makes known; nothing counts before `adopt`.

        Two may be under way as long as they are of different devices and `silent`.
        """
        changed: dict[str, Numbers] = {}
        gaps = [gap for gap, _ in self._deaf]
        rows = [row for _, row in self._deaf]
        filled: list[tuple[str, int, int]] = []
        for scan in scans:
            seq = scan.seq
            if not seq:
                continue
            numbers = changed.get(scan.device)
            if numbers is None:
                known = self._kept.get(scan.device)
                numbers = changed[scan.device] = known.copy() if known else Numbers()
            if seq == numbers.newest + 1 and scan.epoch == numbers.epoch and not (scan.oldest and numbers.holes):
                numbers.newest, numbers.at_ms = seq, scan.at_ms
                continue
            if scan.oldest:
                self._keepers.add(scan.device)
            elif scan.epoch == numbers.epoch and seq <= numbers.newest and not numbers.heard(seq):
                filled.append((scan.device, scan.epoch, seq))
            for hole in numbers.tell(scan.epoch, seq, scan.oldest, scan.at_ms):
                count = hole.last - hole.first + 1
                gap = Gap(scan.device, Reason.LOST, hole.from_ms, hole.to_ms, count, scan.epoch, hole.first)
                gaps.append(gap)
                rows += _rows(gap, scan)
        blobs = {device: _written(numbers) for device, numbers in changed.items()}
        blobs |= {f"{_LINE}{line}": b"%d" % since for line, since in self._unwritten.items()}
        return _Settled(blobs, gaps, filled, rows, changed)

    def adopt(self, settled: Settled) -> None:
        """Believe what was settled: it is durable now."""
        assert isinstance(settled, _Settled), "of our own making"
        changed = settled.changed
        self._kept.update(changed)
        for device in self._keepers & changed.keys():
            self.due[device] = (changed[device].epoch, changed[device].through)
        for line, since in list(self._unwritten.items()):
            if settled.numbers.get(f"{_LINE}{line}") == b"%d" % since:
                del self._unwritten[line]
        if self._deaf:
            done = {id(row) for row in settled.rows}
            self._deaf = [one for one in self._deaf if id(one[1]) not in done]

    def let_go(self, device: str) -> None:
        """Forget that something came which never became durable: who kept it may send it again."""
        if device in self._hearings:
            fresh = self._begun(device)
            self._hearings[device].numbers = fresh.numbers

    def _begun(self, device: str) -> Hearing:
        known = self._kept.get(device)
        return Hearing(known.copy(), known.at_ms) if known else Hearing()


def _rows(gap: Gap, found_by: Scan) -> Sequence[Scan]:
    """Return the missed scans of a gap, spread over its time, so that charts and completeness show it."""
    count = min(max(gap.missing, 1), GAP_ROWS)
    span = max(gap.to_ms - gap.from_ms, 0)
    rows = []
    for i in range(1, count + 1):
        row = missed(gap.device, gap.from_ms + span * i // (count + 1), len(found_by.values), Reason.LOST)
        row.received_ms = found_by.received_ms
        rows.append(row)
    return rows


def _written(numbers: Numbers) -> bytes:
    return msgspec.msgpack.encode((numbers.epoch, numbers.newest, numbers.at_ms, numbers.holes))


def _read(blob: bytes) -> Numbers:
    epoch, newest, at_ms, holes = msgspec.msgpack.decode(blob, type=tuple[int, int, int, list[Hole]])
    return Numbers(epoch, newest, at_ms, holes)
