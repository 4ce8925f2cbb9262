"""The composition root: builds the station of its parts, and shows the API what they say. Straight on purpose."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from alarms.figures import Report
from alarms.hidden import Hidden
from api.station import Health, PhoneMessage, Reloaded, View
from collectors.mqtt.receipts import Receipts
from dutyroom import restored, selfwatch, spent, web
from dutyroom.adoption import Adoption, Plans, plans_kept
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
from dutyroom.emergency import Emergency
from dutyroom.forwarding import forwarding
from dutyroom.heartbeat import Heart
from dutyroom.outlook import Outlook
from dutyroom.ownwords import OwnWords
from dutyroom.performance import Performance
from dutyroom.replies import Replies
from dutyroom.settings import Settings
from dutyroom.supervisor import Supervisor
from dutyroom.timekeeping import TimeSources
from facility.commands import Command, Refused
from facility.ports import Layout, Telemetry, Written
from facility.records import Record
from facility.site import Site
from facility.text import Text
from response.duty import Ahead
from response.pagers import demo as demo_pager
from sitefolder import Loaded
from stores.accounts import Accounts
from stores.files import FileStore
from stores.live import Live
from stores.lock import InstanceLock
from stores.opening import open_book
from stores.reserve import FOR_RECORDS
from stores.telemetry.gaps import RecordedGap
from stores.telemetry.spool import Spool

if TYPE_CHECKING:
    from collectors.supervisor import LineStatus

log = structlog.get_logger(__name__)


class Station:
    """Implements api.station.Station over the desk, the stores and the collectors."""

    def __init__(self, loaded: Loaded, settings: Settings) -> None:
        """Open the stores and rebuild the state; nothing is connected yet."""
        self.settings = settings
        self.field = loaded.site
        self.site = selfwatch.with_host(loaded.site)
        self.profiles, self.secrets = loaded.profiles, loaded.secrets
        data = settings.data
        data.mkdir(parents=True, exist_ok=True)
        self.lock = InstanceLock(data)
        self.lock.acquire()
        self.bound = web.bind(settings.host, settings.port)
        self.clock = SystemClock()
        self.book, self.found = open_book(data / "logbook.db", data / "snapshots", self.clock.now(), site=self.site.id)
        newest = _newest(self.book)
        self.clock = SystemClock(not_before=floor(newest))
        self.own = OwnWords(self.site.id, self.clock, self.report)
        self.doubt = Doubt(self.clock, newest)
        self.times = TimeSources(settings.ntp_servers, self.clock)
        self.spool = Spool(data / "spool.db", self.clock, keep_free=FOR_RECORDS)
        self.live = Live(self._layouts(self.site, {}))
        self.forwarding = forwarding(settings, self.site, self.spool, self.clock)
        self.archiving: Archiving | None = None
        if self.forwarding and settings.history == "influx":
            self.telemetry: Telemetry = self.forwarding.influx
        else:
            self.archiving = Archiving(settings, self.site, self.spool, self.clock, self.own.forgotten)
            self.telemetry = self.archiving.archivist
        self.accounts = Accounts(data / "accounts.db")
        self.files = FileStore(data / "files")
        self.supervisor = Supervisor(self.own.restarted)
        self.backlog = Backlog(
            self.spool, settings.spool_mb << 20, self.clock, readers(self.spool, self.archiving, self.forwarding)
        )
        self.ways = channels(settings, self.secrets, self.clock, self._phone_file)
        self.receipts = Receipts(self.spool.numbers(), self.spool.heard_until_ms())
        self.desk = Desk(
            self.site,
            self.clock,
            self.book,
            self.spool,
            self.live,
            self.ways,
            self.addressee,
            self.receipts,
        )
        self._remember()
        self.alarm_figures = Performance(self.site, self.clock, self.book, lambda: self.desk.standing.alarms)
        self.replies = Replies(self.site, self.clock, self.desk)
        self.deliveries = Deliveries(self.clock, self.desk)
        self.long_lines = long_lines(settings, self.secrets, self.clock)
        self.auditor = Auditor(self.clock, self.book, self.desk)
        self.outlook = Outlook(self._site_as_changed, self.clock, demo=settings.demo)
        self.desk.subscribe(self.outlook.told)
        self.emergency = Emergency(lambda: self.site, self.clock, self.ways, self.addressee, self.desk.report)
        self.adoption = Adoption(loaded, settings.site_folder, data, self.clock, self.own, self.desk.adopt, self.adopt)
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
            ways=self.ways,
            damaged=bool(self.found),
            doubt=self.doubt,
            times=self.times,
            outlook=self.outlook,
            long_lines=self.long_lines,
        )
        if settings.heartbeat_url:
            secret = self.secrets.get("heartbeat_secret", "")
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
            standing.held,
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
        return self.alarm_figures.report(last, days, console)

    def phones(self) -> Sequence[PhoneMessage]:
        """Return what the demo phones received."""
        return [PhoneMessage(at, m) for at, m in demo_pager.messages(self._phone_file)] if self.settings.demo else ()

    def subscribe(self, told: Callable[[Sequence[Written]], Any]) -> Callable[[], None]:
        """Call `told` after every commit that wrote records."""
        return self.desk.subscribe(told)

    # -- its life -----------------------------------------------------------------------------------------

    def close(self) -> None:
        """Let go of the stores, of the address and of the data folder."""
        self.bound.close()
        if self.archiving:
            self.archiving.close()
        if self.forwarding:
            self.forwarding.influx.close()
        self.spool.close()
        self.book.close()
        self.accounts.close()
        self.lock.release()

    def report(self, record: Record) -> None:
        """Put a record of the service itself into the desk's next turn."""
        self.desk.report(record)

    def addressee(self, person: str, channel: str, incident: str) -> Addressee | None:
        """Return where a page goes, with the link that holds after the newest commit."""
        running = self.desk.standing.incidents.get(incident)
        generation = running.handset.generations.get(person, 0) if running else 0
        return addressee(self.site, self.settings, person, channel, incident, generation)

    async def reload(self, actor: str, *, dry: bool = False) -> Reloaded:
        """Read the site folder again."""
        return await self.adoption.reload(actor, dry=dry)

    def adopt(self, loaded: Loaded, site: Site, plans: Plans) -> None:
        """Let other files hold, from this moment on: everybody's but the desk's and the collectors'."""
        self.desk.matters.plans.update(plans)
        self.field, self.profiles, self.secrets = loaded.site, loaded.profiles, loaded.secrets
        self.live.exchange(self._layouts(site, self.spool.layouts()))
        self.site = self.alarm_figures.site = self.replies.site = site
        self.condition.adopt(site)
        if self.archiving:
            self.archiving.adopt(site)
        if self.forwarding:
            self.forwarding.adopt(site)

    def _layouts(self, site: Site, known: Mapping[str, Layout]) -> dict[str, Layout]:
        """Return the layout of every device of the site; a new one where points or profile are not the known ones."""
        layouts = {}
        stamps = {id: profile.stamp for id, profile in self.profiles.items()}
        for id, device in site.devices.items():
            stamp, layout = stamps.get(device.profile, device.profile), known.get(id)
            if layout is None or layout.profile != stamp or layout.points != device.points:
                layout = self.spool.layout(id, device.points, stamp)
            layouts[id] = layout
        return layouts

    def _site_as_changed(self) -> Site:
        roster = self.desk.standing.roster
        return self.site if roster is None else self.site.with_roster(roster, self.site.hash)

    def _remember(self) -> None:
        """Rebuild the state from the book; what a restored backup owes is said before anything else is decided."""
        if self.doubt.waiting:
            self.desk.hold()
        now = self.clock.now()
        self.desk.matters.plans.update(plans_kept(self.settings.data, self.site))
        if spent.limited(self.ways):
            past = self.book.find(kinds=spent.KINDS, from_ms=now - spent.DAY_MS, limit=spent.MOST)
            spent.count(past, self.ways, self.addressee)
        newest = restored.newest_incident(self.book, self.site, now)
        self.desk.restore(self.book.open_records(), newest, _newest(self.book))
        if owed := restored.record_of(self.book, self.desk.standing.incidents, now):
            self.desk.report(owed)

    @property
    def _phone_file(self) -> Path:
        return self.settings.data / "demo-phone.jsonl"


def _newest(book: Any) -> int:
    seq, _ = book.head()
    newest = book.tail(seq - 1, 1) if seq else ()
    return newest[-1].record.at_ms if newest else 0
