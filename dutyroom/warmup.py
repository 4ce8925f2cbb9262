"""What the first incident would have to wait for, loaded once the service answers.

The first page would hold the loop for 0.2 s, and the first look at records takes a processor for 0.4 s.
"""

import asyncio
from collections.abc import Iterable, Sequence
from importlib import import_module

import structlog

from facility.ports import Clock, Pager
from response.pagers.webhook import WebhookPager

LATE = ("stores.query", "jinja2", "prometheus_client")
"""Who needs these: the records of an incident, the phone page, the figures."""

AFTER_MS = 1_000
"""First come the lines, their first scans, and whoever waits for an answer."""

log = structlog.get_logger(__name__)


async def warm_up(pagers: Sequence[Pager], clock: Clock) -> None:
    """Load it in a thread, a little after the start."""
    await clock.until(clock.now() + AFTER_MS)
    await asyncio.to_thread(_load, pagers)


def _load(pagers: Iterable[Pager]) -> None:
    """What fails here fails again, and is said, where it is needed."""
    for pager in pagers:
        if isinstance(pager, WebhookPager):
            pager.prepare()
    for name in LATE:
        try:
            import_module(name)
        except ImportError as error:
            log.error("a module cannot be loaded", module=name, why=str(error))
