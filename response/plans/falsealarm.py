"""When an alarm may be called false: independent confirmations, of which one is a named person's.

A voice and a camera are both the desk's own eyes and ears, and count once; what one person says twice counts once. One
word has left a girl in a car for six hours; telemetry (the doors opened at a floor) or somebody else on site must say
the same.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations

from facility import records
from facility.commands import ConfirmFalse, Refused
from facility.plan import CAMERA, ON_SITE, VOICE, Plan
from facility.site import Site
from facility.text import Text
from response.claims import Claim
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


PROOF = "false"
"""The name under which it is kept since when telemetry shows that nobody is held."""

HOLDS_MS = 10_000
"""So long telemetry must show it: a sensor that flickers is no witness."""


def enough(plan: Plan, claims: Sequence[Claim]) -> bool:
    """Say whether as many as the plan asks for say so, each by another way and as another person, one a person."""
    if plan.false_alarm is None:
        return False
    found = (some for some in combinations(claims, plan.false_alarm.needs) if _independent(some))
    return any(any(c.how != TELEMETRY for c in some) for some in found)


def _independent(claims: Sequence[Claim]) -> bool:
    """Say whether each is by another way and of another person."""
    return len({_WAYS.get(c.how, c.how) for c in claims}) == len({c.by for c in claims}) == len(claims)


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
    claims = (*incident.claims.false, Claim(how, by, 0))
    return records.FalseAlarmSaid(how, by, note, enough=enough(plan, claims))


def asked(incident: Incident, plan: Plan) -> bool:
    """Say whether somebody said it was false, and telemetry is looked at whether it says the same."""
    told = incident.claims.false
    proof = plan.false_alarm.proof if plan.false_alarm else ()
    return bool(proof and told) and all(c.how != TELEMETRY for c in told)


def seen(incident: Incident, plan: Plan, site: Site, read: Read, since_ms: int | None) -> showing.Seen | None:
    """Return when telemetry confirmed what somebody said, in readings from after the alarm; None while it does not.

    `since_ms` is since when it is shown without a break.
    """
    if plan.false_alarm is None or since_ms is None or not asked(incident, plan):
        return None
    found = showing.shown(site, incident.equipment, plan.false_alarm.proof, read)
    since = max(since_ms, incident.ring_ms + 1)
    return found if found is not None and found[0] - since >= HOLDS_MS else None


def withdrawn(incident: Incident, plan: Plan | None, site: Site, read: Read) -> Iterator[Text]:
    """Yield why telemetry's word no longer counts: without it there is not enough, and now it shows otherwise."""
    if plan is None or plan.false_alarm is None or incident.claims.false_ms is None:
        return
    people, proof = [c for c in incident.claims.false if c.how != TELEMETRY], plan.false_alarm.proof
    if enough(plan, people) or showing.blind(site, incident.equipment, proof, read):
        return
    if showing.shown(site, incident.equipment, proof, read) is None:
        yield Text(
            "遥测现在显示的不是“开门在平层、轿厢无人”。请再次通话或派人到场查看后再按误报关闭。",
            "Telemetry no longer shows an empty car with open doors. Speak with the car again, or send somebody there.",
        )


def lacking(incident: Incident, plan: Plan | None) -> Iterator[Text]:
    """Yield what is still needed to close an incident as a false alarm."""
    if incident.claims.false_ms is not None:
        return
    if plan is None or plan.false_alarm is None:
        yield Text("此预案不能按误报关闭。", "This plan cannot be closed as a false alarm.")
        return
    told = incident.claims.false
    have = next(n for n in range(len(told), -1, -1) if any(map(_independent, combinations(told, n))))
    used = {_WAYS.get(c.how, c.how) for c in told} if have == len(told) else set()
    ways = dict.fromkeys(_WAYS[kind] for kind in plan.false_alarm.kinds)
    left = [_LABELS[w] for w in (*ways, *([TELEMETRY] if plan.false_alarm.proof else [])) if w not in used]
    zh, en = "或".join(w.zh for w in left), " or ".join(w.en for w in left)
    needs = plan.false_alarm.needs
    yield Text(
        f"误报须由 {needs} 种独立方式、不同的人确认，已有 {have} 种；还可用：{zh}",
        f"A false alarm needs {needs} independent confirmations, each by somebody else, and has {have};"
        f" still to come: {en}",
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
