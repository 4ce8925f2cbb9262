"""Other files in place of those that hold: prepared beside the running service, and put in place in one step.

All that can be wrong with the new files shows while they are prepared; then nothing has changed. What stands on the
old ones is held, written down and let go by the desk. The step itself only puts what is ready in place of what was:
should it fail all the same, the process ends, and is started again with the new files. There is no state between.
"""

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog

from alarms.board import Board
from alarms.rules import Evaluator
from collectors.difference import Difference, Files
from facility.records import Record
from facility.scan import Reason, Scan, missed
from facility.site import Site
from sitefolder import Loaded

if TYPE_CHECKING:
    from collectors.supervisor import Collectors

log = structlog.get_logger(__name__)

HALF_EXIT = 72
"""Exit code when an exchange of files failed in the middle of its one step: started again, the new files hold."""


class NotNowError(Exception):
    """The disk does not take what was read by the old files: they hold until it does."""


class Exchange:
    """One exchange of files, for the desk to carry out at a moment of its choosing.

    `done` is over once the new files hold, or with the error for which the old ones still do.
    """

    def __init__(
        self, old: Site, loaded: Loaded, site: Site, difference: Difference, collectors: "Collectors | None"
    ) -> None:
        """Take what is exchanged: the old files for `loaded`, that is, for `site` with the monitoring computer."""
        self.site = site
        self.place: Callable[[], Sequence[Record]] = tuple
        """Puts all but the collectors under the new files, without waiting; returns what is to be recorded."""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._old, self._loaded, self._difference = old, loaded, difference
        self._collectors = collectors

    def prepare(self) -> None:
        """Compile the new files: rules, read plans, decoders. For a thread.

        Raises:
            ValueError: something of them cannot be compiled.
        """
        self.evaluator, self.board = Evaluator(self.site), Board(self.site)
        if self._collectors is not None:
            files = Files(self._loaded.site, self._loaded.profiles, self._loaded.secrets)
            self._coming = self._collectors.prepare(files, self._difference)

    @property
    def withdrawn(self) -> bool:
        """Whether nobody waits for it any more: the old files hold."""
        return self.done.done()

    def hold(self) -> None:
        """Let those rest that are read otherwise from now on; may be said again."""
        if self._collectors is not None:
            self._collectors.hold(self._coming)

    def last_words(self, now: int) -> list[Scan]:
        """Return, for each device that is no more, the scan that ends its history: removed, which is not good."""
        gone = [self._old.devices[id] for id in self._difference.devices.removed]
        return [missed(device.id, now, len(device.points), Reason.REMOVED) for device in gone]

    def release(self, why: Exception) -> None:
        """Go on under the old files; may be said again."""
        if self._collectors is not None:
            self._collectors.release()
        if not self.done.done():
            self.done.set_exception(why)

    def swap(self) -> Sequence[Record]:
        """Put everything under the new files; return what is to be recorded of it."""
        said = self.place()
        if self._collectors is not None:
            self._collectors.exchange(self._coming)
        return said

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Carry out the one step: all of it, or this process ends."""
        try:
            yield
        except Exception as error:
            log.critical("the new files could not be put in place; ending to be started again", exc_info=error)
            os._exit(HALF_EXIT)
        self.done.set_result(None)
