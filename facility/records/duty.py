"""What records say of duty: changes to the roster at run time, and links to its calendars."""

from dataclasses import dataclass

from facility.records.payload import Payload


@dataclass(frozen=True, slots=True)
class RosterChanged(Payload):
    """The roster is changed for a while. The subject is `roster:<id>`; times are UTC milliseconds.

    `what` is cover (`person` is on duty in the place of `other`), extra (beside whoever is), leave (`person` is away,
    `other` stands in, or nobody) or swap (`other` takes the shift of `person` that begins at `from_ms`, and `person`
    that of `other` at `other_from_ms`). What is not `agreed` waits for the other's word, and changes nothing until
    then. `opens` counts the holes that it leaves, as computed then.
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
    agreed: bool = True
    opens: int = 0


@dataclass(frozen=True, slots=True)
class RosterAgreed(Payload):
    """The other one of a swap agrees (`person`), or a supervisor does in their place (empty): it holds from here."""

    person: str = ""


@dataclass(frozen=True, slots=True)
class RosterRevoked(Payload):
    """A change is taken back, or declined by the other one of a swap; what was worked by then stays worked."""

    reason: str
    person: str = ""


@dataclass(frozen=True, slots=True)
class CalendarRevoked(Payload):
    """Links to somebody's or a role's calendar no longer hold; the subject is `calendar:<person or role>:<id>`."""

    generation: int  # of the links that hold from here on
