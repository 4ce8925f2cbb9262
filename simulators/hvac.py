"""The podium's plant: chillers and pumps."""

import random

from simulators.machine import Machine, Surroundings

LOW_FLOW = 41.0


class Chiller(Machine):
    """A screw chiller around its set point; a trip or a lost supply stops it and the water warms."""

    def __init__(self, id: str, roll: random.Random, rated_kw: float = 180.0) -> None:
        super().__init__(id, roll)
        self.rated = rated_kw
        self.leaving, self.capacity, self.running, self.code = 7.2, 62.0, True, 0.0
        self.hours, self.starts = float(roll.randint(4_000, 9_000)), float(roll.randint(300, 900))
        self.restart_s = 0.0

    def trip(self) -> None:
        """Flow is lost; the machine stops with a fault."""
        self.code, self.running = LOW_FLOW, False

    def reset(self) -> None:
        """The technician found the cause and reset it."""
        self.code, self.restart_s = 0.0, 15.0

    def step(self, seconds: float, around: Surroundings) -> None:
        """Cool, or warm up."""
        powered = around.powered(self.id)
        if not powered:
            self.running, self.restart_s = False, 30.0  # the restart delay runs from the return of the supply
        elif not self.running and not self.code:
            self.restart_s -= seconds
            if self.restart_s <= 0:
                self.running = True
                self.starts += 1
        aim, tau = (7.0, 300.0) if self.running else (16.0, 900.0)
        self.leaving += (aim - self.leaving) * min(1.0, seconds / tau)
        self.capacity += ((62.0 if self.running else 0.0) - self.capacity) * min(1.0, seconds / 20.0)
        self.draws_kw = self.rated * self.capacity / 100 if powered else 0.0
        self.hours += seconds / 3600 if self.running else 0.0
        self.points = {
            "run_enabled": float(self.running),
            "alarm": float(self.code > 0),
            "fault_code": self.code,
            "warning_code": 0.0,
            "problem_code": 0.0,
            "leaving_temp": self.noisy(self.leaving, 0.05),
            "entering_temp": self.noisy(self.leaving + 0.08 * self.capacity, 0.05),
            "setpoint": 7.0,
            "outdoor_temp": 18.5,
            "capacity": self.capacity,
            "capacity_limit": 100.0,
            "current": self.draws_kw * 1.65,
            "evap_flow": float(powered and not self.code),
            "local": 0.0,
            "capacity_limited": 0.0,
            "mode": 2.0,
            "run_mode": 3.0 if self.running else 1.0,
            "run_hours": self.hours,
            "starts": self.starts,
        }


class Pump(Machine):
    """A pump on a drive."""

    def __init__(self, id: str, roll: random.Random, rated_kw: float = 30.0) -> None:
        super().__init__(id, roll)
        self.rated, self.code, self.energy = rated_kw, 0.0, float(roll.randint(20_000, 30_000))

    def step(self, seconds: float, around: Surroundings) -> None:
        """Turn at 42 Hz while there is power and no fault."""
        runs = around.powered(self.id) and not self.code
        hertz = self.noisy(42.0, 0.05) if runs else 0.0
        self.draws_kw = self.rated * (hertz / 50) ** 3
        self.energy += self.draws_kw * seconds / 3600
        self.points = {
            "running": float(runs),
            "fault": float(self.code > 0),
            "fault_code": self.code,
            "speed": hertz * 29.2,
            "freq": hertz,
            "current": self.draws_kw * 1.9,
            "power": self.draws_kw,
            "torque": 61.0 if runs else 0.0,
            "dc_bus": 565.0 if around.powered(self.id) else 0.0,
            "out_voltage": hertz * 7.6,
            "energy": self.energy,
        }
