"""What the phone page shows of an incident to one person; computed here, so that the template only writes it down."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from api.labels import NOT_A_SAFETY_FUNCTION
from api.phone.sentences import sentence
from api.views.incident import place_of, plan_name
from api.views.words import person_name, role_name
from facility.equipment import Card
from facility.person import Party
from facility.plan import Plan
from facility.site import Site
from facility.text import Text
from response import duty
from response import plan as steps
from response.incident import Incident
from stores.live import Now

VALID_AFTER_CLOSE_MS = 4 * 3_600_000
"""A link is good until so long after its incident was closed."""

SHAPES: Mapping[int, str] = {
    1: "M12 1 23 12 12 23 1 12Z",
    2: "M12 2 23 22H1Z",
    3: "M2.5 2.5h19v19h-19Z",
    4: "M12 1.5a10.5 10.5 0 1 1 0 21 10.5 10.5 0 0 1 0-21Z",
}
"""The outline of each priority's mark, the same as on the console."""

_TELEPHONE = re.compile(r"\+?[0-9][0-9 -]{2,19}")


@dataclass(frozen=True, slots=True)
class Dial:
    """Something to call: a label, what is shown, and the number where it is one."""

    label: str
    text: str
    number: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One step of the plan."""

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
    dials: tuple[Dial, ...]
    status: str
    state: str
    card: tuple[Dial, ...]
    never: tuple[str, ...]
    coming: tuple[str, ...]
    steps: tuple[Row, ...]
    person: str
    statement: str
    now_ms: int


def state_of(incident: Incident, person: str) -> str:
    """Return where a person stands: closed, finished, arrived, accepted, seen, declined, expired or called."""
    if incident.closed_ms is not None:
        return "closed"
    for state, people in (
        ("finished", incident.finished),
        ("arrived", incident.arrived),
        ("accepted", incident.accepted),
        ("seen", incident.seen),
        ("declined", incident.declined),
        ("expired", incident.expired),
    ):
        if person in people:
            return state
    pages = [p for p in incident.pages.values() if p.person == person]
    return "told" if pages and not any(p.responder for p in pages) else "called"


def build(site: Site, incident: Incident, person: str, now_ms: int, language: str, floor: Now | None = None) -> Page:
    """Return the page, with the `floor` of a lift's car; personal numbers of colleagues and residents are not on it."""
    machine, plan = site.equipment.get(incident.equipment), site.plans.get(incident.plan)
    card = machine.card if machine else Card()
    state = state_of(incident, person)
    say = _Say(site, language)
    never = dict.fromkeys(say.text(text) for text in (*(plan.never if plan else ()), *card.never))
    place = say.text(place_of(site, incident))
    name = say.text(machine.name) if machine else ""
    return Page(
        incident=incident.id,
        title=say.text(plan_name(site, incident)),
        priority=incident.priority,
        shape=SHAPES[incident.priority],
        where=" · ".join(part for part in (name, place, _floor(floor, incident, say)) if part),
        what=_what(site, incident, say),
        notes=tuple(f"{say.time(n.at_ms)} {n.text}" for n in incident.notes[-3:]),
        clock=_clock(incident, plan, now_ms, say),
        dials=_dials(site, card, now_ms, say),
        status=_status(state, incident, say),
        state=state,
        card=_card(site, card, say),
        never=tuple(text for text in never if not any(text != other and text in other for other in never)),
        coming=_coming(site, incident, person, say),
        steps=_steps(site, incident, plan, person, state, now_ms, say),
        person=_person(site, person, say),
        statement=say.text(NOT_A_SAFETY_FUNCTION),
        now_ms=now_ms,
    )


class _Say:
    def __init__(self, site: Site, language: str) -> None:
        self.language = language
        self._zone = ZoneInfo(site.timezone)

    def __call__(self, key: str) -> str:
        return sentence(key, self.language)

    def text(self, text: Text) -> str:
        return (text.en or text.zh) if self.language == "en" else (text.zh or text.en)

    def time(self, at_ms: int, *, seconds: bool = False) -> str:
        return f"{datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(self._zone):%H:%M:%S}"[: 8 if seconds else 5]


def span(ms: int) -> str:
    """Return a length of time as 13:12, or 1:02:03 from an hour on."""
    seconds = abs(ms) // 1000
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60:02}:{rest % 60:02}"


def _floor(floor: Now | None, incident: Incident, say: _Say) -> str:
    """Return where the car is, or where it was when it last said so."""
    if floor is None or incident.closed_ms is not None or not floor.last_good_ms:
        return ""
    at = f"{floor.last_good:.0f}"
    words = f"floor {at}" if say.language == "en" else f"{at} 层"
    return words if floor.reason == 0 else f"{words}（{say('last_seen')} {say.time(floor.last_good_ms)}）"


def _what(site: Site, incident: Incident, say: _Say) -> str:
    names: list[str] = []
    for subject in incident.alarms:
        owner, _, rule = subject.removeprefix("alarm:").rpartition("/")
        known = site.rules.get(rule)
        name = say.text(known.name) if known else rule
        names.append(name if owner == incident.equipment else f"{say.text(site.owner_name(owner))} {name}")
    if not names:
        names = [incident.caller] if incident.caller else []
    shown = "；".join(names[:4]) if say.language != "en" else "; ".join(names[:4])
    more = f" +{len(names) - 4}" if len(names) > 4 else ""  # noqa: PLR2004 - as many as fit
    return f"{say.time(incident.opened_ms, seconds=True)} {shown}{more}"


def _clock(incident: Incident, plan: Plan | None, now_ms: int, say: _Say) -> Clock | None:
    promise = incident.promises.get(plan.arrival) if plan else None
    if incident.closed_ms is not None or promise is None:
        return None
    if promise.kept_ms is not None:
        return Clock(say("arrived_at"), None, say.time(promise.kept_ms), late=False)
    late = now_ms > promise.by_ms
    return Clock(say("arrive_late" if late else "arrive_in"), promise.by_ms, span(promise.by_ms - now_ms), late)


def _dials(site: Site, card: Card, now_ms: int, say: _Say) -> tuple[Dial, ...]:
    out: list[Dial] = []
    desk = map(site.people.get, duty.on_duty(site, "operator", now_ms))
    if number := next((p.phone for p in desk if p and p.phone), ""):
        out.append(_dial(say("duty_room"), number))
    if card.intercom:
        out.append(_dial(say("car"), card.intercom))
    if card.key_cabinet:
        out.append(Dial(say("key"), card.key_cabinet))
    return tuple(out)


def _card(site: Site, card: Card, say: _Say) -> tuple[Dial, ...]:
    def party(label: str, party: Party | None) -> Dial:
        return (
            Dial(say(label), f"{say.text(party.name)} {party.phone}", _number(party.phone)) if party else Dial("", "")
        )

    rows = [
        Dial(say("registration"), card.registration or say("unknown")),
        Dial(say("rescue_code"), card.rescue_code or say("unknown")),
        party("contractor", site.parties.get(card.contractor)),
        party("deputy", site.parties.get(card.deputy)),
        _dial(say("intercom"), card.intercom or say("unknown")),
        Dial(say("key_cabinet"), card.key_cabinet or say("unknown")),
        Dial(say("isolator"), card.isolator or say("unknown")),
        Dial(say("camera"), card.camera or say("unknown")),
        Dial(say("responsible"), card.responsible),
    ]
    return tuple(row for row in rows if row.text)


def _coming(site: Site, incident: Incident, person: str, say: _Say) -> tuple[str, ...]:
    roles = {page.person: page.role for page in incident.pages.values()}
    out: list[str] = []
    for who in dict.fromkeys([*incident.arrived, *incident.accepted]):
        if who == person:
            continue
        how = "finished" if who in incident.finished else "there" if who in incident.arrived else "on_the_way"
        at = (incident.finished if how == "finished" else incident.arrived if how == "there" else incident.accepted)[
            who
        ]
        role = say.text(role_name(site, roles[who])) if roles.get(who) else ""
        out.append(" ".join(part for part in (_name(site, who, say), role, say(how), say.time(at)) if part))
    return tuple(out)


def _steps(
    site: Site, incident: Incident, plan: Plan | None, person: str, state: str, now_ms: int, say: _Say
) -> tuple[Row, ...]:
    roles = roles_of(site, incident, person)
    can = state in {"accepted", "arrived"}
    out: list[Row] = []
    for step in plan.steps if plan else ():
        said, now = incident.steps.get(step.id), steps.state(incident, step)
        settled = now in {"done", "skipped"}
        promise = None if settled else incident.promises.get(steps.promise_of(step))
        signed = said.by.split("+") if said else []
        who = "、".join(say("by_system") if by == "telemetry" else _name(site, by, say) for by in signed)
        extra = [say("two")] if step.persons > 1 and not settled else []
        extra += [] if step.mandatory or settled else [say("optional")]
        late = promise is not None and promise.by_ms < now_ms
        out.append(
            Row(
                id=step.id,
                text=say.text(step.text),
                state=now,
                who=who or say.text(role_name(site, step.role)),
                at=say.time(said.at_ms) if said else "",
                due=say("overdue" if late else "due_in") if promise else "",
                due_ms=promise.by_ms if promise else None,
                left=span(promise.by_ms - now_ms) if promise else "",
                mine=can and now == "open" and step.role in roles and not step.arrival and person not in signed,
                extra=" · ".join(extra),
            )
        )
    return tuple(out)


def roles_of(site: Site, incident: Incident, person: str) -> frozenset[str]:
    """Return the duty roles a person acts in here: those of the roster, of the pages, and of the machine's card."""
    known = site.people.get(person) or site.parties.get(person)
    machine = site.equipment.get(incident.equipment)
    roles = {page.role for page in incident.pages.values() if page.person == person}
    roles |= set(known.roles) if known else set()
    if machine and person in {machine.card.contractor, machine.card.deputy}:
        roles.add("contractor")
    return frozenset(roles)


def _status(state: str, incident: Incident, say: _Say) -> str:
    if state == "closed":
        return f"{say('closed')} {say.time(incident.closed_ms or 0)}"
    return say(f"you_{state}") if state not in {"called", "told"} else ""


def _person(site: Site, id: str, say: _Say) -> str:
    known = site.people.get(id)
    number = next((c.number for c in known.certificates), "") if known else ""
    role = say.text(role_name(site, known.roles[0])) if known and known.roles else ""
    about = "，".join(part for part in (role, number) if part)
    return _name(site, id, say) + (f"（{about}）" if about else "")


def _name(site: Site, id: str, say: _Say) -> str:
    actor = id.removeprefix("person:").removeprefix("user:")
    return say.text(site.parties[actor].name) if actor in site.parties else person_name(site, actor)


def _dial(label: str, text: str) -> Dial:
    return Dial(label, text, _number(text))


def _number(text: str) -> str:
    """Return what a tel: link needs, or nothing for words."""
    return re.sub(r"[ -]", "", text) if _TELEPHONE.fullmatch(text) else ""
