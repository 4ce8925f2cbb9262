"""Standing words about the product itself, for the line on every screen."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from api.station import Notice
from facility.site import Site
from facility.text import Text
from response import duty
from response.incident import Incident
from response.paging.responders import given_up
from response.paging.silence import nobody
from response.paging.tryout import Tryout

FEW = 3
"""So many of a sort are said one by one; more stand in one line, and the Duty page lists them."""
MANY = {
    duty.HOLE: Text(
        "未来 8 天有 {n} 处排班缺口，见“值班”页。", "{n} holes in the roster of the next 8 days; see Duty."
    ),
    duty.CERTIFICATE: Text("{n} 个证书到期或将到期，见“值班”页。", "{n} certificates expired or about to; see Duty."),
    duty.UNTESTED: Text(
        "{n} 名即将当班的人 30 天内没有应答过呼叫或测试呼叫，见“值班”页。",
        "{n} people who are on duty soon have answered no page or test page for 30 days; see Duty.",
    ),
    duty.CALENDAR: Text("缺少节假日日历，见“值班”页。", "Holidays are not known; see Duty."),
}


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


def standing(ahead: Sequence[duty.Ahead], now: int, unpaged: Mapping[str, int]) -> list[Notice]:
    """Return what roster, certificates and channels are short of.

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
    for what, say in MANY.items():
        these = [one for one in ahead if one.what == what]
        if len(these) > FEW:
            zh, en = (words.format(n=len(these)) for words in (say.zh, say.en))
            out.append(Notice(f"{what}s", "warning", Text(zh, en), now))
        else:
            out += [Notice(one.id, "warning", _named(one), one.at_ms if what == duty.HOLE else now) for one in these]
    return out


def _named(one: duty.Ahead) -> Text:
    if one.what != duty.HOLE:
        return one.text
    return Text(f"排班缺口：{one.text.zh}", f"Roster hole: {one.text.en}")


def untried(tests: Iterable[Tryout], site: Site, now: int) -> list[Notice]:
    """Return whose channel failed its newest test page, or left it unanswered: before a page has to find out."""
    failed = [t for t in tests if t.failed(now)]
    if not failed:
        return []
    names = [(_who(site, t.person), t.channel) for t in failed[:FEW]]
    zh, en = "；".join(f"{who.zh} · {way}" for who, way in names), "; ".join(f"{who.en} · {way}" for who, way in names)
    words = Text(
        f"{len(failed)} 个通道的测试呼叫失败或无人确认：{zh}。请核对号码和通道，再测一次。",
        f"{len(failed)} channels failed their test page or nobody confirmed it: {en}. Check them and try again.",
    )
    return [Notice("page-tests", "warning", words, now)]


def _who(site: Site, id: str) -> Text:
    if id in site.parties:
        return site.parties[id].name
    name = site.people[id].name if id in site.people else id
    return Text(name, name)


def unheard(incidents: Mapping[str, Incident], site: Site) -> list[Notice]:
    """Return the incidents for which everybody was asked as often as the rules say, and nobody comes."""
    return [
        Notice(
            f"unheard:{i.id}",
            "error",
            Text(
                f"事件 {i.id} 已按规定反复呼叫，无人接单，不再自动呼叫。请打电话找人，或在事件中代记接单。",
                f"Incident {i.id}: everybody was called as often as the rules say and nobody comes; no more pages go"
                " out by themselves. Call somebody, and write down who accepts.",
            ),
            i.round_ms,
        )
        for i in incidents.values()
        if (plan := site.plans.get(i.plan)) is not None and given_up(i, plan, site)
    ]


def uncalled(incidents: Mapping[str, Incident], site: Site) -> list[Notice]:
    """Return the incidents for which there is nobody to call: the roster has a hole, or all have declined."""
    return [
        Notice(
            f"nobody:{i.id}",
            "error",
            Text(
                f"事件 {i.id} 无人可呼叫：各级都无人当班、持证、可联系，或都已谢绝。请立即打电话找人，并登记临时加班。",
                f"Incident {i.id}: there is nobody to call; on no level is anybody on duty, certified and within reach,"
                " or all have declined. Call somebody now, and enter an extra shift.",
            ),
            i.level_ms,
        )
        for i in incidents.values()
        if (plan := site.plans.get(i.plan)) is not None and nobody(i, plan, site)
    ]


def held(incidents: Collection[str], now: int) -> list[Notice]:
    """Return that the pages of incidents from a backup wait for a person; nothing when none do."""
    if not incidents:
        return []
    names = ", ".join(sorted(incidents))
    words = Text(
        f"本服务由备份恢复：事件 {names} 的呼叫已暂停，不会自动发出。请核对现场后在事件中选“发送”或“作废”。",
        f"Restored from a backup: pages of {names} are held and go to nobody by themselves."
        " Look at what is so by now, then choose “send” or “drop” in each incident.",
    )
    return [Notice("restored", "error", words, now)]


def without_time(why: Text | None, now: int) -> list[Notice]:
    """Return what is held against the computer's clock; nothing when it is believed."""
    return [] if why is None else [Notice("clock", "error", why, now)]


def long_line_down(name: str, why: str, since_ms: int) -> Notice:
    """Return that answers over a provider's long connection do not come."""
    words = Text(
        f"与 {name} 的长连接中断（{why}）：呼叫照常发出，但按钮、回复和已读收不到。"
        "系统会自动重连，请用电话确认对方是否出发。",
        f"The long connection of {name} is down ({why}): pages leave as before, but buttons, replies and read receipts"
        " do not come back. It is opened again by itself; ask by phone whether people are coming.",
    )
    return Notice(f"line:{name}", "warning", words, since_ms)


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
