"""Back-testing: recorded telemetry through the rules, as they are or changed, held against what the log book recorded.

Readings, arrivals and records are only read, beside a running service or without one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from pathlib import Path

from alarms.rerun import Rerun, decided
from dutyroom.selfwatch import with_host
from facility.ports import Written
from facility.records import Kind, Record
from facility.rule import Rule
from facility.site import Site
from facility.text import Text
from stores.reading import BookReader
from stores.telemetry.recording import Recording

LEAST_WARM_UP_MS, MOST_WARM_UP_MS = 3_600_000, 86_400_000
"""Before the span the rules learn what they must know: for as long as their longest delay or window, within these."""
LATE_MS = 600_000
"""So much longer scans are read: what a device said within the span may have come behind it."""
NEAR_MS = 3_600_000
"""A raise that came at another time is the same one moved when it is no further off than this."""
_PAGE = 1_000
_STORY = 500  # records of one alarm looked at before the span
_SUBJECTS = ("alarm:", "permit:", "ticket:", "incident:")
_KINDS = frozenset(
    {Kind.INCIDENT_OPENED, Kind.INCIDENT_JOINED, Kind.INCIDENT_CLOSED, Kind.SERVICE_STARTED}
    | {kind for kind in Kind if kind.startswith(("alarm.", "permit.", "ticket."))}
)


class ReplayError(Exception):
    """It cannot be replayed; `text` says why and what to do."""

    def __init__(self, text: Text) -> None:
        super().__init__(f"{text.zh} {text.en}")
        self.text = text


@dataclass(frozen=True, slots=True)
class Raise:
    """One raise of an alarm. `verdict` is same, moved (came at `recorded_ms` then), gone or new."""

    verdict: str
    at_ms: int
    owner: str
    rule: str
    priority: int
    hidden: str
    recorded_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a replay of [from_ms, to_ms) found.

    `different` counts the records of alarms, of any kind and in every detail, that book and replay do not share.
    """

    from_ms: int
    to_ms: int
    warm_up_ms: int
    scans: int
    records: int
    different: int
    raises: Sequence[Raise]

    def count(self, verdict: str) -> int:
        """Return how many raises are so."""
        return sum(r.verdict == verdict for r in self.raises)


def replay(site: Site, recording: Recording, book: BookReader, from_ms: int, to_ms: int) -> Outcome:
    """Let a span pass again under the rules of `site`.

    Raises:
        ReplayError: the span makes no sense, or nothing is known of how its scans came.
    """
    begin_ms = recording.begin_ms()
    if from_ms >= to_ms:
        raise ReplayError(Text("--from 必须早于 --to。", "--from must lie before --to."))
    if begin_ms is None or begin_ms >= to_ms:
        raise ReplayError(
            Text(
                "这段时间没有可重放的读数（只有写入本机归档的读数可以重放）。请用 --from/--to 选择之后的时间。",
                "Nothing of that time can be replayed (only what this version's archive on this computer took can)."
                " Choose a later time with --from and --to.",
            )
        )
    warm_up_ms = warm_up(site.rules.values())
    start_ms = max(from_ms - warm_up_ms, begin_ms)
    site = with_host(site)
    rerun = Rerun(site, start_ms, standing(book, start_ms))
    scans = 0
    points = {device.id: device.points for device in site.devices.values()}
    end_ms = to_ms + LATE_MS
    people = [w.record for w in lived(book, start_ms, end_ms) if not decided(w.record)]
    happened = chain(people, (None,))
    record = next(happened)
    for scan in recording.scans(points, start_ms, end_ms):
        while record is not None and record.at_ms < scan.received_ms:
            rerun.record(record)
            record = next(happened)
        rerun.scan(scan)
        scans += from_ms <= scan.received_ms < to_ms
    for left in (record, *happened):
        if left is not None:
            rerun.record(left)
    rerun.until(end_ms)
    recorded = [w.record for w in lived(book, from_ms, to_ms) if w.record.subject.startswith("alarm:")]
    recorded = [r for r in recorded if decided(r)]
    replayed = [r for r in rerun.told if from_ms <= r.at_ms < to_ms]
    theirs, ours = {_line(r) for r in recorded}, {_line(r) for r in replayed}
    return Outcome(
        from_ms, to_ms, from_ms - start_ms, scans, len(replayed), len(theirs ^ ours), verdicts(recorded, replayed)
    )


def verdicts(recorded: Iterable[Record], replayed: Iterable[Record]) -> list[Raise]:
    """Pair the raises of the book and of a replay alarm by alarm: which are the same, moved, gone or new."""
    then, now = _raises(recorded), _raises(replayed)
    found: list[Raise] = []
    for subject in then.keys() | now.keys():
        old, new = then.get(subject, {}), now.get(subject, {})
        found += [_verdict("same", new[at], at) for at in old.keys() & new.keys()]
        gone, fresh = sorted(old.keys() - new.keys()), sorted(new.keys() - old.keys())
        for at in fresh:
            near = next((other for other in gone if abs(other - at) <= NEAR_MS), None)
            found.append(_verdict("new" if near is None else "moved", new[at], near))
            if near is not None:
                gone.remove(near)
        found += [_verdict("gone", old[at], at) for at in gone]
    return sorted(found, key=lambda r: (r.at_ms, r.owner, r.rule))


def warm_up(rules: Iterable[Rule]) -> int:
    """Return for how long before the span these rules are fed."""
    spans = [LEAST_WARM_UP_MS]
    for rule in rules:
        spans += [rule.on_delay_ms, rule.off_delay_ms, *(rung.on_delay_ms for rung in rule.ladder)]
        spans += [condition.window_ms for condition in rule.when]
    return min(max(spans), MOST_WARM_UP_MS)


def standing(book: BookReader, at_ms: int) -> list[Record]:
    """Return the records of alarms, works and incidents that may have been open at a moment, in the book's order.

    Whatever was open then is open still, or has a later record.
    """
    subjects = {w.record.subject for w in lived(book, at_ms, None)} | book.open_subjects()
    found: list[Written] = []
    for subject in subjects:
        if subject.startswith(_SUBJECTS):
            found += book.find(subject=subject, kinds=_KINDS, to_ms=at_ms, limit=_STORY)
    return [w.record for w in sorted(found, key=lambda w: w.seq)]


def lived(book: BookReader, from_ms: int, to_ms: int | None) -> list[Written]:
    """Return the records of a span that tell of alarms, works, incidents and restarts, in the book's order."""
    found: list[Written] = []
    before: int | None = None
    while page := book.find(kinds=_KINDS, from_ms=from_ms, to_ms=to_ms, limit=_PAGE, before_seq=before):
        found += page
        before = page[-1].seq
    found.reverse()
    return found


def _line(record: Record) -> tuple[Kind, str, int, str]:
    return record.kind, record.subject, record.at_ms, repr(record.data)


def _raises(told: Iterable[Record]) -> dict[str, dict[int, Record]]:
    raised = sorted((r for r in told if r.kind == Kind.ALARM_RAISED), key=lambda r: (r.subject, r.at_ms))
    return {subject: {r.at_ms: r for r in some} for subject, some in groupby(raised, key=lambda r: r.subject)}


def _verdict(verdict: str, record: Record, recorded_ms: int | None) -> Raise:
    data = record.data
    owner, rule = record.subject.removeprefix("alarm:").rpartition("/")[::2]
    priority, hidden = getattr(data, "priority", 0), getattr(data, "hidden", "")
    return Raise(verdict, record.at_ms, owner, rule, priority, hidden, recorded_ms)


def opened(data: Path) -> tuple[Recording, BookReader]:
    """Open what a data folder keeps, to be read.

    Raises:
        ReplayError: it keeps no history of its own, or nothing at all.
        StoreError: a file is damaged or of another program.
    """
    missing = [name for name in ("logbook.db", "spool.db") if not (data / name).exists()]
    if missing:
        raise ReplayError(
            Text(
                f"数据目录 {data} 里没有 {'、'.join(missing)}。请用 --data 指出服务所用的数据目录。",
                f"The data folder {data} has no {' and no '.join(missing)}."
                " Name the folder that the service uses with --data.",
            )
        )
    return Recording(data / "archive", data / "spool.db"), BookReader.of(data / "logbook.db")
