"""Scans that wait to be durable, in the order in which they came, and whom to tell once they are."""

from collections.abc import Callable, Iterable

from facility.scan import Scan

Done = Callable[[], None]


class Waiting:
    """A batch that grows; some devices' part of it can be taken out without looking at all the others'."""

    def __init__(self) -> None:
        self._scans: list[Scan | None] = []  # None: taken
        self._dones: dict[int, Done] = {}  # by place
        self._places: dict[str, list[int]] = {}  # device -> where its scans are; of the first `_noted`
        self._noted = 0
        self._taken = 0

    def __len__(self) -> int:
        return len(self._scans) - self._taken

    def add(self, scan: Scan, done: Done | None) -> None:
        """Take a scan."""
        if done is not None:
            self._dones[len(self._scans)] = done
        self._scans.append(scan)

    def take(self) -> tuple[list[Scan], list[Done]]:
        """Give away all of it."""
        scans = [scan for scan in self._scans if scan is not None] if self._taken else self._scans
        dones = list(self._dones.values())
        self._scans, self._dones, self._places = [], {}, {}
        self._noted = self._taken = 0
        return scans, dones  # type: ignore[return-value]

    def take_of(self, devices: Iterable[str]) -> tuple[list[Scan], list[Done]]:
        """Give away all that waits of these devices."""
        for place in range(self._noted, len(self._scans)):
            if (scan := self._scans[place]) is not None:
                self._places.setdefault(scan.device, []).append(place)
        self._noted = len(self._scans)
        scans: list[Scan] = []
        dones: list[Done] = []
        for place in sorted(place for device in devices for place in self._places.pop(device, ())):
            scan, self._scans[place] = self._scans[place], None
            assert scan is not None, "its place was noted once"
            scans.append(scan)
            if (done := self._dones.pop(place, None)) is not None:
                dones.append(done)
        self._taken += len(scans)
        return scans, dones
