"""What a due moment makes of an incident: levels, rounds, channels, acceptances and promises.

`agenda` says what comes when; `carry_out` says which records that makes. Both look at nothing but their arguments,
so that an incident read back from the book goes on exactly as if nothing had happened.
"""

from facility import records
from facility.plan import Plan
from facility.records import Record
from facility.site import Site
from response.agenda import Due
from response.fold import tell
from response.incident import Incident
from response.lines import write
from response.paging import above
from response.paging.levels import in_their_place, reach
from response.paging.requests import Target, next_channel, request, tell_beside
from response.paging.responders import stopped
from response.plans import lifeclock
from response.plans.plan import BELL


def carry_out(due: Due, incident: Incident, plan: Plan, site: Site) -> list[Record]:  # noqa: C901, PLR0911 - one per kind
    """Return the records that a due moment makes, at that moment, however late we woke."""
    at = max(due.at_ms, incident.last_ms)
    match due.what:
        case "unanswered":
            if incident.answered is not None:
                return [write(incident, at, records.IncidentConfirmed("unconfirmed"))]
            broken = records.PromiseBroken(BELL, incident.confirm_by_ms)
            return [
                write(incident, at, broken, request=f"{incident.id}/broken/{BELL}@{incident.confirm_by_ms}"),
                write(incident, at, records.IncidentConfirmed("unanswered")),
            ]
        case "start" | "again":
            return reach(incident, plan, site, at, 0, due.what)
        case "promise":
            return _broken(incident, plan, site, at, due.which)
        case "warn":
            return _warned(incident, plan, site, at, int(due.which))
        case "expiry":
            expired = write(incident, at, records.AcceptanceExpired(due.which), due.which)
            then = tell(incident, expired)
            return (
                [expired] if stopped(then, plan, site) else [expired, *reach(then, plan, site, at, then.level, "late")]
            )
        case "declined":
            return in_their_place(incident, plan, site, at)
        case "level":
            return reach(incident, plan, site, at, incident.level + 1, "unanswered")
        case "repeat":
            return reach(incident, plan, site, at, incident.level, "unanswered")
        case "channel":
            page = incident.pages[due.which]
            channel = next_channel(incident, site, page) or page.channel
            target = Target(page.person, page.role, page.responder)
            return [request(incident, site, at, (page.level, page.round), target, channel, page.text, page.why)]
    raise AssertionError(due.what)


def _warned(incident: Incident, plan: Plan, site: Site, at: int, after_ms: int) -> list[Record]:
    people = above.everyone(site, incident, at, above.OVER_LIFE)
    why = f"life-clock/{after_ms}@{incident.claims.held_from_ms}"
    warned = write(incident, at, records.LifeClockWarned(after_ms))
    return [warned, *tell_beside(incident, plan, site, at, people, lifeclock.warning(plan, after_ms), why)]


def _broken(incident: Incident, plan: Plan, site: Site, at: int, name: str) -> list[Record]:
    by = incident.promises[name].by_ms
    out = [write(incident, at, records.PromiseBroken(name, by), request=f"{incident.id}/broken/{name}@{by}")]
    climbs = name == plan.arrival and 0 <= incident.level < len(plan.levels) - 1
    if climbs:
        return out + reach(incident, plan, site, at, incident.level + 1, "late")
    found = above.over(site, incident, at, plan, name)
    if found is None:
        return out
    people, said = found
    return out + tell_beside(incident, plan, site, at, people, said, f"broken/{name}@{by}")
