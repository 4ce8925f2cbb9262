"""The newest word of every point: value, quality, since when, and the last value that could be believed.

What changed since when is worked out for many devices at once: devices of one width share one table with a row for
each, and scans lie on the table until it is looked at, or until one of its devices speaks again.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isnan, nan
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from facility.equipment import split_point
from facility.ports import Layout
from facility.scan import FIRST_BAD, Reason, Scan

_BITS = np.dtype("<i8")
_TOGETHER = 256
"""Scans that are worked out at once, at most: the loop must not stand still for them."""


@dataclass(frozen=True, slots=True)
class Now:
    """What is known of a point.

    `value` is NaN where the newest scan gave none; `reason` says how far to believe it. `changed_ms` is the time of the
    scan that brought the present value or reason. `last_good` (NaN when there never was one) and `last_good_ms` (0
    then) are the last value with reason good. `text` is a word the profile could not map. Times are UTC milliseconds.
    """

    value: float
    reason: int
    at_ms: int
    received_ms: int
    changed_ms: int
    last_good: float
    last_good_ms: int
    text: str = ""


class Live:
    """The newest scan of every device, read by point.

    Written by one thread (the desk's); a reader in another thread may see two points of one device a scan apart.
    A scan older than the newest of its device changes nothing and is counted in `late`.
    """

    def __init__(self, layouts: Mapping[str, Layout]) -> None:
        self.version = 0
        self.late = 0
        self._lock = Lock()  # whoever reads may have to work out what lies there
        self._tables: tuple[_Table, ...] = ()
        self._devices: dict[str, _Device] = {}
        # By machine, not by point: a site has ten times as many points, and one is asked for now and then only.
        self._speaking: dict[str, tuple[_Device, ...]] = {}
        self.exchange(layouts)

    def exchange(self, layouts: Mapping[str, Layout]) -> None:
        """Know these devices from now on. Of one whose layout is the same nothing is lost; others are not heard yet."""
        with self._lock:
            for table in self._tables:
                table.settle()
            known = {id: d for id, d in self._devices.items() if id in layouts and layouts[id].id == d.layout.id}
            rows = Counter(len(layout.points) for id, layout in layouts.items() if id not in known)
            tables = {width: _Table(width, count) for width, count in rows.items()}
            devices = {
                id: known[id] if id in known else tables[len(layout.points)].seat(layout)
                for id, layout in layouts.items()
            }
            speaking: dict[str, tuple[_Device, ...]] = {}
            for device in devices.values():
                for machine in dict.fromkeys(split_point(point)[0] for point in device.layout.points):
                    speaking[machine] = (*speaking.get(machine, ()), device)
            self._devices, self._speaking = devices, speaking
            self._tables = tuple({id(d.table): d.table for d in devices.values()}.values())

    def update(self, scan: Scan) -> None:
        """Take a scan; one of an unknown device, or that does not fit its layout, changes nothing."""
        device = self._devices.get(scan.device)
        if device is None or not scan.width == len(scan.reasons) == device.width:
            return
        newest = device.scan
        # A device whose clock ran ahead once must not be deaf until the future comes.
        if newest is not None and scan.at_ms < newest.at_ms <= scan.received_ms:
            self.late += 1
            return
        with self._lock:
            if device.fresh or len(device.table.fresh) >= _TOGETHER:
                device.table.settle()
            self.version += 1
            device.image, device.scan, device.version, device.fresh = scan.image, scan, self.version, True
            device.table.fresh.append(device)

    def read(self, point: str) -> Now | None:
        """Return what is known of a point; None for a point nobody speaks for, or of which nothing was heard yet."""
        place = self._place(point)
        if place is None:
            return None
        with self._lock:
            return place[0].read(place[1])

    def device(self, device: str) -> Mapping[str, Now]:
        """Return what is known of all points of a device, in its order; empty before its first scan."""
        found = self._devices.get(device)
        if found is None or found.scan is None:
            return {}
        with self._lock:
            return {point: now for i, point in enumerate(found.layout.points) if (now := found.read(i))}

    def newest(self, device: str) -> Scan | None:
        """Return the newest scan of a device."""
        found = self._devices.get(device)
        return found.scan if found else None

    def since(self, version: int, points: Iterable[str] | None = None) -> tuple[int, dict[str, Now]]:
        """Return the present version, and the points whose value or reason changed after an earlier one.

        With `points`, only these are looked at: that is what one console's screen costs. Version 0 gives all that is
        known.
        """
        with self._lock:
            for table in self._tables:
                table.settle()
            return self.version, self._changed(version, points)

    def _changed(self, version: int, points: Iterable[str] | None) -> dict[str, Now]:
        changed = {}
        if points is not None:
            for point in points:
                place = self._place(point)
                if place and place[0].version > version and place[0].changed_in(place[1]) > version:
                    now = place[0].read(place[1])
                    if now:
                        changed[point] = now
            return changed
        for device in self._devices.values():
            if device.version > version:
                for i in np.flatnonzero(device.table.changed_in[device.row] > version).tolist():
                    now = device.read(i)
                    if now:
                        changed[device.layout.points[i]] = now
        return changed

    def _place(self, point: str) -> "tuple[_Device, int] | None":
        for device in self._speaking.get(split_point(point)[0], ()):
            if point in device.layout.points:
                return device, device.layout.points.index(point)
        return None


class _Table:
    """The arrays of all devices of one width, a row each. Values are kept as bits: NaN after NaN is no change."""

    def __init__(self, width: int, rows: int) -> None:
        self.width = width
        self.all_good = bytes([Reason.GOOD]) * width
        self.fresh: list[_Device] = []  # their newest scan is not in the arrays yet
        self.bits = np.zeros((rows, width), np.int64)
        self.changed_ms = np.zeros((rows, width), np.int64)
        self.changed_in = np.zeros((rows, width), np.int64)
        self._taken = 0

    def seat(self, layout: Layout) -> "_Device":
        """Give a device the next row."""
        self._taken += 1
        return _Device(layout, self, self._taken - 1)

    def settle(self) -> None:
        """Work out what the fresh scans changed."""
        fresh, self.fresh = self.fresh, []
        if not fresh:
            return
        rows = np.array([d.row for d in fresh], np.intp)
        scans = [d.scan for d in fresh if d.scan is not None]
        images = np.frombuffer(b"".join([d.image for d in fresh]), _BITS).reshape(len(fresh), self.width)
        changed = images != self.bits[rows]
        for i, (device, scan) in enumerate(zip(fresh, scans, strict=True)):
            if scan.reasons != device.reasons:
                changed[i] |= self._judged_anew(device, scan.reasons)
            device.at_ms, device.fresh = scan.at_ms, False
        at = np.array([s.at_ms for s in scans])[:, None]
        versions = np.array([d.version for d in fresh])[:, None]
        self.bits[rows] = images
        self.changed_ms[rows] = np.where(changed, at, self.changed_ms[rows])
        self.changed_in[rows] = np.where(changed, versions, self.changed_in[rows])

    def _judged_anew(self, device: "_Device", reasons: bytes) -> "NDArray[np.bool_] | bool":
        """Take other reasons than the last; return which are others."""
        before, device.reasons = device.reasons, reasons
        if not before:
            return True
        then = np.frombuffer(before, np.uint8)
        if reasons != self.all_good:
            device.keep_good(then == Reason.GOOD)
        changed: NDArray[np.bool_] = np.frombuffer(reasons, np.uint8) != then
        return changed


class _Device:
    """One device: its place in the table of its width, and its newest scan."""

    __slots__ = (
        "at_ms",
        "fresh",
        "good",
        "good_ms",
        "image",
        "layout",
        "reasons",
        "row",
        "scan",
        "table",
        "version",
        "width",
    )

    def __init__(self, layout: Layout, table: _Table, row: int) -> None:
        self.layout, self.width = layout, len(layout.points)
        self.table, self.row = table, row
        self.scan: Scan | None = None
        self.image = b""  # its
        self.version = 0
        self.fresh = False  # the newest scan is not in the table yet
        self.at_ms = 0  # of the scan that is
        self.reasons = b""
        self.good: NDArray[np.int64] | None = None  # None until a value was not good
        self.good_ms: NDArray[np.int64] | None = None

    def changed_in(self, i: int) -> int:
        """Return the update that brought the present value or reason of a position."""
        return int(self.table.changed_in[self.row, i])

    def keep_good(self, good: "NDArray[np.bool_]") -> None:
        """Put by the good values of the table's scan: the next has some that are not."""
        if self.good is None or self.good_ms is None:
            self.good, self.good_ms = np.full(self.width, nan).view(np.int64), np.zeros(self.width, np.int64)
        np.copyto(self.good, self.table.bits[self.row], where=good)
        np.copyto(self.good_ms, self.at_ms, where=good)

    def read(self, i: int) -> Now | None:
        """Return what is known of the point at a position."""
        scan = self.scan
        if scan is None:
            return None
        if self.fresh:
            self.table.settle()
        last_good, last_good_ms = nan, 0
        if scan.reasons[i] == Reason.GOOD:
            last_good, last_good_ms = scan.value(i), scan.at_ms
        elif self.good is not None and self.good_ms is not None:
            last_good, last_good_ms = float(self.good.view(np.float64)[i]), int(self.good_ms[i])
        return Now(
            value=scan.value(i),
            reason=scan.reasons[i],
            at_ms=scan.at_ms,
            received_ms=scan.received_ms,
            changed_ms=int(self.table.changed_ms[self.row, i]),
            last_good=last_good,
            last_good_ms=last_good_ms,
            text=scan.texts.get(i, "") if scan.texts else "",
        )


def believable(now: Now) -> bool:
    """Say whether the value may be shown as a value: not bad, and a number."""
    return now.reason < FIRST_BAD and not isnan(now.value)
