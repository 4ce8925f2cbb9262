"""What records say of the service itself: its starts, its stores, its clock, its tasks."""

from dataclasses import dataclass

from facility.records.payload import Payload


@dataclass(frozen=True, slots=True)
class ServiceStarted(Payload):
    """The service came up; `replayed` scans were read again after the checkpoint."""

    version: str
    replayed: int = 0
    clean: bool = True


@dataclass(frozen=True, slots=True)
class ServiceStopped(Payload):
    """The service went down in order."""

    why: str = ""


@dataclass(frozen=True, slots=True)
class ConfigAdopted(Payload):
    """These files hold from now on; of machines and devices, which ones they added, removed or read otherwise."""

    hash: str
    note: str = ""
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StoreRestored(Payload):
    """A damaged store was put aside and its newest snapshot taken, with what could still be read after it.

    `lost` records between the two times are gone (-1: nobody can tell how many); `doubtful` ones were kept though
    they no longer match their hash.
    """

    store: str
    kept: str
    lost_after_ms: int = 0
    lost_until_ms: int = 0
    lost: int = 0
    doubtful: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True)
class StoreDamaged(Payload):
    """A check found damage while the store was in use; the next start repairs what it can. `at` is the first place."""

    store: str
    at: int
    why: str = ""


@dataclass(frozen=True, slots=True)
class ClockStepped(Payload):
    """The wall clock jumped; ours was led back slowly."""

    by_ms: int


@dataclass(frozen=True, slots=True)
class TaskRestarted(Payload):
    """A task died or stood still and was started again."""

    task: str
    why: str
    times: int = 1


@dataclass(frozen=True, slots=True)
class HistoryForgotten(Payload):
    """Readings and rollups grew older than the site keeps them, and were deleted; days are counted in UTC."""

    readings: int  # rows of readings
    rollups: int  # rows of minutes and hours
    readings_before_ms: int  # what remains is newer
    rollups_before_ms: int
