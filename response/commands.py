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
    Decline,
    Finish,
    OpenPage,
    Refused,
    SkipStep,
    TickStep,
)
from facility.plan import Plan, Step
from facility.records import Payload, Record
from facility.site import Site
from facility.text import Text
from response import drill, duty, relief, sweep
from response import plan as steps
from response.context import Context
from response.escalation import is_responder, kept, write
from response.fold import CLOSED, DESK, SENT, UNHEARD, Incident
from response.plan import AT_PLACE, BELL

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
            said = _answer_bell(incident, command, at)
        case Accept():
            said = _accept(incident, plan, context.site, command)
        case OpenPage():
            said = _open_page(incident, command)
        case Decline():
            said = _decline(incident, context.site, command)
        case Arrive():
            said = _arrive(incident, plan, context.site, command.person, command.actor, at, command.via)
        case TickStep():
            said = _tick(incident, plan, context.site, command, at)
        case SkipStep():
            said = _skip(incident, plan, command)
        case Finish():
            said = _finish(incident, command)
        case AddNote(note=note):
            said = [(records.IncidentNoted(note.strip()), "")] if note.strip() else _empty("备注", "note")
        case AttendDrill():
            said = drill.attend(incident, context.site, command)
        case ClearLift():
            said = sweep.ask(incident, context.site, command)
        case CloseIncident():
            said = _close(incident, context, command)
        case _ if isinstance(command, relief.ASKS):
            said = relief.ask(incident, plan, context.site, command)
        case _:
            raise TypeError(type(command).__name__)
    if isinstance(said, Refused):
        return said
    if said and command.pressed_ms:
        said = said + relief.late(incident, command, at)
    return [
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


def _answer_bell(incident: Incident, command: AnswerBell, at: int) -> Said | Refused:
    if incident.stage != DESK:
        return _conflict(
            "已按有人被困处置，人员已呼叫。新情况请写入备注。",
            "It is already handled as an entrapment and people are called. Write what is new as a note.",
        )
    said: Said = [(records.BellAnswered(command.trapped, command.note), "")]
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
    if person in incident.accepted or person in incident.arrived or (person in incident.seen and not responder):
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
    if person in incident.arrived:
        return []
    via = via or ("phone" if actor.startswith("person:") else "console")
    said: Said = [(records.ResponderArrived(person, via), person)]
    said += [(records.WorkTaken(person, who), person) for who in incident.handset.asked_by(person)]
    names = [AT_PLACE]
    if plan and is_responder(incident, plan, site, person):
        names.append(plan.arrival)
        for step in plan.steps:
            if step.arrival and _may_sign(incident, site, step, person, at) is None:
                said.append((_signature(incident, step, person, ""), person))
                if said[-1][0].complete:  # type: ignore[attr-defined] # a StepDone, one line above
                    names.append(steps.promise_of(step))
    return said + [(promise, "") for promise in kept(incident, names, at)]


def _tick(  # noqa: PLR0911 - one no after the other
    incident: Incident, plan: Plan | None, site: Site, command: TickStep, at: int
) -> Said | Refused:
    step = steps.step_of(plan, command.step) if plan else None
    if step is None:
        return _no_step()
    phone = command.actor.startswith("person:")
    if phone and command.person and command.actor != f"person:{command.person}":
        return _not_yours()
    by = command.person or command.actor.removeprefix("person:").removeprefix("user:")
    if step.arrival and (by in site.people or by in site.parties):
        return _arrive(incident, plan, site, by, command.actor, at)
    if steps.settled(incident, step.id):
        return []
    if steps.state(incident, step) == "waiting":
        before = [s for s in (plan.steps if plan else ()) if s.id in step.after and not steps.settled(incident, s.id)]
        return _conflict(
            f"请先完成：{'、'.join(s.text.zh for s in before)}", f"First comes: {'; '.join(s.text.en for s in before)}"
        )
    named = bool(command.person)
    if no := _may_sign(incident, site, step, by, at) or _stands_for(incident, site, step, by, phone=phone, named=named):
        return no
    done = _signature(incident, step, by, command.note)
    said: Said = [(done, by if by in site.people else "")]
    return said + [(p, "") for p in (kept(incident, [steps.promise_of(step)], at) if done.complete else [])]


def _may_sign(incident: Incident, site: Site, step: Step, by: str, at: int) -> Refused | None:
    """Return why somebody cannot sign a step: it needs a certificate, or a second, other person."""
    if steps.settled(incident, step.id):
        return _conflict("该步骤已完成。", "This step is settled already.")
    before = incident.steps.get(step.id)
    if before and any(s.by == by for s in before.signatures):
        return _conflict("需由另一人确认。", "The second signature must be another person's.")
    if not step.certificates or by in site.parties:  # a contractor's licences are the contractor's business
        return None
    person = site.people.get(by)
    day = duty.local_day(site, at)
    if person is None or not duty.certified(person, step.certificates, day):
        papers = [site.certificates.get(c) or Text(c, c) for c in step.certificates]
        return _forbidden(
            f"此步骤须由持有效证件（{'、'.join(p.zh for p in papers)}）的人员完成。",
            f"This step is for people with a valid certificate ({', '.join(p.en for p in papers)}).",
        )
    return None


def _stands_for(incident: Incident, site: Site, step: Step, by: str, *, phone: bool, named: bool) -> Refused | None:
    """Return why somebody's word does not count for a step: of another role, or not at the place."""
    before = incident.steps.get(step.id)
    signers = [s.by for s in before.signatures] if before else []
    there = by in incident.arrived
    own = step.role in _roles(incident, site, by)
    second = step.persons > 1 and bool(signers) and there
    if phone:
        if not own and not second:
            return _forbidden(
                f"此步骤由岗位“{step.role}”完成。请由该岗位人员确认，或请值班员代记。",
                f"This step is for the role {step.role}. Let somebody of that role tick it, or tell the desk.",
            )
        if (step.persons > 1 or step.certificates) and not there:
            return _forbidden(
                "此步骤须由到场人员确认。请先按“已到场”，再确认。",
                "This step is for people who are at the place. Press “I am here” first, then tick it.",
            )
        return None
    if (named or step.persons > 1) and not (own or there or by in incident.called):
        return _forbidden(
            "请写明是谁完成的：须为本事件被呼叫的人、到场的人或该岗位人员。",
            "Name who did it: somebody who was called, has arrived, or has the step's role.",
        )
    if step.persons > 1 and len(signers) + 1 >= step.persons and not {by, *signers} & incident.arrived.keys():
        return _conflict(
            "两人中至少一人须已到场。请先登记到场，再确认。",
            "At least one of the two must be at the place. Record the arrival first, then tick it.",
        )
    return None


def _roles(incident: Incident, site: Site, who: str) -> set[str]:
    """Return what somebody is in an incident: as what he was called, and his own roles."""
    called = incident.called.get(who)
    person = site.people.get(who)
    return {*(called.roles if called else ()), *(person.roles if person else ())}


def _signature(incident: Incident, step: Step, by: str, note: str) -> records.StepDone:
    before = incident.steps.get(step.id)
    have = len(before.signatures) if before else 0
    return records.StepDone(step.id, by, note, complete=have + 1 >= step.persons)


def _skip(incident: Incident, plan: Plan | None, command: SkipStep) -> Said | Refused:
    step = steps.step_of(plan, command.step) if plan else None
    if step is None:
        return _no_step()
    if not command.reason.strip():
        return _empty("跳过原因", "reason for skipping")
    return [] if steps.settled(incident, step.id) else [(records.StepSkipped(step.id, command.reason.strip()), "")]


def _finish(incident: Incident, command: Finish) -> Said | Refused:
    person = command.person
    if command.actor.startswith("person:") and command.actor != f"person:{person}":
        return _not_yours()
    if person not in incident.accepted and person not in incident.arrived:
        return _conflict("此人尚未接单或到场。", "This person has neither accepted nor arrived.")
    return [] if person in incident.finished else [(records.ResponderFinished(person, command.result), person)]


def _close(incident: Incident, context: Context, command: CloseIncident) -> Said | Refused:
    lacking = steps.missing(incident, context)
    if not command.cause.strip():
        lacking.append(Text("未填写原因。", "No cause is given."))
    if lacking:
        return _conflict(
            "还不能关闭：" + "".join(t.zh if t.zh.endswith("。") else f"{t.zh}；" for t in lacking),
            "It cannot be closed yet: " + " ".join(t.en if t.en.endswith(".") else f"{t.en};" for t in lacking),
        )
    return [(records.IncidentClosed(command.cause.strip(), command.result), "")]


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


def _no_step() -> Refused:
    return Refused("not-found", Text("预案中没有这一步。", "The plan has no such step."))


def _empty(zh: str, en: str) -> Refused:
    return Refused("invalid", Text(f"请填写{zh}。", f"The {en} is missing."))
