"""Who is on duty, qualified and reachable at a moment: roster, leaves and certificates as arithmetic."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from facility.duty import Layer, Shift
from facility.equipment import Card
from facility.person import Party, Person
from facility.plan import Call
from facility.site import Site
from facility.text import Text

ALWAYS = "always"
OFF = "off"
CONTRACTOR = "contractor"
DEPUTY = "deputy"
HOLDER = "holder"


@dataclass(frozen=True, slots=True)
class Choice:
    """Whom to page for a call, each with why (on-duty, standby, role, card, party), and why others were passed over."""

    people: tuple[tuple[str, str], ...]
    passed_over: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hole:
    """A span in which a layer has too few people, or too few with a certificate (then `certificate` names it)."""

    role: str
    from_ms: int
    to_ms: int
    have: int
    need: int
    certificate: str
    text: Text


@dataclass(frozen=True, slots=True)
class Expiring:
    """A certificate that has run out (`days` < 0) or soon will."""

    person: str
    certificate: str
    number: str
    until: date
    days: int
    text: Text


@dataclass(frozen=True, slots=True)
class Span:
    """The same people for one role from `from_ms` to `to_ms`."""

    role: str
    from_ms: int
    to_ms: int
    people: tuple[str, ...]


def local_day(site: Site, at_ms: int) -> date:
    """Return the site's own calendar day at a moment (UTC milliseconds)."""
    return datetime.fromtimestamp(at_ms / 1000, ZoneInfo(site.timezone)).date()


def on_duty(site: Site, role: str, now_ms: int) -> list[str]:
    """Return the person ids on duty for a role at a moment, substitutes in the place of those on leave."""
    people: list[str] = []
    for layer in site.roster.layers:
        if layer.role == role:
            people += [p for p in _in_layer(site, layer, now_ms) if p not in people]
    return people


def choose(
    site: Site, call: Call, now_ms: int, exclude: Collection[str] = (), card: Card | None = None, holder: str = ""
) -> Choice:
    """Choose whom to page: on duty, certified that day, reachable; then standby; a party through the machine's card.

    Returns at most `call.count` people. `exclude` holds ids that cannot come; `holder` is whoever the permit names.
    """
    day = local_day(site, now_ms)
    chosen: list[tuple[str, str]] = []
    passed: dict[str, str] = {}
    named = (
        [(holder, "permit")] if call.role == HOLDER and holder else _candidates(site, call.role, now_ms, card or Card())
    )
    for who, why in named:
        if any(who == taken for taken, _ in chosen):
            continue
        against = "declined" if who in exclude else _against(site, who, call, day, now_ms, on_shift=why == "on-duty")
        if why == "off-duty":
            passed[who] = why
        elif against:
            passed[who] = against
        elif len(chosen) < call.count:
            chosen.append((who, why))
    return Choice(tuple(chosen), passed)


def certified(person: Person, certificates: Collection[str], day: date) -> bool:
    """Say whether all of the certificates are held and valid on that day."""
    return all(_certificate_gap(person, kind, day) is None for kind in certificates)


def holes(site: Site, from_ms: int, to_ms: int) -> list[Hole]:
    """Return every span of [from_ms, to_ms) in which a layer has too few people or certificates, in order of time."""
    found: list[Hole] = []
    for layer in site.roster.layers:
        open_: dict[str, Hole] = {}
        moments = sorted({from_ms, to_ms, *_changes(site, layer, from_ms, to_ms)})
        for start, end in pairwise(moments):
            for certificate, have, need in _lacks(site, layer, start):
                before = open_.get(certificate)
                if before and before.to_ms == start and (before.have, before.need) == (have, need):
                    open_[certificate] = _hole(site, layer.role, before.from_ms, end, have, need, certificate)
                    continue
                if before:
                    found.append(before)
                open_[certificate] = _hole(site, layer.role, start, end, have, need, certificate)
        found += open_.values()
    return sorted(found, key=lambda h: (h.from_ms, h.role, h.certificate))


def expiring(site: Site, now_ms: int, days: int) -> list[Expiring]:
    """Return the certificates that have expired or will within so many days, the most urgent first."""
    today = local_day(site, now_ms)
    out = [
        Expiring(
            person.id, c.kind, c.number, c.until, (c.until - today).days, _expiry(site, person, c.kind, c.until, today)
        )
        for person in site.people.values()
        for c in person.certificates
        if c.until is not None and (c.until - today).days <= days
    ]
    return sorted(out, key=lambda e: (e.until, e.person, e.certificate))


def now_and_next(site: Site, role: str, now_ms: int, horizon_ms: int = 8 * 86_400_000) -> tuple[Span, Span | None]:
    """Return who is on duty for a role now and who follows; None when nothing changes within the horizon."""
    end = now_ms + horizon_ms
    moments = sorted(
        {
            m
            for layer in site.roster.layers
            if layer.role == role
            for m in _changes(site, layer, now_ms, end)
            if m > now_ms
        }
    )
    now_people = tuple(on_duty(site, role, now_ms))
    turn = next((m for m in moments if tuple(on_duty(site, role, m)) != now_people), None)
    if turn is None:
        return Span(role, now_ms, end, now_people), None
    then = tuple(on_duty(site, role, turn))
    after = next((m for m in moments if m > turn and tuple(on_duty(site, role, m)) != then), end)
    return Span(role, now_ms, turn, now_people), Span(role, turn, after, then)


def roles(site: Site) -> list[str]:
    """Return the roles that the roster covers, in its order."""
    return list(dict.fromkeys(layer.role for layer in site.roster.layers))


def party_of(site: Site, role: str, card: Card) -> list[str]:
    """Return the parties that stand for a role on a machine: contractor and deputy by its card, the rest by role."""
    contractor = site.parties.get(card.contractor)
    deputy = card.deputy or (contractor.deputy if contractor else "")
    if role == CONTRACTOR:
        named = [card.contractor, deputy]
    elif role == DEPUTY:
        named = [deputy]
    else:
        mine = [p for p in site.parties.values() if role in p.roles]
        named = [p.id for p in mine] + [p.deputy for p in mine]
    return list(dict.fromkeys(p for p in named if p in site.parties))


def _candidates(site: Site, role: str, now_ms: int, card: Card) -> Iterator[tuple[str, str]]:
    rostered = any(layer.role == role for layer in site.roster.layers)
    here = on_duty(site, role, now_ms)
    yield from ((p, "on-duty") for p in here)
    holders = [p for p in site.people.values() if role in p.roles and p.id not in here]
    if not rostered:
        yield from ((p.id, "role") for p in holders)
    else:
        yield from ((p.id, "standby") for p in holders if p.standby)
    by = "card" if role in {CONTRACTOR, DEPUTY} else "party"
    yield from ((p, by) for p in party_of(site, role, card))
    if rostered:
        yield from ((p.id, "off-duty") for p in holders if not p.standby)


def _against(site: Site, id: str, call: Call, day: date, now_ms: int, *, on_shift: bool) -> str:
    """Return why somebody cannot be paged for this call; empty when nothing speaks against it."""
    somebody: Person | Party | None = site.people.get(id) or site.parties.get(id)
    if somebody is None:
        return "unknown"
    if not on_shift and any(
        leave.person == id and leave.from_ms <= now_ms < leave.to_ms for leave in site.roster.leaves
    ):
        return "on-leave"
    if isinstance(somebody, Person):  # a contractor's licences are the contractor's business
        for kind in call.certificates:
            gap = _certificate_gap(somebody, kind, day)
            if gap:
                return gap
    return "" if somebody.channels else "no-channel"


def _certificate_gap(person: Person, kind: str, day: date) -> str | None:
    held = [c for c in person.certificates if c.kind == kind]
    if not held:
        return f"no-certificate:{kind}"
    if all(c.until is not None and c.until < day for c in held):
        return f"certificate-expired:{kind}"
    return None


def _in_layer(site: Site, layer: Layer, now_ms: int) -> list[str]:
    zone = ZoneInfo(site.timezone)
    shifts = {shift.id: shift for shift in site.roster.shifts}
    today = local_day(site, now_ms)
    people: list[str] = []
    for day in (today - timedelta(days=1), today):  # yesterday's night shift runs into today
        for team, offset in zip(layer.teams, layer.offsets, strict=True):
            span = _shift_on(layer, offset, day, shifts, zone)
            if span and span[0] <= now_ms < span[1]:
                people += team
    return list(dict.fromkeys(here for person in people if (here := _stand_in(site, person, now_ms))))


def _shift_on(
    layer: Layer, offset: int, day: date, shifts: Mapping[str, Shift], zone: ZoneInfo
) -> tuple[int, int] | None:
    """Return begin and end of what a team works on a day, or None when it is off."""
    if day < layer.since or not layer.cycle:
        return None
    works = layer.cycle[(offset + (day - layer.since).days) % len(layer.cycle)]
    shift = shifts.get(works) or (Shift(ALWAYS, 0, 0) if works == ALWAYS else None)
    if works == OFF or shift is None:
        return None
    last = day if shift.end > shift.start else day + timedelta(days=1)
    return _moment(day, shift.start, zone), _moment(last, shift.end, zone)


def _moment(day: date, minutes: int, zone: ZoneInfo) -> int:
    # Wall-clock arithmetic first, zone last: a shift begins at 08:00 on the wall, whatever the clocks did at night.
    wall = datetime.combine(day, time(), tzinfo=None) + timedelta(minutes=minutes)
    return int(wall.replace(tzinfo=zone).astimezone(UTC).timestamp() * 1000)


def _stand_in(site: Site, person: str, now_ms: int) -> str:
    away = {leave.person: leave for leave in site.roster.leaves if leave.from_ms <= now_ms < leave.to_ms}
    if person not in away:
        return person
    substitute = away[person].substitute
    return substitute if substitute and substitute not in away else ""


def _changes(site: Site, layer: Layer, from_ms: int, to_ms: int) -> Iterator[int]:
    """Yield every moment in the span at which a layer's people or their certificates may change."""
    zone = ZoneInfo(site.timezone)
    shifts = {shift.id: shift for shift in site.roster.shifts}
    day, last = local_day(site, from_ms) - timedelta(days=1), local_day(site, to_ms)
    while day <= last:
        moments = [_moment(day, 0, zone)] if layer.certificates else []
        if day == layer.since:
            moments.append(_moment(day, 0, zone))
        for offset in layer.offsets:
            moments += _shift_on(layer, offset, day, shifts, zone) or ()
        yield from (m for m in moments if from_ms <= m < to_ms)
        day += timedelta(days=1)
    for leave in site.roster.leaves:
        yield from (m for m in (leave.from_ms, leave.to_ms) if from_ms <= m < to_ms)


def _lacks(site: Site, layer: Layer, at_ms: int) -> Iterator[tuple[str, int, int]]:
    """Yield (certificate or "", have, need) for everything a layer has too little of."""
    people = _in_layer(site, layer, at_ms)
    if len(people) < layer.minimum:
        yield "", len(people), layer.minimum
    day = local_day(site, at_ms)
    for kind, need in layer.certificates:
        have = sum(1 for p in people if p in site.people and certified(site.people[p], (kind,), day))
        if have < need:
            yield kind, have, need


def _hole(site: Site, role: str, from_ms: int, to_ms: int, have: int, need: int, certificate: str) -> Hole:
    zone = ZoneInfo(site.timezone)
    post = site.roles.get(role) or Text(role, role)
    paper = site.certificates.get(certificate) or Text(certificate, certificate)
    begin, end = (datetime.fromtimestamp(ms / 1000, zone).strftime("%m-%d %H:%M") for ms in (from_ms, to_ms))
    zh = f"{begin} 至 {end}，{post.zh}应有 {need} 人" + (f"持证（{paper.zh}）" if certificate else "")
    en = f"{begin} to {end}: {post.en} needs {need}" + (f" holding {paper.en}" if certificate else "")
    zh, en = f"{zh}，只有 {have} 人。", f"{en}, has {have}."
    text = Text(f"{zh}请在 roster.toml 补班或换班。", f"{en} Fill or swap the shift in roster.toml.")
    return Hole(role, from_ms, to_ms, have, need, certificate, text)


def _expiry(site: Site, person: Person, certificate: str, until: date, today: date) -> Text:
    paper = site.certificates.get(certificate) or Text(certificate, certificate)
    days = (until - today).days
    if days < 0:
        return Text(
            f"{person.name} 的{paper.zh}已于 {until} 到期：不再派持证工作。请换证。",
            f"{person.name}: {paper.en} expired on {until} and no work that needs it is given. Renew it.",
        )
    return Text(
        f"{person.name} 的{paper.zh}将于 {until} 到期（{days} 天）。请及时换证。",
        f"{person.name}: {paper.en} expires on {until} ({days} days). Renew it in time.",
    )
