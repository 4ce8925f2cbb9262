"""Test pages: every channel of people and parties, tried out each week by day or when asked for, answered or not."""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from facility import records
from facility.commands import AnswerTest, Command, Refused, TryChannel
from facility.records import Kind, Record, test_subject
from facility.site import Site
from facility.text import Text
from response.context import Context
from response.paging.daytime import day_ms
from response.paging.requests import channels

ASKS = (TryChannel, AnswerTest)
"""The commands that are asked here."""

ATTEMPTS = 4
BACK_OFF_MS = 60_000
UNANSWERED_MS = 8 * 3_600_000
"""A test page that nobody confirmed for so long did not arrive, as far as anybody knows."""

TEXT = "【测试呼叫】请点链接或回复 1，确认能收到。不是报警。\n[Test page] Open the link or reply 1. This is no alarm."


class Tryout(Struct, frozen=True):
    """One test page. `state` is requested, refused, sent or answered; times are UTC milliseconds."""

    key: str
    person: str
    channel: str
    text: str
    why: str
    requested_ms: int
    not_before_ms: int
    state: str = "requested"
    at_ms: int = 0
    said: str = ""
    attempts: int = 0

    def failed(self, now: int) -> bool:
        """Say whether the channel has to be doubted: refused to the end, or nobody confirmed it in time."""
        if self.state == "refused":
            return self.attempts >= ATTEMPTS
        return self.state == "sent" and now >= self.at_ms + UNANSWERED_MS


class Tryouts:
    """The newest test page of each person and channel, as the records tell it."""

    def __init__(self) -> None:
        self._newest: dict[tuple[str, str], Tryout] = {}
        self._of: dict[str, tuple[str, str]] = {}
        self._over: list[str] = []
        self._since: int | None = None
        self._seen_to = 0  # the weekly moment for which everything has been asked

    def tell(self, record: Record) -> None:
        """Believe one more record; only those of test pages matter."""
        at = record.at_ms
        match record.data:
            case records.PageTestRequested() as data:
                self._requested(at, data)
            case records.PageTestSent(key=key, said=said):
                self._put(key, state="sent", at_ms=at, said=said)
            case records.PageTestRefused(key=key, said=said, attempt=attempt):
                wait = at + BACK_OFF_MS * attempt
                self._put(key, state="refused", at_ms=at, said=said, attempts=attempt, not_before_ms=wait)
            case records.PageTestAnswered(key=key):
                self._put(key, state="answered", at_ms=at)
            case records.ServiceRestored():
                self._drop_before(at)

    def newest(self) -> Mapping[tuple[str, str], Tryout]:
        """Return the newest test page by person and channel."""
        return dict(self._newest)

    def _requested(self, at: int, data: records.PageTestRequested) -> None:
        where = (data.person, data.channel)
        if (before := self._newest.get(where)) is not None:
            del self._of[before.key]
            self._over.append(test_subject(before.key))
        made = Tryout(data.key, *where, data.text, data.why, at, max(at, data.not_before_ms), at_ms=at)
        self._newest[where], self._of[data.key] = made, where
        self._since = at if self._since is None else min(self._since, at)

    def _drop_before(self, at: int) -> None:
        """Forget the test pages that came out of a backup unsent: new ones will come."""
        for where, test in list(self._newest.items()):
            if test.requested_ms <= at and test.state not in {"sent", "answered"}:
                del self._newest[where], self._of[test.key]
                self._over.append(test_subject(test.key))

    def _put(self, key: str, **now: object) -> None:
        where = self._of.get(key)
        if where is not None and self._newest[where].state != "answered":
            self._newest[where] = replace(self._newest[where], **now)

    def drop_over(self) -> list[str]:
        """Return the subjects of test pages that newer ones have replaced."""
        over, self._over = self._over, []
        return over

    # -- deciding -------------------------------------------------------------------------------------------

    def decide(self, context: Context) -> list[Record]:
        """Return the test pages of the week, once its moment has come; a service that slept over it does it that day.

        What was never tried begins with the first such moment after the service itself began.
        """
        if self._since is None:
            self._since = context.now
        site, now = context.site, context.now
        moment, _ = _weekly(site, now) or (0, 0)
        if moment <= max(self._since, self._seen_to):
            return []
        out: list[Record] = []
        if day_ms(site, now) != now or now >= moment + UNANSWERED_MS:
            self._seen_to = moment
            return out
        for who in (*site.people, *site.parties):
            for channel in channels(site, who):
                last = self._newest.get((who, channel))
                if last is None or last.requested_ms < moment:
                    key = _key(f"{moment}", who, channel)
                    out.append(_request(now, key, who, channel, "weekly"))
        self._seen_to = 0 if out else moment
        return out

    def due(self, context: Context) -> int | None:
        """Return when the next test pages of the week are due."""
        moments = _weekly(context.site, context.now)
        if moments is None:
            return None
        waits = self._since is not None and moments[0] > max(self._since, self._seen_to)
        return context.now if waits else moments[1]

    def unsent(self) -> list[Tryout]:
        """Return the test pages that are to be handed over, each not before its moment."""
        waits = (t for t in self._newest.values() if t.state in {"requested", "refused"})
        return [t for t in waits if t.attempts < ATTEMPTS]

    # -- what people ask ------------------------------------------------------------------------------------

    def ask(self, context: Context, command: Command) -> list[Record] | Refused:
        """Return the records of a command, or why not."""
        match command:
            case TryChannel(person=person, channel=channel):
                if channel not in channels(context.site, person):
                    return Refused("not-found", Text("此人没有这个通道。", "This person has no such channel."))
                last = self._newest.get((person, channel))
                if last is not None and last.state == "requested":
                    return []
                key = _key(command.request, person, channel)
                when = day_ms(context.site, context.now)
                asked = _request(context.now, key, person, channel, "asked", when if when > context.now else 0)
                return [_signed(asked, command)]
            case AnswerTest(person=person, key=key, via=via):
                where = self._of.get(key)
                if where is None or where[0] != person:
                    return Refused("not-found", Text("没有这次测试，可能已有更新的。", "There is no such test page."))
                if self._newest[where].state == "answered":
                    return []
                data = records.PageTestAnswered(key, via)
                made = Record(context.now, Kind.PAGE_TEST_ANSWERED, test_subject(key), data, about=(person,))
                return [_signed(made, command)]
        raise TypeError(type(command).__name__)


def answered_at(newest: Mapping[tuple[str, str], Tryout], person: str, channel: str) -> int | None:
    """Return when a person's channel was last shown to work, by an answered test page; None: not by the newest."""
    last = newest.get((person, channel))
    return last.at_ms if last is not None and last.state == "answered" else None


def _request(at: int, key: str, person: str, channel: str, why: str, when: int = 0) -> Record:
    data = records.PageTestRequested(key, person, channel, TEXT, why, when)
    return Record(at, Kind.PAGE_TEST_REQUESTED, test_subject(key), data, request=f"test/{key}", about=(person,))


def _signed(record: Record, command: Command) -> Record:
    return Record(
        record.at_ms, record.kind, record.subject, record.data, command.actor, command.request, record.about
    )  # fmt: skip


def _key(*parts: str) -> str:
    return hashlib.sha256("|".join(("test", *parts)).encode()).hexdigest()[:24]


def _weekly(site: Site, now: int) -> tuple[int, int] | None:
    """Return the newest weekly moment that has come and the next one; None where the site has none."""
    if site.paging.test_weekday is None:
        return None
    zone = ZoneInfo(site.timezone)
    here = datetime.fromtimestamp(now / 1000, zone)
    hour, minute = divmod(site.paging.test_minute, 60)
    day = here.date() - timedelta(days=(here.weekday() - site.paging.test_weekday) % 7)
    moments = [
        int(datetime(on.year, on.month, on.day, hour, minute, tzinfo=zone).timestamp() * 1000)
        for on in (day - timedelta(weeks=1), day, day + timedelta(weeks=1))
    ]
    return (moments[1], moments[2]) if moments[1] <= now else (moments[0], moments[1])
