"""The board, said straight: what latches and who resets it, what a shelf breaks at, what a permit and a preview hide."""

from dataclasses import replace

import pytest
from board_site import GAS, RULES, board_site
from small_site import counts, rule

from alarms.board import Board
from alarms.life import State
from alarms.transition import Transition
from facility import records
from facility.commands import IssuePermit, Refused, ResetAlarm, ShelveAlarm
from facility.person import Person
from facility.records import Kind, Record, alarm_subject
from facility.text import Text

MINUTE = 60_000
PUMP = "pump-1"
TRIP, HOT, DRY = (alarm_subject(PUMP, r) for r in ("trip", "hot", "dry"))


class Desk:
    """A board whose records are believed as soon as they are made."""

    def __init__(self, site=None) -> None:
        self.board = Board(site or board_site())
        self.told: list[Record] = []

    def write(self, *lines: Record) -> list[Record]:
        out = list(lines)
        for line in lines:
            self.board.tell(line)
        self.told += lines
        return out

    def turn(self, at: int) -> list[Record]:
        out: list[Record] = []
        while more := self.board.decide(at):
            out += self.write(*more)
        return out

    def moves(self, rule_id: str, at: int, *, comes: bool = True, rung: int = 0) -> list[Record]:
        out = self.turn(at)
        out += self.write(*self.board.take(Transition(PUMP, rule_id, comes, at, 1.0, rung=rung)))
        return out + self.turn(at)

    def asks(self, command, at: int):
        said = self.board.ask(command, at)
        return said if isinstance(said, Refused) else self.write(*said) + self.turn(at)

    def works(self, kind: Kind, data, at: int) -> list[Record]:
        return self.write(Record(at, kind, "permit:1", data)) + self.turn(at)

    def permit(self, at: int, work: str = "permit", *expected: str) -> list[Record]:
        issued = records.PermitIssued(work, (PUMP,), "he-jun", (), at, at + 60 * MINUTE, "清洗")
        return self.works(Kind.PERMIT_ISSUED, issued, at) + self.works(
            Kind.PERMIT_STARTED, records.PermitStarted(expected), at
        )

    def state(self, subject: str) -> str:
        alarm = self.board.open().get(subject)
        return str(alarm.state) if alarm else "normal"


def kinds(lines: list[Record]) -> list[str]:
    return [str(line.kind) for line in lines]


# -- latching, and who may reset


def guarded():
    """The pump's card lets technicians reset; He Jun is one, Chen Yu is a guard."""
    site = board_site()
    pump = site.equipment[PUMP]
    return replace(
        site,
        equipment={**site.equipment, PUMP: replace(pump, card=replace(pump.card, may_reset=("technician",)))},
        people={
            "he-jun": Person("he-jun", "何军", ("technician",), ()),
            "chen-yu": Person("chen-yu", "陈宇", ("guard",), ()),
        },
    )


def reset(actor: str, person: str = "", request: str = "r1") -> ResetAlarm:
    return ResetAlarm(actor, request, TRIP, person)


def tripped_and_over(site) -> Desk:
    desk = Desk(site)
    desk.moves("trip", 1000)
    (over,) = desk.moves("trip", 2000, comes=False)
    assert over.data.latched
    return desk


@pytest.mark.parametrize(
    ("actor", "person"),
    [("person:chen-yu", ""), ("user:op", ""), ("user:op", "chen-yu"), ("user:op", "nobody")],
    ids=["a guard", "the desk in nobody's name", "the desk for a guard", "the desk for a stranger"],
)
def test_who_is_not_named_on_the_card_resets_nothing(actor, person) -> None:
    desk = tripped_and_over(guarded())
    said = desk.asks(reset(actor, person), 3000)
    assert isinstance(said, Refused)
    assert said.code == "forbidden"
    assert "technician" in said.why.en
    assert desk.state(TRIP) == "latched"


@pytest.mark.parametrize(("actor", "person"), [("person:he-jun", ""), ("user:op", "he-jun")])
def test_who_is_named_resets_what_latched_and_stands_in_the_record(actor, person) -> None:
    desk = tripped_and_over(guarded())
    (line,) = desk.asks(reset(actor, person), 3000)
    assert (line.kind, line.actor, line.about) == (Kind.ALARM_RESET, actor, (PUMP, "he-jun"))
    assert desk.state(TRIP) == "normal"


def test_a_refusal_names_the_role_in_both_languages() -> None:
    site = replace(guarded(), roles={"technician": Text("检修工", "a technician")})
    said = tripped_and_over(site).asks(reset("person:chen-yu"), 3000)
    assert "检修工" in said.why.zh
    assert "a technician" in said.why.en


def test_a_card_that_names_nobody_lets_the_desk_reset() -> None:
    desk = tripped_and_over(board_site())
    assert kinds(desk.asks(reset("user:op"), 3000)) == ["alarm.reset"]


def test_what_still_holds_or_never_latched_is_not_reset_by_anybody() -> None:
    desk = Desk(guarded())
    desk.moves("trip", 1000)
    assert desk.asks(reset("person:he-jun"), 2000).code == "conflict"
    desk.moves("hot", 2500)
    desk.moves("hot", 2600, comes=False)
    assert desk.asks(ResetAlarm("person:he-jun", "r2", HOT), 3000).code == "conflict"
    assert desk.asks(ResetAlarm("person:he-jun", "r3", DRY), 3000).code == "not-found"


def test_a_latched_alarm_that_comes_again_is_latched_still_until_it_is_over_and_reset() -> None:
    desk = tripped_and_over(guarded())
    desk.moves("trip", 100_000)
    assert desk.asks(reset("person:he-jun"), 100_500).code == "conflict"
    desk.moves("trip", 101_000, comes=False)
    assert desk.state(TRIP) == "latched"
    assert kinds(desk.asks(reset("person:he-jun", request="r2"), 102_000)) == ["alarm.reset"]


# -- shelves


def shelve(subject: str, minutes: int = 15) -> ShelveAlarm:
    return ShelveAlarm("user:li", f"s-{subject}", subject, "调试", minutes)


def test_a_graver_rung_breaks_a_shelf_and_a_lesser_one_does_not() -> None:
    desk = Desk()
    desk.moves("hot", 1000)
    desk.moves("hot", 1100, rung=1)
    desk.asks(shelve(HOT), 2000)
    assert kinds(desk.moves("hot", 3000, comes=False, rung=1)) == ["alarm.graded"]
    assert desk.state(HOT) == "shelved"
    lines = desk.moves("hot", 4000, rung=2)
    assert kinds(lines) == ["alarm.graded", "alarm.unshelved"]
    assert (lines[1].data.why, lines[1].data.active, lines[1].data.priority) == ("graver", True, 1)
    assert desk.state(HOT) == "unacknowledged"


# -- counts


def test_an_event_that_comes_too_fast_is_damped_like_any_other_counted_and_not_lost() -> None:
    event = rule("event", "pump", counts("trip"))
    desk = Desk(replace(board_site(), rules={**{r.id: r for r in RULES}, "event": event}))
    for n in range(10):
        desk.moves("event", 1000 + n * 5000)
        desk.moves("event", 1000 + n * 5000, comes=False)
    assert kinds(desk.told) == [
        "alarm.raised", "alarm.cleared", "alarm.raised", "alarm.cleared", "alarm.raised", "alarm.chattering",
    ]  # fmt: skip
    assert desk.board.open()[alarm_subject(PUMP, "event")].chattering == 10
    settled, cleared = desk.turn(1000 + 45_000 + 5 * MINUTE)
    assert (settled.data.count, settled.data.active) == (7, False)
    assert (cleared.kind, cleared.data.why) == (Kind.ALARM_CLEARED, "settled")
    assert desk.state(alarm_subject(PUMP, "event")) == "returned"


def test_what_still_comes_and_goes_has_not_settled_and_settles_five_minutes_after_its_last_change() -> None:
    desk = Desk()
    for n in range(40):
        desk.moves("hot", 1000 + n * 20_000)
        desk.moves("hot", 1000 + n * 20_000 + 5000, comes=False)
    last = 1000 + 39 * 20_000 + 5000
    assert kinds(desk.told).count("alarm.chattering") == 1
    assert "alarm.settled" not in kinds(desk.told)
    assert desk.turn(last + 5 * MINUTE - 1) == []
    assert [(str(line.kind), line.at_ms) for line in desk.turn(last + 5 * MINUTE)] == [
        ("alarm.settled", last + 5 * MINUTE), ("alarm.cleared", last + 5 * MINUTE),
    ]  # fmt: skip


def test_a_life_is_told_each_time_however_often_it_comes() -> None:
    desk = Desk()
    for n in range(6):
        desk.moves("gas", 1000 + n * 2000)
        desk.moves("gas", 2000 + n * 2000, comes=False)
    assert kinds(desk.told) == ["alarm.raised", "alarm.cleared"] * 6


# -- permits


def test_what_is_raised_under_a_permit_is_out_of_service_from_its_first_line_and_shown_at_the_end() -> None:
    desk = Desk()
    desk.permit(1000)
    (raised,) = desk.moves("trip", 2000)
    assert (raised.data.hidden, raised.data.by) == ("out-of-service", "permit:1")
    (over,) = desk.moves("hot", 2500)[:1]
    assert over.data.hidden == "out-of-service"
    desk.moves("hot", 2600, comes=False)
    assert desk.state(HOT) == "normal"
    (listed,) = desk.board.hiding(3000)
    assert (listed.subject, listed.how, listed.until_ms, listed.reason) == (
        TRIP, "out-of-service", 1000 + 60 * MINUTE, "清洗",
    )  # fmt: skip
    (shown,) = desk.works(Kind.PERMIT_ENDED, records.PermitEnded("finished"), 9000)[1:]
    assert (shown.kind, shown.at_ms, shown.data.active) == (Kind.ALARM_SHOWN, 9000, True)
    assert desk.state(TRIP) == "unacknowledged"


def test_a_life_under_a_permit_is_raised_as_ever() -> None:
    desk = Desk()
    desk.permit(1000)
    (raised,) = desk.moves("gas", 2000)
    assert raised.data.hidden == ""
    assert desk.state(alarm_subject(PUMP, "gas")) == "unacknowledged"


# -- previews


def issue(work: str) -> IssuePermit:
    return IssuePermit("user:op", "p1", work, (PUMP,), "he-jun", 1000, 1000 + 60 * MINUTE, "停电")


@pytest.mark.parametrize("work", ["permit", "inspection", "genset-test"])
def test_the_preview_of_a_permit_names_all_alarms_of_its_machine_but_those_of_life(work) -> None:
    found = Desk().board.preview(issue(work), 500)
    assert {h.subject for h in found} == {alarm_subject(PUMP, r.id) for r in RULES if r is not GAS} | {
        alarm_subject(f"plc-{PUMP}", r.id) for r in RULES if r.kind == "device"
    }
    assert {(h.how, h.by, h.since_ms, h.until_ms, h.active) for h in found} == {
        ("out-of-service", "user:op", 1000, 1000 + 60 * MINUTE, False)
    }


def test_the_preview_of_a_power_cut_names_what_it_causes_as_suppressed_and_nothing_else() -> None:
    desk = Desk()
    desk.moves("dry", 100)
    expected = frozenset({DRY, alarm_subject("pump-2", "hot"), alarm_subject(PUMP, "gas")})
    found = desk.board.preview(issue("power-cut"), 500, expected)
    assert [(h.subject, h.how, h.active) for h in found] == [
        (DRY, "suppressed", True), (alarm_subject("pump-2", "hot"), "suppressed", False),
    ]  # fmt: skip
    hidden = desk.permit(1000, "power-cut", *expected)
    assert [(line.subject, line.data.how) for line in hidden if line.kind is Kind.ALARM_HIDDEN] == [(DRY, "suppressed")]
    desk.moves("trip", 2000)
    assert desk.state(TRIP) == State.UNACKNOWLEDGED, "nobody expected that one"


def test_what_hides_nothing_previews_nothing() -> None:
    assert Desk().board.preview(issue("out-of-use"), 500, frozenset({DRY})) == []
