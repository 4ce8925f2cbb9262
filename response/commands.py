"""What people ask of an incident: each command becomes records, or a no with its reason."""

from collections.abc import Mapping

from facility import records
from facility.commands import (
    Accept,
    AddNote,
    AnswerBell,
    Arrive,
    AttendDrill,
    ClearLift,
    CloseIncident,
    Command,
    ConfirmClose,
    ConfirmFalse,
    Decline,
    Finish,
    OpenPage,
    OverrideClose,
    Refused,
    SkipStep,
    TickStep,
)
from facility.plan import VOICE, Plan
from facility.records import Payload, Record
from facility.site import Site
from facility.text import Text
from response import sweep
from response.context import Context
from response.incident import CLOSED, DESK, Incident
from response.lines import write
from response.paging.page import SENT, UNHEARD
from response.paging.responders import is_responder
from response.phone import relief
from response.plans import closing, drill, falsealarm, following, signing
from response.plans.plan import AT_PLACE, BELL, promise_of
from response.plans.promise import kept

Said = list[tuple[Payload, str]]
"""Payloads in order, each with the person it tells of (or nobody)."""

NOT_FOUND = Refused(
    "not-found",
    Text("没有这个事件，可能已结束归档。请刷新页面。", "There is no such incident; it may be over. Reload the page."),
)


def ask(incident: Incident, context: Context, command: Command) -> list[Record] | Refused:  # noqa: C901, PLR0912 - one case per command
    """Carry out a command on an incident; empty when it would change nothing."""
    if incident.stage == CLOSED:
        if isinstance(command, OpenPage):
            return []
        return _conflict("事件已关闭，未作更改。", "The incident is closed; nothing was changed.")
    plan = context.plan(incident)
    at = max(context.now, incident.last_ms)
    match command:
        case AnswerBell():
            said = _answer_bell(incident, plan, command, at)
        case Accept():
            said = _accept(incident, plan, context.site, command)
        case OpenPage():
            said = _open_page(incident, command)
        case Decline():
            said = _decline(incident, context.site, command)
        case Arrive():
            said = _arrive(incident, plan, context.site, command.person, command.actor, at, command.via)
        case TickStep():
            said = signing.tick(incident, plan, context.site, command, at, _arrive)
        case SkipStep():
            said = signing.skip(incident, plan, command)
        case ConfirmFalse():
            said = falsealarm.ask(incident, plan, context.site, command)
        case ConfirmClose():
            said = closing.confirm(incident, plan, context, command)
        case OverrideClose(reason=reason):
            checks = closing.override(incident, plan, context, reason)
            said = checks if isinstance(checks, Refused) else [(records.CloseOverridden(reason.strip(), checks), "")]
        case Finish():
            said = _finish(incident, command)
        case AddNote(note=note):
            said = [(records.IncidentNoted(note.strip()), "")] if note.strip() else _empty("备注", "note")
        case AttendDrill():
            said = drill.attend(incident, context.site, command)
        case ClearLift():
            said = sweep.ask(incident, context.site, command)
        case CloseIncident():
            said = closing.close(incident, context, command)
        case _ if isinstance(command, relief.ASKS):
            said = relief.ask(incident, plan, context.site, command)
        case _:
            raise TypeError(type(command).__name__)
    if isinstance(said, Refused):
        return said
    if said and command.pressed_ms:
        said = said + relief.late(incident, command, at)
    out = [
        write(
            incident,
            at,
            payload,
            *((person,) if person else ()),
            request=command.request if n == 1 else f"{command.request}/{n}",
            actor=command.actor,
        )
        for n, (payload, person) in enumerate(said, 1)
    ]
    return following.all_of(incident, plan, context.site, out)


def _answer_bell(incident: Incident, plan: Plan | None, command: AnswerBell, at: int) -> Said | Refused:
    if incident.stage != DESK:
        return _conflict(
            "已按有人被困处置，人员已呼叫。新情况请写入备注。",
            "It is already handled as an entrapment and people are called. Write what is new as a note.",
        )
    doubt = not command.trapped and plan is not None and plan.false_alarm is not None
    said: Said = [(records.BellAnswered(command.trapped, command.note, certain=not doubt), "")]
    if doubt and plan is not None:  # one word is no proof: without a second one people are called all the same
        by = command.actor.partition(":")[2]
        said.append((falsealarm.said(incident, plan, VOICE, by, command.note), ""))
    if incident.answered is None:
        said.append((records.PromiseKept(BELL, incident.confirm_by_ms, at - incident.ring_ms), ""))
    if command.trapped:
        said.append((records.IncidentConfirmed("voice"), ""))
    return said


def _accept(incident: Incident, plan: Plan | None, site: Site, command: Accept) -> Said | Refused:
    person = command.person
    if no := _wrong_person(incident, site, person, command.actor):
        return no
    paged = person in incident.called
    called = incident.called.get(person)
    # Who was only told has heard it, whatever roles he has besides: nobody else may stop being called for that.
    told = called is not None and not called.responder and person != incident.holder
    responder = not told and is_responder(incident, plan, site, person)
    if not (paged or responder):
        return _forbidden(
            "此人未被呼叫，也不属于本预案的响应岗位。请由被叫人接单。",
            "This person was not called and has no responding role in this plan. Somebody who was called must accept.",
        )
    takes: Said = [(records.WorkTaken(person, who), person) for who in incident.handset.asked_by(person)]
    here = (person in incident.accepted or person in incident.arrived) and person not in incident.finished
    if here or (person in incident.seen and not responder):
        return takes
    via = "voice" if command.heard_by else ("phone" if command.actor.startswith("person:") else "console")
    said = records.PageAcknowledged(person, via, responder, command.heard_by, command.eta_min if responder else 0)
    return [(said, person), *takes]


def _open_page(incident: Incident, command: OpenPage) -> Said | Refused:
    if command.actor.startswith("person:") and command.actor != f"person:{command.person}":
        return _not_yours()
    mine = [page for page in incident.pages.values() if page.person == command.person]
    fresh = any(page.opened_ms is None and page.state in UNHEARD | {SENT} for page in mine)
    return [(records.PageOpened(command.person, command.via), command.person)] if fresh else []


def _decline(incident: Incident, site: Site, command: Decline) -> Said | Refused:
    person = command.person
    if no := _wrong_person(incident, site, person, command.actor):
        return no
    if person not in incident.called:
        return _forbidden("此人未被呼叫，无需答复。", "This person was not called; there is nothing to answer.")
    if person in incident.arrived:
        return _conflict(
            "此人已到场；如需离场请写备注并另派人。", "This person is there already; write a note and call another."
        )
    return [] if person in incident.declined else [(records.PageDeclined(person, command.why), person)]


def _arrive(
    incident: Incident, plan: Plan | None, site: Site, person: str, actor: str, at: int, via: str = ""
) -> Said | Refused:
    if no := _wrong_person(incident, site, person, actor):
        return no
    if person in incident.arrived and person not in incident.finished:
        return []
    via = via or ("phone" if actor.startswith("person:") else "console")
    said: Said = [(records.ResponderArrived(person, via), person)]
    said += [(records.WorkTaken(person, who), person) for who in incident.handset.asked_by(person)]
    names = [AT_PLACE]
    awaited = [step for step in plan.steps if step.arrival] if plan else []
    if plan and is_responder(incident, plan, site, person) and plan.arrival not in map(promise_of, awaited):
        names.append(plan.arrival)
    for step in awaited:
        if plan is not None:
            signed, keeps = signing.arrived(incident, plan, site, step, person, at)
            said, names = said + signed, names + keeps
    return said + [(promise, "") for promise in kept(incident, names, at)]


def _finish(incident: Incident, command: Finish) -> Said | Refused:
    person = command.person
    if command.actor.startswith("person:") and command.actor != f"person:{person}":
        return _not_yours()
    if person not in incident.accepted and person not in incident.arrived:
        return _conflict("此人尚未接单或到场。", "This person has neither accepted nor arrived.")
    return [] if person in incident.finished else [(records.ResponderFinished(person, command.result), person)]


def _wrong_person(incident: Incident, site: Site, person: str, actor: str) -> Refused | None:
    if actor.startswith("person:") and actor != f"person:{person}":
        return _not_yours()
    if person not in site.people and person not in site.parties:
        return Refused("not-found", Text("人员名册中没有此人。", "The site knows nobody by this id."))
    if incident.stage == DESK and person not in incident.called:
        return _conflict(
            "警铃还在值班台处理，尚未呼叫人员。", "The bell is still being answered at the desk; nobody was called yet."
        )
    return None


def running(incidents: Mapping[str, Incident], plan: str, equipment: str, place: str) -> Incident | None:
    """Return the open incident that a start by hand would double."""
    return next(
        (
            i
            for i in incidents.values()
            if i.drill != drill.PAPER
            and i.closed_ms is None
            and i.plan == plan
            and i.equipment == equipment
            and (equipment or i.place == place)
        ),
        None,
    )


def _conflict(zh: str, en: str) -> Refused:
    return Refused("conflict", Text(zh, en))


def _forbidden(zh: str, en: str) -> Refused:
    return Refused("forbidden", Text(zh, en))


def _not_yours() -> Refused:
    return _forbidden("此链接属于另一人，请用自己的链接。", "This link is another person's; use your own.")


def _empty(zh: str, en: str) -> Refused:
    return Refused("invalid", Text(f"请填写{zh}。", f"The {en} is missing."))
