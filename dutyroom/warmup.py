"""What the first incident would have to wait for, loaded once the service answers.

The first page would hold the loop for 0.2 s, and the first look at records takes a processor for 0.4 s.
"""

from collections.abc import Iterable
from importlib import import_module

import structlog

from facility.ports import Pager
from response.pagers.webhook import WebhookPager

LATE = ("stores.query", "jinja2", "prometheus_client")
"""Who needs these: the records of an incident, the phone page, the figures."""

log = structlog.get_logger(__name__)


def warm_up(pagers: Iterable[Pager]) -> None:
    """Load it; for a thread. What fails here fails again, and is said, where it is needed."""
    for pager in pagers:
        if isinstance(pager, WebhookPager):
            pager.prepare()
    for name in LATE:
        try:
            import_module(name)
        except ImportError as error:
            log.error("a module cannot be loaded", module=name, why=str(error))
