"""What the service says of itself in the log book: that it began, was paused, saw the clock step, or lost a task."""

from collections.abc import Callable
from dataclasses import replace

from api.station import Reloaded
from collectors.difference import Difference
from dutyroom import __version__
from facility import records
from facility.ports import Clock
from facility.records import Kind, Payload, Record


class OwnWords:
    """Writes records of a site's own service; `report` takes each into the desk's next turn."""

    def __init__(self, site: str, clock: Clock, report: Callable[[Record], None]) -> None:
        self._subject, self._clock, self._report = f"site:{site}", clock, report

    def record(self, kind: Kind, data: Payload, actor: str = "system") -> Record:
        """Return a record of this service, now."""
        return Record(self._clock.now(), kind, self._subject, data, actor)

    def say(self, kind: Kind, data: Payload, actor: str = "system") -> None:
        """Have something recorded."""
        self._report(self.record(kind, data, actor))

    def adopted(self, hash: str, why: str = "", actor: str = "system") -> None:
        """Say which files hold from now on."""
        self.say(Kind.CONFIG_ADOPTED, records.ConfigAdopted(hash, why), actor)

    def reloaded(self, came: Reloaded, different: Difference, actor: str) -> Record:
        """Return the record of other files that hold now, under all the machines and devices that they touch."""
        sorts = different.equipment, different.devices
        added = tuple(dict.fromkeys(id for sort in sorts for id in sort.added))
        removed = tuple(dict.fromkeys(id for sort in sorts for id in sort.removed))
        changed = tuple(dict.fromkeys(id for sort in sorts for id in sort.changed))
        data = records.ConfigAdopted(came.hash, f"reload: {', '.join(came.changed)}", added, removed, changed)
        return replace(self.record(Kind.CONFIG_ADOPTED, data, actor), about=(*added, *removed, *changed))

    def started(self, replayed: int, *, clean: bool) -> None:
        """Say that the service has started, after how many scans read again, and whether its last end was in order."""
        self.say(Kind.SERVICE_STARTED, records.ServiceStarted(__version__, replayed, clean))

    def stopped(self) -> Record:
        """Return the last words."""
        return self.record(Kind.SERVICE_STOPPED, records.ServiceStopped("asked to"))

    def paused(self, began_ago_ms: int, ended_ago_ms: int) -> None:
        """Say that the whole process stood still."""
        now = self._clock.now()
        self.say(Kind.SERVICE_PAUSED, records.ServicePaused(now - began_ago_ms, now - ended_ago_ms))

    def stepped(self, step: int) -> None:
        """Say by how many milliseconds the wall clock stepped."""
        self.say(Kind.CLOCK_STEPPED, records.ClockStepped(step))

    def restarted(self, task: str, why: str, times: int) -> None:
        """Say that a task ended and was started again."""
        self.say(Kind.TASK_RESTARTED, records.TaskRestarted(task, why[:500], times))

    def forgotten(self, gone: records.HistoryForgotten) -> None:
        """Say which telemetry was let go."""
        self.say(Kind.HISTORY_FORGOTTEN, gone)
