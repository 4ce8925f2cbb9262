"""Scans before the rules: what moved, and the devices whose scans cannot be judged."""

from collections.abc import Callable

from alarms.rules import Evaluator
from alarms.transition import Transition
from facility.scan import Scan
from facility.site import Site
from response.quarantine import TRIES

Bury = Callable[[str, bytes, str], None]
"""Takes what cannot be worked on: where it came from, its bytes, and why."""
SetAside = Callable[[str, str, Exception, int], None]
"""Hears what is set aside: what it is, which, the error, and after how many tries."""


class Evaluation:
    """Steps every scan through the rules and keeps what moved until it is decided."""

    def __init__(self, site: Site, bury: Bury, set_aside: SetAside) -> None:
        self.evaluator = Evaluator(site)
        self.moves: list[Transition] = []
        self._bury, self._set_aside = bury, set_aside
        self._faults: dict[str, int] = {}  # scans in a row that could not be judged, by device

    def step(self, scan: Scan) -> bool:
        """Let the rules judge a scan; say whether one moved.

        One that they cannot judge is kept aside, and counted; the device's others go on.
        """
        try:
            moves = self.evaluator.step(scan)
        except Exception as error:  # noqa: BLE001 - one poison scan must not end who brought it, again and again
            tries = self._faults[scan.device] = self._faults.get(scan.device, 0) + 1
            self._bury(scan.device, repr(scan.values).encode()[:4096], f"{type(error).__name__}: {error}")
            if tries == TRIES:
                self._set_aside("scan", scan.device, error, tries)
            return False
        if self._faults:
            self._faults.pop(scan.device, None)
        self.moves += moves
        return bool(moves)

    def ripen(self, now: int) -> None:
        """Let time alone move what is due."""
        self.moves += self.evaluator.ripen(now)

    def adopt(self, evaluator: Evaluator) -> None:
        """Go on by other rules, with the memory of these; moves of what is not watched any more are over."""
        evaluator.remember(self.evaluator.memory())
        watched = evaluator.pairs()
        self.moves[:] = [move for move in self.moves if (move.owner, move.rule) in watched]
        self._faults.clear()
        self.evaluator = evaluator
