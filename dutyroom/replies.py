"""What people send back to a page by text message: 1 accepts, 2 cannot come, 3 has arrived."""

from collections.abc import Iterable

from facility.commands import Accept, Arrive, Command, Decline
from facility.person import Party, Person
from facility.site import Site
from response.incident import Incident

DIGITS = 11
"""Of a mobile number in China; what stands before them is the country."""


def command_of(number: str, text: str, request: str, site: Site, incidents: Iterable[Incident]) -> Command | None:
    """Return what a reply asks for; None where nobody has that number, was paged, or said one of the three.

    It is about the newest open incident that the person was paged for: a reply can name no other.
    """
    who = _person(number, site)
    mine = [i for i in incidents if i.closed_ms is None and any(page.person == who for page in i.pages.values())]
    if who is None or not mine:
        return None
    incident = max(mine, key=lambda i: max(p.requested_ms for p in i.pages.values() if p.person == who)).id
    word, _, more = text.strip().partition(" ")
    actor = f"person:{who}"
    match word:
        case "1":
            return Accept(actor, request, incident, who)
        case "2":
            return Decline(actor, request, incident, who, more.strip())
        case "3":
            return Arrive(actor, request, incident, who)
        case _:
            return None


def _person(number: str, site: Site) -> str | None:
    """Return whose number it is; nobody's where two share it."""
    digits = _digits(number)
    everybody: tuple[Person | Party, ...] = (*site.people.values(), *site.parties.values())
    found = [
        who.id
        for who in everybody
        if digits and digits in {_digits(who.phone), *(_digits(c.address) for c in who.channels if c.kind == "modem")}
    ]
    return found[0] if len(found) == 1 else None


def _digits(number: str) -> str:
    return "".join(filter(str.isdigit, number))[-DIGITS:]
