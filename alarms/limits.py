"""The numbers that alarm performance is judged by: each with where it is from, and how far that can be trusted.

The text of ISA-18.2 / IEC 62682 itself was not at hand. Numbers marked `second-hand` were read in the named page about
it (or about EEMUA 191); `from-memory` ones are clause 16 of ISA-18.2-2016 as remembered; `ours` are this product's.
So a site may set any of them in site.toml, [performance].
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from facility.text import Text


class Trust(StrEnum):
    """How far a number can be trusted."""

    SECOND_HAND = "second-hand"
    MEMORY = "from-memory"
    OURS = "ours"
    SITE = "site"


class Verdict(StrEnum):
    """How a figure stands to its limits; none where there is too little to judge."""

    GREEN = "green"
    AMBER = "amber"
    RED = "red"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Limit:
    """One figure's target (`green`, still within) and the line beyond which it is `red`; between them lies amber.

    Where the target is the larger number, less is worse. With fewer than `least` alarms a share is not judged: one
    alarm more or less would decide it. `trust` is that of the target; `source` says where both numbers are from.
    """

    id: str
    name: Text
    meaning: Text
    unit: str
    green: float
    red: float
    trust: Trust
    source: Text
    least: int = 0

    def judge(self, value: float | None, alarms: int) -> Verdict:
        """Return how a value stands; `alarms` is how many it was made of."""
        if value is None or alarms < self.least:
            return Verdict.NONE
        sign = -1 if self.green > self.red else 1
        if sign * value <= sign * self.green:
            return Verdict.GREEN
        return Verdict.RED if sign * value > sign * self.red else Verdict.AMBER


_RED = Text("；红线为本产品自定", "; the red line is ours")
_SELF_AUDIT = "Inductive Automation, alarm self-audit"
_REMEMBERED = Text("ISA-18.2-2016 第 16 章", "ISA-18.2-2016, clause 16")
_OURS = Text("标准未给出", "the standard gives none")

FEW = 20
"""One alarm of fewer is more than the 5 % that the mix is judged by."""
FEW_FOR_TEN = 200
"""Of fewer, ten different alarms are soon more than 5 % without anybody being a nuisance."""


def _page(source: str, *, red: bool = False) -> Text:
    """Return a page as the source; `red` when it gives the red line too."""
    return Text(source + ("" if red else _RED.zh), source + ("" if red else _RED.en))


def _remembered(*, red: bool = False) -> Text:
    """Return the standard as the source; `red` when it gives the red line too."""
    return _REMEMBERED if red else Text(_REMEMBERED.zh + _RED.zh, _REMEMBERED.en + _RED.en)


_ALL = (
    Limit(
        "rate_hour", Text("每小时报警数（平均）", "Alarms per hour, average"),
        Text("一个值班位平均每小时要看多少条报警。", "How many alarms an hour one operator gets to see, on average."),
        "/h", 6, 12, Trust.SECOND_HAND, _page("operametrix.com (6–12/h)", red=True),
    ),
    Limit(
        "rate_10min", Text("每 10 分钟报警数（平均）", "Alarms per 10 min, average"),
        Text("平均每 10 分钟要看多少条报警。", "How many alarms there are in ten minutes, on average."),
        "/10 min", 1, 2, Trust.SECOND_HAND,
        _page("controlglobal.com (EEMUA 191: < 1); operametrix.com (12/h)", red=True),
    ),
    Limit(
        "rate_day", Text("每天报警数", "Alarms per day"),
        Text("每天的报警总数；多天取平均。", "All alarms of a day; of several days, the average."),
        "/d", 150, 300, Trust.SECOND_HAND, _page(_SELF_AUDIT, red=True),
    ),
    Limit(
        "peak_10min", Text("10 分钟内最多", "Most in 10 min"),
        Text("最忙的 10 分钟里有多少条；超过 10 条就是报警泛滥。", "The busiest ten minutes; more than 10 is a flood."),
        "", 10, 10, Trust.SECOND_HAND, _page(_SELF_AUDIT, red=True),
    ),
    Limit(
        "peak_hour", Text("1 小时内最多", "Most in an hour"),
        Text("最忙的一个整点小时里有多少条。", "The busiest clock hour."),
        "", 30, 30, Trust.MEMORY, _remembered(red=True),
    ),
    Limit(
        "busy_periods", Text("超过 10 条的 10 分钟占比", "Ten-minute periods with more than 10"),
        Text("有多少个 10 分钟时段超过 10 条。", "The share of ten-minute periods that had more than 10 alarms."),
        "%", 1, 5, Trust.MEMORY, _remembered(),
    ),
    Limit(
        "busy_hours", Text("超过 30 条的小时占比", "Hours with more than 30"),
        Text("有多少个小时超过 30 条。", "The share of clock hours that had more than 30 alarms."),
        "%", 1, 5, Trust.MEMORY, _remembered(),
    ),
    Limit(
        "flood", Text("泛滥时间占比", "Time in flood"),
        Text("10 分钟内超过 10 条时开始，少于 5 条时结束。",
             "It begins with more than 10 in ten minutes, and ends with fewer than 5."),
        "%", 1, 5, Trust.MEMORY, _remembered(),
    ),
    Limit(
        "top_ten", Text("前十名所占份额", "Share of the ten most frequent"),
        Text("来得最多的十条报警占全部的多少；治理从这里开始。",
             "How much the ten most frequent alarms make of all; the place to begin."),
        "%", 5, 20, Trust.MEMORY,
        Text(
            "ISA-18.2-2016 第 16 章（1–5 %）；红线 20 %：9dok.org",
            "ISA-18.2-2016, clause 16 (1–5 %); red line 20 %: 9dok.org",
        ),
        least=FEW_FOR_TEN,
    ),
    Limit(
        "stale", Text("滞留报警（最多的一天）", "Stale alarms, on the worst day"),
        Text("连续存在超过 24 小时、又没有收起的报警。", "Active for more than 24 hours, and in sight."),
        "", 4, 9, Trust.MEMORY, _remembered(),
    ),
    Limit(
        "chattering", Text("抖动报警", "Chattering alarms"),
        Text("1 分钟内来去三次以上的报警，有几条。",
             "How many different alarms came and went three times within a minute."),
        "", 0, 3, Trust.MEMORY, _remembered(),
    ),
    Limit(
        "mix_life", Text("1 级占比", "Priority 1"),
        Text("危及生命的报警应当最少。", "What is about life should be rare."),
        "%", 5, 10, Trust.SECOND_HAND, _page(f"{_SELF_AUDIT} (critical ≤ 5 %)"), least=FEW,
    ),
    Limit(
        "mix_high", Text("2 级占比", "Priority 2"),
        Text("紧急报警的份额。", "What is urgent."),
        "%", 15, 25, Trust.MEMORY, _remembered(), least=FEW,
    ),
    Limit(
        "mix_low", Text("3、4 级占比", "Priorities 3 and 4"),
        Text("大多数报警应当是一般和提示级；这里低了不好。", "Most alarms should be of these; less is worse."),
        "%", 80, 60, Trust.SECOND_HAND, _page(f"{_SELF_AUDIT} (low + medium ≈ 80 %)"), least=FEW,
    ),
    Limit(
        "seen_mean", Text("确认用时（平均）", "Time to acknowledge, mean"),
        Text("从报警出现到有人确认；尚未确认的不计在内。",
             "From the alarm until somebody acknowledged it; what nobody has is left out."),
        "s", 300, 900, Trust.OURS, _OURS,
    ),
    Limit(
        "seen_p95", Text("确认用时（95 % 之内）", "Time to acknowledge, 95 % within"),
        Text("一百条里九十五条在这段时间内确认。", "Ninety-five of a hundred were acknowledged within this time."),
        "s", 900, 1800, Trust.OURS, _OURS,
    ),
    Limit(
        "shelved", Text("搁置占比", "Shelved"),
        Text("期间被搁置过的报警占全部配置报警的份额。",
             "Alarms that were on the shelf, of all that can be raised here."),
        "%", 5, 10, Trust.SECOND_HAND, _page("autosofttech.com (suppressed or disabled ≤ 5 %)"),
    ),
    Limit(
        "suppressed", Text("设计抑制占比", "Suppressed by design"),
        Text("期间被设计抑制过的报警占全部配置报警的份额。",
             "Alarms that were suppressed by design, of all that can be raised here."),
        "%", 5, 10, Trust.SECOND_HAND, _page("autosofttech.com (suppressed or disabled ≤ 5 %)"),
    ),
    Limit(
        "out_of_service", Text("停用占比", "Out of service"),
        Text(
            "期间随工作票停用过的报警占全部配置报警的份额。",
            "Alarms that were out of service with their machine, of all that can be raised here.",
        ),
        "%", 5, 10, Trust.SECOND_HAND, _page("autosofttech.com (suppressed or disabled ≤ 5 %)"),
    ),
)  # fmt: skip

LIMITS: Mapping[str, Limit] = {limit.id: limit for limit in _ALL}
"""By figure, in the order in which a page shows them."""


def limits_of(site: Mapping[str, tuple[float, float]]) -> Mapping[str, Limit]:
    """Return the limits as a site wants them: its own (target, red line) come first."""
    return {
        id: replace(limit, green=site[id][0], red=site[id][1], trust=Trust.SITE) if id in site else limit
        for id, limit in LIMITS.items()
    }
