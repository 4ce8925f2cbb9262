"""What people send back to a page by text message: 1 accepts, 2 cannot come, 3 has arrived."""

import asyncio
import hashlib
from collections.abc import Iterable, Sequence

import structlog

from dutyroom.desk import Desk
from facility.commands import Accept, AnswerTest, Arrive, Command, Decline, Refused
from facility.person import Party, Person
from facility.ports import Clock, Written
from facility.site import Site
from response.incident import Incident
from response.pagers.modem import Reply
from response.tryout import Tryout

log = structlog.get_logger(__name__)

DIGITS = 11
"""Of a mobile number in China; what stands before them is the country."""


class Replies:
    """Carries out what people send back."""

    def __init__(self, site: Site, clock: Clock, desk: Desk) -> None:
        self._site, self._clock, self._desk = site, clock, desk
        self._asking: set[asyncio.Task[Sequence[Written] | Refused]] = set()

    def take(self, reply: Reply) -> None:
        """Carry out what somebody sent back; what was not understood is said, so that the operator may ask."""
        request = hashlib.sha256(f"{reply.number}/{reply.text}/{self._clock.now()}".encode()).hexdigest()[:24]
        asked = command_of(reply.number, reply.text, request, self._site, self._desk.standing.incidents.values())
        asked = asked or test_answer(
            reply.number, reply.text, request, self._site, self._desk.standing.tryouts.values()
        )
        if asked is None:
            log.warning("a text message that is no reply to a page", number=reply.number[-4:], text=reply.text[:20])
            return
        task = asyncio.create_task(self._desk.ask(asked), name="reply")
        self._asking.add(task)
        task.add_done_callback(self._answered)

    def _answered(self, task: "asyncio.Task[Sequence[Written] | Refused]") -> None:
        self._asking.discard(task)
        if not task.cancelled() and isinstance(said := task.result(), Refused):
            log.warning("a reply was refused", why=said.why.en)


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


def test_answer(number: str, text: str, request: str, site: Site, tests: Iterable[Tryout]) -> Command | None:
    """Return that somebody confirms his newest test page by text message; None where none waits for it."""
    who = _person(number, site)
    mine = [t for t in tests if t.person == who and t.state == "sent"]
    if who is None or not mine or text.strip() != "1":
        return None
    newest = max(mine, key=lambda t: (t.channel == "modem", t.at_ms))
    return AnswerTest(f"person:{who}", request, newest.key, who, "reply")


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
