"""The log book's words: what happened, in order, never rewritten.

A payload only gains fields (with defaults); a new meaning is a new kind. Payloads hold ids and numbers, and
verbatim the text that was sent; names, phone numbers and photos stay outside.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from facility.records.alarm import (
    AlarmAcknowledged,
    AlarmChattering,
    AlarmCleared,
    AlarmGraded,
    AlarmHidden,
    AlarmRaised,
    AlarmReset,
    AlarmSettled,
    AlarmShelved,
    AlarmShown,
    AlarmUnshelved,
)
from facility.records.drill import DrillAttended
from facility.records.duty import CalendarRevoked, RosterAgreed, RosterChanged, RosterRevoked
from facility.records.handset import (
    LinksRevoked,
    LinkUsed,
    PhotoAdded,
    PhotoErased,
    PressLate,
    WorkOffered,
    WorkTaken,
)
from facility.records.incident import (
    AcceptanceExpired,
    BellAnswered,
    DutyUnfilled,
    IncidentClosed,
    IncidentConfirmed,
    IncidentJoined,
    IncidentNormal,
    IncidentNoted,
    IncidentOpened,
    LevelReached,
    PageAcknowledged,
    PageDeclined,
    PageRefused,
    PageRequested,
    PageSent,
    PlanStarted,
    PromiseBroken,
    PromiseKept,
    ResponderArrived,
    ResponderFinished,
    ShiftChanged,
    StepDone,
    StepSkipped,
    SweepCleared,
    SweepListed,
)
from facility.records.keeping import (
    ClockDoubted,
    EmergencyPaged,
    ItemQuarantined,
    PagesReleased,
    ServicePaused,
    ServiceRestored,
)
from facility.records.paging import (
    AuditFound,
    PageBundled,
    PageDelivered,
    PageFailed,
    PageOpened,
    PageTestAnswered,
    PageTestRefused,
    PageTestRequested,
    PageTestSent,
)
from facility.records.payload import Payload
from facility.records.plan import (
    CloseOverridden,
    CloseSaid,
    EquipmentHeld,
    EquipmentReleased,
    FalseAlarmSaid,
    LifeClockSet,
    LifeClockWarned,
    PromiseBegan,
    ProofLost,
    ProofShown,
)
from facility.records.service import (
    ClockStepped,
    ConfigAdopted,
    HistoryForgotten,
    ServiceStarted,
    ServiceStopped,
    StoreDamaged,
    StoreRestored,
    TaskRestarted,
)
from facility.records.work import (
    PermitChecked,
    PermitEnded,
    PermitExtended,
    PermitIssued,
    PermitOverdue,
    PermitStarted,
    SwitchStep,
    TicketEnded,
    TicketIssued,
    TicketStepDone,
    TicketStepSeen,
)

__all__ = [
    "OPENS",
    "PAYLOADS",
    "AcceptanceExpired",
    "AlarmAcknowledged",
    "AlarmChattering",
    "AlarmCleared",
    "AlarmGraded",
    "AlarmHidden",
    "AlarmRaised",
    "AlarmReset",
    "AlarmSettled",
    "AlarmShelved",
    "AlarmShown",
    "AlarmUnshelved",
    "AuditFound",
    "BellAnswered",
    "CalendarRevoked",
    "ClockDoubted",
    "ClockStepped",
    "CloseOverridden",
    "CloseSaid",
    "ConfigAdopted",
    "DrillAttended",
    "DutyUnfilled",
    "EmergencyPaged",
    "EquipmentHeld",
    "EquipmentReleased",
    "FalseAlarmSaid",
    "HistoryForgotten",
    "IncidentClosed",
    "IncidentConfirmed",
    "IncidentJoined",
    "IncidentNormal",
    "IncidentNoted",
    "IncidentOpened",
    "ItemQuarantined",
    "Kind",
    "LevelReached",
    "LifeClockSet",
    "LifeClockWarned",
    "LinkUsed",
    "LinksRevoked",
    "PageAcknowledged",
    "PageBundled",
    "PageDeclined",
    "PageDelivered",
    "PageFailed",
    "PageOpened",
    "PageRefused",
    "PageRequested",
    "PageSent",
    "PageTestAnswered",
    "PageTestRefused",
    "PageTestRequested",
    "PageTestSent",
    "PagesReleased",
    "Payload",
    "PermitChecked",
    "PermitEnded",
    "PermitExtended",
    "PermitIssued",
    "PermitOverdue",
    "PermitStarted",
    "PhotoAdded",
    "PhotoErased",
    "PlanStarted",
    "PressLate",
    "PromiseBegan",
    "PromiseBroken",
    "PromiseKept",
    "ProofLost",
    "ProofShown",
    "Record",
    "ResponderArrived",
    "ResponderFinished",
    "RosterAgreed",
    "RosterChanged",
    "RosterRevoked",
    "ServicePaused",
    "ServiceRestored",
    "ServiceStarted",
    "ServiceStopped",
    "ShiftChanged",
    "StepDone",
    "StepSkipped",
    "StoreDamaged",
    "StoreRestored",
    "SweepCleared",
    "SweepListed",
    "SwitchStep",
    "TaskRestarted",
    "TicketEnded",
    "TicketIssued",
    "TicketStepDone",
    "TicketStepSeen",
    "WorkOffered",
    "WorkTaken",
    "alarm_subject",
    "calendar_subject",
    "held_subject",
    "incident_subject",
    "permit_subject",
    "restore_subject",
    "roster_subject",
    "test_subject",
    "ticket_subject",
]


class Kind(StrEnum):
    """What a record says happened. Past tense."""

    SERVICE_STARTED = "service.started"
    SERVICE_STOPPED = "service.stopped"
    CONFIG_ADOPTED = "config.adopted"
    STORE_RESTORED = "store.restored"
    STORE_DAMAGED = "store.damaged"
    CLOCK_STEPPED = "clock.stepped"
    TASK_RESTARTED = "task.restarted"
    HISTORY_FORGOTTEN = "history.forgotten"
    SERVICE_RESTORED = "service.restored"
    PAGES_RELEASED = "pages.released"
    SERVICE_PAUSED = "service.paused"
    CLOCK_DOUBTED = "clock.doubted"
    EMERGENCY_PAGED = "emergency.paged"
    ITEM_QUARANTINED = "item.quarantined"

    ALARM_RAISED = "alarm.raised"
    ALARM_CLEARED = "alarm.cleared"
    ALARM_ACKNOWLEDGED = "alarm.acknowledged"
    ALARM_GRADED = "alarm.graded"
    ALARM_RESET = "alarm.reset"
    ALARM_SHELVED = "alarm.shelved"
    ALARM_UNSHELVED = "alarm.unshelved"
    ALARM_HIDDEN = "alarm.hidden"
    ALARM_SHOWN = "alarm.shown"
    ALARM_CHATTERING = "alarm.chattering"
    ALARM_SETTLED = "alarm.settled"

    INCIDENT_OPENED = "incident.opened"
    INCIDENT_JOINED = "incident.joined"
    INCIDENT_CONFIRMED = "incident.confirmed"
    INCIDENT_NORMAL = "incident.normal"
    BELL_ANSWERED = "bell.answered"
    PLAN_STARTED = "plan.started"
    STEP_DONE = "step.done"
    STEP_SKIPPED = "step.skipped"
    LEVEL_REACHED = "level.reached"
    DUTY_UNFILLED = "duty.unfilled"
    PAGE_REQUESTED = "page.requested"
    PAGE_SENT = "page.sent"
    PAGE_REFUSED = "page.refused"
    PAGE_ACKNOWLEDGED = "page.acknowledged"
    PAGE_DECLINED = "page.declined"
    PAGE_DELIVERED = "page.delivered"
    PAGE_OPENED = "page.opened"
    PAGE_FAILED = "page.failed"
    PAGE_BUNDLED = "page.bundled"
    PAGE_TEST_REQUESTED = "page-test.requested"
    PAGE_TEST_SENT = "page-test.sent"
    PAGE_TEST_REFUSED = "page-test.refused"
    PAGE_TEST_ANSWERED = "page-test.answered"
    AUDIT_FOUND = "audit.found"
    ACCEPTANCE_EXPIRED = "acceptance.expired"
    RESPONDER_ARRIVED = "responder.arrived"
    RESPONDER_FINISHED = "responder.finished"
    PROMISE_KEPT = "promise.kept"
    PROMISE_BROKEN = "promise.broken"
    PROMISE_BEGAN = "promise.began"
    FALSE_ALARM_SAID = "false-alarm.said"
    CLOSE_SAID = "close.said"
    CLOSE_OVERRIDDEN = "close.overridden"
    LIFE_CLOCK_SET = "life-clock.set"
    LIFE_CLOCK_WARNED = "life-clock.warned"
    PROOF_SHOWN = "proof.shown"
    PROOF_LOST = "proof.lost"
    EQUIPMENT_HELD = "equipment.held"
    EQUIPMENT_RELEASED = "equipment.released"
    INCIDENT_NOTED = "incident.noted"
    INCIDENT_CLOSED = "incident.closed"
    SWEEP_LISTED = "sweep.listed"
    SWEEP_CLEARED = "sweep.cleared"
    SHIFT_CHANGED = "shift.changed"
    DRILL_ATTENDED = "drill.attended"
    LINK_USED = "link.used"
    LINK_REVOKED = "link.revoked"
    PRESS_LATE = "press.late"
    WORK_OFFERED = "work.offered"
    WORK_TAKEN = "work.taken"
    PHOTO_ADDED = "photo.added"
    PHOTO_ERASED = "photo.erased"

    PERMIT_ISSUED = "permit.issued"
    PERMIT_STARTED = "permit.started"
    PERMIT_EXTENDED = "permit.extended"
    PERMIT_OVERDUE = "permit.overdue"
    PERMIT_ENDED = "permit.ended"
    PERMIT_CHECKED = "permit.checked"
    TICKET_ISSUED = "ticket.issued"
    TICKET_STEP_DONE = "ticket.step-done"
    TICKET_STEP_SEEN = "ticket.step-seen"
    TICKET_ENDED = "ticket.ended"

    ROSTER_CHANGED = "roster.changed"
    ROSTER_AGREED = "roster.agreed"
    ROSTER_REVOKED = "roster.revoked"
    CALENDAR_REVOKED = "calendar.revoked"


PAYLOADS: Mapping[Kind, type[Payload]] = {
    Kind.SERVICE_STARTED: ServiceStarted,
    Kind.SERVICE_STOPPED: ServiceStopped,
    Kind.CONFIG_ADOPTED: ConfigAdopted,
    Kind.STORE_RESTORED: StoreRestored,
    Kind.STORE_DAMAGED: StoreDamaged,
    Kind.CLOCK_STEPPED: ClockStepped,
    Kind.TASK_RESTARTED: TaskRestarted,
    Kind.HISTORY_FORGOTTEN: HistoryForgotten,
    Kind.SERVICE_RESTORED: ServiceRestored,
    Kind.PAGES_RELEASED: PagesReleased,
    Kind.SERVICE_PAUSED: ServicePaused,
    Kind.CLOCK_DOUBTED: ClockDoubted,
    Kind.EMERGENCY_PAGED: EmergencyPaged,
    Kind.ITEM_QUARANTINED: ItemQuarantined,
    Kind.ALARM_RAISED: AlarmRaised,
    Kind.ALARM_CLEARED: AlarmCleared,
    Kind.ALARM_ACKNOWLEDGED: AlarmAcknowledged,
    Kind.ALARM_GRADED: AlarmGraded,
    Kind.ALARM_RESET: AlarmReset,
    Kind.ALARM_SHELVED: AlarmShelved,
    Kind.ALARM_UNSHELVED: AlarmUnshelved,
    Kind.ALARM_HIDDEN: AlarmHidden,
    Kind.ALARM_SHOWN: AlarmShown,
    Kind.ALARM_CHATTERING: AlarmChattering,
    Kind.ALARM_SETTLED: AlarmSettled,
    Kind.INCIDENT_OPENED: IncidentOpened,
    Kind.INCIDENT_JOINED: IncidentJoined,
    Kind.INCIDENT_CONFIRMED: IncidentConfirmed,
    Kind.INCIDENT_NORMAL: IncidentNormal,
    Kind.BELL_ANSWERED: BellAnswered,
    Kind.PLAN_STARTED: PlanStarted,
    Kind.STEP_DONE: StepDone,
    Kind.STEP_SKIPPED: StepSkipped,
    Kind.LEVEL_REACHED: LevelReached,
    Kind.DUTY_UNFILLED: DutyUnfilled,
    Kind.PAGE_REQUESTED: PageRequested,
    Kind.PAGE_SENT: PageSent,
    Kind.PAGE_REFUSED: PageRefused,
    Kind.PAGE_ACKNOWLEDGED: PageAcknowledged,
    Kind.PAGE_DECLINED: PageDeclined,
    Kind.PAGE_DELIVERED: PageDelivered,
    Kind.PAGE_OPENED: PageOpened,
    Kind.PAGE_FAILED: PageFailed,
    Kind.PAGE_BUNDLED: PageBundled,
    Kind.PAGE_TEST_REQUESTED: PageTestRequested,
    Kind.PAGE_TEST_SENT: PageTestSent,
    Kind.PAGE_TEST_REFUSED: PageTestRefused,
    Kind.PAGE_TEST_ANSWERED: PageTestAnswered,
    Kind.AUDIT_FOUND: AuditFound,
    Kind.ACCEPTANCE_EXPIRED: AcceptanceExpired,
    Kind.RESPONDER_ARRIVED: ResponderArrived,
    Kind.RESPONDER_FINISHED: ResponderFinished,
    Kind.PROMISE_KEPT: PromiseKept,
    Kind.PROMISE_BROKEN: PromiseBroken,
    Kind.PROMISE_BEGAN: PromiseBegan,
    Kind.FALSE_ALARM_SAID: FalseAlarmSaid,
    Kind.CLOSE_SAID: CloseSaid,
    Kind.CLOSE_OVERRIDDEN: CloseOverridden,
    Kind.LIFE_CLOCK_SET: LifeClockSet,
    Kind.LIFE_CLOCK_WARNED: LifeClockWarned,
    Kind.PROOF_SHOWN: ProofShown,
    Kind.PROOF_LOST: ProofLost,
    Kind.EQUIPMENT_HELD: EquipmentHeld,
    Kind.EQUIPMENT_RELEASED: EquipmentReleased,
    Kind.INCIDENT_NOTED: IncidentNoted,
    Kind.INCIDENT_CLOSED: IncidentClosed,
    Kind.SWEEP_LISTED: SweepListed,
    Kind.SWEEP_CLEARED: SweepCleared,
    Kind.SHIFT_CHANGED: ShiftChanged,
    Kind.DRILL_ATTENDED: DrillAttended,
    Kind.LINK_USED: LinkUsed,
    Kind.LINK_REVOKED: LinksRevoked,
    Kind.PRESS_LATE: PressLate,
    Kind.WORK_OFFERED: WorkOffered,
    Kind.WORK_TAKEN: WorkTaken,
    Kind.PHOTO_ADDED: PhotoAdded,
    Kind.PHOTO_ERASED: PhotoErased,
    Kind.PERMIT_ISSUED: PermitIssued,
    Kind.PERMIT_STARTED: PermitStarted,
    Kind.PERMIT_EXTENDED: PermitExtended,
    Kind.PERMIT_OVERDUE: PermitOverdue,
    Kind.PERMIT_ENDED: PermitEnded,
    Kind.PERMIT_CHECKED: PermitChecked,
    Kind.TICKET_ISSUED: TicketIssued,
    Kind.TICKET_STEP_DONE: TicketStepDone,
    Kind.TICKET_STEP_SEEN: TicketStepSeen,
    Kind.TICKET_ENDED: TicketEnded,
    Kind.ROSTER_CHANGED: RosterChanged,
    Kind.ROSTER_AGREED: RosterAgreed,
    Kind.ROSTER_REVOKED: RosterRevoked,
    Kind.CALENDAR_REVOKED: CalendarRevoked,
}


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the log book, before the book gives it its number.

    `subject` is what it tells about ("alarm:lift-1a/lift-trapped", "incident:261122-1", "site:demo"); `about`
    lists further ids (equipment, persons) under which it must be found. `request` is unique in the book: a
    second record with the same one is never written.
    """

    at_ms: int
    kind: Kind
    subject: str
    data: Payload
    actor: str = "system"
    request: str | None = None
    about: tuple[str, ...] = ()


def alarm_subject(owner: str, rule: str) -> str:
    """Return the subject of the one alarm a rule can have on a machine."""
    return f"alarm:{owner}/{rule}"


def incident_subject(id: str) -> str:
    """Return the subject of an incident."""
    return f"incident:{id}"


def test_subject(key: str) -> str:
    """Return the subject of a test page."""
    return f"page-test:{key}"


def restore_subject(id: str) -> str:
    """Return the subject of a restored backup, by the time at which it was restored."""
    return f"restore:{id}"


def permit_subject(id: str) -> str:
    """Return the subject of a permit or another planned event."""
    return f"permit:{id}"


def held_subject(equipment: str) -> str:
    """Return the subject of a machine that stays out of service beyond its incident."""
    return f"held:{equipment}"


def ticket_subject(id: str) -> str:
    """Return the subject of a switching ticket."""
    return f"ticket:{id}"


def roster_subject(id: str) -> str:
    """Return the subject of a change to the roster."""
    return f"roster:{id}"


def calendar_subject(whose: str) -> str:
    """Return the subject of the links to a calendar; `whose` is "person:<id>" or "role:<id>"."""
    return f"calendar:{whose}"


OPENS = frozenset(
    {
        Kind.ALARM_RAISED,
        Kind.ALARM_SHELVED,
        Kind.INCIDENT_OPENED,
        Kind.PAGE_TEST_REQUESTED,
        Kind.PERMIT_ISSUED,
        Kind.TICKET_ISSUED,
        Kind.EQUIPMENT_HELD,
        Kind.ROSTER_CHANGED,
        Kind.CALENDAR_REVOKED,
        Kind.SERVICE_RESTORED,
    }
)
"""Kinds that open their subject. Which record ends it is the fold's word: the desk says so at commit."""
