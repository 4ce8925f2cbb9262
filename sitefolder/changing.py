"""[[change]] in a site's rules.toml: what this site does otherwise than the library, why, and what that makes of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import Field, StringConstraints

from facility.rule import Compare, Condition, Rule, Rung, Season
from sitefolder import duration
from sitefolder.duration import Duration
from sitefolder.rulefile import PRIORITIES, PriorityWord, RuleTable
from sitefolder.ruleversion import version_of
from sitefolder.season import HoursTable, SeasonTable, season_of
from sitefolder.strict import Filled, Id, Number, Strict

LimitName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*(\.[a-z_]+)?$", max_length=64)]
"""A point, or point.comparison where a rule compares it more than once."""

_ALL_YEAR = Season()


class RungChange(Strict):
    """Another limit or delay of one rung of its ladder, counted from 1."""

    rung: int = Field(ge=1)
    on_delay: Duration | None = None
    limits: dict[LimitName, Number] = Field(default_factory=dict)


class ChangeTable(Strict):
    """[[change]]: `reason` is shown with the alarm, and `dutyroom check` lists it."""

    id: Id
    reason: Filled
    enabled: bool = True
    priority: PriorityWord | None = None
    on_delay: Duration | None = None
    off_delay: Duration | None = None
    limits: dict[LimitName, Number] = Field(default_factory=dict)
    ladder: list[RungChange] = Field(default_factory=list)
    season: SeasonTable | None = None
    hours: HoursTable | None = None


class RuleFile(Strict):
    """A file of rules; `change` only in a site's own."""

    rule: list[RuleTable] = Field(default_factory=list)
    change: list[ChangeTable] = Field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Override:
    """One thing that a site does otherwise than the library: both values as words, and the site's reason."""

    rule: str
    what: str
    library: str
    site: str
    reason: str


Complain = Callable[[tuple[str | int, ...], str, str], None]


def changed(rule: Rule, change: ChangeTable, complain: Complain) -> tuple[Rule | None, list[Override]]:
    """Return the rule as the site wants it (None: not at all), and what is otherwise."""
    found: list[Override] = []

    def note(what: str, library: str, site: str) -> None:
        if library != site:
            found.append(Override(rule.id, what, library, site, change.reason))

    if not change.enabled:
        note("enabled", "true", "false")
        return None, found
    when, any_of = _limited(rule.when, rule.any_of, change.limits, ("limits",), complain, note)
    ladder = list(rule.ladder)
    for n, rung in enumerate(ladder):
        if (rung.when, rung.any_of) == (rule.when, rule.any_of):  # the same for longer: it follows
            ladder[n] = replace(rung, when=when, any_of=any_of)
    for at, table in enumerate(change.ladder):
        if table.rung > len(ladder):
            complain(("ladder", at, "rung"), f"规则没有第 {table.rung} 级", f"the rule has no rung {table.rung}")
            continue
        ladder[table.rung - 1] = _rung(ladder[table.rung - 1], table, at, complain, note)
    on_delay = rule.on_delay_ms if change.on_delay is None else change.on_delay
    off_delay = rule.off_delay_ms if change.off_delay is None else change.off_delay
    note("on_delay", duration.format(rule.on_delay_ms), duration.format(on_delay))
    note("off_delay", duration.format(rule.off_delay_ms), duration.format(off_delay))
    priority = PRIORITIES[change.priority] if change.priority else rule.priority
    note("priority", rule.priority.name.lower(), priority.name.lower())
    season = season_of(change.season, change.hours) or rule.season
    if season != rule.season and rule.class_ == "life-safety":
        complain(("season",), "生命安全报警不能有季节或时段", "a life-safety alarm has no season and no hours")
    note("season", _season(rule.season), _season(season))
    new = replace(
        rule,
        when=when,
        any_of=any_of,
        ladder=tuple(ladder),
        on_delay_ms=on_delay,
        off_delay_ms=off_delay,
        priority=priority,
        season=season,
        version=version_of(rule.kind, when, on_delay, off_delay, any_of, ladder),
        overridden=change.reason,
    )
    milder = None if graver(rule) else graver(new)
    if milder:
        complain(
            ("ladder",),
            f"改后 ladder 第 {milder} 级不比规则本身更严重",
            f"so changed, rung {milder} of the ladder is no graver than the rule itself",
        )
    return new, found


def graver(rule: Rule) -> int | None:
    """Return the first rung whose limit or priority is milder than the rule's own; None where all are graver."""
    own = {(c.point, c.compare, c.other, c.of): c.limit for c in rule.when}
    for n, rung in enumerate(rule.ladder, start=1):
        for c in rung.when:
            limit = own.get((c.point, c.compare, c.other, c.of), c.limit)
            if (c.compare is Compare.ABOVE and c.limit < limit) or (c.compare is Compare.BELOW and c.limit > limit):
                return n
        if rung.priority >= rule.priority:
            return n
    return None


def _rung(rung: Rung, table: RungChange, at: int, complain: Complain, note: Callable[[str, str, str], None]) -> Rung:
    def named(what: str, library: str, site: str) -> None:
        note(f"ladder.{table.rung}.{what}", library, site)

    when, any_of = _limited(rung.when, rung.any_of, table.limits, ("ladder", at, "limits"), complain, named)
    delay = rung.on_delay_ms if table.on_delay is None else table.on_delay
    named("on_delay", duration.format(rung.on_delay_ms), duration.format(delay))
    return replace(rung, when=when, any_of=any_of, on_delay_ms=delay)


def _limited(
    when: tuple[Condition, ...],
    any_of: tuple[Condition, ...],
    limits: Mapping[str, float],
    place: tuple[str | int, ...],
    complain: Complain,
    note: Callable[[str, str, str], None],
) -> tuple[tuple[Condition, ...], tuple[Condition, ...]]:
    """Return the conditions with other limits; complain of names that mean none of them, or more than one."""
    all_ = (*when, *any_of)
    for name, limit in limits.items():
        point, _, compare = name.partition(".")
        meant = [n for n, c in enumerate(all_) if c.point == point and (not compare or c.compare == compare)]
        if not meant:
            complain((*place, name), f"规则不看点位 {name}", f"the rule does not look at {name}")
            continue
        if len({all_[n].compare for n in meant}) > 1:
            words = "、".join(f"{point}.{all_[n].compare}" for n in meant)
            complain(
                (*place, name),
                f"规则对 {point} 有几种比较，请写 {words}",
                f"the rule compares {point} more than once: write one of {words}",
            )
            continue
        for n in meant:
            note(f"limits.{point}.{all_[n].compare}", f"{all_[n].limit:g}", f"{limit:g}")
        all_ = tuple(replace(c, limit=limit) if n in meant else c for n, c in enumerate(all_))
    return all_[: len(when)], all_[len(when) :]


def _season(season: Season | None) -> str:
    season = season or _ALL_YEAR
    days = "all year"
    if season.from_day and season.to_day:
        days = "{:02}-{:02}…{:02}-{:02}".format(*season.from_day, *season.to_day)
    minutes = season.from_minute, season.to_minute
    clock = " {:02}:{:02}…{:02}:{:02}".format(*divmod(minutes[0], 60), *divmod(minutes[1], 60))
    week = f" days {','.join(map(str, season.days))}" if season.days else ""
    return days + (clock if minutes != (0, 0) else "") + week
