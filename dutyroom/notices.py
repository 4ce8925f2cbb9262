"""Standing words about the product itself, for the line on every screen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from api.station import Notice
from facility.site import Site
from facility.text import Text
from response import duty
from response.incident import Incident

DAY_MS = 86_400_000
HOLES_AHEAD_MS = 8 * DAY_MS
CERTIFICATES_AHEAD_DAYS = 30


@dataclass(frozen=True, slots=True)
class Troubles:
    """What the station knows to be wrong with itself."""

    disk_used: float
    spool_refuses: bool
    book_refuses: bool
    scans_lost: int
    lines_down: Sequence[str]
    remarks: Sequence[tuple[str, Text]] = ()  # a line, and what somebody has to put right there
    unheard: str = ""  # why signs of life do not arrive outside


def standing(site: Site, now: int, unpaged: Mapping[str, int]) -> list[Notice]:
    """Return what roster, certificates and channels are short of; slow enough to be computed once a minute.

    `unpaged` counts people by a kind of channel that this service has no pager for.
    """
    out = [
        Notice(
            f"channel:{kind}",
            "error",
            Text(
                f"{people} 人的呼叫通道“{kind}”在本服务上不可用，呼叫会被拒绝。请改 people.toml 或配置该通道。",
                f"{people} people are to be paged by {kind}, which this service cannot do: those pages will be refused."
                " Change people.toml, or set the channel up.",
            ),
            now,
        )
        for kind, people in unpaged.items()
    ]
    out += [
        Notice(
            f"hole:{hole.role}:{hole.from_ms}",
            "warning",
            Text(f"排班缺口：{hole.text.zh}", f"Roster hole: {hole.text.en}"),
            hole.from_ms,
        )
        for hole in duty.holes(site, now, now + HOLES_AHEAD_MS)
    ]
    out += [
        Notice(f"certificate:{e.person}:{e.certificate}", "warning", e.text, now)
        for e in duty.expiring(site, now, CERTIFICATES_AHEAD_DAYS)
    ]
    return out


def passing(incidents: Mapping[str, Incident], troubles: Troubles, now: int) -> list[Notice]:
    """Return what is wrong at this moment: pages refused, stores that do not take, lines that are down."""
    refused = [p for i in incidents.values() for p in i.pages.values() if p.state == "refused"]
    out = [
        Notice(
            f"page-refused:{page.key}",
            "error",
            Text(
                f"呼叫未送达：{page.person} · {page.channel} · {page.said}（自动重试）",
                f"Page not delivered: {page.person} by {page.channel}: {page.said} (tried again by itself)",
            ),
            page.at_ms,
        )
        for page in refused
    ]
    if troubles.book_refuses:
        out.append(
            Notice(
                "book",
                "error",
                Text(
                    "值班记录写入失败，正在重试；请检查磁盘。",
                    "The log book refused a write; it is tried again. Check the disk.",
                ),
                now,
            )
        )
    if troubles.spool_refuses:
        out.append(
            Notice(
                "spool",
                "error",
                Text(
                    f"数据暂存失败，读数留在内存（已丢 {troubles.scans_lost} 次）；请清理磁盘。",
                    f"The spool cannot write; readings wait in memory ({troubles.scans_lost} scans lost)."
                    " Free disk space.",
                ),
                now,
            )
        )
    if troubles.unheard:
        out.append(
            Notice(
                "heartbeat",
                "warning",
                Text(
                    f"心跳发不出去（{troubles.unheard}）：本服务若停止，外面无人知道。请检查外网和接收端。",
                    f"Signs of life do not arrive ({troubles.unheard}): nobody outside would notice if this service"
                    " stopped. Check the way out and the receiver.",
                ),
                now,
            )
        )
    if troubles.disk_used >= 90:  # noqa: PLR2004 - per cent, the rule host-disk-low says the same
        out.append(
            Notice(
                "disk",
                "error",
                Text(
                    f"磁盘已用 {troubles.disk_used:.0f} %，请清理。",
                    f"Disk {troubles.disk_used:.0f} % full; free some.",
                ),
                now,
            )
        )
    out += [
        Notice(f"line:{line}", "warning", Text(f"通讯线路中断：{line}", f"Line down: {line}"), now)
        for line in troubles.lines_down
    ]
    out += [
        Notice(f"remark:{line}:{number}", "warning", Text(f"线路 {line}：{said.zh}", f"Line {line}: {said.en}"), now)
        for number, (line, said) in enumerate(troubles.remarks)
    ]
    return out
