"""Incidents: steps, pages, people, promises, lifts to be looked into."""

from api.shapes.base import Shape, Words
from api.shapes.record import RecordShape


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


class AnswerShape(Shape):
    """One of the answers to a step's question."""

    id: str
    text: Words


class ReportShape(Shape):
    """What a step reports: to whom, the words filled as far as known, and the role that is paged with them."""

    to: Words
    text: Words
    role_name: Words | None


class StepShape(Shape):
    """One step of a running plan; `by` signed it last, `signed` names everybody who did.

    `state` is waiting, open, locked (`why` says why), done, skipped or not-needed. `certificates` are what whoever
    signs it must hold, by name. A step with `answers` is done by giving one; `answer` is the one given. An `arrival` is
    done when `persons` have arrived; `coming` of those are there or on the way.
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
    arrival: bool
    coming: int
    certificates: list[Words]
    note: str
    proof: bool
    why: Words | None
    asks: Words | None
    answers: list[AnswerShape]
    answer: str
    heard_by: str
    report: ReportShape | None


class CheckShape(Shape):
    """What telemetry must show before closing: `state` is shown, not-shown, or dead; then named persons say it."""

    text: Words
    state: str
    said: list[str]


class ConfirmationShape(Shape):
    """Somebody's word, or telemetry's, that the alarm was false."""

    how: str
    by: str
    at_ms: int
    note: str


class FalseAlarmShape(Shape):
    """How it may be closed as a false alarm; `lacking` says what is still needed, null when there is enough."""

    needs: int
    kinds: list[str]
    said: list[ConfirmationShape]
    lacking: Words | None


class LifeClockShape(Shape):
    """How long people may be held: since the car last moved, and until when.

    `kept_ms`: they are free; `ended_ms`: the incident was closed and nobody had said so.
    """

    from_ms: int
    by_ms: int
    kept_ms: int | None
    broken_ms: int | None
    ended_ms: int | None


class HoldShape(Shape):
    """A machine that stays out of service until something is signed, and who may sign."""

    equipment: str
    name: Words
    incident: str
    since_ms: int
    until: Words
    signatories: list[Words]


class PageShape(Shape):
    """One attempt to reach one person; `state` is the furthest it came, `said` the provider's newest words.

    `due_ms` is when it is, or was, to leave: a page may wait for the day, or for others that go with it.
    """

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
    due_ms: int
    delivered_ms: int | None
    opened_ms: int | None


class ResponderShape(Shape):
    """One person's way through the incident.

    `there_ms` is when they mean to be there. `asks` is whom they ask to take over, `handed` who did. `devices` counts
    those that acted by their link: a second one may be another app of the same phone, or a link that was passed on.
    """

    id: str
    name: str
    role: str
    accepted_ms: int | None
    arrived_ms: int | None
    finished_ms: int | None
    declined_ms: int | None
    there_ms: int | None
    asks: str
    handed: str
    devices: int


class PhotoShape(Shape):
    """A photo by its hash, under which `…/photos/{hash}` gives it; `erased` when it is gone for good."""

    photo: str
    person: str
    name: str
    at_ms: int
    step: str
    erased: bool


class PromiseShape(Shape):
    """A response time."""

    id: str
    name: Words
    by_ms: int
    kept_ms: int | None
    broken_ms: int | None


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


class AttendanceShape(Shape):
    """Somebody at a drill: asked to take part, and since when there; `by_hand` where somebody ticked it."""

    id: str
    name: str
    expected: bool
    since_ms: int | None
    by_hand: bool


class IncidentSummary(Shape):
    """An incident in a list.

    `consequence` is its named cause with what it brought, counted; null while it concerns nothing but itself.
    `sweep_left` counts the lifts that are still presumed occupied.
    `drill` is paper or simulators, empty where it is real.
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
    drill: str


class IncidentShape(IncidentSummary):
    """An incident with everything that is known of it; `missing` says what still forbids closing it.

    `into` is the incident that took it over, its cause being there; empty where none did.
    """

    plan_version: str
    card: CardShape
    steps: list[StepShape]
    pages: list[PageShape]
    pages_held: bool
    people: list[ResponderShape]
    photos: list[PhotoShape]
    never: list[Words]
    sweep: list[SweepShape]
    into: str
    false_alarm: FalseAlarmShape | None
    closed_false: bool
    life_clock: LifeClockShape | None
    held: HoldShape | None
    close: list[CheckShape]
    overridden: str
    attendance: list[AttendanceShape]
    missing: list[Words]
    records: list[RecordShape]
