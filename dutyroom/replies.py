"""What people send back to a page, by text, by a button or by a key: 1 accepts, 2 cannot come, 3 has arrived."""

import asyncio
import hashlib
import unicodedata
from collections.abc import Iterable, Sequence

import structlog

from dutyroom.desk import Desk
from facility.commands import Accept, AnswerTest, Arrive, Command, Decline, Refused
from facility.person import Party, Person
from facility.ports import Clock, Written
from facility.site import Site
from facility.text import Text
from response.incident import Incident
from response.pagers.answer import Answer
from response.pagers.modem import Reply
from response.paging.page import PageState
from response.paging.tryout import Tryout

log = structlog.get_logger(__name__)

DIGITS = 11
"""Of a mobile number in China; what stands before them is the country."""
BY_NUMBER = frozenset({"modem", "sms", "voice"})
"""Channels whose addresses are mobile numbers."""
SHOWN_WITHIN_S = 2.0
"""Feishu waits 3 s for what it is to show to whoever pressed a button."""

_RECEIVED = Text("已收到，正在记录。", "Received; it is being written down.")
_NOT_UNDERSTOOD = Text(
    "没有需要您回答的呼叫，或内容不是 1、2、3。请联系值班室。",
    "There is no page for you to answer, or it was none of 1, 2, 3. Ask the monitoring room.",
)
_DONE = {
    Accept: Text("已记录：您接受并出发。", "Written down: you are coming."),
    Decline: Text("已记录：您来不了，将立即呼叫下一位。", "Written down: you cannot come; the next one is called now."),
    Arrive: Text("已记录：您已到场。", "Written down: you are there."),
    AnswerTest: Text("已记录：这条通道能收到。", "Written down: this channel reaches you."),
}


class Replies:
    """Carries out what people send back."""

    def __init__(self, site: Site, clock: Clock, desk: Desk) -> None:
        self.site, self._clock, self._desk = site, clock, desk
        self._asking: set[asyncio.Task[Sequence[Written] | Refused]] = set()

    def take(self, reply: Reply) -> None:
        """Carry out what somebody sent back; what was not understood is said, so that the operator may ask."""
        request = hashlib.sha256(
            f"{reply.number}/{reply.text}/{reply.stamp or self._clock.now()}".encode()
        ).hexdigest()[:24]
        asked = command_of(reply.number, reply.text, request, self.site, self._desk.standing.incidents.values())
        asked = asked or test_answer(reply.number, reply.text, request, self.site, self._desk.standing.tryouts.values())
        if asked is None:
            log.warning("a text message that is no reply to a page", number=reply.number[-4:], text=reply.text[:20])
            return
        self._ask(asked)

    async def answer(self, answer: Answer) -> Text:
        """Carry out what somebody pressed or wrote; return what they are told.

        The same answer again changes nothing.
        """
        standing = self._desk.standing
        asked = command_for(answer, self.site, standing.incidents.values())
        asked = asked or confirmed(answer, self.site, standing.tryouts.values())
        if asked is None:
            log.warning("an answer to no page", channel=answer.kind, word=answer.word[:20], incident=answer.incident)
            return _NOT_UNDERSTOOD
        task = self._ask(asked)
        await asyncio.wait({task}, timeout=SHOWN_WITHIN_S)
        if not task.done() or task.cancelled():
            return _RECEIVED
        said = task.result()
        return said.why if isinstance(said, Refused) else _DONE[type(asked)]

    def _ask(self, asked: Command) -> asyncio.Task[Sequence[Written] | Refused]:
        task = asyncio.create_task(self._desk.ask(asked), name="reply")
        self._asking.add(task)
        task.add_done_callback(self._answered)
        return task

    def _answered(self, task: "asyncio.Task[Sequence[Written] | Refused]") -> None:
        self._asking.discard(task)
        if not task.cancelled() and isinstance(said := task.result(), Refused):
            log.warning("a reply was refused", why=said.why.en)


def command_of(number: str, text: str, request: str, site: Site, incidents: Iterable[Incident]) -> Command | None:
    """Return what a reply by text message asks for; None where nobody has that number, was paged, or said one of three.

    A reply can name no incident; see `_meant` for which it is about.
    """
    return _command(_who(_numbers(site), (_digits(number),)), text, request, incidents)


def command_for(answer: Answer, site: Site, incidents: Iterable[Incident]) -> Command | None:
    """Return what an answer asks for; None where the account is nobody's, or who has it was not paged about it."""
    if answer.number:
        about = [i for i in incidents if any(_is_of(answer, page) for page in i.pages.values())]
        whose = {page.person for i in about for page in i.pages.values() if _is_of(answer, page)}
        return _command(whose.pop() if len(whose) == 1 else None, answer.word, _request(answer), about)
    about = [i for i in incidents if answer.incident in {"", i.id}]
    return _command(_person(answer, site), answer.word, _request(answer), about)


def _command(who: str | None, text: str, request: str, incidents: Iterable[Incident]) -> Command | None:
    mine = [i for i in incidents if i.closed_ms is None and any(page.person == who for page in i.pages.values())]
    if who is None or not mine:
        return None
    word, more = _word(text)
    incident = _meant(word, who, mine).id
    actor = f"person:{who}"
    match word:
        case "1":
            return Accept(actor, request, incident, who)
        case "2":
            return Decline(actor, request, incident, who, more)
        case "3":
            return Arrive(actor, request, incident, who)
        case _:
            return None


def _meant(word: str, who: str, incidents: Sequence[Incident]) -> Incident:
    """Return what somebody answers of all he was paged for: with 3 where he is on his way to, else what he left open.

    Of several what endangers a life comes first, then the newest. The same word again says nothing of what he has
    left open, unless that called him since: who is in a hurry presses twice.
    """

    def called(i: Incident) -> int:
        return max(p.requested_ms for p in i.pages.values() if p.person == who)

    def rank(i: Incident) -> tuple[bool, bool, bool, bool, int]:
        coming = who in i.accepted and who not in i.arrived
        answered = any(who in said for said in (i.accepted, i.arrived, i.declined, i.finished, i.seen))
        same = {"1": i.accepted, "2": i.declined}.get(word, {}).get(who, 0)
        again = 0 < same >= max(map(called, incidents))
        return coming and word == "3", again, not answered, i.life, called(i)

    return max(incidents, key=rank)


def test_answer(number: str, text: str, request: str, site: Site, tests: Iterable[Tryout]) -> Command | None:
    """Return that somebody confirms his newest test page by text message; None where none waits for it."""
    return _confirmed(_who(_numbers(site), (_digits(number),)), text, request, tests, "modem")


def confirmed(answer: Answer, site: Site, tests: Iterable[Tryout]) -> Command | None:
    """Return that somebody confirms the test page of the channel that the answer came by, or his newest."""
    return _confirmed(_person(answer, site), answer.word, _request(answer), tests, answer.kind)


def _confirmed(who: str | None, text: str, request: str, tests: Iterable[Tryout], channel: str) -> Command | None:
    mine = [t for t in tests if t.person == who and t.state == "sent"]
    if who is None or not mine or _word(text)[0] != "1":
        return None
    newest = max(mine, key=lambda t: (t.channel == channel, t.at_ms))
    return AnswerTest(f"person:{who}", request, newest.key, who, "reply")


def _is_of(answer: Answer, page: PageState) -> bool:
    return page.channel == answer.kind and answer.number in page.said.split()


def _request(answer: Answer) -> str:
    return hashlib.sha256(f"{answer.kind}/{answer.id}".encode()).hexdigest()[:24]


def _word(text: str) -> tuple[str, str]:
    """Return the first word, and what follows; keyboards for Chinese also write the three as １２３."""
    word, _, more = unicodedata.normalize("NFKC", text).strip().partition(" ")
    return word, more.strip()


def _person(answer: Answer, site: Site) -> str | None:
    """Return who answered."""
    if answer.kind in BY_NUMBER:
        return _who(_numbers(site), tuple(map(_digits, answer.accounts)))
    return _who(_accounts(site, answer.kind), answer.accounts)


def _numbers(site: Site) -> Iterable[tuple[str, str]]:
    """Yield everybody with the numbers that are theirs."""
    for who in _everybody(site):
        for number in {_digits(who.phone), *(_digits(c.address) for c in who.channels if c.kind in BY_NUMBER)}:
            yield who.id, number


def _accounts(site: Site, kind: str) -> Iterable[tuple[str, str]]:
    """Yield everybody with their accounts at a provider."""
    return ((who.id, c.address) for who in _everybody(site) for c in who.channels if c.kind == kind)


def _everybody(site: Site) -> tuple[Person | Party, ...]:
    return (*site.people.values(), *site.parties.values())


def _who(known: Iterable[tuple[str, str]], accounts: Sequence[str]) -> str | None:
    """Return whose account it is; nobody's where two share it."""
    found = {who for who, account in known if account and account in accounts}
    return found.pop() if len(found) == 1 else None


def _digits(number: str) -> str:
    return "".join(filter(str.isdigit, number))[-DIGITS:]
