"""Rules on trial: readings in, transitions out; what was told is held against what was expected."""

from collections.abc import Sequence
from dataclasses import dataclass

from alarms.rules import Evaluator
from alarms.transition import Transition
from facility.scan import Scan
from facility.site import Site
from facility.text import Text


@dataclass(frozen=True, slots=True)
class Restart:
    """The service is killed and started again at that moment; it remembers what its last checkpoint said."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class Pause:
    """Time passes until that moment, and nothing is heard."""

    at_ms: int


START_MS = 1_767_225_600_000
"""Trials begin at this moment (2026-01-01 UTC); their files count from it."""

Event = Scan | Restart | Pause


@dataclass(frozen=True, slots=True)
class Told:
    """One transition as a trial names it."""

    at_ms: int
    owner: str
    rule: str
    rung: int
    raised: bool


@dataclass(frozen=True, slots=True)
class Trial:
    """A site, what happens there in the order of our clock, and what its rules are expected to say."""

    name: str
    site: Site
    events: Sequence[Event]
    expected: Sequence[Told]


def told(trial: Trial) -> list[Told]:
    """Return what the rules say, each delay woken when it is due."""
    evaluator, moved = Evaluator(trial.site), list[Transition]()
    for event in trial.events:
        now_ms = event.received_ms if isinstance(event, Scan) else event.at_ms
        while (due_ms := evaluator.due()) is not None and due_ms <= now_ms:
            moved += evaluator.ripen(due_ms)
        if isinstance(event, Scan):
            moved += evaluator.step(event)
        elif isinstance(event, Restart):
            memory = evaluator.memory()
            evaluator = Evaluator(trial.site)
            evaluator.remember(memory)
    return [Told(t.at_ms, t.owner, t.rule, t.rung, t.raised) for t in moved]


def differences(trial: Trial) -> list[Text]:
    """Return what was told and not expected, and what was expected and not told; empty when all is as it should be."""
    heard, missed = told(trial), []
    for wanted in trial.expected:
        if wanted in heard:
            heard.remove(wanted)
        else:
            missed.append(wanted)
    found = [Text(f"应有而没有：{_words(t)}", f"expected, and not told: {_words(t)}") for t in missed]
    return found + [Text(f"不应有而有：{_words(t)}", f"told, and not expected: {_words(t)}") for t in heard]


def clock(at_ms: int) -> str:
    """Return a moment of a trial as it is written: hours, minutes, seconds since it began."""
    seconds, rest = divmod(at_ms - START_MS, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}" + (f".{rest:03}" if rest else "")


def _words(t: Told) -> str:
    rung = f" rung {t.rung}" if t.rung else ""
    return f"{clock(t.at_ms)} {t.owner} {t.rule}{rung} {'raised' if t.raised else 'cleared'}"
