"""The composition root: builds the station, starts it, and stops it in order. Boring and straight on purpose."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from alarms.figures import Report
from alarms.hidden import Hidden
from api.station import Health, PhoneMessage, Status, View
from collectors.mqtt.receipts import Receipts
from dutyroom import __version__, chores, reloading, restored, selfwatch, web
from dutyroom.archiving import Archiving
from dutyroom.auditor import Auditor
from dutyroom.backlog import Backlog, readers
from dutyroom.channels import addressee, channels, long_lines
from dutyroom.clock import SystemClock
from dutyroom.condition import Condition
from dutyroom.deliveries import Deliveries
from dutyroom.desk import Desk
from dutyroom.dispatch import Addressee
from dutyroom.doubt import Doubt, floor
from dutyroom.emergency import Emergency, undecided
from dutyroom.following import Following
from dutyroom.forwarding import forwarding
from dutyroom.heartbeat import Heart
from dutyroom.outlook import Outlook
from dutyroom.performance import Performance
from dutyroom.replies import Replies
from dutyroom.servicemanager import READY, STOPPING, ServiceManager
from dutyroom.settings import EXIT_UNWRITABLE, Settings, SettingsError
from dutyroom.supervisor import LoopWatch, Supervisor
from dutyroom.timekeeping import TimeSources
from dutyroom.warmup import warm_up
from facility import records
from facility.commands import Command, Refused
from facility.ports import Beat, Receipt, Telemetry, Written
from facility.records import Kind, Payload, Record
from facility.site import Site
from facility.text import Text
from response import reached
from response.duty import Ahead
from response.pagers import demo as demo_pager
from response.pagers.answer import Answer
from response.pagers.modem import ModemPager
from sitefolder import Loaded, SiteError, load
from stores.accounts import Accounts
from stores.files import FileStore
from stores.live import Live
from stores.lock import InstanceLock
from stores.opening import open_book
from stores.plans import PlanStore
from stores.reserve import FOR_RECORDS
from stores.telemetry.gaps import RecordedGap
from stores.telemetry.spool import Spool

if TYPE_CHECKING:
    from collectors.supervisor import Collectors, LineStatus

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


class Station:
    """Implements api.station.Station over the desk, the stores and the collectors."""

    def __init__(self, loaded: Loaded, settings: Settings) -> None:
        """Open the stores and rebuild the state; nothing is connected yet."""
        self.settings = settings
        self._loaded, self._field = loaded, loaded.site
        self.site = selfwatch.with_host(loaded.site)
        self._profiles, self._secrets = loaded.profiles, loaded.secrets
        data = settings.data
        data.mkdir(parents=True, exist_ok=True)
        self.lock = InstanceLock(data)
        self.lock.acquire()
        self._bound = web.bind(settings.host, settings.port)
        self.clock = SystemClock()
        self.book, self._report = open_book(
            data / "logbook.db", data / "snapshots", self.clock.now(), site=self.site.id
        )
        newest = _newest(self.book)
        self.clock = SystemClock(not_before=floor(newest))
        self._doubt = Doubt(self.clock, newest)
        self._times = TimeSources(settings.ntp_servers, self.clock)
        self.spool = Spool(data / "spool.db", self.clock, keep_free=FOR_RECORDS)
        for device in self.site.devices.values():
            profile = loaded.profiles.get(device.profile)
            self.spool.layout(device.id, device.points, profile.stamp if profile else device.profile)
        self.live = Live(self.spool.layouts())
        self.forwarding = forwarding(settings, self.site, self.spool, self.clock)
        self.archiving: Archiving | None = None
        if self.forwarding and settings.history == "influx":
            self.telemetry: Telemetry = self.forwarding.influx
        else:
            self.archiving = Archiving(settings, self.site, self.spool, self.clock, self._forgotten)
            self.telemetry = self.archiving.archivist
        self.accounts = Accounts(data / "accounts.db")
        self.files = FileStore(data / "files")
        self.supervisor = Supervisor(self._task_restarted)
        self.backlog = Backlog(
            self.spool, settings.spool_mb << 20, self.clock, readers(self.spool, self.archiving, self.forwarding)
        )
        self._ways = channels(settings, self._secrets, self.clock, self._phone_file)
        self._receipts = Receipts(self.spool.numbers(), self.spool.heard_until_ms())
        self.desk = Desk(
            self.site,
            self.clock,
            self.book,
            self.spool,
            self.live,
            self._ways,
            self._addressee,
            self._receipts,
        )
        self._remember()
        self._performance = Performance(self.site, self.clock, self.book, lambda: self.desk.standing.alarms)
        self._replies = Replies(self.site, self.clock, self.desk)
        self._deliveries = Deliveries(self.clock, self.desk)
        self._long_lines = long_lines(settings, self._secrets, self.clock)
        self._auditor = Auditor(self.clock, self.book, self.desk)
        self.outlook = Outlook(self._site_as_changed, self.clock, demo=settings.demo)
        self.desk.subscribe(self.outlook.told)
        self._emergency = Emergency(lambda: self.site, self.clock, self._ways, self._addressee, self.desk.report)
        self._collectors: Collectors | None = None
        self._stopping = asyncio.Event()
        self._asked_again, self._rung = asyncio.Event(), False  # to read the site folder again
        self.condition = Condition(
            site=self.site,
            data=data,
            clock=self.clock,
            book=self.book,
            spool=self.spool,
            desk=self.desk,
            supervisor=self.supervisor,
            backlog=self.backlog,
            forwarding=self.forwarding,
            ways=self._ways,
            damaged=bool(self._report),
            doubt=self._doubt,
            times=self._times,
            outlook=self.outlook,
            long_lines=self._long_lines,
        )
        if settings.heartbeat_url:
            secret = self._secrets.get("heartbeat_secret", "")
            self.condition.heart = Heart(settings.heartbeat_url, secret, self.condition.sign, self.clock)

    # -- what the API reads -------------------------------------------------------------------------------

    async def ask(self, command: Command) -> Sequence[Written] | Refused:
        """Carry out a command."""
        return await self.desk.ask(command)

    def view(self) -> View:
        """Return the committed state with the notices of the moment."""
        now, standing = self.clock.now(), self.desk.standing
        return View(
            now,
            standing.seq,
            standing.alarms,
            standing.incidents,
            self.condition.notices(),
            standing.permits,
            standing.tickets,
            standing.changes,
            standing.calendars,
            standing.roster,
            standing.tryouts,
            standing.out_of_service,
            standing.plans,
        )

    def hiding(self) -> Sequence[Hidden]:
        """Return every alarm that disturbs nobody now, and why."""
        return self.desk.hiding()

    def preview(self, command: Command) -> Sequence[Hidden] | Refused:
        """Return what a shelf or a permit would keep out of sight if it were set now."""
        return self.desk.preview(command)

    def missing(self, incident: str) -> Sequence[Text]:
        """Return what still forbids closing."""
        return self.desk.missing(incident)

    def health(self) -> Health:
        """Return who made progress when, and what is missing."""
        return self.condition.health()

    def lines(self) -> "Sequence[LineStatus]":
        """Return the state of every line."""
        return self.condition.lines()

    def gaps(self, device: str, limit: int) -> Sequence[RecordedGap]:
        """Return the newest recorded gaps of a device."""
        return self.spool.gaps(limit, device)

    def metrics(self) -> Mapping[str, float]:
        """Return figures for /metrics."""
        return self.condition.metrics()

    def ahead(self) -> Sequence[Ahead]:
        """Return what duty will lack if nobody does anything."""
        return self.outlook.ahead()

    def reached(self) -> Mapping[str, int]:
        """Return when each person last answered a page."""
        return self.outlook.reached()

    def performance(self, last: date, days: int, console: str) -> Report:
        """Return alarm performance of `days` local days up to `last`."""
        return self._performance.report(last, days, console)

    def phones(self) -> Sequence[PhoneMessage]:
        """Return what the demo phones received."""
        return [PhoneMessage(at, m) for at, m in demo_pager.messages(self._phone_file)] if self.settings.demo else ()

    def subscribe(self, told: Callable[[Sequence[Written]], Any]) -> Callable[[], None]:
        """Call `told` after every commit that wrote records."""
        return self.desk.subscribe(told)

    # -- running ------------------------------------------------------------------------------------------

    async def run(self, ready: Callable[[int], None]) -> None:
        """Serve until asked to stop; `ready` hears the port once the address answers."""
        loop = asyncio.get_running_loop()
        for sign in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sign, self._stopping.set)
        serving, server = web.served(self, self._bound)
        watch = LoopWatch()
        watch.start()
        background = [asyncio.create_task(self.supervisor.watch()), asyncio.create_task(watch.beat(self._paused))]
        self.supervisor.keep("desk", self.desk.run, limit_ms=8_000)
        answering = asyncio.create_task(serving, name="web")
        while not server.started and not answering.done():
            await self.clock.until(self.clock.now() + 5)
        if not self._doubt.waiting:
            self._say_started()
        ready(self._bound.getsockname()[1])
        manager = ServiceManager()
        manager.say(READY)
        self._start_background()
        if manager.every_ms:
            self.supervisor.keep(
                "service-manager",
                lambda beat: manager.run(lambda: self.health().status is not Status.FAILING, self.clock, beat),
                limit_ms=60_000,
            )
        background.append(asyncio.create_task(warm_up([*self._ways.values()], self.clock)))
        stopping = asyncio.create_task(self._stopping.wait())
        fenced = asyncio.create_task(self.desk.ledger.fenced.wait())
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
        await self.supervisor.stop()
        await self._emergency.stop()
        for task in (*background, stopping, fenced):
            task.cancel()
        if self.desk.ledger.fenced.is_set():
            watch.stop()
            raise SettingsError(FENCED)
        site = f"site:{self.site.id}"
        last = Record(self.clock.now(), Kind.SERVICE_STOPPED, site, records.ServiceStopped("asked to"))
        if self._doubt.waiting:  # there is no time to write beside anything
            self.desk.ledger.close()
            watch.stop()
            return
        try:
            await self.desk.stop([last])
        except TimeoutError:
            raise SettingsError(UNSAID, EXIT_UNWRITABLE) from None
        finally:
            watch.stop()

    def stop(self) -> None:
        """Ask the station to stop in order."""
        self._stopping.set()

    def close(self) -> None:
        """Let go of the stores, of the address and of the data folder."""
        self._bound.close()
        if self.archiving:
            self.archiving.close()
        if self.forwarding:
            self.forwarding.influx.close()
        self.spool.close()
        self.book.close()
        self.accounts.close()
        self.lock.release()

    def _start_background(self) -> None:
        from collectors.supervisor import Collectors

        keep = self.supervisor.keep
        if self.archiving:  # first: it takes a second to be up, and somebody may look at a chart
            keep("archive", self.archiving.run, limit_ms=300_000)
        self._collectors = Collectors(
            self._field,
            self._profiles,
            self.desk,
            self.clock,
            self.supervisor,
            self._secrets,
            receipts=self._receipts,
            hurry=self.desk.hurry,
        )
        self._collectors.start()
        self.condition.collectors = self._collectors
        data, book, clock = self.settings.data, self.book, self.clock
        keep("spool", partial(chores.tidy_spool, data, book, self.backlog, clock), limit_ms=120_000)
        if self.forwarding:
            keep("influx", self.forwarding.run, limit_ms=120_000)
        keep("book-keeping", partial(chores.keep_book, data, book, clock, self._damaged), limit_ms=600_000)
        keep("auditor", self._auditor.run, limit_ms=180_000)
        keep("clock", self._keep_time, limit_ms=60_000)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._ring)
        keep("reload", self._keep_reloading, limit_ms=120_000)
        keep("time-sources", self._times.run, limit_ms=300_000)
        lost = partial(self._emergency.run, lambda: self.desk.ledger.stuck, self.desk.unwritten)
        keep("emergency", lost, limit_ms=60_000)
        self.desk.subscribe(self._tell_leaders)
        keep("performance", self._performance.run, limit_ms=120_000)
        if isinstance(modem := self._ways.get("modem"), ModemPager):
            keep("modem", partial(modem.listen, self._replies.take), limit_ms=180_000)
        for long in self._long_lines:
            keep(f"long-{long.name}", partial(long.run, self._heard), limit_ms=180_000)
        following = Following(clock, self.desk, self._ways, self._addressee, self._deliveries)
        if following.kinds:
            keep("following", following.run, limit_ms=180_000)
        keep("outlook", partial(self.outlook.run, self._answers), limit_ms=180_000)
        if heart := self.condition.heart:
            keep("heartbeat", heart.run, limit_ms=120_000)
        if selfwatch.DEVICE in self.site.devices:
            keep(
                "self-watch",
                lambda beat: selfwatch.run(self.site, self.clock, self.desk.scan, self.condition.look, beat),
                limit_ms=20_000,
            )

    def _addressee(self, person: str, channel: str, incident: str) -> Addressee | None:
        """Return where a page goes, with the link that holds after the newest commit."""
        running = self.desk.standing.incidents.get(incident)
        generation = running.handset.generations.get(person, 0) if running else 0
        return addressee(self.site, self.settings, person, channel, incident, generation)

    async def _heard(self, said: Answer | Receipt) -> Text | None:
        """Take what came back from a provider; return what the person is told."""
        if isinstance(said, Answer):
            return await self._replies.answer(said)
        self._deliveries.take(said)
        return None

    def _site_as_changed(self) -> Site:
        roster = self.desk.standing.roster
        return self.site if roster is None else self.site.with_roster(roster, self.site.hash)

    def _answers(self) -> Sequence[Written]:
        """Return the newest records that may show who was reached; for a thread."""
        since = self.clock.now() - reached.VALID_MS
        return self.book.find(kinds=reached.PROOF_KINDS, from_ms=since, limit=ANSWERS_READ)

    async def _finish_archiving(self) -> None:
        if self.archiving:
            await self.archiving.finish()

    def _forgotten(self, gone: records.HistoryForgotten) -> None:
        self._tell(Kind.HISTORY_FORGOTTEN, gone)

    def _damaged(self, record: Record) -> None:
        self.desk.report(record)
        self.condition.damaged = True

    async def _keep_time(self, beat: Beat) -> None:
        if self._doubt.waiting:
            moved, doubted = await self._doubt.over(beat)
            self.desk.release(moved)
            self._tell(Kind.CLOCK_DOUBTED, doubted)
            self._say_started()
        await chores.follow_clock(self.clock, self._stepped, beat)

    def _ring(self) -> None:
        self._rung = True
        self._asked_again.set()

    async def _keep_reloading(self, beat: Beat) -> None:
        while True:
            beat()
            await self.clock.woken(self._asked_again, self.clock.now() + 30_000)
            if self._rung:
                self._rung = False
                came = await self._reload()
                await asyncio.to_thread(reloading.answer, self.settings.data, came)

    async def _reload(self) -> reloading.Reloaded:
        """Read the site folder again; adopt all of it, or say why not and go on as before."""
        try:
            loaded = await asyncio.to_thread(load, self.settings.site_folder)
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
        kept = PlanStore(self.settings.data / "plans")
        await asyncio.to_thread(kept.keep, site.plans.values())
        self.desk.plans.update(await asyncio.to_thread(kept.all))
        self.site = self.condition.site = self._performance.site = self._replies.site = site
        self.desk.adopt(site)
        adopted = records.ConfigAdopted(came.hash, f"reload: {', '.join(came.changed)}")
        self.desk.report(Record(self.clock.now(), Kind.CONFIG_ADOPTED, f"site:{site.id}", adopted, actor="cli"))
        return came

    def _remember(self) -> None:
        """Rebuild the state from the book; what a restored backup owes is said before anything else is decided."""
        if self._doubt.waiting:
            self.desk.hold()
        now = self.clock.now()
        kept = PlanStore(self.settings.data / "plans")
        kept.keep(self.site.plans.values())
        self.desk.plans.update(kept.all())
        self.desk.restore(self.book.open_records(), restored.newest_incident(self.book, self.site, now))
        if owed := restored.record_of(self.book, self.desk.standing.incidents, now):
            self.desk.report(owed)

    def _paused(self, began_ago_ms: int, ended_ago_ms: int) -> None:
        now = self.clock.now()
        self._tell(Kind.SERVICE_PAUSED, records.ServicePaused(now - began_ago_ms, now - ended_ago_ms))

    def _tell_leaders(self, written: Sequence[Written]) -> None:
        """Call the leader about an incident that is not decided any more: nobody else is called for it by itself."""
        for one in written:
            if isinstance(one.record.data, records.ItemQuarantined) and one.record.data.what == "incident":
                which = one.record.data.which
                self._emergency.call(f"quarantined/{which}/{one.seq}", undecided(self.site, which))

    def _stepped(self, step: int) -> None:
        self._tell(Kind.CLOCK_STEPPED, records.ClockStepped(step))

    def _task_restarted(self, task: str, why: str, times: int) -> None:
        self._tell(Kind.TASK_RESTARTED, records.TaskRestarted(task, why[:500], times))

    def _tell(self, kind: Kind, data: Payload) -> None:
        self.desk.report(Record(self.clock.now(), kind, f"site:{self.site.id}", data))

    def _say_started(self) -> None:
        for record in self._report:
            self.desk.report(record)
        last = self.book.last(Kind.CONFIG_ADOPTED)
        if last is None or getattr(last.record.data, "hash", "") != self.site.hash:
            self._tell(Kind.CONFIG_ADOPTED, records.ConfigAdopted(self.site.hash))
        self.condition.clean = clean = self.book.clean or not self.book.head()[0]
        self._tell(Kind.SERVICE_STARTED, records.ServiceStarted(__version__, self.desk.replayed, clean))
        if not self.accounts.users():
            log.warning("nobody can log in yet; add somebody with `dutyroom user add`", data=str(self.settings.data))
        for kind, people in self.condition.unpaged().items():
            log.warning("a channel has no pager here; its pages will be refused", channel=kind, people=people)

    @property
    def _phone_file(self) -> Path:
        return self.settings.data / "demo-phone.jsonl"


def _newest(book: Any) -> int:
    seq, _ = book.head()
    newest = book.tail(seq - 1, 1) if seq else ()
    return newest[-1].record.at_ms if newest else 0


def serve(settings: Settings, ready: Callable[[int], None]) -> None:
    """Load the site, build the station and run it until it is asked to stop."""
    loaded = load(settings.site_folder)  # first: a site that is refused leaves no data folder behind
    settings = settings.of_site(loaded.site.settings).checked()

    async def main() -> None:
        station = Station(loaded, settings)
        try:
            await station.run(ready)
        finally:
            station.close()

    try:
        import uvloop
    except ImportError:
        asyncio.run(main())
    else:
        uvloop.run(main())
