"""When an alarm may be called false: independent confirmations, of which one is a named person's.

A voice and a camera are both the desk's own eyes and ears, and count once. One word has left a girl in a car for six
hours; telemetry (the doors opened at a floor) or somebody on site must say the same.
"""

from collections.abc import Iterable, Iterator

from facility import records
from facility.commands import ConfirmFalse, Refused
from facility.plan import CAMERA, ON_SITE, VOICE, Plan
from facility.site import Site
from facility.text import Text
from response.context import Read
from response.incident import DESK, TELEMETRY, Incident
from response.plans import showing

_WAYS = {VOICE: "desk", CAMERA: "desk", ON_SITE: "on-site", TELEMETRY: TELEMETRY}
"""What is independent of what."""

_LABELS = {
    "desk": Text("通话或监控", "voice or camera"),
    "on-site": Text("到场查看", "somebody on site"),
    TELEMETRY: Text("遥测（开门在平层）", "telemetry"),
}


def enough(plan: Plan, ways: Iterable[str]) -> bool:
    """Say whether confirmations by these ways are as many as the plan asks for, one of them a person's."""
    if plan.false_alarm is None:
        return False
    groups = {_WAYS.get(way, way) for way in ways}
    return len(groups) >= plan.false_alarm.needs and groups != {TELEMETRY}


def unsettled(incident: Incident, plan: Plan) -> bool:
    """Say whether the desk heard that nobody is trapped, and nothing else has confirmed it yet."""
    return (
        plan.false_alarm is not None
        and incident.stage == DESK
        and incident.answered is False
        and bool(incident.claims.false)
        and incident.claims.false_ms is None
    )


def said(incident: Incident, plan: Plan, how: str, by: str, note: str = "") -> records.FalseAlarmSaid:
    """Return the record of one more confirmation."""
    ways = [*(claim.how for claim in incident.claims.false), how]
    return records.FalseAlarmSaid(how, by, note, enough=enough(plan, ways))


def seen(incident: Incident, plan: Plan, site: Site, read: Read) -> showing.Seen | None:
    """Return when telemetry confirmed what somebody said, in readings from after the alarm; None while it does not."""
    told = incident.claims.false
    if plan.false_alarm is None or not plan.false_alarm.proof or not told or any(c.how == TELEMETRY for c in told):
        return None
    found = showing.shown(site, incident.equipment, plan.false_alarm.proof, read)
    return found if found is not None and found[0] > incident.ring_ms else None


def lacking(incident: Incident, plan: Plan | None) -> Iterator[Text]:
    """Yield what is still needed to close an incident as a false alarm."""
    if incident.claims.false_ms is not None:
        return
    if plan is None or plan.false_alarm is None:
        yield Text("此预案不能按误报关闭。", "This plan cannot be closed as a false alarm.")
        return
    have = {_WAYS.get(claim.how, claim.how) for claim in incident.claims.false}
    ways = dict.fromkeys(_WAYS[kind] for kind in plan.false_alarm.kinds)
    left = [_LABELS[w] for w in (*ways, *([TELEMETRY] if plan.false_alarm.proof else [])) if w not in have]
    zh, en = "或".join(w.zh for w in left), " or ".join(w.en for w in left)
    needs = plan.false_alarm.needs
    yield Text(
        f"误报须由 {needs} 种独立方式确认，已有 {len(have)} 种；还可用：{zh}",
        f"A false alarm needs {needs} independent confirmations and has {len(have)}; still to come: {en}",
    )


def ask(
    incident: Incident, plan: Plan | None, site: Site, command: ConfirmFalse
) -> list[tuple[records.Payload, str]] | Refused:
    """Return what somebody's word that the alarm was false makes."""
    if plan is None or plan.false_alarm is None or command.how not in plan.false_alarm.kinds:
        return Refused("invalid", Text("此预案不接受这种误报确认。", "This plan takes no such confirmation."))
    by = command.person or command.actor.partition(":")[2]
    if command.person and command.person not in site.people and command.person not in site.parties:
        return Refused("not-found", Text("人员名册中没有此人。", "The site knows nobody by this id."))
    if command.how == ON_SITE and by not in incident.arrived:
        return Refused(
            "conflict",
            Text("现场确认须由已到场的人作出。请先登记到场。", "Only somebody who has arrived can say so on site."),
        )
    if any(c.how == command.how and c.by == by for c in incident.claims.false):
        return []
    return [(said(incident, plan, command.how, by, command.note.strip()), by if by in site.people else "")]
