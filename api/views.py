"""From what the station knows to the shapes that leave; nothing here waits or decides."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from pydantic import TypeAdapter

from alarms.hiding import Hidden
from alarms.life import Alarm, is_hidden, is_open
from api import labels
from api.shapes.alarm import AlarmShape, HiddenShape
from api.shapes.base import Words
from api.shapes.health import NoticeShape
from api.shapes.incident import (
    CardShape,
    IncidentShape,
    IncidentSummary,
    PageShape,
    PromiseShape,
    ResponderShape,
    StepShape,
    SweepShape,
)
from api.shapes.record import RecordShape
from api.shapes.site import CodeShape, EquipmentShape, PersonName, PlanShape, PointShape, RuleShape, SiteShape
from api.shapes.value import BucketShape, ValueShape
from api.station import Notice, Station, View
from facility.equipment import Card, Equipment, point_id
from facility.plan import Plan, Step
from facility.point import Point
from facility.ports import Bucket, Written
from facility.records import Payload
from facility.rule import Rule
from facility.scan import quality
from facility.site import Site
from facility.text import NOTHING, Text
from response import consequence, sweep
from response import plan as steps
from response.fold import Swept
from response.incident import Incident, PageState
from stores.live import Now

NO_WORDS = Words(zh="", en="")


def words(text: Text) -> Words:
    """Return a text as it leaves."""
    return Words(zh=text.zh, en=text.en)


def number(value: float | None) -> float | None:
    """Return a number, or None for what is none: NaN and infinities never leave."""
    return value if value is not None and math.isfinite(value) else None


def person_name(site: Site, id: str) -> str:
    """Return the name of a person or party, or the id where the site no longer knows it."""
    if id in site.people:
        return site.people[id].name
    return site.parties[id].name.zh if id in site.parties else id


def role_name(site: Site, role: str) -> Text:
    """Return the site's word for a duty role."""
    return site.roles.get(role) or Text(role, role)


def promise_name(site: Site, promise: str, plan: Plan | None = None) -> Text:
    """Return the site's word for a promise; one that is a step's own is called by the step's text."""
    step = steps.step_of(plan, promise.removeprefix("step/")) if plan and promise.startswith("step/") else None
    return step.text if step else (site.promises.get(promise) or Text(promise, promise))


def certificate_name(site: Site, certificate: str) -> Text:
    """Return the site's word for a certificate."""
    return site.certificates.get(certificate) or Text(certificate, certificate)


# -- the site ---------------------------------------------------------------------------------------------


def site_shape(station: Station, *, inside: bool) -> SiteShape:
    """Return the site; to whoever is not logged in (`inside` false) only what the log-in page shows."""
    site = station.site
    return SiteShape(
        id=site.id,
        name=words(site.name),
        timezone=site.timezone,
        hash=site.hash if inside else "",
        contract=dict(site.contract) if inside else {},
        systems=_table(labels.SYSTEM),
        equipment=[_equipment(site, e) for e in site.equipment.values()] if inside else [],
        plans=[_plan(p) for p in site.plans.values()] if inside else [],
        rules={r.id: _rule(site, r) for r in site.rules.values()} if inside else {},
        people=[_name(p.id, p.name, p.roles) for p in site.people.values()] if inside else [],
        parties=[_name(p.id, p.name.zh, p.roles) for p in site.parties.values()] if inside else [],
        roles=_table(site.roles),
        promises=_table(site.promises) if inside else {},
        labels={group: _table(table) for group, table in labels.TABLE.items()},
        statement=words(labels.NOT_A_SAFETY_FUNCTION),
        demo=station.settings.demo,
        demo_users=[],
    )


def _table(table: Mapping[str, Text]) -> dict[str, Words]:
    return {key: words(text) for key, text in table.items()}


def _equipment(site: Site, machine: Equipment) -> EquipmentShape:
    kind = site.kinds[machine.kind]
    # Points that no device speaks for are left out: a screen must not wait for what never comes.
    points = [(point_id(machine.id, p.name), p) for p in kind.points.values()]
    return EquipmentShape(
        id=machine.id,
        kind=machine.kind,
        kind_name=words(kind.text),
        system=kind.system.value,
        name=words(machine.name),
        place=words(machine.place),
        building=machine.building,
        fed_by=list(machine.fed_by),
        points=[_point(full, point) for full, point in points if full in site.device_of],
    )


def _point(id: str, point: Point) -> PointShape:
    return PointShape(
        id=id,
        name=point.name,
        text=words(point.text),
        unit=point.unit,
        type=point.type.value,
        decimals=point.decimals,
        codes=[CodeShape(value=c.value, id=c.id, name=words(c.name)) for c in point.codes],
    )


def _plan(plan: Plan) -> PlanShape:
    return PlanShape(
        id=plan.id,
        name=words(plan.name),
        kinds=list(plan.kinds),
        priority=int(plan.priority),
        steps={step.id: words(step.text) for step in plan.steps},
    )


def _rule(site: Site, rule: Rule) -> RuleShape:
    plan = site.plans.get(rule.plan)
    role = plan.levels[0].calls[0].role if plan and plan.levels and plan.levels[0].calls else ""
    return RuleShape(
        name=words(rule.name),
        cause=words(rule.cause),
        consequence=words(rule.consequence),
        first_action=words(rule.first_action),
        respond_ms=rule.respond_ms,
        priority=int(rule.priority),
        class_=rule.class_.value,
        plan=rule.plan,
        role=role,
        role_name=words(role_name(site, role)) if role else NO_WORDS,
        latching=rule.latching,
        overridden=rule.overridden,
    )


def _name(id: str, name: str, roles: Sequence[str]) -> PersonName:
    return PersonName(id=id, name=name, roles=list(roles))


# -- alarms -----------------------------------------------------------------------------------------------


def joined(view: View) -> dict[str, str]:
    """Return the open incident of every alarm that belongs to one."""
    return {subject: incident.id for incident in view.incidents.values() for subject in incident.alarms}


def alarm_shape(site: Site, alarm: Alarm, incident: str | None) -> AlarmShape:
    """Return an alarm as it leaves."""
    rule, machine = site.rules.get(alarm.rule), site.equipment.get(alarm.owner)
    point = alarm.point or (point_id(alarm.owner, rule.when[0].point) if rule and rule.when else "")
    known = site.point(point) if point else None
    return AlarmShape(
        subject=alarm.subject,
        owner=alarm.owner,
        rule=alarm.rule,
        name=words(rule.name) if rule else Words(zh=alarm.rule, en=alarm.rule),
        owner_name=words(site.owner_name(alarm.owner)),
        place=words(machine.place) if machine else NO_WORDS,
        priority=alarm.priority,
        class_=alarm.class_,
        state=alarm.state.value,
        active=alarm.active,
        acknowledged=alarm.acknowledged,
        raised_ms=alarm.raised_ms,
        cleared_ms=alarm.cleared_ms,
        acknowledged_by=alarm.acknowledged_by or "",
        acknowledged_ms=alarm.acknowledged_ms,
        value=number(alarm.value),
        unit=known.unit if known else "",
        point=point if known else "",
        count=alarm.count,
        incident=incident,
        latched=alarm.latched,
        chattering=alarm.chattering,
    )


def hidden_shape(station: Station, hidden: Hidden) -> HiddenShape:
    """Return an alarm that disturbs nobody, and why, as it leaves."""
    site = station.site
    rule, machine = site.rules.get(hidden.rule), site.equipment.get(hidden.owner)
    return HiddenShape(
        subject=hidden.subject,
        owner=hidden.owner,
        rule=hidden.rule,
        name=words(rule.name) if rule else Words(zh=hidden.rule, en=hidden.rule),
        owner_name=words(site.owner_name(hidden.owner)),
        place=words(machine.place) if machine else NO_WORDS,
        priority=hidden.priority,
        class_=hidden.class_,
        how=hidden.how,
        by=hidden.by,
        by_name=words(_hider(site, hidden)),
        since_ms=hidden.since_ms,
        until_ms=hidden.until_ms,
        reason=hidden.reason,
        active=hidden.active,
        count=hidden.count,
    )


def _hider(site: Site, hidden: Hidden) -> Text:
    """Return in words who or what keeps an alarm out of sight."""
    what, _, id = hidden.by.partition(":")
    if what == "rule" and id in site.rules:
        return site.rules[id].name
    if what == "permit":
        return Text(f"工作票 {id}", f"permit {id}")
    if what in {"user", "person"}:
        return Text(person_name(site, id), person_name(site, id))
    return labels.HIDDEN_BY.get(hidden.by) or Text(hidden.by, hidden.by)


# -- incidents --------------------------------------------------------------------------------------------


def place_of(site: Site, incident: Incident) -> Text:
    """Return where it is: the words it was started with, or the machine's place."""
    machine = site.equipment.get(incident.equipment)
    if incident.place:
        return Text(incident.place, incident.place)
    return machine.place if machine else NOTHING


def plan_name(site: Site, incident: Incident) -> Text:
    """Return the plan's name."""
    plan = site.plans.get(incident.plan)
    return plan.name if plan else Text(incident.plan, incident.plan)


def incident_summary(site: Site, incident: Incident) -> IncidentSummary:
    """Return an incident as it stands in a list."""
    return IncidentSummary(**_summary(site, incident))


def incident_shape(
    site: Site, incident: Incident, missing: Iterable[Text], records: Iterable[Written]
) -> IncidentShape:
    """Return an incident with everything that is known of it; `records` newest first."""
    plan = site.plans.get(incident.plan)
    machine = site.equipment.get(incident.equipment)
    never = [*(machine.card.never if machine else ()), *(plan.never if plan else ())]
    return IncidentShape(
        **_summary(site, incident),
        plan_version=incident.plan_version,
        card=card_shape(site, machine.card if machine else Card()),
        steps=[step_shape(site, incident, step) for step in (plan.steps if plan else ())],
        pages=[page_shape(site, page) for page in incident.pages.values()],
        people=responders(site, incident),
        never=[words(text) for text in dict.fromkeys(never)],
        sweep=[_swept(site, lift, swept) for lift, swept in incident.sweep.items()],
        into=incident.into,
        missing=[words(text) for text in missing],
        records=[record_shape(w) for w in records],
    )


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


def _summary(site: Site, incident: Incident) -> dict[str, Any]:
    plan = site.plans.get(incident.plan)
    return {
        "id": incident.id,
        "plan": incident.plan,
        "plan_name": words(plan_name(site, incident)),
        "priority": incident.priority,
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
            for name, p in sorted(incident.promises.items(), key=lambda item: item[1].by_ms)
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


def step_shape(site: Site, incident: Incident, step: Step) -> StepShape:
    """Return a step with its state and by when it is due."""
    said = incident.steps.get(step.id)
    promise = incident.promises.get(steps.promise_of(step))
    signed = said.by.split("+") if said else []
    return StepShape(
        id=step.id,
        text=words(step.text),
        role=step.role,
        role_name=words(role_name(site, step.role)),
        due_ms=promise.by_ms if promise else None,
        state=steps.state(incident, step),
        by=signed[-1] if signed else "",
        signed=signed,
        at_ms=said.at_ms if said else None,
        mandatory=step.mandatory,
        persons=step.persons,
        certificates=[words(certificate_name(site, c)) for c in step.certificates],
        note=said.note if said else "",
        proof=bool(step.proof),
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
        state=page.state,
        at_ms=page.at_ms,
        said=page.said,
        responder=page.responder,
    )


def responders(site: Site, incident: Incident) -> list[ResponderShape]:
    """Return everybody who answered, in the order in which they were paged."""
    roles = {page.person: page.role for page in incident.pages.values()}
    ids = dict.fromkeys(
        [*roles, *incident.seen, *incident.accepted, *incident.arrived, *incident.finished, *incident.declined]
    )
    return [
        ResponderShape(
            id=who,
            name=person_name(site, who),
            role=roles.get(who, ""),
            accepted_ms=incident.accepted.get(who, incident.seen.get(who)),
            arrived_ms=incident.arrived.get(who),
            finished_ms=incident.finished.get(who),
            declined_ms=incident.declined.get(who),
        )
        for who in ids
        if any(who in how for how in (incident.accepted, incident.arrived, incident.finished, incident.declined))
    ]


# -- records, values, notices -----------------------------------------------------------------------------


def payload(data: Payload) -> dict[str, Any]:
    """Return a payload's fields by name."""
    fields: dict[str, Any] = msgspec.to_builtins(data)
    if "class_" in fields:
        fields["class"] = fields.pop("class_")
    return {k: number(v) if isinstance(v, float) else v for k, v in fields.items()}


def record_shape(written: Written) -> RecordShape:
    """Return a line of the log book."""
    record = written.record
    return RecordShape(
        seq=written.seq,
        at_ms=record.at_ms,
        kind=str(record.kind),
        subject=record.subject,
        actor=record.actor,
        about=list(record.about),
        data=payload(record.data),
        hash=written.hash,
    )


def value_shape(id: str, now: Now | None) -> ValueShape:
    """Return the newest word about a point; never heard is a bad value like any other."""
    if now is None:
        return ValueShape(
            id=id,
            value=None,
            quality="bad",
            reason="never",
            at_ms=None,
            changed_ms=None,
            last_good=None,
            last_good_ms=None,
            text="",
        )
    return ValueShape(
        id=id,
        value=number(now.value),
        quality=quality(now.reason).value,
        reason=labels.reason_id(now.reason),
        at_ms=now.at_ms,
        changed_ms=now.changed_ms,
        last_good=number(now.last_good),
        last_good_ms=now.last_good_ms or None,
        text=now.text,
    )


def bucket_shape(bucket: Bucket) -> BucketShape:
    """Return one span of history."""
    return BucketShape(
        from_ms=bucket.from_ms,
        count=bucket.count,
        bad=bucket.bad,
        low=number(bucket.low),
        mean=number(bucket.mean),
        high=number(bucket.high),
    )


def notice_shape(notice: Notice) -> NoticeShape:
    """Return a standing word of the product."""
    return NoticeShape(id=notice.id, level=notice.level, text=words(notice.text), since_ms=notice.since_ms)


HIDDEN = TypeAdapter(list[HiddenShape])
VALUES = TypeAdapter(list[ValueShape])
RECORDS = TypeAdapter(list[RecordShape])
INCIDENTS = TypeAdapter(list[IncidentSummary])


def open_alarms(view: View) -> Mapping[str, Alarm]:
    """Return the alarms that a list shows: whatever is active, not yet acknowledged or latched, and in sight."""
    return {subject: alarm for subject, alarm in view.alarms.items() if is_open(alarm) and not is_hidden(alarm)}
