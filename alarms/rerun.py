"""The past again: recorded scans through the rules and the board, beside what people did then.

Turns are taken as the desk takes them: what is due comes in its order, a scan's transitions before what is due at the
same moment, and what people did behind both. With the rules of then, the records of then come out.
"""

from collections.abc import Iterable, Sequence
from math import inf

from alarms.board import Board
from alarms.rules import Evaluator
from alarms.transition import Transition
from facility import records
from facility.records import OPENS, Kind, Record
from facility.scan import Scan
from facility.site import Site

_DECIDED = frozenset(
    {
        Kind.ALARM_RAISED,
        Kind.ALARM_CLEARED,
        Kind.ALARM_GRADED,
        Kind.ALARM_HIDDEN,
        Kind.ALARM_SHOWN,
        Kind.ALARM_CHATTERING,
        Kind.ALARM_SETTLED,
    }
)
_PLANNED = ("permit:", "ticket:")
_INCIDENT = "incident:"


def decided(record: Record) -> bool:
    """Say whether the rules and the board made a record of an alarm; the others are what people did."""
    match record.data:
        case records.AlarmUnshelved(why=why):
            return why != "by-hand"
        case records.AlarmReset():
            return record.actor == "system"
    return record.kind in _DECIDED


class Rerun:
    """The alarms of a site from a moment on; `told` are the records that the rules and the board made since."""

    def __init__(self, site: Site, start_ms: int, standing: Iterable[Record]) -> None:
        """Begin with what the book knew at `start_ms`: the records of everything that was open then, in order."""
        self.told: list[Record] = []
        self._site = site
        self._evaluator, self._board = Evaluator(site), Board(site)
        self._stories: dict[str, list[tuple[int, Record]]] = {}  # of what is open, each since it opened
        self._holding: dict[str, set[str]] = {}  # incident -> its alarms, which stay in memory with it
        self._count = 0
        self._due_ms: float = -1  # nothing is due before
        for record in standing:
            self._believe(record)
        self._board.reconcile(self._evaluator, (), start_ms)
        self._drop()

    def scan(self, scan: Scan) -> None:
        """Take the next scan; one that only marks a gap was judged by nobody."""
        if scan.afterwards:
            return
        received_ms = scan.received_ms
        if self._due_ms < received_ms:
            self._until(received_ms - 1)
        moves = self._evaluator.step(scan)
        if moves or self._due_ms == received_ms:
            self._turn(moves, received_ms)
        elif (due_ms := self._evaluator.due()) is not None and due_ms < self._due_ms:
            self._due_ms = due_ms

    def record(self, record: Record) -> None:
        """Take the next record of the book: what people did, a restart; what was decided then is decided anew."""
        if decided(record):
            return
        if record.kind == Kind.SERVICE_STARTED:
            self._restart(record.at_ms)
            return
        self._until(record.at_ms)
        self._believe(record)
        if isinstance(record.data, records.AlarmReset):
            owner, rule = record.subject.removeprefix("alarm:").rpartition("/")[::2]
            for move in self._evaluator.reset(owner, rule, record.at_ms):
                self._add(self._board.take(move))
        self._turn((), record.at_ms)

    def until(self, now_ms: int) -> None:
        """Let time pass."""
        self._until(now_ms)

    def _until(self, now_ms: int) -> None:
        """Wake at every moment at which something is due."""
        self._look_ahead(now_ms)
        while self._due_ms <= now_ms:
            self._turn(self._evaluator.ripen(int(self._due_ms)), int(self._due_ms))

    def _look_ahead(self, now_ms: int) -> None:
        """See when something is due next; it may be sooner than now, but never than what was due before."""
        due = (self._evaluator.due(), self._board.due(now_ms))
        self._due_ms = min((d for d in due if d is not None), default=inf)

    def _turn(self, moves: Sequence[Transition], now_ms: int) -> None:
        for move in moves:
            self._ripen(move.at_ms)
            self._add(self._board.take(move))
        self._ripen(now_ms)
        self._drop()
        self._look_ahead(now_ms + 1)

    def _ripen(self, at_ms: int) -> None:
        while more := self._board.decide(at_ms):
            self._add(more)

    def _add(self, more: Iterable[Record]) -> None:
        for record in more:
            self._believe(record)
            self.told.append(record)

    def _believe(self, record: Record) -> None:
        self._board.tell(record)
        subject = record.subject
        self._count += 1
        if subject.startswith(_INCIDENT):
            self._hold(record)
        elif record.kind in OPENS or subject in self._stories:
            self._stories.setdefault(subject, []).append((self._count, record))

    def _hold(self, record: Record) -> None:
        """Keep which alarms are held in memory by an incident: after a restart their past is still known."""
        match record.data:
            case records.IncidentOpened(alarm=alarm) | records.IncidentJoined(alarm=alarm):
                self._holding.setdefault(record.subject, set()).add(alarm)
            case records.IncidentClosed():
                for subject in self._holding.pop(record.subject, ()):
                    self._board.look_again(subject)

    def _drop(self) -> None:
        for subject in self._board.ended():
            if not any(subject in alarms for alarms in self._holding.values()):
                self._board.drop(subject)
                self._stories.pop(subject, None)

    def _restart(self, now_ms: int) -> None:
        """Begin again as a new process did: with what the book told of what was open, and the rules' memory."""
        self._board = Board(self._site)
        for _, record in sorted((entry for story in self._stories.values() for entry in story), key=lambda e: e[0]):
            self._board.tell(record)
        moves = self._evaluator.ripen(now_ms)
        self._board.reconcile(self._evaluator, moves, now_ms)
        self._turn(moves, now_ms)
