"""A year of records, made from stories that the real decisions lived through on a virtual clock.

Ten incidents of the demo's past (opened, paged, accepted, worked on, closed) are told again under new numbers and dates
until the book is as thick as asked; between them lies what a year is mostly made of: short alarms, seen and over.
The last few incidents and alarms are left open.
"""

import time
from collections.abc import Iterator
from dataclasses import fields, replace
from hashlib import sha256
from pathlib import Path

from facility.records import AlarmAcknowledged, AlarmCleared, AlarmRaised, Kind, Record, alarm_subject
from facility.site import Site
from simulators.past import DAY_MS, incidents
from sitefolder import load
from stores.logbook import LogBook

YEAR_MS = 365 * DAY_MS
RECORDS = 700_000
QUIET = 40
"""Short alarms (three records each) between two incidents."""
LEFT_OPEN = 6
BATCH = 5_000


def write(path: Path, site_folder: Path, records: int = RECORDS) -> int:
    """Write a log book for this site that ends now; return how many records it holds."""
    site = load(site_folder).site
    now = time.time_ns() // 1_000_000
    path.unlink(missing_ok=True)
    book = LogBook(path, site.id)
    batch: list[Record] = []
    closed: set[str] = set()
    for told, over in _year(site, now, records):
        batch += told
        closed |= over
        if len(batch) >= BATCH:
            book.append(batch, closed)
            batch, closed = [], set()
    book.append(batch, closed)
    seq, _ = book.head()
    book.close()
    return seq


def _year(site: Site, now: int, records: int) -> Iterator[tuple[list[Record], set[str]]]:
    """Yield the year piece by piece: its records, and the subjects that are over at its end."""
    stories = [told for told, _ in incidents(site, now)]
    quiet = [(m, r) for r in site.rules.values() for m in site.equipment.values() if r.kind == m.kind]
    each = sum(map(len, stories)) / len(stories) + 3 * QUIET
    pieces = max(1, round(records / each))
    step = YEAR_MS // (pieces + 1)
    for piece in range(pieces):
        began = now - YEAR_MS + piece * step
        told: list[Record] = []
        for k in range(QUIET):
            machine, rule = quiet[(piece * QUIET + k) % len(quiet)]
            told += short(machine.id, rule.id, int(rule.priority), str(rule.class_), began + k * step // (2 * QUIET))
        last = piece >= pieces - LEFT_OPEN
        story = _again(stories[piece % len(stories)], piece, began + step // 2)
        if last:
            story = story[: len(story) // 3]
        yield told + story, {r.subject for r in told} | (set() if last else {r.subject for r in story})


def short(owner: str, rule: str, priority: int, class_: str, at: int) -> list[Record]:
    """An alarm that came, was seen, and went."""
    subject = alarm_subject(owner, rule)
    name = f"{rule}/{owner}"
    raised = AlarmRaised(rule, owner, priority, class_, 1.0, f"{owner}/fault", owner, at)
    cleared = AlarmCleared(rule, owner, 0.0, owner, at + 60_000)
    return [
        Record(at, Kind.ALARM_RAISED, subject, raised, request=f"{name}/raised@{at}", about=(owner,)),
        Record(
            at + 20_000, Kind.ALARM_ACKNOWLEDGED, subject, AlarmAcknowledged(), "user:operator", f"seen/{name}@{at}"
        ),
        Record(at + 60_000, Kind.ALARM_CLEARED, subject, cleared, request=f"{name}/cleared@{at}", about=(owner,)),
    ]


def _again(story: list[Record], turn: int, began: int) -> list[Record]:
    """The same story at another time, under names of its own."""
    shift = began - story[0].at_ms
    old = next(r.subject.partition(":")[2] for r in story if r.kind is Kind.INCIDENT_OPENED)
    new = f"{time.strftime('%y%m%d', time.gmtime(began / 1000))}-{turn}"
    out = []
    for record in story:
        named: dict[str, object] = {}
        for field in fields(record.data):
            value = getattr(record.data, field.name)
            if field.name == "incident":
                named["incident"] = new
            elif field.name == "key":
                named["key"] = sha256(f"{turn}{value}".encode()).hexdigest()[:24]
            elif field.name.endswith("_ms") and field.name != "took_ms" and value:
                named[field.name] = value + shift
        out.append(
            replace(
                record,
                at_ms=record.at_ms + shift,
                subject=record.subject.replace(old, new),
                data=replace(record.data, **named),
                request=None if record.request is None else f"{record.request}/again/{turn}",
            )
        )
    return out
