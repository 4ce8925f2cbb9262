"""Which machine upstream took the power away, when that is why another one stopped or fell silent.

A device whose silence no lost supply explains may have fallen silent with others: with its line, or with the network
behind several lines. They are named by the one of them that was first.

An ATS that went over to another source has what took the power from its first one as its cause.

The answer joins alarms, it hides none. So it is only given when the owner is not known to have power, and a rule that
guards a life has no cause but itself. What the positions cannot say, the alarms do: a breaker that reports a trip and
no position counts as open, and a machine with an undervoltage alarm counts as dead.
"""

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from functools import cached_property

from facility.point import System
from facility.rule import AlarmClass, Compare, Condition, Rule
from facility.site import Site
from facility.supply import Role

Position = Callable[[str], "float | None"]
"""Where a switch, an ATS or a source stands, as `Supply.energised` takes it."""

_LOADS = frozenset({"lift", "chiller", "pump", "load", "lighting"})
"""Kinds whose alarms of standing still may mean no more than: no power."""

_INTERRUPTS = frozenset({"trip", "temp_trip", "fault"})
"""Points that speak of an interrupted supply, beside the one that says whether the machine conducts."""

TOGETHER_MS = 60_000
"""Devices that fall silent within so long of the first (and their own interval) fell silent together.

A device that was silent for days before has its own cause: the next one to fall silent is a new matter.
"""

DEAD_LINES = 2
"""So many lines, wholly silent together, are the network."""

TOUCHED_LINES = 3
"""So many lines that lose devices together are the network too: polled one by one, none is wholly silent yet."""

Since = Mapping[tuple[str, str], int]
"""(owner, rule) of what is active -> when it rose, UTC milliseconds."""

_UPWARD = frozenset({Compare.ABOVE, Compare.RISES, Compare.COUNTS})
"""Comparisons that a machine without power does not meet: its values fall or stand still."""


def symptom(rule: Rule) -> bool:
    """Say whether an alarm of this rule may be nothing but a consequence of lost supply.

    A lost connection, an undervoltage, a load that stands still may be. Life-safety never is; neither is heat, water,
    fire, or a trip, which has a cause of its own.
    """
    if rule.class_ is AlarmClass.LIFE_SAFETY:
        return False
    if rule.class_ is AlarmClass.COMMUNICATION or any(_undervoltage(c) for c in rule.when):
        return True
    return rule.kind in _LOADS and not any(c.compare in _UPWARD for c in rule.when)


def cause(
    site: Site,
    owner: str,
    rule: str,
    active: Mapping[str, AbstractSet[str]],
    position: Position,
    since: Since | None = None,
) -> str | None:
    """Return the machine whose lost supply explains an alarm; None when it has power, or nobody upstream says why not.

    For a device that no lost supply explains: the first of the devices that fell silent together with it.

    Args:
        site: the site.
        owner: the alarm's machine, or the device of a communication alarm.
        rule: the alarm's rule.
        active: owner -> ids of the rules active there.
        position: where a switch, an ATS or a source stands; None when no good reading says so.
        since: when what is active rose; without it nothing is said of lines.
    """
    return Causes(site, active, position, since).of(owner, rule)


class Causes:
    """The same answer for many alarms of one moment: what has power is computed once."""

    def __init__(
        self, site: Site, active: Mapping[str, AbstractSet[str]], position: Position, since: Since | None = None
    ) -> None:
        self._site = site
        self._position = position
        self._since = since or {}
        self._active = active
        # Only what feeds others explains them; what hangs at the end is looked at when it is asked for.
        feeds = site.supply.feeds
        self._lost = {id: lost for id in feeds if id in active and (lost := self._losses(id, active[id]))}

    def of(self, owner: str, rule: str) -> str | None:
        """Return the most upstream machine that explains this alarm, else the first of the devices silent with it."""
        what = self._site.rules.get(rule)
        if what is not None and self._transfer(owner, what):
            return self._left(owner)
        if what is None or not symptom(what):
            return None
        machine = self._unsupplied(owner) if self._lost else None
        if machine is not None or what.class_ is not AlarmClass.COMMUNICATION:
            return machine
        first = self._first_silent.get(owner, owner)
        return first if first != owner else None

    def lost(self, machine: str) -> str | None:
        """Return the first-out machine upstream that left this one without power; None when it has power."""
        return self._unsupplied(machine) if self._lost else None

    def _transfer(self, owner: str, rule: Rule) -> bool:
        """Say whether an alarm is no more than an ATS that stands on another source than its first."""
        node, machine = self._site.supply.nodes.get(owner), self._site.equipment.get(owner)
        if node is None or machine is None or node.role is not Role.SELECTOR or not node.fed_by:
            return False
        stands = self._site.kinds[machine.kind].selects
        said = any(c.point == stands and c.compare is Compare.IS and c.limit > 1 for c in rule.when)
        return said and rule.class_ is not AlarmClass.LIFE_SAFETY

    def _left(self, ats: str) -> str | None:
        """Return what took the power from the first source of an ATS; None where that has power."""
        first = self._site.supply.nodes[ats].fed_by[0]
        if not self._lost or self._power[first] is True:
            return None
        return self._first_of([first, *self._upstream(first)])

    def _unsupplied(self, owner: str) -> str | None:
        machines = [m for m in self._machines(owner) if m in self._site.supply.nodes]
        if not machines or any(self._power[m] is True and not self._says_dead(m) for m in machines):
            return None
        return self._first_out(machines[0])

    def _says_dead(self, machine: str) -> bool:
        """Say whether a machine at the end of the supply has an undervoltage alarm."""
        rules = self._active.get(machine, ()) if machine not in self._site.supply.feeds else ()
        return any(_undervoltage(c) for r in self._losses(machine, rules) for c in r.when)

    def _machines(self, owner: str) -> Iterable[str]:
        """Return the machine itself; for a device, all machines it speaks for."""
        device = self._site.devices.get(owner)
        if device is None or owner in self._site.equipment:
            return (owner,)
        return dict.fromkeys(point.rpartition("/")[0] for point in device.points)

    @cached_property
    def _silent(self) -> Mapping[str, int]:
        """The devices that are silent, and since when; the first comes first."""
        telling = [rule.id for rule in self._site.rules.values() if rule.class_ is AlarmClass.COMMUNICATION]
        found: dict[str, int] = {}
        for device in self._site.devices:
            for rule in telling:
                if (at := self._since.get((device, rule))) is not None:
                    found[device] = at
        # What is also the name of a machine would be taken for the machine.
        return {d: found[d] for d in sorted(found, key=lambda d: (found[d], d)) if d not in self._site.equipment}

    @cached_property
    def _first_silent(self) -> Mapping[str, str]:
        """For each silent device, the first that fell silent together with it: on its line, or in the network."""
        first: dict[str, str] = {}
        for line in dict.fromkeys(self._site.devices[d].line for d in self._silent):
            for together in self._outbreaks(d for d in self._silent if self._site.devices[d].line == line):
                first.update(dict.fromkeys(together, together[0]))
        for together in self._outbreaks(self._silent):
            lines = {self._site.devices[d].line for d in together}
            if len(lines & self._dead_lines) >= DEAD_LINES or len(lines) >= TOUCHED_LINES:
                first.update(dict.fromkeys(together, together[0]))
        return first

    @cached_property
    def _dead_lines(self) -> frozenset[str]:
        """Lines on which nobody answers."""
        alive = {d.line for d in self._site.devices.values() if d.id not in self._silent}
        return frozenset(d.line for d in self._site.devices.values()) - alive

    def _outbreaks(self, devices: Iterable[str]) -> list[list[str]]:
        """Part silent devices, the first one first, into those that fell silent together."""
        found: list[list[str]] = []
        for device in devices:
            within = TOGETHER_MS + self._site.devices[device].interval_ms
            if found and self._silent[device] - self._silent[found[-1][0]] <= within:
                found[-1].append(device)
            else:
                found.append([device])
        return found

    def _losses(self, machine: str, rules: Iterable[str]) -> list[Rule]:
        """Return the active rules that speak of an interrupted supply on a machine that carries power."""
        equipment = self._site.equipment.get(machine)
        kind = self._site.kinds.get(equipment.kind) if equipment else None
        if kind is None or kind.system is not System.POWER:
            return []
        names = _INTERRUPTS | {kind.conducts}
        known = (self._site.rules[r] for r in rules if r in self._site.rules)
        return [r for r in known if any(_undervoltage(c) or c.point in names for c in r.when)]

    @cached_property
    def _dead(self) -> frozenset[str]:
        """Machines that pass nothing on, whatever their positions say or leave open."""
        return frozenset(
            id
            for id, rules in self._lost.items()
            if self._position(id) is None or any(_undervoltage(c) for r in rules for c in r.when)
        )

    @cached_property
    def _power(self) -> Mapping[str, bool | None]:
        return self._site.supply.energised(self._position, self._dead)

    def _first_out(self, machine: str) -> str | None:
        """Return the first machine, walking upstream, that lost its supply and has no other such above it."""
        sources = self._site.supply.nodes[machine].fed_by
        if machine in self._site.supply.feeds:
            return self._first_of(self._upstream(machine))
        if sources not in self._by_sources:  # what hangs on the same sources, and feeds nothing, has the same answer
            self._by_sources[sources] = self._first_of(self._upstream(machine))
        return self._by_sources[sources]

    @cached_property
    def _by_sources(self) -> dict[tuple[str, ...], str | None]:
        return {}

    def _first_of(self, machines: Iterable[str]) -> str | None:
        near = [m for m in machines if m in self._lost and self._power[m] is not True]
        found = set(near)
        above = self._site.supply.above
        return min(near, key=lambda m: len(above(m) & found), default=None)

    def _upstream(self, machine: str) -> list[str]:
        """Return what may have fed a machine, first source first; nothing came through a switch simply left open."""
        nodes = self._site.supply.nodes
        found: dict[str, None] = {}
        todo = list(reversed(nodes[machine].fed_by))
        while todo:
            id = todo.pop()
            if id in found or id not in nodes or id == machine:
                continue
            found[id] = None
            resting = nodes[id].role is Role.SWITCH and id not in self._lost and self._position(id) == 0
            todo += () if resting else reversed(nodes[id].fed_by)
        return list(found)


def _undervoltage(condition: Condition) -> bool:
    return condition.compare in {Compare.BELOW, Compare.FALLS} and condition.point.startswith("v_")
