"""Where the roster has holes: too few people, or too few with a certificate."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

from facility.duty import Layer
from facility.site import Site
from facility.text import Text
from response.duty.choosing import certified
from response.duty.presence import called_for, changes, in_layer, local_day

LEADER = "leader-on-duty"


@dataclass(frozen=True, slots=True)
class Hole:
    """A span in which a layer has too few people, or too few with a certificate (then `certificate` names it)."""

    role: str
    from_ms: int
    to_ms: int
    have: int
    need: int
    certificate: str
    text: Text


def holes(site: Site, from_ms: int, to_ms: int, roles: Collection[str] | None = None) -> list[Hole]:
    """Return every span of [from_ms, to_ms) in which a layer has too few people or certificates, in order of time.

    Of all layers, or of those of some `roles`.
    """
    found: list[Hole] = []
    for layer in (one for one in site.roster.layers if roles is None or one.role in roles):
        open_: dict[str, Hole] = {}
        moments = sorted({from_ms, to_ms, *changes(site, layer, from_ms, to_ms)})
        for start, end in pairwise(moments):
            for certificate, have, need in _lacks(site, layer, start):
                before = open_.get(certificate)
                if before and before.to_ms == start and (before.have, before.need) == (have, need):
                    open_[certificate] = _hole(site, layer.role, before.from_ms, end, have, need, certificate)
                    continue
                if before:
                    found.append(before)
                open_[certificate] = _hole(site, layer.role, start, end, have, need, certificate)
        found += open_.values()
    return sorted(found, key=lambda h: (h.from_ms, h.role, h.certificate))


def leaderless(site: Site) -> Text | None:
    """Return that no layer of the roster covers the leader on duty (带班); None when one does."""
    if any(layer.role == LEADER for layer in site.roster.layers):
        return None
    return Text(
        "排班中没有带班领导（leader-on-duty）一层：严重事件时无人带班，超时和跳过的步骤无人可报。"
        "请在 roster.toml 加上。",
        "No layer of the roster covers the leader on duty: in a serious event nobody leads, and nobody hears of broken"
        " promises and skipped steps. Add one to roster.toml.",
    )


def plainly(found: Iterable[Hole]) -> list[Hole]:
    """Leave out a lack of certificates that only says again that somebody is missing."""
    found = list(found)
    people = [hole for hole in found if not hole.certificate]
    return [hole for hole in found if not (hole.certificate and any(_same(hole, short) for short in people))]


def _same(hole: Hole, short: Hole) -> bool:
    within = hole.role == short.role and short.from_ms <= hole.from_ms and hole.to_ms <= short.to_ms
    return within and hole.need - hole.have <= short.need - short.have


def _lacks(site: Site, layer: Layer, at_ms: int) -> Iterator[tuple[str, int, int]]:
    """Yield (certificate or "", have, need) for everything a layer has too little of."""
    if not called_for(site, layer, at_ms):
        return
    people = in_layer(site, layer, at_ms)
    if len(people) < layer.minimum:
        yield "", len(people), layer.minimum
    day = local_day(site, at_ms)
    for kind, need in layer.certificates:
        have = sum(1 for p in people if p in site.people and certified(site.people[p], (kind,), day))
        if have < need:
            yield kind, have, need


def _hole(site: Site, role: str, from_ms: int, to_ms: int, have: int, need: int, certificate: str) -> Hole:
    zone = ZoneInfo(site.timezone)
    post = site.roles.get(role) or Text(role, role)
    paper = site.certificates.get(certificate) or Text(certificate, certificate)
    begin, end = (datetime.fromtimestamp(ms / 1000, zone).strftime("%m-%d %H:%M") for ms in (from_ms, to_ms))
    zh = f"{begin} 至 {end}，{post.zh}应有 {need} 人" + (f"持证（{paper.zh}）" if certificate else "")
    en = f"{begin} to {end}: {post.en} needs {need}" + (f" holding {paper.en}" if certificate else "")
    zh, en = f"{zh}，只有 {have} 人。", f"{en}, has {have}."
    text = Text(
        f"{zh}请在“值班”页登记替班或临时加班，或改 roster.toml。",
        f"{en} Enter a cover or an extra shift on the Duty page, or change roster.toml.",
    )
    return Hole(role, from_ms, to_ms, have, need, certificate, text)
