"""The roster as it is changed at run time: who may, what is refused, what is left open, and that it all comes back."""

from dataclasses import replace
from datetime import date
from itertools import count

import pytest
from night_shift import HV, PEOPLE, moment, ms, person, site

from facility.commands import AgreeSwap, ChangeRoster, Command, Refused, RevokeCalendar, RevokeChange
from facility.duty import Layer, Roster, Shift
from facility.records import OPENS, Record, RosterChanged
from response import duty
from response.context import Context
from response.duty.change import LAPSED, OVER, PLANNED, PROPOSED, REVOKED, RUNNING
from response.duty.rota import Rota

SHIFTS = (Shift("day", 8 * 60, 20 * 60), Shift("night", 20 * 60, 8 * 60))
CREW = (
    person("ann", "electrician", certificates=(HV,)),
    person("bob", "electrician", certificates=(HV,)),
    person("cat", "electrician"),
    person("dan", "electrician", "leader-on-duty", certificates=(HV,)),
    *(p for p in PEOPLE if p.id in {"wu", "li"}),
)
ROSTER = Roster(
    SHIFTS,
    (
        Layer("electrician", date(2026, 1, 1), ("day", "off"), (("ann",), ("bob",)), (0, 1), 1, (("hv-electrician", 1),)),
        Layer("leader-on-duty", date(2026, 1, 1), ("always",), (("li",),), (0,)),
    ),
)  # fmt: skip
DAY, NEXT = ("08:00", "20:00"), ("+1 08:00", "+1 20:00")
"""bob works on the 22nd, ann on the 23rd."""


class Book:
    """A rota, the moment, and what was written."""

    def __init__(self) -> None:
        self.site = site(people=CREW, roster=ROSTER, leaves=())
        self.rota, self.now, self.lines = Rota(), moment("06:00"), list[Record]()
        self._requests = count(1)

    def ask(self, command: Command) -> list[Record]:
        said = self.rota.ask(Context(self.rota.site(self.site), self.now), command)
        assert not isinstance(said, Refused), said.why.en
        for record in said:
            self.rota.tell(record)
            self.lines.append(record)
        return said

    def no(self, command: Command) -> str:
        said = self.rota.ask(Context(self.rota.site(self.site), self.now), command)
        assert isinstance(said, Refused)
        assert said.why.zh
        return f"{said.code}: {said.why.en}"

    def change(self, what: str, who: str, span: tuple[str, str], other: str = "", **more: object) -> ChangeRoster:
        said = {"role": "electrician", "reason": "training", **more}
        at = {"from_ms": moment(span[0]), "to_ms": moment(span[1])}
        return ChangeRoster("user:boss", f"r{next(self._requests)}", what, who, other=other, **at, **said)  # type: ignore[arg-type]

    def swap(self, own: str = "", who: str = "bob", other: str = "ann") -> ChangeRoster:
        theirs = {"other_from_ms": moment(NEXT[0]), "other_to_ms": moment(NEXT[1])}
        return self.change("swap", who, DAY, other, own=own, **theirs)

    def on_duty(self, at: str, role: str = "electrician") -> list[str]:
        return duty.on_duty(self.rota.site(self.site), role, moment(at))

    def states(self) -> list[str]:
        return [c.state(self.now) for c in self.rota.changes().values()]

    def id(self) -> str:
        return next(iter(self.rota.changes()))


@pytest.fixture
def book() -> Book:
    return Book()


def test_a_cover_takes_somebodys_shift_and_gives_it_back(book: Book) -> None:
    assert book.on_duty("09:00") == ["bob"]
    book.ask(book.change("cover", "dan", ("09:00", "12:00"), "bob"))
    assert [book.on_duty(at) for at in ("08:30", "09:00", "12:00")] == [["bob"], ["dan"], ["bob"]]


def test_an_extra_shift_is_beside_whoever_is_there(book: Book) -> None:
    book.ask(book.change("extra", "dan", ("19:00", "+1 00:00")))
    assert [book.on_duty(at) for at in ("19:30", "22:00")] == [["bob", "dan"], ["dan"]]


def test_a_leave_brings_the_substitute_in_every_role(book: Book) -> None:
    book.ask(book.change("leave", "li", DAY, "wu", role=""))
    assert book.on_duty("09:00", "leader-on-duty") == ["wu"]


def test_a_swap_waits_for_the_others_word(book: Book) -> None:
    book.ask(book.swap(own="bob"))
    assert book.states() == [PROPOSED]
    assert book.on_duty("09:00") == ["bob"]
    assert book.no(AgreeSwap("user:x", "r", book.id(), own="dan")).startswith("forbidden")
    book.ask(AgreeSwap("user:ann", "yes", book.id(), own="ann"))
    assert [book.on_duty(at) for at in ("09:00", "+1 09:00", "+2 09:00")] == [["ann"], ["bob"], ["bob"]]


def test_a_supervisor_enters_a_swap_that_holds_at_once(book: Book) -> None:
    book.ask(book.swap())
    assert book.states() == [PLANNED]
    assert book.on_duty("09:00") == ["ann"]


def test_the_other_one_declines(book: Book) -> None:
    book.ask(book.swap(own="bob"))
    book.ask(RevokeChange("user:ann", "no", book.id(), "my own plans", own="ann"))
    assert book.states() == [REVOKED]
    assert book.no(AgreeSwap("user:ann", "late", book.id(), own="ann")).startswith("conflict")


def test_what_nobody_agreed_to_before_it_begins_lapses(book: Book) -> None:
    book.ask(book.swap(own="bob"))
    book.now = moment("08:00")
    assert book.states() == [LAPSED]
    assert book.no(AgreeSwap("user:ann", "late", book.id(), own="ann")).startswith("conflict")
    assert book.on_duty("09:00") == ["bob"]


def test_a_change_taken_back_while_it_runs_ends_there(book: Book) -> None:
    book.ask(book.change("cover", "dan", DAY, "bob"))
    book.now = moment("10:00")
    assert book.states() == [RUNNING]
    book.ask(RevokeChange("user:boss", "back", book.id(), "bob is back"))
    assert book.on_duty("10:30") == ["bob"]
    assert book.no(RevokeChange("user:boss", "again", book.id(), "again")).startswith("conflict")


def test_a_technician_asks_for_nothing_but_an_exchange_of_the_own_shift(book: Book) -> None:
    assert book.no(book.change("cover", "dan", DAY, "bob", own="dan")).startswith("forbidden")
    assert book.no(book.swap(own="ann")).startswith("forbidden")
    book.ask(book.change("cover", "dan", DAY, "bob"))
    assert book.no(RevokeChange("user:dan", "x", book.id(), "no", own="dan")).startswith("forbidden")


@pytest.mark.parametrize(
    ("what", "who", "span", "other", "more", "why"),
    [
        ("cover", "eve", DAY, "bob", {}, "not-found: The site knows nobody by the id eve."),
        ("cover", "dan", DAY, "eve", {}, "not-found: The site knows nobody by the id eve."),
        ("cover", "wu", DAY, "bob", {}, "invalid: Name of wu does not have the role electrician"),
        ("cover", "dan", DAY, "", {}, "invalid: Say whom"),
        ("cover", "dan", DAY, "dan", {}, "invalid: It takes two different people."),
        ("cover", "dan", DAY, "ann", {}, "conflict: Name of ann is not on duty then"),
        ("cover", "ann", ("08:00", "+1 10:00"), "bob", {}, "conflict: Name of ann is on duty then anyway"),
        ("cover", "dan", ("20:00", "08:00"), "bob", {}, "invalid: The end must be after the begin"),
        ("cover", "dan", ("04:00", "05:00"), "bob", {}, "invalid: The end must be after the begin"),
        ("extra", "dan", ("08:00", "+40 08:00"), "", {}, "invalid: Such a change lasts 31 days at most"),
        ("extra", "dan", ("+380 08:00", "+380 09:00"), "", {}, "invalid: The roster is changed a year ahead"),
        ("extra", "bob", DAY, "", {}, "conflict: Name of bob is on duty then anyway"),
        ("extra", "dan", DAY, "", {"role": "cook"}, "invalid: The roster has no role cook"),
        ("extra", "dan", DAY, "", {"reason": " "}, "invalid: Say why"),
        ("party", "dan", DAY, "", {}, "invalid: There is no such kind of change"),
        ("swap", "bob", DAY, "ann", {"other_from_ms": moment("19:00"), "other_to_ms": moment("+1 10:00")}, "invalid: The two shifts overlap"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_and_says_why(
    book: Book, what: str, who: str, span: tuple[str, str], other: str, more: dict[str, object], why: str
) -> None:
    assert book.no(book.change(what, who, span, other, **more)).startswith(why)
    assert not book.lines


def test_somebody_on_leave_takes_no_shift_and_takes_no_second_leave(book: Book) -> None:
    book.ask(book.change("leave", "dan", DAY, role=""))
    assert "is on leave then" in book.no(book.change("cover", "dan", ("10:00", "11:00"), "bob"))
    assert "is entered already" in book.no(book.change("leave", "dan", ("19:00", "+1 08:00"), role=""))


def test_a_cover_without_the_certificate_is_allowed_and_says_what_it_leaves_open(book: Book) -> None:
    (said,) = book.ask(book.change("cover", "cat", DAY, "bob"))
    assert isinstance(said.data, RosterChanged)
    assert said.data.opens == 1
    (hole,) = duty.holes(book.rota.site(book.site), moment("08:00"), moment("20:00"))
    assert (hole.certificate, hole.have, hole.need) == ("hv-electrician", 0, 1)


def test_a_leave_without_substitute_leaves_the_shift_open(book: Book) -> None:
    (said,) = book.ask(book.change("leave", "ann", ("00:00", "+3 00:00"), role=""))
    assert isinstance(said.data, RosterChanged)
    assert said.data.opens == 1  # the person; that the certificate is missing too says nothing more


def test_a_repeated_press_changes_nothing(book: Book) -> None:
    command = book.change("extra", "dan", DAY)
    book.ask(command)
    assert book.ask(command) == []
    assert len(book.rota.changes()) == 1


def test_a_restart_brings_back_every_change_that_is_not_over(book: Book) -> None:
    book.ask(book.swap())
    book.ask(book.change("extra", "dan", ("+2 20:00", "+3 08:00")))
    book.ask(RevokeCalendar("user:boss", "cal", "person:ann"))
    again = Rota()
    for record in book.lines:  # all of them stand under subjects that are open
        again.tell(record)
    assert {r.kind for r in book.lines} <= OPENS
    for at in ("09:00", "+1 09:00", "+2 21:00"):
        assert duty.on_duty(again.site(book.site), "electrician", moment(at)) == book.on_duty(at)
    assert again.generation("person:ann") == 1


def test_what_is_over_for_a_day_is_let_go(book: Book) -> None:
    book.ask(book.change("extra", "dan", DAY))
    book.now = moment("20:00")
    assert book.states() == [OVER]
    assert book.rota.drop_over(moment("20:00") + ms("23 h")) == []
    assert book.rota.drop_over(moment("20:00") + ms("24 h")) == [book.lines[0].subject]
    assert book.rota.site(book.site) is book.site


def test_the_site_is_made_anew_only_when_the_roster_changes(book: Book) -> None:
    book.ask(book.change("extra", "dan", DAY))
    first = book.rota.site(book.site)
    assert book.rota.site(book.site) is first
    assert first.by_kind == book.site.by_kind
    other = replace(book.site, hash="reloaded")
    assert book.rota.site(other).hash.startswith("reloaded")
