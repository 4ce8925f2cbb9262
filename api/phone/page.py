"""What the phone page shows of an incident to one person; computed here, so that the template only writes it down."""

from collections.abc import Mapping
from dataclasses import dataclass

from api.labels import NOT_A_SAFETY_FUNCTION
from api.phone.card import card_rows, dials
from api.phone.people import Relief, coming, relieved
from api.phone.saying import Dial, Say, span
from api.phone.steps import Row, rows
from api.views.incident import place_of, plan_name
from api.views.words import promise_name
from facility.plan import Plan
from facility.site import Site
from response.context import Context
from response.incident import Incident
from response.plans import crew
from stores.live import Now

SHAPES: Mapping[int, str] = {
    1: "M12 1 23 12 12 23 1 12Z",
    2: "M12 2 23 22H1Z",
    3: "M2.5 2.5h19v19h-19Z",
    4: "M12 1.5a10.5 10.5 0 1 1 0 21 10.5 10.5 0 0 1 0-21Z",
}
"""The outline of each priority's mark, the same as on the console."""

_NAMED = 4
"""So many alarms are named."""


@dataclass(frozen=True, slots=True)
class Clock:
    """A countdown: its words, the moment it runs to, and what it says now without any script."""

    label: str
    by_ms: int | None
    now: str
    late: bool


@dataclass(frozen=True, slots=True)
class Page:
    """Everything the template writes."""

    incident: str
    title: str
    priority: int
    shape: str
    where: str
    what: str
    notes: tuple[str, ...]
    clock: Clock | None
    clocks: tuple[Clock, ...]
    dials: tuple[Dial, ...]
    status: str
    state: str
    responder: bool
    relief: Relief
    photos: int
    card: tuple[Dial, ...]
    never: tuple[str, ...]
    coming: tuple[str, ...]
    steps: tuple[Row, ...]
    person: str
    statement: str
    now_ms: int


def state_of(incident: Incident, person: str) -> str:
    """Return where a person stands: closed, finished, arrived, accepted, handed, seen, declined, expired or called."""
    if incident.closed_ms is not None:
        return "closed"
    for state, people in (
        ("finished", incident.finished),
        ("arrived", incident.arrived),
        ("accepted", incident.accepted),
        ("handed", incident.handset.handed),
        ("seen", incident.seen),
        ("declined", incident.declined),
        ("expired", incident.expired),
    ):
        if person in people:
            return "called" if state in {"seen", "declined", "handed"} and incident.handset.asked_by(person) else state
    called = incident.called.get(person)
    return "told" if called and not called.responder else "called"


def build(context: Context, incident: Incident, person: str, language: str, floor: Now | None = None) -> Page:
    """Return the page, with the `floor` of a lift's car; personal numbers of colleagues and residents are not on it."""
    site, now = context.site, context.now
    machine, plan = site.equipment.get(incident.equipment), context.plan(incident)
    card = site.card(incident.equipment)
    state = state_of(incident, person)
    left = state == "finished" and plan is not None and person in crew.gone(incident, plan)
    state = "called" if left else state  # the work is not done: whoever left may come again
    say = Say(site, language)
    never = dict.fromkeys(say.text(text) for text in (*(plan.never if plan else ()), *card.never))
    name = say.text(machine.name) if machine else ""
    where = (name, say.text(place_of(site, incident)), _floor(floor, incident, say))
    called = incident.called.get(person)
    return Page(
        incident=incident.id,
        title=say.text(plan_name(site, incident)),
        priority=incident.priority,
        shape=SHAPES[incident.priority],
        where=" · ".join(part for part in where if part),
        what=_what(site, incident, say),
        notes=tuple(f"{say.time(n.at_ms)} {n.text}" for n in incident.notes[-3:]),
        clock=_clock(incident, plan, now, say),
        clocks=_clocks(site, incident, plan, now, say),
        dials=dials(site, card, now, say),
        status=say("you_left") if left else _status(state, incident, say),
        state=state,
        responder=called is None or called.responder,
        relief=relieved(site, incident, plan, person, state, say),
        photos=sum(not photo.erased for photo in incident.handset.photos),
        card=card_rows(site, machine, say),
        never=tuple(text for text in never if not any(text != other and text in other for other in never)),
        coming=coming(incident, person, say),
        steps=rows(context, incident, plan, person, state, say),
        person=_person(site, person, say),
        statement=say.text(NOT_A_SAFETY_FUNCTION),
        now_ms=now,
    )


def _floor(floor: Now | None, incident: Incident, say: Say) -> str:
    """Return where the car is, or where it was when it last said so."""
    if floor is None or incident.closed_ms is not None or not floor.last_good_ms:
        return ""
    at = f"{floor.last_good:.0f}"
    words = f"floor {at}" if say.language == "en" else f"{at} 层"
    return words if floor.reason == 0 else f"{words}（{say('last_seen')} {say.time(floor.last_good_ms)}）"


def _what(site: Site, incident: Incident, say: Say) -> str:
    names: list[str] = []
    for subject in incident.alarms:
        owner, _, rule = subject.removeprefix("alarm:").rpartition("/")
        known = site.rules.get(rule)
        name = say.text(known.name) if known else rule
        names.append(name if owner == incident.equipment else f"{say.text(site.owner_name(owner))} {name}")
    if not names:
        names = [incident.caller] if incident.caller else []
    shown = ("; " if say.language == "en" else "；").join(names[:_NAMED])
    more = f" +{len(names) - _NAMED}" if len(names) > _NAMED else ""
    return f"{say.time(incident.opened_ms, seconds=True)} {shown}{more}"


def _clock(incident: Incident, plan: Plan | None, now_ms: int, say: Say) -> Clock | None:
    promise = incident.promises.get(plan.arrival) if plan else None
    if incident.closed_ms is not None or promise is None:
        return None
    if promise.kept_ms is not None:
        return Clock(say("arrived_at"), None, say.time(promise.kept_ms), late=False)
    late = now_ms > promise.by_ms
    return Clock(say("arrive_late" if late else "arrive_in"), promise.by_ms, span(promise.by_ms - now_ms), late)


def _clocks(site: Site, incident: Incident, plan: Plan | None, now_ms: int, say: Say) -> tuple[Clock, ...]:
    """Return the promises that still run or ran out, but for the steps' own and the one that stands at the top."""
    out: list[Clock] = []
    for name, promise in sorted(incident.promises.items(), key=lambda item: item[1].by_ms):
        shown = name.startswith("step/") or (plan is not None and name == plan.arrival)
        if incident.closed_ms is None and promise.kept_ms is None and not shown:
            late = now_ms > promise.by_ms
            label = f"{say.text(promise_name(site, name, plan))} {say('overdue' if late else 'due_in')}"
            out.append(Clock(label, promise.by_ms, span(promise.by_ms - now_ms), late))
    return tuple(out)


def _status(state: str, incident: Incident, say: Say) -> str:
    if state == "closed":
        return f"{say('closed')} {say.time(incident.closed_ms or 0)}"
    return say(f"you_{state}") if state != "called" else ""


def _person(site: Site, id: str, say: Say) -> str:
    known = site.people.get(id)
    number = next((c.number for c in known.certificates), "") if known else ""
    role = say.role(known.roles[0]) if known and known.roles else ""
    about = "，".join(part for part in (role, number) if part)
    return say.name(id) + (f"（{about}）" if about else "")
