"""A station that serves: started, kept going by its tasks, and stopped in order."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import structlog

from api.station import Status
from dutyroom import chores, selfwatch, web
from dutyroom.emergency import undecided
from dutyroom.following import Following
from dutyroom.servicemanager import READY, STOPPING, ServiceManager
from dutyroom.settings import EXIT_UNWRITABLE, Settings, SettingsError
from dutyroom.station import Station
from dutyroom.supervisor import LoopWatch
from dutyroom.warmup import warm_up
from facility import records
from facility.ports import Beat, Receipt, Written
from facility.records import Kind, Record
from facility.text import Text
from response.pagers.answer import Answer
from response.pagers.modem import ModemPager
from response.paging import reached
from sitefolder import load

if TYPE_CHECKING:
    from collectors.supervisor import Collectors

log = structlog.get_logger(__name__)

UNSAID = Text(
    "磁盘不接受最后的记录，服务仍然结束了；重新启动后会从设备重新判断。请检查磁盘是否已满或故障。",
    "The disk did not take the last records, and the service has ended all the same; started again, it judges anew"
    " by what the devices say. Look whether the disk is full or failing.",
)
ANSWERS_READ = 5_000
"""Answers to pages that are looked through at the start, for who was reached lately."""
FENCED = Text(
    "另一个实例已接管值班记录，本实例已停止。请确认只运行一个实例。",
    "Another instance has taken over the log book; this one has stopped. See to it that only one runs.",
)


class Serving:
    """Runs a station until it is asked to stop."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._collectors: Collectors | None = None
        self._stopping = asyncio.Event()

    async def run(self, ready: Callable[[int], None]) -> None:
        """Serve until asked to stop; `ready` hears the port once the address answers."""
        station = self._station
        loop = asyncio.get_running_loop()
        for sign in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sign, self._stopping.set)
        serving, server = web.served(station, station.bound)
        watch = LoopWatch()
        watch.start()
        background = [
            asyncio.create_task(station.supervisor.watch()),
            asyncio.create_task(watch.beat(station.own.paused)),
        ]
        station.supervisor.keep("desk", station.desk.run, limit_ms=8_000)
        answering = asyncio.create_task(serving, name="web")
        while not server.started and not answering.done():
            await station.clock.until(station.clock.now() + 5)
        if not station.doubt.waiting:
            self._say_started()
        ready(station.bound.getsockname()[1])
        manager = ServiceManager()
        manager.say(READY)
        self._start_background()
        if manager.every_ms:
            station.supervisor.keep(
                "service-manager",
                lambda beat: manager.run(lambda: station.health().status is not Status.FAILING, station.clock, beat),
                limit_ms=60_000,
            )
        background.append(asyncio.create_task(warm_up([*station.ways.values()], station.clock)))
        stopping = asyncio.create_task(self._stopping.wait())
        fenced = asyncio.create_task(station.desk.ledger.fenced.wait())
        await asyncio.wait({stopping, fenced, answering}, return_when=asyncio.FIRST_COMPLETED)
        manager.say(STOPPING)
        server.should_exit = True
        last_turn = asyncio.create_task(self._finish_archiving())
        if self._collectors:
            await self._collectors.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(web.DRAIN_S + 1):
                await answering
        await last_turn
        await station.supervisor.stop()
        await station.emergency.stop()
        for task in (*background, stopping, fenced):
            task.cancel()
        if station.desk.ledger.fenced.is_set():
            watch.stop()
            raise SettingsError(FENCED)
        last = station.own.stopped()
        if station.doubt.waiting:  # there is no time to write beside anything
            station.desk.ledger.close()
            watch.stop()
            return
        try:
            await station.desk.stop([last])
        except TimeoutError:
            raise SettingsError(UNSAID, EXIT_UNWRITABLE) from None
        finally:
            watch.stop()

    def stop(self) -> None:
        """Ask for a stop in order."""
        self._stopping.set()

    def _start_background(self) -> None:
        from collectors.supervisor import Collectors

        station = self._station
        keep = station.supervisor.keep
        if station.archiving:  # first: it takes a second to be up, and somebody may look at a chart
            keep("archive", station.archiving.run, limit_ms=300_000)
        self._collectors = Collectors(
            station.field,
            station.profiles,
            station.desk,
            station.clock,
            station.supervisor,
            station.secrets,
            receipts=station.receipts,
            hurry=station.desk.hurry,
        )
        self._collectors.start()
        station.condition.collectors = station.adoption.collectors = self._collectors
        data, book, clock = station.settings.data, station.book, station.clock
        keep("spool", partial(chores.tidy_spool, data, book, station.backlog, clock), limit_ms=120_000)
        if station.forwarding:
            keep("influx", station.forwarding.run, limit_ms=120_000)
        keep("book-keeping", partial(chores.keep_book, data, book, clock, self._damaged), limit_ms=600_000)
        keep("auditor", station.auditor.run, limit_ms=180_000)
        keep("clock", self._keep_time, limit_ms=60_000)
        calm = partial(chores.look_for_cycles, lambda: station.desk.counts.records, clock)
        keep("cycles", calm, limit_ms=60_000)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, station.adoption.ring)
        keep("reload", station.adoption.run, limit_ms=120_000)
        keep("time-sources", station.times.run, limit_ms=300_000)
        lost = partial(station.emergency.run, lambda: station.desk.ledger.stuck, station.desk.unwritten)
        keep("emergency", lost, limit_ms=60_000)
        station.desk.subscribe(self._tell_leaders)
        keep("performance", station.alarm_figures.run, limit_ms=120_000)
        if isinstance(modem := station.ways.get("modem"), ModemPager):
            keep("modem", partial(modem.listen, station.replies.take), limit_ms=180_000)
        for long in station.long_lines:
            keep(f"long-{long.name}", partial(long.run, self._heard), limit_ms=180_000)
        following = Following(clock, station.desk, station.ways, station.addressee, station.deliveries)
        if following.kinds:
            keep("following", following.run, limit_ms=180_000)
        keep("outlook", partial(station.outlook.run, self._answers), limit_ms=180_000)
        if heart := station.condition.heart:
            keep("heartbeat", heart.run, limit_ms=120_000)
        if selfwatch.DEVICE in station.site.devices:
            keep(
                "self-watch",
                lambda beat: selfwatch.run(
                    station.site, station.clock, station.desk.scan, station.condition.look, beat
                ),
                limit_ms=20_000,
            )

    async def _heard(self, said: Answer | Receipt) -> Text | None:
        """Take what came back from a provider; return what the person is told."""
        if isinstance(said, Answer):
            return await self._station.replies.answer(said)
        self._station.deliveries.take(said)
        return None

    def _answers(self) -> Sequence[Written]:
        """Return the newest records that may show who was reached; for a thread."""
        since = self._station.clock.now() - reached.VALID_MS
        return self._station.book.find(kinds=reached.PROOF_KINDS, from_ms=since, limit=ANSWERS_READ)

    async def _finish_archiving(self) -> None:
        if self._station.archiving:
            await self._station.archiving.finish()

    def _damaged(self, record: Record) -> None:
        self._station.desk.report(record)
        self._station.condition.damaged = True

    async def _keep_time(self, beat: Beat) -> None:
        station = self._station
        if station.doubt.waiting:
            moved, doubted = await station.doubt.over(beat)
            station.desk.release(moved)
            station.own.say(Kind.CLOCK_DOUBTED, doubted)
            self._say_started()
        await chores.follow_clock(station.clock, station.own.stepped, beat)

    def _tell_leaders(self, written: Sequence[Written]) -> None:
        """Call the leader about what is not decided any more: nobody else is called for it by itself."""
        for one in written:
            if isinstance(data := one.record.data, records.ItemQuarantined):
                words = undecided(self._station.site, data.which, data.what)
                if words is not None:
                    self._station.emergency.call(f"quarantined/{data.which}/{one.seq}", words)

    def _say_started(self) -> None:
        station = self._station
        for record in station.found:
            station.desk.report(record)
        last = station.book.last(Kind.CONFIG_ADOPTED)
        if last is None or getattr(last.record.data, "hash", "") != station.site.hash:
            station.own.adopted(station.site.hash)
        station.condition.clean = clean = station.book.clean or not station.book.head()[0]
        station.own.started(station.desk.replayed, clean=clean)
        if not station.accounts.users():
            log.warning("nobody can log in yet; add somebody with `dutyroom user add`", data=str(station.settings.data))
        for kind, people in station.condition.unpaged().items():
            log.warning("a channel has no pager here; its pages will be refused", channel=kind, people=people)


def serve(settings: Settings, ready: Callable[[int], None]) -> None:
    """Load the site, build the station and run it until it is asked to stop."""
    loaded = load(settings.site_folder)  # first: a site that is refused leaves no data folder behind
    settings = settings.of_site(loaded.site.settings).checked()

    async def main() -> None:
        station = Station(loaded, settings)
        try:
            await Serving(station).run(ready)
        finally:
            station.close()

    try:
        import uvloop
    except ImportError:
        asyncio.run(main())
    else:
        uvloop.run(main())
