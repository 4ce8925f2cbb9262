"""The composition root: builds the station, starts it, and stops it in order. Boring and straight on purpose."""

import asyncio
import contextlib
import hashlib
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from alarms.figures import Report
from alarms.hiding import Hidden
from api.station import Health, Notice, PhoneMessage, SpoolHealth, Status, TaskHealth, View
from collectors.mqtt.receipts import Receipts
from dutyroom import __version__, backlog, selfwatch
from dutyroom import notices as words
from dutyroom.archiving import Archiving
from dutyroom.backlog import Backlog, Reader
from dutyroom.channels import channels
from dutyroom.clock import SystemClock
from dutyroom.desk import Desk
from dutyroom.dispatch import Addressee
from dutyroom.forwarding import forwarding
from dutyroom.heartbeat import FAILED_AFTER, Heart, Sign
from dutyroom.performance import Performance
from dutyroom.replies import command_of
from dutyroom.servicemanager import READY, STOPPING, ServiceManager
from dutyroom.settings import Settings, SettingsError
from dutyroom.supervisor import LoopWatch, Supervisor
from dutyroom.warmup import warm_up
from facility import records
from facility.commands import Command, Refused
from facility.ports import Telemetry, Written
from facility.records import Kind, Record
from facility.text import Text
from response import token
from response.pagers import demo as demo_pager
from response.pagers.modem import ModemPager, Reply
from sitefolder import Loaded, load
from stores.accounts import Accounts
from stores.errors import StoreError
from stores.live import Live
from stores.lock import InstanceLock
from stores.opening import open_book
from stores.reserve import FOR_RECORDS, disk_state
from stores.telemetry.gaps import RecordedGap
from stores.telemetry.source import CURSOR
from stores.telemetry.spool import Spool

if TYPE_CHECKING:
    from collectors.supervisor import Collectors, LineStatus

log = structlog.get_logger(__name__)

TIDY_MS = 2_000
SNAPSHOT_MS = 3_600_000
DRAIN_S = 3
UNCLEAN_SHOWN_MS = 60_000
LINES_MS = 10_000
"""How long after the start a line that was not asked anything yet is not called down."""
UNSAID = Text(
    "磁盘不接受最后的记录，服务仍然结束了；重新启动后会从设备重新判断。请清理磁盘。",
    "The disk did not take the last records, and the service has ended all the same; started again, it judges anew"
    " by what the devices say. Free disk space.",
)
FENCED = Text(
    "另一个实例已接管值班记录，本实例已停止。请确认只运行一个实例。",
    "Another instance has taken over the log book; this one has stopped. See to it that only one runs.",
)


class Station:
    """Implements api.station.Station over the desk, the stores and the collectors."""

    def __init__(self, loaded: Loaded, settings: Settings) -> None:
        """Open the stores and rebuild the state; nothing is connected yet."""
        self.settings = settings
        self._field = loaded.site
        self.site = selfwatch.with_host(loaded.site)
        self._profiles, self._secrets = loaded.profiles, loaded.secrets
        data = settings.data
        data.mkdir(parents=True, exist_ok=True)
        self.lock = InstanceLock(data)
        self.lock.acquire()
        self._bound = _bind(settings.host, settings.port)
        self.clock = SystemClock()
        self.book, self._report = open_book(
            data / "logbook.db", data / "snapshots", self.clock.now(), site=self.site.id
        )
        self.clock = SystemClock(not_before=_newest(self.book))
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
        self.supervisor = Supervisor(self._task_restarted)
        self.backlog = Backlog(self.spool, settings.spool_mb << 20, self.clock, self._readers())
        self._ways = channels(settings, self._secrets, self.clock, self._phone_file)
        secret = self._secrets.get("heartbeat_secret", "")
        url = settings.heartbeat_url
        self.heart = Heart(url, secret, self._sign, self.clock) if url else None
        self._receipts = Receipts(self.spool.numbers(), self.spool.heard_until_ms())
        self.desk = Desk(
            self.site, self.clock, self.book, self.spool, self.live, self._ways, self._addressee, self._receipts
        )
        newest = self.book.last(Kind.INCIDENT_OPENED)
        self.desk.restore(self.book.open_records(), newest.record.subject if newest else "")
        self._performance = Performance(self.site, self.clock, self.book, lambda: self.desk.standing.alarms)
        self._collectors: Collectors | None = None
        self._standing: list[Notice] = []
        self._standing_at = 0
        self._stopping = asyncio.Event()
        self._started = self.clock.now()
        self._clean = self._damaged = False
        self._told_down: set[str] = set()
        self._asking: set[asyncio.Task[Sequence[Written] | Refused]] = set()

    # -- what the API reads -------------------------------------------------------------------------------

    async def ask(self, command: Command) -> Sequence[Written] | Refused:
        """Carry out a command."""
        return await self.desk.ask(command)

    def view(self) -> View:
        """Return the committed state with the notices of the moment."""
        now, standing = self.clock.now(), self.desk.standing
        planned = standing.permits, standing.tickets
        return View(now, standing.seq, standing.alarms, standing.incidents, self.notices(), *planned)

    def notices(self) -> list[Notice]:
        """Return what every screen must say about the product itself."""
        now = self.clock.now()
        if now - self._standing_at > 60_000:  # noqa: PLR2004 - a roster does not change by the second
            self._standing, self._standing_at = words.standing(self.site, now, self._unpaged()), now
        passing = words.passing(self.desk.standing.incidents, self._troubles(), now)
        return self._standing + passing + backlog.notices(self.backlog.held, now)

    def hiding(self) -> Sequence[Hidden]:
        """Return every alarm that disturbs nobody now, and why."""
        return self.desk.hiding()

    def preview(self, command: Command) -> Sequence[Hidden] | Refused:
        """Return what a shelf or a permit would keep out of sight if it were set now."""
        return self.desk.preview(command)

    def missing(self, incident: str) -> Sequence[Text]:
        """Return what still forbids closing."""
        return self.desk.missing(incident)

    def generation(self, incident: str, person: str) -> int:
        """Return the generation of a person's phone link; it only rises when links can be revoked."""
        del incident, person
        return 0

    def health(self) -> Health:
        """Return who made progress when, and what is missing."""
        loop = asyncio.get_running_loop().time()
        tasks = [TaskHealth(t.name, t.age_ms(loop), t.limit_ms) for t in self.supervisor.tasks.values()]
        seq, head = self.book.head()
        reasons = [n.text for n in self.notices() if n.level == "error" or n.id.startswith("line:")]
        held = self.backlog.held
        spool = SpoolHealth(held.rows, held.oldest_ms, held.bytes, held.budget, held.lags)
        return Health(self.clock.now(), tasks, spool, seq, head, self.site.id, reasons)

    def lines(self) -> "Sequence[LineStatus]":
        """Return the state of every line."""
        return self._collectors.status() if self._collectors else ()

    def gaps(self, device: str, limit: int) -> Sequence[RecordedGap]:
        """Return the newest recorded gaps of a device."""
        return self.spool.gaps(limit, device)

    def metrics(self) -> Mapping[str, float]:
        """Return figures for /metrics."""
        counts, now, held = self.desk.counts, self.clock.now(), self.backlog.held
        figures: dict[str, float] = {
            "scans_total": counts.scans,
            "scans_lost_total": counts.scans_lost,
            "transitions_total": counts.transitions,
            "records_total": counts.records,
            "commits_total": counts.commits,
            "commands_total": counts.commands,
            "pages_sent_total": counts.pages_sent,
            "pages_refused_total": counts.pages_refused,
            "dead_letters_total": counts.dead_letters,
            "book_failures_total": counts.book_failures,
            "spool_failures_total": counts.spool_failures,
            "scans_waiting": self.desk.ledger.waiting,
            "spool_rows": held.rows,
            "spool_bytes": held.bytes,
            "spool_budget_bytes": held.budget,
            "spool_oldest_seconds": (now - held.oldest_ms) / 1000 if held.oldest_ms else 0.0,
            "alarms_open": len(self.desk.standing.alarms),
            "alarms_active": sum(a.active for a in self.desk.standing.alarms.values()),
            "incidents_open": len(self.desk.standing.incidents),
            "task_restarts_total": sum(t.restarts for t in self.supervisor.tasks.values()),
            "clock_offset_seconds": self.clock.offset() / 1000,
        }
        for lag in held.lags:
            figures[f'store_behind_seconds{{store="{lag.reader}"}}'] = (now - (lag.oldest_ms or now)) / 1000
            figures[f'store_scans_given_up_total{{store="{lag.reader}"}}'] = held.given_up.get(lag.reader, 0)
        if self.forwarding:
            figures.update(self.forwarding.figures())
        for line in self.lines():
            figures[f'line_up{{line="{line.line}"}}'] = float(line.connected)
        for device, had in self.spool.gap_counts().items():
            figures[f'gaps_total{{device="{device}"}}'] = float(had.gaps)
            figures[f'messages_missing_total{{device="{device}"}}'] = float(had.missing)
            figures[f'messages_filled_total{{device="{device}"}}'] = float(had.filled)
        return figures

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
        serving, server, port = self._server()
        watch = LoopWatch()
        watch.start()
        background = [asyncio.create_task(self.supervisor.watch()), asyncio.create_task(watch.beat())]
        self.supervisor.keep("desk", self.desk.run, limit_ms=8_000)
        web = asyncio.create_task(serving, name="web")
        while not server.started and not web.done():
            await self.clock.until(self.clock.now() + 5)
        self._say_started()
        ready(port)
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
        await asyncio.wait({stopping, fenced, web}, return_when=asyncio.FIRST_COMPLETED)
        manager.say(STOPPING)
        server.should_exit = True
        last_turn = asyncio.create_task(self._finish_archiving())
        if self._collectors:
            await self._collectors.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S + 1):
                await web
        await last_turn
        await self.supervisor.stop()
        for task in (*background, stopping, fenced):
            task.cancel()
        if self.desk.ledger.fenced.is_set():
            watch.stop()
            raise SettingsError(FENCED)
        site = f"site:{self.site.id}"
        last = Record(self.clock.now(), Kind.SERVICE_STOPPED, site, records.ServiceStopped("asked to"))
        try:
            await self.desk.stop([last])
        except TimeoutError:
            raise SettingsError(UNSAID) from None
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

    def _server(self) -> tuple[Coroutine[Any, Any, None], Any, int]:
        import uvicorn

        from api.app import create

        config = uvicorn.Config(
            create(self),
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="websockets-sansio",
            timeout_graceful_shutdown=DRAIN_S,
            ws_max_size=1_048_576,
        )

        class Server(uvicorn.Server):
            """Leaves the signals to us."""

            @contextlib.contextmanager
            def capture_signals(self) -> Iterator[None]:
                yield

        server = Server(config)
        return server.serve(sockets=[self._bound]), server, self._bound.getsockname()[1]

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
        keep("spool", self._tidy_spool, limit_ms=120_000)
        if self.forwarding:
            keep("influx", self.forwarding.run, limit_ms=120_000)
        keep("book-keeping", self._keep_book, limit_ms=600_000)
        keep("clock", self._follow_clock, limit_ms=60_000)
        keep("performance", self._performance.run, limit_ms=120_000)
        if isinstance(modem := self._ways.get("modem"), ModemPager):
            keep("modem", partial(modem.listen, self._replied), limit_ms=180_000)
        if self.heart:
            keep("heartbeat", self.heart.run, limit_ms=120_000)
        if selfwatch.DEVICE in self.site.devices:
            keep(
                "self-watch",
                lambda beat: selfwatch.run(self.site, self.clock, self.desk.scan, self._look_at_self, beat),
                limit_ms=20_000,
            )

    async def _finish_archiving(self) -> None:
        if self.archiving:
            await self.archiving.finish()

    def _forgotten(self, gone: records.HistoryForgotten) -> None:
        self.desk.report(Record(self.clock.now(), Kind.HISTORY_FORGOTTEN, f"site:{self.site.id}", gone))

    async def _tidy_spool(self, beat: Callable[[], None]) -> None:
        while True:
            beat()
            trouble = False
            try:
                await asyncio.to_thread(self.book.hold_reserve)
                roomy = disk_state(self.settings.data).free >= FOR_RECORDS
                await asyncio.to_thread(self.backlog.tidy, roomy=roomy)
            except StoreError as error:
                trouble = True
                log.error("the spool cannot be tidied; it is tried again", why=str(error))
            await self.clock.until(self.clock.now() + (6 if trouble else 1) * TIDY_MS)

    async def _keep_book(self, beat: Callable[[], None]) -> None:
        while True:
            beat()
            for record in await asyncio.to_thread(self.book.check_whole, self.clock.now()):
                self.desk.report(record)
                self._damaged = True
            try:
                await asyncio.to_thread(self.book.keep_snapshot, self.settings.data / "snapshots", self.clock.now())
            except StoreError as error:
                log.error("no snapshot this hour", why=str(error))
            until = self.clock.now() + SNAPSHOT_MS
            while self.clock.now() < until:
                beat()
                await self.clock.until(min(until, self.clock.now() + 60_000))

    async def _follow_clock(self, beat: Callable[[], None]) -> None:
        while True:
            beat()
            if step := self.clock.lead_in():
                data = records.ClockStepped(step)
                self.desk.report(Record(self.clock.now(), Kind.CLOCK_STEPPED, f"site:{self.site.id}", data))
            await self.clock.until(self.clock.now() + 10_000)

    # -- what it says of itself ---------------------------------------------------------------------------

    def _say_started(self) -> None:
        site, now = f"site:{self.site.id}", self.clock.now()
        for record in self._report:
            self.desk.report(record)
        last = self.book.last(Kind.CONFIG_ADOPTED)
        if last is None or getattr(last.record.data, "hash", "") != self.site.hash:
            self.desk.report(Record(now, Kind.CONFIG_ADOPTED, site, records.ConfigAdopted(self.site.hash)))
        self._clean = self.book.clean or not self.book.head()[0]
        data = records.ServiceStarted(__version__, self.desk.replayed, self._clean)
        self.desk.report(Record(now, Kind.SERVICE_STARTED, site, data))
        if not self.accounts.users():
            log.warning("nobody can log in yet; add somebody with `dutyroom user add`", data=str(self.settings.data))
        for kind, people in self._unpaged().items():
            log.warning("a channel has no pager here; its pages will be refused", channel=kind, people=people)

    def _unpaged(self) -> dict[str, int]:
        """Count, by kind of channel that this service cannot use, whom it would not reach."""
        ways = [one.channels for one in self.site.people.values()] + [
            one.channels for one in self.site.parties.values()
        ]
        kinds = [c.kind for channels in ways for c in channels if c.kind not in self._ways]
        return {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}

    def _task_restarted(self, task: str, why: str, times: int) -> None:
        data = records.TaskRestarted(task, why[:500], times)
        self.desk.report(Record(self.clock.now(), Kind.TASK_RESTARTED, f"site:{self.site.id}", data))

    def _tell_lines(self) -> None:
        """Say in the log, once each time, that a line went down or came back."""
        down = set(self._lines_down())
        for line in sorted(down - self._told_down):
            log.warning("a line is down; it is tried again by itself", line=line)
        for line in sorted(self._told_down - down):
            log.warning("a line is back", line=line)
        self._told_down = down

    def _lines_down(self) -> list[str]:
        """Return the lines that are not connected; one that was not tried yet is not down."""
        tried = self.clock.now() >= self._started + LINES_MS
        return [line.line for line in self._troubled() if not line.connected and (tried or line.failures)]

    def _troubled(self) -> "Sequence[LineStatus]":
        return self._collectors.troubled() if self._collectors else ()

    def _look_at_self(self) -> Mapping[str, float]:
        self._tell_lines()
        counts, held = self.desk.counts, self.backlog.held
        refused = sum(
            page.state == "refused" for i in self.desk.standing.incidents.values() for page in i.pages.values()
        )
        return {
            "disk_used": disk_state(self.settings.data).used_percent,
            "spool_age": (self.clock.now() - held.oldest_ms) / 1000 if held.oldest_ms else 0.0,
            "spool_used": held.used_percent,
            "readings_given_up": float(sum(held.given_up.values())),
            "task_restarts": float(sum(t.restarts for t in self.supervisor.tasks.values())),
            "scans_lost": float(counts.scans_lost),
            "dead_letters": float(counts.dead_letters),
            "pages_refused": float(refused),
            "store_failures": float(counts.book_failures + counts.spool_failures),
            "store_damaged": float(bool(self._report) or self._damaged),
            "unclean_start": float(not self._clean and self.clock.now() < self._started + UNCLEAN_SHOWN_MS),
            "clock_offset": abs(self.clock.offset()) / 1000,
        }

    def _readers(self) -> dict[str, Reader]:
        """Return the stores behind the spool."""
        found: dict[str, Reader] = {}
        if archiving := self.archiving:
            found["archive"] = Reader(partial(self.spool.cursor, CURSOR), lambda: archiving.trouble)
        if self.forwarding:
            forwarder = self.forwarding.influx.forwarder
            found["influx"] = Reader(partial(forwarder.sent, self.spool), lambda: forwarder.trouble)
        return found

    def _troubles(self) -> words.Troubles:
        counts = self.desk.counts
        return words.Troubles(
            disk_state(self.settings.data).used_percent,
            self.desk.ledger.refused,
            self.desk.ledger.stuck,
            counts.scans_lost,
            self._lines_down(),
            [(line.line, remark) for line in self._troubled() for remark in line.remarks],
            self.heart.why if self.heart and self.heart.failures >= FAILED_AFTER else "",
        )

    def _replied(self, reply: Reply) -> None:
        """Carry out what somebody sent back; what it was not understood as is said, so that the operator may ask."""
        request = hashlib.sha256(f"{reply.number}/{reply.text}/{self.clock.now()}".encode()).hexdigest()[:24]
        asked = command_of(reply.number, reply.text, request, self.site, self.desk.standing.incidents.values())
        if asked is None:
            log.warning("a text message that is no reply to a page", number=reply.number[-4:], text=reply.text[:20])
            return
        task = asyncio.create_task(self.desk.ask(asked), name="reply")
        self._asking.add(task)
        task.add_done_callback(self._answered)

    def _answered(self, task: "asyncio.Task[Sequence[Written] | Refused]") -> None:
        self._asking.discard(task)
        if not task.cancelled() and isinstance(said := task.result(), Refused):
            log.warning("a reply was refused", why=said.why.en)

    def _sign(self) -> Sign:
        health = self.health()
        reasons = [f"{t.name} {t.age_ms // 1000} s" for t in health.tasks if t.age_ms > t.limit_ms]
        reasons += [reason.en for reason in health.reasons]
        return Sign(self.site.id, health.at_ms, health.book_seq, health.book_head, health.status.value, reasons)

    # -- pagers -------------------------------------------------------------------------------------------

    @property
    def _phone_file(self) -> Path:
        return self.settings.data / "demo-phone.jsonl"

    def _addressee(self, person: str, channel: str, incident: str) -> Addressee | None:
        who = self.site.people.get(person) or self.site.parties.get(person)
        address = next((c.address for c in who.channels if c.kind == channel), None) if who else None
        if address is None:
            return None
        link = f"{self.settings.base_url}/p/{token.phone_token(self.settings.secret, incident, person)}"
        return Addressee(address, link)


def _newest(book: Any) -> int:
    seq, _ = book.head()
    newest = book.tail(seq - 1, 1) if seq else ()
    return newest[-1].record.at_ms if newest else 0


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise SettingsError(
            Text(
                f"端口 {host}:{port} 无法使用（{error.strerror}）。请换一个端口（--port），或停止占用它的程序。",
                f"The address {host}:{port} cannot be used ({error.strerror})."
                " Choose another --port, or stop what uses it.",
            )
        ) from error
    return bound


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
