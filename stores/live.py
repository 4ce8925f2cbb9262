"""The newest word of every point: value, quality, since when, and the last value that could be believed.

One row of numpy arrays per device; an update is a handful of array operations whatever the number of points.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isnan, nan

import numpy as np
from numpy.typing import NDArray

from facility.equipment import split_point
from facility.ports import Layout
from facility.scan import FIRST_BAD, Reason, Scan

_BITS = np.dtype("<i8")


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
        self._devices = {layout.device: _Device(layout) for layout in layouts.values()}
        # By machine, not by point: a site has ten times as many points, and one is asked for now and then only.
        self._speaking: dict[str, tuple[_Device, ...]] = {}
        for device in self._devices.values():
            for machine in dict.fromkeys(split_point(point)[0] for point in device.layout.points):
                self._speaking[machine] = (*self._speaking.get(machine, ()), device)

    def update(self, scan: Scan) -> None:
        """Take a scan; one of an unknown device, or that does not fit its layout, changes nothing."""
        device = self._devices.get(scan.device)
        if device is None or not len(scan.values) == len(scan.reasons) == device.width:
            return
        newest = device.scan
        # A device whose clock ran ahead once must not be deaf until the future comes.
        if newest is not None and scan.at_ms < newest.at_ms <= scan.received_ms:
            self.late += 1
            return
        self.version += 1
        device.take(scan, self.version)

    def read(self, point: str) -> Now | None:
        """Return what is known of a point; None for a point nobody speaks for, or of which nothing was heard yet."""
        place = self._place(point)
        return place[0].read(place[1]) if place else None

    def device(self, device: str) -> Mapping[str, Now]:
        """Return what is known of all points of a device, in its order; empty before its first scan."""
        found = self._devices.get(device)
        if found is None or found.scan is None:
            return {}
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
        present, changed = self.version, {}
        if points is not None:
            for point in points:
                place = self._place(point)
                if place and place[0].version > version and place[0].changed_in[place[1]] > version:
                    now = place[0].read(place[1])
                    if now:
                        changed[point] = now
            return present, changed
        for device in self._devices.values():
            if device.version > version:
                for i in np.flatnonzero(device.changed_in > version).tolist():
                    now = device.read(i)
                    if now:
                        changed[device.layout.points[i]] = now
        return present, changed

    def _place(self, point: str) -> "tuple[_Device, int] | None":
        for device in self._speaking.get(split_point(point)[0], ()):
            if point in device.layout.points:
                return device, device.layout.points.index(point)
        return None


class _Device:
    """The arrays of one device, in the order of its layout. Values are kept as bits: NaN after NaN is no change."""

    __slots__ = (
        "all_good",
        "bits",
        "changed_in",
        "changed_ms",
        "good",
        "good_ms",
        "layout",
        "reasons",
        "scan",
        "version",
        "width",
    )

    def __init__(self, layout: Layout) -> None:
        width = len(layout.points)
        self.layout, self.width = layout, width
        self.all_good = bytes([Reason.GOOD]) * width
        self.scan: Scan | None = None
        self.version = 0
        self.bits = np.full(width, nan).view(np.int64)
        self.reasons = b""
        self.changed_ms = np.zeros(width, np.int64)
        self.changed_in = np.zeros(width, np.int64)
        self.good: NDArray[np.int64] | None = None  # None until a value was not good
        self.good_ms = self.changed_ms

    def take(self, scan: Scan, version: int) -> None:
        """Make a scan the newest; `version` numbers the update."""
        before, at, reasons, image = self.scan, scan.at_ms, scan.reasons, scan.image
        if reasons not in {self.all_good, self.reasons} and before is not None:
            self._keep_good(before)
        if before is None or image != before.image or reasons != self.reasons:
            bits = np.frombuffer(image, _BITS)
            changed = bits != self.bits
            if before is None:
                changed[:] = True
            elif reasons != self.reasons:
                changed |= np.frombuffer(reasons, np.uint8) != np.frombuffer(self.reasons, np.uint8)
            self.changed_ms[changed] = at
            self.changed_in[changed] = version
            self.bits, self.reasons = bits, reasons
        self.scan, self.version = scan, version

    def _keep_good(self, before: Scan) -> None:
        """Put by the good values of a scan that is followed by one with values that are not."""
        if self.good is None:
            self.good, self.good_ms = np.full(self.width, nan).view(np.int64), np.zeros(self.width, np.int64)
        good = np.frombuffer(before.reasons, np.uint8) == Reason.GOOD
        np.copyto(self.good, np.frombuffer(before.image, _BITS), where=good)
        np.copyto(self.good_ms, before.at_ms, where=good)

    def read(self, i: int) -> Now | None:
        """Return what is known of the point at a position."""
        scan = self.scan
        if scan is None:
            return None
        last_good, last_good_ms = nan, 0
        if scan.reasons[i] == Reason.GOOD:
            last_good, last_good_ms = scan.values[i], scan.at_ms
        elif self.good is not None:
            last_good, last_good_ms = float(self.good.view(np.float64)[i]), int(self.good_ms[i])
        return Now(
            value=scan.values[i],
            reason=scan.reasons[i],
            at_ms=scan.at_ms,
            received_ms=scan.received_ms,
            changed_ms=int(self.changed_ms[i]),
            last_good=last_good,
            last_good_ms=last_good_ms,
            text=scan.texts.get(i, "") if scan.texts else "",
        )


def believable(now: Now) -> bool:
    """Say whether the value may be shown as a value: not bad, and a number."""
    return now.reason < FIRST_BAD and not isnan(now.value)
