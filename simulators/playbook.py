"""How a plan is played on the simulators: what the building does, and what people do, as data.

plan = "chiller-trip"
machine = "chiller"            # its kind, or its id; the first one of the site, unless another is asked for
clock = "02:13"                # when it happens, at the site

[[event]]
at = "20 s"                    # after the beginning; or, `wait` after a step was done: after = "cause", wait = "2 min"
stage = "chiller-trip"         # or restore = "…"; simulators/faults.py names what can happen
on = "utility"                 # another machine: its id, or a kind (the first that feeds the drilled one, or any)

[answers]
trapped = "yes"                # a step's question and the answer to it

[times]
accept = "30 s"                # how long people take; see `Times`

[permit]                       # somebody works on the machine
holder = "engineering-supervisor"
until = "10 min"
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from facility.site import Site
from sitefolder import duration

FOLDER = Path(__file__).resolve().parent / "scenarios" / "plans"


class PlaybookError(Exception):
    """A plan has no scenario, or it cannot be played on this site; the message says why."""


@dataclass(frozen=True, slots=True)
class Times:
    """How long people take, in milliseconds."""

    answer: int = 15_000  # the desk, to answer a bell
    see: int = 10_000  # the desk, to acknowledge an alarm
    accept: int = 30_000  # whoever is paged
    guard: int = 60_000  # a guard's way to the place
    way: int = 120_000  # everybody else's
    desk: int = 15_000  # a step at the desk
    step: int = 60_000  # a step at the place
    sweep: int = 90_000  # to look into a lift
    close: int = 30_000  # from the last step to the end


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens to a machine, `wait_ms` after the beginning or after a step was done."""

    fault: str
    restore: bool
    wait_ms: int
    after: str = ""
    on: str = ""


@dataclass(frozen=True, slots=True)
class Work:
    """Somebody works on the machine under a permit: whose role, for how long from the beginning, ended after what."""

    holder: str
    until_ms: int
    ended_after: str = ""


@dataclass(frozen=True, slots=True)
class Playbook:
    """One plan's scenario."""

    plan: str
    machine: str
    clock: str
    events: Sequence[Event]
    answers: Mapping[str, str] = field(default_factory=dict)
    times: Times = Times()
    permit: Work | None = None


def read(plan: str, folder: Path = FOLDER) -> Playbook:
    """Return a plan's scenario.

    Raises:
        PlaybookError: it has none, or what stands there is wrong.
    """
    path = folder / f"{plan}.toml"
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
        return _playbook(plan, said)
    except FileNotFoundError as error:
        raise PlaybookError(f"the plan {plan} has no scenario: {path.name} is missing") from error
    except (tomllib.TOMLDecodeError, ValueError, KeyError, TypeError) as error:
        raise PlaybookError(f"{path.name}: {error}") from error


def machine_for(site: Site, playbook: Playbook, wanted: str = "") -> str:
    """Return the machine that a scenario is played on; raises PlaybookError when the site has none."""
    if wanted and wanted not in site.equipment:
        raise PlaybookError(f"the site has no machine {wanted}")
    found = wanted or _first(site, playbook.machine)
    if not found:
        raise PlaybookError(f"{playbook.plan}: the site has no {playbook.machine} to play it on")
    return found


def target(site: Site, event: Event, machine: str) -> str:
    """Return the machine that an event happens to."""
    if not event.on:
        return machine
    upstream = sorted(site.supply.upstream(machine)) if machine in site.supply.nodes else []
    near = next((m for m in upstream if m in site.equipment and site.equipment[m].kind == event.on), "")
    found = near or _first(site, event.on)
    if not found:
        raise PlaybookError(f"the site has no {event.on}")
    return found


def _first(site: Site, wanted: str) -> str:
    if wanted in site.equipment:
        return wanted
    return next((e.id for e in site.equipment.values() if e.kind == wanted), "")


def _playbook(plan: str, said: Mapping[str, Any]) -> Playbook:
    known = {"plan", "machine", "clock", "event", "answers", "times", "permit"}
    if unknown := said.keys() - known:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
    if said["plan"] != plan:
        raise ValueError(f'plan = "{said["plan"]}" stands in the file of {plan}')
    times = said.get("times", {})
    if unknown := times.keys() - {f.name for f in fields(Times)}:
        raise ValueError(f"[times] unknown: {', '.join(sorted(unknown))}")
    work = said.get("permit")
    return Playbook(
        plan,
        said["machine"],
        said.get("clock", "10:00"),
        tuple(_event(number, entry) for number, entry in enumerate(said.get("event", ()), 1)),
        dict(said.get("answers", {})),
        Times(**{name: duration.parse(words) for name, words in times.items()}),
        Work(work["holder"], duration.parse(work["until"]), work.get("ended_after", "")) if work else None,
    )


def _event(number: int, entry: Mapping[str, Any]) -> Event:
    staged, restored = entry.get("stage"), entry.get("restore")
    if (staged is None) == (restored is None) or ("at" in entry) == ("after" in entry):
        raise ValueError(f"event {number} needs at or after, and one of stage or restore")
    wait = duration.parse(entry["at"] if "at" in entry else entry.get("wait", "0 s"))
    return Event(str(staged or restored), restored is not None, wait, entry.get("after", ""), entry.get("on", ""))
