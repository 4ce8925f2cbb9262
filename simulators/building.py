"""The building: all machines of a site, and the power that reaches them."""

import random
from collections.abc import Callable, Mapping

from facility.equipment import Equipment
from facility.site import Site
from simulators.hvac import Chiller, Pump
from simulators.inputs import Contacts, Load
from simulators.lift import Lift
from simulators.machine import Machine
from simulators.meter import Meter
from simulators.switchgear import Breaker, DcPanel, Genset, RingMainUnit, TransferSwitch, Transformer, Utility

STEP_S = 0.1


class Building:
    """Implements simulators.machine.Surroundings for its machines."""

    def __init__(self, site: Site, seed: int = 20) -> None:
        self.site = site
        self.roll = random.Random(seed)
        self.machines: dict[str, Machine] = {e.id: self._build(e) for e in site.equipment.values()}
        self._power: Mapping[str, bool | None] = {}
        self._loads: dict[str, float] = {}
        self.step(STEP_S)

    def step(self, seconds: float) -> None:
        """Let everything live on for so long (at most a few seconds at a time)."""
        self._power = self.site.supply.energised(self._position)
        self._loads = self._flow()
        for machine in self.machines.values():
            machine.step(seconds, self)

    def powered(self, id: str) -> bool:
        """Whether a machine has power; what is not in the supply graph always has."""
        return self._power.get(id, True) is not False

    def load_kw(self, id: str) -> float:
        """What is drawn through a machine."""
        return self._loads.get(id, 0.0)

    def load_beside(self, id: str) -> float:
        """What is drawn through the first machine that feeds this one."""
        fed_by = self.site.equipment[id].fed_by
        return self.load_kw(fed_by[0]) if fed_by else 0.0

    def on_source(self, id: str, source: int) -> bool:
        """Whether the n-th source of a machine is live."""
        fed_by = self.site.equipment[id].fed_by
        return source <= len(fed_by) and self.powered(fed_by[source - 1])

    def has_mains(self) -> bool:
        """Whether every transformer has power: the genset's start signal is any of them gone."""
        return all(self.powered(m.id) for m in self.machines.values() if isinstance(m, Transformer))

    def _position(self, id: str) -> float | None:
        machine = self.machines[id]
        kind = self.site.equipment[id].kind
        name = self.site.kinds[kind].conducts or self.site.kinds[kind].selects
        return machine.points.get(name) if name else None

    def _flow(self) -> dict[str, float]:
        """Add every draw to all machines between it and its live source."""
        loads: dict[str, float] = {}
        for machine in self.machines.values():
            if machine.draws_kw and self.powered(machine.id):
                at: str | None = machine.id
                seen: set[str] = set()
                while at is not None and at not in seen:
                    seen.add(at)
                    loads[at] = loads.get(at, 0.0) + machine.draws_kw
                    at = self._live_source(at)
        return loads

    def _live_source(self, id: str) -> str | None:
        sources = self.site.equipment[id].fed_by
        position = self.machines[id].points.get("position")
        if position is not None and 0 < position <= len(sources):
            return sources[int(position) - 1]
        return next((s for s in sources if self.powered(s)), None)

    def _build(self, e: Equipment) -> Machine:
        roll = random.Random(f"{e.id}/{self.roll.random()}")
        p = e.parameters
        builders: dict[str, Callable[[], Machine]] = {
            "lift": lambda: Lift(
                e.id, roll, int(p.get("bottom_floor", -1)), int(p.get("top_floor", 18)), p.get("rated_speed", 1.75)
            ),
            "utility": lambda: Utility(e.id, roll),
            "switchgear": lambda: Breaker(e.id, roll),
            "rmu": lambda: RingMainUnit(e.id, roll),
            "transformer": lambda: Transformer(e.id, roll, p.get("rated_kva", 1000.0)),
            "genset": lambda: Genset(e.id, roll),
            "ats": lambda: TransferSwitch(e.id, roll),
            "lv_meter": lambda: Meter(e.id, roll),
            "dc_panel": lambda: DcPanel(e.id, roll),
            "chiller": lambda: Chiller(e.id, roll, p.get("rated_kw", 180.0)),
            "pump": lambda: Pump(e.id, roll, p.get("rated_kw", 30.0)),
            "load": lambda: Load(e.id, roll, p.get("load_kw", 60.0)),
            "lighting": lambda: Load(e.id, roll, p.get("load_kw", 40.0)),
        }
        contacts = lambda: Contacts(e.id, roll, tuple(self.site.kinds[e.kind].points))  # noqa: E731 - the default
        return builders.get(e.kind, contacts)()
