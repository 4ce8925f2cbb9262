"""What a replay says to people: its span as they write it, its findings in words or as JSON."""

import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from dutyroom.clock import SystemClock
from dutyroom.replay import Outcome, Raise, ReplayError, opened, replay
from dutyroom.settings import Settings
from facility.site import Site
from facility.text import Text
from sitefolder import load

_WORDS = {"same": "一致 same", "moved": "时间不同 moved", "gone": "不再出现 gone", "new": "新增 new"}
_HIDDEN = {
    "shelved": "已搁置 shelved",
    "suppressed": "已抑制 suppressed",
    "out-of-service": "停用 out of service",
}


def run(folder: Path, data: Path, begin: str, end: str, rules: Path | None) -> tuple[Outcome, Site, float]:
    """Replay a span of a site's recording; return what came of it, the site, and the seconds that it took.

    Raises:
        ReplayError: the span makes no sense, or there is nothing to replay here.
        SiteError: the site folder or the rules have errors.
        StoreError: a file is damaged or of another program.
    """
    site = load(folder, rules=rules).site
    if Settings(site_folder=folder, data=data).of_site(site.settings).history == "influx":
        raise ReplayError(
            Text(
                "本站点的历史数据只在 InfluxDB 中，那里没有逐次扫描的顺序，无法重放。改用 archive 后，"
                "之后的时间可以重放（InfluxDB 仍会照常写入）。",
                "This site keeps its history in InfluxDB alone, which does not hold the scans in their order: nothing"
                " can be replayed. With the archive the time from then on can (InfluxDB still gets everything).",
            )
        )
    zone = ZoneInfo(site.timezone)
    from_ms, to_ms = moment(begin, zone), moment(end, zone) if end else SystemClock().now()
    recording, book = opened(data)
    try:
        began = time.perf_counter()
        outcome = replay(site, recording, book, from_ms, to_ms)
        return outcome, site, time.perf_counter() - began
    finally:
        book.close()


def moment(words: str, zone: ZoneInfo) -> int:
    """Return a moment as people write it, of the site's time unless it says otherwise, as UTC milliseconds.

    Raises:
        ReplayError: it is no such moment.
    """
    try:
        at = datetime.fromisoformat(words)
    except ValueError:
        raise ReplayError(
            Text(
                f"不是一个时间：{words}。请写作 2026-11-22 或 2026-11-22T08:00。",
                f"{words} is no moment. Write it as 2026-11-22 or 2026-11-22T08:00.",
            )
        ) from None
    return int((at if at.tzinfo else at.replace(tzinfo=zone)).timestamp() * 1000)


def as_text(outcome: Outcome, site: Site, took_s: float) -> Iterator[str]:
    """Return what there is to say, line by line: what differs in full, what is the same as a number."""
    zone = ZoneInfo(site.timezone)
    span = f"{_clock(outcome.from_ms, zone)} – {_clock(outcome.to_ms, zone)}"
    hours = outcome.warm_up_ms / 3_600_000
    yield f"{span}: {outcome.scans} 次扫描 scans, {took_s:.1f} s; 之前预热 warm-up {hours:.1f} h"
    yield " · ".join(f"{words} {outcome.count(verdict)}" for verdict, words in _WORDS.items())
    for one in outcome.raises:
        if one.verdict != "same":
            yield _row(one, site, zone)
    if not outcome.different:
        yield "与值班记录逐条一致，时间相同。Every record of an alarm is as the log book has it, to the millisecond."
    else:
        yield (
            f"与值班记录不同的报警记录：{outcome.different} 条（含恢复、升级、搁置结束等）。"
            f"Records of alarms that book and replay do not share: {outcome.different}, of any kind."
        )


def as_json(outcome: Outcome, took_s: float) -> dict[str, object]:
    """Return the same for programs; times are UTC milliseconds."""
    return {
        "from_ms": outcome.from_ms,
        "to_ms": outcome.to_ms,
        "warm_up_ms": outcome.warm_up_ms,
        "scans": outcome.scans,
        "records": outcome.records,
        "different": outcome.different,
        "took_s": round(took_s, 3),
        **{verdict: outcome.count(verdict) for verdict in _WORDS},
        "raises": [
            {
                "verdict": r.verdict,
                "at_ms": r.at_ms,
                "recorded_ms": r.recorded_ms,
                "owner": r.owner,
                "rule": r.rule,
                "priority": r.priority,
                "hidden": r.hidden,
            }
            for r in outcome.raises
        ],
    }


def _row(one: Raise, site: Site, zone: ZoneInfo) -> str:
    rule = site.rules.get(one.rule)
    owner, name = site.owner_name(one.owner), rule.name if rule else Text(one.rule, one.rule)
    then = f"（原 was {_clock(one.recorded_ms or 0, zone)}）" if one.verdict == "moved" else ""
    hidden = f" [{_HIDDEN[one.hidden]}]" if one.hidden else ""
    return (
        f"{_WORDS[one.verdict]}  {_clock(one.at_ms, zone)}{then}  P{one.priority}  "
        f"{owner.zh} {name.zh} / {owner.en}: {name.en} ({one.owner}/{one.rule}){hidden}"
    )


def _clock(at_ms: int, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(at_ms / 1000, zone).isoformat(" ", "milliseconds")[:23]
