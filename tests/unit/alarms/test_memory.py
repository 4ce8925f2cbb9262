"""What holds for any scans at all: memory loses nothing, a replay repeats exactly, the quiet bands hide nothing."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from small_site import (
    SILENCE,
    above,
    apart,
    below,
    counts,
    falls,
    flat,
    is_,
    is_not,
    missing,
    rises,
    rule,
    runs,
    site,
    starts,
    supply,
)
from timeline import NAN, check_lives

from alarms.rules import Evaluator
from facility.rule import Priority, Rung
from facility.scan import Reason, Scan, missed

RULES = (
    rule("high", "m", above("a", 5, 2)),
    rule("high-late", "m", above("a", 5), on=3000, off=2000),
    rule("low", "m", below("a", 2, 1), off=1000),
    rule("is", "m", is_("b", 1), on=1000),
    rule("is-not", "m", is_not("b", 1)),
    rule("rises", "m", rises("a", 3, 4000, 1)),
    rule("falls", "m", falls("a", 3, 4000), on=1000),
    rule("counts", "m", counts("c")),
    rule("counts-while", "m", counts("c"), is_("b", 1)),
    rule("both", "m", above("a", 4, 1), is_("d", 1), on=2000, off=2000),
    rule("either-device", "m", is_("b", 0), is_("d", 1)),
    SILENCE,
    rule("silent-now", "device", SILENCE.when[0], off=2000),
    rule("flat", "m", flat("a", 3000, 1)),
    rule("flat-late", "m", flat("d", 3000), is_("b", 1), on=1000, off=1000),
    rule("missing", "m", missing("a")),
    rule("missing-late", "m", missing("b"), on=3000, off=1000),
    rule("runs", "m", runs("b", 8000 / 3_600_000)),
    rule("starts", "m", starts("b", 1, 20_000), off=1000),
    rule("apart", "m", apart("a", "b", 3, 1), on=1000),
    rule("apart-far", "m", apart("a", "d", 3, 1)),
    rule("any", "m", is_("b", 1), any_of=(above("a", 6, 1), is_("d", 0), apart("d", "b", 0)), on=1000),
    rule("any-alone", "m", any_of=(above("a", 6, 1), is_("b", 1))),
    rule(
        "ladder",
        "m",
        above("a", 3, 1),
        on=1000,
        ladder=(Rung(Priority.HIGH, (above("a", 6, 1),)), Rung(Priority.LIFE, (above("a", 3, 1),), 4000)),
    ),
    rule("fed", "m", supply(is_("on", 0)), above("a", 2)),
)
SITE = site(
    {"m1": "m", "s1": "s"},
    {"x": ["m1/a", "m1/b", "m1/c"], "y": ["m1/d", "s1/on"]},
    *RULES,
    fed_by={"m1": ["s1"], "s1": []},
)
DOUBTS = st.sampled_from([Reason.GOOD] * 8 + [Reason.NOT_GIVEN, Reason.UNKNOWN_TEXT, Reason.RETAINED, Reason.NO_ANSWER])
READINGS = {
    "x": st.tuples(
        st.tuples(st.integers(0, 8), st.integers(0, 1), st.sampled_from([0, 1, 2, 5, 65_535])),
        st.tuples(DOUBTS, DOUBTS, DOUBTS),
    ),
    "y": st.tuples(st.tuples(st.integers(0, 1), st.integers(0, 1)), st.tuples(DOUBTS, DOUBTS)),
}
WAITS = st.sampled_from([0, 1, 400, 1000, 1000, 3000, 20_000])
LAGS = st.sampled_from([0, 0, 0, 0, -1, -300, -5000, 2000])
HEARD = [st.tuples(WAITS, LAGS, st.just(device), READINGS[device]) for device in ("x", "y")]
MISSED = st.tuples(WAITS, st.just(0), st.sampled_from(["x", "y"]), st.none())


def received(steps) -> list[Scan]:
    """Scans as they came in; the devices' own times go their own ways."""
    scans, now = [], 1_000_000
    for wait, lag, device, reading in steps:
        now += wait
        if reading is None:
            scans.append(missed(device, now, len(SITE.devices[device].points), Reason.NO_ANSWER))
        else:
            # A value that is not good is sometimes a number and sometimes none.
            values = tuple(NAN if r and v % 2 else float(v) for v, r in zip(*reading, strict=True))
            scans.append(Scan(device, now + lag, now, values, bytes(reading[1])))
    return scans


DAYS = st.lists(st.one_of(HEARD[0], HEARD[0], HEARD[1], MISSED), min_size=1, max_size=25).map(received)


def lived(evaluator: Evaluator, scans, wake=lambda _now: False):
    """Each scan's transitions; in between the desk may wake at any moment up to the next scan."""
    moved = []
    for scan in scans:
        while (due := evaluator.due()) is not None and due <= scan.received_ms and wake(due):
            moved += evaluator.ripen(due)
        moved += evaluator.step(scan)
    return moved


def finished(evaluator: Evaluator):
    return list(evaluator.ripen(10**9))


@settings(max_examples=150, deadline=None)
@given(DAYS, st.data())
def test_memory_goes_on_as_if_nothing_had_been(scans, data):
    first, second = Evaluator(SITE), Evaluator(SITE)
    cut = data.draw(st.integers(0, len(scans)))
    lived(first, scans[:cut])
    second.remember(first.memory())
    assert second.memory() == first.memory()
    assert second.active() == first.active()
    assert second.due() == first.due()
    assert lived(second, scans[cut:]) == lived(first, scans[cut:])
    assert finished(second) == finished(first)
    assert second.memory() == first.memory()


@settings(max_examples=150, deadline=None)
@given(DAYS, st.data())
def test_a_replay_from_an_older_memory_says_the_same_with_the_same_times(scans, data):
    """Killed anywhere: the book holds a prefix, the checkpoint is older; the replay gives that prefix again, and goes on."""
    live = Evaluator(SITE)
    checkpoint = data.draw(st.integers(0, len(scans)))
    before = lived(live, scans[:checkpoint], lambda _: data.draw(st.booleans()))
    memory = live.memory()
    after = lived(live, scans[checkpoint:], lambda _: data.draw(st.booleans())) + finished(live)
    again = Evaluator(SITE)
    again.remember(memory)
    replayed = lived(again, scans[checkpoint:]) + finished(again)
    assert replayed == after
    names = [(t.owner, t.rule, t.rung, t.raised, t.at_ms) for t in before + after]
    assert len(set(names)) == len(names), "two transitions of one name: the book would drop the second"


@settings(max_examples=60, deadline=None)
@given(DAYS)
def test_raised_and_cleared_take_turns_and_time_never_goes_back(scans):
    evaluator = Evaluator(SITE)
    moved = lived(evaluator, scans) + finished(evaluator)
    check_lives(moved)
    standing = {(t.owner, t.rule, t.rung) for t in moved if t.raised} - {
        (t.owner, t.rule, t.rung) for n, t in enumerate(moved) if not t.raised and _is_last(moved, n)
    }
    assert evaluator.standing() == standing


def _is_last(moved, n):
    key = (moved[n].owner, moved[n].rule, moved[n].rung)
    return all((t.owner, t.rule, t.rung) != key for t in moved[n + 1 :])


@settings(max_examples=60, deadline=None)
@given(DAYS)
def test_the_quiet_bands_hide_nothing(scans):
    """The same scans, once with every value looked at."""
    quick, thorough = Evaluator(SITE), Evaluator(SITE)
    for scan in scans:
        for here in thorough._lists.values():
            here.reset_bands()
        assert quick.step(scan) == thorough.step(scan)
    assert finished(quick) == finished(thorough)


@settings(max_examples=60, deadline=None)
@given(DAYS)
def test_waking_early_and_often_moves_nothing_before_its_time(scans):
    one, other = Evaluator(SITE), Evaluator(SITE)
    for scan in scans:
        # Two of one name in one millisecond get a millisecond each; nothing else is ahead of its time.
        assert all(t.at_ms <= scan.received_ms + len(scans) for t in one.step(scan))
        other.ripen(scan.received_ms)
        other.ripen(scan.received_ms)
        other.step(scan)
    assert one.memory() == other.memory()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 3000), st.integers(-20, 20)), min_size=1, max_size=120))
def test_a_rate_is_what_the_window_says(steps):
    """Held against the plain definition: how far above the lowest value of the last four seconds."""
    only = site({"m1": "m"}, {"x": ["m1/a"]}, rule("rises", "m", rises("a", 10, 4000)))
    evaluator, seen, now = Evaluator(only), [], 0
    for wait, value in steps:
        now += wait
        seen.append((now, value))
        evaluator.step(Scan("x", now, now, (float(value),), b"\0"))
        low = min(v for at, v in seen if at >= now - 4000)
        assert (("m1", "rises") in evaluator.active()) is (value - low > 10)


def test_chatter_leaves_no_heap_of_old_timers():
    only = site({"m1": "m"}, {"x": ["m1/a"]}, rule("high", "m", above("a", 5), on=3_600_000))
    evaluator = Evaluator(only)
    for n in range(5000):
        evaluator.step(Scan("x", n, n, (float(n % 2 * 9),), b"\0"))
    assert len(evaluator._timers) <= 100


def test_what_an_older_release_remembered_is_taken():
    """Its memory had fewer fields: an active alarm of then is an active alarm now."""
    only = site({"m1": "m"}, {"x": ["m1/a"]}, rule("high", "m", above("a", 5)))
    watch, device = ["m1/a", True, [], None, 0], [1000, None, False, False, 0, b""]
    instance = ["m1", "high", "1", [watch], 2, 1000, None, 1000, "x", 1000, -1, False]
    evaluator = Evaluator(only)
    evaluator.remember(msgspec.msgpack.encode({"devices": {"x": device}, "instances": [instance], "late": 0}))
    assert evaluator.standing() == {("m1", "high", 0)}
    (cleared,) = evaluator.step(Scan("x", 2000, 2000, (4.0,), b"\0"))
    assert (cleared.raised, cleared.at_ms, cleared.rung) == (False, 2000, 0)
