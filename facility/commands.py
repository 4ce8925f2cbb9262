"""What people ask the desk to do. Imperative; each carries who asks and a request id that makes a repeat harmless."""

from dataclasses import dataclass, field

from facility.text import Text


@dataclass(frozen=True, slots=True)
class Command:
    """`actor` is "user:<id>" from the console or "person:<id>" from the phone page; `request` is unique per press.

    `pressed_ms` is when it was pressed, where a phone without signal kept it for a while; otherwise 0.
    """

    actor: str
    request: str
    pressed_ms: int = field(default=0, kw_only=True)


@dataclass(frozen=True, slots=True)
class AcknowledgeAlarm(Command):
    """The operator has seen it: stops sound and blinking, nothing else."""

    alarm: str
    comment: str = ""


@dataclass(frozen=True, slots=True)
class StartPlan(Command):
    """A plan is started by hand: the place (a machine, or words) and who called."""

    plan: str
    equipment: str = ""
    place: str = ""
    caller: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class StartDrill(Command):
    """A plan is drilled: where, with whom (ids), and whether parties outside the house are called, too."""

    plan: str
    equipment: str = ""
    place: str = ""
    note: str = ""
    expected: tuple[str, ...] = ()
    invited: bool = False


@dataclass(frozen=True, slots=True)
class AttendDrill(Command):
    """Somebody is ticked present at a drill, or no longer."""

    incident: str
    person: str
    present: bool = True


@dataclass(frozen=True, slots=True)
class AnswerBell(Command):
    """The operator spoke with the car: is somebody trapped?"""

    incident: str
    trapped: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class Accept(Command):
    """A paged person takes it and is on the way, to be there in `eta_min` minutes (0: unsaid).

    `heard_by` when the operator records it by voice.
    """

    incident: str
    person: str
    heard_by: str = ""
    eta_min: int = 0


@dataclass(frozen=True, slots=True)
class Decline(Command):
    """A paged person cannot come."""

    incident: str
    person: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class OpenPage(Command):
    """A paged person looks at what was sent, `via` link or a channel with read receipts; it acknowledges nothing."""

    incident: str
    person: str
    via: str = "link"


@dataclass(frozen=True, slots=True)
class Arrive(Command):
    """A responder stands at the place; `via` says by what on the phone page: qr (the machine's label) or hand."""

    incident: str
    person: str
    via: str = ""


@dataclass(frozen=True, slots=True)
class TickStep(Command):
    """A step is done, by whom; `answer` is the id of what was answered to its question.

    `heard`: whoever is named said so by voice, to whoever asks.
    """

    incident: str
    step: str
    person: str = ""
    note: str = ""
    answer: str = ""
    heard: bool = False


@dataclass(frozen=True, slots=True)
class ConfirmFalse(Command):
    """Somebody knows that the alarm was false, and how: voice, camera, on-site."""

    incident: str
    how: str
    person: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class ConfirmClose(Command):
    """A named person says what dead telemetry cannot: that a check (counted from 0) of the close gate is met."""

    incident: str
    check: int
    person: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class OverrideClose(Command):
    """The telemetry of the close gate is set aside, and why."""

    incident: str
    reason: str


@dataclass(frozen=True, slots=True)
class ReleaseEquipment(Command):
    """A machine that was held may run again: who signed, and what the test run showed."""

    equipment: str
    person: str
    note: str


@dataclass(frozen=True, slots=True)
class SkipStep(Command):
    """A step is left out, and why."""

    incident: str
    step: str
    reason: str


@dataclass(frozen=True, slots=True)
class Finish(Command):
    """A responder's work is done, with the result."""

    incident: str
    person: str
    result: str = ""


@dataclass(frozen=True, slots=True)
class HandOver(Command):
    """A responder asks somebody by name to take over; `to` nobody takes the question back."""

    incident: str
    person: str
    to: str


@dataclass(frozen=True, slots=True)
class UseLink(Command):
    """A device acts by somebody's link; fields as in `facility.records.LinkUsed`."""

    incident: str
    person: str
    device: str
    app: str


@dataclass(frozen=True, slots=True)
class RevokeLinks(Command):
    """The links of a person to an incident, open or over, stop working; a new one goes out where it is needed.

    `generation` is the one that holds now, of an incident that is over.
    """

    incident: str
    person: str
    generation: int = 0


@dataclass(frozen=True, slots=True)
class AddPhoto(Command):
    """A responder took a photo, which is kept under its SHA-256."""

    incident: str
    person: str
    photo: str
    bytes: int
    step: str = ""


@dataclass(frozen=True, slots=True)
class ErasePhoto(Command):
    """A photo of an incident, open or over, is to be erased, and why."""

    incident: str
    photo: str
    reason: str


@dataclass(frozen=True, slots=True)
class AddNote(Command):
    """Something worth writing down."""

    incident: str
    note: str


@dataclass(frozen=True, slots=True)
class CloseIncident(Command):
    """The operator closes it; as a `false_alarm`, its steps need not be done."""

    incident: str
    cause: str
    result: str = ""
    false_alarm: bool = False


@dataclass(frozen=True, slots=True)
class ShelveAlarm(Command):
    """The operator puts an alarm away, until a moment or until it clears; `alarm` is its subject, open or not."""

    alarm: str
    reason: str
    minutes: int = 15
    until_clear: bool = False


@dataclass(frozen=True, slots=True)
class UnshelveAlarm(Command):
    """The operator takes it off the shelf again."""

    alarm: str


@dataclass(frozen=True, slots=True)
class ResetAlarm(Command):
    """A latched alarm is reset by somebody who may; `person` is who, where the desk writes it for them."""

    alarm: str
    person: str = ""
    comment: str = ""


@dataclass(frozen=True, slots=True)
class ClearLift(Command):
    """A lift that was presumed occupied is known to be empty (`how`: intercom, guard), or not (`how`: trapped)."""

    incident: str
    lift: str
    how: str
    person: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class IssuePermit(Command):
    """Planned work is announced; fields as in `facility.records.PermitIssued`."""

    work: str
    equipment: tuple[str, ...]
    holder: str
    from_ms: int
    until_ms: int
    task: str
    people: tuple[str, ...] = ()
    number: str = ""


@dataclass(frozen=True, slots=True)
class ExtendPermit(Command):
    """The work takes longer."""

    permit: str
    until_ms: int
    reason: str


@dataclass(frozen=True, slots=True)
class EndPermit(Command):
    """The work is done; or, with `why` cancelled, will not be."""

    permit: str
    why: str = "finished"
    note: str = ""


@dataclass(frozen=True, slots=True)
class CheckEquipment(Command):
    """A machine that was out of service was checked: it works, or not; before a power cut: a lift is empty, or not."""

    permit: str
    equipment: str
    works: bool
    person: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class IssueTicket(Command):
    """A switching ticket is written; `steps` are (equipment, point, value, text) in their order."""

    task: str
    steps: tuple[tuple[str, str, float, str], ...]
    operator: str
    supervisor: str


@dataclass(frozen=True, slots=True)
class SignOperation(Command):
    """One of a ticket's two people orders an operation (counted from 0), or says that it was carried out.

    With a `reason`, said by both, it goes on although telemetry does not show the position.
    """

    ticket: str
    step: int
    person: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class StopTicket(Command):
    """A ticket is not carried on, and why."""

    ticket: str
    note: str


@dataclass(frozen=True, slots=True)
class ChangeRoster(Command):
    """The roster is changed for a while; fields as in `facility.records.RosterChanged`.

    `own` is the person who asks for nothing but an exchange of their own shift; empty when a supervisor enters it.
    """

    what: str
    person: str
    role: str
    from_ms: int
    to_ms: int
    reason: str
    other: str = ""
    other_from_ms: int = 0
    other_to_ms: int = 0
    own: str = ""


@dataclass(frozen=True, slots=True)
class AgreeSwap(Command):
    """The other one agrees to exchange shifts (`own`), or a supervisor says so."""

    change: str
    own: str = ""


@dataclass(frozen=True, slots=True)
class RevokeChange(Command):
    """A change is taken back; `own` may decline or withdraw a swap that waits, and no more."""

    change: str
    reason: str
    own: str = ""


@dataclass(frozen=True, slots=True)
class RevokeCalendar(Command):
    """All links to a calendar that were given out stop working; `whose` is "person:<id>" or "role:<id>"."""

    whose: str


@dataclass(frozen=True, slots=True)
class ReleasePages(Command):
    """An incident from a restored backup was looked at: its pages go on, or those that wait are dropped."""

    incident: str
    send: bool


@dataclass(frozen=True, slots=True)
class TryChannel(Command):
    """Somebody wants to know whether a person can be reached on a channel."""

    person: str
    channel: str


@dataclass(frozen=True, slots=True)
class AnswerTest(Command):
    """The person confirms a test page, `via` link or reply."""

    key: str
    person: str
    via: str = "link"


@dataclass(frozen=True, slots=True)
class Refused:
    """The desk's no: what happened, what to do; `code` is ASCII (not-found, conflict, forbidden, invalid)."""

    code: str
    why: Text
