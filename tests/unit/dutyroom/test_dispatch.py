"""Pages on their way: one hand-over at a time, and none doubled while its outcome is being written."""

import asyncio

from building import StoppedClock, demo_site, ms

from dutyroom.dispatch import Addressee, Dispatch
from dutyroom.ledger import Counts
from facility.ports import PageRefusedError
from facility.records import IncidentOpened, Kind, Record
from response.fold import opened
from response.paging.bundling import Letter
from response.paging.page import PageState


def a_page() -> PageState:
    return PageState("k1", "i1", "he-jun", "demo", 0, 0, True, "lift-technician", "words", 0, 0, 0)


def a_letter() -> Letter:
    return Letter("k1", 0, "words", (a_page(),))


def an_incident():
    record = Record(0, Kind.INCIDENT_OPENED, "incident:i1", IncidentOpened("lift-entrapment", "lift-1b", 1))
    return opened("i1", record, record.data, active=False)


class Channel:
    def __init__(self, why: Exception | None = None) -> None:
        self.got, self._why = [], why

    async def page(self, message) -> str:
        self.got.append(message.key)
        if self._why:
            raise self._why
        return "taken"


def dispatch(channel, said, address="somewhere") -> Dispatch:
    where = (lambda *_: Addressee(address, "link")) if address else (lambda *_: None)
    return Dispatch(demo_site(), StoppedClock(ms("02:13")), {"demo": channel}, where, said.append, Counts())


async def test_a_page_is_under_way_until_its_outcome_is_believed() -> None:
    """Between the channel's answer and the record in the book the incident still shows it as unsent."""
    channel, said = Channel(), []
    out = dispatch(channel, said)
    out.send(an_incident(), a_letter())
    while out.sending():
        await asyncio.sleep(0)
    assert [r.kind for r in said] == [Kind.PAGE_SENT]
    assert not out.idle(a_letter())
    out.told(said)
    assert out.idle(a_letter())
    assert channel.got == ["k1"]


async def test_a_refusal_keeps_the_channel_s_own_words() -> None:
    said = []
    out = dispatch(Channel(PageRefusedError("sign not match")), said)
    out.send(an_incident(), a_letter())
    while out.sending():
        await asyncio.sleep(0)
    assert (said[0].kind, said[0].data.said, said[0].request) == (Kind.PAGE_REFUSED, "sign not match", "k1/refused/1")


async def test_a_channel_that_breaks_is_a_refusal_too() -> None:
    said = []
    out = dispatch(Channel(ZeroDivisionError("oh")), said)
    out.send(an_incident(), a_letter())
    while out.sending():
        await asyncio.sleep(0)
    assert said[0].data.said == "ZeroDivisionError: oh"


async def test_nobody_to_send_to_is_a_refusal_too() -> None:
    channel, said = Channel(), []
    out = dispatch(channel, said, address="")
    out.send(an_incident(), a_letter())
    while out.sending():
        await asyncio.sleep(0)
    assert said[0].kind is Kind.PAGE_REFUSED
    assert channel.got == []
