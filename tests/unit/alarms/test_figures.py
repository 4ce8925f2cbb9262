"""Alarm performance: what counts as an alarm, how a span of days is judged, and that every limit says where it is from."""

from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from small_site import SILENCE, above, rule, site

from alarms.figures import Report, configured, consoles, report
from alarms.life import Alarm
from alarms.limits import LIMITS, Trust, Verdict, limits_of
from alarms.tally import SLOT_MS, Tally
from facility import records
from facility.records import Kind, Payload, Record, alarm_subject

SHANGHAI = ZoneInfo("Asia/Shanghai")
DAY = date(2026, 11, 20)
MINUTE, HOUR = 60_000, 3_600_000
SYSTEMS = {"l": "lift", "t": "power"}


class Told:
    """A tally told in words: what happened to an alarm ("l1/hot"), so many milliseconds after midnight of DAY."""

    def __init__(self, zone: ZoneInfo = SHANGHAI, before: int = 1) -> None:
        self.tally = Tally(zone, 0, lambda owner: SYSTEMS[owner[0]])
        self.midnight = self.tally.days.start(DAY)
        self.tally = Tally(
            zone, self.tally.days.start(DAY - timedelta(before)), lambda owner: SYSTEMS[owner[0]], keep=31
        )

    def tell(self, at: float, kind: Kind, alarm: str, data: Payload, actor: str = "system") -> None:
        self.tally.tell(Record(self.midnight + round(at), kind, alarm_subject(*alarm.split("/")), data, actor))

    def raised(self, at: float, alarm: str = "l1/hot", priority: int = 3, hidden: str = "") -> None:
        owner, rule = alarm.split("/")
        data = records.AlarmRaised(rule, owner, priority, "equipment", hidden=hidden)
        self.tell(at, Kind.ALARM_RAISED, alarm, data)

    def cleared(self, at: float, alarm: str = "l1/hot", why: str = "") -> None:
        owner, rule = alarm.split("/")
        self.tell(at, Kind.ALARM_CLEARED, alarm, records.AlarmCleared(rule, owner, why=why))

    def seen(self, at: float, alarm: str = "l1/hot") -> None:
        self.tell(at, Kind.ALARM_ACKNOWLEDGED, alarm, records.AlarmAcknowledged(), "user:chen")

    def shelved(self, at: float, alarm: str = "l1/hot") -> None:
        owner, rule = alarm.split("/")
        self.tell(at, Kind.ALARM_SHELVED, alarm, records.AlarmShelved(rule, owner, 0, "reason"))

    def unshelved(self, at: float, why: str = "expired", *, active: bool = True, alarm: str = "l1/hot") -> None:
        owner, rule = alarm.split("/")
        data = records.AlarmUnshelved(rule, owner, why, active, 3, "equipment")
        self.tell(at, Kind.ALARM_UNSHELVED, alarm, data)

    def report(self, until: float = 24 * HOUR - 1, days: int = 1, console: str = "", begun: int = 0) -> Report:
        now = self.midnight + round(until)
        self.tally.settle(now)
        last = self.tally.days.of(now)
        span = (last - timedelta(days - 1), last)
        return report(self.tally, span, now, begun, LIMITS, 100, console)


def value(said: Report, id: str) -> float | None:
    return next(f.value for f in said.figures if f.limit.id == id)


def verdict(said: Report, id: str) -> Verdict:
    return next(f.verdict for f in said.figures if f.limit.id == id)


def at_of(said: Report, id: str) -> int | None:
    return next(f.at_ms for f in said.figures if f.limit.id == id)


def burst(told: Told, at: float, n: int) -> None:
    for k in range(n):
        told.raised(at + k, f"l{k}/hot")


def test_a_calm_day_is_green_where_anything_can_be_judged() -> None:
    told = Told()
    told.raised(8 * HOUR)
    told.seen(8 * HOUR + 30_000)
    told.cleared(9 * HOUR)
    said = told.report()
    assert said.alarms == 1
    assert {f.verdict for f in said.figures} == {Verdict.GREEN, Verdict.NONE}
    # One alarm says nothing of a mix, nor of the ten most frequent.
    unjudged = {f.limit.id for f in said.figures if f.verdict is Verdict.NONE}
    assert unjudged == {"top_ten", "mix_life", "mix_high", "mix_low"}
    assert value(said, "seen_mean") == value(said, "seen_p95") == 30


def test_every_figure_has_a_limit_and_every_limit_says_where_it_is_from() -> None:
    assert [f.limit.id for f in Told().report().figures] == list(LIMITS)
    for limit in LIMITS.values():
        assert limit.source.zh, limit.id
        assert limit.source.en, limit.id
        assert limit.meaning.zh, limit.id
        assert limit.trust is not Trust.SITE
        assert ("clause 16" in limit.source.en) == (limit.trust is Trust.MEMORY)


def test_a_site_sets_its_own_target_and_red_line() -> None:
    mine = limits_of({"rate_hour": (1.0, 2.0)})
    assert mine["rate_hour"].trust is Trust.SITE
    assert [mine["rate_hour"].judge(v, 9) for v in (1, 1.5, 2.5)] == [Verdict.GREEN, Verdict.AMBER, Verdict.RED]
    assert mine["flood"] == LIMITS["flood"]


def test_where_the_target_is_the_larger_number_less_is_worse() -> None:
    low = LIMITS["mix_low"]
    assert [low.judge(v, 100) for v in (85, 80, 70, 60, 50)] == [
        Verdict.GREEN,
        Verdict.GREEN,
        Verdict.AMBER,
        Verdict.AMBER,
        Verdict.RED,
    ]


@pytest.mark.parametrize(
    ("counts", "flooded"),
    [
        ([10], 0),  # ten are not more than ten
        ([11], 1),
        ([11, 5, 4], 2),  # five still belong to it, four end it
        ([11, 5, 4, 5], 2),  # and five begin none
        ([9, 11, 6, 12, 0, 11], 4),
    ],
)
def test_a_flood_begins_with_more_than_ten_and_ends_with_fewer_than_five(counts: list[int], flooded: int) -> None:
    told = Told()
    for slot, n in enumerate(counts):
        burst(told, slot * SLOT_MS, n)
    said = told.report()
    assert sum(f.to_ms - f.from_ms for f in said.floods) == flooded * SLOT_MS
    assert value(said, "flood") == pytest.approx(100 * flooded / 144)


def test_a_flood_that_began_before_midnight_goes_on_after_it() -> None:
    told = Told()
    burst(told, -SLOT_MS, 11)
    burst(told, 0, 6)
    assert [f.alarms for f in told.report().floods] == [6]


def test_rates_are_over_the_time_that_was_and_not_over_the_whole_day() -> None:
    told = Told()
    burst(told, HOUR, 24)
    assert value(told.report(until=4 * HOUR), "rate_hour") == pytest.approx(6)
    assert value(told.report(until=4 * HOUR), "rate_10min") == pytest.approx(1)
    assert value(told.report(), "rate_hour") == pytest.approx(1, rel=0.001)
    assert value(told.report(until=4 * HOUR), "rate_day") == 24
    # A book that began an hour before has an hour to tell of.
    begun = told.midnight + HOUR
    assert value(told.report(until=2 * HOUR, days=30, begun=begun), "rate_hour") == pytest.approx(24)


@pytest.mark.parametrize(("n", "busy"), [(10, 0), (11, 1)])
def test_a_period_is_busy_with_more_than_ten_and_an_hour_with_more_than_thirty(n: int, busy: int) -> None:
    told = Told()
    for slot in range(3):
        burst(told, HOUR + slot * SLOT_MS, n)
    said = told.report()
    assert value(said, "busy_periods") == pytest.approx(100 * 3 * busy / 144)
    assert value(said, "busy_hours") == pytest.approx(100 * busy / 24)


def test_peaks_say_when() -> None:
    told = Told()
    burst(told, 5 * HOUR + 25 * MINUTE, 7)
    burst(told, 7 * HOUR, 3)
    said = told.report()
    assert (value(said, "peak_10min"), at_of(said, "peak_10min")) == (7, told.midnight + 5 * HOUR + 20 * MINUTE)
    assert (value(said, "peak_hour"), at_of(said, "peak_hour")) == (7, told.midnight + 5 * HOUR)


def test_what_nobody_gets_to_see_is_no_load_and_is_counted_as_hidden() -> None:
    told = Told()
    told.raised(HOUR, "l1/hot", hidden="suppressed")
    told.raised(HOUR, "l2/hot", hidden="out-of-service")
    told.shelved(HOUR, "l3/hot")
    told.raised(2 * HOUR, "l3/hot", hidden="shelved")
    said = told.report()
    assert said.alarms == 0
    assert [value(said, id) for id in ("shelved", "suppressed", "out_of_service")] == [1, 1, 1]
    assert said.waiting == 0


def test_an_alarm_that_comes_off_the_shelf_by_itself_calls_again_and_by_hand_it_does_not() -> None:
    told = Told()
    told.raised(HOUR)
    told.shelved(HOUR + MINUTE)
    told.unshelved(2 * HOUR)
    assert told.report().alarms == 2
    told.shelved(3 * HOUR)
    told.unshelved(4 * HOUR, "by-hand")
    said = told.report()
    assert said.alarms == 2
    assert value(said, "shelved") == 1
    assert value(told.report(until=30 * HOUR), "shelved") == 0


def test_a_graver_grade_calls_again_and_a_lesser_one_does_not() -> None:
    told = Told()
    told.raised(HOUR, priority=3)
    for at, priority in ((2, 2), (3, 3), (4, 3)):
        data = records.AlarmGraded("hot", "l1", priority, "equipment", (0,))
        told.tell(at * HOUR, Kind.ALARM_GRADED, "l1/hot", data)
    said = told.report()
    assert dict(said.priorities) == {1: 0, 2: 1, 3: 1, 4: 0}


def test_what_stays_out_of_sight_for_another_reason_does_not_call() -> None:
    told = Told()
    told.shelved(HOUR)
    told.raised(HOUR, hidden="shelved")
    told.tell(HOUR, Kind.ALARM_GRADED, "l1/hot", records.AlarmGraded("hot", "l1", 1, "equipment", (0,)))
    told.tell(HOUR, Kind.ALARM_HIDDEN, "l1/hot", records.AlarmHidden("hot", "l1", "suppressed", "season"))
    told.unshelved(2 * HOUR)
    told.shelved(3 * HOUR)
    shown = records.AlarmShown("hot", "l1", "season", active=True, priority=3, class_="equipment")
    told.tell(4 * HOUR, Kind.ALARM_SHOWN, "l1/hot", shown)
    assert told.report().alarms == 0


def test_what_is_suppressed_is_over_when_it_clears() -> None:
    told = Told()
    told.raised(HOUR, hidden="suppressed")
    told.cleared(2 * HOUR)
    assert value(told.report(), "suppressed") == 1
    assert value(told.report(until=30 * HOUR), "suppressed") == 0


def test_a_share_is_judged_from_as_many_alarms_as_its_limit_wants() -> None:
    assert [LIMITS["mix_life"].judge(0, n) for n in (19, 20)] == [Verdict.NONE, Verdict.GREEN]


def test_an_alarm_is_stale_after_a_day_in_sight_on_every_day_it_lasts() -> None:
    told = Told()
    told.raised(HOUR)
    assert value(told.report(until=25 * HOUR - 1), "stale") == 0
    assert value(told.report(until=25 * HOUR), "stale") == 1
    told.cleared(49 * HOUR)
    said = told.report(until=60 * HOUR, days=3)
    assert value(said, "stale") == 1
    assert value(told.report(until=80 * HOUR), "stale") == 0
    assert dict(said.stale) == {}


def test_an_alarm_is_stale_only_while_it_is_in_sight() -> None:
    told = Told(before=3)
    told.raised(-60 * HOUR)
    told.shelved(-59 * HOUR)
    told.unshelved(HOUR, "by-hand")
    assert value(told.report(until=2 * HOUR, days=3), "stale") == 1
    assert value(told.report(until=-1), "stale") == 0
    told.shelved(2 * HOUR)
    assert value(told.report(until=3 * HOUR), "stale") == 1, "it was, today"
    assert value(told.report(until=30 * HOUR), "stale") == 0
    assert dict(told.report(until=30 * HOUR).stale) == {}


def test_what_stood_before_all_that_was_read_is_stale_too() -> None:
    told = Told(before=1)
    subject = alarm_subject("l1", "hot")
    alarm = Alarm(subject, "l1", "hot", 3, "equipment", active=True, acknowledged=True, raised_ms=5)
    told.tally.stand([alarm])
    told.cleared(HOUR, "l2/hot")  # it was active since before the day that was read first
    said = told.report(until=2 * HOUR)
    assert dict(said.stale) == {subject: 5}
    assert value(said, "stale") == 2


def test_chattering_is_three_times_in_a_minute_or_the_board_s_word() -> None:
    told = Told()
    for k in range(3):
        told.raised(k * 29_000)
        told.cleared(k * 29_000 + 1000)
        told.raised(k * 31_000, "l2/hot")
        told.cleared(k * 31_000 + 1000, "l2/hot")
        told.cleared(k * 1000, "l4/hot", why="rule-withdrawn")
    told.raised(HOUR, "l3/hot")
    told.tell(HOUR, Kind.ALARM_CHATTERING, "l3/hot", records.AlarmChattering("hot", "l3", 3))
    said = told.report()
    assert [s.split("/")[0] for s in said.chattering] == ["alarm:l1", "alarm:l3"]
    assert value(said, "chattering") == 2


def test_the_time_to_acknowledge_runs_from_the_first_call_nobody_answered() -> None:
    told = Told()
    for k in range(20):
        told.raised(HOUR + k, f"l{k}/hot")
        told.seen(HOUR + k + (k + 1) * 10_000, f"l{k}/hot")
    told.raised(2 * HOUR, "l50/hot")
    told.cleared(2 * HOUR + 1, "l50/hot")
    told.raised(2 * HOUR + 4000, "l50/hot")
    said = told.report()
    assert value(said, "seen_mean") == pytest.approx(105)
    assert value(said, "seen_p95") == 190
    assert said.waiting == 1
    told.seen(2 * HOUR + 5000, "l50/hot")
    told.seen(2 * HOUR + 9000, "l50/hot")
    assert value(told.report(), "seen_mean") == pytest.approx((20 * 105 + 5) / 21)


def test_a_console_sees_its_own_system_only() -> None:
    told = Told()
    told.raised(HOUR, "l1/hot", priority=1)
    told.raised(HOUR, "t1/hot", priority=3)
    told.raised(HOUR, "t2/hot", priority=3)
    assert told.report(console="lift").alarms == 1
    assert told.report(console="power").waiting == 2
    assert dict(told.report(console="power").priorities) == {1: 0, 2: 0, 3: 2, 4: 0}
    assert told.report().alarms == 3


def test_the_ten_most_frequent_come_first_and_have_a_share() -> None:
    told = Told()
    for k in range(12):
        for n in range(k + 1):
            told.raised(k * HOUR + n * MINUTE, f"l{k}/hot")
            told.cleared(k * HOUR + n * MINUTE + 30_000, f"l{k}/hot")
    said = told.report()
    assert said.top[0] == ("alarm:l11/hot", 12)
    assert len(said.top) == 10
    assert value(said, "top_ten") == pytest.approx(100 * 75 / 78)


def test_days_that_are_no_longer_kept_are_gone_and_late_records_are_not_counted_there() -> None:
    told = Told()
    told.raised(HOUR)
    said = told.report(until=33 * 24 * HOUR)
    told.raised(HOUR, "l2/hot")
    assert said.alarms == 0
    assert told.report(until=33 * 24 * HOUR, days=30).alarms == 0


@pytest.mark.parametrize(("day", "slots"), [(date(2026, 3, 29), 138), (date(2026, 10, 25), 150), (DAY, 144)])
def test_a_day_on_which_the_clock_is_changed_has_its_own_length(day: date, slots: int) -> None:
    tally = Tally(ZoneInfo("Europe/Berlin"), 0, lambda _: "lift")
    start = tally.days.start(day)
    owner = records.AlarmRaised("hot", "l1", 3, "equipment")
    tally.tell(Record(start + slots * SLOT_MS - 1, Kind.ALARM_RAISED, "alarm:l1/hot", owner))
    said = report(tally, (day, day), start + slots * SLOT_MS - 1, 0, LIMITS, 1)
    assert len(said.slots) == slots
    assert said.slots[-1][1] == said.alarms == 1


def test_consoles_are_systems_and_know_how_many_alarms_they_can_have() -> None:
    made = site(
        {"c1": "chiller", "c2": "chiller", "s1": "switchgear"},
        {"bus-1": ["c1/temp", "c2/temp"], "relay": ["s1/closed"]},
        rule("hot", "chiller", above("temp", 9)),
        SILENCE,
    )
    assert consoles(made) == {"c1": "hvac", "c2": "hvac", "s1": "power", "bus-1": "hvac", "relay": "power"}
    assert dict(configured(made)) == {"hvac": 3, "power": 1}
