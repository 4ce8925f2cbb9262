"""What feeds what, and what is energised now."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
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
        return self._remembered(self._downstream, id, lambda n: self.feeds.get(n, ()))

    def upstream(self, id: str) -> frozenset[str]:
        """Return everything that can feed this node, itself not included."""
        return self._remembered(self._upstream, id, self._sources)

    def above(self, id: str) -> frozenset[str]:
        """Return what feeds a node and is not itself fed by it: in a ring nobody is above the other."""
        # The way up is short and the way down is not: a node above that is also below has this one above itself.
        return frozenset(n for n in self.upstream(id) if id not in self.upstream(n))

    @cached_property
    def _downstream(self) -> dict[str, frozenset[str]]:
        return {}

    @cached_property
    def _upstream(self) -> dict[str, frozenset[str]]:
        return {}

    def _remembered(
        self, known: dict[str, frozenset[str]], id: str, onward: Callable[[str], Iterable[str]]
    ) -> frozenset[str]:
        """Return everything onward from a node, itself not included; the graph never changes, and floods ask again."""
        found = known.get(id)
        if found is None:
            found = known[id] = self._reach(onward(id), onward) - {id}
        return found

    def _sources(self, id: str) -> tuple[str, ...]:
        return self.nodes[id].fed_by if id in self.nodes else ()

    def energised(self, position: Position, dead: AbstractSet[str] = frozenset()) -> Mapping[str, bool | None]:
        """Say for each node whether it has power; None where a position that decides it is not known.

        `position(id)` is a switch's 1 closed / 0 open, an ATS's 1-based source (0: on none), a source's 1 live /
        0 dead, or None when no good reading says so; a number that means none of these is not known either. Sources
        with an unknown position count as live utility: their absence shows downstream. A bus tie that is closed in a
        dead ring makes nothing live: power only comes from a source. What is `dead` passes nothing on, wherever it
        stands.
        """
        at = {id: 0.0 if id in dead else position(id) for id in self._positioned}
        told = (tuple(at.values()), frozenset(dead))
        if told not in self._energised:  # in a flood many ask while nothing moves; NaN is never the same, and asks anew
            self._energised.clear()
            self._energised[told] = self._flow(at, told[1])
        return self._energised[told]

    @cached_property
    def _positioned(self) -> tuple[str, ...]:
        """What stands somewhere: a transformer, a busbar, a load does not."""
        return tuple(n.id for n in self.nodes.values() if n.role is not Role.THROUGH)

    @cached_property
    def _energised(self) -> dict[tuple[tuple[float | None, ...], frozenset[str]], dict[str, bool | None]]:
        return {}

    def _flow(self, at: Mapping[str, float | None], dead: AbstractSet[str]) -> dict[str, bool | None]:
        state: dict[str, bool | None] = dict.fromkeys(self.nodes, False)
        # From dead upwards to unknown and live, never back: this ends, and a ring cannot hold itself up.
        todo = list(self.nodes)
        while todo:
            node = self.nodes[todo.pop()]
            if state[node.id] is True:
                continue
            fed = [state.get(s, False) for s in node.fed_by]
            now = False if node.id in dead else _power(node, at.get(node.id), fed)
            if now is not state[node.id]:
                state[node.id] = now
                todo += self.feeds.get(node.id, ())
        return state

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


def _power(node: Node, at: float | None, fed: Sequence[bool | None]) -> bool | None:
    """Return whether a node has power, given where it stands and what its sources have."""
    if node.role is Role.SOURCE:
        return at != 0
    if node.role is Role.SELECTOR:
        return _selected(at, fed)
    power = True if True in fed else (None if None in fed else False)
    if node.role is Role.THROUGH or power is False or at == 1:
        return power
    return False if at == 0 else None


def _selected(at: float | None, fed: Sequence[bool | None]) -> bool | None:
    """Return what an ATS passes on; when it is not known where it stands, only what all its sources agree on."""
    if at == 0 or not fed:
        return False
    chosen = [power for n, power in enumerate(fed, start=1) if at == n] or list(fed)
    return chosen[0] if chosen.count(chosen[0]) == len(chosen) else None
