"""The site folder read again while the service runs: all of it holds from then on, or the old one goes on."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from api.station import Reloaded
from collectors.difference import Files, difference
from dutyroom import reloading, selfwatch
from dutyroom.clock import WakingClock
from dutyroom.exchange import Exchange, NotNowError
from dutyroom.ownwords import OwnWords
from facility.plan import Plan
from facility.ports import Beat
from facility.records import Record
from facility.site import Site
from facility.text import Text
from sitefolder import Loaded, SiteError, load
from stores.plans import PlanStore

if TYPE_CHECKING:
    from collectors.supervisor import Collectors

log = structlog.get_logger(__name__)

Plans = Mapping[tuple[str, str], Plan]
"""Every version of every plan, by id and version."""

LOOK_MS = 30_000
DESK_S = 20.0
"""How long the desk may take to come to it, before the old files stay."""
BUSY = Text(
    "现在不能换配置：服务刚启动，磁盘不接受读数，或时钟还不可信；旧配置继续有效。请看健康页，稍后重试。",
    "The files cannot be exchanged now: the service is starting, the disk takes no readings, or there is no clock to"
    " believe. The old ones still hold; look at the health page and try again.",
)


class Adoption:
    """Waits for whoever rings, or is asked; `collectors` come with the lines.

    `begin` hands an exchange to the desk; `place` puts the stores and all who look at the site under it, with all
    versions of plans, and never waits.
    """

    def __init__(
        self,
        loaded: Loaded,
        folder: Path,
        data: Path,
        clock: WakingClock,
        own: OwnWords,
        begin: Callable[[Exchange], None],
        place: Callable[[Loaded, Site, Plans], None],
    ) -> None:
        self.collectors: Collectors | None = None
        self._loaded, self._folder, self._data, self._clock = loaded, folder, data, clock
        self._own, self._begin, self._place = own, begin, place
        self._wake, self._rung = asyncio.Event(), False
        self._one_at_a_time = asyncio.Lock()

    def ring(self) -> None:
        """Have the folder read again."""
        self._rung = True
        self._wake.set()

    async def run(self, beat: Beat) -> None:
        """Read when somebody rings, and leave the answer beside the data; for ever."""
        while True:
            beat()
            await self._clock.woken(self._wake, self._clock.now() + LOOK_MS)
            if self._rung:
                self._rung = False
                dry = await asyncio.to_thread(reloading.asked_dry, self._data)
                came = await self.reload("cli", dry=dry)
                await asyncio.to_thread(reloading.answer, self._data, came)

    async def reload(self, actor: str, *, dry: bool = False) -> Reloaded:
        """Read the site folder again; adopt all of it, or say why not and go on as before."""
        async with self._one_at_a_time:
            hash = self._loaded.site.hash
            try:
                return await self._reload(actor, dry=dry)
            except SiteError as error:
                log.error("the site folder has errors; the old one still holds", errors=len(error.findings))
                return reloading.refused(hash, error)
            except (NotNowError, TimeoutError):
                return reloading.failed(hash, BUSY)
            except Exception as error:
                log.error("the new files cannot be put in place; the old ones still hold", exc_info=error)
                why = Text(
                    f"新文件无法启用，旧配置继续有效：{error}", f"The new files cannot be used; the old hold: {error}"
                )
                return reloading.failed(hash, why)

    async def _reload(self, actor: str, *, dry: bool) -> Reloaded:
        if self.collectors is None:  # it is starting: they would begin with what is exchanged
            raise NotNowError
        loaded = await asyncio.to_thread(load, self._folder)
        old = self._loaded
        different = await asyncio.to_thread(difference, _files(old), _files(loaded))
        came = replace(reloading.compare(old, loaded, different), dry=dry)
        if not came.adopted or (loaded.site.hash == old.site.hash and not came.changed):
            log.warning("nothing was adopted", restart=list(came.restart))
            return came
        site = selfwatch.with_host(loaded.site)
        exchange = Exchange(old.site, loaded, site, different, self.collectors)
        await asyncio.to_thread(exchange.prepare)
        if dry:
            return came
        plans = await asyncio.to_thread(plans_kept, self._data, site)

        def place() -> Sequence[Record]:
            self._loaded = loaded
            self._place(loaded, site, plans)
            return [self._own.reloaded(came, different, actor)]

        exchange.place = place
        self._begin(exchange)
        try:
            await asyncio.wait_for(exchange.done, DESK_S)
        except TimeoutError as error:
            exchange.release(error)
            raise
        return came


def _files(loaded: Loaded) -> Files:
    return Files(loaded.site, loaded.profiles, loaded.secrets)


def plans_kept(data: Path, site: Site) -> Plans:
    """Keep the site's plans beside all that incidents ever began with; return every version. For a thread."""
    kept = PlanStore(data / "plans")
    kept.keep(site.plans.values())
    return kept.all()
