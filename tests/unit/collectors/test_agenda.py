"""Slots: together, in time, and nothing is lost when a call fails."""

import asyncio

import pytest

from collectors.modbus.agenda import LONGEST_MS, SLOT_MS, Agenda, offset, slot_for
from collectors.modbus.pace import Pace


class Clock:
    """Jumps to whatever is waited for, until its end."""

    def __init__(self, end):
        self.at, self.end, self.turns = 0, end, 0

    def now(self):
        return self.at

    async def until(self, at_ms):
        self.turns += 1
        if at_ms > self.end:
            raise asyncio.CancelledError
        self.at = max(self.at, at_ms)


async def served(agenda):
    with pytest.raises(asyncio.CancelledError):
        await agenda.run(lambda: None)


async def test_what_lies_in_one_slot_is_done_at_its_end_in_one_turn():
    clock = Clock(100)
    agenda = Agenda(clock, 10)
    heard = []
    for moment in (31, 40, 35, 41):
        agenda.at(moment, lambda asked, now: heard.append((asked, now)))
    await served(agenda)
    assert heard == [(31, 40), (40, 40), (35, 40), (41, 50)]


async def test_what_is_put_in_for_an_earlier_slot_is_done_next():
    agenda = Agenda(Clock(100), 10)
    heard = []

    def first(_asked, now):
        heard.append("first")
        agenda.at(now - 25, lambda *_: heard.append("earlier"))

    agenda.at(50, first)
    agenda.at(50, lambda *_: heard.append("second"))
    await served(agenda)
    assert heard == ["first", "earlier", "second"]


async def test_a_call_that_fails_takes_no_other_with_it():
    agenda = Agenda(Clock(100), 10)
    heard = []
    agenda.at(10, lambda *_: heard.append(1))
    agenda.at(10, lambda *_: {}[0])
    agenda.at(10, lambda *_: heard.append(2))
    agenda.at(20, lambda *_: heard.append(3))
    with pytest.raises(KeyError):
        await agenda.run(lambda: None)
    await served(agenda)
    assert heard == [1, 2, 3]


async def test_who_is_behind_still_lets_the_loop_read_after_every_turn():
    clock = Clock(500)
    agenda = Agenda(clock, 10)
    turns = []

    def slow(asked, _now):
        turns.append(clock.turns)
        clock.at += 35
        agenda.at(asked + 10, slow)

    agenda.at(10, slow)
    rests = []
    until = clock.until

    async def rest(at_ms):
        rests.append(at_ms - clock.at)
        if len(rests) > 10:
            raise asyncio.CancelledError
        await until(at_ms)

    clock.until = rest
    await served(agenda)
    assert min(rests) >= 1


async def test_an_empty_agenda_looks_up_often_enough():
    clock = Clock(1_000)
    await served(Agenda(clock, 5))
    assert clock.turns == 1_000 / LONGEST_MS + 1


@pytest.mark.parametrize(
    ("devices", "interval", "slot"),
    [
        (0, 1000, SLOT_MS),
        (1, 1000, LONGEST_MS),
        (1000, 1000, 40),
        (2000, 1000, 20),
        (1000, 100, SLOT_MS),
        (1, 100, 25),
        (1, 50, 12),
    ],
)
def test_slots_are_as_long_as_the_load_lets_them(devices, interval, slot):
    assert slot_for([interval] * devices) == slot


def test_offsets_spread_devices_over_their_interval():
    offsets = [offset(n, 1000, 1000, 20) for n in range(1000)]
    assert len(set(offsets)) == 50
    assert all(at % 20 == 0 for at in offsets)


def test_the_first_turn_is_free_and_later_ones_keep_their_distance():
    pace = Pace(10)
    assert [pace.turn(1_000) for _ in range(3)] == [1_000, 1_050, 1_100]
    assert pace.turn(9_000) == 9_000


def test_with_many_lines_each_has_its_turn_within_five_seconds():
    pace = Pace(1_000)
    turns = [pace.turn(0) for _ in range(1_000)]
    assert turns[-1] < 5_000
