"""Who may do what: five roles, default deny, the table of the security design as data.

What is not in the table is not allowed. Everybody has exactly one role, so that the administrator cannot operate and
the operator cannot administer. A reach of OWN means, for a technician: incidents that paged, or were taken
by, the person behind the account, and machines of that person's trade.
"""

from collections.abc import Mapping
from enum import StrEnum

from facility.equipment import split_point
from facility.point import System
from facility.site import Site
from stores.accounts import Role


class Right(StrEnum):
    """One thing that can be done."""

    SEE_SITE = "site.see"
    SEE_HEALTH = "health.see"
    SEE_LIVE = "live.see"
    SEE_INCIDENTS = "incidents.see"
    SEE_SHIFTS = "shifts.see"
    SEE_CONTACTS = "contacts.see"
    SEE_AUDIT = "audit.see"
    SEE_FIGURES = "figures.see"
    ACKNOWLEDGE = "alarms.acknowledge"
    SHELVE = "alarms.shelve"  # a right apart: it keeps alarms from people
    RESET = "alarms.reset"  # who may is the machine's card's word
    START_PLAN = "incidents.start"
    DRILL = "drills.start"  # and write down who was there
    COMMENT = "incidents.comment"
    RESPOND = "incidents.respond"  # accept, decline, arrive, tick, finish
    LEAD = "incidents.lead"  # answer the bell, leave a step out, record what another said by voice
    CLOSE = "incidents.close"
    ERASE_PHOTOS = "photos.erase"  # personal data, on request
    SEE_WORKS = "works.see"
    ISSUE_PERMITS = "works.issue"  # and extend, end, cancel
    CHECK_MACHINES = "works.check"
    ISSUE_TICKETS = "tickets.issue"  # and stop
    SIGN_OPERATIONS = "tickets.sign"
    RELOAD = "site.reload"  # have the site's files read again
    CHANGE_ROSTER = "roster.change"  # OWN: an exchange of the own shift, which the other one agrees to


class Reach(StrEnum):
    """How far a right goes."""

    SITE = "site"
    OWN = "own"  # own incidents, own trade's machines, own records
    ACCEPTANCE = "acceptance"  # machines under acceptance; the whole site until campaigns say which these are
    RESULT = "result"  # once a responder has given a result


_O, _T, _E, _M, _A = Role.OPERATOR, Role.TECHNICIAN, Role.ENGINEER, Role.MANAGER, Role.ADMIN

TABLE: Mapping[Right, Mapping[Role, Reach]] = {
    Right.SEE_SITE: {_O: Reach.SITE, _T: Reach.SITE, _E: Reach.SITE, _M: Reach.SITE, _A: Reach.SITE},
    Right.SEE_HEALTH: {_O: Reach.SITE, _T: Reach.SITE, _E: Reach.SITE, _M: Reach.SITE, _A: Reach.SITE},
    Right.SEE_LIVE: {_O: Reach.SITE, _T: Reach.OWN, _E: Reach.ACCEPTANCE, _M: Reach.SITE},
    Right.SEE_INCIDENTS: {_O: Reach.SITE, _T: Reach.OWN, _M: Reach.SITE},
    Right.SEE_SHIFTS: {_O: Reach.SITE, _T: Reach.SITE, _M: Reach.SITE},
    Right.SEE_CONTACTS: {_O: Reach.SITE, _T: Reach.OWN, _M: Reach.SITE},
    Right.SEE_AUDIT: {_O: Reach.OWN, _T: Reach.OWN, _E: Reach.OWN, _M: Reach.SITE, _A: Reach.SITE},
    Right.SEE_FIGURES: {_O: Reach.SITE, _E: Reach.SITE, _M: Reach.SITE},
    Right.ACKNOWLEDGE: {_O: Reach.SITE, _T: Reach.OWN, _M: Reach.SITE},
    Right.SHELVE: {_O: Reach.SITE, _M: Reach.SITE},
    Right.RESET: {_O: Reach.SITE, _T: Reach.OWN, _M: Reach.SITE},
    Right.START_PLAN: {_O: Reach.SITE, _M: Reach.SITE},
    Right.DRILL: {_O: Reach.SITE, _M: Reach.SITE},
    Right.COMMENT: {_O: Reach.SITE, _T: Reach.OWN, _M: Reach.SITE},
    Right.RESPOND: {_O: Reach.SITE, _T: Reach.OWN, _M: Reach.SITE},
    Right.LEAD: {_O: Reach.SITE, _M: Reach.SITE},
    Right.CLOSE: {_O: Reach.RESULT, _M: Reach.SITE},
    Right.ERASE_PHOTOS: {_M: Reach.SITE},
    Right.SEE_WORKS: {_O: Reach.SITE, _T: Reach.OWN, _E: Reach.ACCEPTANCE, _M: Reach.SITE},
    Right.ISSUE_PERMITS: {_O: Reach.SITE, _M: Reach.SITE},
    Right.CHECK_MACHINES: {_O: Reach.SITE, _T: Reach.OWN, _M: Reach.SITE},
    Right.ISSUE_TICKETS: {_O: Reach.SITE, _M: Reach.SITE},
    Right.SIGN_OPERATIONS: {_O: Reach.SITE, _T: Reach.OWN, _M: Reach.SITE},
    Right.RELOAD: {_E: Reach.SITE, _A: Reach.SITE},
    Right.CHANGE_ROSTER: {_O: Reach.OWN, _T: Reach.OWN, _M: Reach.SITE},
}

TRADES: Mapping[str, frozenset[System]] = {
    "electrician": frozenset({System.POWER}),
    "lift-technician": frozenset({System.LIFT}),
    "hvac-technician": frozenset({System.HVAC}),
    "plumber": frozenset({System.WATER}),
    "guard": frozenset({System.FIRE}),
    "engineering-supervisor": frozenset({System.LIFT, System.HVAC, System.POWER, System.FIRE, System.WATER}),
}
"""Which systems are a duty role's own trade."""


def reach(role: str, right: Right) -> Reach | None:
    """Return how far a role may go with a right; None is no."""
    try:
        return TABLE.get(right, {}).get(Role(role))
    except ValueError:
        return None


def rights_of(role: str) -> dict[str, str]:
    """Return every right of a role with its reach, for the screens that show only what may be done."""
    return {right.value: how.value for right in Right if (how := reach(role, right))}


def own_machines(site: Site, person: str) -> frozenset[str]:
    """Return the machines of a person's trade, and their devices; none for somebody the site does not know."""
    known = site.people.get(person)
    systems = frozenset[System]().union(*(TRADES.get(r, frozenset()) for r in (known.roles if known else ())))
    machines = {e.id for e in site.equipment.values() if site.kinds[e.kind].system in systems}
    # The alarm that a device has gone silent is its device's, and so its machines' people's.
    devices = {d.id for d in site.devices.values() if any(split_point(p)[0] in machines for p in d.points)}
    return frozenset(machines | devices)
