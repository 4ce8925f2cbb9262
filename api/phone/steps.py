"""The steps of the plan as one person sees them: what is theirs to do now, and what is in the way of the rest.

Whether a press would be taken is asked of the one who will decide it, by carrying the command out on paper: nobody is
shown a button that would be refused.
"""

from dataclasses import dataclass

from api.phone.saying import Say, span
from facility.commands import Refused, TickStep
from facility.plan import Plan, Step
from facility.text import Text
from response import commands
from response.context import Context
from response.incident import Incident
from response.plans import crew, signing
from response.plans import plan as steps

ACTING = frozenset({"told", "seen", "accepted", "arrived"})
"""Who may tick steps: whoever was only told and has a step of their own too, but nobody who has not answered."""


@dataclass(frozen=True, slots=True)
class Row:
    """One step; `locked` says why it cannot be done yet by somebody whose step it is.

    A step that `asks` is done by pressing one of its `answers` (id and words).
    """

    id: str
    text: str
    state: str
    who: str
    at: str
    due: str
    due_ms: int | None
    left: str
    mine: bool
    extra: str
    locked: str
    asks: str
    answers: tuple[tuple[str, str], ...]


def rows(context: Context, incident: Incident, plan: Plan | None, person: str, state: str, say: Say) -> tuple[Row, ...]:
    """Return the rows in the order of the plan, without what an answer made needless."""
    return tuple(
        _row(context, incident, plan, step, person, state, say)
        for step in (plan.steps if plan else ())
        if plan and steps.state(incident, plan, step) != steps.NOT_NEEDED
    )


def _row(context: Context, incident: Incident, plan: Plan, step: Step, person: str, state: str, say: Say) -> Row:
    said, now = incident.steps.get(step.id), signing.standing(incident, plan, step, context.site, context.now)[0]
    settled = now in {"done", "skipped"}
    promise = None if settled else incident.promises.get(steps.promise_of(step))
    signed = said.by.split("+") if said else []
    who = say.names([say("by_system") if by == "telemetry" else say.name(by) for by in signed])
    extra = [say("two")] if step.persons > 1 and not settled and not step.arrival else []
    if step.arrival and step.persons > 1 and not settled:
        extra = [f"{say('crew')} {crew.coming(incident, plan, context.site, step)}/{step.persons}"]
    extra += [] if step.mandatory or settled else [say("optional")]
    given = next((a.text for a in step.answers if said and a.id == said.answer), None)
    extra += [say.text(given)] if given else []
    late = promise is not None and promise.by_ms < context.now
    verdict = _verdict(context, incident, step, person) if state in ACTING and not settled else None
    theirs = step.role in roles_of(context, incident, person) and state in {"accepted", "arrived"}
    return Row(
        id=step.id,
        text=say.text(step.text),
        state=now,
        who=who or say.role(step.role),
        at=say.time(said.at_ms) if said else "",
        due=say("overdue" if late else "due_in") if promise else "",
        due_ms=promise.by_ms if promise else None,
        left=span(promise.by_ms - context.now) if promise else "",
        mine=verdict is True,
        extra=" · ".join(extra),
        locked=say.text(verdict) if isinstance(verdict, Text) and theirs and person not in signed else "",
        asks=say.text(step.asks) if step.answers and not settled else "",
        answers=tuple((a.id, say.text(a.text)) for a in step.answers),
    )


def roles_of(context: Context, incident: Incident, person: str) -> frozenset[str]:
    """Return the duty roles a person acts in here: those they were called in, and their own."""
    called, known = incident.called.get(person), context.site.people.get(person)
    return frozenset({*(called.roles if called else ()), *(known.roles if known else ())})


def _verdict(context: Context, incident: Incident, step: Step, person: str) -> Text | bool:
    """Return whether a press would be taken; why not, where it would be refused."""
    if step.arrival:  # done by arriving, which has a press of its own
        return False
    answer = step.answers[0].id if step.answers else ""
    said = commands.ask(
        incident, context, TickStep(f"person:{person}", "", incident.id, step.id, person, answer=answer)
    )
    return said.why if isinstance(said, Refused) else bool(said)
