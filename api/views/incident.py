"""Incidents as they leave, in a list or whole."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from pydantic import TypeAdapter

from api.shapes.incident import (
    AnswerShape,
    AttendanceShape,
    CardShape,
    IncidentShape,
    IncidentSummary,
    PageShape,
    PhotoShape,
    PromiseShape,
    ReportShape,
    ResponderShape,
    StepShape,
    SweepShape,
)
from api.views import gate
from api.views.record import record_shape
from api.views.words import NO_WORDS, certificate_name, person_name, promise_name, role_name, words
from facility.equipment import Card
from facility.plan import Plan, Report, Step
from facility.ports import Written
from facility.site import Site
from facility.text import NOTHING, Text
from response import consequence, sweep
from response.context import Read, plan_of
from response.incident import Incident, Swept
from response.paging.page import PageState
from response.phone.handset import Photo
from response.plans import crew, drill, reporting, signing
from response.plans import plan as steps
from response.plans.outofservice import Hold


class Committed(Protocol):
    """What an incident's view looks at beside it, as of one commit."""

    @property
    def at_ms(self) -> int:
        """When that was."""

    @property
    def plans(self) -> Mapping[tuple[str, str], Plan]:
        """Every version of every plan at hand, by id and version."""

    @property
    def out_of_service(self) -> Mapping[str, Hold]:
        """The machines that are held."""

    @property
    def held(self) -> frozenset[str]:
        """The incidents whose pages wait for a person since a restore."""


def place_of(site: Site, incident: Incident) -> Text:
    """Return where it is: the words it was started with, or the machine's place."""
    machine = site.equipment.get(incident.equipment)
    if incident.place:
        return Text(incident.place, incident.place)
    return machine.place if machine else NOTHING


def plan_name(site: Site, incident: Incident) -> Text:
    """Return the plan's name, marked where it is a drill."""
    plan = site.plans.get(incident.plan)
    return drill.marked(incident, plan.name if plan else Text(incident.plan, incident.plan))


def incident_summary(view: Committed, site: Site, incident: Incident) -> IncidentSummary:
    """Return an incident as it stands in a list."""
    return IncidentSummary(**_summary(site, incident, plan_of(site, view.plans, incident)))


def incident_shape(
    view: Committed, site: Site, incident: Incident, missing: Iterable[Text], records: Iterable[Written], read: Read
) -> IncidentShape:
    """Return an incident with everything that is known of it; `records` newest first."""
    plan = plan_of(site, view.plans, incident)
    card = site.card(incident.equipment)
    never = [*card.never, *(plan.never if plan else ())]
    return IncidentShape(
        **_summary(site, incident, plan),
        plan_version=incident.plan_version,
        card=card_shape(site, card),
        steps=[step_shape(site, incident, plan, step, view.at_ms) for step in plan.steps] if plan else [],
        pages=[page_shape(site, page) for page in incident.pages.values()],
        pages_held=incident.id in view.held,
        people=responders(site, incident),
        photos=[photo_shape(site, photo) for photo in incident.handset.photos],
        never=[words(text) for text in dict.fromkeys(never)],
        sweep=[_swept(site, lift, swept) for lift, swept in incident.sweep.items()],
        into=incident.into,
        false_alarm=gate.false_alarm_shape(incident, plan),
        closed_false=incident.false_alarm,
        life_clock=gate.life_clock_shape(incident),
        held=gate.held_for(site, incident, view.out_of_service),
        close=gate.check_shapes(site, incident, plan, read) if incident.closed_ms is None else [],
        overridden=incident.claims.overridden.note if incident.claims.overridden else "",
        attendance=_attendance(site, incident),
        missing=[words(text) for text in missing],
        records=[record_shape(w) for w in records],
    )


def _attendance(site: Site, incident: Incident) -> list[AttendanceShape]:
    if not incident.drill:
        return []
    took, called = drill.took_part(incident), dict.fromkeys((*incident.expected, *incident.called))
    known = dict.fromkeys(p for p in (*called, *took) if p in site.people)
    return [
        AttendanceShape(
            id=who,
            name=person_name(site, who),
            expected=who in incident.expected,
            since_ms=took.get(who),
            by_hand=who in incident.present,
        )
        for who in known
    ]


def _swept(site: Site, lift: str, swept: Swept) -> SweepShape:
    machine = site.equipment.get(lift)
    return SweepShape(
        lift=lift,
        name=words(site.owner_name(lift)),
        place=words(machine.place) if machine else NO_WORDS,
        intercom=machine.card.intercom if machine else "",
        since_ms=swept.since_ms,
        why=swept.why,
        cleared_ms=swept.cleared_ms,
        how=swept.how,
        by=swept.by,
        note=swept.note,
    )


def _summary(site: Site, incident: Incident, plan: Plan | None) -> dict[str, Any]:
    return {
        "id": incident.id,
        "plan": incident.plan,
        "plan_name": words(plan_name(site, incident)),
        "priority": incident.priority,
        "drill": incident.drill,
        "stage": incident.stage,
        "equipment": incident.equipment,
        "equipment_name": words(site.owner_name(incident.equipment)) if incident.equipment else NO_WORDS,
        "place": words(place_of(site, incident)),
        "opened_ms": incident.opened_ms,
        "closed_ms": incident.closed_ms,
        "alarms": list(incident.alarms),
        "level": incident.level,
        "round": incident.round,
        "accepted": len(incident.accepted),
        "arrived": len(incident.arrived),
        "consequence": words(said) if (said := consequence.sentence(site, incident)) else None,
        "sweep_left": len(sweep.left(incident)),
        "promises": [
            PromiseShape(
                id=name,
                name=words(promise_name(site, name, plan)),
                by_ms=p.by_ms,
                kept_ms=p.kept_ms,
                broken_ms=p.broken_ms,
            )
            for name, p in sorted(steps.running(incident, plan).items(), key=lambda item: item[1].by_ms)
        ],
    }


def card_shape(site: Site, card: Card) -> CardShape:
    """Return what a responder needs, with the names and numbers of the contractors."""
    contractor, deputy = site.parties.get(card.contractor), site.parties.get(card.deputy)
    return CardShape(
        registration=card.registration,
        rescue_code=card.rescue_code,
        contractor=card.contractor,
        contractor_name=words(contractor.name) if contractor else NO_WORDS,
        contractor_phone=contractor.phone if contractor else "",
        deputy=card.deputy,
        deputy_name=words(deputy.name) if deputy else NO_WORDS,
        deputy_phone=deputy.phone if deputy else "",
        intercom=card.intercom,
        key_cabinet=card.key_cabinet,
        isolator=card.isolator,
        camera=card.camera,
        responsible=card.responsible,
        may_reset=list(card.may_reset),
        next_inspection=card.next_inspection.isoformat() if card.next_inspection else "",
        next_maintenance=card.next_maintenance.isoformat() if card.next_maintenance else "",
    )


def step_shape(site: Site, incident: Incident, plan: Plan, step: Step, now_ms: int) -> StepShape:
    """Return a step with its state and by when it is due."""
    said = incident.steps.get(step.id)
    promise = incident.promises.get(steps.promise_of(step))
    state, why = signing.standing(incident, plan, step, site, now_ms)
    signed = said.by.split("+") if said else []
    return StepShape(
        id=step.id,
        text=words(step.text),
        role=step.role,
        role_name=words(role_name(site, step.role)),
        due_ms=promise.by_ms if promise and state != steps.NOT_NEEDED else None,
        state=state,
        by=signed[-1] if signed else "",
        signed=signed,
        at_ms=said.at_ms if said else None,
        mandatory=step.mandatory,
        persons=step.persons,
        arrival=step.arrival,
        coming=min(crew.coming(incident, plan, site, step), step.persons) if step.arrival else 0,
        certificates=[words(certificate_name(site, c)) for c in step.certificates],
        note=said.note if said else "",
        proof=bool(step.proof) and incident.drill != drill.PAPER,
        why=words(why) if why else None,
        asks=words(step.asks) if step.answers else None,
        answers=[AnswerShape(id=a.id, text=words(a.text)) for a in step.answers],
        answer=said.answer if said else "",
        heard_by=said.signatures[-1].heard_by if said and said.signatures else "",
        report=_report(site, incident, plan, step.report) if step.report else None,
    )


def _report(site: Site, incident: Incident, plan: Plan, report: Report) -> ReportShape:
    return ReportShape(
        to=words(report.to),
        text=words(reporting.text(incident, plan, site, report)),
        role_name=words(role_name(site, report.role)) if report.role else None,
    )


def page_shape(site: Site, page: PageState) -> PageShape:
    """Return one attempt to reach one person."""
    return PageShape(
        key=page.key,
        person=page.person,
        name=person_name(site, page.person),
        role=page.role,
        channel=page.channel,
        level=page.level,
        round=page.round,
        state=page.furthest,
        at_ms=page.at_ms,
        said=page.said,
        responder=page.responder,
        due_ms=page.not_before_ms,
        delivered_ms=page.delivered_ms,
        opened_ms=page.opened_ms,
    )


def photo_shape(site: Site, photo: Photo) -> PhotoShape:
    """Return a photo's hash, and who took it when."""
    return PhotoShape(
        photo=photo.photo,
        person=photo.person,
        name=person_name(site, photo.person),
        at_ms=photo.at_ms,
        step=photo.step,
        erased=photo.erased,
    )


def responders(site: Site, incident: Incident) -> list[ResponderShape]:
    """Return everybody who answered, in the order in which they were paged."""
    roles = {page.person: page.role for page in incident.pages.values()}
    phones = incident.handset
    answers = (
        incident.accepted, incident.arrived, incident.finished, incident.declined, phones.handed, phones.devices,
    )  # fmt: skip
    ids = dict.fromkeys([*roles, *incident.seen, *(who for how in answers for who in how)])
    return [
        ResponderShape(
            id=who,
            name=person_name(site, who),
            role=roles.get(who, ""),
            accepted_ms=incident.accepted.get(who, incident.seen.get(who)),
            arrived_ms=incident.arrived.get(who),
            finished_ms=incident.finished.get(who),
            declined_ms=incident.declined.get(who),
            there_ms=incident.handset.there_ms.get(who),
            asks=incident.handset.offers.get(who, ""),
            handed=incident.handset.handed.get(who, ""),
            devices=len(incident.handset.devices.get(who, ())),
        )
        for who in ids
        if any(who in how for how in answers)
    ]


INCIDENTS = TypeAdapter(list[IncidentSummary])
