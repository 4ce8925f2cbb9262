"""Sorted names of points as one stretch of bytes: a quarter of a million Python strings are 20 MB. Pure."""

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int32]
_Points = Sequence[str]


class Names(Sequence[str]):
    """Different names in order; whoever asks for one gets a new string."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        """Take names that are sorted and differ."""
        text, ends = bytearray(), array("i", [0])
        for name in names:
            text += name.encode()
            ends.append(len(text))
        self._text, self._ends = bytes(text), np.frombuffer(ends, np.int32)

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> list[str]: ...
    def __getitem__(self, at: int | slice) -> str | list[str]:
        if isinstance(at, slice):
            return [self[i] for i in range(*at.indices(len(self)))]
        if at < 0:
            at += len(self)
        if not 0 <= at < len(self):
            raise IndexError(at)
        return self._text[self._ends[at] : self._ends[at + 1]].decode()

    def __iter__(self) -> Iterator[str]:
        first = 0
        for end in self._ends[1:].tolist():
            yield self._text[first:end].decode()
            first = end

    def some(self, codes: Codes) -> tuple[Codes, bytes]:
        """Return the names of these codes as bytes, and where each of them begins and the last one ends."""
        first = self._ends[codes]
        length = self._ends[1:][codes] - first
        ends = np.zeros(len(codes) + 1, np.int64)
        np.cumsum(length, out=ends[1:])
        where = np.arange(int(ends[-1]), dtype=np.int64)
        where += np.repeat(first - ends[:-1], length)
        return ends.astype(np.int32), np.frombuffer(self._text, np.uint8)[where].tobytes()


def numbered(layouts: Iterable[int], points_of: Callable[[int], _Points]) -> tuple[Names, dict[int, Codes]]:
    """Return the names of all layouts' points, and the place among them of each layout's points.

    It goes machine by machine ("machine/point"): one long sort would hold up every other thread, and the names of all
    are never there at once as strings.
    """
    machines: dict[str, list[tuple[int, _Points | None]]] = {}
    codes: dict[int, Codes] = {}
    for layout in layouts:
        points = points_of(layout)
        codes[layout] = np.zeros(len(points), np.int32)
        own = {_machine(point) for point in points}
        if len(own) == 1:
            machines.setdefault(own.pop(), []).append((layout, None))
            continue
        parts: dict[str, list[str]] = {}
        for point in points:
            parts.setdefault(_machine(point), []).append(point)
        for machine, some in parts.items():
            machines.setdefault(machine, []).append((layout, some))
    base = 0
    several: dict[int, dict[str, int]] = {}

    def named() -> Iterator[str]:
        nonlocal base
        for machine in sorted(machines):
            spoken = [(layout, some, points_of(layout) if some is None else some) for layout, some in machines[machine]]
            names = sorted({point for *_, points in spoken for point in points})
            place = {name: base + i for i, name in enumerate(names)}
            for layout, some, points in spoken:
                if some is None:
                    codes[layout][:] = [place[point] for point in points]
                else:
                    several.setdefault(layout, {}).update((point, place[point]) for point in points)
            base += len(names)
            yield from names

    found = Names(named())
    for layout, place in several.items():
        codes[layout][:] = [place[point] for point in points_of(layout)]
    return found, codes


def _machine(point: str) -> str:
    return point[: point.find("/") + 1] or point
