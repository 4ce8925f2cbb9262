"""What waits in the spool for the stores behind it, and what becomes of it when the spool is full."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from api.station import Notice
from dutyroom.archiving import Archiving
from dutyroom.forwarding import Forwarding
from facility.ports import Clock
from facility.text import Text
from stores.telemetry.source import CURSOR
from stores.telemetry.spool import Spool

log = structlog.get_logger(__name__)

BEHIND_MS = 600_000
"""The archive takes readings every five minutes; who is twice as late is behind."""
FILLING = 50
"""Per cent of the budget; the rule host-spool-filling says the same."""

NAMES = {"archive": Text("本机历史归档", "The archive on this computer"), "influx": Text("InfluxDB", "InfluxDB")}


@dataclass(frozen=True, slots=True)
class Reader:
    """A store behind the spool: the last row it has, and what is wrong with it at the moment, if anything."""

    has: Callable[[], int]
    trouble: Callable[[], str]


def readers(spool: Spool, archiving: Archiving | None, forwarding: Forwarding | None) -> dict[str, Reader]:
    """Return the stores that a station has behind its spool."""
    found: dict[str, Reader] = {}
    if archiving:
        found["archive"] = Reader(partial(spool.cursor, CURSOR), lambda: archiving.trouble)
    if forwarding:
        forwarder = forwarding.influx.forwarder
        found["influx"] = Reader(partial(forwarder.sent, spool), lambda: forwarder.trouble)
    return found


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a store is behind: `rows` it lacks, the oldest of them committed at `oldest_ms`."""

    reader: str
    rows: int
    oldest_ms: int | None
    trouble: str


@dataclass(frozen=True, slots=True)
class Held:
    """What the spool holds. `given_up` counts the scans that some store never got, since the file was made."""

    rows: int
    bytes: int
    budget: int
    oldest_ms: int | None
    lags: Sequence[Lag]
    given_up: Mapping[str, int]

    @property
    def used_percent(self) -> float:
        """How much of its budget the spool takes."""
        return 100 * self.bytes / self.budget


class Backlog:
    """Looks after the spool; `held` is what was seen last and costs nothing to read."""

    def __init__(self, spool: Spool, budget: int, clock: Clock, readers: Mapping[str, Reader]) -> None:
        """Let the spool take `budget` bytes."""
        self._spool, self._budget, self._clock, self._readers = spool, budget, clock, readers
        self.held = self._seen()

    def tidy(self, *, roomy: bool) -> None:
        """Delete what nobody needs any more, give up what is beyond the budget, and look. Blocking.

        Where the disk is not `roomy` nothing is deleted: that, too, takes space.

        Raises:
            StoreError: the spool cannot be tidied now.
        """
        if roomy:
            for reader, missed in self._spool.shed(self._budget).items():
                log.error(
                    "the spool is full; its oldest readings are given up", store=reader, scans=missed.scans,
                    readings=missed.readings, from_ms=missed.from_ms, to_ms=missed.to_ms,
                )  # fmt: skip
            self._spool.trim(self._clock.now())
        self.held = self._seen()

    def _seen(self) -> Held:
        lags: list[Lag] = []
        for name, reader in self._readers.items():
            row = reader.has()
            oldest = self._spool.oldest_ms(row)
            rows = self._spool.last_row - max(row, self._spool.id) if oldest else 0
            lags.append(Lag(name, rows, oldest, reader.trouble()))
        size = self._spool.size()
        given_up = {
            device.removeprefix("store/"): count.missing
            for device, count in self._spool.gap_counts().items()
            if device.startswith("store/")
        }
        return Held(size.rows, size.bytes, self._budget, self._spool.oldest_ms(), lags, given_up)


def notices(held: Held, now: int) -> list[Notice]:
    """Return what every screen must say about stores that are behind and a spool that fills up."""
    out: list[Notice] = []
    for lag in held.lags:
        if lag.oldest_ms is None or now - lag.oldest_ms < BEHIND_MS:
            continue
        minutes, name = (now - lag.oldest_ms) // 60_000, NAMES[lag.reader]
        zh, en = (f"（{lag.trouble[:200]}）", f" ({lag.trouble[:200]})") if lag.trouble else ("", "")
        out.append(
            Notice(
                f"behind:{lag.reader}",
                "warning",
                Text(
                    f"{name.zh} 落后 {minutes} 分钟{zh}：读数在暂存中（已用 {held.used_percent:.0f} %），没有丢，"
                    "恢复后自动补入。请检查它和网络、磁盘。",
                    f"{name.en} is {minutes} min behind{en}: the readings wait in the spool ({held.used_percent:.0f} %"
                    " full), none is lost, and follow by themselves. Check it, the network and the disk.",
                ),
                lag.oldest_ms,
            )
        )
    if held.used_percent >= FILLING:
        out.append(
            Notice(
                "spool-filling",
                "error",
                Text(
                    f"暂存已用 {held.used_percent:.0f} %：满后将放弃最旧的读数（计数并记为缺口）。"
                    "请恢复落后的历史库，或用 DUTYROOM_SPOOL_MB 加大暂存。",
                    f"The spool is {held.used_percent:.0f} % full: when it is, the oldest readings are given up,"
                    " counted and recorded as a gap. Bring back the store that is behind, or raise DUTYROOM_SPOOL_MB.",
                ),
                now,
            )
        )
    return out
