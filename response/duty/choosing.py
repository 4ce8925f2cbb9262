"""Whom to page for a call: on duty, certified that day, reachable; then standby; parties through the machine's card."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

from facility.equipment import Card
from facility.person import Party, Person
from facility.plan import Call
from facility.site import Site
from response.duty.presence import local_day, on_duty

CONTRACTOR = "contractor"
DEPUTY = "deputy"
HOLDER = "holder"


@dataclass(frozen=True, slots=True)
class Choice:
    """Whom to page for a call, each with why (on-duty, standby, role, card, party), and why others were passed over."""

    people: tuple[tuple[str, str], ...]
    passed_over: Mapping[str, str] = field(default_factory=dict)


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
