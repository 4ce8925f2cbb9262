"""What the rules say when, told as timelines."""

import pytest
from small_site import (
    SILENCE,
    above,
    below,
    counts,
    falls,
    flat,
    is_,
    is_not,
    rises,
    rule,
    runs,
    site,
    supply,
)
from timeline import NAN, Timeline, check_lives, ms, run

from alarms.rules import Evaluator
from alarms.transition import Transition
from facility.rule import AlarmClass, Priority, Rung
from facility.scan import Reason, Scan

HOT = rule("hot", "transformer", above("temp", 130, 5), on=30_000)
HOT_NOW = rule("hot-now", "transformer", above("temp", 130, 5))
TRAPPED = rule(
    "lift-trapped",
    "lift",
    is_("doors_closed", 1),
    is_("occupied", 1),
    is_("running", 0),
    on=60_000,
    class_=AlarmClass.LIFE_SAFETY,
)


def transformer(*rules, **more):
    return Timeline(site({"t1": "transformer"}, {"tc-1": ["t1/temp", "t1/fan"]}, *rules, **more))


def lift(*rules):
    return Timeline(
        site({"lift-1a": "lift"}, {"gw-1a": ["lift-1a/doors_closed", "lift-1a/occupied", "lift-1a/running"]}, *rules)
    )


def test_above_its_limit_at_once():
    story = transformer(HOT_NOW)
    story.at("02:00:00").reads("tc-1", temp=130, fan=0).quiet()
    story.at("02:00:01").reads("tc-1", temp=130.1, fan=0).raises("hot-now", "t1", value=130.1)
    story.at("02:00:02").reads("tc-1", temp=140, fan=0).quiet()
    story.ends()


def test_it_lets_go_only_past_the_deadband():
    story = transformer(HOT_NOW)
    story.at("02:00:00").reads("tc-1", temp=131, fan=0).raises("hot-now", "t1")
    story.at("02:00:01").reads("tc-1", temp=125.1, fan=0).quiet()
    story.at("02:00:02").reads("tc-1", temp=125, fan=0).clears("hot-now", "t1", value=125)
    story.at("02:00:03").reads("tc-1", temp=130, fan=0).quiet()
    story.at("02:00:04").reads("tc-1", temp=130.5, fan=0).raises("hot-now", "t1")
    story.ends()


def test_below_is_above_seen_in_a_mirror():
    story = transformer(rule("cold", "transformer", below("temp", -5, 2)))
    story.at("02:00:00").reads("tc-1", temp=-5, fan=0).quiet()
    story.at("02:00:01").reads("tc-1", temp=-5.5, fan=0).raises("cold", "t1")
    story.at("02:00:02").reads("tc-1", temp=-3.5, fan=0).quiet()
    story.at("02:00:03").reads("tc-1", temp=-3, fan=0).clears("cold", "t1")
    story.ends()


def test_a_flag_above_zero_clears_at_zero():
    story = transformer(rule("fan-on", "transformer", above("fan", 0)))
    story.at("02:00:00").reads("tc-1", temp=20, fan=1).raises("fan-on", "t1")
    story.at("02:00:01").reads("tc-1", temp=20, fan=0).clears("fan-on", "t1")
    story.ends()


@pytest.mark.parametrize("value", [0, 2, 3.5])
def test_is_not(value):
    story = transformer(rule("not-one", "transformer", is_not("fan", 1)))
    story.at("02:00:00").reads("tc-1", temp=20, fan=1).quiet()
    story.at("02:00:01").reads("tc-1", temp=20, fan=value).raises("not-one", "t1", value=value)
    story.at("02:00:02").reads("tc-1", temp=20, fan=value).quiet()
    story.at("02:00:03").reads("tc-1", temp=20, fan=1).clears("not-one", "t1")
    story.ends()


def test_the_delay_runs_without_another_message():
    story = lift(TRAPPED)
    story.at("02:13:00").reads("gw-1a", doors_closed=1, occupied=1, running=0).quiet()
    assert story.rules.due() == ms("02:14:00")
    story.at("02:13:59.999").quiet()
    story.at("02:14:00").raises("lift-trapped", "lift-1a", value=1)
    assert story.rules.due() is None
    story.ends()


def test_a_late_awakening_changes_no_time():
    story = lift(TRAPPED)
    story.at("02:13:00").reads("gw-1a", doors_closed=1, occupied=1, running=0)
    story.at("02:20:00").raises("lift-trapped", "lift-1a", at="02:14:00").ends()


def test_a_device_that_goes_quiet_cannot_hide_what_was_pending():
    story = lift(TRAPPED, SILENCE)
    story.at("02:13:00").reads("gw-1a", doors_closed=1, occupied=1, running=0)
    story.at("02:13:05").misses("gw-1a").quiet()
    story.at("02:14:30").raises("communication-lost", "gw-1a", at="02:13:20")
    story.raises("lift-trapped", "lift-1a", at="02:14:00").ends()


def test_doors_that_open_in_time_start_the_delay_again():
    story = lift(TRAPPED)
    story.at("02:13:00").reads("gw-1a", doors_closed=1, occupied=1, running=0)
    story.at("02:13:50").reads("gw-1a", doors_closed=0, occupied=1, running=0)
    story.at("02:13:55").reads("gw-1a", doors_closed=1, occupied=1, running=0)
    story.at("02:14:54").quiet()
    story.at("02:14:55").raises("lift-trapped", "lift-1a").ends()


def test_the_message_of_the_very_moment_comes_after_the_delay():
    story = lift(TRAPPED)
    story.at("02:13:00").reads("gw-1a", doors_closed=1, occupied=1, running=0)
    story.now = ms("02:14:00")
    story.reads("gw-1a", doors_closed=0, occupied=1, running=0)
    story.raises("lift-trapped", "lift-1a").clears("lift-trapped", "lift-1a", value=0).ends()


def test_a_message_may_give_only_what_changed():
    story = lift(TRAPPED)
    story.at("02:13:00").reads("gw-1a", running=0)
    story.at("02:13:10").reads("gw-1a", occupied=1)
    story.at("02:13:20").reads("gw-1a", doors_closed=1)
    story.at("02:14:20").raises("lift-trapped", "lift-1a", value=1)
    story.at("02:15:00").reads("gw-1a", running=0).quiet()
    story.at("02:15:10").reads("gw-1a", occupied=0).clears("lift-trapped", "lift-1a", value=0).ends()


def test_the_off_delay_waits_and_can_be_called_back():
    story = transformer(rule("hot", "transformer", above("temp", 130), off=20_000))
    story.at("02:00:00").reads("tc-1", temp=131, fan=0).raises("hot", "t1")
    story.at("02:01:00").reads("tc-1", temp=120, fan=0).quiet()
    assert story.rules.active() == {("t1", "hot")}
    story.at("02:01:10").reads("tc-1", temp=131, fan=0).quiet()
    story.at("02:02:00").reads("tc-1", temp=120, fan=0).quiet()
    story.at("02:02:20").clears("hot", "t1", value=120)
    assert story.rules.active() == set()
    story.ends()


@pytest.mark.parametrize("reason", [Reason.UNKNOWN_TEXT, Reason.RETAINED, Reason.SENTINEL, Reason.OUT_OF_RANGE])
def test_a_value_that_cannot_be_believed_moves_nothing(reason):
    story = transformer(HOT_NOW, HOT)
    story.at("02:00:00").reads("tc-1", temp=20, fan=0)
    story.at("02:00:01").reads("tc-1", temp=999, fan=0, bad={"temp": reason}).quiet()
    story.at("02:00:02").reads("tc-1", temp=140, fan=0).raises("hot-now", "t1")
    story.at("02:00:12").reads("tc-1", temp=0, fan=0, bad={"temp": reason}).quiet()
    story.at("02:00:13").reads("tc-1", temp=0, fan=NAN, bad={"temp": reason}).quiet()
    story.at("02:00:32").raises("hot", "t1", value=140).ends()


def test_a_good_value_that_is_no_number_moves_nothing():
    story = transformer(HOT)
    story.at("02:00:00").reads("tc-1", temp=140, fan=0)
    story.at("02:00:10").reads("tc-1", temp=NAN, fan=0).quiet()
    story.at("02:00:30").raises("hot", "t1", value=140).ends()


def test_two_pulses_in_one_millisecond_are_two_alarms_with_two_names():
    story = transformer(rule("trip", "transformer", is_("fan", 1)))
    for fan in (1, 0, 1, 0):
        story.at("02:00:00").reads("tc-1", temp=20, fan=fan)
    check_lives(story.moved)
    assert len(story.moved) == 4


def test_a_thousand_pulses_of_400_ms_are_a_thousand_alarms():
    small = site({"t1": "transformer"}, {"tc-1": ["t1/trip"]}, rule("trip", "transformer", is_("trip", 1)))
    scans = []
    for n in range(1000):
        start = ms("02:00:00") + n * 1000
        scans += [Scan("tc-1", at, at, (v,), b"\0") for at, v in ((start, 1.0), (start + 400, 0.0))]
    moved = run(Evaluator(small), scans)
    assert sum(t.raised for t in moved) == sum(not t.raised for t in moved) == 1000
    assert all(t.at_ms - ms("02:00:00") == n // 2 * 1000 + n % 2 * 400 for n, t in enumerate(moved))


class TestAnEventCounter:
    @pytest.fixture
    def story(self):
        return Timeline(
            site({"b1": "switchgear"}, {"relay": ["b1/trips"]}, rule("hv-trip", "switchgear", counts("trips")))
        )

    def test_first_says_where_it_stands(self, story):
        story.at("02:00:00").reads("relay", trips=41).quiet()
        story.at("02:00:01").reads("relay", trips=41).quiet()
        story.at("02:00:02").reads("relay", trips=42).raises("hv-trip", "b1", value=42).clears("hv-trip", "b1").ends()

    def test_every_count_between_two_polls_is_an_alarm(self, story):
        story.at("02:00:00").reads("relay", trips=0)
        story.at("02:00:01").reads("relay", trips=3)
        check_lives(story.moved)
        assert [t.value for t in story.moved] == [1, 1, 2, 2, 3, 3]
        assert story.moved[-1].at_ms == ms("02:00:01")

    def test_thousand_pulses_in_a_latched_register(self, story):
        for second in range(401):
            story.at(f"02:{second // 60:02}:{second % 60:02}").reads("relay", trips=min(1000, second * 5 // 2))
        check_lives(story.moved)
        assert sum(t.raised for t in story.moved) == sum(not t.raised for t in story.moved) == 1000

    def test_a_drop_is_no_count(self, story):
        story.at("02:00:00").reads("relay", trips=500)
        story.at("02:00:01").reads("relay", trips=0).quiet()
        story.at("02:00:02").reads("relay", trips=1).raises("hv-trip", "b1").clears("hv-trip", "b1").ends()

    def test_a_register_of_16_bits_wraps_round(self, story):
        story.at("02:00:00").reads("relay", trips=65535)
        story.at("02:00:01").reads("relay", trips=1)
        assert sum(t.raised for t in story.moved) == 2

    def test_a_counter_that_was_set_is_one_alarm_and_the_rest_is_counted(self, story):
        story.at("02:00:00").reads("relay", trips=0)
        story.at("02:00:01").reads("relay", trips=40_000)
        assert sum(t.raised for t in story.moved) == 1
        assert story.rules.skipped == 39_999

    def test_counts_while_nobody_listened_are_told_after_the_restart(self, story):
        story.at("02:00:00").reads("relay", trips=7)
        story.restarts().at("02:10:00").reads("relay", trips=9)
        assert [t.value for t in story.moved if t.raised] == [8, 9]

    def test_a_bad_read_between_loses_none(self, story):
        story.at("02:00:00").reads("relay", trips=7)
        story.at("02:00:01").misses("relay").quiet()
        story.at("02:00:02").reads("relay", trips=8).raises("hv-trip", "b1").clears("hv-trip", "b1").ends()

    def test_only_while_the_rest_of_the_rule_holds(self):
        both = rule("trip", "switchgear", counts("trips"), is_("truck_in", 1))
        story = Timeline(site({"b1": "switchgear"}, {"relay": ["b1/trips", "b1/truck_in"]}, both))
        story.at("02:00:00").reads("relay", trips=1, truck_in=0)
        story.at("02:00:01").reads("relay", trips=2, truck_in=0).quiet()
        story.at("02:00:02").reads("relay", trips=3, truck_in=1).raises("trip", "b1", value=3).clears("trip", "b1")
        story.ends()


class TestARate:
    def test_rises_within_its_window(self):
        story = transformer(rule("fast", "transformer", rises("temp", 10, 60_000)))
        for second, temp in ((0, 50), (30, 55), (60, 60)):
            story.at(f"02:{second // 60:02}:{second % 60:02}").reads("tc-1", temp=temp, fan=0).quiet()
        story.at("02:01:20").reads("tc-1", temp=65.1, fan=0).raises("fast", "t1", value=65.1)
        story.at("02:02:21").reads("tc-1", temp=66, fan=0).clears("fast", "t1").ends()

    def test_the_edge_of_its_window_counts(self):
        story = transformer(rule("fast", "transformer", rises("temp", 10, 60_000)))
        story.at("02:00:00").reads("tc-1", temp=50, fan=0).quiet()
        story.at("02:01:00").reads("tc-1", temp=60.1, fan=0).raises("fast", "t1", value=60.1).ends()

    def test_slow_rise_is_none(self):
        story = transformer(rule("fast", "transformer", rises("temp", 10, 60_000)))
        for minute in range(40):
            story.at(f"02:{minute:02}:00").reads("tc-1", temp=20 + 5 * minute, fan=0).quiet()

    def test_falls_and_lets_go_past_the_deadband(self):
        story = transformer(rule("drop", "transformer", falls("temp", 10, 60_000, 4)))
        story.at("02:00:00").reads("tc-1", temp=50, fan=0).quiet()
        story.at("02:00:10").reads("tc-1", temp=39, fan=0).raises("drop", "t1")
        story.at("02:00:20").reads("tc-1", temp=43.9, fan=0).quiet()
        story.at("02:00:30").reads("tc-1", temp=44, fan=0).clears("drop", "t1").ends()

    def test_memory_of_a_fast_device_is_bounded(self):
        evaluator = Evaluator(transformer(rule("fast", "transformer", rises("temp", 1e9, 86_400_000))).site)
        for n in range(20_000):
            evaluator.step(Scan("tc-1", n * 100, n * 100, (float(n), 0.0), b"\0\0"))
        assert len(evaluator.memory()) < 4000

    @pytest.mark.parametrize(("limit", "raised"), [(900, [901.0]), (1020, [])])
    def test_joined_turning_points_blur_the_window_by_a_64th_at_most(self, limit, raised):
        # One a step, ten steps a second: 1,000 within the window, 1,016 within the window and its 64th.
        evaluator = Evaluator(transformer(rule("fast", "transformer", rises("temp", limit, 100_000))).site)
        moved = run(evaluator, [Scan("tc-1", n * 100, n * 100, (float(n), 0.0), b"\0\0") for n in range(5000)])
        assert [t.value for t in moved] == raised


class TestSilence:
    def story(self, *rules):
        return transformer(SILENCE, *rules)

    def test_is_an_alarm_after_its_delay(self):
        story = self.story()
        story.at("02:00:00").reads("tc-1", temp=20, fan=0)
        story.at("02:00:05").misses("tc-1", Reason.NOT_CONNECTED).quiet()
        story.at("02:00:10").misses("tc-1").quiet()
        story.at("02:00:20").raises("communication-lost", "tc-1", at="02:00:20")
        story.at("02:00:25").reads("tc-1", temp=20, fan=0).clears("communication-lost", "tc-1").ends()

    def test_one_answer_in_time_is_enough(self):
        story = self.story()
        story.at("02:00:00").misses("tc-1")
        story.at("02:00:10").reads("tc-1", temp=20, fan=0)
        story.at("02:01:00").ends()

    def test_a_refusal_is_an_answer(self):
        story = self.story()
        story.at("02:00:00").misses("tc-1", Reason.EXCEPTION)
        story.at("02:01:00").ends()

    def test_the_brokers_old_copy_is_no_sign_of_life(self):
        story = self.story()
        story.at("02:00:00").misses("tc-1", Reason.SILENT)
        story.at("02:00:15").raises("communication-lost", "tc-1")
        old = {"temp": Reason.RETAINED, "fan": Reason.RETAINED}
        story.at("02:00:20").reads("tc-1", temp=20, fan=0, bad=old).quiet()
        story.at("02:00:30").reads("tc-1", temp=20, fan=0, bad={"fan": Reason.RETAINED})
        story.clears("communication-lost", "tc-1").ends()

    def test_nothing_else_moves_meanwhile(self):
        story = self.story(HOT_NOW)
        story.at("02:00:00").reads("tc-1", temp=140, fan=0).raises("hot-now", "t1")
        story.at("02:00:05").misses("tc-1").quiet()
        story.at("02:00:20").raises("communication-lost", "tc-1")
        story.at("02:30:00").misses("tc-1").quiet()
        story.at("02:31:00").reads("tc-1", temp=20, fan=0)
        story.clears("communication-lost", "tc-1").clears("hot-now", "t1").ends()

    def test_a_device_of_a_module_is_no_machine(self):
        story = self.story()
        assert story.rules.pairs() == {("tc-1", "communication-lost")}


class TestTwoDevicesOneMachine:
    @pytest.fixture
    def story(self):
        lost = rule("lift-power-lost", "lift", is_("power_source", 1), is_("running", 0))
        devices = {"gw": ["lift-1a/running"], "di": ["lift-1a/power_source"]}
        return Timeline(site({"lift-1a": "lift"}, devices, lost, SILENCE))

    def test_the_last_good_value_of_each_counts(self, story):
        story.at("02:00:00").reads("gw", running=0).quiet()
        story.at("02:00:05").reads("di", power_source=1).raises("lift-power-lost", "lift-1a", value=1)
        story.at("02:00:06").reads("gw", running=1).clears("lift-power-lost", "lift-1a", value=1).ends()

    def test_a_value_never_seen_raises_nothing(self, story):
        story.at("02:00:00").reads("di", power_source=1).quiet()
        story.at("02:00:01").reads("gw", running=0).raises("lift-power-lost", "lift-1a").ends()

    def test_while_one_is_silent_the_rule_waits_for_it(self, story):
        story.at("02:00:00").reads("gw", running=0)
        story.at("02:00:05").misses("gw")
        story.at("02:00:06").reads("di", power_source=1).quiet()
        story.at("02:00:07").reads("gw", running=0).raises("lift-power-lost", "lift-1a").ends()


class TestTheDevicesOwnTime:
    def test_an_older_scan_is_counted_and_moves_nothing(self):
        story = transformer(HOT_NOW)
        story.at("02:00:10").reads("tc-1", temp=20, fan=0)
        story.at("02:00:11").reads("tc-1", taken="02:00:09", temp=140, fan=0).quiet()
        assert story.rules.late == 1
        story.at("02:00:12").reads("tc-1", temp=140, fan=0).raises("hot-now", "t1").ends()

    def test_an_older_scan_still_shows_that_the_device_lives(self):
        story = transformer(SILENCE)
        story.at("02:00:10").reads("tc-1", temp=20, fan=0)
        story.at("02:00:11").misses("tc-1")
        story.at("02:00:26").raises("communication-lost", "tc-1")
        story.at("02:00:30").reads("tc-1", taken="02:00:09", temp=140, fan=0).clears("communication-lost", "tc-1")
        story.ends()

    def test_a_clock_ahead_delays_nothing_and_hides_nothing(self):
        story = transformer(HOT)
        story.at("02:00:00").reads("tc-1", taken="10:00:00", temp=140, fan=0)
        story.at("02:00:30").raises("hot", "t1")
        story.at("02:00:40").reads("tc-1", temp=20, fan=0).clears("hot", "t1").ends()

    def test_a_clock_behind_shortens_no_delay(self):
        story = transformer(HOT)
        story.at("02:10:00").reads("tc-1", taken="02:00:00", temp=140, fan=0).quiet()
        story.at("02:10:29").reads("tc-1", taken="02:00:29", temp=140, fan=0).quiet()
        story.at("02:10:30").raises("hot", "t1", at="02:00:30").ends()

    def test_a_missed_slot_does_not_make_the_next_word_of_a_slow_clock_late(self):
        story = transformer(HOT_NOW)
        story.at("02:10:00").reads("tc-1", taken="02:09:50", temp=20, fan=0)
        story.at("02:10:05").misses("tc-1")
        story.at("02:10:06").reads("tc-1", taken="02:09:56", temp=140, fan=0).raises("hot-now", "t1", at="02:09:56")
        story.ends()

    def test_a_backlog_is_judged_by_its_own_time(self):
        story = transformer(HOT)
        for taken, temp in (("01:00:00", 140), ("01:00:20", 20), ("01:10:00", 140), ("01:11:00", 140)):
            story.at("02:00:00").reads("tc-1", taken=taken, temp=temp, fan=0)
        story.raises("hot", "t1", at="01:10:30").ends()

    def test_a_clock_set_back_blinds_the_rules_for_half_a_minute_at_most(self):
        story = transformer(HOT_NOW)
        story.at("10:00:00").reads("tc-1", temp=20, fan=0)
        for second in range(1, 31):
            story.at(f"10:00:{second:02}").reads("tc-1", taken=f"02:00:{second:02}", temp=140, fan=0).quiet()
        story.at("10:00:31").reads("tc-1", taken="02:00:31", temp=140, fan=0)
        story.raises("hot-now", "t1", at="02:00:31").ends()
        assert story.rules.late == 30

    def test_duplicates_between_fresh_words_never_count_as_a_clock_set_back(self):
        story = transformer(HOT_NOW)
        for second in range(59):
            story.at(f"10:00:{second:02}").reads("tc-1", temp=20, fan=0)
            story.at(f"10:00:{second:02}.5").reads("tc-1", taken="09:00:00", temp=140, fan=0).quiet()
        assert story.rules.late == 59


class TestTheBooksWord:
    def test_an_alarm_of_the_book_clears_with_the_next_good_value(self):
        story = transformer(HOT_NOW)
        assert story.rules.force("t1", "hot-now", active=True, since_ms=ms("01:00:00"))
        assert story.rules.active() == {("t1", "hot-now")}
        story.at("02:00:00").reads("tc-1", fan=0).quiet()
        story.at("02:00:01").reads("tc-1", temp=20, fan=0).clears("hot-now", "t1").ends()

    def test_an_alarm_of_the_book_stays_while_it_holds(self):
        story = transformer(HOT_NOW)
        story.rules.force("t1", "hot-now", active=True, since_ms=ms("01:00:00"))
        story.at("02:00:01").reads("tc-1", temp=140, fan=0).quiet()
        story.at("02:00:02").reads("tc-1", temp=20, fan=0).clears("hot-now", "t1").ends()

    def test_what_the_book_has_not_is_raised_again(self):
        story = transformer(HOT_NOW)
        story.at("02:00:00").reads("tc-1", temp=140, fan=0).raises("hot-now", "t1")
        story.rules.force("t1", "hot-now", active=False, since_ms=ms("02:00:00"))
        assert story.rules.active() == set()
        story.at("02:00:01").reads("tc-1", temp=140, fan=0).raises("hot-now", "t1").ends()

    def test_agreement_changes_nothing(self):
        story = transformer(HOT)
        story.at("02:00:00").reads("tc-1", temp=140, fan=0)
        story.rules.force("t1", "hot", active=False, since_ms=ms("01:00:00"))
        story.at("02:00:30").raises("hot", "t1").ends()

    def test_a_silence_of_the_book_ends_with_the_next_answer(self):
        story = transformer(SILENCE)
        story.rules.force("tc-1", "communication-lost", active=True, since_ms=ms("01:00:00"))
        story.at("02:00:00").misses("tc-1").quiet()
        story.at("02:00:01").reads("tc-1", temp=20, fan=0).clears("communication-lost", "tc-1").ends()

    def test_half_an_event_is_ended(self):
        story = Timeline(site({"b1": "switchgear"}, {"r": ["b1/trips"]}, rule("trip", "switchgear", counts("trips"))))
        story.rules.force("b1", "trip", active=True, since_ms=ms("01:00:00"))
        story.at("02:00:00").reads("r", trips=7).clears("trip", "b1").ends()

    def test_a_rule_the_site_no_longer_has(self):
        assert not transformer(HOT).rules.force("t1", "gone", active=True, since_ms=0)


class TestMemory:
    def test_a_delay_goes_on_over_a_restart(self):
        story = lift(TRAPPED)
        story.at("02:13:00").reads("gw-1a", doors_closed=1, occupied=1, running=0)
        story.restarts()
        assert story.rules.due() == ms("02:14:00")
        story.at("02:14:00").raises("lift-trapped", "lift-1a", value=1).ends()

    def test_a_rule_that_changed_starts_afresh(self):
        story = transformer(HOT)
        story.at("02:00:00").reads("tc-1", temp=140, fan=0)
        changed = transformer(rule("hot", "transformer", above("temp", 130), on=60_000, version="2")).site
        story.restarts(changed).at("02:10:00").quiet()
        story.reads("tc-1", temp=140, fan=0)
        story.at("02:11:00").raises("hot", "t1").ends()

    def test_what_is_no_memory_is_said_and_not_taken(self):
        with pytest.raises(ValueError, match="no rule memory"):
            transformer(HOT).rules.remember(b"\xff\x00")

    def test_what_rests_is_not_kept(self):
        story = transformer(HOT, HOT_NOW)
        story.at("02:00:00").reads("tc-1", temp=20, fan=0)
        assert len(story.rules.memory()) < 64


def test_a_scan_of_another_layout_or_device_is_counted():
    rules = transformer(HOT_NOW).rules
    assert rules.step(Scan("tc-1", 1, 1, (1.0,), b"\0")) == ()
    assert rules.step(Scan("nobody", 1, 1, (1.0,), b"\0")) == ()
    assert rules.foreign == 2


def test_a_machine_whose_points_are_not_all_read_has_no_such_rule():
    both = rule("both", "transformer", above("temp", 1), above("pressure", 1))
    assert transformer(both).rules.pairs() == set()


def test_a_transition_names_the_scan_that_moved_it():
    story = transformer(HOT)
    story.at("02:00:00").reads("tc-1", temp=140, fan=0)
    story.at("02:00:20").reads("tc-1", temp=141, fan=0)
    story.at("02:00:30")
    raised = Transition("t1", "hot", True, ms("02:00:30"), 141.0, "t1/temp", "tc-1", ms("02:00:00"))
    assert story.moved == [raised]


def test_a_wrong_clock_does_not_leave_a_lift_unguarded():
    """The values are fresh, only their time is doubtful: they are judged at the moment they came."""
    one = site(
        {"lift-1a": "lift"}, {"gw-1a": ["lift-1a/bell", "lift-1a/running"]}, rule("bell", "lift", is_("bell", 1.0))
    )
    evaluator = Evaluator(one)
    device, position = one.device_of["lift-1a/bell"]
    size = len(one.devices[device].points)
    values = tuple(float(i == position) for i in range(size))
    moved = evaluator.step(Scan(device, 400_000, 1_000_000, values, bytes([Reason.CLOCK]) * size))
    assert [(t.rule, t.raised, t.at_ms) for t in moved] == [("bell", True, 1_000_000)]


HOUR_MS = 3_600_000


def pump(*rules):
    return Timeline(site({"p": "pump"}, {"vfd": ["p/running", "p/speed"]}, *rules))


SERVICE = rule("service", "pump", runs("running", 1))


def test_run_hours_begin_anew_when_they_are_reset():
    story = pump(SERVICE)
    story.at("01:00:00").reads("vfd", running=1, speed=0)
    story.at("01:59:59").reads("vfd", running=1, speed=0).quiet()
    story.at("02:10:00").raises("service", "p", at="02:00:00")
    story.reads("vfd", running=1, speed=0)
    assert [(t.raised, t.at_ms) for t in story.rules.reset("p", "service", story.now)] == [(False, ms("02:10:00"))]
    story.at("02:10:01").reads("vfd", running=1, speed=0).quiet()
    story.at("03:10:00").reads("vfd", running=1, speed=0).quiet()
    story.at("03:10:01").raises("service", "p").ends()


def test_a_reset_that_only_the_book_knows_begins_the_hours_anew():
    story = pump(SERVICE)
    story.at("01:00:00").reads("vfd", running=1, speed=0)
    story.at("01:59:59").reads("vfd", running=1, speed=0)
    story.at("02:00:00").raises("service", "p")
    story.rules.force("p", "service", active=False, since_ms=ms("02:00:00"))
    story.at("02:00:01").reads("vfd", running=1, speed=0).quiet()
    story.at("03:00:00").reads("vfd", running=1, speed=0).quiet()
    story.at("03:00:01").raises("service", "p").ends()


def test_hours_that_the_book_knows_of_stand_until_they_are_reset():
    story = pump(SERVICE)
    story.rules.force("p", "service", active=True, since_ms=ms("01:00:00"))
    story.at("01:00:01").reads("vfd", running=1, speed=0).restarts()
    story.at("05:00:00").reads("vfd", running=0, speed=0).quiet()
    assert story.rules.standing() == {("p", "service", 0)}


def test_a_reset_of_nothing_says_nothing():
    story = pump(SERVICE, rule("slow", "pump", below("speed", 5)))
    story.at("01:00:00").reads("vfd", running=1, speed=0).raises("slow", "p")
    assert not story.rules.reset("p", "slow", story.now)
    assert not story.rules.reset("p", "none", story.now)
    assert not story.rules.reset("p", "service", story.now)


def test_a_flat_value_that_the_book_knows_of_stands_until_it_moves():
    story = pump(rule("stuck", "pump", flat("speed", HOUR_MS, 1)))
    story.rules.force("p", "stuck", active=True, since_ms=ms("01:00:00"))
    story.at("01:00:01").reads("vfd", running=1, speed=50).quiet()
    story.at("01:00:02").reads("vfd", running=1, speed=52).clears("stuck", "p", value=52).ends()


def test_each_rung_is_forced_by_itself():
    hot = rule("hot", "transformer", above("temp", 100), ladder=(Rung(Priority.LIFE, (above("temp", 150),)),))
    story = transformer(hot)
    assert story.rules.force("t1", "hot", 1, active=True, since_ms=ms("01:00:00"))
    assert not story.rules.force("t1", "hot", 2, active=True, since_ms=ms("01:00:00"))
    assert story.rules.standing() == {("t1", "hot", 1)}
    assert story.rules.active() == {("t1", "hot")}
    story.at("01:00:01").reads("tc-1", temp=120, fan=0).raises("hot", "t1").clears("hot", "t1", rung=1).ends()


def test_the_nearest_source_that_has_the_point_is_asked():
    live = rule("live", "load", supply(is_("closed", 1)))
    story = Timeline(
        site(
            {"main": "switchgear", "feeder": "switchgear", "bus": "busbar", "fan": "load", "lamp": "load"},
            {"far": ["main/closed"], "near": ["feeder/closed"]},
            live,
            fed_by={"fan": ["bus"], "bus": ["feeder"], "feeder": ["main"], "main": ["bus"]},
        )
    )
    assert story.rules.pairs() == {("fan", "live")}, "the lamp hangs nowhere"
    story.at("01:00:00").reads("far", closed=1).quiet()
    story.at("01:00:01").reads("near", closed=1).raises("live", "fan")
    story.at("01:00:02").reads("far", closed=0).quiet()
    story.at("01:00:03").reads("near", closed=0).clears("live", "fan").ends()


def test_a_window_of_which_nothing_was_heard_for_a_day_says_nothing():
    story = pump(rule("stuck", "pump", flat("speed", HOUR_MS)))
    story.at("01:00:00").reads("vfd", running=1, speed=50)
    story.at("09:00:00").quiet()
    story.reads("vfd", running=1, speed=50).quiet()
    assert story.rules.due() == ms("10:00:00")


def test_movement_puts_off_the_end_without_a_new_timer():
    story = pump(rule("stuck", "pump", flat("speed", HOUR_MS)))
    for n in range(200):
        story.at(f"01:00:{n % 60:02}" if n < 60 else f"01:{n // 60:02}:{n % 60:02}")
        story.reads("vfd", running=1, speed=n)
    assert len(story.rules._timers) == 1
    assert story.rules.due() == ms("02:03:19")
    story.at("03:00:00").quiet()
