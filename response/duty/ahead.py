"""What will go wrong with duty if nobody does anything: said days ahead, each once, and gone when it is put right."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from facility.person import Party, Person
from facility.site import Site
from facility.text import Text
from response.duty.choosing import party_of
from response.duty.expiring import expiring
from response.duty.holes import LEADER, holes, leaderless, plainly
from response.duty.presence import EVERY_DAY, local_day, roles, spans

DAY_MS = 86_400_000
HOLES_MS = 8 * DAY_MS
"""A hole is said a week and a day ahead: never later than 24 h before its shift, if the roster was known by then."""
SHIFTS_MS = 2 * DAY_MS
"""Whose shift begins within two days must have been reached lately: 24 h remain to try."""
STAGES = (0, 30, 60, 90)
"""A certificate is said anew when it has expired, and at so many days before."""
DECEMBER = 12

HOLE, CERTIFICATE, UNTESTED, CALENDAR = "hole", "certificate", "untested", "calendar"


@dataclass(frozen=True, slots=True)
class Ahead:
    """Something to put right; `id` stays the same while it stands, `at_ms` is when it begins to hurt."""

    id: str
    what: str
    at_ms: int
    text: Text


def ahead(site: Site, now: int, untested: Callable[[str], bool]) -> list[Ahead]:
    """Return everything that must be put right, the soonest first; `untested` says whom nothing shows reachable."""
    found = [*_holes(site, now), *_certificates(site, now), *_channels(site, now, untested), *_calendar(site, now)]
    return sorted(found, key=lambda w: (w.at_ms, w.id))


def calendar_text(site: Site, now: int) -> Text:
    """Return how far the calendar knows which days are worked, and what holds beyond."""
    known = site.roster.calendar.known_until
    if known is None:
        return Text(
            "日历不知道节假日：一律按星期算。可在 roster.toml 用 [[day]] 写明。",
            "The calendar knows no public holidays: days count by their weekday. Say them in roster.toml ([[day]]).",
        )
    if known < local_day(site, now):
        return Text(
            f"日历只知道到 {known}：现在的节假日、调休按普通星期算，可能不对。请更新或在 roster.toml 写明。",
            f"The calendar ends on {known}: holidays and make-up days now count as plain weekdays, which may be wrong."
            " Update the program, or say them in roster.toml.",
        )
    return Text(
        f"节假日和调休已知到 {known}；之后按普通星期算。",
        f"Holidays and make-up workdays are known until {known}; later days count as plain weekdays.",
    )


def _holes(site: Site, now: int) -> Iterator[Ahead]:
    if (without := leaderless(site)) is not None:
        yield Ahead(f"{HOLE}:{LEADER}::0", HOLE, now, without)
    for hole in plainly(holes(site, now, now + HOLES_MS)):
        # A hole that has begun keeps its name though its begin moves with the moment that is asked about.
        begin = hole.from_ms if hole.from_ms > now else 0
        yield Ahead(f"{HOLE}:{hole.role}:{hole.certificate}:{begin}", HOLE, hole.from_ms, hole.text)


def _certificates(site: Site, now: int) -> Iterator[Ahead]:
    for one in expiring(site, now, STAGES[-1]):
        stage = "expired" if one.days < 0 else str(next(days for days in STAGES if one.days <= days))
        at = now + max(one.days + 1, 0) * DAY_MS
        yield Ahead(f"{CERTIFICATE}:{one.person}:{one.certificate}:{stage}", CERTIFICATE, at, one.text)


def _channels(site: Site, now: int, untested: Callable[[str], bool]) -> Iterator[Ahead]:
    soonest: dict[str, int] = {}
    for role in roles(site):
        for span in spans(site, role, now, now + SHIFTS_MS):
            for who in span.people:
                soonest[who] = min(soonest.get(who, span.from_ms), span.from_ms)
    for who in (*soonest, *(w for w in _unrostered(site) if w not in soonest)):
        somebody = site.people.get(who) or site.parties.get(who)
        if somebody is None or (somebody.channels and not untested(who)):
            continue
        at = soonest.get(who, now)
        when = datetime.fromtimestamp(at / 1000, ZoneInfo(site.timezone)).strftime("%m-%d %H:%M")
        begins = Text(f"{when} 当班", f"is on duty from {when}")
        text = _unreached(somebody, begins if who in soonest else Text("由预案直接呼叫", "is called by the plans"))
        yield Ahead(f"{UNTESTED}:{who}", UNTESTED, at, text)


def _unrostered(site: Site) -> list[str]:
    """Return whom the plans call beside the roster: holders of roles that no layer covers, and parties outside."""
    wanted = {call.role for plan in site.plans.values() for level in plan.levels for call in level.calls}
    fixed = wanted.difference(roles(site))
    people = [p.id for p in site.people.values() if fixed.intersection(p.roles)]
    cards = {(e.card.contractor, e.card.deputy): e.card for e in site.equipment.values()}
    parties = (p for role in sorted(wanted) for card in cards.values() for p in party_of(site, role, card))
    return list(dict.fromkeys([*people, *parties]))


def _unreached(somebody: Person | Party, why: Text) -> Text:
    """Return that nothing shows somebody to be reachable, and what to do."""
    name = somebody.name
    if not somebody.channels:
        return Text(
            f"{name} {why.zh}，但没有任何呼叫方式。请在 people.toml 补上，或换人。",
            f"{name} {why.en} and has no channel at all. Add one in people.toml, or name somebody else.",
        )
    return Text(
        f"{name} {why.zh}，但 30 天内没有应答过呼叫或测试呼叫，可能叫不到。请发测试呼叫并让对方确认。",
        f"{name} {why.en}, but has answered no page or test page for 30 days and may be out of reach. Send a test page"
        " and have it answered.",
    )


def _calendar(site: Site, now: int) -> Iterator[Ahead]:
    calendar, today = site.roster.calendar, local_day(site, now)
    used = any(layer.days != EVERY_DAY for layer in site.roster.layers)
    if calendar.known_until is None:
        if used:
            yield Ahead(CALENDAR, CALENDAR, now, calendar_text(site, now))
        return
    if today < date(today.year, DECEMBER, 1) and today <= calendar.known_until:
        return
    if calendar.known_until >= date(today.year + (today.month == DECEMBER), DECEMBER, 31):
        return
    missing = calendar.known_until + timedelta(days=1)
    begins = datetime.combine(missing, datetime.min.time(), tzinfo=ZoneInfo(site.timezone))
    text = Text(
        f"{missing.year} 年的节假日和调休还不知道：从 {missing} 起按普通星期排班。请更新程序，"
        "或按国务院办公厅通知在 roster.toml 写 [[day]] 和 [calendar] known_until。",
        f"Holidays and make-up workdays of {missing.year} are not known: from {missing} on the roster counts plain"
        " weekdays. Update the program, or write [[day]] and [calendar] known_until into roster.toml.",
    )
    yield Ahead(f"{CALENDAR}:{missing.year}", CALENDAR, round(begins.timestamp() * 1000), text)
