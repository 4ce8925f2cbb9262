"""The JSON of the API. Times are UTC milliseconds, texts come in both languages, a number that is none is null."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Shape(BaseModel):
    """One JSON object that leaves; its field names are the contract with the console."""

    model_config = ConfigDict(frozen=True, serialize_by_alias=True, ser_json_inf_nan="null")


class Words(Shape):
    """A sentence in both languages."""

    zh: str
    en: str


class CodeShape(Shape):
    """One value of an enum or state point."""

    value: int
    id: str
    name: Words


class PointShape(Shape):
    """A point of a machine: what it means, not its value."""

    id: str
    name: str
    text: Words
    unit: str
    type: str
    decimals: int
    codes: list[CodeShape]


class CardShape(Shape):
    """What a responder needs; an empty string means not known."""

    registration: str
    rescue_code: str
    contractor: str
    contractor_name: Words
    contractor_phone: str
    deputy: str
    deputy_name: Words
    deputy_phone: str
    intercom: str
    key_cabinet: str
    isolator: str
    camera: str
    responsible: str
    may_reset: list[str]
    next_inspection: str
    next_maintenance: str


class EquipmentShape(Shape):
    """One machine."""

    id: str
    kind: str
    kind_name: Words
    system: str
    name: Words
    place: Words
    building: str
    fed_by: list[str]
    points: list[PointShape]


class PlanShape(Shape):
    """A plan that can be started by hand, with the words of its steps for whoever reads the log book."""

    id: str
    name: Words
    kinds: list[str]
    priority: int
    steps: dict[str, Words]


class RuleShape(Shape):
    """Why an alarm sounds and what to do first; `role` is whom its plan calls first.

    `latching`: what cleared waits for a reset. `overridden` is why this site changed the library's rule, or empty.
    """

    name: Words
    cause: Words
    consequence: Words
    first_action: Words
    respond_ms: int
    priority: int
    class_: str = Field(serialization_alias="class")
    plan: str
    role: str
    role_name: Words
    latching: bool
    overridden: str


class PersonName(Shape):
    """Somebody who can be on duty."""

    id: str
    name: str
    roles: list[str]


class DemoUser(Shape):
    """A user whom the demo's log-in page offers as a button; the password is "demo"."""

    id: str
    name: str
    role: str


class SiteShape(Shape):
    """The site as adopted; whoever is not logged in gets its name and, in the demo, its users, and nothing else."""

    id: str
    name: Words
    timezone: str
    hash: str
    contract: dict[str, int]
    systems: dict[str, Words]
    equipment: list[EquipmentShape]
    plans: list[PlanShape]
    rules: dict[str, RuleShape]
    people: list[PersonName]
    parties: list[PersonName]
    roles: dict[str, Words]
    promises: dict[str, Words]
    labels: dict[str, dict[str, Words]]
    statement: Words
    demo: bool
    demo_users: list[DemoUser]


class AlarmShape(Shape):
    """One open alarm. The order is that of the record: what, where, how urgent, in which state."""

    subject: str
    owner: str
    rule: str
    name: Words
    owner_name: Words
    place: Words
    priority: int
    class_: str = Field(serialization_alias="class")
    state: str
    active: bool
    acknowledged: bool
    raised_ms: int
    cleared_ms: int | None
    acknowledged_by: str
    acknowledged_ms: int | None
    value: float | None
    unit: str
    point: str
    count: int
    incident: str | None
    latched: bool
    chattering: int


class HiddenShape(Shape):
    """One alarm that disturbs nobody now (or would not), and what keeps it so.

    `how` is shelved, suppressed, out-of-service or chattering; `by` an actor, "permit:<id>", "rule:<id>", "season",
    "hours" or "only-while", `by_name` the same in words. `count` is how often a chattering alarm rose so far.
    """

    subject: str
    owner: str
    rule: str
    name: Words
    owner_name: Words
    place: Words
    priority: int
    class_: str = Field(serialization_alias="class")
    how: str
    by: str
    by_name: Words
    since_ms: int
    until_ms: int | None
    reason: str
    active: bool
    count: int


class StepShape(Shape):
    """One step of a running plan; `by` signed it last, `signed` names everybody who did.

    `certificates` are what whoever signs it must hold, by name.
    """

    id: str
    text: Words
    role: str
    role_name: Words
    due_ms: int | None
    state: str
    by: str
    signed: list[str]
    at_ms: int | None
    mandatory: bool
    persons: int
    certificates: list[Words]
    note: str
    proof: bool


class PageShape(Shape):
    """One attempt to reach one person."""

    key: str
    person: str
    name: str
    role: str
    channel: str
    level: int
    round: int
    state: str
    at_ms: int
    said: str
    responder: bool


class ResponderShape(Shape):
    """One person's way through the incident."""

    id: str
    name: str
    role: str
    accepted_ms: int | None
    arrived_ms: int | None
    finished_ms: int | None
    declined_ms: int | None


class PromiseShape(Shape):
    """A response time."""

    id: str
    name: Words
    by_ms: int
    kept_ms: int | None
    broken_ms: int | None


class RecordShape(Shape):
    """One line of the log book."""

    seq: int
    at_ms: int
    kind: str
    subject: str
    actor: str
    about: list[str]
    data: dict[str, Any]
    hash: str


class SweepShape(Shape):
    """A lift that is presumed occupied since then, and why (supply, silent); or what became known of it, and how.

    `how` is telemetry, intercom, guard or trapped; empty while nobody knows. `by` is who said so.
    """

    lift: str
    name: Words
    place: Words
    intercom: str
    since_ms: int
    why: str
    cleared_ms: int | None
    how: str
    by: str
    note: str


class IncidentSummary(Shape):
    """An incident in a list.

    `consequence` is its named cause with what it brought, counted; null while it concerns nothing but itself.
    `sweep_left` counts the lifts that are still presumed occupied.
    """

    id: str
    plan: str
    plan_name: Words
    priority: int
    stage: str
    equipment: str
    equipment_name: Words
    place: Words
    opened_ms: int
    closed_ms: int | None
    alarms: list[str]
    level: int
    round: int
    accepted: int
    arrived: int
    promises: list[PromiseShape]
    consequence: Words | None
    sweep_left: int


class IncidentShape(IncidentSummary):
    """An incident with everything that is known of it; `missing` says what still forbids closing it.

    `into` is the incident that took it over, its cause being there; empty where none did.
    """

    plan_version: str
    card: CardShape
    steps: list[StepShape]
    pages: list[PageShape]
    people: list[ResponderShape]
    never: list[Words]
    sweep: list[SweepShape]
    into: str
    missing: list[Words]
    records: list[RecordShape]


class ValueShape(Shape):
    """The newest word about one point; the last good value stays beside a bad one."""

    id: str
    value: float | None
    quality: str
    reason: str
    at_ms: int | None
    changed_ms: int | None
    last_good: float | None
    last_good_ms: int | None
    text: str


class BucketShape(Shape):
    """One span of history; `count` 0 is a gap."""

    from_ms: int
    count: int
    bad: int
    low: float | None
    mean: float | None
    high: float | None


class HistoryShape(Shape):
    """The past of one point."""

    point: str
    from_ms: int
    to_ms: int
    buckets: list[BucketShape]


class GapShape(Shape):
    """A time in which words of a device were missed; `missing` is null where nobody knows how many.

    `filled` of them came later. `why` is "lost" (its numbers tell) or "not-connected" (nobody listened).
    """

    why: str
    from_ms: int
    to_ms: int
    missing: int | None
    filled: int


class GapsShape(Shape):
    """The recorded gaps of one device, newest first."""

    device: str
    gaps: list[GapShape]


class OnDuty(Shape):
    """Who covers one role, now and at its next change."""

    role: str
    role_name: Words
    minimum: int
    now: list[PersonName]
    next: list[PersonName]
    changes_ms: int | None


class HoleShape(Shape):
    """A span in which a role has too few people, or too few with the certificate it names."""

    role: str
    from_ms: int
    to_ms: int
    have: int
    need: int
    certificate: str
    text: Words


class ExpiringShape(Shape):
    """A certificate that ends soon, or has ended."""

    person: str
    name: str
    certificate: str
    certificate_name: Words
    until: str
    days: int


class ShiftsShape(Shape):
    """The roster as it works out at a moment."""

    at_ms: int
    duty: list[OnDuty]
    holes: list[HoleShape]
    expiring: list[ExpiringShape]


class CertificateShape(Shape):
    """A licence."""

    kind: str
    name: Words
    until: str


class PersonShape(PersonName):
    """A person with what the monitoring room needs to call; empty where the reader may not see it."""

    phone: str
    certificates: list[CertificateShape]
    standby: bool


class PartyShape(Shape):
    """A contractor or utility with a 24 h number."""

    id: str
    name: Words
    roles: list[str]
    phone: str
    deputy: str


class PeopleShape(Shape):
    """Everybody who can be called."""

    people: list[PersonShape]
    parties: list[PartyShape]


class NoticeShape(Shape):
    """A standing word about the product itself."""

    id: str
    level: str
    text: Words
    since_ms: int


class TaskShape(Shape):
    """A supervised task's progress."""

    name: str
    age_ms: int
    limit_ms: int


class StoreShape(Shape):
    """A store behind the spool: what it has not got yet."""

    id: str
    rows: int
    oldest_ms: int | None
    trouble: str


class SpoolShape(Shape):
    """What waits for the stores behind it, of how many bytes allowed."""

    rows: int
    oldest_ms: int | None
    bytes: int
    budget: int
    stores: list[StoreShape]


class HeadShape(Shape):
    """The end of the log book's chain."""

    seq: int
    head: str


class LineShape(Shape):
    """One wire to the field."""

    id: str
    connected: bool
    last_good_ms: int | None
    reads: int
    failures: dict[str, int]
    dead_letters: int


class HealthShape(Shape):
    """How the service is."""

    status: str
    at_ms: int
    tasks: list[TaskShape]
    spool: SpoolShape
    book: HeadShape
    lines: list[LineShape]
    reasons: list[Words]
    instance: str


class MeShape(Shape):
    """Who is logged in and what they may do."""

    id: str
    name: str
    role: str
    role_name: Words
    person: str
    rights: list[str]
    reach: dict[str, str]


class DoneShape(Shape):
    """What a command wrote, and in which incident; `repeated` when the same request had been carried out before."""

    records: list[RecordShape]
    incident: str
    repeated: bool


class MessageShape(Shape):
    """A page as a demo phone received it."""

    key: str
    at_ms: int
    person: str
    name: str
    incident: str
    title: str
    text: str
    link: str
    priority: int
