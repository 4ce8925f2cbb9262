"""Providers are asked what became of pages; what one of them does not say troubles no other."""

from types import SimpleNamespace

from night_shift import Night

from dutyroom.deliveries import Deliveries
from dutyroom.dispatch import Addressee
from dutyroom.following import Following
from facility.ports import PageRefusedError, Receipt


class Clock:
    def __init__(self, at: int) -> None:
        self.at = at

    def now(self) -> int:
        return self.at

    async def until(self, at_ms: int) -> None:
        raise AssertionError


class Asked:
    """A pager whose provider answers what it is told to."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers: dict[str, Receipt | None] = {}

    async def page(self, _message) -> str:
        raise AssertionError

    async def follow(self, address: str, _said: str, _sent_ms: int) -> Receipt | None:
        self.asked.append(address)
        if address not in self.answers:
            raise PageRefusedError("busy")
        return self.answers[address]


class Unasked:
    async def page(self, _message) -> str:
        raise AssertionError


def following(night: Night, pager: Asked) -> tuple[Following, Clock, list]:
    clock, told = Clock(night.now), []
    desk = SimpleNamespace(
        standing=SimpleNamespace(incidents=night.incidents.open()), report=told.append
    )  # as much of it as is looked at
    ways = {"sms": pager, "demo": Unasked()}
    mine = Following(clock, desk, ways, lambda person, *_: Addressee(person, ""), Deliveries(clock, desk))
    return mine, clock, told


async def test_each_page_is_asked_for_and_what_is_new_becomes_a_record() -> None:
    night, pager = Night().at("02:00").alarm("lift-1a", "lift-trapped"), Asked()
    mine, clock, told = following(night, pager)
    page = next(p for p in night.incident.pages.values() if (p.person, p.channel) == ("zhao", "sms"))
    pager.answers = {"zhao": Receipt("delivered", key=page.key, said="DELIVERED")}
    assert mine.kinds == {"sms"}
    await mine.turn()
    assert "zhao" in pager.asked
    assert len(pager.asked) > 1, "others were asked for though their provider says nothing"
    assert [(r.kind, r.data.key) for r in told] == [("page.delivered", page.key)]
    await mine.turn()
    assert len(pager.asked) == len(set(pager.asked)), "not again before the pause is over"
    clock.at += 3_000
    await mine.turn()
    assert pager.asked.count("zhao") == 2
