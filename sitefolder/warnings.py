"""What does not forbid using a site, but should be looked at."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from facility.equipment import Equipment
from facility.site import Site
from sitefolder.document import Document
from sitefolder.finding import Problems

DAY_MS = 86_400_000
HOLES_DAYS = 7
CERTIFICATE_DAYS = 90
NEEDS_SUPPLY = frozenset({"lift", "chiller", "pump"})


def warn(site: Site, documents: Mapping[str, Document], problems: Problems, now_ms: int | None) -> None:
    """Note everything in a loaded site that a person should look at; `now_ms` adds what time brings."""
    people, equipment = documents["people.toml"], documents["equipment.toml"]
    today = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(ZoneInfo(site.timezone)).date() if now_ms else None
    read = {point.rpartition("/")[0] for point in site.device_of}
    for index, name in _positions(equipment, "equipment"):
        _machine(equipment, index, site.equipment[name], site, read)
        if today:
            _inspections(equipment, index, site.equipment[name], today)
    for key, members in (("person", site.people), ("party", site.parties)):
        for index, name in _positions(people, key):
            if not members[name].channels:
                people.warning(
                    (key, index, "channels"), "没有通知渠道，无法呼叫", "has no channel; nobody can page them"
                )
    _leader(site, problems)
    if today:
        _certificates(people, site, today)
    if now_ms is not None:
        _holes(site, problems, now_ms)


def _positions(document: Document, key: str) -> list[tuple[int, str]]:
    return [(index, raw["id"]) for index, raw in enumerate(document.data.get(key, []))]


def _machine(document: Document, index: int, machine: Equipment, site: Site, read: Iterable[str]) -> None:
    where = ("equipment", index)
    if machine.kind == "lift" and not machine.card.rescue_code:
        document.warning((*where, "card"), "没有救援识别码", "has no rescue code")
    if machine.kind in NEEDS_SUPPLY and not machine.fed_by:
        document.warning((*where, "fed_by"), "没有写由谁供电，停电时无法判断原因", "does not say what feeds it")
    if machine.kind in NEEDS_SUPPLY and not machine.card.contractor:
        document.warning((*where, "card"), "没有维保单位", "names no contractor")
    kind = site.kinds[machine.kind]
    if kind.points and not kind.supplies and machine.id not in read:  # an unread source counts as live
        document.warning(where, "没有任何装置读它的点位", "no device reads any point of it")


def _inspections(document: Document, index: int, machine: Equipment, today: date) -> None:
    due = machine.card.next_inspection
    if due is not None and due < today:
        document.warning(
            ("equipment", index, "card", "next_inspection"), f"检验已过期（{due}）", f"the inspection was due on {due}"
        )


def _certificates(document: Document, site: Site, today: date) -> None:
    for index, name in _positions(document, "person"):
        for at, certificate in enumerate(site.people[name].certificates):
            if certificate.until is None:
                continue
            days = (certificate.until - today).days
            label = site.certificates[certificate.kind]
            if days < CERTIFICATE_DAYS:
                said = (f"还有 {days} 天到期", f"expires in {days} days") if days >= 0 else ("已过期", "has expired")
                document.warning(
                    ("person", index, "certificates", at),
                    f"{site.people[name].name}的{label.zh}{said[0]}（{certificate.until}）",
                    f"the certificate {certificate.kind} of {name} {said[1]} ({certificate.until})",
                )


def _leader(site: Site, problems: Problems) -> None:
    from response.duty import leaderless

    if (without := leaderless(site)) is not None:
        problems.warning("roster.toml", "layer", without.zh, without.en)


def _holes(site: Site, problems: Problems, now_ms: int) -> None:
    from response.duty import holes

    for hole in holes(site, now_ms, now_ms + HOLES_DAYS * DAY_MS):
        problems.warning("roster.toml", f"layer.{hole.role}", hole.text.zh, hole.text.en)
