"""Who else is coming, and whose work may pass to whom."""

from dataclasses import dataclass

from api.phone.saying import Say
from facility.plan import Plan
from facility.site import Site
from response.incident import Incident
from response.phone import relief

TAKERS = 30
"""So many names are offered to choose from."""


@dataclass(frozen=True, slots=True)
class Relief:
    """Who asks this person to take over, whom this person asks, and whom they may ask (id and name)."""

    asked_by: str
    asks: str
    takers: tuple[tuple[str, str], ...]


def coming(incident: Incident, person: str, say: Say) -> tuple[str, ...]:
    """Return everybody else who is there, on the way, or finished; no numbers."""
    roles = {who: called.roles[0] for who, called in incident.called.items() if called.roles}
    out: list[str] = []
    for who in dict.fromkeys([*incident.arrived, *incident.accepted]):
        if who == person:
            continue
        there = incident.handset.there_ms.get(who)
        about = ""
        if who in incident.finished:
            how, at = "finished", incident.finished[who]
        elif who in incident.arrived:
            how, at = "there", incident.arrived[who]
        else:
            how, at = "on_the_way", incident.accepted[who]
            about = f"（{say('about')} {say.time(there)}）" if there else ""
        out.append(
            " ".join(
                part for part in (say.name(who), say.role(roles.get(who, "")), say(how), say.time(at) + about) if part
            )
        )
    return tuple(out)


def relieved(site: Site, incident: Incident, plan: Plan | None, person: str, state: str, say: Say) -> Relief:
    """Return what passes between responders."""
    asked_by = say.names([say.name(who) for who in incident.handset.asked_by(person)]) if state != "closed" else ""
    to = incident.handset.offers.get(person, "")
    at_work = state in {"accepted", "arrived"}
    takers = relief.may_take(incident, plan, site, person)[:TAKERS] if at_work and not to else []
    return Relief(asked_by, say.name(to) if to and at_work else "", tuple((who, say.name(who)) for who in takers))
