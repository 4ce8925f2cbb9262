"""Stories with times: what was read, and what the rules said when.

    story = Timeline(site)
    story.at("02:13:00").reads("lift-1a", doors_closed=1, occupied=1)
    story.at("02:14:00").raises("lift-trapped", "lift-1a")
    story.ends()

Whatever comes up must be told, in order: a transition nobody expected fails the story.
"""

from collections.abc import Sequence
from itertools import pairwise

from alarms.rules import Evaluator
from alarms.transition import Transition
from facility.scan import Reason, Scan, missed
from facility.site import Site

MIDNIGHT_MS = 1_767_225_600_000
NAN = float("nan")


def ms(moment: str) -> int:
    """02:13:00 or 02:13:00.400, on the day of all stories."""
    hours, minutes, seconds = moment.split(":")
    return MIDNIGHT_MS + (int(hours) * 60 + int(minutes)) * 60_000 + round(float(seconds) * 1000)


def clock(at_ms: int) -> str:
    seconds, rest = divmod(at_ms - MIDNIGHT_MS, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}" + (f".{rest:03}" if rest else "")


def run(evaluator: Evaluator, scans: Sequence[Scan]) -> list[Transition]:
    return [t for scan in scans for t in evaluator.step(scan)]


def check_lives(moved: Sequence[Transition]) -> None:
    """Raised and cleared take turns, and no two transitions of an alarm have one name."""
    for rung in {(t.owner, t.rule, t.rung) for t in moved}:
        mine = [t for t in moved if (t.owner, t.rule, t.rung) == rung]
        assert all(a.raised is not b.raised and a.at_ms <= b.at_ms for a, b in pairwise(mine))
        assert len({(t.raised, t.at_ms) for t in mine}) == len(mine)


class Timeline:
    def __init__(self, site: Site, evaluator: Evaluator | None = None) -> None:
        self.site = site
        self.rules = evaluator or Evaluator(site)
        self.now = ms("00:00:00")
        self.moved: list[Transition] = []

    def at(self, moment: str) -> "Timeline":
        """Time passes; delays ripen on the way."""
        self.now = ms(moment)
        self.moved += self.rules.ripen(self.now)
        return self

    def reads(
        self, device: str, *, taken: str | None = None, bad: dict[str, Reason] | None = None, **values: float
    ) -> "Timeline":
        """The device says these points (by their own names); what is left out it does not give."""
        names = [p.rpartition("/")[2] for p in self.site.devices[device].points]
        bad = dict(bad or {})
        assert {*values, *bad} <= {*names}, f"{device} has only {names}"
        reasons = bytes(bad.get(n, Reason.GOOD if n in values else Reason.NOT_GIVEN) for n in names)
        scan = Scan(
            device, ms(taken) if taken else self.now, self.now, tuple(values.get(n, NAN) for n in names), reasons
        )
        self.moved += self.rules.step(scan)
        return self

    def misses(self, device: str, why: Reason = Reason.NO_ANSWER) -> "Timeline":
        self.moved += self.rules.step(missed(device, self.now, len(self.site.devices[device].points), why))
        return self

    def raises(
        self, rule: str, owner: str, *, at: str | None = None, value: float | None = None, rung: int = 0
    ) -> "Timeline":
        return self._next(rule, owner, "raised", at, value, rung)

    def clears(
        self, rule: str, owner: str, *, at: str | None = None, value: float | None = None, rung: int = 0
    ) -> "Timeline":
        return self._next(rule, owner, "cleared", at, value, rung)

    def quiet(self) -> "Timeline":
        told = [f"{t.owner}/{t.rule} {'raised' if t.raised else 'cleared'} at {clock(t.at_ms)}" for t in self.moved]
        assert not told, f"nothing was expected by {clock(self.now)}"
        return self

    def restarts(self, site: Site | None = None) -> "Timeline":
        """kill, start, remember."""
        memory = self.rules.memory()
        self.site = site or self.site
        self.rules = Evaluator(self.site)
        self.rules.remember(memory)
        return self

    def ends(self) -> None:
        self.quiet()

    def _next(self, rule: str, owner: str, said: str, at: str | None, value: float | None, rung: int) -> "Timeline":
        assert self.moved, f"{owner}/{rule} should be {said} by {clock(self.now)}"
        t = self.moved.pop(0)
        wanted = (owner, rule, rung, said, at or clock(self.now))
        assert (t.owner, t.rule, t.rung, "raised" if t.raised else "cleared", clock(t.at_ms)) == wanted
        if value is not None:
            assert t.value == value
        return self
