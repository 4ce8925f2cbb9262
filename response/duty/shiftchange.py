"""A running incident outlives a shift by name: who accepted stays, and who comes on duty is told of it once.

New rounds go to the new shift by themselves, since whom to call is chosen when it is called.
"""

from facility import records
from facility.plan import Plan
from facility.records import Record
from facility.rule import Priority
from facility.site import Site
from response.duty.turns import Turn, next_turn
from response.incident import CONFIRMED, Incident
from response.lines import write
from response.paging import words
from response.paging.requests import channels, page_key
from response.paging.responders import over


def following(incident: Incident, plan: Plan, site: Site) -> Turn | None:
    """Return the change of shift at which the incoming people must be told of an incident; None when there is none."""
    if incident.stage != CONFIRMED or incident.level < 0 or incident.priority > Priority.HIGH:
        return None
    if over(incident, plan, site):
        return None
    roles = {call.role for level in plan.levels[: incident.level + 1] for call in level.calls}
    return next_turn(site, roles, max(incident.turned_ms, incident.confirmed_ms or incident.opened_ms))


def newest(turn: Turn, incident: Incident, plan: Plan, site: Site, now: int) -> Turn:
    """Return the last such change up to now: shifts that were slept through have gone home again."""
    roles = {call.role for level in plan.levels[: incident.level + 1] for call in level.calls}
    while (later := next_turn(site, roles, turn.at_ms)) is not None and later.at_ms <= now:
        turn = later
    return turn


def told(incident: Incident, plan: Plan, site: Site, turn: Turn) -> list[Record]:
    """Return the records of a change of shift: that it was, and a page to everybody who does not know of it yet."""
    at = max(turn.at_ms, incident.last_ms)
    known = incident.called.keys() | incident.accepted.keys() | incident.arrived.keys()
    fresh = [(who, role) for who, role in turn.people if who not in known]
    said = records.ShiftChanged(tuple(who for who, _ in fresh))
    request = f"{incident.id}/shift/{turn.at_ms}"
    out = [write(incident, at, said, *said.people, request=request)]
    text = words.shift_text(incident, plan, site)
    for who, role in fresh:
        for channel in channels(site, who)[:1]:
            key = page_key(f"{incident.id}|shift|{turn.at_ms}", 0, 0, who, channel)
            page = records.PageRequested(
                key, incident.id, who, channel, incident.level, incident.round, responder=False, text=text, role=role
            )
            out.append(write(incident, at, page, who, request=key))
    return out
