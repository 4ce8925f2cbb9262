"""What is read otherwise under other files: the devices and lines that must be begun anew. All others never notice."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from collectors.profile import Profile
from facility.equipment import Device
from facility.site import Site

_Thing = TypeVar("_Thing")


@dataclass(frozen=True, slots=True)
class Changes:
    """Ids of things of one sort, sorted."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    @property
    def before(self) -> frozenset[str]:
        """Those that were there and are not as they were."""
        return frozenset((*self.removed, *self.changed))

    @property
    def after(self) -> frozenset[str]:
        """Those that are there and were not so."""
        return frozenset((*self.added, *self.changed))


@dataclass(frozen=True, slots=True)
class Difference:
    """Between two readings of a site's files. A device counts as changed with its line, profile or machine's kind."""

    equipment: Changes = Changes()
    lines: Changes = Changes()
    devices: Changes = Changes()
    profiles: Changes = Changes()

    def __bool__(self) -> bool:
        return any((self.equipment, self.lines, self.devices, self.profiles))


@dataclass(frozen=True, slots=True)
class Files:
    """What the collectors are told of a site."""

    site: Site
    profiles: Mapping[str, Profile]
    secrets: Mapping[str, str]


def changes(old: Mapping[str, _Thing], new: Mapping[str, _Thing]) -> Changes:
    """Compare things by id."""
    return Changes(
        tuple(sorted(new.keys() - old.keys())),
        tuple(sorted(old.keys() - new.keys())),
        tuple(sorted(id for id in new.keys() & old.keys() if new[id] != old[id])),
    )


def difference(old: Files, new: Files) -> Difference:
    """Say which lines, devices, machines and profiles the new files add, remove or change."""
    return Difference(
        equipment=changes(old.site.equipment, new.site.equipment),
        lines=changes(_lines(old), _lines(new)),
        devices=changes(_devices(old), _devices(new)),
        profiles=changes(_stamps(old), _stamps(new)),
    )


def _lines(files: Files) -> dict[str, object]:
    """Return each line with all that opens it."""
    return {id: (line, files.secrets.get(line.secret, "")) for id, line in files.site.lines.items()}


def _devices(files: Files) -> dict[str, object]:
    """Return each device with all that its readings are asked for and understood by."""
    lines, stamps = _lines(files), _stamps(files)
    return {
        id: (device, stamps.get(device.profile), lines.get(device.line), _points(files.site, device))
        for id, device in files.site.devices.items()
    }


def _points(site: Site, device: Device) -> tuple[object, ...]:
    return tuple(site.point(point) for point in device.points)


def _stamps(files: Files) -> dict[str, str]:
    return {id: profile.stamp for id, profile in files.profiles.items()}
