"""What a decision may look at: the site, the moment, the newest readings, and the cause that topology gives."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from facility.plan import Plan
from facility.site import Site
from response.plans.drill import PAPER, on_paper

if TYPE_CHECKING:
    from response.incident import Incident

Read = Callable[[str], tuple[float, int, int] | None]
"""Newest reading of a site point: value, reason, at_ms; None when nothing was ever heard."""

Cause = Callable[[str, str], str | None]
"""(owner, rule) of an alarm to the upstream machine whose loss of supply explains it, or None."""


Holders = Callable[[str], tuple[str, ...]]
"""A machine to whoever answers for the work that runs on it: the holders of its permits."""


def _nothing(_point: str) -> None:
    return None


def _no_cause(_owner: str, _rule: str) -> None:
    return None


Lost = Callable[[str], str | None]
"""A machine to the one upstream whose loss of supply left it without power, or None."""


def _not_lost(_machine: str) -> None:
    return None


def _nobody(_machine: str) -> tuple[str, ...]:
    return ()


Changed = Callable[[str], int | None]
"""A site point to the moment since which its newest reading has been the same; None when nothing was ever heard."""

ShownSince = Callable[[str, str], int | None]
"""An incident and what its telemetry must show, to since when it has shown that without a break; None: it does not."""


def _unknown(_point: str) -> None:
    return None


def _not_shown(_incident: str, _what: str) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Context:
    """The world as it stands at `now` (UTC milliseconds).

    `plans` holds older versions of plans, by (id, version): an incident keeps the version it began with, and
    the newest stands in only where that version is no longer kept.
    """

    site: Site
    now: int
    read: Read = _nothing
    cause: Cause = _no_cause
    holders: Holders = _nobody
    lost: Lost = _not_lost
    changed: Changed = _unknown
    shown_since: ShownSince = _not_shown
    plans: Mapping[tuple[str, str], Plan] = field(default_factory=dict)

    def plan(self, incident: "Incident") -> Plan | None:
        """Return the plan an incident runs by; None when neither its version nor a newer one exists."""
        return plan_of(self.site, self.plans, incident)


def plan_of(site: Site, plans: Mapping[tuple[str, str], Plan], incident: "Incident") -> Plan | None:
    """Return the plan an incident runs by, of all versions that are kept; the site's where its own is not."""
    plan = plans.get((incident.plan, incident.plan_version)) or site.plans.get(incident.plan)
    return on_paper(plan) if plan is not None and incident.drill == PAPER else plan
