"""The board under anything that can happen in any order: machines, operators, permits, time, and restarts.

The log keeps what the log book would keep open. Now and then the board is built again from it alone; it must be the
same, and go on the same.
"""

from collections import Counter
from copy import deepcopy
from dataclasses import replace
from datetime import datetime
from types import SimpleNamespace
from typing import ClassVar
from zoneinfo import ZoneInfo

from board_site import GAS, MACHINES, RULES, board_site
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from msgspec.structs import replace as remade

from alarms.board import Board
from alarms.hiding import ONLY_WHILE
from alarms.life import State, is_hidden, is_open
from alarms.transition import Transition
from facility import records
from facility.commands import AcknowledgeAlarm, Refused, ResetAlarm, ShelveAlarm, UnshelveAlarm
from facility.records import Kind, Record, alarm_subject

SITE = board_site("Europe/Berlin")
# A summer time ends in this night, and the hours of a rule begin and end in it.
START = int(datetime(2026, 10, 24, 21, 30, tzinfo=ZoneInfo("Europe/Berlin")).timestamp() * 1000)
STEPS = 5_000

OWNERS = st.sampled_from(MACHINES)
RULE_IDS = st.sampled_from([r.id for r in RULES])
SHORT = st.integers(0, 40).map(lambda s: s * 500)
LONG = st.sampled_from([60_000, 300_000, 900_000, 3_600_000, 9 * 3_600_000])
WORKS = st.sampled_from(["permit", "inspection", "genset-test", "power-cut", "out-of-use"])
ALL = {k for k in Kind if k.startswith("alarm.")}
TWICE = {Kind.ALARM_RAISED: True, Kind.ALARM_CLEARED: False}


class Boards(RuleBasedStateMachine):
    """Plays them all against one board."""

    steps = 0
    kinds: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.board = Board(SITE)
        self.log: dict[str, list[Record]] = {}  # subject -> what the book keeps open of it
        self.order: list[Record] = []
        self.holds: dict[tuple[str, str], set[int]] = {}  # what the machines really do
        self.raised: dict[str, bool] = {}
        self.requests: set[str] = set()
        self.pressed = 0
        self.permits: list[str] = []

    # -- the desk

    def write(self, *lines: Record) -> None:
        for line in lines:
            if line.kind in TWICE:
                assert self.raised.get(line.subject, False) is not TWICE[line.kind], "told twice"
                self.raised[line.subject] = TWICE[line.kind]
            assert line.request not in self.requests, "the book would leave this out"
            self.requests.add(str(line.request))
            self.board.tell(line)
            self.log.setdefault(line.subject, []).append(line)
            self.order.append(line)
            type(self).kinds[line.kind] += 1

    def settle(self, at: int) -> list[Record]:
        out: list[Record] = []
        for _ in range(1000):
            more = self.board.decide(at)
            if not more:
                break
            self.write(*more)
            out += more
        else:
            raise AssertionError("the board never comes to rest")
        for subject in self.board.ended():
            self.board.drop(subject)
            self.forget(subject)
        return out

    def forget(self, subject: str) -> None:
        del self.log[subject]
        self.order = [r for r in self.order if r.subject != subject]

    def press(self) -> str:
        self.pressed += 1
        return f"press-{self.pressed}"

    def does(self, command) -> None:
        self.settle(self.now)
        said = self.board.ask(command, self.now)
        if not isinstance(said, Refused):
            self.write(*said)
            self.settle(self.now)

    # -- what can happen

    @rule(owner=OWNERS, which=RULE_IDS, rung=st.integers(0, 2), after=SHORT)
    def moves(self, owner, which, rung, after) -> None:
        rung = rung if which == "hot" else 0
        self.now += 1 + after
        held = self.holds.setdefault((owner, which), set())
        comes = rung not in held
        (held.add if comes else held.remove)(rung)
        self.settle(self.now)
        self.write(*self.board.take(Transition(owner, which, comes, self.now, 1.0, f"{owner}/{which}", rung=rung)))
        self.settle(self.now)

    @rule(owner=OWNERS, which=RULE_IDS, times=st.integers(3, 6))
    def chatters(self, owner, which, times) -> None:
        for _ in range(2 * times):
            self.moves(owner, which, 0, 1_999)

    @rule(span=SHORT | LONG)
    def time_passes_and_nobody_looks(self, span) -> None:
        prompt = self.rebuilt()
        prompt._chatter = deepcopy(self.board._chatter)
        until = self.now + span
        told: list[Record] = []
        while (due := prompt.due(self.now)) is not None and due <= until:
            while more := prompt.decide(due):
                told += more
                for line in more:
                    prompt.tell(line)
        self.now = until
        late = self.settle(until)
        assert late == told, "each at its exact moment, however late it is asked for"

    @rule(owner=OWNERS, which=RULE_IDS, minutes=st.sampled_from([1, 15, 60, 480, 481]), until_clear=st.booleans())
    def shelves(self, owner, which, minutes, until_clear) -> None:
        self.now += 1
        command = ShelveAlarm(
            "user:li", self.press(), alarm_subject(owner, which), "noise", minutes, until_clear=until_clear
        )
        would = self.board.preview(command, self.now)
        self.does(command)
        alarm = self.board.open().get(command.alarm)
        if isinstance(would, Refused):
            assert alarm is None or alarm.shelf is None or alarm.shelf.at_ms != self.now
        else:
            assert alarm is not None
            assert alarm.state is State.SHELVED
            assert [(h.subject, h.active) for h in would] == [(alarm.subject, alarm.active)]

    @rule(owner=OWNERS, which=RULE_IDS, command=st.sampled_from([UnshelveAlarm, AcknowledgeAlarm, ResetAlarm]))
    def presses(self, owner, which, command) -> None:
        self.now += 1
        self.does(command("user:li", self.press(), alarm_subject(owner, which)))

    @rule()
    def somebody_sees_to_what_latched(self) -> None:
        for alarm in [a for a in self.board.open().values() if a.latched and not a.active]:
            self.now += 1
            self.does(ResetAlarm("user:li", self.press(), alarm.subject))

    @rule(work=WORKS, owner=OWNERS)
    def work_begins(self, work, owner) -> None:
        self.now += 1
        self.settle(self.now)
        subject = f"permit:{len(self.permits) + self.pressed}-{self.now}"
        self.permits.append(subject)
        expected = tuple(alarm_subject(owner, r) for r in ("dry", "gas"))
        issued = records.PermitIssued(work, (owner,), "he-jun", (), self.now, self.now + 3_600_000, "task")
        self.write(
            Record(self.now, Kind.PERMIT_ISSUED, subject, issued, request=f"{subject}/issued"),
            Record(
                self.now, Kind.PERMIT_STARTED, subject, records.PermitStarted(expected), request=f"{subject}/started"
            ),
        )
        self.settle(self.now)

    @rule()
    def work_ends(self) -> None:
        if self.permits:
            self.now += 1
            self.settle(self.now)
            subject = self.permits.pop(0)
            ended = records.PermitEnded("finished")
            self.write(Record(self.now, Kind.PERMIT_ENDED, subject, ended, request=f"{subject}/ended"))
            self.settle(self.now)
            self.forget(subject)

    @rule()
    def restarts(self) -> None:
        new = self.rebuilt()
        old = self.board
        assert picture(new) == picture(old)
        forced: list[object] = []
        rules = SimpleNamespace(
            standing=lambda: {(*key, rung) for key, held in self.holds.items() for rung in held},
            pairs=lambda: {(m, r.id) for m in MACHINES for r in RULES},
            moved_ms=lambda owner, which: old._chatter[alarm_subject(owner, which)].changed_ms,
            force=lambda *key, active, since_ms: forced.append((key, active, since_ms)) or True,
        )
        assert new.reconcile(rules, [], self.now) == []
        assert forced == [], "rules and board are of one mind"
        assert new.decide(self.now) == [], "what was hidden and shown was written with what made it so"
        if not old._chatter:
            assert new.due(self.now) == old.due(self.now)
        for subject, chatter in new._chatter.items():
            assert chatter == replace(old._chatter[subject], untold=0)
        new._raises = old._raises  # a minute's raises of what is over are forgotten; here both go on alike
        for alarm in list(new.open().values()):
            new._date(alarm, max(alarm.last_ms, self.now))
        self.board = new

    def teardown(self) -> None:
        """Wherever chance has led: from here all that can happen to an alarm still does, on one machine."""
        self.everything_happens(MACHINES[0])
        self.checked()

    def everything_happens(self, owner: str) -> None:
        seen = Counter(type(self).kinds)
        while self.permits:
            self.work_ends()
        self.now += 9 * 3_600_000  # no shelf lasts so long, and nothing chatters on
        self.settle(self.now)
        for (machine, which), held in self.holds.items():
            for rung in sorted(held if machine == owner else ()):
                self.moves(owner, which, rung, 60_000)
        self.somebody_sees_to_what_latched()
        self.now += 60_000
        self.moves(owner, "hot", 0, 0)
        self.presses(owner, "hot", AcknowledgeAlarm)
        self.moves(owner, "hot", 2, 0)
        self.shelves(owner, "hot", 15, until_clear=False)
        self.presses(owner, "hot", UnshelveAlarm)
        self.work_begins("permit", owner)
        self.work_ends()
        self.moves(owner, "hot", 2, 0)
        self.moves(owner, "hot", 0, 0)
        self.chatters(owner, "hot", 3)
        self.now += 300_000
        self.settle(self.now)
        self.moves(owner, "trip", 0, 0)
        self.moves(owner, "trip", 0, 0)
        self.presses(owner, "trip", ResetAlarm)
        happened = type(self).kinds - seen
        assert set(happened) >= ALL, f"never happened: {ALL - set(happened)}"

    def checked(self) -> None:
        self.one_alarm_for_what_holds()
        self.a_life_is_never_kept_from_anybody()
        self.whatever_is_out_of_sight_is_listed()
        self.nothing_due_is_left()

    def rebuilt(self) -> Board:
        new = Board(SITE)
        for line in self.order:
            new.tell(line)
        new._review.clear()
        return new

    # -- what is always so

    @invariant()
    def counted(self) -> None:
        type(self).steps += 1

    @invariant()
    def one_alarm_for_what_holds(self) -> None:
        for (owner, which), held in self.holds.items():
            alarm = self.board.open().get(alarm_subject(owner, which))
            if alarm is not None and alarm.chattering:
                assert alarm.active, "what chatters stands"
            else:
                assert bool(held) is (alarm is not None and alarm.active)
                assert not held or set(alarm.rungs) == held
        assert self.board.active.keys() >= {a.owner for a in self.board.open().values() if a.active}

    @invariant()
    def a_life_is_never_kept_from_anybody(self) -> None:
        for alarm in self.board.open().values():
            if alarm.rule == GAS.id:
                assert alarm.state in {State.UNACKNOWLEDGED, State.ACKNOWLEDGED, State.RETURNED}
                assert not alarm.chattering

    @invariant()
    def whatever_is_out_of_sight_is_listed(self) -> None:
        listed = {(h.subject, h.how) for h in self.board.hiding(self.now)}
        for alarm in self.board.open().values():
            if is_hidden(alarm) and (alarm.shelf is not None or alarm.hide.by != ONLY_WHILE):
                assert (alarm.subject, str(alarm.state)) in listed
            if alarm.chattering:
                assert (alarm.subject, "chattering") in listed
            assert (alarm.state is State.SHELVED) is (alarm.shelf is not None)
            if alarm.hide is not None:
                assert alarm.active or alarm.latched
        open_ = {a.subject for a in self.board.open().values() if is_open(a)}
        assert {subject for subject, _ in listed} <= open_

    @invariant()
    def nothing_due_is_left(self) -> None:
        due = self.board.due(self.now)
        assert due is None or due > self.now or any(c.changed_ms + 300_000 > due for c in self.board._chatter.values())
        for alarm in self.board.open().values():
            assert alarm.shelf is None or alarm.shelf.until_ms > self.now


def picture(board: Board):
    """All that a board believes; of what chatters not how often, which nobody wrote down."""
    alarms = {s: remade(a, chattering=int(a.chattering > 0)) for s, a in board.open().items()}
    return alarms, {k: v for k, v in board.active.items() if v}, board.since, board._hiding.works


def test_anything_in_any_order() -> None:
    Boards.steps = 0
    Boards.kinds.clear()
    run_state_machine_as_test(
        Boards,
        settings=settings(
            max_examples=110,
            stateful_step_count=60,
            deadline=None,
            derandomize=True,
            database=None,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert Boards.steps >= STEPS
    assert set(Boards.kinds) >= ALL
