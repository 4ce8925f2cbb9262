"""The site as it leaves."""

from collections.abc import Mapping, Sequence

from api import labels
from api.shapes.base import Words
from api.shapes.site import CodeShape, EquipmentShape, PersonName, PlanShape, PointShape, RuleShape, SiteShape
from api.station import Station
from api.views.words import NO_WORDS, role_name, words
from facility.equipment import Equipment, point_id
from facility.plan import Plan
from facility.point import Point
from facility.rule import Rule
from facility.site import Site
from facility.text import Text


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
