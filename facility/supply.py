"""What feeds what, and what is energised now."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property


class Role(StrEnum):
    """What a node does with the power it gets."""

    SOURCE = "source"  # the utility, a genset
    SWITCH = "switch"  # conducts when closed
    SELECTOR = "selector"  # an ATS: stands on one of its sources
    THROUGH = "through"  # a transformer, a busbar, a load


@dataclass(frozen=True, slots=True)
class Node:
    """One machine in the supply graph."""

    id: str
    role: Role
    fed_by: tuple[str, ...] = ()


Position = Callable[[str], "float | None"]


@dataclass(frozen=True)
class Supply:
    """The supply graph of a site: several sources, dual feeds, ATS; cycles (bus ties) are allowed."""

    nodes: Mapping[str, Node] = field(default_factory=dict)

    @cached_property
    def feeds(self) -> Mapping[str, tuple[str, ...]]:
        """For each node, the nodes it feeds directly."""
        out: dict[str, list[str]] = {}
        for node in self.nodes.values():
            for source in node.fed_by:
                out.setdefault(source, []).append(node.id)
        return {k: tuple(v) for k, v in out.items()}

    def downstream(self, id: str) -> frozenset[str]:
        """Return everything that can be fed through this node, itself not included."""
        return self._reach(self.feeds.get(id, ()), lambda n: self.feeds.get(n, ())) - {id}

    def upstream(self, id: str) -> frozenset[str]:
        """Return everything that can feed this node, itself not included."""
        return self._reach(self._sources(id), self._sources) - {id}

    def _sources(self, id: str) -> tuple[str, ...]:
        return self.nodes[id].fed_by if id in self.nodes else ()

    def energised(self, position: Position) -> dict[str, bool | None]:
        """Say for each node whether it has power; None where a position that decides it is not known.

        `position(id)` is a switch's 1 closed / 0 open, an ATS's 1-based source, a source's 1 live / 0 dead,
        or None when no good reading says so. Sources with an unknown position count as live utility: their
        absence shows downstream.
        """
        state: dict[str, bool | None] = dict.fromkeys(self.nodes, False)
        changed = True
        while changed:
            changed = False
            for node in self.nodes.values():
                now = self._has_power(node, position(node.id), state)
                if now is not state[node.id] and state[node.id] is not True:
                    state[node.id] = now
                    changed = True
        return state

    @staticmethod
    def _has_power(node: Node, at: float | None, state: Mapping[str, bool | None]) -> bool | None:
        if node.role is Role.SOURCE:
            return at != 0
        if node.role is Role.SELECTOR:
            if at is None:
                fed = [state.get(s, False) for s in node.fed_by]
                return any(f is True for f in fed) or (None if any(f is None for f in fed) else False)
            index = int(at) - 1
            return state.get(node.fed_by[index], False) if 0 <= index < len(node.fed_by) else False
        fed = [state.get(s, False) for s in node.fed_by]
        power = True if any(f is True for f in fed) else (None if any(f is None for f in fed) else False)
        if node.role is Role.SWITCH:
            if at == 0:
                return False
            return (None if power else power) if at is None else power
        return power

    @staticmethod
    def _reach(start: Iterable[str], onward: Callable[[str], Iterable[str]]) -> frozenset[str]:
        seen: set[str] = set()
        todo = list(start)
        while todo:
            node = todo.pop()
            if node not in seen:
                seen.add(node)
                todo += onward(node)
        return frozenset(seen)
