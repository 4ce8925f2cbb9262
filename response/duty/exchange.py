"""What speaks against changing the roster, and what a change would leave open."""

from collections.abc import Iterator
from dataclasses import replace

from facility import records
from facility.commands import Refused
from facility.records import Record, RosterChanged, roster_subject
from facility.site import Site
from facility.text import Text
from response import duty
from response.duty import Hole, change
from response.duty.change import COVER, EXTRA, LEAVE, SWAP, WHATS

_DAY_MS = 86_400_000
LONGEST_MS = {COVER: 31 * _DAY_MS, EXTRA: 31 * _DAY_MS, SWAP: 3 * _DAY_MS, LEAVE: 366 * _DAY_MS}
"""How long each kind of change may last; who needs longer changes roster.toml."""
FURTHEST_MS = 366 * _DAY_MS
"""So far ahead the roster is changed."""
LOOKED_AT_MS = 31 * _DAY_MS
"""Of a longer change, so much is looked at for holes."""


def against(site: Site, said: RosterChanged, now: int) -> Refused | None:
    """Return what forbids a change to this roster; None when nothing does."""
    return next(_against(site, said, now), None)


def opened_by(site: Site, said: RosterChanged) -> list[Hole]:
    """Return the holes of its first 31 days that the roster would have with the change and has not without it."""
    sample = change.changed("new", _record(said), replace(said, agreed=True))
    leaves = (sample.leave,) if sample.leave else ()
    roster = replace(site.roster, covers=(*site.roster.covers, *sample.covers), leaves=(*site.roster.leaves, *leaves))
    after = site.with_roster(roster, site.hash)
    begin = sample.begins_ms
    end = min(sample.ends_ms, begin + LOOKED_AT_MS)
    concerned = {said.role, *site.people[said.person].roles}
    had = duty.holes(site, begin, end, concerned)
    new = (hole for hole in duty.holes(after, begin, end, concerned) if not any(_within(hole, old) for old in had))
    return duty.plainly(new)


def _within(hole: Hole, old: Hole) -> bool:
    same = (hole.role, hole.certificate) == (old.role, old.certificate)
    return same and old.from_ms <= hole.from_ms and hole.to_ms <= old.to_ms and hole.have >= old.have


def _record(said: RosterChanged) -> Record:
    return Record(0, records.Kind.ROSTER_CHANGED, roster_subject("new"), said)


def _against(site: Site, said: RosterChanged, now: int) -> Iterator[Refused]:
    if said.what not in WHATS:
        yield _invalid(f"没有这种变更：{said.what}。", f"There is no such kind of change: {said.what}.")
        return
    for who in (said.person, said.other):
        if who and who not in site.people:
            yield Refused("not-found", Text(f"名册中没有：{who}。", f"The site knows nobody by the id {who}."))
            return
    if said.person == said.other:
        yield _invalid("须是两个不同的人。", "It takes two different people.")
    yield from _span_against(said.what, said.from_ms, said.to_ms, now)
    if said.what == LEAVE:
        yield from _leave_against(site, said)
    elif said.role not in duty.roles(site):
        yield _invalid(f"排班中没有岗位 {said.role}。", f"The roster has no role {said.role}.")
    elif said.what == EXTRA:
        yield from _takes(site, said, said.person, said.from_ms, said.to_ms)
    elif not said.other:
        yield _invalid("请选择对方（顶谁的班、与谁换）。", "Say whom: whose shift is covered, or exchanged.")
    elif said.what == COVER:
        yield from _takes(site, said, said.person, said.from_ms, said.to_ms)
        yield from _has(site, said, said.other, said.from_ms, said.to_ms)
    else:
        yield from _swap_against(site, said, now)


def _swap_against(site: Site, said: RosterChanged, now: int) -> Iterator[Refused]:
    yield from _span_against(SWAP, said.other_from_ms, said.other_to_ms, now)
    if said.from_ms < said.other_to_ms and said.other_from_ms < said.to_ms:
        yield _invalid("两个班次时间重叠，不能互换。", "The two shifts overlap and cannot be exchanged.")
    yield from _has(site, said, said.person, said.from_ms, said.to_ms)
    yield from _has(site, said, said.other, said.other_from_ms, said.other_to_ms)
    yield from _takes(site, said, said.person, said.other_from_ms, said.other_to_ms)
    yield from _takes(site, said, said.other, said.from_ms, said.to_ms)


def _span_against(what: str, from_ms: int, to_ms: int, now: int) -> Iterator[Refused]:
    if to_ms <= max(from_ms, now):
        yield _invalid("结束时间须晚于开始时间和现在。", "The end must be after the begin, and after now.")
    if from_ms > now + FURTHEST_MS:
        yield _invalid("最多提前一年登记。", "The roster is changed a year ahead at most.")
    if to_ms - from_ms > LONGEST_MS[what]:
        days = LONGEST_MS[what] // _DAY_MS
        yield _invalid(
            f"这种变更最长 {days} 天。更长的请改 roster.toml。",
            f"Such a change lasts {days} days at most. For longer, change roster.toml.",
        )


def _takes(site: Site, said: RosterChanged, who: str, from_ms: int, to_ms: int) -> Iterator[Refused]:
    """Yield what speaks against somebody taking a shift: the role, a leave, a shift of the same role at that time."""
    person = site.people[who]
    post = site.roles.get(said.role) or Text(said.role, said.role)
    if said.role not in person.roles:
        yield _invalid(
            f"{person.name} 没有“{post.zh}”这个岗位。请换人，或在 people.toml 补上。",
            f"{person.name} does not have the role {post.en}. Choose somebody else, or add it in people.toml.",
        )
    if any(leave.person == who and leave.from_ms < to_ms and from_ms < leave.to_ms for leave in site.roster.leaves):
        yield _conflict(
            f"{person.name} 这段时间休假。请换人或改时间。",
            f"{person.name} is on leave then. Choose somebody else, or another time.",
        )
    if _on_duty(site, said.role, who, from_ms, to_ms):
        yield _conflict(
            f"{person.name} 这段时间本来就当班（{post.zh}），与本人班次重叠。请换人或改时间。",
            f"{person.name} is on duty then anyway ({post.en}): the shifts overlap."
            " Choose somebody else, or another time.",
        )


def _has(site: Site, said: RosterChanged, who: str, from_ms: int, to_ms: int) -> Iterator[Refused]:
    if not _on_duty(site, said.role, who, from_ms, to_ms):
        name = site.people[who].name
        yield _conflict(
            f"{name} 这段时间不当班，没有可以顶替或交换的班次。请看排班后改时间。",
            f"{name} is not on duty then: there is no shift to cover or exchange. See the roster and choose the time.",
        )


def _leave_against(site: Site, said: RosterChanged) -> Iterator[Refused]:
    for leave in site.roster.leaves:
        if leave.from_ms < said.to_ms and said.from_ms < leave.to_ms and leave.person in {said.person, said.other}:
            name = site.people[leave.person].name
            yield _conflict(
                f"{name} 这段时间已登记休假。请先撤销原来的，或改时间。",
                f"A leave of {name} at that time is entered already. Take it back first, or choose another time.",
            )
    if not said.other:
        return
    shared = {*site.people[said.person].roles} & {*site.people[said.other].roles}
    for role in (r for r in duty.roles(site) if r in shared):
        for span in duty.spans(site, role, said.from_ms, min(said.to_ms, said.from_ms + LOOKED_AT_MS)):
            if said.person in span.people and said.other in span.people:
                name = site.people[said.other].name
                yield _conflict(
                    f"替班人 {name} 那时本来就当班，不能再替。请换人。",
                    f"{name} is on duty then anyway and cannot stand in. Choose somebody else.",
                )


def _on_duty(site: Site, role: str, who: str, from_ms: int, to_ms: int) -> bool:
    return any(who in span.people for span in duty.spans(site, role, from_ms, to_ms))


def _invalid(zh: str, en: str) -> Refused:
    return Refused("invalid", Text(zh, en))


def _conflict(zh: str, en: str) -> Refused:
    return Refused("conflict", Text(zh, en))
