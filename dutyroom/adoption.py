"""The site folder read again while the service runs: all of it holds from then on, or the old one goes on."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from dutyroom import reloading, selfwatch
from dutyroom.clock import WakingClock
from dutyroom.ownwords import OwnWords
from facility.plan import Plan
from facility.ports import Beat
from facility.site import Site
from sitefolder import Loaded, SiteError, load
from stores.plans import PlanStore

log = structlog.get_logger(__name__)

Plans = Mapping[tuple[str, str], Plan]
"""Every version of every plan, by id and version."""

LOOK_MS = 30_000


class Adoption:
    """Waits for whoever rings; `adopt` takes a site that holds from now on, and all versions of plans."""

    def __init__(
        self,
        loaded: Loaded,
        folder: Path,
        data: Path,
        clock: WakingClock,
        own: OwnWords,
        adopt: Callable[[Site, Plans], None],
    ) -> None:
        self._loaded, self._folder, self._data, self._clock = loaded, folder, data, clock
        self._own, self._adopt = own, adopt
        self._wake, self._rung = asyncio.Event(), False

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
                came = await self._read()
                await asyncio.to_thread(reloading.answer, self._data, came)

    async def _read(self) -> reloading.Reloaded:
        """Read the site folder again; adopt all of it, or say why not and go on as before."""
        try:
            loaded = await asyncio.to_thread(load, self._folder)
        except SiteError as error:
            wrong = tuple(str(f) for f in error.findings if f.level == "error")
            log.error("the site folder has errors; the old one still holds", errors=len(wrong))
            return reloading.Reloaded(self._loaded.site.hash, adopted=False, errors=wrong)
        came = reloading.compare(self._loaded, loaded)
        if not came.adopted or came.hash == self._loaded.site.hash:
            log.warning("nothing was adopted", restart=came.restart)
            return came
        self._loaded = loaded
        site = selfwatch.with_host(loaded.site)
        self._adopt(site, await asyncio.to_thread(plans_kept, self._data, site))
        self._own.adopted(came.hash, f"reload: {', '.join(came.changed)}", actor="cli")
        return came


def plans_kept(data: Path, site: Site) -> Plans:
    """Keep the site's plans beside all that incidents ever began with; return every version. For a thread."""
    kept = PlanStore(data / "plans")
    kept.keep(site.plans.values())
    return kept.all()
