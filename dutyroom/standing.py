"""What screens may believe: the committed state, as it stood after one commit."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from alarms.life import Alarm
from facility.duty import Roster
from facility.plan import Plan
from response.duty.change import Change
from response.incident import Incident
from response.paging.tryout import Tryout
from response.permits.permit import Permit
from response.permits.ticket import Ticket
from response.plans.outofservice import Hold


@dataclass(frozen=True, slots=True)
class Standing:
    """The committed state."""

    at_ms: int
    seq: int
    alarms: Mapping[str, Alarm]
    incidents: Mapping[str, Incident]
    permits: Mapping[str, Permit] = field(default_factory=dict)
    tickets: Mapping[str, Ticket] = field(default_factory=dict)
    changes: Mapping[str, Change] = field(default_factory=dict)
    calendars: Mapping[str, int] = field(default_factory=dict)
    roster: Roster | None = None  # as changed; None before anything was published
    held: frozenset[str] = frozenset()  # incidents from a backup, whose pages wait for a person
    tryouts: Mapping[tuple[str, str], Tryout] = field(default_factory=dict)  # by person and channel
    out_of_service: Mapping[str, Hold] = field(default_factory=dict)  # machines, until something is signed
    plans: Mapping[tuple[str, str], Plan] = field(default_factory=dict)  # by id and version
