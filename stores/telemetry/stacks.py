"""Stacks: what many batches say, put together per width, as narrow as it was stored. Pure.

A stack keeps its values column by column in the order of the commits, and beside them the order of layout, day and
time: a point's readings are then one column read by one stretch of that order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stores.telemetry.batch import Batch, Group, Ints, Octets, numbers_of, widened, wider
from stores.telemetry.names import Codes

DAY_MS = 86_400_000
_ODD_MS = 7 * DAY_MS  # a clock further off than this does not choose the file its readings go to
_LATE_MS = 10_000  # beyond this the time of arrival is worth keeping beside the time of the reading


@dataclass(slots=True, eq=False)
class Carrier:
    """Columns of one form, one after the other: `numbers` is columns x scans, in the order of the commits."""

    form: int
    numbers: NDArray[Any]


@dataclass(slots=True, eq=False)
class Stack:
    """All scans of one width. What is per scan is sorted by layout, day and time; `origin` is its place in a column.

    `late_ms` is the arrival of what came late, else 0. `marks` holds a row of reasons per column, its first for scans
    that are all good, and `mark` says which of them is a scan's; both are empty when every value is good.
    """

    width: int
    layout: Codes
    day: Codes
    at_ms: Ints
    late_ms: Ints
    gap_ms: Codes
    moved: NDArray[np.bool_]
    origin: Codes
    carriers: list[Carrier]
    carrier_of: Ints  # per column: which carrier
    row_of: Ints  # per column: its row there
    marks: Octets
    mark: Codes

    def let_go(self) -> None:
        """Forget what is per scan: it was put together with that of other stacks."""
        nothing = np.zeros(0, np.int32)
        self.layout = self.day = self.gap_ms = self.origin = self.mark = nothing
        self.at_ms = self.late_ms = nothing.astype(np.int64)
        self.moved = nothing.astype(np.bool_)

    @property
    def repeats(self) -> bool:
        """Whether a device has two scans of one moment."""
        return bool(((self.layout[1:] == self.layout[:-1]) & (self.at_ms[1:] == self.at_ms[:-1])).any())


def stacked(batches: list[Batch]) -> list[Stack]:
    """Return the stacks of some batches and empty the list: only one copy of the readings is ever held."""
    found: dict[int, list[tuple[Batch, Group]]] = {}
    for batch in batches:
        for group in batch.groups:
            if group.size:
                found.setdefault(group.width, []).append((batch, group))
    batches.clear()
    return [_stack(width, found.pop(width)) for width in sorted(found)]


def _stack(width: int, parts: list[tuple[Batch, Group]]) -> Stack:
    layout = np.concatenate([batch.layout[group.scans] for batch, group in parts])
    at = np.concatenate([batch.at_ms[group.scans] for batch, group in parts])
    received = np.concatenate([batch.received_ms[group.scans] for batch, group in parts])
    moved = np.concatenate([_moved(batch, group) for batch, group in parts])
    off = np.abs(received - at)
    day = np.where(off <= _ODD_MS, at, received) // DAY_MS
    order = np.lexsort((at, day, layout))
    late = np.where(off > _LATE_MS, received, 0)[order]
    marks, mark = _marks(width, [group for _, group in parts])
    forms = _forms(width, parts)
    carrier_of, row_of = np.zeros(width, np.int64), np.zeros(width, np.int64)
    carriers: list[Carrier] = []
    for form in sorted(set(forms.tolist())):
        columns = np.flatnonzero(forms == form)
        carrier_of[columns], row_of[columns] = len(carriers), np.arange(len(columns))
        carriers.append(Carrier(form, np.empty((len(columns), len(layout)), numbers_of(form))))
    first = 0
    for group in _groups(parts):
        rows = len(group.scans)
        for block in group.blocks:
            where = carrier_of[block.columns]
            for number in np.unique(where).tolist():
                carrier, which = carriers[number], where == number
                numbers = block.numbers if which.all() else block.numbers[which]
                into = row_of[block.columns[which]]
                # Mostly the columns of a block are all of a carrier's, and then this is one plain copy.
                target = slice(None) if len(into) == len(carrier.numbers) else into
                carrier.numbers[target, first : first + rows] = widened(block.form, numbers, carrier.form)
        first += rows
    layout, at = layout[order], at[order]
    return Stack(
        width,
        layout.astype(np.int32),
        day[order].astype(np.int32),
        at,
        late,
        _usual_gap(layout, at),
        moved[order],
        order.astype(np.int32),
        carriers,
        carrier_of,
        row_of,
        marks,
        mark[order].astype(np.int32) if len(mark) else mark.astype(np.int32),
    )


def _groups(parts: list[tuple[Batch, Group]]) -> "Any":
    """Return the groups one by one, each let go of behind its use."""
    parts.reverse()
    while parts:
        yield parts.pop()[1]


def _moved(batch: Batch, group: Group) -> NDArray[np.bool_]:
    return np.isin(group.scans, batch.moved) if batch.moved else np.zeros(len(group.scans), np.bool_)


def _forms(width: int, parts: Sequence[tuple[Batch, Group]]) -> Octets:
    """Return, per column, the narrowest form that carries what all the groups say."""
    seen: dict[bytes, Octets] = {}
    for _, group in parts:
        forms = np.zeros(width, np.uint8)
        for block in group.blocks:
            forms[block.columns] = block.form
        seen[forms.tobytes()] = forms
    together, *others = seen.values()
    for forms in others:
        for column in np.flatnonzero(together != forms).tolist():
            together[column] = wider(int(together[column]), int(forms[column]))
    return together


def _marks(width: int, groups: Sequence[Group]) -> tuple[Octets, Ints]:
    """Return the distinct work of reasons: columns x (1 + scans that are not all good), and each scan's place in it."""
    if all(group.reasons is None for group in groups):
        return np.zeros((width, 0), np.uint8), np.zeros(0, np.int64)
    columns: list[Octets] = [np.zeros((width, 1), np.uint8)]
    places: list[Ints] = []
    held = 1
    for group in groups:
        place = np.zeros(len(group.scans), np.int64)
        if group.reasons is not None:
            bad = np.flatnonzero(group.reasons.any(axis=1))
            place[bad] = held + np.arange(len(bad))
            columns.append(group.reasons[bad].T)
            held += len(bad)
        places.append(place)
    return np.concatenate(columns, axis=1), np.concatenate(places)


def _usual_gap(layout: Ints, at: Ints) -> Codes:
    """Return, for each scan, the median time between two scans of its layout; 0 where there is only one."""
    gap = np.zeros(len(layout), np.int32)
    same = layout[1:] == layout[:-1]
    deltas, owners = np.diff(at)[same], layout[1:][same]
    if not len(deltas):
        return gap
    order = np.lexsort((deltas, owners))
    deltas, owners = deltas[order], owners[order]
    found, starts, counts = np.unique(owners, return_index=True, return_counts=True)
    median = np.minimum(deltas[starts + counts // 2], np.iinfo(np.int32).max)
    place = np.searchsorted(found, layout)
    place[place == len(found)] = 0
    return np.where(found[place] == layout, median[place], 0).astype(np.int32)
