"""Arrivals: what came when, scan by scan, in the order in which it was judged. Pure.

Long rows forget which readings were one scan and which scan came first; a replay needs both. An arrival names its
device and its times, and the readings of that moment are its values. Where that would not tell (a scan that is not
newer than those before it of its device, shares its moment, or was read on another day than it came), the arrival holds
the scan whole. (Of one moment's words that came minutes apart the plain one is found by its values not being theirs.)
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from facility.ports import Layout
from stores.telemetry.batch import Batch, Ints
from stores.telemetry.names import Codes
from stores.telemetry.stacks import DAY_MS

_NEVER = np.iinfo(np.int64).min  # before all that a device can say


@dataclass(slots=True, eq=False)
class Arrivals:
    """Scans in the order of the commits, all that came on one UTC day (`day`: days since 1970).

    `code` is a position in `names`, the devices; `row` the spool's row, which only grows. `whole` holds, by position,
    the values as little-endian doubles and behind them the reasons.
    """

    names: Sequence[str]
    code: Codes
    received_ms: Ints
    at_ms: Ints
    row: Ints
    whole: dict[int, bytes]
    day: int = 0

    def __len__(self) -> int:
        return len(self.code)

    def where(self, positions: Ints) -> "Arrivals":
        """Return some of them, in the order given."""
        place = np.full(len(self), -1)
        place[positions] = np.arange(len(positions))
        kept = {int(place[old]): held for old, held in self.whole.items() if place[old] >= 0}
        return replace(
            self,
            code=self.code[positions],
            received_ms=self.received_ms[positions],
            at_ms=self.at_ms[positions],
            row=self.row[positions],
            whole=kept,
        )


class Register:
    """Writes down the arrivals of batches; remembers the newest word of every device."""

    def __init__(self, layout_of: Callable[[int], Layout]) -> None:
        self._layout_of = layout_of
        self._device: dict[int, str] = {}
        self._newest: dict[str, int] = {}

    def arrivals(self, batches: Sequence[tuple[int, Batch]]) -> Iterator[Arrivals]:
        """Return the arrivals of numbered batches, day by day."""
        some = [(row, batch) for row, batch in batches if len(batch)]
        if not some:
            return
        layout = np.concatenate([batch.layout for _, batch in some])
        used, place = np.unique(layout, return_inverse=True)
        devices = [self._device_of(id_) for id_ in used.tolist()]
        names = sorted(set(devices))
        position = {name: i for i, name in enumerate(names)}
        code = np.array([position[device] for device in devices], np.int32)[place]
        at = np.concatenate([batch.at_ms for _, batch in some])
        received = np.concatenate([batch.received_ms for _, batch in some])
        row = np.concatenate([np.full(len(batch), number, np.int64) for number, batch in some])
        days = received // DAY_MS
        unclear = self._not_newer(names, code, at) | (at // DAY_MS != days)
        everything = Arrivals(names, code, received, at, row, _whole([batch for _, batch in some], unclear))
        for day in np.unique(days).tolist():
            yield replace(everything.where(np.flatnonzero(days == day)), day=day)

    def _device_of(self, layout: int) -> str:
        if layout not in self._device:
            self._device[layout] = self._layout_of(layout).device
        return self._device[layout]

    def _not_newer(self, names: Sequence[str], code: Codes, at: Ints) -> NDArray[np.bool_]:
        """Say which scans are not newer than all before them of their device, or not the only ones of their moment.

        Of the first of all nobody knows.
        """
        order = np.argsort(code, kind="stable")
        whose, when = code[order], at[order]
        firsts = np.flatnonzero(np.diff(whose, prepend=-1))  # one of each name
        # One number to compare by, so that what one device says never lies beyond what the next one does.
        level, span = when - when.min(), int(when.max()) - int(when.min()) + 1
        if span.bit_length() + len(names).bit_length() >= 63:  # noqa: PLR2004 - both fit one signed 64-bit key
            _, level = np.unique(when, return_inverse=True)
            span = len(when)
        key = whose * np.int64(span) + level
        late = np.zeros(len(order), np.bool_)
        late[1:] = key[1:] <= np.maximum.accumulate(key)[:-1]
        sorted_marks = late.copy()
        for number in np.unique(whose[late]).tolist():
            mine = slice(firsts[number], firsts[number + 1] if number + 1 < len(firsts) else None)
            _, place, times = np.unique(when[mine], return_inverse=True, return_counts=True)
            sorted_marks[mine] |= times[place] > 1
        before = np.array([self._newest.get(name, _NEVER) for name in names], np.int64)
        sorted_marks |= when <= before[whose]
        sorted_marks[firsts] |= before == _NEVER
        newest = np.maximum(np.maximum.reduceat(when, firsts), np.where(before == _NEVER, -1, before))
        self._newest.update(zip(names, newest.tolist(), strict=True))
        marks = np.empty(len(order), np.bool_)
        marks[order] = sorted_marks
        return marks


def _whole(batches: Sequence[Batch], marks: NDArray[np.bool_]) -> dict[int, bytes]:
    held: dict[int, bytes] = {}
    first = 0
    for batch in batches:
        if marks[first : first + len(batch)].any():
            for group in batch.groups:
                places = np.flatnonzero(marks[first + group.scans])
                if not len(places):
                    continue
                values = group.values
                good = bytes(group.width)
                for place in places.tolist():
                    why = good if group.reasons is None else group.reasons[place].tobytes()
                    held[first + int(group.scans[place])] = values[place].tobytes() + why
        first += len(batch)
    return held


def unfolded(whole: bytes) -> tuple[tuple[float, ...], bytes]:
    """Return the values and the reasons of a scan that was held whole."""
    width = len(whole) // 9
    return tuple(np.frombuffer(whole, "<f8", width).tolist()), whole[8 * width :]


def in_order(parts: Sequence[Arrivals]) -> Arrivals:
    """Return the arrivals of several files of one day as one, in the order of the commits."""
    names = sorted({name for part in parts for name in part.names})
    place = {name: i for i, name in enumerate(names)}
    whole: dict[int, bytes] = {}
    codes: list[Codes] = [np.zeros(0, np.int32)]
    first = 0
    for part in parts:
        codes.append(np.array([place[name] for name in part.names], np.int32)[part.code])
        whole.update({first + i: held for i, held in part.whole.items()})
        first += len(part)
    nothing = [np.zeros(0, np.int64)]
    received, at, row = (
        np.concatenate(nothing + [getattr(p, n) for p in parts]) for n in ("received_ms", "at_ms", "row")
    )
    together = Arrivals(names, np.concatenate(codes), received, at, row, whole, parts[0].day if parts else 0)
    return together.where(np.argsort(row, kind="stable"))
