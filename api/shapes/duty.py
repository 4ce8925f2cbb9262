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
