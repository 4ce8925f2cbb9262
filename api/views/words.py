"""Words in both languages, names and numbers, as every shape has them."""

import math

from api.shapes.base import Words
from api.shapes.site import PersonName
from facility.plan import LIFE_CLOCK, Plan
from facility.site import Site
from facility.text import Text
from response.plans import plan as steps

NO_WORDS = Words(zh="", en="")


def words(text: Text) -> Words:
    """Return a text as it leaves."""
    return Words(zh=text.zh, en=text.en)


def number(value: float | None) -> float | None:
    """Return a number, or None for what is none: NaN and infinities never leave."""
    return value if value is not None and math.isfinite(value) else None


def person_name(site: Site, id: str) -> str:
    """Return the name of a person or party, or the id where the site no longer knows it."""
    if id in site.people:
        return site.people[id].name
    return site.parties[id].name.zh if id in site.parties else id


def role_name(site: Site, role: str) -> Text:
    """Return the site's word for a duty role."""
    return site.roles.get(role) or Text(role, role)


def promise_name(site: Site, promise: str, plan: Plan | None = None) -> Text:
    """Return the site's word for a promise; one that is a step's own is called by the step's text."""
    if promise == LIFE_CLOCK:
        return Text("困人时限", "people held")
    step = steps.step_of(plan, promise.removeprefix("step/")) if plan and promise.startswith("step/") else None
    return step.text if step else (site.promises.get(promise) or Text(promise, promise))


def certificate_name(site: Site, certificate: str) -> Text:
    """Return the site's word for a certificate."""
    return site.certificates.get(certificate) or Text(certificate, certificate)


def person(site: Site, id: str) -> PersonName:
    """Return somebody with the name that the site knows."""
    known = site.people.get(id) or site.parties.get(id)
    return PersonName(id=id, name=person_name(site, id), roles=list(known.roles) if known else [])
