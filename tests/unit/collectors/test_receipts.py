"""What is known of publishers that number their messages: heard, missing, given up; and what a gateway may forget."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.mqtt.receipts import GAP_ROWS, MOST_HOLES, NEVER, Hearing, Numbers, Receipts, Word
from facility.scan import Reason, Scan
from simulators.outbox import PATIENCE_MS, ROUNDS, WINDOW, Outbox

NOW = 1_780_000_000_000


def scan(seq, *, epoch=0, oldest=0, at=None, device="d"):
    at = NOW + 1000 * seq if at is None else at
    return Scan(device, at, at, (float(seq), 1.0), bytes(2), seq, epoch=epoch, oldest=oldest)


def committed(receipts, *scans):
    settled = receipts.settle(scans)
    receipts.adopt(settled)
    return settled


# -- numbers -----------------------------------------------------------------------------------------------------------


def test_numbers_in_order_leave_no_hole():
    numbers = Numbers()
    assert [numbers.tell(7, n, 1, NOW + n) for n in range(1, 5)] == [[]] * 4
    assert (numbers.epoch, numbers.through, numbers.newest, numbers.at_ms) == (7, 4, 4, NOW + 4)


def test_who_keeps_is_acknowledged_up_to_the_first_missing_and_nothing_is_called_lost():
    numbers = Numbers()
    for n in (1, 2, 5, 7):
        assert numbers.tell(7, n, 1, NOW + n) == []
    assert numbers.through == 2
    assert not numbers.heard(3)
    numbers.tell(7, 3, 3, NOW + 3)
    numbers.tell(7, 4, 3, NOW + 4)
    assert numbers.through == 5
    numbers.tell(7, 6, 6, NOW + 6)
    assert (numbers.through, numbers.at_ms) == (7, NOW + 7)


def test_what_a_keeper_no_longer_has_is_lost_and_waited_for_no_more():
    numbers = Numbers()
    for n in (1, 4):
        numbers.tell(7, n, 1, NOW + n)
    assert [tuple(h) for h in numbers.tell(7, 9, 8, NOW + 9)] == [(2, 3, NOW + 1, NOW + 4), (5, 7, NOW + 4, NOW + 9)]
    assert numbers.through == 7, "8 is still to come"
    assert [tuple(h)[:2] for h in numbers.tell(7, 14, 12, NOW + 14)] == [(8, 8), (10, 11)]
    assert numbers.through == 11, "12 and 13 are still to come"


def test_a_first_word_in_the_middle_waits_for_what_the_keeper_still_has():
    numbers = Numbers()
    assert numbers.tell(7, 500, 480, NOW) == []
    assert (numbers.through, numbers.newest) == (479, 500)


def test_who_only_counts_has_lost_what_is_missing_and_may_still_bring_it():
    numbers = Numbers()
    numbers.tell(0, 5, 0, NOW + 5)
    assert [tuple(h) for h in numbers.tell(0, 9, 0, NOW + 9)] == [(6, 8, NOW + 5, NOW + 9)]
    assert not numbers.heard(7)
    assert numbers.tell(0, 7, 0, NOW + 7) == []
    assert numbers.heard(7)
    assert not numbers.heard(6)
    assert not numbers.heard(8)


def test_a_new_epoch_says_that_nobody_knows_what_the_old_one_still_had():
    numbers = Numbers()
    numbers.tell(7, 5, 1, NOW)
    assert [tuple(h) for h in numbers.tell(8, 1, 1, NOW + 1)] == [(0, -1, NOW, NOW + 1)]
    assert (numbers.epoch, numbers.through) == (8, 1)


@pytest.mark.parametrize("oldest", [0, 1])
def test_holes_are_bounded(oldest):
    numbers = Numbers()
    lost = [hole for n in range(1, 2 * MOST_HOLES + 200, 2) for hole in numbers.tell(7, n, oldest, NOW + n)]
    assert len(numbers.holes) == MOST_HOLES
    assert len(lost) == (99 if oldest else MOST_HOLES + 99)


# -- what comes --------------------------------------------------------------------------------------------------------


def test_a_repeat_is_told_with_an_epoch_by_number_alone():
    hearing = Hearing()
    assert hearing.hear(1, NOW, 7, 1) == (Word.NEW, 7)
    assert hearing.hear(3, NOW + 3, 7, 1) == (Word.NEW, 7)
    assert hearing.hear(1, NOW, 7, 1) == (Word.AGAIN, 7)
    assert hearing.hear(2, NOW + 2, 7, 1) == (Word.LATE, 7)
    assert hearing.hear(2, NOW + 2, 7, 1) == (Word.AGAIN, 7)


def test_without_an_epoch_an_older_number_is_a_late_word():
    hearing = Hearing()
    assert hearing.hear(8, NOW) == (Word.NEW, 0)
    assert hearing.hear(10, NOW + 2) == (Word.NEW, 0)
    assert hearing.hear(9, NOW + 1) == (Word.LATE, 0)


def test_who_counts_from_one_again_has_restarted_whatever_his_clock_says():
    for stamp in (NOW + 60_000, None, NOW - 10**9):
        hearing = Hearing()
        hearing.hear(8, NOW)
        assert hearing.hear(1, stamp) == (Word.NEW, 1)
        assert hearing.hear(2, stamp and stamp + 1) == (Word.NEW, 1)


def test_a_number_that_was_there_with_a_later_time_is_a_restart_and_with_an_older_one_a_late_word():
    hearing = Hearing()
    hearing.hear(8, NOW)
    assert hearing.hear(5, NOW - 3) == (Word.LATE, 0)
    assert hearing.hear(5, NOW + 3) == (Word.NEW, 1)


# -- what is durable ---------------------------------------------------------------------------------------------------


def test_a_receipt_names_what_is_durable_not_what_came():
    receipts = Receipts()
    hearing = receipts.hearing("d")
    first, second = (scan(n, epoch=7, oldest=1) for n in (1, 2))
    for one in (first, second):
        hearing.hear(one.seq, one.at_ms, 7, 1)
    assert receipts.due == {}
    settled = receipts.settle([first])
    assert receipts.due == {}, "not believed before it is written"
    receipts.adopt(settled)
    assert receipts.due == {"d": (7, 1)}


def test_a_restart_goes_on_from_what_was_committed():
    receipts = Receipts()
    settled = committed(receipts, scan(1, epoch=7, oldest=1), scan(2, epoch=7, oldest=1), scan(4, epoch=7, oldest=1))
    again = Receipts(settled.numbers)
    hearing = again.hearing("d")
    assert [hearing.hear(n, NOW, 7, 3)[0] for n in (2, 4, 3, 5)] == [Word.AGAIN, Word.AGAIN, Word.LATE, Word.NEW]
    again.keeps("d")
    again.again("d")
    assert again.due == {"d": (7, 2)}


def test_a_gap_of_a_counting_publisher_is_a_record_and_rows():
    receipts = Receipts()
    committed(receipts, scan(1), scan(2))
    settled = committed(receipts, scan(6))
    (gap,) = settled.gaps
    assert (gap.device, gap.why, gap.missing, gap.first) == ("d", Reason.LOST, 3, 3)
    assert (gap.from_ms, gap.to_ms) == (NOW + 2000, NOW + 6000)
    assert [row.at_ms for row in settled.rows] == [NOW + 3000, NOW + 4000, NOW + 5000]
    assert {tuple(row.reasons) for row in settled.rows} == {(Reason.LOST, Reason.LOST)}
    assert receipts.due == {}, "nobody waits for a receipt"
    late = committed(receipts, scan(4))
    assert (late.filled, late.gaps) == ([("d", 0, 4)], [])


def test_a_large_gap_has_its_number_and_not_as_many_rows():
    receipts = Receipts()
    committed(receipts, scan(1))
    settled = committed(receipts, scan(100_000))
    assert settled.gaps[0].missing == 99_998
    assert len(settled.rows) == GAP_ROWS
    assert all(NOW + 1000 < row.at_ms < NOW + 10**8 for row in settled.rows)


def test_a_commit_that_failed_settles_nothing_and_the_next_one_all():
    receipts = Receipts()
    receipts.deaf("p", 2, NOW, NOW + 5000)
    receipts.settle([scan(1), scan(3)])
    settled = committed(receipts, scan(1), scan(3), scan(4))
    assert [(g.device, g.why, g.missing) for g in settled.gaps] == [
        ("p", Reason.NOT_CONNECTED, 0),
        ("d", Reason.LOST, 1),
    ]
    assert receipts.settle([]).gaps == []


def test_scans_that_memory_had_to_let_go_may_come_again():
    receipts = Receipts()
    committed(receipts, scan(1, epoch=7, oldest=1))
    hearing = receipts.hearing("d")
    assert hearing.hear(2, NOW, 7, 1)[0] is Word.NEW
    assert hearing.hear(2, NOW, 7, 1)[0] is Word.AGAIN
    receipts.let_go("d")
    assert hearing.hear(2, NOW, 7, 1)[0] is Word.NEW


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 40), st.integers(0, 40)), max_size=60))
@settings(max_examples=200)
def test_whatever_comes_every_number_is_heard_lost_or_in_a_hole(said):
    numbers = Numbers()
    for n, (epoch, seq, oldest) in enumerate(said):
        numbers.tell(epoch, seq, min(oldest, seq), NOW + n)
        assert numbers.epoch == epoch
        assert numbers.heard(seq)
        assert numbers.through <= numbers.newest
        assert all(
            a.first <= a.last < b.first <= b.last for a, b in zip(numbers.holes, numbers.holes[1:], strict=False)
        )
        assert all(hole.last < numbers.newest for hole in numbers.holes)
    assert (numbers.epoch == NEVER) is not bool(said)


# -- the whole scheme, over a wire that loses, doubles and turns round, between two sides that die -----------------------


class World:
    """A gateway, a wire, and us; every step is rolled."""

    def __init__(self, seed, path):
        self.roll, self.path = random.Random(seed), path
        self.now = NOW
        self.outbox = Outbox(path, self.now)
        self.wire, self.back = [], []  # to us, to the gateway
        self.stored, self.numbers, self.said = [], {}, 0
        self.waiting = []
        self.receipts = Receipts()

    def send(self):
        oldest = self.outbox.oldest
        self.wire += [(k.seq, k.at_ms, self.outbox.epoch, oldest) for k in self.outbox.due(self.now)]

    def hear(self, *, lossy):
        while self.wire:
            seq, at, epoch, oldest = self.wire.pop(0)
            if lossy and self.roll.random() < 0.3:
                if self.roll.random() < 0.5:
                    continue
                self.wire.insert(self.roll.randint(0, len(self.wire)), (seq, at, epoch, oldest))
            word, _ = self.receipts.hearing("d").hear(seq, at, epoch, oldest)
            if word is Word.AGAIN:
                self.receipts.again("d")
            else:
                self.waiting.append(scan(seq, epoch=epoch, oldest=oldest, at=at))

    def commit(self):
        settled = committed(self.receipts, *self.waiting)
        assert not settled.gaps
        self.stored += [s.seq for s in self.waiting]
        self.numbers.update(settled.numbers)
        self.waiting = []
        for epoch, seq in self.receipts.due.values():
            assert set(range(1, seq + 1)) <= set(self.stored), "a receipt for what is not stored"
            self.back.append((epoch, seq))
        self.receipts.due.clear()

    def answer(self, *, lossy):
        for epoch, seq in self.back:
            if not (lossy and self.roll.random() < 0.4):
                self.outbox.receipt(epoch, seq, self.now)
        self.back = []

    def step(self):
        self.now += self.roll.choice((10, 100, PATIENCE_MS))
        for _ in range(self.roll.choice((0, 1, 3, 60))):
            self.said += 1
            self.outbox.put(self.now, b"")
        match self.roll.randint(0, 9):
            case 0:  # we are killed
                self.waiting, self.receipts = [], Receipts(dict(self.numbers))
            case 1:  # the gateway is killed
                self.outbox.close()
                self.outbox = Outbox(self.path, self.now)
            case 2:  # the broker is killed
                self.wire, self.back = [], []
                self.outbox.connected(self.now)
            case _:
                self.send()
                self.hear(lossy=True)
                if self.roll.random() < 0.7:
                    self.commit()
                self.answer(lossy=True)


@pytest.mark.parametrize("seed", range(8))
def test_nothing_is_lost_or_doubled_whoever_dies(tmp_path, seed):
    world = World(seed, tmp_path / "outbox.db")
    for _ in range(50):
        world.step()
    for _ in range(2 * world.said // WINDOW + 10):
        world.now += PATIENCE_MS
        world.send()
        world.hear(lossy=False)
        world.commit()
        world.answer(lossy=False)
    assert world.said > 100
    assert sorted(world.stored) == list(range(1, world.said + 1)), "each once"
    assert world.outbox.oldest == world.said + 1, "the gateway may forget all"
    world.outbox.close()


# -- the gateway's side ------------------------------------------------------------------------------------------------


def test_the_newest_word_does_not_wait_behind_a_backlog():
    outbox = Outbox(None, NOW)
    for n in range(3 * WINDOW):
        outbox.put(NOW + n, b"")
    assert [k.seq for k in outbox.due(NOW)] == [*range(1, WINDOW + 1), 3 * WINDOW]
    outbox.put(NOW, b"bell")
    assert [(k.seq, k.body) for k in outbox.due(NOW + 1)] == [(3 * WINDOW + 1, b"bell")]
    assert outbox.due(NOW + 2) == []
    outbox.receipt(outbox.epoch, WINDOW, NOW + 3)
    assert [k.seq for k in outbox.due(NOW + 3)] == list(range(WINDOW + 1, 2 * WINDOW + 1))
    outbox.close()


def test_a_full_outbox_lets_the_oldest_go_and_says_so():
    outbox = Outbox(None, NOW, most=10)
    for n in range(25):
        outbox.put(NOW + n, b"")
    assert (outbox.oldest, outbox.newest) == (16, 25)
    outbox.close()


def test_a_message_that_nobody_can_read_goes_after_ten_answered_rounds_and_not_while_nobody_answers():
    outbox = Outbox(None, NOW)
    for _ in range(3):
        outbox.put(NOW, b"")
    now = NOW
    for _ in range(3 * ROUNDS):
        outbox.due(now := now + PATIENCE_MS)
    assert outbox.oldest == 1, "nobody answered"
    for _ in range(ROUNDS + 1):
        outbox.due(now := now + PATIENCE_MS)
        outbox.receipt(outbox.epoch, 0, now)
    outbox.due(now + PATIENCE_MS)
    assert outbox.oldest == 2
    outbox.receipt(outbox.epoch + 1, 3, now)
    assert outbox.oldest == 2, "a receipt for another outbox says nothing"
    outbox.close()
