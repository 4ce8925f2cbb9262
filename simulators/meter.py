"""LV main meters: what passes through, as three phases show it."""

import math
import random

from simulators.machine import Machine, Surroundings


class Meter(Machine):
    """A three-phase meter on a 0.4 kV busbar."""

    def __init__(self, id: str, roll: random.Random) -> None:
        super().__init__(id, roll)
        self.energy_wh = roll.uniform(2e9, 6e9)

    def step(self, seconds: float, around: Surroundings) -> None:
        """Read voltage, current, power and energy."""
        live = around.powered(self.id)
        kw = around.load_beside(self.id) if live else 0.0
        volts = self.noisy(230.5, 0.4) if live else 0.0
        amps = kw * 1000 / (math.sqrt(3) * 400 * 0.93) if live else 0.0
        self.energy_wh += kw * 1000 * seconds / 3600
        self.points = {
            **{
                n: volts + k
                for n, k in (("v_an", 0.0), ("v_bn", 0.6 if live else 0.0), ("v_cn", -0.4 if live else 0.0))
            },
            **dict.fromkeys(("v_ab", "v_bc", "v_ca"), volts * math.sqrt(3)),
            "i_a": self.noisy(amps, 1.0) if amps else 0.0,
            "i_b": self.noisy(amps * 0.98, 1.0) if amps else 0.0,
            "i_c": self.noisy(amps * 1.03, 1.0) if amps else 0.0,
            "i_n": amps * 0.05,
            "p_total": kw,
            "q_total": kw * 0.39,
            "s_total": kw / 0.93,
            "pf": 0.93 if live else 1.0,
            "freq": self.noisy(50.0, 0.01) if live else 0.0,
            "energy_import": self.energy_wh / 1000,
            "energy_export": 0.0,
        }
