"""Carries the spool to an InfluxDB server beside, or instead of, the archive."""

import asyncio
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

import structlog

from dutyroom.settings import Settings
from facility.ports import Beat, Clock
from facility.site import Site
from stores.errors import StoreError
from stores.telemetry import forward, source
from stores.telemetry.influx import Influx
from stores.telemetry.influxserver import Address
from stores.telemetry.spool import Spool

log = structlog.get_logger(__name__)

_IDLE_MS = 500
_TROUBLE_MS = 10_000
_Answer = TypeVar("_Answer")


class Forwarding:
    """The server that the settings name, and the task that feeds it."""

    def __init__(self, settings: Settings, site: Site, spool: Spool, clock: Clock) -> None:
        """Connect to nothing yet. The spool waits for no reader that the settings no longer name."""
        self._spool, self._clock = spool, clock
        address = Address(
            settings.influx_url,
            settings.influx_bucket,
            settings.influx_version,
            settings.influx_org,
            settings.influx_token.get_secret_value(),
            settings.influx_user,
            settings.influx_password.get_secret_value(),
        )
        self.influx = Influx(address, site.id, _kinds(site), spool)
        if settings.history == "influx":
            spool.forget(source.CURSOR)

    def adopt(self, site: Site) -> None:
        """Name measurements by the machines of this site."""
        self.influx.exchange(_kinds(site))

    async def run(self, beat: Beat) -> None:
        """Forward for ever."""
        told = ""
        while True:
            beat()
            now, moved = self._clock.now(), 0
            try:
                moved = await aside(partial(self.influx.forward, self._spool, now))
            except StoreError as error:
                log.error("the spool cannot be read for InfluxDB", why=str(error))
                await self._clock.until(now + _TROUBLE_MS)
            trouble = self.influx.forwarder.trouble
            if trouble and not told:
                log.warning("InfluxDB takes no readings; they stay in the spool and are sent later", why=trouble)
            elif told and not trouble:
                log.warning("InfluxDB takes readings again")
            told = trouble
            if not moved:
                await self._clock.until(now + _IDLE_MS)

    def figures(self) -> Mapping[str, float]:
        """Return figures for /metrics."""
        forwarder = self.influx.forwarder
        return {
            "influx_scans_total": forwarder.posted,
            "influx_failures_in_a_row": forwarder.failures,
        }


def _kinds(site: Site) -> dict[str, str]:
    return {machine.id: machine.kind for machine in site.equipment.values()}


def forwarding(settings: Settings, site: Site, spool: Spool, clock: Clock) -> Forwarding | None:
    """Return the forwarding that the settings ask for; without one the spool does not wait for it either."""
    if settings.influx_url:
        return Forwarding(settings, site, spool, clock)
    spool.forget(forward.CURSOR)
    return None


async def aside(work: Callable[[], _Answer]) -> _Answer:
    """Run in a thread of its own, which nobody waits for at the end: a server that hangs must not hold up a stop."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[_Answer] = loop.create_future()

    def settle(answer: _Answer | None, error: Exception | None) -> None:
        if done.cancelled():
            return
        if error:
            done.set_exception(error)
        else:
            done.set_result(answer)  # type: ignore[arg-type]  # without an error there is an answer

    def run() -> None:
        answer: _Answer | None = None
        error: Exception | None = None
        try:
            answer = work()
        except Exception as failure:  # noqa: BLE001 - handed to whoever awaits
            error = failure
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, answer, error)

    threading.Thread(target=run, name="influx", daemon=True).start()
    return await done
