"""What the report of an incident or drill says, in one language, as plain data for the page.

Everything is text or number; a page holds so much, and what does not fit is counted.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from api import labels
from api.report import promises
from api.report.telling import Telling, short
from api.views.incident import place_of, plan_name
from api.views.words import person_name, promise_name, role_name
from facility.plan import Plan
from facility.ports import Bucket
from facility.records import Record
from facility.site import Site
from facility.text import Text
from response.incident import Incident
from response.plans import drill

LINES, PROMISES, PEOPLE, POINTS = 36, 12, 10, 4
"""So much fits on the page, as a rule; `api.report.paper` leaves out lines where it does not."""
LONGEST = 160
"""Letters of what people wrote as cause and result; the rest is in the log book."""
BEFORE_MS, AFTER_MS = 600_000, 300_000
"""Telemetry is shown from so long before the incident until so long after it."""
BUCKETS = 120


@dataclass(frozen=True, slots=True)
class Shown:
    """One point's history around the incident."""

    point: str
    buckets: Sequence[Bucket]


SAY: Mapping[str, Text] = {
    "incident": Text("事件报告", "Incident report"),
    "drilled": Text("演练报告", "Drill report"),
    "paper": Text(
        "桌面演练：步骤由人员确认，不看遥测，不影响真实报警。",
        "On paper: people ticked what telemetry would prove; no real alarm was touched.",
    ),
    "simulators": Text("仿真演练：设备和呼叫均为仿真。", "On simulators: every device and every page was simulated."),
    "number": Text("编号", "Number"),
    "plan": Text("预案", "Plan"),
    "place": Text("地点", "Place"),
    "opened": Text("开始", "Began"),
    "closed": Text("关闭", "Closed"),
    "open": Text("尚未关闭", "not closed yet"),
    "lasted": Text("历时", "Lasted"),
    "priority": Text("级别", "Priority"),
    "cause": Text("原因", "Cause"),
    "result": Text("结果", "Result"),
    "promises": Text("承诺", "Promises"),
    "people": Text("人员", "People"),
    "timeline": Text("经过", "Timeline"),
    "telemetry": Text("遥测", "What telemetry showed"),
    "promise": Text("承诺", "Promise"),
    "limit": Text("时限", "Within"),
    "took": Text("用时", "Took"),
    "verdict": Text("结论", "Verdict"),
    "kept": Text("兑现", "kept"),
    "broken": Text("超时", "broken"),
    "pending": Text("未到期", "still runs"),
    "ended": Text("未确认，随事件关闭", "not confirmed; ended with the incident"),
    "name": Text("姓名", "Name"),
    "role": Text("岗位", "Role"),
    "called": Text("呼叫", "Called"),
    "accepted": Text("接单", "Accepted"),
    "arrived": Text("到场", "Arrived"),
    "finished": Text("完毕", "Finished"),
    "by_hand": Text("签到", "ticked"),
    "attendance": Text("应到 {0} 人，实到 {1} 人", "{0} expected, {1} of them took part"),
    "more": Text("另有 {0} 条，见值班记录", "and {0} more, in the log book"),
    "desk": Text("值班台", "the desk"),
    "no_telemetry": Text("该设备没有可显示的遥测。", "This machine has no telemetry to show."),
    "range": Text("最小 {0} 最大 {1}", "min {0} max {1}"),
    "gaps": Text("有缺口", "with gaps"),
    "page_count": Text("共发出 {0} 条呼叫", "{0} pages were sent"),
    "printed": Text("生成于", "Made"),
}


def points_of(site: Site, incident: Incident, plan: Plan | None) -> list[str]:
    """Return the points worth showing: what its rules look at on its machine, then what proves its steps."""
    if incident.drill == drill.PAPER or incident.equipment not in site.equipment:
        return []
    rules = [site.rules.get(alarm.rpartition("/")[2]) for alarm in incident.alarms]
    conditions = [c for rule in rules if rule for c in (*rule.when, *rule.any_of)]
    conditions += [c for step in (plan.steps if plan else ()) for c in step.proof]
    named = dict.fromkeys(f"{incident.equipment}/{c.point}" for c in conditions)
    return [point for point in named if point in site.device_of][:POINTS]


def span_of(incident: Incident, now_ms: int) -> tuple[int, int]:
    """Return from when to when telemetry is shown, in UTC milliseconds."""
    return incident.opened_ms - BEFORE_MS, min(now_ms, (incident.closed_ms or now_ms) + AFTER_MS)


def content(
    site: Site, incident: Incident, records: Iterable[Record], shown: Sequence[Shown], language: str, now_ms: int
) -> dict[str, Any]:
    """Return everything that stands on the page; `records` are the incident's, oldest first."""
    return _Page(site, incident, language, now_ms).written(list(records), shown)


class _Page:
    def __init__(self, site: Site, incident: Incident, language: str, now_ms: int) -> None:
        self._site, self._incident, self._now = site, incident, now_ms
        self._language, self._zone = language, ZoneInfo(site.timezone)
        self._plan = site.plans.get(incident.plan)

    def written(self, records: list[Record], shown: Sequence[Shown]) -> dict[str, Any]:
        i = self._incident
        machine = self._site.equipment.get(i.equipment)
        where = [self._text(machine.name)] if machine else []
        place = self._text(place_of(self._site, i))
        kind = f"priority.{i.priority}"
        facts = [
            (self._say("number"), f"{i.id} · {self._say('plan')} {i.plan_version}"),
            (self._say("place"), " · ".join(part for part in (*where, place) if part)),
            (self._say("opened"), self._moment(i.opened_ms)),
            (self._say("closed"), self._moment(i.closed_ms) if i.closed_ms else self._say("open")),
            (self._say("lasted"), _span((i.closed_ms or self._now) - i.opened_ms)),
            (self._say("priority"), self._text(labels.PRIORITY.get(str(i.priority), Text(kind, kind)))),
        ]
        facts += [
            (self._say(key), short(said, LONGEST)) for key, said in (("cause", i.cause), ("result", i.result)) if said
        ]
        told = promises.told(i, records)
        states = [one.state for one in told]
        counted = [f"{self._say(s)} {states.count(s)}" for s in (promises.KEPT, promises.BROKEN)]
        facts.append((self._say("promises"), " · ".join(counted)))
        lines, over = self._timeline(records)
        return {
            "language": self._language,
            "site": self._text(self._site.name),
            "heading": self._say("drilled" if i.drill else "incident"),
            "title": self._text(plan_name(self._site, i)),
            "drill": self._say(i.drill) if i.drill else "",
            "facts": facts,
            "words": {key: self._text(text) for key, text in SAY.items()},
            "promises": self._promises(told),
            "people": self._people(),
            "attendance": self._attendance(),
            "lines": lines,
            "over": over,
            "pages": self._say("page_count", sum(str(r.kind) == "page.sent" for r in records)),
            "telemetry": [self._chart(one) for one in shown],
            "span": " – ".join(self._clock(at)[:5] for at in span_of(i, self._now)) if shown else "",
            "footer": f"{self._say('printed')} {self._moment(self._now)} · {self._text(labels.NOT_A_SAFETY_FUNCTION)}",
        }

    def _say(self, key: str, *values: object) -> str:
        return self._text(SAY[key]).format(*values)

    def _text(self, text: Text) -> str:
        return text.en if self._language == "en" else text.zh

    def _moment(self, at_ms: int) -> str:
        return f"{datetime.fromtimestamp(at_ms / 1000, self._zone):%Y-%m-%d %H:%M:%S}"

    def _clock(self, at_ms: int | None) -> str:
        return f"{datetime.fromtimestamp(at_ms / 1000, self._zone):%H:%M:%S}" if at_ms is not None else ""

    def _promises(self, told: Sequence[promises.Told]) -> list[dict[str, str]]:
        rows = []
        for one in told:
            words = short(self._text(promise_name(self._site, one.name, self._plan)), 84)
            took = _span(one.took_ms) if one.state == promises.KEPT else ""
            row = {"name": words, "limit": _span(one.limit_ms), "took": took, "state": one.state}
            rows.append({**row, "verdict": self._say(one.state)})
        rows.sort(key=lambda row: row["state"] != "broken")  # what was broken is never what does not fit
        return rows[:PROMISES]

    def _people(self) -> list[list[str]]:
        i = self._incident
        called = {p.person: p.requested_ms for p in reversed([*i.pages.values()])}
        took = drill.took_part(i)
        everybody = dict.fromkeys((*i.arrived, *i.accepted, *i.finished, *i.present, *took, *i.declined, *i.called))
        return [
            [
                person_name(self._site, who),
                self._roles(who),
                self._clock(called.get(who)),
                self._clock(i.accepted.get(who, i.seen.get(who))),
                self._clock(i.arrived.get(who)) or (self._say("by_hand") if who in i.present else ""),
                self._clock(i.finished.get(who)),
            ]
            for who in list(everybody)[:PEOPLE]
        ]

    def _roles(self, who: str) -> str:
        called, person = self._incident.called.get(who), self._site.people.get(who)
        roles = called.roles if called else person.roles if person else ()
        if not roles:
            return self._say("desk")
        return "、".join(self._text(role_name(self._site, role)) for role in roles[:2])

    def _attendance(self) -> str:
        i = self._incident
        if not i.expected:
            return ""
        took = drill.took_part(i)
        return self._say("attendance", len(i.expected), sum(who in took for who in i.expected))

    def _timeline(self, records: list[Record]) -> tuple[list[list[str]], int]:
        """Return the lines that fit, in order, and how many do not; what matters least is left out first."""
        told = Telling(self._site, self._incident, self._language)
        lines = [(told.weight(r), n, r.at_ms, words) for n, r in enumerate(records) if (words := told(r))]
        fit = sorted(sorted(lines)[:LINES], key=lambda line: line[1])
        shown = [[self._clock(at), _span(at - self._incident.opened_ms), words] for _, _, at, words in fit]
        return shown, len(lines) - len(fit)

    def _chart(self, shown: Shown) -> dict[str, Any]:
        """Return one point's line, scaled to 0…1; where nothing was heard it is interrupted."""
        point = self._site.point(shown.point)
        lows = [b.low for b in shown.buckets if b.low is not None]
        highs = [b.high for b in shown.buckets if b.high is not None]
        low, high = min(lows, default=0.0), max(highs, default=0.0)
        runs: list[list[list[float]]] = [[]]
        for n, bucket in enumerate(shown.buckets):
            if bucket.mean is None:
                runs.append([])
                continue
            at = n / max(1, len(shown.buckets) - 1)
            runs[-1].append([at, (bucket.mean - low) / (high - low) if high > low else 0.5])
        codes = {c.value: self._text(c.name) for c in point.codes} if point else {}
        unit = f" {point.unit}" if point and point.unit else ""
        least, most = (codes.get(round(v), f"{v:g}") if codes else f"{v:.4g}{unit}" for v in (low, high))
        holes = any(bucket.count == 0 for bucket in shown.buckets)
        return {
            "name": self._text(point.text) if point else shown.point,
            "range": self._say("range", least, most) if lows else "–",
            "gaps": self._say("gaps") if holes else "",
            "runs": [run for run in runs if run],
        }


def _span(ms: int) -> str:
    """Return a duration as m:ss or h:mm:ss."""
    seconds = max(0, ms) // 1000
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"
