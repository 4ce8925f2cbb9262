"""Readings as InfluxDB's line protocol, and back. Pure.

A scan becomes one line for each machine it speaks of: measurement = the machine's kind (or "scan"), tags site, device
and equipment, and for each point

    point=1.5            a value that may be believed
    point.uncertain=4i   beside it, the reason why it is uncertain
    point.bad=65i        instead of it, the reason why there is none
    point.said=99999.0   beside that, the number that the device said nevertheless

so that a reading never vanishes, and a chart needs no join to leave out what cannot be believed. Times are
microseconds: the reading's millisecond, and for devices with a clock of their own a part that follows from the content.
Two messages that a coarse clock gave one time stay two, and a repeated message stays one.
"""

import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from facility.equipment import split_point
from facility.ports import Layout
from facility.scan import FIRST_BAD, Reason
from stores.telemetry.batch import Batch, Floats, Ints, Octets

BAD, UNCERTAIN, SAID = ".bad", ".uncertain", ".said"
_BAD, _UNCERTAIN, _SAID = BAD.encode(), UNCERTAIN.encode(), SAID.encode()
_TAGS = ("site", "device", "equipment")
_RESERVED = frozenset({"time", *_TAGS})
_UNNAMED = "scan"
_SPACE = re.compile(rb"(?<!\\) ")
_COMMA = re.compile(rb"(?<!\\),")


@dataclass(frozen=True, slots=True)
class Series:
    """Where a point is: in which measurement, of which machine, under which field."""

    measurement: str
    equipment: str
    field: str


@dataclass(frozen=True, slots=True)
class _Part:
    """The points of a layout that belong to one machine."""

    head: bytes
    columns: tuple[int, ...]
    fields: tuple[bytes, ...]
    whole: bytes | None  # a format of all values, where this is the only machine of the layout
    few: bytes  # a format of this machine's values


class Lines:
    """Makes lines of a site's scans; `kinds` names each machine's kind."""

    def __init__(self, site: str, kinds: Mapping[str, str]) -> None:
        self.site, self._kinds = site, kinds
        self._parts: dict[int, list[_Part]] = {}

    def exchange(self, kinds: Mapping[str, str]) -> None:
        """Name measurements by these kinds; machines that are no more keep theirs."""
        self._kinds, self._parts = {**self._kinds, **kinds}, {}

    def series(self, point: str) -> Series:
        """Say where a point's readings are."""
        equipment, name = split_point(point)
        return Series(self._kinds.get(equipment, _UNNAMED), equipment, field_name(name))

    def lines(self, batch: Batch, layout_of: Callable[[int], Layout]) -> list[bytes]:
        """Return the lines of a batch, each without its line end, in the order of the scans."""
        found: list[tuple[int, bytes]] = []
        for group in batch.groups:
            matrix = group.values
            finite = np.isfinite(matrix)
            plain = np.asarray(finite.all(axis=1))
            if group.reasons is not None:
                plain &= ~group.reasons.any(axis=1)
            stamps = self._stamps(batch, group.scans, matrix, group.reasons)
            rows = zip(group.scans.tolist(), _written(matrix), plain.tolist(), stamps, strict=True)
            for row, (scan, values, simple, stamp) in enumerate(rows):
                parts = self._of(int(batch.layout[scan]), layout_of)
                if simple:
                    lines = [_simple(part, values) for part in parts]
                else:
                    why = bytes(len(values)) if group.reasons is None else group.reasons[row].tobytes()
                    lines = [part.head + b",".join(_fields(part, values, why)) for part in parts]
                found.extend((scan, b"%b %d" % (line, stamp)) for line in lines)
        found.sort(key=lambda pair: pair[0])
        return [line for _, line in found]

    @staticmethod
    def _stamps(batch: Batch, scans: Ints, values: Floats, reasons: Octets | None) -> list[int]:
        at, received = batch.at_ms[scans], batch.received_ms[scans]
        stamps = at * 1000
        for row in np.flatnonzero(at != received).tolist():
            why = b"" if reasons is None or not reasons[row].any() else reasons[row].tobytes()
            stamps[row] += zlib.crc32(why, zlib.crc32(values[row].tobytes())) % 1000
        found: list[int] = stamps.tolist()
        return found

    def _of(self, layout: int, layout_of: Callable[[int], Layout]) -> list[_Part]:
        known = self._parts  # another thread may begin anew
        if layout not in known:
            known[layout] = self._learn(layout_of(layout))
        return known[layout]

    def _learn(self, layout: Layout) -> list[_Part]:
        machines: dict[str, list[tuple[int, str]]] = {}
        for i, point in enumerate(layout.points):
            machines.setdefault(split_point(point)[0], []).append((i, tag(self.series(point).field)))
        parts: list[_Part] = []
        for equipment, columns in machines.items():
            tags = zip(_TAGS, (self.site, layout.device, equipment), strict=True)
            head = ",".join(
                [_measurement(self._kinds.get(equipment, _UNNAMED)), *(f"{t}={tag(v)}" for t, v in tags if v)]
            )
            few = ",".join(f"{field.replace('%', '%%')}=%b" for _, field in columns)
            form = f"{head.replace('%', '%%')} {few}".encode()
            parts.append(
                _Part(
                    f"{head} ".encode(),
                    tuple(i for i, _ in columns),
                    tuple(field.encode() for _, field in columns),
                    form if len(machines) == 1 else None,
                    form,
                )
            )
        return parts


def _written(values: Floats) -> Iterator[tuple[bytes, ...]]:
    """Return each row's numbers as they are written: shortest, exact, and `null` where there is none.

    A fourth of what Python's own formatting takes, which was most of what forwarding cost.
    """
    count, width = values.shape
    if not width:
        return iter([()] * count)
    numbers = iter(msgspec.json.encode(values.ravel().tolist())[1:-1].split(b","))
    return zip(*[numbers] * width, strict=True)


def _simple(part: _Part, values: tuple[bytes, ...]) -> bytes:
    """Return the line of values that are all good."""
    return part.whole % values if part.whole else part.few % tuple(values[i] for i in part.columns)


def _fields(part: _Part, values: Sequence[bytes], reasons: bytes) -> Iterator[bytes]:
    for column, field in zip(part.columns, part.fields, strict=True):
        value, reason = values[column], reasons[column]
        finite = value != b"null"
        if reason < FIRST_BAD and not finite:
            reason = Reason.NOT_A_NUMBER
        if reason >= FIRST_BAD:
            yield b"%b%b=%di" % (field, _BAD, reason)
            if finite:
                yield b"%b%b=%b" % (field, _SAID, value)
        else:
            yield b"%b=%b" % (field, value)
            if reason:
                yield b"%b%b=%di" % (field, _UNCERTAIN, reason)


def field_name(name: str) -> str:
    """Return the field of a point; a few names are taken by the server or by our tags."""
    return f"{name}_" if name in _RESERVED else name


def tag(text: str) -> str:
    """Escape a tag key, tag value or field key; a trailing backslash would swallow what follows."""
    out = text.replace("\n", " ").replace(",", r"\,").replace("=", r"\=").replace(" ", r"\ ")
    return f"{out}_" if out.endswith("\\") else out


def _measurement(text: str) -> str:
    return tag(text).replace(r"\=", "=")


def halves(lines: Sequence[bytes]) -> tuple[Sequence[bytes], Sequence[bytes]] | None:
    """Return two smaller posts that say the same: of the lines, or of one line's fields; None where nothing is left."""
    if len(lines) > 1:
        middle = len(lines) // 2
        return lines[:middle], lines[middle:]
    head, fields, stamp = _SPACE.split(lines[0])
    each = _COMMA.split(fields)
    if len(each) == 1:
        return None
    middle = len(each) // 2
    first, second = (b" ".join((head, b",".join(some), stamp)) for some in (each[:middle], each[middle:]))
    return [first], [second]


def posts(lines: Iterable[bytes], most_bytes: int) -> list[list[bytes]]:
    """Cut lines into posts of at most so many bytes, one line at least."""
    found: list[list[bytes]] = []
    room = 0
    for line in lines:
        if len(line) >= room:
            found.append([])
            room = most_bytes
        found[-1].append(line)
        room -= len(line) + 1
    return found
