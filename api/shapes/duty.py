"""People: who is on duty, who can be called, who is logged in, what a demo phone received."""

from api.shapes.base import Shape, Words
from api.shapes.site import PersonName


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


class CalendarShape(Shape):
    """How far it is known which days are worked (None: nothing is), in words, and whether today is."""

    known_until: str | None
    workday: bool
    text: Words


class AheadShape(Shape):
    """Something about duty to be put right: hole, certificate, untested or calendar; `at_ms` is when it hurts."""

    id: str
    what: str
    at_ms: int
    text: Words


class ShiftsShape(Shape):
    """The roster as it works out at a moment."""

    at_ms: int
    duty: list[OnDuty]
    holes: list[HoleShape]
    expiring: list[ExpiringShape]
    calendar: CalendarShape
    ahead: list[AheadShape]


class SpanShape(Shape):
    """The same people on duty from one moment to another; `missing` says that a layer of the role lacks somebody."""

    from_ms: int
    to_ms: int
    people: list[PersonName]
    missing: bool


class RowShape(Shape):
    """One role's spans, in order and without gaps."""

    role: str
    role_name: Words
    spans: list[SpanShape]


class DayShape(Shape):
    """A calendar day of the site: its begin, whether it is worked, and whether anybody has said so."""

    day: str
    from_ms: int
    workday: bool
    known: bool


class GridShape(Shape):
    """Who is on duty day by day."""

    days: list[DayShape]
    rows: list[RowShape]


class ChangeShape(Shape):
    """A change to the roster; see `facility.records.RosterChanged`.

    `state` is proposed, planned, running, over, lapsed or revoked; `opens` are the holes left while it holds.
    """

    id: str
    what: str
    what_name: Words
    state: str
    state_name: Words
    role: str
    role_name: Words
    person: str
    name: str
    other: str
    other_name: str
    from_ms: int
    to_ms: int
    other_from_ms: int
    other_to_ms: int
    reason: str
    by: str
    at_ms: int
    opens: list[Words]


class ChangePreview(Shape):
    """What a change would do: why it is refused (empty: it is not), and the holes that it would leave."""

    refused: Words
    opens: list[Words]


class LinkShape(Shape):
    """A calendar that a calendar program may subscribe to, without an account."""

    whose: str
    name: Words
    path: str


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


class TestShape(Shape):
    """One channel of a person or party, and its newest test page; `failed` says that the channel has to be doubted.

    `state` is never where nobody tried it; then there is no `requested_ms`, `due_ms` and `at_ms`.
    """

    person: str
    name: Words
    channel: str
    state: str
    why: str
    requested_ms: int | None
    due_ms: int | None
    at_ms: int | None
    said: str
    attempts: int
    failed: bool


class PeopleShape(Shape):
    """Everybody who can be called."""

    people: list[PersonShape]
    parties: list[PartyShape]


class MeShape(Shape):
    """Who is logged in and what they may do."""

    id: str
    name: str
    role: str
    role_name: Words
    person: str
    rights: list[str]
    reach: dict[str, str]


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
