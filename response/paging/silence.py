"""When the last level has nobody who could come: whoever stands above hears of it, and the desk; it is never silent."""

from facility.plan import Plan
from facility.records import Record
from facility.site import Site
from facility.text import Text
from response.incident import CONFIRMED, Incident
from response.paging import above
from response.paging.requests import channels, tell_beside
from response.paging.responders import stopped

NOBODY = "nobody"
"""Why somebody is told beside the levels: there is nobody left to call."""

_SAID = Text(
    "没有可呼叫的处置人员：各级都无人当班、持证、可联系，或都已谢绝。请立即安排人员到场。",
    "There is nobody to call: on no level is anybody on duty, certified, within reach and willing. Send somebody now.",
)


def told(incident: Incident, plan: Plan, site: Site, at: int, level: int) -> list[Record]:
    """Return the pages to whoever stands above when a level has nobody to come: the last one, with nobody on the way.

    It is the first of supervisor, leader on duty, manager and company leader who can be reached; for a life, with
    none of them on duty, everybody who holds such a role or one that the plan calls, on duty or not.
    """
    if level + 1 < len(plan.levels) or stopped(incident, plan, site):
        return []
    return tell_beside(incident, plan, site, at, _people(incident, plan, site, at), _SAID, f"{NOBODY}/{level}@{at}")


def nobody(incident: Incident, plan: Plan, site: Site) -> bool:
    """Say whether all levels were climbed and there was nobody to call, so that somebody has to be found by hand."""
    last = incident.level == len(plan.levels) - 1 and incident.stage == CONFIRMED and bool(incident.unfilled)
    asked = any(called.responder for who, called in incident.called.items() if who not in incident.declined)
    return last and not asked and not stopped(incident, plan, site)


def _people(incident: Incident, plan: Plan, site: Site, at: int) -> above.People:
    found = above.supervisors(site, incident, at) or above.everyone(site, incident, at, (above.COMPANY,))
    if found or not incident.life:
        return found
    roles = {above.SUPERVISOR, above.LEADER, above.MANAGER, above.COMPANY}
    roles |= {call.role for level in plan.levels for call in level.calls}
    holders = ((p.id, next((r for r in p.roles if r in roles), "")) for p in site.people.values())
    return [(who, role) for who, role in holders if role and channels(site, who)]
