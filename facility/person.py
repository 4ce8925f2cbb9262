"""People, the certificates they hold, and the parties outside who can be paged."""

from dataclasses import dataclass
from datetime import date

from facility.text import Text


@dataclass(frozen=True, slots=True)
class Certificate:
    """A licence to do a kind of work, valid to the end of `until`."""

    kind: str
    number: str
    until: date | None  # None: does not expire


@dataclass(frozen=True, slots=True)
class Channel:
    """One way to reach somebody: `kind` names the pager, `address` is what it needs."""

    kind: str
    address: str


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who can be on duty."""

    id: str
    name: str
    roles: tuple[str, ...]
    channels: tuple[Channel, ...]
    phone: str = ""
    certificates: tuple[Certificate, ...] = ()
    standby: bool = False  # may be paged off duty when nobody on duty answers


@dataclass(frozen=True, slots=True)
class Party:
    """A contractor or utility with a 24 h number; paged without an account."""

    id: str
    name: Text
    roles: tuple[str, ...]
    channels: tuple[Channel, ...]
    phone: str
    deputy: str = ""
