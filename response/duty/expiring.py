"""Certificates that have run out, or soon will."""

from dataclasses import dataclass
from datetime import date

from facility.person import Person
from facility.site import Site
from facility.text import Text
from response.duty.presence import local_day


@dataclass(frozen=True, slots=True)
class Expiring:
    """A certificate that has run out (`days` < 0) or soon will."""

    person: str
    certificate: str
    number: str
    until: date
    days: int
    text: Text


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
