"""What a page says: one line in Chinese, one in English; no personal names, for it stays in the book for ever."""

from collections.abc import Sequence

from facility.plan import Plan
from facility.rule import Priority
from facility.site import Site
from facility.text import NOTHING, Text
from response.incident import Incident
from response.plans import drill
from response.plans.plan import owner_rule

URGENCY = {
    Priority.LIFE: Text("一级·生命", "P1 life"),
    Priority.HIGH: Text("二级·紧急", "P2 urgent"),
    Priority.MEDIUM: Text("三级·一般", "P3"),
    Priority.LOW: Text("四级·提示", "P4"),
}

SECURE = Text("持证人员未到齐：只守护现场，不要动设备。", "Certified people are missing: secure, do not touch.")


TAKE_OVER = Text("同事请您接手，请打开链接答复。", "A colleague asks you to take over: open the link and answer.")
NEW_LINK = Text("原链接已作废，请用此新链接。", "The earlier link no longer works: use this new one.")


def where(incident: Incident, site: Site) -> Text:
    """Return machine and place of an incident, in the words of the site or of the caller."""
    machine = site.equipment.get(incident.equipment)
    if machine is None and incident.equipment in site.devices:
        return site.owner_name(incident.equipment)
    if machine is None and incident.permit:  # both languages stand in it
        zh, _, en = incident.place.partition(" / ")
        return Text(zh, en)
    if machine is None:
        return Text(incident.place, incident.place)
    zh, en = machine.name.zh, machine.name.en
    if machine.place:
        zh, en = f"{zh}（{machine.place.zh}）", f"{en} ({machine.place.en})"
    if incident.place:
        zh, en = f"{zh} {incident.place}", f"{en} {incident.place}"
    return Text(zh, en)


def what(incident: Incident, site: Site) -> Text:
    """Return what is wrong: the worst of the alarms, or that somebody called."""
    rules = [site.rules[r] for r in (owner_rule(a)[1] for a in incident.alarms) if r in site.rules]
    if not rules and incident.permit:
        return Text("须由负责人处理", "its holder must act")
    if not rules:
        return Text("人工启动", "started by hand")
    return min(rules, key=lambda rule: rule.priority).name


NAMED = 10
"""So many others are named in a message of several pages; the rest are counted."""


def bundle_text(text: str, others: Sequence[Incident], site: Site) -> str:
    """Return the text of a page that others leave with: its own, how many more, and what they are."""
    zh, _, en = text.partition("\n")
    named = [(i.id, site.plans[i.plan].name if i.plan in site.plans else what(i, site), where(i, site)) for i in others]
    more = len(others) - NAMED
    zh_list = "；".join(f"{id} {plan.zh} {place.zh}" for id, plan, place in named[:NAMED])
    en_list = "; ".join(f"{id} {plan.en}, {place.en}" for id, plan, place in named[:NAMED])
    zh_rest, en_rest = (f"；还有 {more} 项", f"; and {more} more") if more > 0 else ("", "")
    zh = f"{zh}。另有 {len(others)} 项：{zh_list}{zh_rest}"
    return f"{zh}\n{en}; and {len(others)} more: {en_list}{en_rest}"


def page_text(incident: Incident, plan: Plan, site: Site, *, responder: bool, repeat: int, secure: bool) -> str:
    """Return the text of a page; `repeat` counts how often this person is called for this incident, from 1."""
    urgency, mark = URGENCY[Priority(incident.priority)], drill.marked(incident, NOTHING)
    here, matter = where(incident, site), what(incident, site)
    ask = Text("请接单到场。", "Please accept and come.") if responder else Text("特此告知。", "For your information.")
    warn = SECURE if secure else NOTHING
    zh = (
        f"{mark.zh}【{urgency.zh}】{plan.name.zh}：{here.zh}，{matter.zh}。"
        f"{warn.zh}{ask.zh}事件 {incident.id}，第 {repeat} 次"
    )
    en = " ".join(
        part
        for part in (
            f"{mark.en}[{urgency.en}] {plan.name.en}: {here.en}, {matter.en}.",
            warn.en,
            ask.en,
            f"Incident {incident.id}, repeat {repeat}",
        )
        if part
    )
    return f"{zh}\n{en}"


def asked_text(incident: Incident, plan: Plan, site: Site, why: Text) -> str:
    """Return the text of a page that somebody's press sends, not the escalation; `why` is its last sentence."""
    urgency = URGENCY[Priority(incident.priority)]
    here, matter = where(incident, site), what(incident, site)
    return (
        f"【{urgency.zh}】{plan.name.zh}：{here.zh}，{matter.zh}。{why.zh}事件 {incident.id}\n"
        f"[{urgency.en}] {plan.name.en}: {here.en}, {matter.en}. {why.en} Incident {incident.id}"
    )


def shift_text(incident: Incident, plan: Plan, site: Site) -> str:
    """Return what whoever comes on duty is told of an incident that runs."""
    urgency = URGENCY[Priority(incident.priority)]
    here, matter = where(incident, site), what(incident, site)
    on_it = len({*incident.accepted, *incident.arrived} - incident.finished.keys())
    who = Text(
        f"仍在处理（{on_it} 人已接单），原接单人继续负责，需要时再呼叫您。",
        f"{on_it} on it. Whoever accepted stays in charge; you will be paged if you are needed.",
    )
    if not on_it:
        who = Text("尚无人接单，轮到您时会再呼叫。", "nobody has accepted yet. You will be paged when it is your turn.")
    mark = drill.marked(incident, NOTHING)
    return (
        f"{mark.zh}【{urgency.zh}】交接班告知：{plan.name.zh}，{here.zh}，{matter.zh}，{who.zh}事件 {incident.id}\n"
        f"{mark.en}[{urgency.en}] You come on duty while this runs: {plan.name.en}: {here.en}, {matter.en}; {who.en}"
        f" Incident {incident.id}"
    )


def told_text(incident: Incident, plan: Plan, site: Site, said: Text) -> str:
    """Return the text of a page that tells somebody something beside the escalation."""
    here, mark = where(incident, site), drill.marked(incident, NOTHING)
    return (
        f"{mark.zh}【告知】{plan.name.zh}：{here.zh}。{said.zh} 事件 {incident.id}\n"
        f"{mark.en}[Told] {plan.name.en}: {here.en}. {said.en} Incident {incident.id}"
    )
