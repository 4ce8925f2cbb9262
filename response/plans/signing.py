"""Who may tick a step, and when: answers, locks, certificates, two persons, and whose word counts for whom."""

from collections.abc import Callable

from msgspec.structs import replace

from facility import records
from facility.commands import Refused, SkipStep, TickStep
from facility.plan import LIFE_CLOCK, Plan, Step
from facility.records import Payload
from facility.site import Site
from facility.text import Text
from response.incident import Incident
from response.plans import crew
from response.plans import plan as steps
from response.plans.promise import kept

Said = list[tuple[Payload, str]]
"""Payloads in order, each with the person it tells of (or nobody)."""

Arrive = Callable[[Incident, Plan | None, Site, str, str, int], Said | Refused]
"""What somebody's arrival makes: incident, plan, site, who, by whom recorded, when."""

OPERATOR = "operator"
"""The role of the desk: its steps need no name beside that of whoever sits there."""

NO_STEP = Refused("not-found", Text("预案中没有这一步。", "The plan has no such step."))


def tick(  # noqa: PLR0911 - one no after the other
    incident: Incident, plan: Plan | None, site: Site, command: TickStep, at: int, arrive: Arrive
) -> Said | Refused:
    """Return what ticking a step makes, or why it cannot be ticked; the arrival of somebody is `arrive`'s matter."""
    step = steps.step_of(plan, command.step) if plan else None
    if plan is None or step is None:
        return NO_STEP
    incident = _made_up(incident, step)
    phone = command.actor.startswith("person:")
    if phone and command.person and command.actor != f"person:{command.person}":
        return _not_yours()
    by = command.person or command.actor.removeprefix("person:").removeprefix("user:")
    if step.arrival and not steps.settled(incident, step.id):
        if no := _not_arriving(incident, site, step, by, at):
            return no
        if by not in crew.there(incident):
            return arrive(incident, plan, site, by, command.actor, at)
    anew = _answered_anew(incident, step, command.answer)
    if no := _answer_fits(step, command.answer):
        return no
    if steps.settled(incident, step.id) and not anew:
        return []
    if no := None if anew else _not_yet(incident, plan, step, site, at):
        return no
    named = bool(command.person)
    if (
        no := _may_sign(incident, site, step, by, at, anew=anew)
        or _stands_for(incident, site, step, by, at, phone=phone, named=named)
        or _signs_for_two(incident, step, command)
    ):
        return no
    heard_by = command.actor.partition(":")[2] if command.heard and not phone else ""
    done = records.StepDone(
        step.id, by, command.note, complete=anew or _complete(incident, step), answer=command.answer, heard_by=heard_by
    )
    said: Said = [(done, by if by in site.people else "")]
    return said + [(p, "") for p in (kept(incident, promises_of(plan, step), at) if done.complete else [])]


def skip(incident: Incident, plan: Plan | None, command: SkipStep) -> Said | Refused:
    """Return what leaving a step out makes, or why it cannot be left out."""
    step = steps.step_of(plan, command.step) if plan else None
    if plan is None or step is None:
        return NO_STEP
    if not command.reason.strip():
        return Refused("invalid", Text("请填写跳过原因。", "The reason for skipping is missing."))
    if steps.state(incident, plan, step) in {"done", "skipped", steps.NOT_NEEDED}:
        return []
    return [(records.StepSkipped(step.id, command.reason.strip()), "")]


def arrived(incident: Incident, plan: Plan, site: Site, step: Step, by: str, at: int) -> tuple[Said, list[str]]:
    """Return what somebody's coming makes of an arrival step: a signature, and the promises that it keeps.

    Where an incident began anew the step was signed the first time, and its promise counts again.
    """
    stands = crew.stands_for(incident, site, step, by, at) and crew.certified(site, step, by, at)
    if not stands or steps.state(incident, plan, step) in {steps.NOT_NEEDED, "skipped"}:
        return [], []
    enough = crew.strength(incident, site, step, {**crew.there(incident), by: at}) >= step.persons
    keeps = promises_of(plan, step) if enough else []
    if steps.settled(incident, step.id) or _may_sign(incident, site, step, by, at) is not None:
        return [], keeps
    return [(records.StepDone(step.id, by, complete=enough), by)], keeps


def promises_of(plan: Plan, step: Step) -> list[str]:
    """Return the promises that a step keeps when it is done: its own, and the life clock where it ends that."""
    ends = plan.life_clock is not None and plan.life_clock.until == step.id
    return [steps.promise_of(step), *([LIFE_CLOCK] if ends else [])]


def lock(incident: Incident, step: Step, site: Site, at: int) -> Text | None:
    """Return why nobody may begin a step: too few certified people have arrived; None when they have.

    A contractor's licences are the contractor's business: the machine's own, arrived, is a crew.
    """
    if not step.certificates or step.arrival:
        return None
    needed = step.crew or step.persons
    there = crew.strength(incident, site, step, dict.fromkeys(crew.there(incident), at))
    if there >= needed:
        return None
    papers = _papers(site, step)
    return Text(
        f"须有 {needed} 名持有效证件（{papers.zh}）的人员到场，现有 {there} 名。只守护，不操作。",
        f"{needed} with a valid certificate ({papers.en}) must have arrived; {there} have. Secure, do not touch.",
    )


def standing(incident: Incident, plan: Plan, step: Step, site: Site, at: int) -> tuple[str, Text | None]:
    """Return a step's state as people see it (`steps.state`, or locked), and why it is locked."""
    state = steps.state(incident, plan, step)
    why = lock(incident, step, site, at) if state == "open" else None
    return (steps.LOCKED, why) if why else (state, None)


def _made_up(incident: Incident, step: Step) -> Incident:
    """Return the incident as if a step had not been skipped: what was left out may still be done."""
    skipped = step.id in incident.steps and not steps.done(incident, step.id) and steps.settled(incident, step.id)
    return replace(incident, steps={k: s for k, s in incident.steps.items() if k != step.id}) if skipped else incident


def _complete(incident: Incident, step: Step) -> bool:
    before = incident.steps.get(step.id)
    return (len(before.signatures) if before else 0) + 1 >= step.persons


def _answered_anew(incident: Incident, step: Step, answer: str) -> bool:
    """Say whether a question that was answered is answered otherwise now."""
    before = incident.steps.get(step.id)
    return bool(step.answers) and before is not None and before.state == "done" and before.answer != answer


def _answer_fits(step: Step, answer: str) -> Refused | None:
    known = {a.id: a.text for a in step.answers}
    if (answer in known) if known else not answer:
        return None
    zh, en = "、".join(t.zh for t in known.values()), ", ".join(t.en for t in known.values())
    if known:
        return Refused("invalid", Text(f"请回答：{zh}。", f"Answer one of: {en}."))
    return Refused("invalid", Text("这一步不提问。", "This step asks nothing."))


def _not_yet(incident: Incident, plan: Plan, step: Step, site: Site, at: int) -> Refused | None:
    """Return why a step cannot be done yet: not needed, others come first, or nobody certified has arrived."""
    state, why = standing(incident, plan, step, site, at)
    if state == steps.NOT_NEEDED:
        return _conflict("按已作的回答，这一步不需要做。", "By the answers given this step is not needed.")
    if state == "waiting":
        before = list(steps.waits_for(incident, plan, step))
        if not before:
            return _conflict("时限未到，这一步还不需要做。", "The life clock runs; this step is not due yet.")
        return _conflict(
            f"请先完成：{'、'.join(s.text.zh for s in before)}", f"First comes: {'; '.join(s.text.en for s in before)}"
        )
    return Refused("forbidden", why) if why else None


def _signs_for_two(incident: Incident, step: Step, command: TickStep) -> Refused | None:
    """Return why one console cannot sign for two: what another said by voice is recorded as heard."""
    before = incident.steps.get(step.id)
    mine = before is not None and any(s.actor == command.actor for s in before.signatures)
    if step.persons == 1 or not mine or (command.heard and command.person):
        return None
    return _conflict(
        "同一登录不能替两个人签字。请由第二人本人签，或记为“语音确认”并写明姓名。",
        "One login cannot sign for two. Let the other sign, or record it as heard by voice, with the name.",
    )


def _may_sign(incident: Incident, site: Site, step: Step, by: str, at: int, *, anew: bool = False) -> Refused | None:
    """Return why somebody cannot sign a step: it needs a certificate, or a second, other person."""
    if steps.settled(incident, step.id) and not anew:
        return _conflict("该步骤已完成。", "This step is settled already.")
    before = incident.steps.get(step.id)
    if step.persons > 1 and before and any(s.by == by for s in before.signatures):
        return _conflict("需由另一人确认。", "The second signature must be another person's.")
    if crew.certified(site, step, by, at):
        return None
    papers = _papers(site, step)
    return _forbidden(
        f"此步骤须由持有效证件（{papers.zh}）的人员完成。",
        f"This step is for people with a valid certificate ({papers.en}).",
    )


def _papers(site: Site, step: Step) -> Text:
    papers = [site.certificates.get(c) or Text(c, c) for c in step.certificates]
    return Text("、".join(p.zh for p in papers), ", ".join(p.en for p in papers))


def _not_arriving(incident: Incident, site: Site, step: Step, by: str, at: int) -> Refused | None:
    """Return why an arrival cannot be recorded so: nobody is named, or whoever is named is not awaited."""
    if by not in site.people and by not in site.parties:
        return Refused(
            "invalid",
            Text("请写明是谁到场。", "Name who has arrived."),
        )
    if not crew.stands_for(incident, site, step, by, at):
        wanted = "、".join(_role(site, r).zh for r in (step.role, *step.also))
        or_ = ", ".join(_role(site, r).en for r in (step.role, *step.also))
        return _forbidden(
            f"这一步等的是{wanted}。其他人到场请在“人员”处登记。",
            f"This step waits for: {or_}. Record anybody else's arrival beside his name.",
        )
    return _may_sign(incident, site, step, by, at)


def _stands_for(  # noqa: PLR0911 - one no after the other
    incident: Incident, site: Site, step: Step, by: str, at: int, *, phone: bool, named: bool
) -> Refused | None:
    """Return why somebody's word does not count for a step: of another role, or not at the place."""
    before = incident.steps.get(step.id)
    signers = [s.by for s in before.signatures] if before else []
    there = by in incident.arrived
    own = crew.stands_for(incident, site, step, by, at)
    second = step.persons > 1 and bool(signers) and there
    if phone:
        if not own and not second:
            role = _role(site, step.role)
            return _forbidden(
                f"此步骤由“{role.zh}”完成。请由该岗位人员确认，或请值班员代记。",
                f"This step is for the role {role.en}. Let somebody of that role tick it, or tell the desk.",
            )
        if (step.persons > 1 or step.certificates) and not there:
            return _forbidden(
                "此步骤须由到场人员确认。请先按“已到场”，再确认。",
                "This step is for people who are at the place. Press “I am here” first, then tick it.",
            )
        return None
    if not named and step.role != OPERATOR and not own:
        return Refused("invalid", Text("请写明是谁完成的。", "Name who did it."))
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


def _role(site: Site, role: str) -> Text:
    return site.roles.get(role) or Text(role, role)


def _conflict(zh: str, en: str) -> Refused:
    return Refused("conflict", Text(zh, en))


def _forbidden(zh: str, en: str) -> Refused:
    return Refused("forbidden", Text(zh, en))


def _not_yours() -> Refused:
    return _forbidden("此链接属于另一人，请用自己的链接。", "This link is another person's; use your own.")
