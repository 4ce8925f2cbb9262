"""Alarm performance as it leaves: figures with their limits, in words, with where each limit is from."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from alarms.figures import Figure, Report, consoles
from alarms.hidden import Hidden
from api import labels
from api.shapes.base import Shape, Words
from api.views.words import number, promise_name, words
from facility.site import Site
from response.plans.tally import Tallied


class LimitShape(Shape):
    """The target of a figure, and the line beyond which it is red; `trust` says how far its source can be trusted.

    Where `green` is the larger number, less is worse.
    """

    green: float
    red: float
    trust: str
    trust_text: Words
    source: Words


class FigureShape(Shape):
    """One figure and how it stands: green, amber, red, or none where there is too little to judge.

    `count` is what a share counts, `at_ms` when a peak began.
    """

    id: str
    name: Words
    meaning: Words
    unit: str
    value: float | None
    verdict: str
    verdict_text: Words
    count: int | None
    at_ms: int | None
    limit: LimitShape


class NamedAlarm(Shape):
    """An alarm by its names; `owner` and `rule` find it in lists and in the log book."""

    subject: str
    owner: str
    rule: str
    name: Words
    owner_name: Words


class FrequentShape(NamedAlarm):
    """One of the ten most frequent."""

    count: int
    share: float


class StaleShape(NamedAlarm):
    """An alarm that stands for more than a day."""

    since_ms: int


class FloodShape(Shape):
    """A flood: from its first ten minutes to the end of its last."""

    from_ms: int
    to_ms: int
    alarms: int


class BarShape(Shape):
    """Alarms of ten minutes or, where several days are asked for, of a day."""

    from_ms: int
    alarms: int


class MixShape(Shape):
    """How many alarms had a priority."""

    priority: int
    count: int
    share: float | None


class ConsoleShape(Shape):
    """What can be asked for: the whole site ("") or one system."""

    id: str
    name: Words


class NowShape(Shape):
    """What stands at this moment."""

    unacknowledged: int
    shelved: int
    suppressed: int
    out_of_service: int
    stale: list[StaleShape]


class PromiseTallyShape(Shape):
    """How often a promise was kept and broken; `median_ms` is of those kept, `plan` is null where no step has it."""

    name: Words
    plan: Words | None
    kept: int
    broken: int
    median_ms: int | None


class PerformanceShape(Shape):
    """Alarm performance of a console over local days [day - days + 1, day], as far as they are over.

    Counting begins at `since_ms`: the first day's start, or the book's first record if that is later.
    """

    day: str
    days: int
    console: str
    consoles: list[ConsoleShape]
    from_ms: int
    to_ms: int
    since_ms: int
    at_ms: int
    alarms: int
    figures: list[FigureShape]
    top: list[FrequentShape]
    mix: list[MixShape]
    floods: list[FloodShape]
    chattering: list[NamedAlarm]
    bars: list[BarShape]
    promises: list[PromiseTallyShape]
    now: NowShape


FLOODS_SHOWN = 50
"""Of more floods than these the newest are given; the figure counts them all."""

WHOLE = Words(zh="全站", en="whole site")


def performance_shape(
    site: Site, told: Report, promises: Sequence[Tallied], hiding: Sequence[Hidden], console: str, at_ms: int
) -> PerformanceShape:
    """Return a report as it leaves; `hiding` is what disturbs nobody now. For a thread: some milliseconds."""
    days = (told.last - told.first).days + 1
    system = consoles(site)
    away = Counter(h.how for h in hiding if console in {"", system.get(h.owner, "system")})
    bars = told.slots if days == 1 else told.days
    total = max(told.alarms, 1)
    return PerformanceShape(
        day=told.last.isoformat(),
        days=days,
        console=console,
        consoles=consoles_of(site),
        from_ms=told.from_ms,
        to_ms=told.to_ms,
        since_ms=told.since_ms,
        at_ms=at_ms,
        alarms=told.alarms,
        figures=[_figure(f) for f in told.figures],
        top=[FrequentShape(**_named(site, s), count=n, share=100 * n / total) for s, n in told.top],
        mix=[
            MixShape(priority=p, count=n, share=100 * n / told.alarms if told.alarms else None)
            for p, n in told.priorities.items()
        ],
        floods=[FloodShape(from_ms=f.from_ms, to_ms=f.to_ms, alarms=f.alarms) for f in told.floods[-FLOODS_SHOWN:]],
        chattering=[NamedAlarm(**_named(site, s)) for s in told.chattering],
        bars=[BarShape(from_ms=at, alarms=n) for at, n in bars],
        promises=[_promise(site, one) for one in promises],
        now=NowShape(
            unacknowledged=told.waiting,
            shelved=away["shelved"],
            suppressed=away["suppressed"],
            out_of_service=away["out-of-service"],
            stale=[
                StaleShape(**_named(site, s), since_ms=since)
                for s, since in sorted(told.stale.items(), key=lambda one: one[1])
            ],
        ),
    )


def consoles_of(site: Site) -> list[ConsoleShape]:
    """Return what this site's figures can be asked for: all of it, and each system that it has."""
    systems = {site.kinds[e.kind].system.value for e in site.equipment.values()}
    named = [ConsoleShape(id=id, name=words(text)) for id, text in labels.SYSTEM.items() if id in systems]
    return [ConsoleShape(id="", name=WHOLE), *named]


def _figure(figure: Figure) -> FigureShape:
    limit = figure.limit
    return FigureShape(
        id=limit.id,
        name=words(limit.name),
        meaning=words(limit.meaning),
        unit=limit.unit,
        value=number(figure.value),
        verdict=figure.verdict,
        verdict_text=words(labels.label("verdict", figure.verdict)),
        count=figure.count,
        at_ms=figure.at_ms,
        limit=LimitShape(
            green=limit.green,
            red=limit.red,
            trust=limit.trust,
            trust_text=words(labels.label("trust", limit.trust)),
            source=words(limit.source),
        ),
    )


def _promise(site: Site, one: Tallied) -> PromiseTallyShape:
    plan = site.plans.get(one.plan)
    return PromiseTallyShape(
        name=words(promise_name(site, one.promise, plan)),
        plan=words(plan.name) if plan else None,
        kept=one.kept,
        broken=one.broken,
        median_ms=one.median_ms,
    )


def _named(site: Site, subject: str) -> dict[str, Any]:
    owner, _, rule = subject.removeprefix("alarm:").rpartition("/")
    known = site.rules.get(rule)
    return {
        "subject": subject,
        "owner": owner,
        "rule": rule,
        "name": words(known.name) if known else Words(zh=rule, en=rule),
        "owner_name": words(site.owner_name(owner)),
    }
